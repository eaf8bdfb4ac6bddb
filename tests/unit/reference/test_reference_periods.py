"""Periods, plans and rollover of the reference, computed by hand from the specification."""

from datetime import date
from decimal import Decimal

from event_builders import (
    account,
    adjustment,
    contract_event,
    link,
    rollover,
    terms,
    worklog,
)
from reference.rules import compute_carried, periods
from reference_cases import NORTH, SUPPORT, H, activated, model


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
