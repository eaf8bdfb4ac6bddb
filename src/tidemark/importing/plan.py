"""Build the plan of an import from its rows: organizations, teams, contracts, links and worklogs. Pure.

Every row is taken, refused or repeated.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeVar

from tidemark.importing.files import CsvRecord, FileError
from tidemark.importing.identity import check_names, identify_rows
from tidemark.importing.mapping import AccountMapping, Mapping
from tidemark.importing.rows import (
    RefusedRow,
    Row,
    attribution_templates,
    compile_attribution,
    read_header,
)
from tidemark.importing.templates import build_matcher, compile_template
from tidemark.importing.values import RowError, parse_exact_seconds
from tidemark_shared.messaging.events import FIRST_YEAR

MAX_SLICES = 4
_Key = TypeVar("_Key")
_SECONDS_PER_HUNDREDTH = 36
_FIRST_DAY = date(FIRST_YEAR, 1, 1)

PlannedSeconds = Dictionary[tuple[str, str, str], int]
"""Planned seconds by contract code, account and team."""


class PlannedSlice(NamedTuple):
    """A slice: a team's share of an account."""

    team: str
    hours: Decimal


class PlannedAccount(NamedTuple):
    """An account; its slices' hours sum exactly to its own."""

    name: str
    billable: bool
    hours: Decimal
    slices: tuple[PlannedSlice, ...]


class PlannedContract(NamedTuple):
    """A contract; its billable accounts' hours sum exactly to its own."""

    code: str
    name: str
    organization: str
    status: str
    start: date
    end: date
    hours: Decimal
    accounts: tuple[PlannedAccount, ...]


class Link(NamedTuple):
    """An issue with the contract's code and the account's name that it is linked to, if any."""

    issue: str
    key: str | None
    summary: str | None
    contract: str | None
    account: str | None
    created: datetime


class Plan(NamedTuple):
    """Everything that an import creates and publishes, and the rows that it does not take."""

    rows: list[Row]
    refused_rows: list[RefusedRow]
    repeated: int
    organizations: list[str]
    teams: dict[str, dict[str, date]]
    contracts: list[PlannedContract]
    links: list[Link]


def build_plan(
    parsed_rows: Iterable[Row | RefusedRow], mapping: Mapping, today: date, planned: PlannedSeconds | None = None
) -> Plan:
    """Build the plan for the rows of a file. Raises :class:`~tidemark.importing.mapping.MappingError`."""
    rows: list[Row] = []
    refused: list[RefusedRow] = []
    for row in parsed_rows:
        if isinstance(row, Row):
            rows.append(row)
        else:
            refused.append(row)
    check_names(rows, mapping.same, one_customer=mapping.organization.of_contract == "one")
    rows, superseded, repeated = _keep_latest(identify_rows(rows))
    rows, conflicting = _keep_one_attribution_per_issue(rows)
    contracts = _plan_contracts(rows, mapping, today, planned or {}) if mapping.creates_contracts else []
    return Plan(
        rows=rows,
        refused_rows=sorted([*refused, *superseded, *conflicting]),
        repeated=repeated,
        organizations=sorted({contract.organization for contract in contracts}),
        teams=_plan_teams(rows),
        contracts=contracts,
        links=_plan_links(rows, mapping),
    )


def _keep_latest(rows: list[Row]) -> tuple[list[Row], list[RefusedRow], int]:
    """One row for each worklog: the latest update, then the last line. The others are superseded or repeated."""
    latest: dict[str, Row] = {}
    for row in rows:
        previous = latest.get(row.worklog)
        if previous is None or previous.updated is None or row.updated is None or row.updated >= previous.updated:
            latest[row.worklog] = row
    if len(latest) == len(rows):
        return rows, [], 0
    earlier = [(row, latest[row.worklog]) for row in rows if latest[row.worklog] is not row]
    superseded = [
        RefusedRow(
            row.line,
            row.worklog,
            "superseded",
            f"Line {winner.line} supersedes worklog {row.worklog}. Delete one of the lines.",
        )
        for row, winner in earlier
        if row._replace(line=winner.line) != winner
    ]
    return list(latest.values()), superseded, len(earlier) - len(superseded)


