"""What counts and where, in the reference: computed by hand from the specification."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from event_builders import (
    account,
    contract_event,
    deletion,
    link,
    member,
    rate_card,
    team_event,
    terms,
    uid,
    worklog,
)
from reference.columns import COLUMNS
from reference_cases import C1, DESIGN, NORTH, SOUTH, SUPPORT, TEAMS, H, fixed, model


def test_deletion_then_greater_digest_wins_at_equal_times():
    greater, lesser = worklog("1", seconds=7, description="b"), worklog("1", seconds=5, description="a")
    deleted = deletion("1", deleted="2026-03-03T01:00:00+01:00")
    # The SHA-256 of their canonical content: c2c143… and 0367e3….
    for order in ([greater, lesser], [lesser, greater]):
        assert [work.seconds for work in model(*order).work] == [7]
        assert model(*order, deleted).work == model(deleted, *order).work == []


def test_team_of_worklog_counts_and_memberships_include_both_days():
    body = terms(accounts=[account("Support", "40", teams=TEAMS)])
    joining = team_event("North", [member("ann", "2026-03-02", "2026-03-03")])
    work = [
        *(worklog(f"{day}", started=f"2026-03-{day:02}T09:00:00Z") for day in (1, 2, 3, 4)),
        worklog("own", started="2026-03-05T09:00:00Z", team=SOUTH),
        worklog("strange", started="2026-03-02T10:00:00Z", team="nobody"),
    ]
    figures = model(contract_event(terms=body), link(), joining, *work)
    teams = {work.worklog_id: work.team_id for work in figures.work}
    assert teams == {"1": None, "2": NORTH, "3": NORTH, "4": None, "own": SOUTH, "strange": NORTH}
    # Where it has slices, they name its teams.
    body = terms(accounts=[account("Support", "40", slices=[(SOUTH, "40")], teams=TEAMS)])
    figures = model(contract_event(terms=body), link(), joining, *work)
    assert {work.worklog_id for work in figures.work if work.team_id} == {"own"}


def test_unaccounted_work_belongs_to_the_contract_of_its_issue():
    figures = model(
        contract_event(), contract_event(code="C2"), link(account="nobody"), link("I2", contract="C2", account=None),
        worklog("1"), worklog("2", issue="I2", seconds=60), worklog("3", issue="I3"),
    )  # fmt: skip
    assert {row["contract_code"]: row["unaccounted_seconds"] for row in figures.contracts()} == {"C1": H, "C2": 60}
    assert figures.balance("C2")["unaccounted_seconds"] == 60
    refs = {row["worklog_id"]: (row["contract_ref"], row["account_ref"]) for row in figures.unaccounted_worklogs()}
    assert refs == {"1": ("C1", "nobody"), "2": ("C2", None), "3": (None, None)}


@pytest.mark.parametrize(
    ("today", "months"),
    [
        ("2025-06-01", [1]),
        ("2026-01-31", [1]),
        ("2026-03-31", [2, 3]),
        ("2026-04-01", [3, 4]),
        ("2027-02-01", [11, 12]),
    ],
)
def test_published_balance_shows_previous_and_current_period(today, months):
    figures = model(contract_event(), link(), worklog("1"))
    now = datetime.fromisoformat(today).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    balance = figures.balance("C1", now)
    assert [date.fromisoformat(period["start"]).month for period in balance["periods"]] == months
    (support,) = balance["accounts"]
    assert [date.fromisoformat(period["start"]).month for period in support["periods"]] == months
    (unassigned,) = support["slices"]
    assert (unassigned["team_id"], unassigned["whole"]["consumed"], unassigned["whole"]["planned"]) == (None, H, None)
    # The unassigned share has only the periods where work is.
    assert [period["start"] for period in unassigned["periods"]] == ["2026-03-01"] * (3 in months)


def test_fixed_price_counts_by_issue_day_and_rates_by_work_day():
    late = worklog("1", started="2027-01-04T09:00:00Z")
    figures = model(
        contract_event(terms=fixed()), link(created="2026-12-31T22:59:59Z"), late, rate_card(first="2027-01-01")
    )
    (work,) = figures.worklogs_of(C1)
    assert (work.period_start, work.day, work.amount_exact) == (date(2026, 12, 1), date(2027, 1, 4), 9000 * H)
    assert figures.daily_consumption()[0]["day"] == date(2027, 1, 4)
    for created, reason in (("2026-12-31T23:00:00Z", "outside_dates"), (None, "issue_undated")):  # midnight in Berlin
        unknown = model(contract_event(terms=fixed()), link(created=created), late)
        assert [row["reason"] for row in unknown.unaccounted_worklogs()] == [reason]


def test_columns_of_the_other_contract_type_are_null():
    hours = model(contract_event(), link(), worklog("1"), rate_card())
    assert {hours.contract_periods()[2][name] for name in COLUMNS["contract_periods"] if "amount" in name} == {None}
    assert (hours.contracts()[0]["unrated_seconds"], hours.contracts()[0]["currency"]) == (None, None)
    money = model(contract_event(terms=fixed()), link(created="2026-03-01T00:00:00Z"), worklog("1"))
    row = money.contract_periods()[2]
    assert (row["planned_seconds"], row["carried_seconds"], row["available_seconds"]) == (None, None, None)
    assert (row["consumed_seconds"], row["unrated_seconds"], row["currency"]) == (H, H, "EUR")
    assert (row["planned_amount_minor"], row["carried_amount_minor"]) == (100_000, 0)
    assert money.slice_consumption()[0]["planned_amount_minor"] is None


def test_draft_shows_null_for_missing_values():
    body = terms(end="2026-02-28", hours=None, accounts=[account("Support", None, slices=[(NORTH, "5")])])
    draft = model(contract_event(1, "DRAFT", terms=body), link(), worklog("1"))
    row = draft.contracts()[0]
    assert (row["planned_seconds"], row["consumed_seconds"], row["percent"]) == (None, 0, None)
    assert (row["remaining_seconds"], row["unaccounted_seconds"]) == (None, H)
    assert [row["planned_seconds"] for row in draft.slice_consumption()] == [5 * H] * 2
    assert [row["reason"] for row in draft.unaccounted_worklogs()] == ["contract_draft"]


def test_unbillable_accounts_do_not_count_towards_the_contract():
    body = terms(accounts=[account("Support", "40"), account("Inside", "5", billable=False)])
    figures = model(contract_event(terms=body), link(account="Inside"), worklog("1"))
    assert (figures.contracts()[0]["consumed_seconds"], figures.contracts()[0]["worklog_count"]) == (0, 0)
    assert figures.account_totals()[1]["consumed_seconds"] == H
    assert figures.daily_consumption()[0]["consumed_seconds"] == H


def test_unassigned_work_and_teams_without_slice_have_rows_only_with_work():
    body = terms(end="2026-03-31", accounts=[account("Support", "40", slices=[(NORTH, "40")])])
    figures = model(contract_event(terms=body), link(), worklog("1"), team_event("North", []))
    rows = {
        (row["team_name"], row["period_start"].month): row["consumed_seconds"] for row in figures.slice_consumption()
    }
    assert rows == {("North", 1): 0, ("North", 2): 0, ("North", 3): 0, (None, 3): H}
    body = terms(end="2026-03-31", accounts=[account("Support", "40", teams=[NORTH])])
    figures = model(contract_event(terms=body), link(), worklog("1", team=NORTH))
    assert [(row["team_id"], row["planned_seconds"]) for row in figures.slice_consumption()] == [(NORTH, None)]


RENAMED = [
    contract_event(1, accounts=[account("Old", "20", id_=SUPPORT), account("Design", "20")]),
    contract_event(2, accounts=[account("New", "20", id_=SUPPORT), account("Old", "20", id_=DESIGN)]),
    contract_event(3, accounts=[account("Support", "20"), account("Other", "20", id_=DESIGN)]),
]


@pytest.mark.parametrize(
    ("ref", "version_count", "account_id"),
    [
        ("Old", 1, SUPPORT),
        ("Old", 2, DESIGN),  # now the name of another account
        ("Old", 3, DESIGN),  # no longer a name: the last account that had it
        ("New", 3, SUPPORT),
        ("Design", 3, DESIGN),
        (DESIGN, 3, DESIGN),
        ("design", 3, None),
        (None, 3, None),
    ],
)
def test_account_is_found_by_id_or_any_former_name(ref, version_count, account_id):
    (work,) = model(*RENAMED[:version_count], link(account=ref), worklog("1")).work
    assert (work.account_id, work.reason) == (account_id, None if account_id else "account_unknown")


def test_removed_account_leaves_its_work_unknown_until_it_returns():
    two, one = [account("Support", "20"), account("Design", "20")], [account("Design", "40")]
    versions = [contract_event(number, accounts=accounts) for number, accounts in enumerate((two, one, two), 1)]
    work = [link(account="Support"), worklog("1")]
    assert [model(*versions[:count], *work).work[0].reason for count in (1, 2, 3)] == [None, "account_unknown", None]


def test_contract_id_comes_before_code_and_discarded_draft_has_no_reference():
    other = contract_event(1, contract=uid("other"), code=C1)
    assert model(contract_event(), other, link(contract=C1), worklog("1")).work[0].contract_id == C1
    discarded = contract_event(1, None, contract=uid("discarded"), previous="DRAFT")
    for ref in ("C1", uid("discarded")):
        (work,) = model(discarded, link(contract=ref), worklog("1")).work
        assert (work.reason, work.contract_id, work.contract_ref) == ("contract_unknown", None, ref)
