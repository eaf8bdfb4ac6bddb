"""Two consumption processes on one backlog, killed again and again: the rows are those of the reference.

``TIDEMARK_FAULT_ROUNDS`` is the number of kills. Each process appends and folds, so a kill hits either at any point.
"""

import os
import random
import sys
from dataclasses import replace
from uuid import uuid4

import pytest
from polling import wait_until
from test_fold_reference import compare
from test_rebalance import backlog, publish
from world import contract_event, facts_of, rate_card, terms

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


async def answers():
    """A process is killed whether it has answered or not."""
    return True


def part(name, environment):
    port = {"TIDEMARK_PORT": str(ports.find_free())}
    return Component(name, [sys.executable, "-m", "tidemark_consumption"], answers, environment={**environment, **port})


async def folded(pool):
    """How many records of the backlog count."""
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
        await supervisor.start(*(part(name, environment) for name in names))
        for _ in range(ROUNDS):
            # A part of the backlog at a time, so that there is always something to kill a process in the middle of.
            more = backlog(draw)[: 6000 // 4]
            await publish(kafka_bootstrap_servers, topic_prefix + WORKLOGS.name, more, draw)
            records += more
            least = min(await folded(pool) + draw.randrange(len(more)), len(records))
            await wait_until(lambda least=least: _reached(pool, least), timeout_seconds=60)
            supervisor._running[draw.choice(names)].kill()
        await wait_until(lambda: _reached(pool, len(records)), timeout_seconds=120)
    finally:
        await supervisor.stop()
    async with pool.acquire() as connection:
        await compare(connection, facts_of([*contracts, *cards, *records]))
        assert await connection.fetchval("SELECT count(*) FROM fact_log") == len(records)
    async with (
        await connect_pool(database, "consumption", size=1, init=replay.prepare_connection) as replaying,
        replaying.acquire() as connection,
    ):
        assert await replay.verify(connection) == replay.Findings(0, [])
    pool.terminate()


async def _reached(pool, least):
    return await folded(pool) >= least