def _keep_one_attribution_per_issue(rows: list[Row]) -> tuple[list[Row], list[RefusedRow]]:
    """An issue has one contract and account: those of most of its rows; if equal, the first."""
    attributions: dict[str, tuple[str, str]] = {}
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for row in rows:
        attribution = row.contract, row.account
        if attributions.setdefault(row.issue, attribution) != attribution:
            counts[row.issue] = Counter()
    if not counts:
        return rows, []
    for row in rows:
        if row.issue in counts:
            counts[row.issue][row.contract, row.account] += 1
    attributions |= {issue: _most_common(issue_counts) for issue, issue_counts in counts.items()}
    kept, refused = [], []
    for row in rows:
        contract, account = attributions[row.issue]
        if (row.contract, row.account) == (contract, account):
            kept.append(row)
            continue
        refused.append(
            RefusedRow(
                row.line,
                row.worklog,
                "issue_elsewhere",
                f"Issue {row.issue} belongs to {contract}, {account}; this row says {row.contract}, {row.account}. "
                "An issue has one account. Correct the row, or change issue.id in the mapping to separate the issues.",
            )
        )
    return kept, refused


def _most_common(counts: Counter[_Key]) -> _Key:
    return counts.most_common(1)[0][0]


def _plan_teams(rows: list[Row]) -> dict[str, dict[str, date]]:
    """The persons of each team, with the day of their first row in it."""
    teams: dict[str, dict[str, date]] = defaultdict(dict)
    for row in rows:
        if row.team:
            members = teams[row.team]
            members[row.author] = min(row.day, members.get(row.author, row.day))
    return dict(sorted(teams.items()))


def _plan_links(rows: list[Row], mapping: Mapping) -> list[Link]:
    first_rows: dict[str, Row] = {}
    for row in rows:
        first = first_rows.get(row.issue)
        if first is None or (row.created or row.started) < (first.created or first.started):
            first_rows[row.issue] = row
    # An override has no name, so its index in the list is used as one.
    match_override = build_matcher([(str(index), override.issues) for index, override in enumerate(mapping.link)])
    links = []
    for issue, row in first_rows.items():
        contract: str | None = row.contract
        account: str | None = row.account or None
        if mapping.link and (index := match_override(issue)) is not None:
            contract, account = mapping.link[int(index)].contract, mapping.link[int(index)].account
        links.append(Link(issue, row.issue_key, row.summary, contract, account, row.created or row.started))
    return links


def _plan_contracts(rows: list[Row], mapping: Mapping, today: date, planned: PlannedSeconds) -> list[PlannedContract]:
    first_rows: dict[str, Row] = {}
    first_days: dict[str, date] = {}
    organizations: dict[str, Counter[str]] = defaultdict(Counter)
    logged: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        first_rows.setdefault(row.contract, row)
        first_days[row.contract] = min(row.day, first_days.get(row.contract, row.day))
        if row.organization:
            organizations[row.contract][row.organization] += 1
        if row.team:
            logged[row.contract, row.account][row.team] += row.seconds
            logged[row.contract, ""][row.team] += row.seconds
    contracts = []
    for code, row in sorted(first_rows.items()):
        override, defaults = mapping.override(code), mapping.contract
        organization_counts = organizations[code]
        start = override.start_date or defaults.start_date or max(first_days[code] - timedelta(days=1), _FIRST_DAY)
        stated_hours = override.planned_hours or defaults.planned_hours or Decimal()
        contract_planned = {key[1:]: seconds for key, seconds in planned.items() if key[0] == code}
        accounts = _plan_accounts(
            mapping.account,
            None if override.planned_hours else _planned_hundredths(mapping.account, contract_planned),
            int(stated_hours * 100),
            {account.name: _slice_teams(logged[code, account.name] or logged[code, ""]) for account in mapping.account},
            contract_planned,
        )
        contracts.append(
            PlannedContract(
                code=code,
                name=override.name or row.contract_name or code,
                organization=(
                    _most_common(organization_counts) if organization_counts else mapping.organization.unknown
                ),
                status=override.status,
                start=start,
                end=override.end_date or defaults.end_date or max(start, date(today.year + 1, 12, 31)),
                hours=sum((account.hours for account in accounts if account.billable), Decimal()),
                accounts=accounts,
            )
        )
    return contracts


