"""The relay on a real broker and database: in order per key, at least once, one leader."""

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import RequestTimedOutError
from polling import wait_until
from world import contract_event, link, take, uid, worklog

from tidemark_consumption.balance_outbox import open_balance_outbox
from tidemark_consumption.projection import fold
from tidemark_shared.database import Connection, Pool, connect_pool
from tidemark_shared.messaging import kafka, outbox
from tidemark_shared.messaging.batches import Batch, DeadLetter, dead_letter
from tidemark_shared.messaging.cloudevents import OutboxRecord
from tidemark_shared.messaging.outbox import RECORD_OUTBOX, Outbox, Relay, write_outbox
from tidemark_shared.messaging.topics import BALANCES
from tidemark_shared.runtime import keep_running

SERVICE = "consumption"
LOCK = "tidemark.consumption.outbox"


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect_pool(database, SERVICE, size=20)
    yield pool
    pool.terminate()


@asynccontextmanager
async def administering(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def make(bootstrap: str, name: str, *, partitions: int = 1, most_bytes: int = 1_200_000) -> str:
    config = {"max.message.bytes": str(most_bytes)}
    async with administering(bootstrap) as admin:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
    return name


@pytest.fixture
async def topic(kafka_bootstrap_servers: str, topic_prefix: str) -> str:
    return await make(kafka_bootstrap_servers, f"{topic_prefix}records", partitions=3)


@asynccontextmanager
async def relaying(
    bootstrap: str, url: str, outbox: Outbox = RECORD_OUTBOX, *, prefix: str = ""
) -> AsyncIterator[None]:
    """A relay, started again whenever it fails, as the frame of a service does."""
    relay = Relay(url, SERVICE, bootstrap, outbox, prefix=prefix)
    task = asyncio.create_task(keep_running("relay", relay.run))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Log:
    """What a topic holds, read from its beginning."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        self.records: list[ConsumerRecord] = []

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(self._topic, bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read(self) -> list[ConsumerRecord]:
        for found in (await self._consumer.getmany(timeout_ms=50)).values():
            self.records += found
        return self.records

    async def holds(self, condition: Callable[[list[ConsumerRecord]], Any]) -> list[ConsumerRecord]:
        async def met() -> bool:
            return bool(condition(await self.read()))

        await wait_until(met, timeout_seconds=60)
        return self.records


def values_by_key(records: Iterable[ConsumerRecord]) -> dict[bytes | None, list[bytes | None]]:
    found: dict[bytes | None, list[bytes | None]] = {}
    for one in records:
        found.setdefault(one.key, []).append(one.value)
    return found


def row(topic: str, key: str | None, value: bytes | None, headers: Iterable[tuple[str, bytes]] = ()) -> OutboxRecord:
    return OutboxRecord(topic, None if key is None else key.encode(), list(headers), value)


async def write(pool: Pool, *rows: OutboxRecord) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await write_outbox(connection, rows)


async def left(pool: Pool, count: int) -> bool:
    return bool(await pool.fetchval("SELECT count(*) = $1 FROM outbox", count))


def numbers(upto: int) -> list[bytes]:
    return [str(number).encode() for number in range(1, upto + 1)]


def last_seen(values: list[bytes | None]) -> list[bytes | None]:
    """What a reader ends with that lets the last of equal records hold."""
    return list(reversed(dict.fromkeys(reversed(values))))


# Order.


async def test_each_key_is_in_order_with_concurrent_writers(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool
) -> None:
    keys, writers, rounds = ["a", "b", "c", "d"], 8, 25
    await pool.execute("CREATE TABLE streams (key text PRIMARY KEY, version integer NOT NULL DEFAULT 0)")
    await pool.executemany("INSERT INTO streams (key) VALUES ($1)", [(key,) for key in keys])

    async def append(connection: Connection, chosen: list[str], number: int) -> None:
        """A change of some streams, as a service makes it: the version and the outbox row in one transaction."""
        transaction = connection.transaction()
        await transaction.start()
        for key in sorted(chosen):
            version = await connection.fetchval(
                "UPDATE streams SET version = version + 1 WHERE key = $1 RETURNING version", key
            )
            await write_outbox(connection, [row(topic, key, str(version).encode())])
        # One in five thinks better of it, and its numbers go to the next.
        await (transaction.rollback() if number % 5 == 0 else transaction.commit())

    async def writer(seed: int) -> None:
        async with pool.acquire() as connection:
            for number in range(rounds):
                chosen = {keys[(seed + number) % 4], keys[(seed * 7 + number * 3) % 4]}
                await append(connection, list(chosen), seed + number)

    async with relaying(kafka_bootstrap_servers, database), Log(kafka_bootstrap_servers, topic) as log:
        await asyncio.gather(*map(writer, range(writers)))
        versions = dict(await pool.fetch("SELECT key, version FROM streams"))
        total = sum(versions.values())
        records = await log.holds(lambda records: len(records) >= total)
        await wait_until(lambda: left(pool, 0))
    assert values_by_key(records) == {key.encode(): numbers(version) for key, version in versions.items()}


async def test_row_that_commits_late_is_published_after_later_ones(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool
) -> None:
    async with (
        relaying(kafka_bootstrap_servers, database),
        Log(kafka_bootstrap_servers, topic) as log,
        pool.acquire() as slow,
    ):
        transaction = slow.transaction()
        await transaction.start()
        await write_outbox(slow, [row(topic, "slow", b"1")])
        await write(pool, row(topic, "quick", b"1"))
        await log.holds(lambda records: [one.key for one in records] == [b"quick"])
        await transaction.commit()
        records = await log.holds(lambda records: len(records) == 2)
    assert [one.key for one in records] == [b"quick", b"slow"]


async def test_record_is_published_as_written(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool
) -> None:
    topic = await make(kafka_bootstrap_servers, f"{topic_prefix}records")
    headers = [("a", b"\x00\xff"), ("a", b""), ("é", "ü".encode())]
    # The names in the outbox do not know the prefix of this system's topics.
    pairs = [("k", b"\x00\x01"), ("k", None), (None, b"x"), ("", b""), (None, None)]
    await write(pool, *(row("records", key, value, headers) for key, value in pairs))
    async with (
        relaying(kafka_bootstrap_servers, database, prefix=topic_prefix),
        Log(kafka_bootstrap_servers, topic) as log,
    ):
        records = await log.holds(lambda records: len(records) == len(pairs))
    # A record needs a key or a value.
    expected = [(b"k", b"\x00\x01"), (b"k", None), (None, b"x"), (b"", b""), (None, b"")]
    assert [(one.key, one.value) for one in records] == expected
    assert all(list(one.headers) == headers for one in records)


# Failure.


async def test_failed_send_blocks_later_rows_of_its_key_and_no_others(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_REJECTED_RETRY_SECONDS", 0.5)
    topic = await make(kafka_bootstrap_servers, f"{topic_prefix}small", most_bytes=3_000)
    great = b"2" * 5_000
    rows = [row(topic, key, value) for value in (b"1", b"2", b"3") for key in ("held", "free")]
    rows[2] = row(topic, "held", great)
    await write(pool, *rows)
    async with relaying(kafka_bootstrap_servers, database), Log(kafka_bootstrap_servers, topic) as log:
        await log.holds(lambda records: values_by_key(records).get(b"free") == numbers(3))
        await write(pool, row(topic, "free", b"4"), row(topic, "held", b"4"))
        await log.holds(lambda records: values_by_key(records)[b"free"] == numbers(4))
        assert values_by_key(log.records)[b"held"] == [b"1"]
        await wait_until(lambda: left(pool, 3))
        async with administering(kafka_bootstrap_servers) as admin:
            more = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "100000"})
            await admin.alter_configs([more])
        await wait_until(lambda: left(pool, 0), timeout_seconds=60)
        await log.holds(lambda records: values_by_key(records)[b"held"][-1] == b"4")
    assert last_seen(values_by_key(log.records)[b"held"]) == [b"1", great, b"3", b"4"]
    assert values_by_key(log.records)[b"free"] == numbers(4)


async def test_rows_behind_a_failed_row_are_published_again_behind_it(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = [b"2"]

    class Losing(AIOKafkaProducer):  # type: ignore[misc]
        """Loses one record on the way to the broker, and says so."""

        async def send(self, topic: str, value: bytes, **more: Any) -> Any:
            if value not in losses:
                return await super().send(topic, value, **more)
            losses.remove(value)
            lost: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            lost.set_exception(RequestTimedOutError())
            return lost

    monkeypatch.setattr(kafka, "create_producer", lambda bootstrap: Losing(bootstrap_servers=bootstrap))
    await write(pool, *(row(topic, "held", value) for value in numbers(3)), row(topic, "free", b"1"))
    async with relaying(kafka_bootstrap_servers, database), Log(kafka_bootstrap_servers, topic) as log:
        await wait_until(lambda: left(pool, 0))
        await log.holds(lambda records: len(records) == 5)
    assert values_by_key(log.records) == {b"held": [b"1", b"3", b"2", b"3"], b"free": [b"1"]}


async def test_record_too_large_for_any_topic_blocks_only_its_key(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool
) -> None:
    """The producer refuses it by itself, before anything is sent."""
    await write(pool, row(topic, "held", b"0" * 2_000_000), row(topic, "held", b"1"), row(topic, "free", b"1"))
    async with relaying(kafka_bootstrap_servers, database), Log(kafka_bootstrap_servers, topic) as log:
        await log.holds(lambda records: records)
        await write(pool, row(topic, "free", b"2"))
        await log.holds(lambda records: last_seen(values_by_key(records)[b"free"]) == numbers(2))
    assert set(values_by_key(log.records)) == {b"free"}
    assert await left(pool, 2)


async def test_published_rows_that_were_not_deleted_are_published_again_in_order(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool
) -> None:
    """The relay dies between the two: readers settle by version."""
    topic = await make(kafka_bootstrap_servers, f"{topic_prefix}records")
    await write(pool, *(row(topic, "k", value) for value in numbers(5)))
    deaths: list[Any] = []

    async def dying_once(connection: Connection, ids: Any) -> None:
        if not deaths:
            deaths.append(ids)
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        await RECORD_OUTBOX.mark_published(connection, ids)

    async with (
        relaying(kafka_bootstrap_servers, database, RECORD_OUTBOX._replace(mark_published=dying_once)),
        Log(kafka_bootstrap_servers, topic) as log,
    ):
        await wait_until(lambda: left(pool, 0))
        await log.holds(lambda records: len(records) == 10)
    assert [one.value for one in log.records] == numbers(5) * 2
    assert len(deaths) == 1


# One leader.


async def holders(pool: Pool, *, granted: bool) -> list[int]:
    rows = await pool.fetch(
        "SELECT l.pid FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
        "WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted = $2 "
        "AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended($1, 0)",
        LOCK,
        granted,
    )
    return [one["pid"] for one in rows]


async def leads(pool: Pool) -> tuple[int, int] | None:
    """The leader and the one that waits, once there are both."""
    leader, waiting = await holders(pool, granted=True), await holders(pool, granted=False)
    return (leader[0], waiting[0]) if len(leader) == len(waiting) == 1 else None


async def test_second_relay_takes_over_when_the_leader_is_gone(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool
) -> None:
    topic = await make(kafka_bootstrap_servers, f"{topic_prefix}records")
    async with (
        relaying(kafka_bootstrap_servers, database),
        relaying(kafka_bootstrap_servers, database),
        Log(kafka_bootstrap_servers, topic) as log,
    ):
        leader, waiting = await wait_until(lambda: leads(pool))
        await write(pool, *(row(topic, "k", value) for value in numbers(3)))
        await log.holds(lambda records: len(records) == 3)
        await wait_until(lambda: left(pool, 0))
        await pool.execute("SELECT pg_terminate_backend($1)", leader)

        async def taken_over() -> bool:
            return await holders(pool, granted=True) == [waiting]

        await wait_until(taken_over)
        await write(pool, row(topic, "k", b"4"))
        await log.holds(lambda records: len(records) == 4)
        # The one that lost its connection queues up behind.
        assert (await wait_until(lambda: leads(pool)))[0] == waiting
    assert [one.value for one in log.records] == numbers(4)


async def test_relay_stopped_while_starting_leaves_no_connection_open(
    kafka_bootstrap_servers: str, database: str
) -> None:
    for steps in range(0, 60, 2):
        producing = Relay(database, SERVICE, kafka_bootstrap_servers, RECORD_OUTBOX)._started_producer()
        starting = asyncio.create_task(producing.__aenter__())
        # A turn of the loop each: cut short at many places.
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
            await producing.__aexit__(None, None, None)
        # What is left open says so now, and a warning is an error.
        gc.collect()


async def test_leader_that_loses_its_connection_loses_no_record(
    kafka_bootstrap_servers: str, topic: str, database: str, pool: Pool
) -> None:
    keys = ["a", "b", "c"]
    async with (
        relaying(kafka_bootstrap_servers, database),
        relaying(kafka_bootstrap_servers, database),
        Log(kafka_bootstrap_servers, topic) as log,
    ):
        for number in range(1, 31):
            await write(pool, *(row(topic, key, str(number).encode()) for key in keys))
            if number % 10 == 0:
                await pool.executemany(
                    "SELECT pg_terminate_backend($1)", [(pid,) for pid in await holders(pool, granted=True)]
                )
        await wait_until(lambda: left(pool, 0), timeout_seconds=60)

        def complete(records: list[ConsumerRecord]) -> bool:
            found = values_by_key(records)
            return all(last_seen(found.get(key.encode(), [])) == numbers(30) for key in keys)

        await log.holds(complete)


# Dead letters.


def kafka_record(value: bytes, *, key: bytes | None = b"k", headers: Any = (("ce_id", b"1"),)) -> Any:
    return ConsumerRecord(
        topic="t", partition=0, offset=0, timestamp=0, timestamp_type=0, key=key, value=value, checksum=None,
        serialized_key_size=-1, serialized_value_size=-1, headers=headers,
    )  # fmt: skip


async def refuse_one(pool: Pool, topic: str, record: Any, reason: str, *, prefix: str = "") -> None:
    async with pool.acquire() as connection, connection.transaction():
        await dead_letter(connection, Batch("c", topic, 0, [record], prefix), [DeadLetter(record, reason)])


def tidemark_headers(record: ConsumerRecord) -> dict[str, str]:
    return {name.removeprefix("tidemark_dlq_"): raw.decode() for name, raw in record.headers if name != "ce_id"}


async def test_copy_of_a_dead_letter_has_the_original_record_and_the_reason(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool
) -> None:
    topic = await make(kafka_bootstrap_servers, f"{topic_prefix}worklog.events.dlq")
    value = b"\xff" * 1_048_576
    async with (
        relaying(kafka_bootstrap_servers, database, prefix=topic_prefix),
        Log(kafka_bootstrap_servers, topic) as log,
    ):
        await refuse_one(pool, f"{topic_prefix}worklog.events", kafka_record(value), "Wrong \0.", prefix=topic_prefix)
        (copy,) = await log.holds(lambda records: records)
    assert (copy.key, copy.value, dict(copy.headers)["ce_id"]) == (b"k", value, b"1")
    assert {name: text for name, text in tidemark_headers(copy).items() if name != "time"} == {
        "service": SERVICE,
        "reason": "Wrong \\0.",
        "topic": f"{topic_prefix}worklog.events",
        "partition": "0",
        "offset": "0",
    }


@pytest.mark.parametrize(
    "record",
    [
        kafka_record(b"x" * 3_000_000),
        kafka_record(b"x", key=b"x" * 3_000_000),
        kafka_record(b"x", headers=[("a", b"x" * 3_000_000)]),
    ],
    ids=["value", "key", "header"],
)
async def test_copy_of_a_dead_letter_too_large_for_its_topic_has_only_the_reason(
    record: Any, kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool
) -> None:
    topic = await make(kafka_bootstrap_servers, f"{topic_prefix}t.dlq")
    async with relaying(kafka_bootstrap_servers, database), Log(kafka_bootstrap_servers, topic) as log:
        await refuse_one(pool, f"{topic_prefix}t", record, "Too much. " * 1_000)
        (copy,) = await log.holds(lambda records: records)
    assert (copy.key, copy.value) == (None, b"")
    assert tidemark_headers(copy)["reason"].startswith("Too much. ")
    letter = await pool.fetchrow("SELECT * FROM reporting.dead_letters")
    assert letter is not None
    assert (letter["key"], letter["value"]) == (record.key, record.value)


async def test_dead_letter_may_have_a_header_name_with_nul(pool: Pool) -> None:
    await refuse_one(pool, "t", kafka_record(b"x", headers=[("a\0b", None), ("c", b"\0")]), "Wrong.")
    assert json.loads(await pool.fetchval("SELECT headers FROM reporting.dead_letters")) == [
        ["a\\0b", None],
        ["c", "00"],
    ]


# Balances.


async def test_many_worklogs_publish_few_balances_and_the_last_is_final(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str
) -> None:
    topic = await make(kafka_bootstrap_servers, f"{topic_prefix}{BALANCES.name}")
    pool = await connect_pool(database, SERVICE, init=fold.prepare_connection)
    rounds: list[Any] = []

    async def pending(connection: Connection) -> Any:
        rows = await balances.load_rows(connection)
        rounds.extend(rows)
        return rows

    contract = uid("contract C1")
    try:
        async with (
            pool.acquire() as connection,
            open_balance_outbox(database) as balances,
            relaying(kafka_bootstrap_servers, database, balances._replace(load_rows=pending), prefix=topic_prefix),
            Log(kafka_bootstrap_servers, topic) as log,
        ):
            await take(connection, [contract_event()])
            await take(connection, [link()])
            await log.holds(lambda records: records)
            begun, before = asyncio.get_running_loop().time(), len(log.records)
            for number in range(200):
                await take(connection, [worklog(str(number), seconds=60)])
            lasted = asyncio.get_running_loop().time() - begun
            revision = await connection.fetchval("SELECT revision FROM balances")

            def newest(records: list[ConsumerRecord]) -> Any:
                return json.loads(records[-1].value)["revision"] == revision

            await log.holds(newest)
            body = json.loads(await connection.fetchval("SELECT balance($1, $2, FALSE)", contract, datetime.now(UTC)))
    finally:
        pool.terminate()
    bodies = [json.loads(one.value) for one in log.records]
    # At most one a round, and the rounds have their pause.
    assert len(bodies) == len(rounds)
    assert len(bodies) - before <= lasted / balances.pause_seconds + 2
    revisions = [one["revision"] for one in bodies]
    assert revisions == sorted(set(revisions))
    assert {one.key for one in log.records} == {contract.encode()}
    assert {**bodies[-1], "forecast": None} == body
    assert bodies[-1]["whole"]["consumed"] == 200 * 60
