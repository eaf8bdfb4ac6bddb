"""Hostile records: every good record is processed and every bad one becomes a dead letter."""

import contextlib
import json
import random
import threading
import zlib
from collections import Counter

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from kafka_client import create_topic, running_consumer
from ledger import load_processed
from polling import wait_until
from raw_batches import CODECS, RawRecord, build_batch, encode_record, encode_varint, produce

from tidemark_shared.messaging import dead_letters
from tidemark_shared.messaging.batches import decode_batch
from tidemark_shared.messaging.events import WORKLOG_RECORDED
from tidemark_shared.messaging.topics import WORKLOGS

MIB = 1_048_576
HEADERS = [
    (b"ce_specversion", b"1.0"),
    (b"ce_id", b"e"),
    (b"ce_source", b"/test"),
    (b"ce_type", WORKLOG_RECORDED.encode()),
]
PARTITIONS = 3


@pytest.fixture
async def topic(kafka_bootstrap_servers, topic_prefix):
    return await create_topic(
        kafka_bootstrap_servers,
        f"{topic_prefix}worklog.events",
        partitions=PARTITIONS,
        config={"retention.ms": "-1"},
    )


async def handle(connection, batch):
    events = await decode_batch(connection, WORKLOGS, batch)
    await connection.executemany(
        "INSERT INTO processed (value) VALUES ($1)", [(event.data.worklog_id,) for _, event in events]
    )


def worklog(worklog_id, **changes):
    data = {
        "worklog_id": worklog_id,
        "issue_id": "I1",
        "author_id": "ann",
        "started_at": "2026-03-02T09:00:00Z",
        "seconds": 3600,
        "updated_at": "2026-03-02T10:00:00Z",
    }
    return json.dumps({**data, **changes}).encode()


def structured_event(worklog_id, **changes):
    event = {
        "specversion": "1.0",
        "id": "e",
        "source": "/test",
        "type": WORKLOG_RECORDED,
        "data": json.loads(worklog(worklog_id)),
    }
    return json.dumps({**event, **changes}).encode()


def good_record(draw, worklog_id):
    """An unusual record that must be processed."""
    value = worklog(worklog_id)
    return draw.choice(
        [
            lambda: RawRecord(value, None, HEADERS),
            lambda: RawRecord(value, draw.randbytes(draw.choice([0, 9, 100_000])), HEADERS),
            lambda: RawRecord(value.ljust(draw.choice([1_000, MIB - 1, MIB])), None, HEADERS),
            lambda: RawRecord(value, None, [*HEADERS, *[(b"x%d" % n, None) for n in range(draw.choice([1, 900]))]]),
            lambda: RawRecord(value, None, [(name.upper(), text) for name, text in HEADERS]),
            lambda: RawRecord(value, None, [*HEADERS, (b"x\0", b"y\0"), ("ü".encode(), "ü".encode())]),
            lambda: RawRecord(structured_event(worklog_id)),
            lambda: RawRecord(structured_event(worklog_id), None, [(b"content-type", b"application/cloudevents+json")]),
            lambda: RawRecord(value, None, HEADERS, draw.randrange(-(10**12), 10**12)),
        ]
    )()


def bad_record(draw):
    """A record that must become a dead letter."""
    value = worklog("bad")
    return draw.choice(
        [
            lambda: RawRecord(value, b"k", [*HEADERS, (b"x\xff\xfe", b"y")]),
            lambda: RawRecord(value, b"k", [(draw.randbytes(5) + b"\x80", None), *HEADERS]),
            lambda: RawRecord(value, None, [*HEADERS, (b"x", b"\xff")]),
            lambda: RawRecord(None, b"k", HEADERS),
            lambda: RawRecord(b"", None, HEADERS),
            lambda: RawRecord(draw.randbytes(draw.randrange(1, 500)), None, HEADERS),
            lambda: RawRecord(value.ljust(MIB + draw.choice([1, 1_000, 2 * MIB])), None, HEADERS),
            lambda: RawRecord(value, b"k" * 3 * MIB, HEADERS),
            lambda: RawRecord(value, None, [*HEADERS, *[(b"x", b"y")] * 1_000]),
            lambda: RawRecord(value.decode().encode("utf-16"), None, HEADERS),
            lambda: RawRecord(value[:-1], None, HEADERS),
            lambda: RawRecord(worklog("bad", seconds=0), None, HEADERS),
            lambda: RawRecord(worklog("bad", author_id="\0"), None, HEADERS),
            lambda: RawRecord(value, None, HEADERS[:-1]),
            lambda: RawRecord(value, None, [*HEADERS[:-1], (b"ce_type", b"t" * 100_000)]),
            lambda: RawRecord(structured_event("bad", specversion="9")),
            lambda: RawRecord(b"[" * 100_000),
        ]
    )()


