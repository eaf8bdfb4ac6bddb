"""Pure: rows to the organizations, teams, contracts and links that are to exist, and the worklogs to publish.

Every row ends in exactly one of three places: taken, refused, repeated.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeVar

from tidemark.importing.files import FileError, Record
from tidemark.importing.mapping import Account, Mapping, chooser, render
from tidemark.importing.rows import Refusal, Refused, Row, exact_seconds, place, placing, read_header
from tidemark_shared.messaging.events import FIRST_YEAR

MAX_SLICES = 4
_Thing = TypeVar("_Thing")
_SECONDS_PER_HUNDREDTH = 36
_FIRST_DAY = date(FIRST_YEAR, 1, 1)

# Planned seconds by contract code, account and team.
Planned = Dictionary[tuple[str, str, str], int]


class PlannedSlice(NamedTuple):
    """A team's share of an account."""

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
    """An issue and what it is linked to: a contract's code and an account's name, or nothing."""

    issue: str
    key: str | None
    summary: str | None
    contract: str | None
    account: str | None
    created: datetime


class Plan(NamedTuple):
    """All that an import is to bring about, and all that it does not take."""

    rows: list[Row]
    refusals: list[Refusal]
    repeated: int
    organizations: list[str]
    teams: dict[str, dict[str, date]]
    contracts: list[PlannedContract]
    links: list[Link]


def make(found: Iterable[Row | Refusal], mapping: Mapping, today: date, planned: Planned | None = None) -> Plan:
    """What a file's rows come to."""
    rows: list[Row] = []
    refusals: list[Refusal] = []
    for one in found:
        if isinstance(one, Row):
            rows.append(one)
        else:
            refusals.append(one)
    rows, superseded, repeated = _latest(rows)
    rows, elsewhere = _one_place_an_issue(rows)
    contracts = _contracts(rows, mapping, today, planned or {})
    return Plan(
        rows=rows,
        refusals=sorted([*refusals, *superseded, *elsewhere]),
        repeated=repeated,
        organizations=sorted({contract.organization for contract in contracts}),
        teams=_teams(rows),
        contracts=contracts,
        links=_links(rows, mapping),
    )


def _latest(rows: list[Row]) -> tuple[list[Row], list[Refusal], int]:
    """One row a worklog: the latest update, of equal ones the last line. Others repeat it or are superseded."""
    latest: dict[str, Row] = {}
    for row in rows:
        known = latest.get(row.worklog)
        if known is None or known.updated is None or row.updated is None or row.updated >= known.updated:
            latest[row.worklog] = row
    if len(latest) == len(rows):
        return rows, [], 0
    others = [(row, latest[row.worklog]) for row in rows if latest[row.worklog] is not row]
    superseded = [
        Refusal(
            row.line,
            row.worklog,
            "superseded",
            f"Worklog {row.worklog} is superseded by line {winner.line}. Delete one of the lines.",
        )
        for row, winner in others
        if row._replace(line=winner.line) != winner
    ]
    return list(latest.values()), superseded, len(others) - len(superseded)


def _one_place_an_issue(rows: list[Row]) -> tuple[list[Row], list[Refusal]]:
    """An issue has one contract and account: those of most of its rows; of equally many the first."""
    places: dict[str, tuple[str, str]] = {}
    divided: dict[str, Counter[tuple[str, str]]] = {}
    for row in rows:
        if places.setdefault(row.issue, (row.contract, row.account)) != (row.contract, row.account):
            divided[row.issue] = Counter()
    if not divided:
        return rows, []
    for row in rows:
        if row.issue in divided:
            divided[row.issue][row.contract, row.account] += 1
    places |= {issue: _most(counts) for issue, counts in divided.items()}
    kept, refused = [], []
    for row in rows:
        contract, account = places[row.issue]
        if (row.contract, row.account) == (contract, account):
            kept.append(row)
            continue
        refused.append(
            Refusal(
                row.line,
                row.worklog,
                "issue_elsewhere",
                f"Issue {row.issue} belongs to {contract}, {account}; this row says {row.contract}, {row.account}, "
                "and an issue has one account. Correct the row, or let the mapping's issue.id tell them apart.",
            )
        )
    return kept, refused


def _most(counts: Counter[_Thing]) -> _Thing:
    return counts.most_common(1)[0][0]


def _teams(rows: list[Row]) -> dict[str, dict[str, date]]:
    """Each team's persons with the day of their first row in it."""
    teams: dict[str, dict[str, date]] = defaultdict(dict)
    for row in rows:
        if row.team:
            members = teams[row.team]
            members[row.author] = min(row.day, members.get(row.author, row.day))
    return dict(sorted(teams.items()))


def _links(rows: list[Row], mapping: Mapping) -> list[Link]:
    first: dict[str, Row] = {}
    for row in rows:
        known = first.get(row.issue)
        if known is None or (row.created or row.started) < (known.created or known.started):
            first[row.issue] = row
    # A name must not hold what an exception has; its place in the list does as one.
    exception = chooser([(str(index), one.issues) for index, one in enumerate(mapping.link)])
    links = []
    for issue, row in first.items():
        contract: str | None = row.contract
        account: str | None = row.account
        if mapping.link and (index := exception(issue)) is not None:
            contract, account = mapping.link[int(index)].contract, mapping.link[int(index)].account
        links.append(Link(issue, row.issue_key, row.summary, contract, account, row.created or row.started))
    return links


