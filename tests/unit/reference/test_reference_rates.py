"""Rates of the reference, computed by hand from the specification."""

import pytest
from event_builders import (
    account,
    contract_event,
    link,
    rate_card,
    worklog,
)
from reference.rules import percent
from reference_cases import C1, NORTH, SOUTH, TEAMS, H, fixed, model


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
        worklog("0", started=f"{MONDAY}T06:00:00Z", seconds=3 * H),  # no team: no card
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
