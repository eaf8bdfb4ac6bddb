"""The relay publishes in order per key and at least once; one relay leads."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import RequestTimedOutError
from kafka_client import admin_client, create_topic
from polling import wait_until
from relay import (
    TopicReader,
    deduplicate,
    has_rows,
    numbers,
    outbox_record,
    running_relay,
    values_by_key,
    write_records,
)

from tidemark_shared.database import Connection, Pool
from tidemark_shared.messaging import kafka, outbox
from tidemark_shared.messaging.outbox import RECORD_OUTBOX, write_outbox


@pytest.fixture
async def topic(kafka_bootstrap_servers: str, topic_prefix: str) -> str:
    return await create_topic(kafka_bootstrap_servers, f"{topic_prefix}records", partitions=3)


# Order.


async def test_each_key_is_in_order_with_concurrent_writers(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool
) -> None:
    keys, writers, rounds = ["a", "b", "c", "d"], 8, 25
    await pool.execute("CREATE TABLE streams (key text PRIMARY KEY, version integer NOT NULL DEFAULT 0)")
    await pool.executemany("INSERT INTO streams (key) VALUES ($1)", [(key,) for key in keys])

    async def append(connection: Connection, chosen: list[str], number: int) -> None:
        """Change some streams as a service does: the version and the outbox row in one transaction."""
        transaction = connection.transaction()
        await transaction.start()
        for key in sorted(chosen):
            version = await connection.fetchval(
                "UPDATE streams SET version = version + 1 WHERE key = $1 RETURNING version", key
            )
            await write_outbox(connection, [outbox_record(topic, key, str(version).encode())])
        # One in five is rolled back, and the next transaction gets its numbers.
        await (transaction.rollback() if number % 5 == 0 else transaction.commit())

    async def writer(seed: int) -> None:
        async with pool.acquire() as connection:
            for number in range(rounds):
                chosen = {keys[(seed + number) % 4], keys[(seed * 7 + number * 3) % 4]}
                await append(connection, list(chosen), seed + number)

    async with running_relay(kafka_bootstrap_servers, database), TopicReader(kafka_bootstrap_servers, topic) as reader:
        await asyncio.gather(*map(writer, range(writers)))
        versions = dict(await pool.fetch("SELECT key, version FROM streams"))
        total = sum(versions.values())
        records = await reader.read_until(lambda records: len(records) >= total)
        await wait_until(lambda: has_rows(pool, 0))
    assert values_by_key(records) == {key.encode(): numbers(version) for key, version in versions.items()}


async def test_row_that_commits_late_is_published_after_later_ones(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool
) -> None:
    async with (
        running_relay(kafka_bootstrap_servers, database),
        TopicReader(kafka_bootstrap_servers, topic) as reader,
        pool.acquire() as slow,
    ):
        transaction = slow.transaction()
        await transaction.start()
        await write_outbox(slow, [outbox_record(topic, "slow", b"1")])
        await write_records(pool, outbox_record(topic, "quick", b"1"))
        await reader.read_until(lambda records: [record.key for record in records] == [b"quick"])
        await transaction.commit()
        records = await reader.read_until(lambda records: len(records) == 2)
    assert [record.key for record in records] == [b"quick", b"slow"]


async def test_record_is_published_as_written(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool
) -> None:
    topic = await create_topic(kafka_bootstrap_servers, f"{topic_prefix}records")
    headers = [("a", b"\x00\xff"), ("a", b""), ("é", "ü".encode())]
    # The names in the outbox have no prefix.
    pairs = [("k", b"\x00\x01"), ("k", None), (None, b"x"), ("", b""), (None, None)]
    await write_records(pool, *(outbox_record("records", key, value, headers) for key, value in pairs))
    async with (
        running_relay(kafka_bootstrap_servers, database, prefix=topic_prefix),
        TopicReader(kafka_bootstrap_servers, topic) as reader,
    ):
        records = await reader.read_until(lambda records: len(records) == len(pairs))
    # A record needs a key or a value.
    expected = [(b"k", b"\x00\x01"), (b"k", None), (None, b"x"), (b"", b""), (None, b"")]
    assert [(record.key, record.value) for record in records] == expected
    assert all(list(record.headers) == headers for record in records)


# Failure.


async def test_failed_send_blocks_later_rows_of_its_key_and_no_others(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_REJECTED_RETRY_SECONDS", 0.5)
    topic = await create_topic(kafka_bootstrap_servers, f"{topic_prefix}small", config={"max.message.bytes": "3000"})
    large_value = b"2" * 5_000
    rows = [outbox_record(topic, key, value) for value in (b"1", b"2", b"3") for key in ("blocked", "free")]
    rows[2] = outbox_record(topic, "blocked", large_value)
    await write_records(pool, *rows)
    async with running_relay(kafka_bootstrap_servers, database), TopicReader(kafka_bootstrap_servers, topic) as reader:
        await reader.read_until(lambda records: values_by_key(records).get(b"free") == numbers(3))
        await write_records(pool, outbox_record(topic, "free", b"4"), outbox_record(topic, "blocked", b"4"))
        await reader.read_until(lambda records: values_by_key(records)[b"free"] == numbers(4))
        assert values_by_key(reader.records)[b"blocked"] == [b"1"]
        await wait_until(lambda: has_rows(pool, 3))
        async with admin_client(kafka_bootstrap_servers) as admin:
            larger_limit = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "100000"})
            await admin.alter_configs([larger_limit])
        await wait_until(lambda: has_rows(pool, 0), timeout_seconds=60)
        await reader.read_until(lambda records: values_by_key(records)[b"blocked"][-1] == b"4")
    assert deduplicate(values_by_key(reader.records)[b"blocked"]) == [b"1", large_value, b"3", b"4"]
    assert values_by_key(reader.records)[b"free"] == numbers(4)


async def test_rows_behind_a_failed_row_are_published_again_behind_it(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    values_to_lose = [b"2"]

    class LossyProducer(AIOKafkaProducer):  # type: ignore[misc]
        """Loses one record on the way to the broker, and reports it."""

        async def send(self, topic: str, value: bytes, **options: Any) -> Any:
            if value not in values_to_lose:
                return await super().send(topic, value, **options)
            values_to_lose.remove(value)
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.set_exception(RequestTimedOutError())
            return future

    monkeypatch.setattr(kafka, "create_producer", lambda bootstrap: LossyProducer(bootstrap_servers=bootstrap))
    await write_records(
        pool, *(outbox_record(topic, "blocked", value) for value in numbers(3)), outbox_record(topic, "free", b"1")
    )
    async with running_relay(kafka_bootstrap_servers, database), TopicReader(kafka_bootstrap_servers, topic) as reader:
        await wait_until(lambda: has_rows(pool, 0))
        await reader.read_until(lambda records: len(records) == 5)
    assert values_by_key(reader.records) == {b"blocked": [b"1", b"3", b"2", b"3"], b"free": [b"1"]}


async def test_record_too_large_for_any_topic_blocks_only_its_key(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool
) -> None:
    """The producer itself rejects the record."""
    await write_records(
        pool,
        outbox_record(topic, "blocked", b"0" * 2_000_000),
        outbox_record(topic, "blocked", b"1"),
        outbox_record(topic, "free", b"1"),
    )
    async with running_relay(kafka_bootstrap_servers, database), TopicReader(kafka_bootstrap_servers, topic) as reader:
        await reader.read_until(lambda records: records)
        await write_records(pool, outbox_record(topic, "free", b"2"))
        await reader.read_until(lambda records: deduplicate(values_by_key(records)[b"free"]) == numbers(2))
        # While the relay runs: it deletes a row after Kafka has it.
        await wait_until(lambda: has_rows(pool, 2))
    assert set(values_by_key(reader.records)) == {b"free"}


async def test_published_rows_that_were_not_deleted_are_published_again_in_order(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool
) -> None:
    """The relay dies between publishing and deleting."""
    topic = await create_topic(kafka_bootstrap_servers, f"{topic_prefix}records")
    await write_records(pool, *(outbox_record(topic, "k", value) for value in numbers(5)))
    failures: list[Any] = []

    async def fail_once(connection: Connection, ids: Any) -> None:
        if not failures:
            failures.append(ids)
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        await RECORD_OUTBOX.mark_published(connection, ids)

    async with (
        running_relay(kafka_bootstrap_servers, database, RECORD_OUTBOX._replace(mark_published=fail_once)),
        TopicReader(kafka_bootstrap_servers, topic) as reader,
    ):
        await wait_until(lambda: has_rows(pool, 0))
        await reader.read_until(lambda records: len(records) == 10)
    assert [record.value for record in reader.records] == numbers(5) * 2
    assert len(failures) == 1


# One leader.


async def lock_pids(pool: Pool, *, granted: bool) -> list[int]:
    rows = await pool.fetch(
        "SELECT l.pid FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
        "WHERE d.datname = current_database() AND l.relation = 'outbox_lock'::regclass AND l.granted = $1",
        granted,
    )
    return [row["pid"] for row in rows]


async def leader_and_waiting(pool: Pool) -> tuple[int, int] | None:
    """The process ids of the leader and the waiting relay, once there are both."""
    leader, waiting = await lock_pids(pool, granted=True), await lock_pids(pool, granted=False)
    return (leader[0], waiting[0]) if len(leader) == len(waiting) == 1 else None


async def test_second_relay_takes_over_when_the_leader_is_gone(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool
) -> None:
    topic = await create_topic(kafka_bootstrap_servers, f"{topic_prefix}records")
    async with (
        running_relay(kafka_bootstrap_servers, database),
        running_relay(kafka_bootstrap_servers, database),
        TopicReader(kafka_bootstrap_servers, topic) as reader,
    ):
        leader, waiting = await wait_until(lambda: leader_and_waiting(pool))
        await write_records(pool, *(outbox_record(topic, "k", value) for value in numbers(3)))
        await reader.read_until(lambda records: len(records) == 3)
        await wait_until(lambda: has_rows(pool, 0))
        await pool.execute("SELECT pg_terminate_backend($1)", leader)

        async def has_taken_over() -> bool:
            return await lock_pids(pool, granted=True) == [waiting]

        await wait_until(has_taken_over)
        await write_records(pool, outbox_record(topic, "k", b"4"))
        await reader.read_until(lambda records: len(records) == 4)
        # The relay that lost its connection waits behind.
        assert (await wait_until(lambda: leader_and_waiting(pool)))[0] == waiting
    assert [record.value for record in reader.records] == numbers(4)


async def test_leader_that_loses_its_connection_loses_no_record(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool
) -> None:
    keys = ["a", "b", "c"]
    async with (
        running_relay(kafka_bootstrap_servers, database),
        running_relay(kafka_bootstrap_servers, database),
        TopicReader(kafka_bootstrap_servers, topic) as reader,
    ):
        for number in range(1, 31):
            await write_records(pool, *(outbox_record(topic, key, str(number).encode()) for key in keys))
            if number % 10 == 0:
                await pool.executemany(
                    "SELECT pg_terminate_backend($1)", [(pid,) for pid in await lock_pids(pool, granted=True)]
                )
        await wait_until(lambda: has_rows(pool, 0), timeout_seconds=60)

        def is_complete(records: list[ConsumerRecord]) -> bool:
            values = values_by_key(records)
            return all(deduplicate(values.get(key.encode(), [])) == numbers(30) for key in keys)

        await reader.read_until(is_complete)