def _contracts(rows: list[Row], mapping: Mapping, today: date, planned: Planned) -> list[PlannedContract]:
    first: dict[str, Row] = {}
    first_day: dict[str, date] = {}
    organizations: dict[str, Counter[str]] = defaultdict(Counter)
    logged: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        first.setdefault(row.contract, row)
        first_day[row.contract] = min(row.day, first_day.get(row.contract, row.day))
        if row.organization:
            organizations[row.contract][row.organization] += 1
        if row.team:
            logged[row.contract, row.account][row.team] += row.seconds
            logged[row.contract, ""][row.team] += row.seconds
    found = []
    for code, row in sorted(first.items()):
        own, terms = mapping.override(code), mapping.contract
        counts = organizations[code]
        start = own.start_date or terms.start_date or max(first_day[code] - timedelta(days=1), _FIRST_DAY)
        stated = own.planned_hours or terms.planned_hours
        in_file = {key[1:]: seconds for key, seconds in planned.items() if key[0] == code}
        accounts = _accounts(
            mapping.account,
            None if own.planned_hours else _hundredths_by_account(mapping.account, in_file),
            int(stated * 100),
            {one.name: _slice_teams(logged[code, one.name] or logged[code, ""]) for one in mapping.account},
            in_file,
        )
        found.append(
            PlannedContract(
                code=code,
                name=own.name or row.contract_name or code,
                organization=_most(counts) if counts else mapping.organization.unknown,
                status=own.status,
                start=start,
                end=own.end_date or terms.end_date or max(start, date(today.year + 1, 12, 31)),
                hours=sum((account.hours for account in accounts if account.billable), Decimal()),
                accounts=accounts,
            )
        )
    return found


def _slice_teams(logged: Counter[str]) -> list[str]:
    """The teams with most logged time, as many as an account may have slices (C4); the rest is unassigned."""
    ranked = sorted(logged.items(), key=lambda item: (-item[1], item[0]))
    return [team for team, _ in ranked[:MAX_SLICES]]


def _hundredths_by_account(accounts: Sequence[Account], planned: Dictionary[tuple[str, str], int]) -> list[int] | None:
    """The planned hundredths of hours that a file states, rounded up; None where it plans nothing to bill."""
    by_account = Counter[str]()
    for (account, _), seconds in planned.items():
        by_account[account] += seconds
    if not any(by_account[account.name] for account in accounts if account.billable):
        return None
    return [-(-by_account[account.name] // _SECONDS_PER_HUNDREDTH) for account in accounts]


def _accounts(
    accounts: Sequence[Account],
    hundredths: list[int] | None,
    contracted: int,
    teams: Dictionary[str, list[str]],
    planned: Dictionary[tuple[str, str], int],
) -> tuple[PlannedAccount, ...]:
    """All accounts of the mapping, so that a later file of the same contract finds its own."""
    if hundredths is None:
        billable = [account.share if account.billable else 0 for account in accounts]
        hundredths = split(contracted, billable)
        # What is not billed is planned beside the contract's hours, by the same measure.
        hundredths = [
            own if account.billable else contracted * account.share // sum(billable)
            for account, own in zip(accounts, hundredths, strict=True)
        ]
    found = []
    for account, total in zip(accounts, hundredths, strict=True):
        chosen = teams[account.name]
        shares = split(total, [planned.get((account.name, team), 0) for team in chosen])
        slices = tuple(PlannedSlice(team, Decimal(own) / 100) for team, own in zip(chosen, shares, strict=True))
        found.append(PlannedAccount(account.name, account.billable, Decimal(total) / 100, slices))
    return tuple(found)


def split(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` in whole parts by weight, exactly; equal parts where nothing weighs. The largest rests round up."""
    whole = sum(weights)
    if not whole:
        weights, whole = [1] * len(weights), len(weights)
    parts = [total * weight // whole for weight in weights]
    rests = sorted(range(len(parts)), key=lambda index: (-(total * weights[index] % whole), index))
    for index in rests[: total - sum(parts)]:
        parts[index] += 1
    return parts


def read_planned(records: Iterable[Record], mapping: Mapping) -> Planned:
    """The planned seconds of a file by contract, account and team; a row that cannot be read plans nothing."""
    if mapping.planned is None:
        raise FileError("The mapping has no [planned]: add it, to say which column holds the planned time.")
    found = iter(records)
    header = read_header(found, [*placing(mapping), mapping.planned.duration])
    where = place(mapping, header)
    duration = render(mapping.planned.duration, header, mapping.no_value)
    planned: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for record in found:
        if not record.fault:
            with suppress(Refused):
                planned[where(record.fields)] += exact_seconds(duration(record.fields), mapping.planned.unit)
    return {key: round(seconds) for key, seconds in planned.items() if seconds > 0}
