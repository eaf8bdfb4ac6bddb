"""Whatever a publisher sends, by way of a real broker: what is bad is refused with its reason, what is good counts."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from polling import wait_until
from world import SOURCE

from tidemark_consumption.ingest.append import append_worklogs
from tidemark_shared.database import Connection, Pool, connect_pool
from tidemark_shared.messaging import consumer as consumer_module
from tidemark_shared.messaging import partition_worker
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.events import WORKLOG_RECORDED
from tidemark_shared.messaging.kafka import fetch_cluster_id

WORKLOG = {
    "worklog_id": "1",
    "issue_id": "I1",
    "author_id": "ann",
    "started_at": "2026-03-02T09:00:00Z",
    "seconds": 3600,
    "updated_at": "2026-03-02T10:00:00Z",
}
ATTRIBUTES = {"ce_specversion": "1.0", "ce_id": "e", "ce_source": SOURCE, "ce_type": WORKLOG_RECORDED}
HEADERS = [(name, text.encode()) for name, text in ATTRIBUTES.items()]


def changed(name: str, raw: bytes) -> list[tuple[str, bytes]]:
    return [(one, raw if one == name else value) for one, value in HEADERS]


def worklog(worklog_id: str, **changes: Any) -> bytes:
    return json.dumps({**WORKLOG, "worklog_id": worklog_id, **changes}).encode()


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect_pool(database, "consumption")
    yield pool
    pool.terminate()


@pytest.fixture
async def topic(kafka_bootstrap_servers: str, topic_prefix: str) -> str:
    name = f"{topic_prefix}worklog.events"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs={"max.message.bytes": "1200000"})])
    finally:
        await admin.close()
    return name


@asynccontextmanager
async def publishing(bootstrap: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def consuming(bootstrap: str, pool: Pool, topic: str, handle: Any = append_worklogs) -> AsyncIterator[Consumer]:
    one = Consumer(
        bootstrap, pool, cluster=await fetch_cluster_id(bootstrap), group=f"{topic}.group", handlers={topic: handle}
    )
    await one.start()
    watching = asyncio.create_task(one.watch())
    try:
        yield one
    finally:
        watching.cancel()
        await one.stop()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an id with a NUL": ({"value": worklog("2"), "headers": changed("ce_id", b"a\0")}, "id contains a NUL"),
    "a header that is no text": ({"value": worklog("2"), "headers": [*HEADERS, ("x", b"\xff")]}, "not UTF-8"),
    "a header with an odd name": ({"value": b"{}", "headers": [*HEADERS, ("x\0", b"")]}, "worklog_id"),
    "a source without end": ({"value": worklog("2"), "headers": changed("ce_source", b"s" * 5_000)}, "1024"),
    "a type without end": (
        {"value": worklog("2"), "headers": changed("ce_type", b"t" * 100_000)},
        "1024",
    ),
    "a timestamp that is no time": ({"value": worklog("2"), "timestamp_ms": -(10**15)}, "timestamp, -1000000000000000"),
    "a tombstone without a key": ({"value": None, "key": b"k", "headers": []}, "no value"),
    "an empty value": ({"value": b""}, "Invalid JSON"),
    "no worklog": ({"value": b'{"seconds": 1}'}, "worklog_id: Field required"),
    "a NUL in a text": ({"value": worklog("2", description="a\0")}, "description: The text contains a NUL"),
    "deep nesting": ({"value": b"[" * 100_000}, "recursion limit"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_bad_record_becomes_a_dead_letter_and_blocks_nothing(
    bad: str, kafka_bootstrap_servers: str, topic: str, pool: Pool
) -> None:
    """The bad record comes first, so that what is made of a batch's beginning is made of it."""
    record, reason = BAD[bad]
    async with publishing(kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(topic, **{"headers": HEADERS, **record})
        await producer.send_and_wait(topic, worklog("1"), headers=HEADERS)
    async with consuming(kafka_bootstrap_servers, pool, topic) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
        assert consumer.problems() == []
    assert [row["worklog_id"] for row in await pool.fetch("SELECT worklog_id FROM fact_log")] == ["1"]
    (letter,) = await pool.fetch("SELECT * FROM reporting.dead_letters")
    assert reason in letter["reason"]
    assert letter["value"] == record["value"]
    assert await pool.fetchval("SELECT topic FROM outbox") == f"{topic}.dlq"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_are_read(codec: str, kafka_bootstrap_servers: str, topic: str, pool: Pool) -> None:
    async with publishing(kafka_bootstrap_servers, compression_type=codec, max_request_size=10_000_000) as producer:
        # Compressed it passes the broker, which looks at what it stores alone.
        await producer.send_and_wait(topic, b" " * 4_000_000, headers=HEADERS)
        await producer.send_and_wait(topic, worklog("1"), headers=HEADERS)
    async with consuming(kafka_bootstrap_servers, pool, topic) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
    assert await pool.fetchval("SELECT count(*) FROM fact_log") == 1
    assert "at most 1 MiB" in (await pool.fetchval("SELECT lower(reason) FROM reporting.dead_letters")).replace(
        "mib", "MiB"
    )


async def test_invalid_correlation_id_loses_no_record(kafka_bootstrap_servers: str, topic: str, pool: Pool) -> None:
    """It is that of the first record, and stands in what is made of all."""
    async with publishing(kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(topic, worklog("1"), headers=[*HEADERS, ("ce_correlationid", b"c\0" * 10_000)])
        await producer.send_and_wait(topic, worklog("2"), headers=HEADERS)
    async with consuming(kafka_bootstrap_servers, pool, topic) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
    assert await pool.fetchval("SELECT count(*) FROM fact_log") == 2
    assert await pool.fetchval("SELECT count(*) FROM reporting.dead_letters") == 0


async def test_service_is_not_ready_while_records_wait_unprocessed(
    kafka_bootstrap_servers: str, topic: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "_STALL_LIMIT_SECONDS", 0.5)
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(partition_worker, "_MAX_BACK_OFF_SECONDS", 0.1)
    healthy = asyncio.Event()

    async def failing(connection: Connection, batch: Batch) -> None:
        if not healthy.is_set():
            raise ConnectionResetError("It is not that the data are bad.")
        await append_worklogs(connection, batch)

    async with publishing(kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(topic, worklog("1"), headers=HEADERS)
    async with consuming(kafka_bootstrap_servers, pool, topic, failing) as consumer:
        (problem,) = await wait_until(consumer.problems)
        assert problem.startswith(f"{topic}/0: the record at offset 0 waits, and none was processed for ")
        healthy.set()
        await wait_until(lambda: not consumer.problems())
        assert await consumer.has_caught_up([topic])
