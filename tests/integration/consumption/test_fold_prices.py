"""Fixed price, case by case: each change that affects what existing work consumes (SPEC W3, W7)."""

import pytest
from comparison import compare
from event_builders import (
    account,
    adjustment,
    contract_event,
    facts_of,
    link,
    member,
    rate_card,
    take,
    team_event,
    terms,
    uid,
    worklog,
)

NORTH, SOUTH = uid("team North"), uid("team South")
HOUR = 3600
ACCOUNTS = [
    account("Support", value=60_000, slices=[(NORTH, None), (SOUTH, None)]),
    account("Design", value=30_000),
    account("Internal", billable=False),
]
PRICED = terms(value=90_000, accounts=ACCOUNTS, holidays="DE-BE")
# A Monday, a Sunday that is a holiday in Berlin alone, and Good Friday.
MONDAY, WOMENS_DAY, GOOD_FRIDAY = "2026-03-02T08:00:00Z", "2026-03-08T08:00:00Z", "2026-04-03T08:00:00Z"

INITIAL_FACTS = [
    [contract_event(1, "DRAFT", terms=PRICED), contract_event(2, previous="DRAFT", terms=PRICED)],
    [
        team_event("North", [member("ann")]),
        team_event("South", [member("ann", "2026-04-01")]),
        rate_card(),
        rate_card("bob", (10_000, 15_000, 20_000, 30_000), workload="6"),
    ],
    [
        link("I1"), link("I2", account="Design"), link("I3", account="Internal", created="2026-03-15T00:00:00Z"),
        worklog("1", started=MONDAY, seconds=5 * HOUR),
        worklog("2", issue="I2", started="2026-03-02T14:00:00Z", seconds=4 * HOUR),
        worklog("3", started=WOMENS_DAY, seconds=HOUR + 1),
        worklog("4", issue="I3", started=GOOD_FRIDAY, seconds=HOUR),
        worklog("5", issue="I2", author="bob", started=GOOD_FRIDAY, seconds=7 * HOUR),
        worklog("6", author="bob", started="2026-03-03T08:00:00Z", seconds=7 * HOUR),
        worklog("7", author="eve", started=MONDAY, seconds=HOUR),
    ],
]  # fmt: skip


def amended(version=3, **changes):
    return contract_event(version, terms={**PRICED, **changes})


CHANGES = {
    "nothing": [],
    "the calendar of another country": [amended(holidays="US")],
    "no calendar": [amended(holidays=None)],
    "another currency, for which no person has a card": [amended(currency="CHF")],
    "another time zone, in which other days are worked": [amended(timezone="Pacific/Auckland")],
    "time and materials, which it becomes": [amended(**{name: terms()[name] for name in ("type", "contracted_hours")})],
    "the team's own card, although it is older": [rate_card(team=NORTH, first="2025-01-01", rates=(1, 2, 3, 4))],
    "the card of a team that the work is not of": [rate_card(team=SOUTH, rates=(1, 2, 3, 4))],
    "a later card": [rate_card(first="2026-03-03", rates=(1, 2, 3, 4))],
    "a card in another currency": [rate_card(first="2026-02-01", currency="CHF", rates=(1, 2, 3, 4))],
    "a shorter day": [rate_card(version=2, workload="2.5")],
    "a card for who had none": [rate_card("eve")],
    "a card that is gone": [rate_card(version=2, deleted=True)],
    "another team, with a card of its own": [
        rate_card(team=SOUTH, rates=(1, 2, 3, 4)),
        team_event("North", [], 2),
        team_event("South", [member("ann")], 2),
    ],
    "earlier work, which fills the day": [worklog("0", started="2026-03-02T05:00:00Z", seconds=2 * HOUR)],
    "work of the same time, in the order of ids": [worklog("10", started=MONDAY, seconds=6 * HOUR)],
    "the same from another tracker": [
        link(source="/other"), worklog("1", started=MONDAY, seconds=6 * HOUR, source="/other")
    ],
    "an issue created in another month": [link("I1", created="2026-05-05T00:00:00Z", updated="2026-03-02T00:00:00Z")],
    "an issue without a creation time": [link("I1", created=None, updated="2026-03-02T00:00:00Z")],
    "an issue of another account": [link("I1", account="Design", updated="2026-03-02T00:00:00Z")],
    "a suspension": [contract_event(3, "INACTIVE", terms=PRICED)],
    "an adjustment": [amended(adjustments=[adjustment(uid("account Support"), "2026-03-01", value=-1)])],
}  # fmt: skip


async def learn(connection, batches):
    for number, records in enumerate(batches):
        await take(connection, records, first_offset=100 * number)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("first", [False, True], ids=["after", "before"])
async def test_fixed_price_consumption_equals_reference_after_each_change(connection, change, first):
    batches = [[record] for record in CHANGES[change]]
    batches = [*batches, *INITIAL_FACTS] if first else [*INITIAL_FACTS, *batches]
    await learn(connection, batches)
    await compare(connection, facts_of([record for batch in batches for record in batch]))


async def test_daily_workload_is_filled_by_all_counted_work(connection):
    await learn(connection, INITIAL_FACTS)
    rows = await connection.fetch("SELECT worklog_id, amount FROM ratings ORDER BY worklog_id")
    assert {row["worklog_id"]: int(row["amount"]) for row in rows} == {
        # Eight hours a day: 5 h, then 3 h; the fourth of these is extra time.
        "1": 5 * HOUR * 9_000,
        "2": 3 * HOUR * 9_000 + HOUR * 11_000,
        # A holiday comes before the Sunday that it falls on.
        "3": (HOUR + 1) * 18_000,
        # Not billed, and counted all the same.
        "4": HOUR * 18_000,
        "5": 7 * HOUR * 30_000,
        "6": 6 * HOUR * 10_000 + HOUR * 15_000,
        "7": 0,
    }
    unrated = "SELECT unrated_seconds FROM reporting.contracts"
    assert await connection.fetchval(unrated) == HOUR


async def test_rating_is_planned_for_the_cards_and_days_of_its_fold(connection):
    """A plan that was made for few rate cards would read all of them for each worklog."""
    for records in INITIAL_FACTS:
        await take(connection, records)
    assert await connection.fetchval("SELECT count(*) FROM ratings") > 0
    kept = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE $1"
    assert await connection.fetch(kept, "%INTO ratings %") == []
    assert len(await connection.fetch(kept, "%INTO daily_totals %")) == 1
