"""``POST /v1/worklogs``: the whole service on a real database and a real broker."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError
from polling import wait_until

from tidemark.stack import ports
from tidemark_consumption.api import worklogs as worklogs_api
from tidemark_consumption.api.worklogs import Publisher
from tidemark_consumption.app import create_app
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging import kafka
from tidemark_shared.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - signs the tokens of these tests


def event(number, **changes):
    data = {
        "worklog_id": str(number), "issue_id": f"I-{number}", "author_id": "ann", "seconds": 60,
        "started_at": "2026-03-02T09:00:00Z", "updated_at": "2026-03-02T10:00:00Z", **changes,
    }  # fmt: skip
    type_ = "tidemark.worklog.recorded.v1"
    return {"specversion": "1.0", "id": f"e-{number}", "source": "/tracker", "type": type_, "data": data}


class World:
    """The service, its clients by role, and what is in its topic."""

    def __init__(self, app, bootstrap, prefix):
        self.app, self.bootstrap, self.topic = app, bootstrap, f"{prefix}worklog.events"

    def client(self, role="publisher"):
        token = issue_token(SECRET, "tester", role, now=datetime.now(UTC))
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://consumption", headers=headers
        )

    async def post(self, body, *, role="publisher", **headers):
        async with self.client(role) as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.post("/v1/worklogs", json=body, headers=named)

    async def published(self):
        """Every record of the topic, as (key, headers, value)."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(self.topic, number) for number in range(kafka.PARTITION_COUNT)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found = []
            while any([await consumer.position(one) < end for one, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(one.key, dict(one.headers), json.loads(one.value)) for one in records]
            return found
        finally:
            await consumer.stop()


@asynccontextmanager
async def running(database, bootstrap, prefix):
    await kafka.create_topics(bootstrap, prefix=prefix)
    app = create_app(
        Settings(database_url=database, kafka_bootstrap_servers=bootstrap, topic_prefix=prefix, secret=SECRET)
    )
    async with app.router.lifespan_context(app):
        yield World(app, bootstrap, prefix)


@pytest.fixture
async def world(database, kafka_bootstrap_servers, topic_prefix):
    async with running(database, kafka_bootstrap_servers, topic_prefix) as one:
        yield one


async def test_what_is_posted_is_in_kafka_once_it_is_answered_and_is_counted(world):
    answer = await world.post([event(1), event(2)], x_request_id="my-request")
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    records = await world.published()
    assert {(key, headers["ce_id"], headers["ce_correlationid"]) for key, headers, _ in records} == {
        (b"I-1", b"e-1", b"my-request"),
        (b"I-2", b"e-2", b"my-request"),
    }
    assert [value["seconds"] for _, _, value in records] == [60, 60]

    async def counted():
        return await world.app.state.pool.fetchval("SELECT count(*) FROM worklogs") == 2

    await wait_until(counted)
    assert (await world.post(event(3))).json() == {"accepted": 1}


async def test_one_bad_refuses_all_and_nothing_of_it_is_published(world):
    answer = await world.post([event(1), event(2, seconds=0)])
    assert answer.status_code == 422
    assert [one["path"] for one in answer.json()["violations"]] == ["/1/data/seconds"]
    assert await world.published() == []


async def test_it_takes_the_role_of_a_publisher(world):
    assert (await world.post(event(1), role="viewer")).status_code == 403
    assert await world.published() == []


async def test_a_known_idempotency_key_is_answered_and_publishes_nothing(world):
    first = await world.post(event(1), idempotency_key="k")
    again = await world.post(event(1), idempotency_key="k")
    assert (first.status_code, again.status_code, again.json()) == (202, 202, {"accepted": 1})
    assert (await world.post(event(2), idempotency_key="k")).status_code == 422
    assert len(await world.published()) == 1


async def test_where_kafka_is_out_of_reach_it_is_a_503_and_the_key_stays_free(world):
    good, world.app.state.publisher = world.app.state.publisher, Publisher(f"127.0.0.1:{ports.free()}")
    answer = await world.post(event(1), idempotency_key="k")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    world.app.state.publisher = good
    assert (await world.post(event(1), idempotency_key="k")).status_code == 202
    assert len(await world.published()) == 1


async def test_a_kafka_that_does_not_answer_is_waited_for_a_bounded_time(world, monkeypatch):
    held = []

    async def silent(reader, writer):
        held.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    monkeypatch.setattr(worklogs_api, "_SEND_TIMEOUT_SECONDS", 0.3)
    good = world.app.state.publisher
    publisher = world.app.state.publisher = Publisher(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        async with asyncio.timeout(10):
            assert (await world.post(event(1))).status_code == 503
    finally:
        world.app.state.publisher = good
        await publisher.aclose()
        server.close()


async def test_a_producer_that_kafka_refused_is_replaced_and_one_that_works_is_kept(world, monkeypatch):
    publisher = world.app.state.publisher
    await world.post(event(1))
    first = publisher._producer
    await world.post(event(2))
    assert publisher._producer is first

    async def refuses(*_, **__):
        raise UnknownTopicOrPartitionError

    with monkeypatch.context() as patched:
        patched.setattr(first, "send", refuses)
        assert (await world.post(event(3))).status_code == 503
    assert (await world.post(event(3))).status_code == 202
    assert publisher._producer is not first
    assert len(await world.published()) == 3


async def test_requests_that_wait_for_kafka_leave_the_consumer_its_connections(world, monkeypatch):
    """As many as the pool of requests has connections, and one more."""
    waiting, go_on = [], asyncio.Event()

    async def waits(_, found):
        waiting.append(found)
        await go_on.wait()

    monkeypatch.setattr(Publisher, "send", waits)
    posts = [asyncio.create_task(world.post(event(number))) for number in range(9)]
    try:
        await wait_until(lambda: len(waiting) == 8)
        producer = kafka.create_producer(world.bootstrap)
        await producer.start()
        body = json.dumps(event(10)).encode()
        headers = [("content-type", b"application/cloudevents+json")]
        await producer.send_and_wait(world.topic, body, key=b"I-10", headers=headers)
        await producer.stop()

        async def taken():
            async with asyncio.timeout(5):
                return await own.fetchval("SELECT count(*) FROM worklogs") == 1

        own = world.app.state.failures.__self__.pool
        await wait_until(taken)
    finally:
        go_on.set()
        await asyncio.gather(*posts)
