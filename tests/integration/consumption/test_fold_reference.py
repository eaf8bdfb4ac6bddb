"""Random histories over every rule: the relations of `reporting` equal the reference, row for row (SPEC W6)."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from comparison import RESTATED, compare, learn, plain, reported
from effort import repeat
from event_builders import (
    account,
    contract_event,
    deletion,
    facts_of,
    fold_rest,
    link,
    rate_card,
    take,
    terms,
    worklog,
)
from failing_connection import FailingConnection, PlantedError
from histories import histories, seeded
from hypothesis import HealthCheck, given, settings
from reference.restatements import restatements
from statement_checks import check_statements

from tidemark_consumption.projection import fold
from tidemark_shared.database import connect_pool


@settings(
    max_examples=repeat(12, long=60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories())
async def test_reporting_relations_equal_reference(connection, history):
    transaction = connection.transaction()
    await transaction.start()
    try:
        await learn(connection, history)
        await compare(connection, history.facts)
        assert await reported(connection, "restatements", RESTATED) == plain(restatements(history.facts), RESTATED)
        await check_statements(connection, history.facts)
    finally:
        await transaction.rollback()


LEARNED = datetime(2026, 5, 20, tzinfo=UTC)
MARCH, MAY = "2026-03-03T09:00:00Z", "2026-05-04T09:00:00Z"
PASSING = {
    "a version that passes through a closed period on its way to an open one": [
        worklog("1", started=MARCH, updated="2026-05-05T00:00:00Z"),
        worklog("1", started=MAY, updated="2026-05-06T00:00:00Z"),
    ],
    "work, its deletion, and its return": [
        worklog("1", started=MARCH, updated="2026-05-05T00:00:00Z"),
        deletion("1", deleted="2026-05-06T00:00:00Z"),
        worklog("1", started=MARCH, seconds=7, updated="2026-05-07T00:00:00Z"),
    ],
    "an older version that comes late": [
        worklog("1", started=MARCH, updated="2026-05-06T00:00:00Z"),
        worklog("1", started=MARCH, seconds=7, updated="2026-05-05T00:00:00Z"),
    ],
    "work, and the link that moves it": [
        worklog("1", started=MARCH),
        link(account="Design", updated="2026-05-05T00:00:00Z"),
        worklog("2", started=MARCH, seconds=7),
    ],
    "work that leaves an issue, and that issue's link": [
        worklog("0", issue="I2", started=MARCH, updated="2026-05-06T00:00:00Z"),
        link(account="Design", updated="2026-05-05T00:00:00Z"),
    ],
    "work that changes its author, and other work of the day": [
        worklog("1", started=MARCH),
        worklog("1", author="zoe", started=MARCH, updated="2026-05-05T00:00:00Z"),
        worklog("2", started=MARCH),
    ],
    "work of an open period alone": [worklog("1", started=MAY), worklog("2", started=MAY)],
}


@pytest.mark.parametrize("priced", [False, True], ids=["time", "price"])
@pytest.mark.parametrize("what", PASSING)
async def test_changes_in_one_batch_are_restated_one_by_one(connection, what, priced):
    accounts = [account("Support", "20", value=20_000 if priced else None), account("Design", "20")]
    body = terms(accounts=accounts, value=90_000 if priced else None)
    batches = [
        [contract_event(1, "DRAFT", terms=body), contract_event(2, previous="DRAFT", terms=body)],
        [rate_card()],
        [link(created=MARCH), link("I2", created=MARCH), worklog("0", started=MARCH)],
        PASSING[what],
    ]
    # Every fold is learned after the one before.
    moments = [LEARNED + timedelta(microseconds=number) for number in range(len(batches))]
    for number, (moment, records) in enumerate(zip(moments, batches, strict=True)):
        await take(connection, records, first_offset=100 * number, learned_at=moment)
    facts = [fact for moment, records in zip(moments, batches, strict=True) for fact in facts_of(records, moment)]
    await compare(connection, facts)
    assert await reported(connection, "restatements", RESTATED) == plain(restatements(facts), RESTATED)


async def take_through_faults(connection, records, choose, **where):
    """Take records as a consumer does: roll back a failure and try again."""
    for statements in (choose(range(40)), choose(range(40)), 10_000, 10_000, 10_000):
        try:
            async with connection.transaction():
                await take(FailingConnection(connection, statements), records, **where)
        except (PlantedError, asyncpg.DeadlockDetectedError):
            continue
        return
    raise AssertionError


@pytest.mark.parametrize("seed", range(100, 100 + repeat(2, long=6)))
async def test_crash_between_any_two_statements_changes_no_row(connection, seed):
    history, choose = seeded(seed), random.Random(seed).choice
    for number, (moment, records) in enumerate(history.batches):
        await take_through_faults(connection, records, choose, first_offset=1000 * number, learned_at=moment)
    await compare(connection, history.facts)
    assert await reported(connection, "restatements", RESTATED) == plain(restatements(history.facts), RESTATED)


@pytest.mark.parametrize("seed", range(200, 200 + repeat(2, long=6)))
async def test_crashing_consumers_give_reference_rows(database, connection, seed):
    history, draw = seeded(seed), random.Random(seed)
    partitions = [[], [], []]
    for number, (moment, records) in enumerate(history.batches):
        for record in records:
            partitions[draw.randrange(3)].append((number, moment, [record]))

    async def consume(pool, partition):
        choose = random.Random(partition).choice
        async with pool.acquire() as consumer:
            for number, (_, moment, records) in enumerate(partitions[partition]):
                position = {"partition": partition, "first_offset": number, "learned_at": moment}
                await take_through_faults(consumer, records, choose, **position)

    async with await connect_pool(database, "consumption", init=fold.prepare_connection) as pool:
        await asyncio.gather(*(consume(pool, partition) for partition in range(3)))
    await fold_rest(connection)
    await compare(connection, history.facts)
