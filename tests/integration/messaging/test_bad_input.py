"""Bad input through a real broker: a bad record becomes a dead letter, a good one is processed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from event_builders import SOURCE
from kafka_client import create_topic, running_consumer
from polling import wait_until

from tidemark_consumption.ingest.append import append_worklogs
from tidemark_shared.database import Connection, Pool
from tidemark_shared.messaging import consumer as consumer_module
from tidemark_shared.messaging import partition_worker
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.events import WORKLOG_RECORDED

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


def headers_with(changed_name: str, changed_value: bytes) -> list[tuple[str, bytes]]:
    return [(name, changed_value if name == changed_name else value) for name, value in HEADERS]


def worklog(worklog_id: str, **changes: Any) -> bytes:
    return json.dumps({**WORKLOG, "worklog_id": worklog_id, **changes}).encode()


@pytest.fixture
async def topic(kafka_bootstrap_servers: str, topic_prefix: str) -> str:
    return await create_topic(
        kafka_bootstrap_servers, f"{topic_prefix}worklog.events", config={"max.message.bytes": "1200000"}
    )


@asynccontextmanager
async def running_producer(bootstrap_servers: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


BAD_RECORDS: dict[str, tuple[dict[str, Any], str]] = {
    "an id with a NUL": ({"value": worklog("2"), "headers": headers_with("ce_id", b"a\0")}, "id contains a NUL"),
    "a binary header": ({"value": worklog("2"), "headers": [*HEADERS, ("x", b"\xff")]}, "not UTF-8"),
    "a header name with a NUL": ({"value": b"{}", "headers": [*HEADERS, ("x\0", b"")]}, "worklog_id"),
    "a very long source": ({"value": worklog("2"), "headers": headers_with("ce_source", b"s" * 5_000)}, "1024"),
    "a very long type": (
        {"value": worklog("2"), "headers": headers_with("ce_type", b"t" * 100_000)},
        "1024",
    ),
    "an invalid timestamp": ({"value": worklog("2"), "timestamp_ms": -(10**15)}, "timestamp, -1000000000000000"),
    "a tombstone without a key": ({"value": None, "key": b"k", "headers": []}, "no value"),
    "an empty value": ({"value": b""}, "Invalid JSON"),
    "not a worklog": ({"value": b'{"seconds": 1}'}, "worklog_id: Field required"),
    "a NUL in a text": ({"value": worklog("2", description="a\0")}, "description: The text contains a NUL"),
    "deep nesting": ({"value": b"[" * 100_000}, "recursion limit"),
}


@pytest.mark.parametrize("bad", BAD_RECORDS)
async def test_bad_record_becomes_a_dead_letter_and_blocks_nothing(
    bad: str, kafka_bootstrap_servers: str, topic: str, pool: Pool
) -> None:
    """The bad record comes first: some values of a batch are taken from its first record."""
    record, reason = BAD_RECORDS[bad]
    async with running_producer(kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(topic, **{"headers": HEADERS, **record})
        await producer.send_and_wait(topic, worklog("1"), headers=HEADERS)
    async with running_consumer(kafka_bootstrap_servers, pool, topic, append_worklogs) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
        assert consumer.problems() == []
    assert [row["worklog_id"] for row in await pool.fetch("SELECT worklog_id FROM fact_log")] == ["1"]
    (row,) = await pool.fetch("SELECT * FROM reporting.dead_letters")
    assert reason in row["reason"]
    assert row["value"] == record["value"]
    assert await pool.fetchval("SELECT topic FROM outbox") == f"{topic}.dlq"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_are_read(codec: str, kafka_bootstrap_servers: str, topic: str, pool: Pool) -> None:
    async with running_producer(
        kafka_bootstrap_servers, compression_type=codec, max_request_size=10_000_000
    ) as producer:
        # The broker checks only the compressed size.
        await producer.send_and_wait(topic, b" " * 4_000_000, headers=HEADERS)
        await producer.send_and_wait(topic, worklog("1"), headers=HEADERS)
    async with running_consumer(kafka_bootstrap_servers, pool, topic, append_worklogs) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
    assert await pool.fetchval("SELECT count(*) FROM fact_log") == 1
    assert "at most 1 MiB" in (await pool.fetchval("SELECT lower(reason) FROM reporting.dead_letters")).replace(
        "mib", "MiB"
    )


async def test_invalid_correlation_id_loses_no_record(kafka_bootstrap_servers: str, topic: str, pool: Pool) -> None:
    """The correlation id of the first record is stored with the whole batch."""
    async with running_producer(kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(topic, worklog("1"), headers=[*HEADERS, ("ce_correlationid", b"c\0" * 10_000)])
        await producer.send_and_wait(topic, worklog("2"), headers=HEADERS)
    async with running_consumer(kafka_bootstrap_servers, pool, topic, append_worklogs) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
    assert await pool.fetchval("SELECT count(*) FROM fact_log") == 2
    assert await pool.fetchval("SELECT count(*) FROM reporting.dead_letters") == 0


async def test_service_is_not_ready_while_records_wait_unprocessed(
    kafka_bootstrap_servers: str, topic: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "_STALL_LIMIT_SECONDS", 0.5)
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(partition_worker, "_MAX_BACK_OFF_SECONDS", 0.1)
    is_healthy = asyncio.Event()

    async def append_if_healthy(connection: Connection, batch: Batch) -> None:
        if not is_healthy.is_set():
            raise ConnectionResetError("The data are not the reason.")
        await append_worklogs(connection, batch)

    async with running_producer(kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(topic, worklog("1"), headers=HEADERS)
    async with running_consumer(kafka_bootstrap_servers, pool, topic, append_if_healthy) as consumer:
        (problem,) = await wait_until(consumer.problems)
        assert problem.startswith(f"{topic}/0: the record at offset 0 waits, and none was processed for ")
        is_healthy.set()
        await wait_until(lambda: not consumer.problems())
        assert await consumer.has_caught_up([topic])
