"""Batches that are appended while a fold over the same work is in progress give the rows of a recomputation.

The fold is held just before its commit while the next batch is appended. Appending never waits for it, and the next
fold takes what this one could not see.
"""

import asyncio

import pytest
from comparison import compare, model_of
from effort import repeat
from event_builders import (
    contract_event,
    deletion,
    facts_of,
    fold_rest,
    link,
    member,
    projections,
    rate_card,
    take,
    team_event,
    terms,
    worklog,
)
from reference_cases import ACCOUNTS, TEAMS

BOUND = 10


async def race(pool, first, second):
    """Append ``second`` while ``first`` is folded but not committed: it does not wait, and it is not lost."""
    async with pool.acquire() as connection, pool.acquire() as concurrent:
        transaction = connection.transaction()
        await transaction.start()
        await take(connection, first, partition=1)
        async with asyncio.timeout(BOUND):
            await take(concurrent, second, partition=2)
        await transaction.commit()
        await fold_rest(concurrent)


NORTH = [member("ann")]
TEAM_TERMS = terms(accounts=ACCOUNTS[1])
PRICED = terms(value=90_000)

PAIRS = {
    "a worklog and the activation of its contract": (
        [[contract_event(1, "DRAFT")], [link()]],
        [worklog("1")],
        [contract_event(2, "ACTIVE")],
    ),
    "a worklog and the drafting of the contract its link names by code": (
        [[link()]],
        [worklog("1")],
        [contract_event(1, "ACTIVE")],
    ),
    "a worklog and the link of its issue": ([[contract_event()]], [worklog("1")], [link()]),
    "a link and the activation of the contract it names": (
        [[contract_event(1, "DRAFT")], [worklog("1")]],
        [link()],
        [contract_event(2, "ACTIVE")],
    ),
    "a link away from a contract and that contract's suspension": (
        [[contract_event(), contract_event(code="C2")], [link(), worklog("1")]],
        [link(contract="C2", updated="2026-03-05T00:00:00Z")],
        [contract_event(2, "INACTIVE")],
    ),
    "a worklog and its author's joining a team": (
        [[contract_event(terms=TEAM_TERMS)], [link()]],
        [worklog("1")],
        [team_event("South", NORTH)],
    ),
    "a team's change and the activation of a contract": (
        [[contract_event(1, "DRAFT", terms=TEAM_TERMS)], [link(), worklog("1")]],
        [team_event("South", NORTH)],
        [contract_event(2, "ACTIVE", terms=TEAM_TERMS)],
    ),
    "a link and a team's change": (
        [[contract_event(terms=TEAM_TERMS)], [worklog("1")]],
        [link()],
        [team_event("South", NORTH)],
    ),
    "two versions of one worklog from two partitions": (
        [[contract_event()], [link(), link("I2"), worklog("1")]],
        [worklog("1", seconds=60, updated="2026-03-05T00:00:00Z")],
        [worklog("1", issue="I2", seconds=7, updated="2026-03-06T00:00:00Z")],
    ),
    "a worklog moved to another issue and its old issue's link": (
        [[contract_event()], [link(), link("I2"), worklog("1")]],
        [worklog("1", issue="I2", updated="2026-03-05T00:00:00Z")],
        [link(contract=None, updated="2026-03-05T00:00:00Z")],
    ),
    "a deletion and its contract's amendment": (
        [[contract_event()], [link(), worklog("1")]],
        [deletion("1")],
        [contract_event(2, "ACTIVE", start="2026-01-15")],
    ),
    "two worklogs of a person on one day of a fixed price": (
        [[contract_event(terms=PRICED)], [rate_card()], [link(), link("I2")]],
        [worklog("1", seconds=5 * 3600)],
        [worklog("2", issue="I2", seconds=4 * 3600)],
    ),
    "a worklog and the rate card of its author": (
        [[contract_event(terms=PRICED)], [link()]],
        [worklog("1")],
        [rate_card()],
    ),
    "a rate card and the activation of a contract": (
        [[contract_event(1, "DRAFT", terms=PRICED)], [link(), worklog("1")]],
        [rate_card()],
        [contract_event(2, "ACTIVE", terms=PRICED)],
    ),
    "two worklogs of one account": (
        [[contract_event()], [link(), link("I2")]],
        [worklog("1")],
        [worklog("2", issue="I2")],
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("swapped", [False, True], ids=["", "swapped"])
async def test_concurrent_append_gives_recomputed_rows(pool, pair, swapped):
    before, first, second = PAIRS[pair]
    async with pool.acquire() as connection:
        for batch in before:
            await take(connection, batch)
    await race(pool, *((second, first) if swapped else (first, second)))
    facts = [record for batch in before for record in batch] + first + second
    assert await projections(pool) == model_of(facts)
    async with pool.acquire() as connection:
        await compare(connection, facts_of(facts))


async def test_concurrent_changes_of_closed_period_are_restated_in_sequence(pool):
    settled = {"start": "2025-01-01", "end": "2025-12-31"}
    activated = contract_event(2, previous="DRAFT", occurred="2025-01-01T00:00:00Z", **settled)
    async with pool.acquire() as connection:
        await take(connection, [contract_event(1, "DRAFT", **settled), activated])
        await take(connection, [link(), link("I2")])
    day = "2025-03-03T09:00:00Z"
    await race(pool, [worklog("1", started=day, seconds=60)], [worklog("2", issue="I2", started=day, seconds=7)])
    rows = await pool.fetch(
        "SELECT cause, before_seconds, after_seconds FROM reporting.restatements ORDER BY restatement"
    )
    assert [tuple(row) for row in rows] == [("worklog:/tracker/1", 0, 60), ("worklog:/tracker/2", 60, 67)]


@pytest.mark.parametrize("round_", range(repeat(4, long=25)))
async def test_concurrent_activation_link_and_work_give_recomputed_rows(pool, round_):
    """Nothing is held: the order is up to the scheduler."""
    del round_
    drafted, activated = contract_event(1, "DRAFT"), contract_event(2, "ACTIVE")
    work = [worklog(str(number)) for number in range(20)]
    batches = [[activated], work[:10], [link()], work[10:], [worklog("1", seconds=5, updated="2026-03-09T00:00:00Z")]]
    async with pool.acquire() as connection:
        await take(connection, [drafted])

    async def alone(number, batch):
        async with pool.acquire() as connection:
            await take(connection, batch, partition=number)

    async with asyncio.timeout(BOUND):
        await asyncio.gather(*(alone(number, batch) for number, batch in enumerate(batches)))
    async with pool.acquire() as connection:
        await fold_rest(connection)
    facts = [drafted, *(record for batch in batches for record in batch)]
    assert await projections(pool) == model_of(facts)


def test_pairs_use_the_teams_of_their_accounts():
    assert set(ACCOUNTS[1][0]["teams"]) == set(TEAMS)
