"""One projector folds what consumers append: who may, what is learned when, and what a question as of a moment sees."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from comparison import compare, model_of
from event_builders import (
    account,
    append,
    contract_event,
    facts_of,
    fold_rest,
    link,
    projections,
    take,
    team_event,
    worklog,
)
from polling import wait_until

from tidemark_consumption import replay
from tidemark_consumption.projection import fold as module
from tidemark_consumption.projection.fold import fold
from tidemark_consumption.projection.projector import Projector
from tidemark_shared.database import queries as database_queries

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATER = "2026-03-05T00:00:00Z"


@pytest.fixture
async def replaying(database, pool):
    del pool  # its tables are there
    async with replay.open_pool(database, size=2) as replaying:
        yield replaying


async def consumed(pool):
    return await pool.fetchval("SELECT coalesce(sum(seconds), 0) FROM account_team_totals")


async def as_of(replaying, moment):
    """The consumed seconds that were known at the moment."""
    async with replaying.acquire() as connection:
        await replay.settle_moment(connection, moment)
        async with connection.transaction():
            try:
                await replay.replay(connection, moment, ref="C1")
            except replay.TooEarlyError:
                return None
            return await connection.fetchval("SELECT coalesce(sum(seconds), 0) FROM account_team_totals")


class StepConnection:
    """A connection that calls ``before`` with the number of each statement before it runs."""

    def __init__(self, connection, before):
        self._connection, self._before, self._number = connection, before, 0

    def __getattr__(self, name):
        value = getattr(self._connection, name)
        if name not in {"execute", "fetch", "fetchrow", "fetchval", "copy_to_table"}:
            return value

        async def call(*arguments, **options):
            self._number += 1
            await self._before(self._number)
            return await value(*arguments, **options)

        return call


async def test_answer_as_of_moment_never_changes_while_facts_are_appended_and_folded(pool, replaying):
    answers = []
    async with pool.acquire() as connection:
        await take(connection, [contract_event()])
        await take(connection, [link()])

        async def ask(_number):
            moment = datetime.now(UTC)
            answers.append((moment, asyncio.create_task(as_of(replaying, moment))))
            # Continue when it has its answer, or waits for the fold in progress.
            async with pool.acquire() as other_connection:
                waiting = (
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%projection%'"
                )
                await wait_until(lambda: _settled(answers, other_connection, waiting))

        stepped = StepConnection(connection, ask)
        for number in range(3):
            await append(stepped, [worklog(str(number), seconds=60)], first_offset=number)
            await fold(stepped, datetime.now(UTC))
    first = [(moment, await answer) for moment, answer in answers]
    assert len(first) > 30
    assert {answer for _, answer in first} == {0, 60, 120, 180}
    await fold_rest_of(pool)
    for moment, answer in first:
        assert await as_of(replaying, moment) == answer, moment
    assert await as_of(replaying, datetime.now(UTC)) == 180


async def _settled(answers, connection, waiting):
    open_ = sum(not answer.done() for _, answer in answers)
    return open_ == 0 or await connection.fetchval(waiting) >= min(open_, 2)


async def fold_rest_of(pool):
    async with pool.acquire() as connection:
        await fold_rest(connection)


async def test_learned_at_grows_when_the_clock_does_not(pool):
    async with pool.acquire() as connection:
        for number, now in enumerate([NOW, NOW, NOW - timedelta(days=1), NOW + timedelta(seconds=1)]):
            await append(connection, [worklog(str(number))], first_offset=number)
            await fold(connection, now)
    moments = [row["learned_at"] for row in await pool.fetch("SELECT learned_at FROM batches ORDER BY batch")]
    microsecond = timedelta(microseconds=1)
    assert moments == [NOW, NOW + microsecond, NOW + 2 * microsecond, NOW + timedelta(seconds=1)]


async def test_second_fold_does_nothing_while_the_first_runs(pool):
    async with pool.acquire() as connection, pool.acquire() as other_connection:
        await append(connection, [worklog("1")])
        async with connection.transaction():
            assert await fold(connection, NOW)
            assert await fold(other_connection, NOW) is None
        assert await fold(other_connection, NOW) is None
        await append(connection, [worklog("2")], first_offset=1)
        assert await fold(other_connection, NOW)


async def test_fold_takes_batches_of_all_partitions_up_to_max_records(pool):
    async with pool.acquire() as connection:
        for partition in range(4):
            await append(connection, [worklog(f"{partition}-{number}") for number in range(3)], partition=partition)
        assert len((await fold(connection, NOW, max_records=7)).batches) == 3
        assert len((await fold(connection, NOW, max_records=7)).batches) == 1
        assert await fold(connection, NOW) is None


async def test_waiting_contracts_teams_and_work_are_folded_together(pool):
    records = [[worklog("1")], [link()], [contract_event(1, "DRAFT"), contract_event(2)], [team_event("North", [])]]
    async with pool.acquire() as connection:
        for number, batch in enumerate(records):
            await append(connection, batch, partition=number)
        assert len((await fold(connection, NOW)).batches) == 4
        facts = [record for batch in records for record in batch]
        assert await projections(connection) == model_of(facts)
        await compare(connection, facts_of(facts))


async def test_next_projector_continues_when_the_folding_one_dies(database, pool, replaying):
    async with pool.acquire() as connection:
        await take(connection, [contract_event()])
        await take(connection, [link()])
        await append(connection, [worklog("1")])
    dying = await asyncpg.connect(database, server_settings={"search_path": "consumption"})
    await module.prepare_connection(dying)
    await dying.transaction().start()
    assert await fold(dying, datetime.now(UTC))
    # As the kernel does for a process that is killed.
    dying.terminate()
    projector = asyncio.create_task(Projector(pool, replaying).run())
    try:
        await wait_until(lambda: _equals(pool, 3600), timeout_seconds=5)
    finally:
        projector.cancel()


async def _equals(pool, seconds):
    return await consumed(pool) == seconds


@pytest.fixture
def poison(monkeypatch):
    """The fold of a worklog named `poison` fails with a permanent error."""
    original = module.fold_facts

    async def fold_facts(connection, batches, moment):
        bad = "SELECT count(*) FROM fact_log WHERE batch = ANY($1) AND worklog_id = 'poison'"
        if poisoned and await connection.fetchval(bad, batches):
            raise ZeroDivisionError("out of range")
        await original(connection, batches, moment)

    poisoned = [True]
    monkeypatch.setattr(module, "fold_facts", fold_facts)
    return poisoned


async def test_failing_batch_is_reported_and_does_not_delay_others(pool, replaying, poison, monkeypatch):
    monkeypatch.setattr("tidemark_consumption.projection.projector._RETRY_SECONDS", 0.2)
    async with pool.acquire() as connection:
        await take(connection, [contract_event()])
        await take(connection, [link()])
        for partition, ids in enumerate((["1"], ["poison"], ["2", "3"])):
            await append(connection, [worklog(id_) for id_ in ids], partition=partition)
    projector = Projector(pool, replaying)
    running = asyncio.create_task(projector.run())
    try:
        await wait_until(lambda: _equals(pool, 3 * 3600))
        (problem,) = await wait_until(lambda: projector.problems(pool))
        assert "cannot be folded: ZeroDivisionError: out of range." in problem
        poison.clear()
        await wait_until(lambda: _equals(pool, 4 * 3600))
        assert await projector.problems(pool) == []
    finally:
        running.cancel()


async def test_long_waiting_records_are_a_problem(pool, replaying, monkeypatch):
    monkeypatch.setattr("tidemark_consumption.projection.projector._MAX_WAIT_SECONDS", 0)
    async with pool.acquire() as connection:
        await append(connection, [worklog("1"), worklog("2")])
    (problem,) = await Projector(pool, replaying).problems(pool)
    assert problem.startswith("2 records wait to be counted")


async def test_folded_offset_is_behind_read_offset_until_the_fold(pool):
    async with pool.acquire() as connection:
        offsets = "SELECT next_offset FROM reporting.folded_offsets WHERE topic = 'worklog.events'"
        await connection.execute(
            "INSERT INTO consumer_offsets (service, cluster, topic, partition, next_offset) "
            "VALUES ('consumption', 'test', 'worklog.events', 0, 12)"
        )
        await append(connection, [worklog("1"), worklog("2")], first_offset=10)
        assert await connection.fetchval(offsets) == 10
        await fold(connection, NOW)
        assert await connection.fetchval(offsets) == 12


async def test_relay_skips_rows_locked_by_the_fold(pool):
    queries = database_queries("tidemark_consumption")
    async with pool.acquire() as connection, pool.acquire() as relay:
        await take(connection, [contract_event()])
        await take(connection, [link()])
        contract, revision = await connection.fetchrow("SELECT contract_id, revision FROM balances")
        await append(connection, [worklog("1")])
        async with connection.transaction():
            await fold(connection, datetime.now(UTC))
            await queries.mark_published(relay, ids=[contract], revisions=[revision])
        assert await connection.fetchval("SELECT published_revision FROM balances") == 0
        await queries.mark_published(relay, ids=[contract], revisions=[revision])
        assert await connection.fetchval("SELECT published_revision FROM balances") == revision


async def test_batch_folded_by_another_process_is_no_problem(pool, replaying, poison):
    projector = Projector(pool, replaying)
    async with pool.acquire() as connection:
        await append(connection, [worklog("poison")])
        assert await projector._fold(connection)
        assert await projector.problems(connection)
        poison.clear()
        assert await fold(connection, datetime.now(UTC))
        assert await projector.problems(connection) == []


async def test_first_of_two_events_of_one_version_holds_in_fold_and_replay(pool, replaying):
    async with pool.acquire() as connection:
        await take(connection, [contract_event(1, hours="40")])
        await take(connection, [contract_event(1, hours="50", accounts=[account("Other", "50")])], first_offset=1)
        await take(connection, [link(account="Other"), worklog("1")])
        assert await consumed(pool) == 0
    async with replaying.acquire() as connection:
        assert await replay.verify(connection) == replay.Findings(0, [])