def bomb(codec, size):
    """A batch of two good worklogs and, between them, a record of ``size`` spaces, built as a stream."""
    fields = b"\0" + encode_varint(0) + encode_varint(1) + encode_varint(-1) + encode_varint(size)
    first = encode_record(RawRecord(worklog(f"before-{codec}"), None, HEADERS), 0)
    last = b"\0" + encode_record(RawRecord(worklog(f"after-{codec}"), None, HEADERS), 2)
    head = first + encode_varint(len(fields) + size + 1) + fields
    if codec != 1:
        return build_batch([head + b" " * size + last], codec=codec, deltas=[0], last_delta=2, count=3)
    compressor, block = zlib.compressobj(9, wbits=31), b" " * 1_000_000
    parts = [compressor.compress(head)]
    parts += [compressor.compress(block) for _ in range(size // len(block))]
    parts += [compressor.compress(last), compressor.flush()]
    return build_batch([b""], codec=1, deltas=[0], last_delta=2, count=3, payload=b"".join(parts))


async def load_dead_letter_counts(pool, topic):
    """The number of dead letters by partition."""
    return dict(
        await pool.fetch(
            "SELECT partition, count(*) FROM reporting.dead_letters WHERE topic = $1 GROUP BY partition", topic
        )
    )


@contextlib.contextmanager
def measured_memory(peak):
    """Record the peak memory of the process, from a thread because the event loop may be busy."""
    is_done = threading.Event()

    def measure():
        while not is_done.wait(0.005):
            peak[0] = max(peak[0], psutil.Process().memory_info().rss)

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


async def test_invalid_header_name_loses_no_record(kafka_bootstrap_servers, pool, topic):
    content = {
        0: [RawRecord(worklog("0a"), None, HEADERS), RawRecord(worklog("bad"), b"k", [*HEADERS, (b"x\xff\xfe", b"y")])],
        1: [RawRecord(worklog(f"1{n}"), None, HEADERS) for n in range(5)],
        2: [RawRecord(worklog(f"2{n}"), None, HEADERS) for n in range(4)],
    }
    await produce(
        kafka_bootstrap_servers, topic, {partition: build_batch(records) for partition, records in content.items()}
    )
    await produce(kafka_bootstrap_servers, topic, {0: build_batch([RawRecord(worklog("0c"), None, HEADERS)])})
    async with running_consumer(kafka_bootstrap_servers, pool, topic, handle) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
        assert consumer.problems() == []
    expected = ["0a", "0c", *(f"1{n}" for n in range(5)), *(f"2{n}" for n in range(4))]
    assert await load_processed(pool) == expected
    (row,) = await pool.fetch("SELECT * FROM reporting.dead_letters")
    assert (row["partition"], row["record_offset"], row["key"]) == (0, 1, b"k")
    assert row["value"] == worklog("bad")
    assert json.loads(row["headers"])[-1] == [r"x\xff\xfe", b"y".hex()]
    assert r"The name of a header is not UTF-8: x\xff\xfe" in row["reason"]


@pytest.mark.timeout(300)
async def test_thousand_hostile_records_lose_no_good_record(kafka_bootstrap_servers, pool, topic):
    draw = random.Random(20260302)
    expected, bad_counts, hostile_count = set(), Counter(), 0
    batches = []
    while hostile_count < 1_000:
        partition, raw_records = draw.randrange(PARTITIONS), []
        for _ in range(draw.randrange(1, 20)):
            if draw.random() < 0.5:
                worklog_id = str(len(expected))
                expected.add(worklog_id)
                raw_records.append(good_record(draw, worklog_id))
            else:
                hostile_count += 1
                bad_counts[partition] += 1
                raw_records.append(bad_record(draw))
        codecs = (
            [*CODECS.values()]
            if sum(len(record.value or b"") + len(record.key or b"") for record in raw_records) < MIB
            else [4]
        )
        batches.append((partition, build_batch(raw_records, codec=draw.choice(codecs))))
    for codec, size in ((1, 100_000_000), (2, 15_000_000), (3, 100_000_000), (4, 100_000_000)):
        expected |= {f"before-{codec}", f"after-{codec}"}
        bad_counts[0] += 1
        batches.insert(draw.randrange(len(batches)), (0, bomb(codec, size)))
    for partition, data in batches:
        await produce(kafka_bootstrap_servers, topic, {partition: data})
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka_bootstrap_servers, transactional_id=topic) as transactional,
        transactional.transaction(),
    ):
        for partition in range(PARTITIONS):
            expected.add(f"committed-{partition}")
            await transactional.send(
                topic, worklog(f"committed-{partition}"), partition=partition,
                headers=[(name.decode(), text) for name, text in HEADERS],
            )  # fmt: skip
    before = psutil.Process().memory_info().rss
    peak = [before]
    with measured_memory(peak):
        async with running_consumer(kafka_bootstrap_servers, pool, topic, handle) as consumer:
            await wait_until(lambda: consumer.has_caught_up([topic]), timeout_seconds=120)
            assert consumer.problems() == []
    assert await load_processed(pool) == sorted(expected)
    assert await load_dead_letter_counts(pool, topic) == bad_counts
    largest = await pool.fetchval("SELECT max(octet_length(value)) FROM reporting.dead_letters")
    assert largest <= MIB
    print(f"{len(expected)} processed, {bad_counts.total()} dead letters, {(peak[0] - before) / MIB:.0f} MiB at most")
    assert peak[0] - before < 150 * MIB


async def test_large_record_is_stored_in_part_and_cannot_be_replayed(kafka_bootstrap_servers, pool, topic):
    await produce(kafka_bootstrap_servers, topic, {1: bomb(4, 20_000_000)})
    async with running_consumer(kafka_bootstrap_servers, pool, topic, handle) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
    (row,) = await pool.fetch("SELECT * FROM reporting.dead_letters")
    assert row["value"] == b" " * 65_536
    assert row["reason"].startswith(f"{topic}/1, offset 1: The record has 20000000 bytes. At most 1 MiB (1048576)")
    (copy,) = await pool.fetch("SELECT * FROM outbox")
    assert ["tidemark_dlq_incomplete", b"20000000".hex()] in json.loads(copy["headers"])
    async with pool.acquire() as connection:
        assert await dead_letters.replay_dead_letter(connection, {topic: handle}, row["id"]) == row["reason"]
    assert await pool.fetchval("SELECT replayed_at FROM reporting.dead_letters") is None
