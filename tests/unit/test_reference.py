"""The reference against what the specification says, worked out by hand; and what holds for any history."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from event_builders import (
    account,
    adjustment,
    contract_event,
    deletion,
    facts_of,
    link,
    member,
    rate_card,
    rollover,
    team_event,
    terms,
    uid,
    worklog,
)
from histories import histories, seeded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.columns import COLUMNS
from reference.facts import canonical
from reference.reports import Model
from reference.restatements import restatements
from reference.rules import compute_carried, percent, periods

from tidemark_shared.domain.bodies import Balance
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.events import canonical_content
from tidemark_shared.messaging.topics import TOPICS

H = 3600
C1, SUPPORT, DESIGN = uid("contract C1"), uid("account Support"), uid("account Design")
NORTH, SOUTH = TEAMS = [uid("team North"), uid("team South")]


def model(*records):
    return Model(facts_of(records))


def activated(**changes):
    """A contract that was drafted and is ACTIVE since 1 January 2026."""
    return [contract_event(1, "DRAFT", **changes), contract_event(2, previous="DRAFT", **changes)]


def fixed(value=100_000, **changes):
    return terms(**{"value": value, "accounts": [account("Support", value=value)], **changes})


# Periods and rollover


def test_60_of_40_hours_is_150_percent():
    work = [worklog(str(day), started=f"2026-03-{day:02}T09:00:00Z", seconds=4 * H) for day in range(1, 16)]
    row = model(*activated(), link(), *work).contract_periods()[2]
    assert row["period_start"] == date(2026, 3, 1)
    assert (row["planned_seconds"], row["consumed_seconds"], row["worklog_count"]) == (40 * H, 60 * H, 15)
    assert str(row["percent"]) == "150.00"
    balance = model(*activated(), link(), *work).balance("C1")
    assert (balance["periods"][2]["remaining"], balance["whole"]["remaining"]) == (-20 * H, 420 * H)


def test_four_months_at_100_hours_are_400_hours():
    of_100 = model(contract_event(hours="100", end="2026-04-30"))
    assert len(of_100.contract_periods()) == 4
    assert of_100.contracts()[0]["planned_seconds"] == 400 * H
    assert of_100.account_totals()[0]["planned_seconds"] == 400 * H


def test_monthly_periods_start_on_the_original_day_or_month_end():
    starts = [start for start, _ in periods(terms(start="2026-01-31", end="2026-05-15"))]
    assert starts == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]
    assert periods(terms(start="2026-01-31", end="2026-05-15"))[-1][1] == date(2026, 5, 15)
    assert periods(terms(start="2024-01-31", end="2024-03-30"))[1] == (date(2024, 2, 29), date(2024, 3, 30))


def flow(plans, used, **policy):
    body = terms(rollover=rollover(**policy))
    amounts = compute_carried(body, [plan * H for plan in plans], [amount * H for amount in used])
    return [amount // H for amount in amounts]


def test_carried_amount_is_capped_oldest_first_and_lapses():
    # Into the 2nd: 10 of the 1st. The 2nd uses them and 5 of its own: 5 left of it. The 3rd is not used at all.
    # Into the 4th: 5 of the 2nd and 10 of the 3rd are above the cap of 12, which cuts 3 of the 2nd.
    # The 4th uses the 2 of the 2nd, the 10 of the 3rd and 1 of its own. Into the 5th: 9 of the 4th.
    assert flow([10] * 5, [0, 15, 0, 13, 0], unused="carry", cap_hours="12", lapse=2) == [0, 10, 5, 12, 9]
    # Lapsing comes first: into the 4th nothing of the 1st, so the cap of 25 finds 20 and cuts nothing.
    assert flow([10] * 5, [0] * 5, unused="carry", cap_hours="25", lapse=2) == [0, 10, 20, 20, 20]
    assert flow([10] * 5, [0] * 5, unused="carry", cap_hours="15", lapse=2) == [0, 10, 15, 15, 15]
    assert flow([10] * 5, [0] * 5, unused="carry") == [0, 10, 20, 30, 40]
    assert flow([10] * 5, [0] * 5, unused="expire") == [0] * 5


def test_cap_cuts_oldest_first():
    # Into the 3rd 15 of 20: 5 of the 1st and all 10 of the 2nd, which are what has not lapsed before the 4th.
    assert flow([10, 10, 0, 0], [0] * 4, unused="carry", cap_hours="15", lapse=2) == [0, 10, 15, 10]


def test_amount_cut_by_cap_never_returns():
    # Into the 2nd and the 3rd the cap of 5 leaves 5; of the 1st nothing is left to come back once the 2nd's are used.
    assert flow([10, 10, 10, 10], [0, 12, 13, 0], unused="carry", cap_hours="5") == [0, 5, 3, 0]


def test_overrun_is_deducted_over_several_periods():
    assert flow([10] * 5, [35, 0, 0, 0, 0], overrun="deduct") == [0, -25, -15, -5, 0]
    assert flow([10] * 5, [35, 0, 0, 0, 0], overrun="deduct", unused="carry", cap_hours="1") == [0, -25, -15, -5, 1]
    assert flow([10] * 5, [35, 0, 0, 0, 0], unused="carry") == [0, 0, 10, 20, 30]
    assert flow([10, 10, 10], [0, 25, 0], overrun="deduct", unused="carry") == [0, 10, -5]


def test_period_with_nothing_available_has_no_percentage():
    body = terms(end="2026-03-31", rollover=rollover(overrun="deduct"))
    periods_of = model(
        contract_event(terms=body), link(), worklog("1", started="2026-01-05T09:00:00Z", seconds=100 * H)
    )
    rows = periods_of.contract_periods()
    assert [row["carried_seconds"] // H for row in rows] == [0, -60, -20]
    assert [row["available_seconds"] // H for row in rows] == [40, -20, 20]
    assert [row["percent"] for row in rows] == [Decimal("250.00"), None, Decimal("0.00")]
    assert [period["remaining"] // H for period in periods_of.balance("C1")["periods"]] == [-60, -20, 20]
    # Over all periods, percentages refer to the planned.
    assert periods_of.contracts()[0]["percent"] == Decimal("83.33")


def test_adjustment_adds_to_account_and_contract_but_not_to_slices():
    inside = account("Inside", "5", billable=False)
    body = terms(
        end="2026-02-28",
        accounts=[account("Support", "40", slices=[(NORTH, "40")]), inside],
        adjustments=[adjustment(SUPPORT, "2026-02-01", "20"), adjustment(inside["id"], "2026-01-01", "1")],
    )
    adjusted = model(contract_event(terms=body))
    assert [row["planned_seconds"] // H for row in adjusted.contract_periods()] == [40, 60]
    assert [row["planned_seconds"] // H for row in adjusted.account_consumption()] == [40, 60, 6, 5]
    assert [row["planned_seconds"] // H for row in adjusted.account_totals()] == [100, 11]
    assert [row["planned_seconds"] // H for row in adjusted.slice_consumption()] == [40, 40]
    assert adjusted.contracts()[0]["planned_seconds"] == 100 * H


# Rates


def rated(*records, body=None):
    """By worklog id: the amount in minor units (exact), and the unrated seconds."""
    figures = model(contract_event(terms=body or fixed()), link(), *records)
    return {work.worklog_id: (work.amount_exact / H, work.unrated_seconds) for work in figures.worklogs_of(C1)}


MONDAY = "2026-03-02"


def test_day_is_split_at_the_workload_of_each_card():
    body = fixed(accounts=[account("Support", value=100_000, teams=TEAMS)])
    cards = [rate_card(), rate_card(team=SOUTH, rates=(3600, 7200, 0, 0), workload="7.5")]
    amounts = rated(
        *cards,
        worklog("1", started=f"{MONDAY}T08:00:00Z", seconds=7 * H, team=NORTH),
        worklog("2", started=f"{MONDAY}T15:00:00Z", seconds=1801, team=SOUTH),
        worklog("3", started=f"{MONDAY}T16:00:00Z", seconds=1802, team=NORTH),
        worklog("4", started=f"{MONDAY}T17:00:00Z", seconds=H, team=NORTH),
        body=body,
    )
    assert amounts["4"] == (11000, 0)
    assert amounts["1"] == (7 * 9000, 0)
    assert amounts["2"] == (1800 + 2, 0)  # 1800 s at 3600 an hour, then 1 s at 7200
    assert amounts["3"] == ((1799 * 9000 + 3 * 11000) / H, 0)  # 7 h and 1801 s came before: 1799 s are left of 8 h


def test_all_counted_work_fills_the_workload():
    body = fixed(accounts=[account("Support", value=100_000, teams=TEAMS), account("Inside", value=1, billable=False)])
    amounts = rated(
        rate_card(team=NORTH),
        link("I2", account="Inside"),
        link(source="/other"),
        worklog("0", started=f"{MONDAY}T06:00:00Z", seconds=3 * H),  # nobody's team: no card
        worklog("1", issue="I2", started=f"{MONDAY}T07:00:00Z", seconds=3 * H),
        worklog("2", started=f"{MONDAY}T08:00:00Z", seconds=H, source="/other"),
        worklog("3", started=f"{MONDAY}T08:00:00Z", seconds=2 * H, team=NORTH),
        worklog("4", started=f"{MONDAY}T07:30:00Z", seconds=9 * H, author="bob"),
        worklog("5", started="2026-03-03T00:00:00Z", seconds=H, team=NORTH),
        body=body,
    )
    assert amounts["0"] == (0, 3 * H)
    assert amounts["3"] == (9000 + 11000, 0)
    assert amounts["5"] == (9000, 0)


def test_simultaneous_work_is_ordered_by_id_bytes_then_source():
    start, ids = f"{MONDAY}T08:00:00Z", ["é", "a", "B", "2", "10"]
    amounts = rated(rate_card(workload="3"), *(worklog(id_, started=start, seconds=H) for id_ in ids))
    assert [id_ for id_ in ids if amounts[id_] == (9000, 0)] == ["B", "2", "10"]
    for first, second in ((("1", "/other"), ("1", "/tracker")), (("1", "/tracker"), ("2", "/other"))):
        work = [worklog(id_, started=start, seconds=H, source=source) for id_, source in (second, first)]
        figures = model(contract_event(terms=fixed()), link(), link(source="/other"), rate_card(workload="1"), *work)
        assert [(work.worklog_id, work.source) for work in figures.work if work.amount_exact == 9000 * H] == [first]


def test_each_contract_has_its_own_workload():
    contracts = [contract_event(terms=fixed()), contract_event(terms=fixed(code="C2"))]
    links = [link(), link("I2", contract="C2")]
    figures = model(
        *contracts, *links, rate_card(), worklog("1", seconds=8 * H), worklog("2", issue="I2", seconds=8 * H)
    )
    assert [work.amount_exact for work in figures.work] == [8 * 9000 * H] * 2
    assert [row["consumed_amount_minor"] for row in figures.contracts()] == [8 * 9000] * 2


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        ("2026-03-02", 9000),
        ("2026-03-07", 13500),  # Saturday
        ("2026-04-03", 18000),  # Good Friday
        ("2026-12-26", 18000),  # Boxing Day, a Saturday
        ("2026-03-08", 18000),  # Women's Day, a Sunday, in Berlin alone
    ],
)
def test_holiday_rate_comes_before_weekend_and_normal_rate(day, rate):
    body = fixed(holidays="DE-BE")
    assert rated(rate_card(), worklog("1", started=f"{day}T09:00:00Z", seconds=9 * H), body=body)["1"] == (
        9 * rate if rate != 9000 else 8 * 9000 + 11000,
        0,
    )


def test_contract_calendar_includes_observed_days():
    sunday = worklog("1", started="2026-03-08T09:00:00Z")
    assert rated(rate_card(), sunday, body=fixed(holidays="DE-HH"))["1"] == (13500, 0)
    assert rated(rate_card(), sunday)["1"] == (13500, 0)
    observed = worklog("1", started="2026-07-03T15:00:00Z")  # the 4th is a Saturday
    assert rated(rate_card(), observed, body=fixed(holidays="US"))["1"] == (18000, 0)


def test_team_card_comes_first_then_latest_in_the_currency():
    body = fixed(accounts=[account("Support", value=100_000, teams=[NORTH])])
    cards = [
        rate_card(rates=(1, 0, 0, 0)),
        rate_card(rates=(2, 0, 0, 0), first="2026-03-01"),
        rate_card(rates=(3, 0, 0, 0), first="2026-03-03"),
        rate_card(rates=(4, 0, 0, 0), team=NORTH, first="2026-02-15"),
        rate_card(rates=(5, 0, 0, 0), team=NORTH, first="2026-02-20", currency="USD"),
        rate_card(rates=(6, 0, 0, 0), team=SOUTH),
    ]
    amounts = rated(
        *cards,
        worklog("1", started="2026-02-10T09:00:00Z", team=NORTH),
        worklog("2", started="2026-02-16T09:00:00Z", team=NORTH),
        worklog("3", started="2026-03-02T09:00:00Z", team=NORTH),
        worklog("4", started="2026-03-02T09:00:00Z"),
        worklog("5", started="2026-03-03T09:00:00Z"),
        body=body,
    )
    assert {worklog_id: amount for worklog_id, (amount, _) in amounts.items()} == {
        "1": 1,
        "2": 4,
        "3": 4,
        "4": 2,
        "5": 3,
    }


def test_deleted_card_rates_nothing():
    assert rated(rate_card(), rate_card(version=2, deleted=True), worklog("1"))["1"] == (0, H)


def test_amounts_are_added_exactly_and_rounded_once():
    card = rate_card(rates=(1, 1, 1, 1))
    halves = [worklog(str(number), seconds=1800) for number in range(4)]
    for count, amount in ((1, 0), (2, 1), (3, 2), (4, 2)):
        figures = model(contract_event(terms=fixed(3)), link(), card, *halves[:count])
        row = figures.contracts()[0]
        assert (row["consumed_amount_minor"], row["consumed_seconds"]) == (amount, count * 1800)
        assert sum(work.amount_exact for work in figures.worklogs_of(C1)) == count * 1800
    # 1.5 of 36: exact, not 2 of 36; and what remains is 34.5, rounded once.
    figures = model(contract_event(terms=fixed(3)), link(), card, *halves[:3])
    assert str(figures.contracts()[0]["percent"]) == "4.17"
    assert figures.contracts()[0]["remaining_amount_minor"] == 34
    assert str(percent(1, 2 * 10_000)) == "0.00"
    assert str(percent(3, 2 * 10_000)) == "0.02"


def test_remaining_amount_is_rounded_once():
    # 3 less 0.5 is 2.5, and shown as 2; the consumed as 0.
    body = fixed(3, recurrence="none")
    figures = model(contract_event(terms=body), link(), rate_card(rates=(1, 1, 1, 1)), worklog("1", seconds=1800))
    assert figures.contracts()[0]["remaining_amount_minor"] == 2
    whole = figures.balance("C1")["whole"]
    assert (whole["consumed"], whole["remaining"]) == (0, 2)


# What counts, and where


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
    for created in ("2026-12-31T23:00:00Z", None):  # midnight in Berlin
        unknown = model(contract_event(terms=fixed()), link(created=created), late)
        assert [row["reason"] for row in unknown.unaccounted_worklogs()] == ["outside_dates"]


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


# As it was known, and what was restated

JUNE = datetime(2026, 6, 1, 12, tzinfo=UTC)


def replay(*steps):
    """Restatements of records that were learned a second apart, on 1 June 2026."""
    moments = [JUNE + timedelta(seconds=number) for number in range(len(steps))]
    return restatements(
        [fact for moment, records in zip(moments, steps, strict=True) for fact in facts_of(records, moment)]
    )


def brief(rows):
    return [
        (
            str(row["period_start"]), row["before_seconds"], row["after_seconds"], row["before_amount_minor"],
            row["after_amount_minor"], row["cause"],
        )
        for row in rows
    ]  # fmt: skip


def test_figures_at_a_moment_include_that_moment():
    facts = facts_of([contract_event(), link()], JUNE)
    facts += facts_of([worklog("1")], JUNE + timedelta(hours=1))
    facts += facts_of([deletion("1")], JUNE + timedelta(hours=2))
    counts = [
        Model(facts, JUNE + timedelta(minutes=minutes)).contracts()[0]["consumed_seconds"]
        for minutes in (0, 59, 60, 119, 120)
    ]
    assert counts == [0, 0, H, H, 0]
    assert Model(facts, JUNE - timedelta(seconds=1)).contracts() == []


def test_late_work_and_correction_restate_closed_period():
    later = worklog("1", seconds=60, started="2026-05-30T09:00:00Z", updated="2026-03-05T00:00:00Z")
    rows = replay(activated(), [link()], [worklog("1")], [worklog("1")], [later], [deletion("1")])
    # May is not settled on 1 June.
    assert brief(rows) == [
        ("2026-03-01", 0, H, None, None, "worklog:/tracker/1"),
        ("2026-03-01", H, 0, None, None, "worklog:/tracker/1"),
    ]
    assert rows[0]["restated_at"] == JUNE + timedelta(seconds=2)
    assert (rows[0]["period_end"], rows[0]["contract_code"], rows[0]["account_id"]) == (
        date(2026, 3, 31),
        "C1",
        SUPPORT,
    )


def test_relinking_restates_old_and_new_account():
    two = terms(accounts=[account("Support", "20"), account("Design", "20")])
    moved = link(account="Design", updated="2026-03-05T00:00:00Z")
    rows = replay(activated(terms=two), [link(), worklog("1")], [moved])
    by_account = sorted([(DESIGN, 0, H), (SUPPORT, H, 0)])
    assert [(row["account_id"], row["before_seconds"], row["after_seconds"]) for row in rows[1:]] == by_account
    assert {row["cause"] for row in rows[1:]} == {"issue:/tracker/I1"}


def test_team_change_restates_once_per_person():
    body = fixed(accounts=[account("Support", value=100_000, teams=[NORTH])])
    cards = [
        *(rate_card(person, rates=(100, 0, 0, 0)) for person in ("ann", "Bob", "zoë")),
        *(rate_card(person, rates=(150, 0, 0, 0), team=NORTH) for person in ("ann", "Bob")),
    ]
    work = [worklog(person, author=person) for person in ("ann", "Bob", "zoë")]
    everybody = team_event("North", [member("ann"), member("Bob"), member("zoë")])
    nobody = team_event("North", [member("ann")], 2, deleted=True)
    rows = replay(activated(terms=body), cards, [link()], work, [everybody], [nobody], [everybody])
    of_teams = [row for row in brief(rows) if row[5].startswith("membership")]
    assert of_teams == [
        ("2026-01-01", 3 * H, 3 * H, 300, 350, f"membership:{NORTH}/Bob"),
        ("2026-01-01", 3 * H, 3 * H, 350, 400, f"membership:{NORTH}/ann"),
        ("2026-01-01", 3 * H, 3 * H, 400, 350, f"membership:{NORTH}/Bob"),
        ("2026-01-01", 3 * H, 3 * H, 350, 300, f"membership:{NORTH}/ann"),
    ]


def test_membership_does_not_restate_time_and_materials():
    body = terms(accounts=[account("Support", "40", teams=[NORTH])])
    rows = replay(activated(terms=body), [link(), worklog("1")], [team_event("North", [member("ann")])])
    assert [row["cause"] for row in rows] == ["worklog:/tracker/1"]


def test_late_rate_card_restates_amount():
    rows = replay(activated(terms=fixed()), [link(), worklog("1")], [rate_card()], [rate_card(version=2, deleted=True)])
    card = f"rate_card:{uid('card ann None EUR 2026-01-01')}"
    assert brief(rows) == [
        ("2026-01-01", 0, H, 0, 0, "worklog:/tracker/1"),
        ("2026-01-01", H, H, 0, 9000, card),
        ("2026-01-01", H, H, 9000, 0, card),
    ]


def test_suspension_and_resume_restate_their_work():
    rows = replay(
        activated(),
        [link(), worklog("1")],
        [contract_event(3, "INACTIVE", previous="ACTIVE")],
        [contract_event(4, "ACTIVE", previous="INACTIVE")],
    )
    assert brief(rows)[1:] == [
        ("2026-03-01", H, 0, None, None, "contract:3"),
        ("2026-03-01", 0, H, None, None, "contract:4"),
    ]


def test_period_closes_after_settle_days_and_activation_restates_nothing():
    late = [contract_event(1, "DRAFT"), contract_event(2, previous="DRAFT", occurred="2026-05-26T22:00:00Z")]
    assert replay([link(), worklog("1")], *([row] for row in late), [worklog("2")]) == []
    early = [contract_event(1, "DRAFT"), contract_event(2, previous="DRAFT", occurred="2026-05-26T21:59:59Z")]
    assert brief(replay([link(), worklog("1")], *([row] for row in early), [worklog("2")])) == [
        ("2026-03-01", H, 2 * H, None, None, "worklog:/tracker/2")
    ]


def test_change_of_type_restates_only_consumed_figures():
    rows = replay(activated(), [link(), worklog("1")], [contract_event(3, previous="ACTIVE", terms=fixed())])
    # The issue was created in January, so that fixed price has its work there.
    assert brief(rows)[1:] == [
        ("2026-01-01", 0, H, None, 0, "contract:3"),
        ("2026-03-01", H, 0, None, 0, "contract:3"),
    ]
    # The same seconds in the same period, and no money: no other figure.
    march = link(created="2026-03-01T00:00:00Z")
    unrated = replay(activated(), [march, worklog("1")], [contract_event(3, previous="ACTIVE", terms=fixed())])
    assert brief(unrated)[1:] == []


def test_closed_contract_has_only_closed_periods():
    closed = contract_event(3, "CLOSED", previous="ACTIVE")
    future = worklog("1", started="2026-12-01T09:00:00Z")
    assert [row["period_start"] for row in replay(activated(), [link()], [closed], [future])] == [date(2026, 12, 1)]


def test_added_account_is_restated_from_zero():
    accounts = [account("Support", "20"), account("Design", "20")]
    added = contract_event(3, previous="ACTIVE", accounts=accounts)
    rows = replay(activated(), [link(account="Design"), worklog("1")], [added])
    assert brief(rows) == [("2026-03-01", 0, H, None, None, "contract:3")]
    assert rows[0]["account_id"] == DESIGN


def test_removed_account_is_restated_to_zero():
    shorter = contract_event(3, previous="ACTIVE", start="2026-03-02", accounts=[account("Design", "40")])
    rows = replay(activated(), [link(), worklog("1")], [shorter], [deletion("1")])
    assert brief(rows)[1:] == [("2026-03-01", H, 0, None, None, "contract:3")]


# Any history


def check(history):
    facts = history.facts
    whole = Model(facts)
    for name, rows in whole.relations().items():
        assert len(rows) == len(getattr(whole, name)())
        assert all(len(row) == len(COLUMNS[name]) for row in rows)
    for contract_id, contract in whole.contracts_by_id.items():
        body = whole.balance(contract_id)
        Balance.model_validate({**body, "revision": 1, "forecast": None})
        figures = whole.worklogs_of(contract_id)
        assert body["unaccounted_seconds"] == sum(work.seconds for work in whole.unaccounted_work(contract))
        assert sum(
            row["worklog_count"] for row in whole.account_consumption() if row["contract_id"] == contract_id
        ) == (len(figures))
    return whole


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(), st.randoms())
def test_figures_do_not_depend_on_the_order_of_facts(history, shuffler):
    facts = history.facts
    whole = check(history)
    shuffler.shuffle(facts)
    shuffled = Model(facts)
    assert shuffled.relations() == whole.relations()
    assert shuffled.contracts_by_id.keys() == whole.contracts_by_id.keys()
    for contract_id in whole.contracts_by_id:
        assert shuffled.balance(contract_id) == whole.balance(contract_id)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_generated_records_are_valid_events(history):
    topics = {topic.name: topic for topic in TOPICS}
    for moment, records in history.batches:
        assert len({record.topic for record in records}) == 1
        for record, fact in zip(records, facts_of(records, moment), strict=True):
            event = decode_event(topics[record.topic], record.headers, record.value)
            if record.topic == "worklog.events":
                assert canonical_content(event.data) == canonical(fact)


REASONS = {
    "issue_not_linked", "contract_unknown", "account_unknown", "contract_draft", "contract_inactive", "outside_dates",
}  # fmt: skip
CAUSES = {"worklog", "issue", "contract", "membership", "rate_card"}


def test_seeded_histories_cover_every_reason_cause_and_rollover():
    wanted, reached = {None, *REASONS, *CAUSES, "carried", "deducted"}, set()
    for seed in range(200):
        history = seeded(seed)
        whole = check(history)
        carried = [
            carried for contract in whole.contracts_by_id.values() for *_, carried, _ in whole.period_flow(contract)
        ]
        reached |= {work.reason for work in whole.work}
        reached |= {row["cause"].partition(":")[0] for row in restatements(history.facts)}
        reached |= {"carried" for amount in carried if amount > 0} | {"deducted" for amount in carried if amount < 0}
        if reached == wanted:
            break
    assert reached == wanted
