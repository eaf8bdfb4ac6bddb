"""The reference against what the specification says, worked out by hand; and what holds for any history."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from histories import histories, seeded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import COLUMNS, Model, carried, percent, periods, restatements
from reference import canonical as canonical_of
from world import (
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


def test_a_customer_of_40_hours_a_month_who_reaches_60_has_used_150_percent():
    work = [worklog(str(day), started=f"2026-03-{day:02}T09:00:00Z", seconds=4 * H) for day in range(1, 16)]
    row = model(*activated(), link(), *work).contract_periods()[2]
    assert row["period_start"] == date(2026, 3, 1)
    assert (row["planned_seconds"], row["consumed_seconds"], row["worklog_count"]) == (40 * H, 60 * H, 15)
    assert str(row["percent"]) == "150.00"
    balance = model(*activated(), link(), *work).balance("C1")
    assert (balance["periods"][2]["remaining"], balance["whole"]["remaining"]) == (-20 * H, 420 * H)


def test_1_january_to_30_april_at_100_hours_is_4_periods_and_400_hours():
    of_100 = model(contract_event(hours="100", end="2026-04-30"))
    assert len(of_100.contract_periods()) == 4
    assert of_100.contracts()[0]["planned_seconds"] == 400 * H
    assert of_100.account_totals()[0]["planned_seconds"] == 400 * H


def test_months_are_counted_from_the_original_day_and_clamped_to_the_months_end():
    starts = [start for start, _ in periods(terms(start="2026-01-31", end="2026-05-15"))]
    assert starts == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]
    assert periods(terms(start="2026-01-31", end="2026-05-15"))[-1][1] == date(2026, 5, 15)
    assert periods(terms(start="2024-01-31", end="2024-03-30"))[1] == (date(2024, 2, 29), date(2024, 3, 30))


def flow(plans, used, **policy):
    body = terms(rollover=rollover(**policy))
    return [one // H for one in carried(body, [one * H for one in plans], [one * H for one in used])]


def test_what_is_left_is_carried_up_to_the_cap_the_oldest_first_and_lapses():
    # Into the 2nd: 10 of the 1st. The 2nd uses them and 5 of its own: 5 left of it. The 3rd is not used at all.
    # Into the 4th: 5 of the 2nd and 10 of the 3rd are above the cap of 12, which cuts 3 of the 2nd.
    # The 4th uses the 2 of the 2nd, the 10 of the 3rd and 1 of its own. Into the 5th: 9 of the 4th.
    assert flow([10] * 5, [0, 15, 0, 13, 0], unused="carry", cap_hours="12", lapse=2) == [0, 10, 5, 12, 9]
    # Lapsing comes first: into the 4th nothing of the 1st, so the cap of 25 finds 20 and cuts nothing.
    assert flow([10] * 5, [0] * 5, unused="carry", cap_hours="25", lapse=2) == [0, 10, 20, 20, 20]
    assert flow([10] * 5, [0] * 5, unused="carry", cap_hours="15", lapse=2) == [0, 10, 15, 15, 15]
    assert flow([10] * 5, [0] * 5, unused="carry") == [0, 10, 20, 30, 40]
    assert flow([10] * 5, [0] * 5, unused="expire") == [0] * 5


def test_the_cap_cuts_the_oldest_first():
    # Into the 3rd 15 of 20: 5 of the 1st and all 10 of the 2nd, which are what has not lapsed before the 4th.
    assert flow([10, 10, 0, 0], [0] * 4, unused="carry", cap_hours="15", lapse=2) == [0, 10, 15, 10]


def test_the_cap_cuts_for_good():
    # Into the 2nd and the 3rd the cap of 5 leaves 5; of the 1st nothing is left to come back once the 2nd's are used.
    assert flow([10, 10, 10, 10], [0, 12, 13, 0], unused="carry", cap_hours="5") == [0, 5, 3, 0]


def test_an_overrun_is_deducted_through_two_periods_until_it_is_made_up():
    assert flow([10] * 5, [35, 0, 0, 0, 0], overrun="deduct") == [0, -25, -15, -5, 0]
    assert flow([10] * 5, [35, 0, 0, 0, 0], overrun="deduct", unused="carry", cap_hours="1") == [0, -25, -15, -5, 1]
    assert flow([10] * 5, [35, 0, 0, 0, 0], unused="carry") == [0, 0, 10, 20, 30]
    assert flow([10, 10, 10], [0, 25, 0], overrun="deduct", unused="carry") == [0, 10, -5]


def test_a_period_with_nothing_available_has_no_percentage_and_what_remains_of_it_is_negative():
    body = terms(end="2026-03-31", rollover=rollover(overrun="deduct"))
    periods_of = model(
        contract_event(terms=body), link(), worklog("1", started="2026-01-05T09:00:00Z", seconds=100 * H)
    )
    rows = periods_of.contract_periods()
    assert [one["carried_seconds"] // H for one in rows] == [0, -60, -20]
    assert [one["available_seconds"] // H for one in rows] == [40, -20, 20]
    assert [one["percent"] for one in rows] == [Decimal("250.00"), None, Decimal("0.00")]
    assert [one["remaining"] // H for one in periods_of.balance("C1")["periods"]] == [-60, -20, 20]
    # Over all periods, percentages refer to the planned.
    assert periods_of.contracts()[0]["percent"] == Decimal("83.33")


def test_an_adjustment_adds_to_its_account_and_where_billable_to_the_contract_and_leaves_slices_alone():
    inside = account("Inside", "5", billable=False)
    body = terms(
        end="2026-02-28",
        accounts=[account("Support", "40", slices=[(NORTH, "40")]), inside],
        adjustments=[adjustment(SUPPORT, "2026-02-01", "20"), adjustment(inside["id"], "2026-01-01", "1")],
    )
    adjusted = model(contract_event(terms=body))
    assert [one["planned_seconds"] // H for one in adjusted.contract_periods()] == [40, 60]
    assert [one["planned_seconds"] // H for one in adjusted.account_consumption()] == [40, 60, 6, 5]
    assert [one["planned_seconds"] // H for one in adjusted.account_totals()] == [100, 11]
    assert [one["planned_seconds"] // H for one in adjusted.slice_consumption()] == [40, 40]
    assert adjusted.contracts()[0]["planned_seconds"] == 100 * H


# Rates


def rated(*records, body=None):
    """By worklog id: the amount in minor units (exact), and the unrated seconds."""
    counted = model(contract_event(terms=body or fixed()), link(), *records)
    return {one.worklog_id: (one.amount_exact / H, one.unrated_seconds) for one in counted.worklogs_of(C1)}


MONDAY = "2026-03-02"


def test_a_day_is_split_to_the_second_at_each_worklogs_own_cards_limit():
    body = fixed(accounts=[account("Support", value=100_000, teams=TEAMS)])
    cards = [rate_card(), rate_card(team=SOUTH, rates=(3600, 7200, 0, 0), workload="7.5")]
    found = rated(
        *cards,
        worklog("1", started=f"{MONDAY}T08:00:00Z", seconds=7 * H, team=NORTH),
        worklog("2", started=f"{MONDAY}T15:00:00Z", seconds=1801, team=SOUTH),
        worklog("3", started=f"{MONDAY}T16:00:00Z", seconds=1802, team=NORTH),
        worklog("4", started=f"{MONDAY}T17:00:00Z", seconds=H, team=NORTH),
        body=body,
    )
    assert found["4"] == (11000, 0)
    assert found["1"] == (7 * 9000, 0)
    assert found["2"] == (1800 + 2, 0)  # 1800 s at 3600 an hour, then 1 s at 7200
    assert found["3"] == ((1799 * 9000 + 3 * 11000) / H, 0)  # 7 h and 1801 s came before: 1799 s are left of 8 h


def test_all_counted_work_fills_the_workload_rated_or_not_billable_or_not_of_any_source():
    body = fixed(accounts=[account("Support", value=100_000, teams=TEAMS), account("Inside", value=1, billable=False)])
    found = rated(
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
    assert found["0"] == (0, 3 * H)
    assert found["3"] == (9000 + 11000, 0)
    assert found["5"] == (9000, 0)


def test_work_of_one_time_takes_its_turn_by_worklog_id_as_bytes_and_then_by_source():
    start, ids = f"{MONDAY}T08:00:00Z", ["é", "a", "B", "2", "10"]
    found = rated(rate_card(workload="3"), *(worklog(one, started=start, seconds=H) for one in ids))
    assert [one for one in ids if found[one] == (9000, 0)] == ["B", "2", "10"]
    for first, then in ((("1", "/other"), ("1", "/tracker")), (("1", "/tracker"), ("2", "/other"))):
        work = [worklog(id_, started=start, seconds=H, source=source) for id_, source in (then, first)]
        counted = model(contract_event(terms=fixed()), link(), link(source="/other"), rate_card(workload="1"), *work)
        assert [(one.worklog_id, one.source) for one in counted.work if one.amount_exact == 9000 * H] == [first]


def test_each_contract_has_a_workload_of_its_own():
    both = [contract_event(terms=fixed()), contract_event(terms=fixed(code="C2")), link(), link("I2", contract="C2")]
    counted = model(*both, rate_card(), worklog("1", seconds=8 * H), worklog("2", issue="I2", seconds=8 * H))
    assert [one.amount_exact for one in counted.work] == [8 * 9000 * H] * 2
    assert [row["consumed_amount_minor"] for row in counted.contracts()] == [8 * 9000] * 2


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
def test_a_holiday_comes_before_the_weekend_and_the_weekend_before_a_working_day(day, rate):
    body = fixed(holidays="DE-BE")
    assert rated(rate_card(), worklog("1", started=f"{day}T09:00:00Z", seconds=9 * H), body=body)["1"] == (
        9 * rate if rate != 9000 else 8 * 9000 + 11000,
        0,
    )


def test_the_calendar_is_that_of_the_contract_and_observed_days_are_holidays():
    sunday = worklog("1", started="2026-03-08T09:00:00Z")
    assert rated(rate_card(), sunday, body=fixed(holidays="DE-HH"))["1"] == (13500, 0)
    assert rated(rate_card(), sunday)["1"] == (13500, 0)
    observed = worklog("1", started="2026-07-03T15:00:00Z")  # the 4th is a Saturday
    assert rated(rate_card(), observed, body=fixed(holidays="US"))["1"] == (18000, 0)


def test_the_teams_own_card_comes_first_then_the_latest_and_another_currency_does_not_fit():
    body = fixed(accounts=[account("Support", value=100_000, teams=[NORTH])])
    cards = [
        rate_card(rates=(1, 0, 0, 0)),
        rate_card(rates=(2, 0, 0, 0), first="2026-03-01"),
        rate_card(rates=(3, 0, 0, 0), first="2026-03-03"),
        rate_card(rates=(4, 0, 0, 0), team=NORTH, first="2026-02-15"),
        rate_card(rates=(5, 0, 0, 0), team=NORTH, first="2026-02-20", currency="USD"),
        rate_card(rates=(6, 0, 0, 0), team=SOUTH),
    ]
    found = rated(
        *cards,
        worklog("1", started="2026-02-10T09:00:00Z", team=NORTH),
        worklog("2", started="2026-02-16T09:00:00Z", team=NORTH),
        worklog("3", started="2026-03-02T09:00:00Z", team=NORTH),
        worklog("4", started="2026-03-02T09:00:00Z"),
        worklog("5", started="2026-03-03T09:00:00Z"),
        body=body,
    )
    assert {one: amount for one, (amount, _) in found.items()} == {"1": 1, "2": 4, "3": 4, "4": 2, "5": 3}


def test_a_deleted_card_rates_nothing():
    assert rated(rate_card(), rate_card(version=2, deleted=True), worklog("1"))["1"] == (0, H)


def test_amounts_are_added_exactly_and_divided_once_half_even():
    card = rate_card(rates=(1, 1, 1, 1))
    halves = [worklog(str(number), seconds=1800) for number in range(4)]
    for many, amount in ((1, 0), (2, 1), (3, 2), (4, 2)):
        counted = model(contract_event(terms=fixed(3)), link(), card, *halves[:many])
        row = counted.contracts()[0]
        assert (row["consumed_amount_minor"], row["consumed_seconds"]) == (amount, many * 1800)
        assert sum(one.amount_exact for one in counted.worklogs_of(C1)) == many * 1800
    # 1.5 of 36: exact, not 2 of 36; and what remains is 34.5, rounded once.
    counted = model(contract_event(terms=fixed(3)), link(), card, *halves[:3])
    assert str(counted.contracts()[0]["percent"]) == "4.17"
    assert counted.contracts()[0]["remaining_amount_minor"] == 34
    assert str(percent(1, 2 * 10_000)) == "0.00"
    assert str(percent(3, 2 * 10_000)) == "0.02"


def test_what_remains_is_rounded_once():
    # 3 less 0.5 is 2.5, and shown as 2; the consumed as 0.
    body = fixed(3, recurrence="none")
    counted = model(contract_event(terms=body), link(), rate_card(rates=(1, 1, 1, 1)), worklog("1", seconds=1800))
    assert counted.contracts()[0]["remaining_amount_minor"] == 2
    whole = counted.balance("C1")["whole"]
    assert (whole["consumed"], whole["remaining"]) == (0, 2)


# What counts, and where


def test_of_one_time_a_deletion_wins_and_then_the_greater_digest():
    one, other = worklog("1", seconds=7, description="b"), worklog("1", seconds=5, description="a")
    gone = deletion("1", deleted="2026-03-03T01:00:00+01:00")
    # The SHA-256 of their canonical content: c2c143… and 0367e3….
    for order in ([one, other], [other, one]):
        assert [work.seconds for work in model(*order).work] == [7]
        assert model(*order, gone).work == model(gone, *order).work == []


def test_the_works_own_team_counts_if_it_is_the_accounts_and_both_days_of_a_membership_are_in_it():
    body = terms(accounts=[account("Support", "40", teams=TEAMS)])
    joined = team_event("North", [member("ann", "2026-03-02", "2026-03-03")])
    work = [
        *(worklog(f"{day}", started=f"2026-03-{day:02}T09:00:00Z") for day in (1, 2, 3, 4)),
        worklog("own", started="2026-03-05T09:00:00Z", team=SOUTH),
        worklog("strange", started="2026-03-02T10:00:00Z", team="nobody"),
    ]
    counted = model(contract_event(terms=body), link(), joined, *work)
    teams = {one.worklog_id: one.team_id for one in counted.work}
    assert teams == {"1": None, "2": NORTH, "3": NORTH, "4": None, "own": SOUTH, "strange": NORTH}
    # Where it has slices, they name its teams.
    body = terms(accounts=[account("Support", "40", slices=[(SOUTH, "40")], teams=TEAMS)])
    counted = model(contract_event(terms=body), link(), joined, *work)
    assert {one.worklog_id for one in counted.work if one.team_id} == {"own"}


def test_unaccounted_work_is_that_of_the_contract_its_issue_names():
    counted = model(
        contract_event(), contract_event(code="C2"), link(account="nobody"), link("I2", contract="C2", account=None),
        worklog("1"), worklog("2", issue="I2", seconds=60), worklog("3", issue="I3"),
    )  # fmt: skip
    assert {row["contract_code"]: row["unaccounted_seconds"] for row in counted.contracts()} == {"C1": H, "C2": 60}
    assert counted.balance("C2")["unaccounted_seconds"] == 60
    refs = {row["worklog_id"]: (row["contract_ref"], row["account_ref"]) for row in counted.unaccounted_worklogs()}
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
def test_a_balance_on_the_topic_shows_the_previous_and_the_current_period_in_the_contracts_zone(today, months):
    counted = model(contract_event(), link(), worklog("1"))
    now = datetime.fromisoformat(today).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    balance = counted.balance("C1", now)
    assert [date.fromisoformat(one["start"]).month for one in balance["periods"]] == months
    (support,) = balance["accounts"]
    assert [date.fromisoformat(one["start"]).month for one in support["periods"]] == months
    (unassigned,) = support["slices"]
    assert (unassigned["team_id"], unassigned["whole"]["consumed"], unassigned["whole"]["planned"]) == (None, H, None)
    # The unassigned share has only the periods where work is.
    assert [one["start"] for one in unassigned["periods"]] == ["2026-03-01"] * (3 in months)


def test_fixed_price_counts_by_the_day_the_issue_was_created_and_rates_by_the_day_of_the_work():
    late = worklog("1", started="2027-01-04T09:00:00Z")
    counted = model(
        contract_event(terms=fixed()), link(created="2026-12-31T22:59:59Z"), late, rate_card(first="2027-01-01")
    )
    (one,) = counted.worklogs_of(C1)
    assert (one.period_start, one.day, one.amount_exact) == (date(2026, 12, 1), date(2027, 1, 4), 9000 * H)
    assert counted.daily_consumption()[0]["day"] == date(2027, 1, 4)
    for created in ("2026-12-31T23:00:00Z", None):  # midnight in Berlin
        unknown = model(contract_event(terms=fixed()), link(created=created), late)
        assert [row["reason"] for row in unknown.unaccounted_worklogs()] == ["outside_dates"]


def test_the_columns_of_the_other_type_are_null():
    hours = model(contract_event(), link(), worklog("1"), rate_card())
    assert {hours.contract_periods()[2][name] for name in COLUMNS["contract_periods"] if "amount" in name} == {None}
    assert (hours.contracts()[0]["unrated_seconds"], hours.contracts()[0]["currency"]) == (None, None)
    money = model(contract_event(terms=fixed()), link(created="2026-03-01T00:00:00Z"), worklog("1"))
    row = money.contract_periods()[2]
    assert (row["planned_seconds"], row["carried_seconds"], row["available_seconds"]) == (None, None, None)
    assert (row["consumed_seconds"], row["unrated_seconds"], row["currency"]) == (H, H, "EUR")
    assert (row["planned_amount_minor"], row["carried_amount_minor"]) == (100_000, 0)
    assert money.slice_consumption()[0]["planned_amount_minor"] is None


def test_a_draft_shows_what_it_states_and_null_for_what_it_leaves_out():
    body = terms(end="2026-02-28", hours=None, accounts=[account("Support", None, slices=[(NORTH, "5")])])
    draft = model(contract_event(1, "DRAFT", terms=body), link(), worklog("1"))
    row = draft.contracts()[0]
    assert (row["planned_seconds"], row["consumed_seconds"], row["percent"]) == (None, 0, None)
    assert (row["remaining_seconds"], row["unaccounted_seconds"]) == (None, H)
    assert [one["planned_seconds"] for one in draft.slice_consumption()] == [5 * H] * 2
    assert [one["reason"] for one in draft.unaccounted_worklogs()] == ["contract_draft"]


def test_accounts_that_are_not_billable_count_for_themselves_alone():
    body = terms(accounts=[account("Support", "40"), account("Inside", "5", billable=False)])
    counted = model(contract_event(terms=body), link(account="Inside"), worklog("1"))
    assert (counted.contracts()[0]["consumed_seconds"], counted.contracts()[0]["worklog_count"]) == (0, 0)
    assert counted.account_totals()[1]["consumed_seconds"] == H
    assert counted.daily_consumption()[0]["consumed_seconds"] == H


def test_unassigned_work_and_teams_without_a_slice_have_rows_only_where_work_is():
    body = terms(end="2026-03-31", accounts=[account("Support", "40", slices=[(NORTH, "40")])])
    counted = model(contract_event(terms=body), link(), worklog("1"), team_event("North", []))
    rows = {
        (one["team_name"], one["period_start"].month): one["consumed_seconds"] for one in counted.slice_consumption()
    }
    assert rows == {("North", 1): 0, ("North", 2): 0, ("North", 3): 0, (None, 3): H}
    plain = terms(end="2026-03-31", accounts=[account("Support", "40", teams=[NORTH])])
    counted = model(contract_event(terms=plain), link(), worklog("1", team=NORTH))
    assert [(one["team_id"], one["planned_seconds"]) for one in counted.slice_consumption()] == [(NORTH, None)]


RENAMED = [
    contract_event(1, accounts=[account("Old", "20", id_=SUPPORT), account("Design", "20")]),
    contract_event(2, accounts=[account("New", "20", id_=SUPPORT), account("Old", "20", id_=DESIGN)]),
    contract_event(3, accounts=[account("Support", "20"), account("Other", "20", id_=DESIGN)]),
]


@pytest.mark.parametrize(
    ("ref", "versions", "found"),
    [
        ("Old", 1, SUPPORT),
        ("Old", 2, DESIGN),  # a name that is now another's
        ("Old", 3, DESIGN),  # nobody's now: the latest holder's
        ("New", 3, SUPPORT),
        ("Design", 3, DESIGN),
        (DESIGN, 3, DESIGN),
        ("design", 3, None),
        (None, 3, None),
    ],
)
def test_an_account_is_called_by_its_id_or_a_name_it_has_or_had(ref, versions, found):
    named = model(*RENAMED[:versions], link(account=ref), worklog("1"))
    (one,) = named.work
    assert (one.account_id, one.reason) == (found, None if found else "account_unknown")


def test_an_account_that_was_removed_leaves_its_work_unknown_and_may_return():
    both, one = [account("Support", "20"), account("Design", "20")], [account("Design", "40")]
    streams = [contract_event(1, accounts=both), contract_event(2, accounts=one), contract_event(3, accounts=both)]
    work = [link(account="Support"), worklog("1")]
    assert [model(*streams[:many], *work).work[0].reason for many in (1, 2, 3)] == [None, "account_unknown", None]


def test_a_contract_is_called_by_its_id_before_its_code_and_a_discarded_draft_by_nothing():
    other = contract_event(1, contract=uid("other"), code=C1)
    assert model(contract_event(), other, link(contract=C1), worklog("1")).work[0].contract_id == C1
    gone = contract_event(1, None, contract=uid("gone"), previous="DRAFT")
    for ref in ("C1", uid("gone")):
        (one,) = model(gone, link(contract=ref), worklog("1")).work
        assert (one.reason, one.contract_id, one.contract_ref) == ("contract_unknown", None, ref)


# As it was known, and what was restated

JUNE = datetime(2026, 6, 1, 12, tzinfo=UTC)


def replay(*steps):
    """Restatements of records that were learned a second apart, on 1 June 2026."""
    moments = [JUNE + timedelta(seconds=number) for number in range(len(steps))]
    return restatements(
        [fact for moment, records in zip(moments, steps, strict=True) for fact in facts_of(records, moment)]
    )


def shown(rows):
    return [
        (
            str(one["period_start"]), one["before_seconds"], one["after_seconds"], one["before_amount_minor"],
            one["after_amount_minor"], one["cause"],
        )
        for one in rows
    ]  # fmt: skip


def test_figures_are_asked_as_they_were_known_at_a_moment_that_moment_included():
    facts = facts_of([contract_event(), link()], JUNE)
    facts += facts_of([worklog("1")], JUNE + timedelta(hours=1))
    facts += facts_of([deletion("1")], JUNE + timedelta(hours=2))
    counts = [
        Model(facts, JUNE + timedelta(minutes=minutes)).contracts()[0]["consumed_seconds"]
        for minutes in (0, 59, 60, 119, 120)
    ]
    assert counts == [0, 0, H, H, 0]
    assert Model(facts, JUNE - timedelta(seconds=1)).contracts() == []


def test_late_work_and_its_correction_restate_a_closed_period():
    later = worklog("1", seconds=60, started="2026-05-30T09:00:00Z", updated="2026-03-05T00:00:00Z")
    rows = replay(activated(), [link()], [worklog("1")], [worklog("1")], [later], [deletion("1")])
    # May is not settled on 1 June.
    assert shown(rows) == [
        ("2026-03-01", 0, H, None, None, "worklog:/tracker/1"),
        ("2026-03-01", H, 0, None, None, "worklog:/tracker/1"),
    ]
    assert rows[0]["restated_at"] == JUNE + timedelta(seconds=2)
    assert (rows[0]["period_end"], rows[0]["contract_code"], rows[0]["account_id"]) == (
        date(2026, 3, 31),
        "C1",
        SUPPORT,
    )


def test_relinking_restates_where_the_work_was_and_where_it_belongs():
    two = terms(accounts=[account("Support", "20"), account("Design", "20")])
    moved = link(account="Design", updated="2026-03-05T00:00:00Z")
    rows = replay(activated(terms=two), [link(), worklog("1")], [moved])
    by_account = sorted([(DESIGN, 0, H), (SUPPORT, H, 0)])
    assert [(one["account_id"], one["before_seconds"], one["after_seconds"]) for one in rows[1:]] == by_account
    assert {one["cause"] for one in rows[1:]} == {"issue:/tracker/I1"}


def test_a_change_of_a_team_is_one_membership_a_person_where_rates_differ():
    body = fixed(accounts=[account("Support", value=100_000, teams=[NORTH])])
    cards = [
        *(rate_card(person, rates=(100, 0, 0, 0)) for person in ("ann", "Bob", "zoë")),
        *(rate_card(person, rates=(150, 0, 0, 0), team=NORTH) for person in ("ann", "Bob")),
    ]
    work = [worklog(person, author=person) for person in ("ann", "Bob", "zoë")]
    everybody = team_event("North", [member("ann"), member("Bob"), member("zoë")])
    nobody = team_event("North", [member("ann")], 2, deleted=True)
    rows = replay(activated(terms=body), cards, [link()], work, [everybody], [nobody], [everybody])
    of_teams = [one for one in shown(rows) if one[5].startswith("membership")]
    assert of_teams == [
        ("2026-01-01", 3 * H, 3 * H, 300, 350, f"membership:{NORTH}/Bob"),
        ("2026-01-01", 3 * H, 3 * H, 350, 400, f"membership:{NORTH}/ann"),
        ("2026-01-01", 3 * H, 3 * H, 400, 350, f"membership:{NORTH}/Bob"),
        ("2026-01-01", 3 * H, 3 * H, 350, 300, f"membership:{NORTH}/ann"),
    ]


def test_time_and_materials_is_not_restated_by_a_membership():
    body = terms(accounts=[account("Support", "40", teams=[NORTH])])
    rows = replay(activated(terms=body), [link(), worklog("1")], [team_event("North", [member("ann")])])
    assert [one["cause"] for one in rows] == ["worklog:/tracker/1"]


def test_a_card_that_came_late_restates_the_amount():
    rows = replay(activated(terms=fixed()), [link(), worklog("1")], [rate_card()], [rate_card(version=2, deleted=True)])
    card = f"rate_card:{uid('card ann None EUR 2026-01-01')}"
    assert shown(rows) == [
        ("2026-01-01", 0, H, 0, 0, "worklog:/tracker/1"),
        ("2026-01-01", H, H, 0, 9000, card),
        ("2026-01-01", H, H, 9000, 0, card),
    ]


def test_a_suspension_and_a_resume_restate_what_they_take_and_give_back():
    rows = replay(
        activated(),
        [link(), worklog("1")],
        [contract_event(3, "INACTIVE", previous="ACTIVE")],
        [contract_event(4, "ACTIVE", previous="INACTIVE")],
    )
    assert shown(rows)[1:] == [
        ("2026-03-01", H, 0, None, None, "contract:3"),
        ("2026-03-01", 0, H, None, None, "contract:4"),
    ]


def test_activation_restates_nothing_and_a_period_closes_the_settling_days_after_the_later_of_end_and_activation():
    late = [contract_event(1, "DRAFT"), contract_event(2, previous="DRAFT", occurred="2026-05-26T22:00:00Z")]
    assert replay([link(), worklog("1")], *([one] for one in late), [worklog("2")]) == []
    early = [contract_event(1, "DRAFT"), contract_event(2, previous="DRAFT", occurred="2026-05-26T21:59:59Z")]
    assert shown(replay([link(), worklog("1")], *([one] for one in early), [worklog("2")])) == [
        ("2026-03-01", H, 2 * H, None, None, "worklog:/tracker/2")
    ]


def test_another_type_restates_what_was_consumed_and_leaves_alone_where_nothing_was():
    rows = replay(activated(), [link(), worklog("1")], [contract_event(3, previous="ACTIVE", terms=fixed())])
    # The issue was created in January, so that fixed price has its work there.
    assert shown(rows)[1:] == [
        ("2026-01-01", 0, H, None, 0, "contract:3"),
        ("2026-03-01", H, 0, None, 0, "contract:3"),
    ]
    # The same seconds in the same period, and no money: no other figure.
    march = link(created="2026-03-01T00:00:00Z")
    unrated = replay(activated(), [march, worklog("1")], [contract_event(3, previous="ACTIVE", terms=fixed())])
    assert shown(unrated)[1:] == []


def test_everything_of_a_closed_contract_is_closed():
    closed = contract_event(3, "CLOSED", previous="ACTIVE")
    future = worklog("1", started="2026-12-01T09:00:00Z")
    assert [one["period_start"] for one in replay(activated(), [link()], [closed], [future])] == [date(2026, 12, 1)]


def test_an_account_that_an_amendment_adds_is_restated_from_nothing():
    both = [account("Support", "20"), account("Design", "20")]
    added = contract_event(3, previous="ACTIVE", accounts=both)
    rows = replay(activated(), [link(account="Design"), worklog("1")], [added])
    assert shown(rows) == [("2026-03-01", 0, H, None, None, "contract:3")]
    assert rows[0]["account_id"] == DESIGN


def test_an_account_that_an_amendment_removes_is_restated_to_nothing_under_the_period_it_had():
    shorter = contract_event(3, previous="ACTIVE", start="2026-03-02", accounts=[account("Design", "40")])
    rows = replay(activated(), [link(), worklog("1")], [shorter], [deletion("1")])
    assert shown(rows)[1:] == [("2026-03-01", H, 0, None, None, "contract:3")]


# Any history


def check(history):
    facts = history.facts
    whole = Model(facts)
    for name, rows in whole.relations().items():
        assert len(rows) == len(getattr(whole, name)())
        assert all(len(row) == len(COLUMNS[name]) for row in rows)
    for contract_id, contract in whole.known.items():
        body = whole.balance(contract_id)
        Balance.model_validate({**body, "revision": 1, "forecast": None})
        counted = whole.worklogs_of(contract_id)
        assert body["unaccounted_seconds"] == sum(one.seconds for one in whole.unaccounted(contract))
        assert sum(
            row["worklog_count"] for row in whole.account_consumption() if row["contract_id"] == contract_id
        ) == (len(counted))
    return whole


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(), st.randoms())
def test_the_figures_of_any_history_do_not_depend_on_its_order(history, shuffler):
    facts = history.facts
    whole = check(history)
    shuffler.shuffle(facts)
    shuffled = Model(facts)
    assert shuffled.relations() == whole.relations()
    assert [shuffled.balance(one) for one in shuffled.known] == [whole.balance(one) for one in whole.known]


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_the_records_of_any_history_are_such_as_the_services_take(history):
    topics = {topic.name: topic for topic in TOPICS}
    for moment, records in history.batches:
        assert len({one.topic for one in records}) == 1
        for one, fact in zip(records, facts_of(records, moment), strict=True):
            event = decode_event(topics[one.topic], one.headers, one.value)
            if one.topic == "worklog.events":
                assert canonical_content(event.data) == canonical_of(fact)


REASONS = {
    "issue_not_linked", "contract_unknown", "account_unknown", "contract_draft", "contract_inactive", "outside_dates",
}  # fmt: skip
CAUSES = {"worklog", "issue", "contract", "membership", "rate_card"}


def test_seeded_histories_reach_every_reason_every_cause_and_every_way_of_carrying():
    wanted, reached = {None, *REASONS, *CAUSES, "carried", "deducted"}, set()
    for seed in range(200):
        history = seeded(seed)
        whole = check(history)
        into = [into for one in whole.known.values() for *_, into, _ in whole.flow(one)]
        reached |= {one.reason for one in whole.work}
        reached |= {one["cause"].partition(":")[0] for one in restatements(history.facts)}
        reached |= {"carried" for one in into if one > 0} | {"deducted" for one in into if one < 0}
        if reached == wanted:
            break
    assert reached == wanted
