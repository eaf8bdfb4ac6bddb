"""Two consumption processes that share a backlog are killed repeatedly: the rows match the reference.

``TIDEMARK_FAULT_ROUNDS`` is the number of kills. Each process appends and folds, so a kill interrupts either.
"""

import os
import random
import sys
from dataclasses import replace
from uuid import uuid4

import pytest
from backlogs import backlog, publish
from comparison import compare
from event_builders import contract_event, facts_of, rate_card, terms
from polling import wait_until

from tidemark.stack import ports
from tidemark.stack.processes import Component, Supervisor
from tidemark_consumption import replay
from tidemark_shared.database import connect_pool
from tidemark_shared.messaging.kafka import create_topics
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, WORKLOGS

ROUNDS = int(os.environ.get("TIDEMARK_FAULT_ROUNDS", "4"))

pytestmark = pytest.mark.timeout(180 + 10 * ROUNDS)


@pytest.fixture
async def environment(database, kafka_bootstrap_servers, topic_prefix):
    await create_topics(kafka_bootstrap_servers, prefix=topic_prefix)
    return {
        **os.environ,
        "TIDEMARK_DATABASE_URL": database,
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "TIDEMARK_TOPIC_PREFIX": topic_prefix,
        "TIDEMARK_SECRET": uuid4().hex,
    }


async def is_ready():
    """A process may be killed before it is ready."""
    return True


def consumption_part(name, environment):
    port = {"TIDEMARK_PORT": str(ports.find_free())}
    return Component(
        name, [sys.executable, "-m", "tidemark_consumption"], is_ready, environment={**environment, **port}
    )


async def count_folded_records(pool):
    """The number of records of the backlog that were folded."""
    return await pool.fetchval(
        "SELECT coalesce(sum(next_offset), 0) FROM reporting.folded_offsets WHERE topic LIKE '%' || $1", WORKLOGS.name
    )


async def test_rows_match_the_reference_when_processes_are_killed(
    environment, kafka_bootstrap_servers, topic_prefix, database, tmp_path
):
    draw = random.Random(ROUNDS)
    contracts = [contract_event(), contract_event(terms=terms("C2", value=90_000))]
    cards, records = [replace(rate_card(), key=b"card")], []
    await publish(kafka_bootstrap_servers, topic_prefix + LIFECYCLE.name, contracts, draw)
    await publish(kafka_bootstrap_servers, topic_prefix + DIRECTORY.name, cards, draw)
    pool = await connect_pool(database, "consumption")
    supervisor = Supervisor(tmp_path / "logs")
    names = ("first", "second")
    try:
        await supervisor.start(*(consumption_part(name, environment) for name in names))
        for _ in range(ROUNDS):
            # Publish a part of the backlog per round, so that each kill interrupts some work.
            new_records = backlog(draw, 1500)
            await publish(kafka_bootstrap_servers, topic_prefix + WORKLOGS.name, new_records, draw)
            records += new_records
            min_count = min(await count_folded_records(pool) + draw.randrange(len(new_records)), len(records))
            await wait_until(lambda min_count=min_count: _has_folded(pool, min_count), timeout_seconds=60)
            supervisor._running[draw.choice(names)].kill()
        await wait_until(lambda: _has_folded(pool, len(records)), timeout_seconds=120)
    finally:
        await supervisor.stop()
    async with pool.acquire() as connection:
        await compare(connection, facts_of([*contracts, *cards, *records]))
        assert await connection.fetchval("SELECT count(*) FROM fact_log") == len(records)
    async with (
        replay.open_pool(database) as replaying,
        replaying.acquire() as connection,
    ):
        assert await replay.verify(connection) == replay.Findings(0, [])
    pool.terminate()


async def _has_folded(pool, min_count):
    return await count_folded_records(pool) >= min_count