def _slice_teams(logged: Counter[str]) -> list[str]:
    """The teams with the most logged time, up to the number of slices of an account (C4); the rest is unassigned."""
    ranked = sorted(logged.items(), key=lambda item: (-item[1], item[0]))
    return [team for team, _ in ranked[:MAX_SLICES]]


def _planned_hundredths(
    accounts: Sequence[AccountMapping], planned: Dictionary[tuple[str, str], int]
) -> list[int] | None:
    """The planned hundredths of hours of a file by account, rounded up; None if it plans nothing billable."""
    by_account = Counter[str]()
    for (account, _), seconds in planned.items():
        by_account[account] += seconds
    if not any(by_account[account.name] for account in accounts if account.billable):
        return None
    return [-(-by_account[account.name] // _SECONDS_PER_HUNDREDTH) for account in accounts]


def _plan_accounts(
    accounts: Sequence[AccountMapping],
    hundredths: list[int] | None,
    contracted: int,
    teams_by_account: Dictionary[str, list[str]],
    planned: Dictionary[tuple[str, str], int],
) -> tuple[PlannedAccount, ...]:
    """All accounts of the mapping, so that a later file of the same contract can use them."""
    if hundredths is None:
        billable_shares = [account.share if account.billable else 0 for account in accounts]
        # Non-billable accounts get hours beside the contract's own, at the same rate.
        hundredths = [
            billable_part if account.billable else contracted * account.share // sum(billable_shares)
            for account, billable_part in zip(accounts, split(contracted, billable_shares), strict=True)
        ]
    planned_accounts = []
    for account, total in zip(accounts, hundredths, strict=True):
        teams = teams_by_account[account.name]
        parts = split(total, [planned.get((account.name, team), 0) for team in teams])
        slices = tuple(PlannedSlice(team, Decimal(part) / 100) for team, part in zip(teams, parts, strict=True))
        planned_accounts.append(PlannedAccount(account.name, account.billable, Decimal(total) / 100, slices))
    return tuple(planned_accounts)


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` exactly into whole parts by weight. The largest remainders round up; zero weights are equal."""
    weight_sum = sum(weights)
    if not weight_sum:
        weights, weight_sum = [1] * len(weights), len(weights)
    parts = [total * weight // weight_sum for weight in weights]
    by_remainder = sorted(range(len(parts)), key=lambda index: (-(total * weights[index] % weight_sum), index))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def planned_templates(mapping: Mapping) -> list[str | None]:
    """The templates for a row of planned time. Raises :class:`FileError` if the mapping has none."""
    if mapping.planned is None:
        raise FileError("The mapping has no [planned] section. Add it, with the column of the planned time.")
    return [*attribution_templates(mapping), mapping.planned.duration]


def read_planned(records: Iterable[CsvRecord], mapping: Mapping) -> PlannedSeconds:
    """The planned seconds of a file by contract, account and team; rows that cannot be read are skipped."""
    templates = planned_templates(mapping)
    remaining = iter(records)
    header = read_header(remaining, mapping, templates)
    attribute = compile_attribution(mapping, header)
    duration = compile_template(templates[-1], header, mapping.no_value)
    unit = mapping.planned.unit if mapping.planned else "seconds"
    planned: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for record in remaining:
        if not record.error:
            with suppress(RowError):
                seconds = parse_exact_seconds(duration(record.fields), unit)
                planned[attribute(record.fields)] += seconds
    return {key: round(seconds) for key, seconds in planned.items() if seconds > 0}
