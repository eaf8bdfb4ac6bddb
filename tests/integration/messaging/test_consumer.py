"""The consumer processes each record once; a bad record becomes a dead letter."""

import asyncio

import asyncpg
from kafka_client import create_topic, publish, running_consumer
from ledger import Ledger, load_processed, wait_for_processed
from polling import wait_until

from tidemark.stack import kafka
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.kafka import fetch_cluster_id


async def test_failed_batch_is_retried_and_processed_once(kafka_bootstrap_servers, pool, topic):
    ledger = Ledger()
    ledger.failures = [RuntimeError("once"), asyncpg.PostgresConnectionError("twice")]
    await publish(kafka_bootstrap_servers, topic, ["a", "b"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, ledger):
        await wait_for_processed(pool, "a", "b")
    assert ledger.batch_count >= 3
    await publish(kafka_bootstrap_servers, topic, ["c"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, ledger) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
    assert await load_processed(pool) == ["a", "b", "c"]


async def test_bad_record_becomes_a_dead_letter_with_its_reason(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "bad", "b"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()):
        await wait_for_processed(pool, "a", "b")
    letter = await pool.fetchrow("SELECT * FROM reporting.dead_letters")
    assert (letter["record_offset"], letter["value"], letter["reason"]) == (1, b"bad", "It says bad.")
    copy = await pool.fetchrow("SELECT * FROM outbox")
    assert (copy["topic"], copy["value"]) == (f"{topic}.dlq", b"bad")


async def test_record_that_postgres_rejects_is_isolated(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "poison", "b", "c"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()):
        await wait_for_processed(pool, "a", "b", "c")
    assert await pool.fetchval("SELECT value FROM reporting.dead_letters") == b"poison"


async def test_binary_header_loses_no_record(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a"], headers=[("x", b"\xff\xfe"), ("reply_to", b"elsewhere")])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()):
        await wait_for_processed(pool, "a")


async def test_after_commit_is_called_once_other_connections_see_the_records(kafka_bootstrap_servers, pool, topic):
    seen: list[asyncio.Task[list[str]]] = []

    def look() -> None:
        seen.append(asyncio.create_task(load_processed(pool)))

    await publish(kafka_bootstrap_servers, topic, ["a"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger(), after_commit=look):
        await wait_for_processed(pool, "a")
        await wait_until(lambda: asyncio.sleep(0, result=bool(seen)))
        assert await seen[0] == ["a"]


async def test_two_consumers_of_one_partition_process_each_record_once(kafka_bootstrap_servers, pool, topic):
    """The second is a zombie: it still reads a partition that the group has assigned to another member."""
    cluster = await fetch_cluster_id(kafka_bootstrap_servers)
    await publish(kafka_bootstrap_servers, topic, [f"{number:03}" for number in range(300)])
    ledger, begun = Ledger(), []

    async def is_other_at_it():
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return len(begun) > 1 or await pool.fetchval(waits)

    async def handle(connection, batch):
        begun.append(batch)
        if len(begun) == 1:
            await wait_until(is_other_at_it)
        await ledger(connection, batch)

    consumers = [
        Consumer(
            kafka_bootstrap_servers,
            pool,
            cluster=cluster,
            group=f"{topic}.{group}",
            handlers={topic: handle},
            max_records=7,
        )
        for group in ("live", "zombie")
    ]
    await asyncio.gather(*(consumer.start() for consumer in consumers))
    try:
        await wait_until(lambda: consumers[0].has_caught_up([topic]))
    finally:
        await asyncio.gather(*(consumer.stop() for consumer in consumers))
    assert await load_processed(pool) == [f"{number:03}" for number in range(300)]


async def test_failing_partition_does_not_block_others(kafka_bootstrap_servers, pool, topic_prefix):
    topic, ledger, is_released = f"{topic_prefix}two", Ledger(), asyncio.Event()
    await create_topic(kafka_bootstrap_servers, topic, partitions=2)

    async def handle(connection, batch):
        if batch.partition == 0:
            await is_released.wait()
        await ledger(connection, batch)

    await publish(kafka_bootstrap_servers, topic, ["stuck"], partition=0)
    async with running_consumer(kafka_bootstrap_servers, pool, topic, handle):
        for value in ("a", "b", "c"):
            await publish(kafka_bootstrap_servers, topic, [value], partition=1)
            await wait_until(lambda value=value: _is_processed(pool, value), timeout_seconds=5)
        assert await load_processed(pool) == ["a", "b", "c"]
        is_released.set()
        await wait_for_processed(pool, "a", "b", "c", "stuck")


async def _is_processed(pool, value):
    return value in await load_processed(pool)


async def test_unexpected_exception_affects_only_its_record(kafka_bootstrap_servers, pool, topic):
    ledger = Ledger()

    async def handle(connection, batch):
        if any(record.value == b"odd" for record in batch.records):
            raise KeyError("account_id")
        await ledger(connection, batch)

    await publish(kafka_bootstrap_servers, topic, ["a", "odd", "b"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, handle):
        await wait_for_processed(pool, "a", "b")
    letter = await pool.fetchrow("SELECT * FROM reporting.dead_letters")
    assert letter["value"] == b"odd"
    assert letter["reason"].startswith("Internal error: KeyError: 'account_id'.")


async def test_bootstrap_servers_may_include_unreachable_ones(kafka_bootstrap_servers, pool, topic):
    servers = f"127.0.0.1:1,{kafka_bootstrap_servers}, 127.0.0.1:2"
    assert await kafka.is_ready(servers)
    assert not await kafka.is_ready("127.0.0.1:1,127.0.0.1:2")
    await publish(servers, topic, ["a"])
    async with running_consumer(servers, pool, topic, Ledger()):
        await wait_for_processed(pool, "a")
