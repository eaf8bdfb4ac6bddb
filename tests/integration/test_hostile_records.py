"""Whatever a publisher sends, every good record is taken and every bad one is a dead letter."""

import asyncio
import contextlib
import json
import random
import threading
import zlib
from collections import Counter

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from polling import wait_until
from record_batches import CODECS, Raw, batch, encoded, produce, varint
from test_consumer import make

from tidemark_shared.database import connect_pool
from tidemark_shared.messaging import dead_letters
from tidemark_shared.messaging.batches import dead_letter, decode_events
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.events import WORKLOG_RECORDED
from tidemark_shared.messaging.kafka import fetch_cluster_id
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
async def pool(database):
    pool = await connect_pool(database, "consumption")
    await pool.execute("CREATE TABLE taken (worklog_id text PRIMARY KEY)")
    yield pool
    pool.terminate()


@pytest.fixture
async def topic(kafka_bootstrap_servers, topic_prefix):
    name = f"{topic_prefix}worklog.events"
    await make(kafka_bootstrap_servers, name, partitions=PARTITIONS, config={"retention.ms": "-1"})
    return name


async def handle(connection, batch):
    received, bad = decode_events(WORKLOGS, batch.records)
    await dead_letter(connection, batch, bad)
    await connection.executemany(
        "INSERT INTO taken (worklog_id) VALUES ($1)", [(event.data.worklog_id,) for _, event in received]
    )


@contextlib.asynccontextmanager
async def consuming(bootstrap, pool, topic):
    consumer = Consumer(
        bootstrap, pool, cluster=await fetch_cluster_id(bootstrap), group=f"{topic}.group", handlers={topic: handle}
    )
    await consumer.start()
    watching = asyncio.create_task(consumer.watch())
    try:
        yield consumer
    finally:
        watching.cancel()
        await consumer.stop()


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


def structured(worklog_id, **changes):
    event = {
        "specversion": "1.0",
        "id": "e",
        "source": "/test",
        "type": WORKLOG_RECORDED,
        "data": json.loads(worklog(worklog_id)),
    }
    return json.dumps({**event, **changes}).encode()


def good(draw, worklog_id):
    """A record that must count, however odd it looks."""
    value = worklog(worklog_id)
    return draw.choice(
        [
            lambda: Raw(value, None, HEADERS),
            lambda: Raw(value, draw.randbytes(draw.choice([0, 9, 100_000])), HEADERS),
            lambda: Raw(value.ljust(draw.choice([1_000, MIB - 1, MIB])), None, HEADERS),
            lambda: Raw(value, None, [*HEADERS, *[(b"x%d" % n, None) for n in range(draw.choice([1, 900]))]]),
            lambda: Raw(value, None, [(name.upper(), text) for name, text in HEADERS]),
            lambda: Raw(value, None, [*HEADERS, (b"x\0", b"y\0"), ("ü".encode(), "ü".encode())]),
            lambda: Raw(structured(worklog_id)),
            lambda: Raw(structured(worklog_id), None, [(b"content-type", b"application/cloudevents+json")]),
            lambda: Raw(value, None, HEADERS, draw.randrange(-(10**12), 10**12)),
        ]
    )()


def bad(draw):
    """A record that must be a dead letter."""
    value = worklog("bad")
    return draw.choice(
        [
            lambda: Raw(value, b"k", [*HEADERS, (b"x\xff\xfe", b"y")]),
            lambda: Raw(value, b"k", [(draw.randbytes(5) + b"\x80", None), *HEADERS]),
            lambda: Raw(value, None, [*HEADERS, (b"x", b"\xff")]),
            lambda: Raw(None, b"k", HEADERS),
            lambda: Raw(b"", None, HEADERS),
            lambda: Raw(draw.randbytes(draw.randrange(1, 500)), None, HEADERS),
            lambda: Raw(value.ljust(MIB + draw.choice([1, 1_000, 2 * MIB])), None, HEADERS),
            lambda: Raw(value, b"k" * 3 * MIB, HEADERS),
            lambda: Raw(value, None, [*HEADERS, *[(b"x", b"y")] * 1_000]),
            lambda: Raw(value.decode().encode("utf-16"), None, HEADERS),
            lambda: Raw(value[:-1], None, HEADERS),
            lambda: Raw(worklog("bad", seconds=0), None, HEADERS),
            lambda: Raw(worklog("bad", author_id="\0"), None, HEADERS),
            lambda: Raw(value, None, HEADERS[:-1]),
            lambda: Raw(value, None, [*HEADERS[:-1], (b"ce_type", b"t" * 100_000)]),
            lambda: Raw(structured("bad", specversion="9")),
            lambda: Raw(b"[" * 100_000),
        ]
    )()


