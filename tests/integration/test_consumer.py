"""The consumer on a real broker: the database owns the offset, and nothing is dropped in silence."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from waiting import until

from tidemark_shared import consumer as module
from tidemark_shared.consumer import Consumer, DeadLetter, dead_letter
from tidemark_shared.database import connect_pool, migrate
from tidemark_shared.kafka import cluster_id, producer


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
    await migrate(database, "consumption")
    pool = await connect_pool(database, "consumption")
    await pool.execute("CREATE TABLE taken (value text NOT NULL CHECK (value <> 'poison'))")
    yield pool
    pool.terminate()


@pytest.fixture
async def topic(kafka_bootstrap_servers, topic_prefix):
    name = f"{topic_prefix}ledger"
    await make(kafka_bootstrap_servers, name)
    return name


async def make(bootstrap, name, *, partitions=1, delete=False):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        if delete:
            await admin.delete_topics([name])

        async def created():
            response = await admin.create_topics([NewTopic(name, partitions, 1)])
            return response.topic_errors[0][1] == 0

        await until(created)
    finally:
        await admin.close()


async def publish(bootstrap, topic, values, *, headers=()):
    one = producer(bootstrap)
    await one.start()
    try:
        for value in values:
            await one.send_and_wait(topic, value.encode(), headers=list(headers))
    finally:
        await one.stop()


@asynccontextmanager
async def consuming(bootstrap, pool, topic, handler, *, watched=True):
    one = Consumer(
        bootstrap, pool, cluster=await cluster_id(bootstrap), group=f"{topic}.group", handlers={topic: handler}
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
    await until(lambda: _equal(pool, sorted(values)))


async def _equal(pool, values):
    return await taken(pool) == values


async def test_what_fails_is_taken_once_it_succeeds_and_only_once(kafka_bootstrap_servers, pool, topic):
    ledger = Ledger()
    ledger.fail = [RuntimeError("once"), asyncpg.PostgresConnectionError("twice")]
    await publish(kafka_bootstrap_servers, topic, ["a", "b"])
    async with consuming(kafka_bootstrap_servers, pool, topic, ledger):
        await holds(pool, "a", "b")
    assert ledger.batches >= 3
    await publish(kafka_bootstrap_servers, topic, ["c"])
    async with consuming(kafka_bootstrap_servers, pool, topic, ledger) as one:
        await until(lambda: one.caught_up([topic]))
    assert await taken(pool) == ["a", "b", "c"]


async def test_a_consumer_that_takes_nothing_or_hears_nothing_says_so(
    kafka_bootstrap_servers, pool, topic, monkeypatch
):
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.5)
    ledger = Ledger()
    ledger.fail = [RuntimeError("no luck")] * 3
    await publish(kafka_bootstrap_servers, topic, ["a"])
    async with consuming(kafka_bootstrap_servers, pool, topic, ledger) as one:
        assert any("offset 0 waits" in problem for problem in await until(one.problems))
        await holds(pool, "a")
        await until(lambda: not one.problems())
    monkeypatch.setattr(module, "_SILENT_SECONDS", 0)
    assert any("has not answered" in problem for problem in one.problems())


async def test_a_bad_record_between_good_ones_goes_to_the_dead_letters_with_its_reason(
    kafka_bootstrap_servers, pool, topic
):
    await publish(kafka_bootstrap_servers, topic, ["a", "bad", "b"])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()):
        await holds(pool, "a", "b")
    letter = await pool.fetchrow("SELECT * FROM reporting.dead_letters")
    assert (letter["record_offset"], letter["value"], letter["reason"]) == (1, b"bad", "It says bad.")
    copy = await pool.fetchrow("SELECT * FROM outbox")
    assert (copy["topic"], copy["value"]) == (f"{topic}.dlq", b"bad")


async def test_what_postgres_refuses_is_singled_out(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "poison", "b", "c"])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()):
        await holds(pool, "a", "b", "c")
    assert await pool.fetchval("SELECT value FROM reporting.dead_letters") == b"poison"


async def test_a_header_that_is_no_text_loses_nothing(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a"], headers=[("x", b"\xff\xfe"), ("reply_to", b"elsewhere")])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()):
        await holds(pool, "a")


async def test_two_consumers_of_one_partition_take_each_record_once(kafka_bootstrap_servers, pool, topic):
    """A zombie: it still reads a partition that the group has given to another."""
    cluster = await cluster_id(kafka_bootstrap_servers)
    await publish(kafka_bootstrap_servers, topic, [f"{number:03}" for number in range(300)])
    consumers = [
        Consumer(
            kafka_bootstrap_servers,
            pool,
            cluster=cluster,
            group=f"{topic}.{group}",
            handlers={topic: Ledger()},
            most_records=7,
        )
        for group in ("live", "zombie")
    ]
    await asyncio.gather(*(one.start() for one in consumers))
    try:
        await until(lambda: consumers[0].caught_up([topic]))
    finally:
        await asyncio.gather(*(one.stop() for one in consumers))
    assert await taken(pool) == [f"{number:03}" for number in range(300)]


@pytest.fixture
def aligned(monkeypatch):
    """Set once the consumer stands at the stored offset, after which nothing is read twice by itself."""
    done = asyncio.Event()
    align = Consumer.align

    async def aligning(self, partitions):
        await align(self, partitions)
        done.set()

    monkeypatch.setattr(module.Consumer, "align", aligning)
    return done


@pytest.fixture
def lost(monkeypatch):
    """The frame swallows what is raised before the handler, and the position has moved on: the first batch is lost."""
    lost = []
    take = Consumer._on_batch

    async def losing(self, message):
        if lost:
            await take(self, message)
        else:
            lost.append(message)

    monkeypatch.setattr(module.Consumer, "_on_batch", losing)
    return lost


async def test_a_lost_batch_is_read_again_when_the_next_shows_a_gap(
    kafka_bootstrap_servers, pool, topic, lost, aligned
):
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger(), watched=False):
        await aligned.wait()
        await publish(kafka_bootstrap_servers, topic, ["a"])
        await until(lambda: lost)
        await publish(kafka_bootstrap_servers, topic, ["b"])
        await holds(pool, "a", "b")


async def test_a_lost_batch_is_read_again_when_none_follows(kafka_bootstrap_servers, pool, topic, lost, aligned):
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()):
        await aligned.wait()
        await publish(kafka_bootstrap_servers, topic, ["a"])
        await holds(pool, "a")
    assert lost


async def test_a_topic_recreated_under_a_consumer_stops_it_and_is_said(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "b", "c"])
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as one:
        await holds(pool, "a", "b", "c")
        await make(kafka_bootstrap_servers, topic, delete=True)
        await publish(kafka_bootstrap_servers, topic, ["d"])
        (problem,) = await until(one.problems, within=40)
    assert "the topic was recreated" in problem
    assert "3 is the next to read" in problem
    assert await taken(pool) == ["a", "b", "c"]
    async with consuming(kafka_bootstrap_servers, pool, topic, Ledger()) as restarted:
        await until(restarted.problems, within=40)
    assert await taken(pool) == ["a", "b", "c"]
