"""The consumer on a real broker: the database owns the offset, and nothing is dropped in silence."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.consumer import fetcher
from polling import wait_until

from tidemark.stack import kafka
from tidemark_shared.database import connect_pool
from tidemark_shared.messaging import consumer as consumer_module
from tidemark_shared.messaging import liveness, partition_worker
from tidemark_shared.messaging.batches import DeadLetter, dead_letter
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.fetching import _PartitionRecords
from tidemark_shared.messaging.kafka import create_producer, fetch_cluster_id
from tidemark_shared.messaging.record_batches import BatchBoundaryError


class Ledger:
    """A handler that keeps what it is given in a table, and can be told to fail."""

    def __init__(self):
        self.fail = []
        self.batches = 0

    async def __call__(self, connection, batch):
        self.batches += 1
        if self.fail:
            raise self.fail.pop()
        bad = [DeadLetter(record, "It says bad.") for record in batch.records if record.value == b"bad"]
        await dead_letter(connection, batch, bad)
        values = [record.value.decode() for record in batch.records if record.value != b"bad"]
        await connection.executemany("INSERT INTO taken (value) VALUES ($1)", [(value,) for value in values])


@pytest.fixture
async def pool(database):
    pool = await connect_pool(database, "consumption")
    await pool.execute("CREATE TABLE taken (value text NOT NULL CHECK (value <> 'poison'))")
    yield pool
    pool.terminate()


@pytest.fixture
async def topic(kafka_bootstrap_servers, topic_prefix):
    name = f"{topic_prefix}ledger"
    await make(kafka_bootstrap_servers, name)
    return name


async def make(bootstrap, name, *, partitions=1, delete=False, config=None):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        if delete:
            await admin.delete_topics([name])

        async def created():
            response = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
            return response.topic_errors[0][1] == 0

        await wait_until(created)
    finally:
        await admin.close()


async def publish(bootstrap, topic, values, *, headers=(), partition=None, key=None):
    one = create_producer(bootstrap)
    await one.start()
    try:
        for value in values:
            await one.send_and_wait(topic, value.encode(), headers=list(headers), partition=partition, key=key)
    finally:
        await one.stop()


@asynccontextmanager
async def consuming(bootstrap, pool, topic, handler, *, watched=True):
    one = Consumer(
        bootstrap, pool, cluster=await fetch_cluster_id(bootstrap), group=f"{topic}.group", handlers={topic: handler}
    )
    await one.start()
    watching = asyncio.create_task(one.watch()) if watched else None
    try:
        yield one
    finally:
        if watching:
            watching.cancel()
        await one.stop()


async def taken(pool):
    return sorted(row["value"] for row in await pool.fetch("SELECT value FROM taken"))


async def holds(pool, *values):
    await wait_until(lambda: _equal(pool, sorted(values)))


async def _equal(pool, values):
    return await taken(pool) == values


async def test_failed_batch_is_retried_and_processed_once(kafka_bootstrap_servers, pool, topic):
    ledger = Ledger()
    ledger.fail = [RuntimeError("once"), asyncpg.PostgresConnectionError("twice")]
    await publish(kafka_bootstrap_servers, topic, ["a", "b"])
    async with consuming(kafka_bootstrap_servers, pool, topic, ledger):
        await holds(pool, "a", "b")
    assert ledger.batches >= 3
    await publish(kafka_bootstrap_servers, topic, ["c"])
    async with consuming(kafka_bootstrap_servers, pool, topic, ledger) as one:
        await wait_until(lambda: one.has_caught_up([topic]))
    assert await taken(pool) == ["a", "b", "c"]


async def test_stalled_or_silent_consumer_reports_a_problem(kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(consumer_module, "_STALL_LIMIT_SECONDS", 0.5)
    ledger = Ledger()
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.05)
    ledger.fail = [ConnectionError("no luck")] * 3
    await publish(kafka_bootstrap_servers, topic, ["a"])
    async with consuming(kafka_bootstrap_servers, pool, topic, ledger) as one:
        assert any("the record at offset 0 waits" in problem for problem in await wait_until(one.problems))
        await holds(pool, "a")
        await wait_until(lambda: not one.problems())
    monkeypatch.setattr(consumer_module, "_SILENCE_LIMIT_SECONDS", 0)
    assert any("has not answered" in problem for problem in one.problems())


async def test_bad_record_becomes_a_dead_letter_with_its_reason(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "bad", "b"])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()):
        await holds(pool, "a", "b")
    letter = await pool.fetchrow("SELECT * FROM reporting.dead_letters")
    assert (letter["record_offset"], letter["value"], letter["reason"]) == (1, b"bad", "It says bad.")
    copy = await pool.fetchrow("SELECT * FROM outbox")
    assert (copy["topic"], copy["value"]) == (f"{topic}.dlq", b"bad")


async def test_record_that_postgres_rejects_is_isolated(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "poison", "b", "c"])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()):
        await holds(pool, "a", "b", "c")
    assert await pool.fetchval("SELECT value FROM reporting.dead_letters") == b"poison"


async def test_binary_header_loses_no_record(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a"], headers=[("x", b"\xff\xfe"), ("reply_to", b"elsewhere")])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()):
        await holds(pool, "a")


async def test_two_consumers_of_one_partition_process_each_record_once(kafka_bootstrap_servers, pool, topic):
    """A zombie: it still reads a partition that the group has given to another."""
    cluster = await fetch_cluster_id(kafka_bootstrap_servers)
    await publish(kafka_bootstrap_servers, topic, [f"{number:03}" for number in range(300)])
    consumers = [
        Consumer(
            kafka_bootstrap_servers,
            pool,
            cluster=cluster,
            group=f"{topic}.{group}",
            handlers={topic: Ledger()},
            max_records=7,
        )
        for group in ("live", "zombie")
    ]
    await asyncio.gather(*(one.start() for one in consumers))
    try:
        await wait_until(lambda: consumers[0].has_caught_up([topic]))
    finally:
        await asyncio.gather(*(one.stop() for one in consumers))
    assert await taken(pool) == [f"{number:03}" for number in range(300)]


@pytest.fixture
def aligned(monkeypatch):
    """Set once the worker stands at the stored offset, after which nothing is read twice by itself."""
    done = asyncio.Event()
    align = partition_worker.PartitionWorker._align

    async def aligning(self):
        await align(self)
        done.set()

    monkeypatch.setattr(partition_worker.PartitionWorker, "_align", aligning)
    return done


@pytest.fixture
def lost(monkeypatch):
    """The first batch is lost between the fetch, which has moved the position, and the worker."""
    lost = []
    take = partition_worker.PartitionWorker._process

    async def losing(self, items):
        if lost:
            await take(self, items)
        else:
            lost.append(items)

    monkeypatch.setattr(partition_worker.PartitionWorker, "_process", losing)
    return lost


async def test_lost_batch_is_read_again_when_the_next_shows_a_gap(
    kafka_bootstrap_servers, pool, topic, lost, aligned, monkeypatch
):
    monkeypatch.setattr(partition_worker.PartitionWorker, "_check_position", lambda _: asyncio.sleep(0))
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger(), watched=False):
        await aligned.wait()
        await publish(kafka_bootstrap_servers, topic, ["a"])
        await wait_until(lambda: lost)
        await publish(kafka_bootstrap_servers, topic, ["b"])
        await holds(pool, "a", "b")


async def test_lost_batch_is_read_again_when_none_follows(kafka_bootstrap_servers, pool, topic, lost, aligned):
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger(), watched=False):
        await aligned.wait()
        await publish(kafka_bootstrap_servers, topic, ["a"])
        await holds(pool, "a")
    assert lost


async def test_recreated_topic_stops_its_partition_with_a_problem(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "b", "c"])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as one:
        await holds(pool, "a", "b", "c")
        await make(kafka_bootstrap_servers, topic, delete=True)
        await publish(kafka_bootstrap_servers, topic, ["d"])
        (problem,) = await wait_until(one.problems, timeout_seconds=40)
    assert "The topic was recreated" in problem
    assert "the next to read is 3" in problem
    assert await taken(pool) == ["a", "b", "c"]
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as restarted:
        await wait_until(restarted.problems, timeout_seconds=40)
    assert await taken(pool) == ["a", "b", "c"]


async def test_failing_partition_does_not_block_others(kafka_bootstrap_servers, pool, topic_prefix):
    topic, ledger, released = f"{topic_prefix}two", Ledger(), asyncio.Event()
    await make(kafka_bootstrap_servers, topic, partitions=2)

    async def handle(connection, batch):
        if batch.partition == 0:
            await released.wait()
        await ledger(connection, batch)

    await publish(kafka_bootstrap_servers, topic, ["stuck"], partition=0)
    async with consuming(kafka_bootstrap_servers, pool, topic, handle):
        for value in ("a", "b", "c"):
            await publish(kafka_bootstrap_servers, topic, [value], partition=1)
            await wait_until(lambda value=value: _has(pool, value), timeout_seconds=5)
        assert await taken(pool) == ["a", "b", "c"]
        released.set()
        await holds(pool, "a", "b", "c", "stuck")


async def _has(pool, value):
    return value in await taken(pool)


async def test_unexpected_exception_affects_only_its_record(kafka_bootstrap_servers, pool, topic):
    ledger = Ledger()

    async def handle(connection, batch):
        if any(record.value == b"odd" for record in batch.records):
            raise KeyError("account_id")
        await ledger(connection, batch)

    await publish(kafka_bootstrap_servers, topic, ["a", "odd", "b"])
    async with consuming(kafka_bootstrap_servers, pool, topic, handle):
        await holds(pool, "a", "b")
    letter = await pool.fetchrow("SELECT * FROM reporting.dead_letters")
    assert letter["value"] == b"odd"
    assert letter["reason"].startswith("Internal error: KeyError: 'account_id'.")


async def test_bootstrap_servers_may_include_unreachable_ones(kafka_bootstrap_servers, pool, topic):
    servers = f"127.0.0.1:1,{kafka_bootstrap_servers}, 127.0.0.1:2"
    assert await kafka.answers(servers)
    assert not await kafka.answers("127.0.0.1:1,127.0.0.1:2")
    await publish(servers, topic, ["a"])
    async with consuming(servers, pool, topic, Ledger()):
        await holds(pool, "a")


@pytest.fixture
def hole(monkeypatch):
    """The log has lost offset 1."""
    take = _PartitionRecords.take

    def taking(self, most, high_water):
        return [item for item in take(self, most, high_water) if item.offset != 1]

    monkeypatch.setattr(_PartitionRecords, "take", taking)


@pytest.mark.usefixtures("hole")
async def test_gap_stops_its_partition_with_a_problem(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "b", "c"])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as one:
        (problem,) = await wait_until(one.problems)
    assert problem.startswith(f"{topic}/0: offsets 1 to 1 are missing from the log, also when read again")
    assert "set next_offset of the row in reporting.consumer_offsets to 2" in problem
    assert await taken(pool) == []


@pytest.mark.usefixtures("hole")
async def test_gap_on_a_compacted_topic_is_skipped(kafka_bootstrap_servers, pool, topic_prefix):
    topic = f"{topic_prefix}compacted"
    await make(kafka_bootstrap_servers, topic, config={"cleanup.policy": "compact"})
    for value in ("a", "b", "c"):
        await publish(kafka_bootstrap_servers, topic, [value], key=value.encode())
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as one:
        await holds(pool, "a", "c")
        assert await one.has_caught_up([topic])
        assert one.problems() == []


async def test_transaction_markers_are_not_gaps(kafka_bootstrap_servers, pool, topic):
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap_servers, transactional_id=topic) as transactional:
        for value in (b"a", b"b"):
            async with transactional.transaction():
                await transactional.send_and_wait(topic, value)
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as one:
        await wait_until(lambda: one.has_caught_up([topic]))
        assert one.problems() == []
    assert await taken(pool) == ["a", "b"]


async def test_invalid_batch_stops_its_partition(kafka_bootstrap_servers, pool, topic, monkeypatch):
    begin = _PartitionRecords._open_next

    def damaged(self, items, high_water):
        if self.next_fetch_offset == 1 and self._position < len(self._data):
            raise BatchBoundaryError("it has 7 bytes of format 9")
        return begin(self, items, high_water)

    monkeypatch.setattr(_PartitionRecords, "_open_next", damaged)
    await publish(kafka_bootstrap_servers, topic, ["a", "b"])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as one:
        await holds(pool, "a")
        (problem,) = await wait_until(one.problems)
    assert f"{topic}/0: the broker sends no record batch at offset 1 (it has 7 bytes of format 9)" in problem


async def _kill_fetching(client):
    client._fetcher._fetch_task.cancel()


async def _kill_metadata(client):
    client._client._sync_task.cancel()


async def _kill_coordination(client):
    client._coordinator._coordination_task.cancel()


async def _bring_nothing(client):
    asked = asyncio.Event()

    async def nothing(*_, **__):
        asked.set()
        return await _nothing()

    client._fetcher.fetched_records = nothing
    await asked.wait()


async def _answer_nothing(client):
    async def never(*_, **__):
        await asyncio.Event().wait()

    client.end_offsets = never


async def _nothing(*_, **__):
    await asyncio.sleep(0.05)
    return {}


@pytest.mark.parametrize("fault", [_kill_fetching, _kill_metadata, _kill_coordination, _bring_nothing, _answer_nothing])
async def test_client_without_progress_is_replaced(fault, kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(liveness, "STUCK_SECONDS", 1.0)
    monkeypatch.setattr(consumer_module, "ANSWER_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.1)
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as one:
        await publish(kafka_bootstrap_servers, topic, ["a"])
        await holds(pool, "a")
        client = one._client
        await fault(client)
        await publish(kafka_bootstrap_servers, topic, ["b"])
        await wait_until(lambda: one._client not in {client, None})
        await holds(pool, "a", "b")
        await wait_until(lambda: one._health._failing_since is None)
        assert one.failures() == []


async def test_stopped_consumer_does_not_reconnect(kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.05)
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger(), watched=False) as one:
        watching = asyncio.create_task(one.watch())
        await one.stop()
        async with asyncio.timeout(10):
            await watching
        assert one._client is None


async def test_process_reports_failure_if_a_new_client_does_not_help(kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(liveness, "STUCK_SECONDS", 0.5)
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(liveness, "DEAD_SECONDS", 1.0)
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as one:
        assert one.failures() == []
        with monkeypatch.context() as patch:
            patch.setattr(fetcher.Fetcher, "fetched_records", _nothing)
            await publish(kafka_bootstrap_servers, topic, ["a"])
            (failure,) = await wait_until(one.failures)
        assert failure.startswith("The consumer has made no progress for ")
        await holds(pool, "a")
        await wait_until(lambda: not one.failures())


async def test_slow_or_retrying_handler_does_not_replace_the_client(kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(liveness, "STUCK_SECONDS", 0.3)
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.05)
    busy, ledger = asyncio.Event(), Ledger()

    async def handle(connection, batch):
        if not busy.is_set():
            raise ConnectionError("not yet")
        await ledger(connection, batch)

    await publish(kafka_bootstrap_servers, topic, ["a"])
    async with consuming(kafka_bootstrap_servers, pool, topic, handle) as one:
        client, looks = one._client, set()
        # Ten looks of the watch, which would have replaced it.
        await wait_until(lambda: looks.add(one._health.checked_at) or len(looks) > 20)
        busy.set()
        await holds(pool, "a")
        assert one._client is client