def bomb(codec, size):
    """A batch of two good worklogs and one of ``size`` spaces between them, made without holding it."""
    fields = b"\0" + varint(0) + varint(1) + varint(-1) + varint(size)
    first = encoded(Raw(worklog(f"before-{codec}"), None, HEADERS), 0)
    last = b"\0" + encoded(Raw(worklog(f"after-{codec}"), None, HEADERS), 2)
    head = first + varint(len(fields) + size + 1) + fields
    if codec != 1:
        return batch([head + b" " * size + last], codec=codec, deltas=[0], last_delta=2, count=3)
    compressor, block = zlib.compressobj(9, wbits=31), b" " * 1_000_000
    parts = [compressor.compress(head)]
    parts += [compressor.compress(block) for _ in range(size // len(block))]
    parts += [compressor.compress(last), compressor.flush()]
    return batch([b""], codec=1, deltas=[0], last_delta=2, count=3, payload=b"".join(parts))


async def outcome(pool, topic):
    """How many are taken, and the offsets of dead letters by partition."""
    letters = await pool.fetch("SELECT partition, record_offset FROM reporting.dead_letters WHERE topic = $1", topic)
    return {row["worklog_id"] for row in await pool.fetch("SELECT worklog_id FROM taken")}, Counter(
        row["partition"] for row in letters
    )


@contextlib.contextmanager
def measuring_memory(peak):
    """Note the most memory that the process holds, from a thread, for the loop may be busy."""
    done = threading.Event()

    def measure():
        while not done.wait(0.005):
            peak[0] = max(peak[0], psutil.Process().memory_info().rss)

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


async def test_invalid_header_name_loses_no_record(kafka_bootstrap_servers, pool, topic):
    content = {
        0: [Raw(worklog("0a"), None, HEADERS), Raw(worklog("bad"), b"k", [*HEADERS, (b"x\xff\xfe", b"y")])],
        1: [Raw(worklog(f"1{n}"), None, HEADERS) for n in range(5)],
        2: [Raw(worklog(f"2{n}"), None, HEADERS) for n in range(4)],
    }
    await produce(kafka_bootstrap_servers, topic, {partition: batch(raws) for partition, raws in content.items()})
    await produce(kafka_bootstrap_servers, topic, {0: batch([Raw(worklog("0c"), None, HEADERS)])})
    async with consuming(kafka_bootstrap_servers, pool, topic) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
        assert consumer.problems() == []
    taken, _ = await outcome(pool, topic)
    assert taken == {"0a", "0c", *(f"1{n}" for n in range(5)), *(f"2{n}" for n in range(4))}
    (letter,) = await pool.fetch("SELECT * FROM reporting.dead_letters")
    assert (letter["partition"], letter["record_offset"], letter["key"]) == (0, 1, b"k")
    assert letter["value"] == worklog("bad")
    assert json.loads(letter["headers"])[-1] == [r"x\xff\xfe", b"y".hex()]
    assert r"The name of a header is not UTF-8: x\xff\xfe" in letter["reason"]


@pytest.mark.timeout(300)
async def test_thousand_hostile_records_lose_no_good_record(kafka_bootstrap_servers, pool, topic):
    draw = random.Random(20260302)
    expected, letters, hostile = set(), Counter(), 0
    batches = []
    while hostile < 1_000:
        partition, raws = draw.randrange(PARTITIONS), []
        for _ in range(draw.randrange(1, 20)):
            if draw.random() < 0.5:
                worklog_id = str(len(expected))
                expected.add(worklog_id)
                raws.append(good(draw, worklog_id))
            else:
                hostile += 1
                letters[partition] += 1
                raws.append(bad(draw))
        codecs = [*CODECS.values()] if sum(len(raw.value or b"") + len(raw.key or b"") for raw in raws) < MIB else [4]
        batches.append((partition, batch(raws, codec=draw.choice(codecs))))
    for codec, size in ((1, 100_000_000), (2, 15_000_000), (3, 100_000_000), (4, 100_000_000)):
        expected |= {f"before-{codec}", f"after-{codec}"}
        letters[0] += 1
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
    with measuring_memory(peak):
        async with consuming(kafka_bootstrap_servers, pool, topic) as consumer:
            await wait_until(lambda: consumer.has_caught_up([topic]), timeout_seconds=120)
            assert consumer.problems() == []
    taken, found = await outcome(pool, topic)
    assert taken == expected
    assert found == letters
    largest = await pool.fetchval("SELECT max(octet_length(value)) FROM reporting.dead_letters")
    assert largest <= MIB
    print(f"{len(expected)} taken, {letters.total()} dead letters, {(peak[0] - before) / MIB:.0f} MiB at most")
    assert peak[0] - before < 150 * MIB


async def test_large_record_is_stored_in_part_and_cannot_be_replayed(kafka_bootstrap_servers, pool, topic):
    await produce(kafka_bootstrap_servers, topic, {1: bomb(4, 20_000_000)})
    async with consuming(kafka_bootstrap_servers, pool, topic) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
    (letter,) = await pool.fetch("SELECT * FROM reporting.dead_letters")
    assert letter["value"] == b" " * 65_536
    assert letter["reason"].startswith(f"{topic}/1, offset 1: The record has 20000000 bytes. At most 1 MiB (1048576)")
    (copy,) = await pool.fetch("SELECT * FROM outbox")
    assert ["tidemark_dlq_incomplete", b"20000000".hex()] in json.loads(copy["headers"])
    async with pool.acquire() as connection:
        assert await dead_letters.replay_dead_letter(connection, {topic: handle}, letter["id"]) == letter["reason"]
    assert await pool.fetchval("SELECT replayed_at FROM reporting.dead_letters") is None
