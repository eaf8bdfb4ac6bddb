"""The relay publishes a copy of each dead letter."""

import json
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from kafka_client import create_topic
from relay import SERVICE, TopicReader, running_relay

from tidemark_shared.database import Pool
from tidemark_shared.messaging.batches import Batch, DeadLetter, write_dead_letters

LARGE_MESSAGES = {"max.message.bytes": "1200000"}


def kafka_record(value: bytes, *, key: bytes | None = b"k", headers: Any = (("ce_id", b"1"),)) -> Any:
    return ConsumerRecord(
        topic="t", partition=0, offset=0, timestamp=0, timestamp_type=0, key=key, value=value, checksum=None,
        serialized_key_size=-1, serialized_value_size=-1, headers=headers,
    )  # fmt: skip


async def write_dead_letter(pool: Pool, topic: str, record: Any, reason: str, *, prefix: str = "") -> None:
    async with pool.acquire() as connection, connection.transaction():
        await write_dead_letters(connection, Batch("c", topic, 0, [record], prefix), [DeadLetter(record, reason)])


def dead_letter_headers(record: ConsumerRecord) -> dict[str, str]:
    return {name.removeprefix("tidemark_dlq_"): raw.decode() for name, raw in record.headers if name != "ce_id"}


async def test_copy_of_a_dead_letter_has_the_original_record_and_the_reason(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool
) -> None:
    topic = await create_topic(kafka_bootstrap_servers, f"{topic_prefix}worklog.events.dlq", config=LARGE_MESSAGES)
    value = b"\xff" * 1_048_576
    async with (
        running_relay(kafka_bootstrap_servers, database, prefix=topic_prefix),
        TopicReader(kafka_bootstrap_servers, topic) as reader,
    ):
        await write_dead_letter(
            pool, f"{topic_prefix}worklog.events", kafka_record(value), "Wrong \0.", prefix=topic_prefix
        )
        (copy,) = await reader.read_until(lambda records: records)
    assert (copy.key, copy.value, dict(copy.headers)["ce_id"]) == (b"k", value, b"1")
    assert {name: text for name, text in dead_letter_headers(copy).items() if name != "time"} == {
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
    topic = await create_topic(kafka_bootstrap_servers, f"{topic_prefix}t.dlq", config=LARGE_MESSAGES)
    async with running_relay(kafka_bootstrap_servers, database), TopicReader(kafka_bootstrap_servers, topic) as reader:
        await write_dead_letter(pool, f"{topic_prefix}t", record, "Too much. " * 1_000)
        (copy,) = await reader.read_until(lambda records: records)
    assert (copy.key, copy.value) == (None, b"")
    assert dead_letter_headers(copy)["reason"].startswith("Too much. ")
    row = await pool.fetchrow("SELECT * FROM reporting.dead_letters")
    assert row is not None
    assert (row["key"], row["value"]) == (record.key, record.value)


async def test_dead_letter_may_have_a_header_name_with_nul(pool: Pool) -> None:
    await write_dead_letter(pool, "t", kafka_record(b"x", headers=[("a\0b", None), ("c", b"\0")]), "Wrong.")
    assert json.loads(await pool.fetchval("SELECT headers FROM reporting.dead_letters")) == [
        ["a\\0b", None],
        ["c", "00"],
    ]
