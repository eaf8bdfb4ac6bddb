"""The plan: every row is used once, hours add up exactly, links and teams follow the rows and the mapping."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.importing.files import CsvRecord, FileError
from tidemark.importing.mapping import Mapping, parse_mapping
from tidemark.importing.plan import Plan, build_plan, read_planned, split
from tidemark.importing.rows import RefusedRow, Row

TODAY = date(2026, 6, 1)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def mapping(more: str = "", accounts: str = "") -> Mapping:
    return parse_mapping(
        f"""
        source = "test"
        timezone = "UTC"
        date_formats = ["%Y"]
        account_by = "{{phase}}"
        worklog = {{id = "{{l}}", author = "{{p}}", started = "{{s}}", duration = "{{d}}", unit = "minutes"}}
        issue = {{id = "{{i}}"}}
        organization = {{name = "{{o}}", unknown = "Nobody"}}
        team = {{name = "{{t}}"}}
        planned = {{duration = "{{planned}}", unit = "minutes"}}
        [contract]
        code = "{{c}}"
        name = "{{c}}"
        owner = {{name = "Olga", email = "olga@provider.example"}}
        planned_hours = "100"
        {
            accounts
            or '''
        [[account]]
        name = "Design"
        match = ["design"]
        [[account]]
        name = "Other"
        match = ["*"]'''
        }
        {more}
        """
    )


def row(line: int, **values: Any) -> Row:
    return Row(
        **{
            "line": line,
            "worklog": f"w{line}",
            "issue": "i",
            "author": "p",
            "started": START,
            "day": START.date(),
            "seconds": 60,
            "contract": "C",
            "contract_name": "Contract",
            "account": "Design",
            "team": "T",
            "organization": "O",
            "updated": None,
            "description": None,
            "issue_key": None,
            "summary": None,
            "created": None,
            **values,
        }
    )


def plan(rows: Sequence[Row | RefusedRow], more: str = "", **options: Any) -> Plan:
    return build_plan(rows, mapping(more, options.pop("accounts", "")), TODAY, **options)


def test_identical_row_counts_once() -> None:
    import_plan = plan([row(2, worklog="w"), row(3, worklog="w")])
    assert (len(import_plan.rows), import_plan.repeated, import_plan.refused_rows) == (1, 1, [])


def test_later_line_of_a_worklog_wins() -> None:
    import_plan = plan([row(2, worklog="w", seconds=1), row(3, worklog="w", seconds=2), row(4, worklog="w", seconds=2)])
    assert [row_.seconds for row_ in import_plan.rows] == [2]
    assert import_plan.repeated == 1
    assert [(row_.line, row_.reason) for row_ in import_plan.refused_rows] == [(2, "superseded")]
    assert "Line 4" in import_plan.refused_rows[0].message


def test_later_update_of_a_worklog_wins() -> None:
    import_plan = plan([row(2, worklog="w", updated=START), row(3, worklog="w", updated=START - timedelta(days=1))])
    assert [row_.line for row_ in import_plan.rows] == [2]
    assert [row_.line for row_ in import_plan.refused_rows] == [3]


def test_issue_gets_the_attribution_of_most_of_its_rows() -> None:
    import_plan = plan([row(2, account="Other"), row(3), row(4), row(5, contract="D")])
    assert [row_.line for row_ in import_plan.rows] == [3, 4]
    assert [(row_.line, row_.reason) for row_ in import_plan.refused_rows] == [
        (2, "issue_elsewhere"),
        (5, "issue_elsewhere"),
    ]
    assert "C, Design; this row says D, Design" in import_plan.refused_rows[1].message


FEW = st.integers(0, 2).map(str)
ROWS = st.lists(
    st.one_of(
        st.builds(lambda w, i, c, a: ("row", w, i, c, a), FEW, FEW, FEW, st.sampled_from(["Design", "Other"])),
        st.just(("refusal",)),
    ),
    max_size=20,
)


@given(ROWS)
def test_every_row_is_taken_refused_or_repeated(drawn_rows: list[tuple[str, ...]]) -> None:
    # Given rows that repeat and contradict each other
    rows = [
        row(line, worklog=drawn[1], issue=drawn[2], contract=drawn[3], account=drawn[4])
        if drawn[0] == "row"
        else RefusedRow(line, "", "why", "")
        for line, drawn in enumerate(drawn_rows, 2)
    ]
    # When they are planned
    import_plan = plan(rows)
    # Then each is used once, and each worklog and issue occurs once
    assert len(import_plan.rows) + len(import_plan.refused_rows) + import_plan.repeated == len(rows)
    lines = [row_.line for row_ in [*import_plan.rows, *import_plan.refused_rows]]
    assert len(set(lines)) == len(lines)
    assert max(Counter(row_.worklog for row_ in import_plan.rows).values(), default=1) == 1
    assert len(import_plan.links) == len({row_.issue for row_ in import_plan.rows})
    assert {(link.issue, link.contract, link.account) for link in import_plan.links} == {
        (row_.issue, row_.contract, row_.account) for row_ in import_plan.rows
    }


def test_blank_organization_does_not_split_a_contract() -> None:
    import_plan = plan(
        [row(2, organization=""), row(3, organization=""), row(4, organization="A"), row(5, organization="A")]
    )
    assert [(contract.code, contract.organization) for contract in import_plan.contracts] == [("C", "A")]
    assert import_plan.organizations == ["A"]


def test_contract_without_organization_gets_the_unknown_one() -> None:
    assert plan([row(2, organization="")]).organizations == ["Nobody"]


def test_contract_runs_from_the_day_before_its_first_log_to_the_end_of_next_year() -> None:
    import_plan = plan([row(2, day=date(2020, 1, 1)), row(3, day=date(2019, 5, 5))])
    assert (import_plan.contracts[0].start, import_plan.contracts[0].end) == (date(2019, 5, 4), date(2027, 12, 31))


def test_contract_in_the_far_future_does_not_end_before_it_starts() -> None:
    import_plan = plan([row(2, day=date(2090, 1, 1))])
    assert import_plan.contracts[0].end >= import_plan.contracts[0].start


def test_contract_override_is_applied() -> None:
    import_plan = plan(
        [row(2), row(3, contract="D", issue="j")],
        """
        [contracts.C]
        name = "Narrow"
        planned_hours = "12.34"
        start_date = 2026-02-01
        end_date = 2026-02-28
        status = "draft"
        """,
    )
    narrow, other = import_plan.contracts
    assert (narrow.name, narrow.hours, narrow.status) == ("Narrow", Decimal("12.34"), "draft")
    assert (narrow.start, narrow.end) == (date(2026, 2, 1), date(2026, 2, 28))
    assert (other.hours, other.status) == (Decimal(100), "active")


def test_contract_has_every_account_of_the_mapping() -> None:
    assert [account.name for account in plan([row(2)]).contracts[0].accounts] == ["Design", "Other"]


def test_persons_are_team_members_from_their_first_row() -> None:
    import_plan = plan([row(2, day=date(2026, 3, 2)), row(3, day=date(2026, 3, 1)), row(4, team=""), row(5, team="U")])
    assert import_plan.teams == {"T": {"p": date(2026, 3, 1)}, "U": {"p": START.date()}}


def test_four_teams_with_the_most_time_get_slices() -> None:
    rows = [row(line, team=f"T{line}", seconds=line) for line in range(2, 8)]
    accounts = {account.name: account for account in plan(rows).contracts[0].accounts}
    assert [slice_.team for slice_ in accounts["Design"].slices] == ["T7", "T6", "T5", "T4"]
    # An account without rows has those of the contract, so that a later file finds them.
    assert [slice_.team for slice_ in accounts["Other"].slices] == ["T7", "T6", "T5", "T4"]


def test_issue_creation_is_its_first_work_unless_a_column_states_it() -> None:
    later = START + timedelta(days=1)
    assert plan([row(2, started=later), row(3)]).links[0].created == START
    assert plan([row(2, created=later)]).links[0].created == later


def test_link_overrides_are_applied() -> None:
    import_plan = plan(
        [row(line, issue=f"i{line}") for line in range(2, 6)],
        """
        [[link]]
        issues = ["i2"]
        [[link]]
        issues = ["i3"]
        contract = "NONE"
        account = "None"
        [[link]]
        issues = ["i[34]"]
        contract = "C"
        account = "None"
        """,
    )
    assert [(link.contract, link.account) for link in import_plan.links] == [
        (None, None),
        ("NONE", "None"),
        ("C", "None"),
        ("C", "Design"),
    ]


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**9), min_size=1, max_size=6))
def test_split_is_exact_and_proportional(total: int, weights: list[int]) -> None:
    parts = split(total, weights)
    assert sum(parts) == total
    shares = weights if any(weights) else [1] * len(weights)
    for part, weight in zip(parts, shares, strict=True):
        assert abs(part * sum(shares) - total * weight) < sum(shares)


HOURS = st.integers(1, 10**8).map(lambda hundredths: Decimal(hundredths) / 100)
ACCOUNTS = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=6).filter(
    lambda accounts: any(billable and share for billable, share in accounts)
)


@given(HOURS, ACCOUNTS, st.integers(0, 6))
def test_slices_and_billable_accounts_add_up(hours: Decimal, accounts: list[tuple[bool, int]], teams: int) -> None:
    # Given a contract with stated hours, some accounts and teams
    tables = "\n".join(
        f"""
        [[account]]
        name = "a{number}"
        match = ["{"*" if number == len(accounts) else number}"]
        billable = {str(billable).lower()}
        share = {share}
        """
        for number, (billable, share) in enumerate(accounts, 1)
    )
    rows = [row(line, account="a1", team=f"t{line}" if teams else "") for line in range(2, 3 + teams)]
    # When it is planned
    contract = plan(rows, f'[contracts.C]\nplanned_hours = "{hours}"', accounts=tables).contracts[0]
    # Then C2, C3, C4 and C5 hold
    assert contract.hours == hours == sum(account.hours for account in contract.accounts if account.billable)
    for account in contract.accounts:
        assert len(account.slices) <= 4
        assert not account.slices or sum(slice_.hours for slice_ in account.slices) == account.hours
        for planned in (account.hours, *(slice_.hours for slice_ in account.slices)):
            assert planned >= 0
            assert planned == round(planned, 2)


PLANNED = [
    CsvRecord(1, ["c", "phase", "t", "planned"]),
    CsvRecord(2, ["C", "design", "T", "90.5"]),
    CsvRecord(3, ["C", "design", "U", "29.5"]),
    CsvRecord(4, ["C", "code", "T", "1"]),
    CsvRecord(5, ["C", "code", "T", "unknown"]),
    CsvRecord(6, ["C", "code", "T", "-5"]),
    CsvRecord(7, [], "ragged"),
]


def test_planned_hours_come_from_the_file() -> None:
    # Given a file of planned time
    planned = read_planned(PLANNED, mapping())
    # When a contract is planned with it
    import_plan = plan([row(2), row(3, team="U")], planned=planned)
    # Then accounts and slices have its hours, rounded up to hundredths, and what cannot be read plans nothing
    contract = import_plan.contracts[0]
    assert [(account.name, account.hours) for account in contract.accounts] == [
        ("Design", Decimal(2)),
        ("Other", Decimal(0)),
    ]
    assert [(slice_.team, slice_.hours) for slice_ in contract.accounts[0].slices] == [
        ("T", Decimal("1.51")),
        ("U", Decimal("0.49")),
    ]
    assert contract.hours == Decimal(2)


def test_contract_missing_in_the_planned_file_gets_the_default_hours() -> None:
    import_plan = plan([row(2, contract="D")], planned=read_planned(PLANNED, mapping()))
    assert import_plan.contracts[0].hours == Decimal(100)


def test_hours_of_the_mapping_override_the_planned_file() -> None:
    import_plan = plan([row(2)], '[contracts.C]\nplanned_hours = "7"', planned=read_planned(PLANNED, mapping()))
    assert import_plan.contracts[0].hours == Decimal(7)


def test_planned_file_without_its_column_raises_file_error() -> None:
    with pytest.raises(FileError, match="'planned'"):
        read_planned([CsvRecord(1, ["c", "phase", "t"])], mapping())
