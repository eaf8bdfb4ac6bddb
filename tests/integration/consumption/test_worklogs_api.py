"""``POST /v1/worklogs``: the whole service on a real database and a real broker."""

import asyncio

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError
from polling import wait_until
from worklog_service import event, running

from tidemark.stack import ports
from tidemark_consumption.api import worklogs as worklogs_api
from tidemark_consumption.api.worklogs import Publisher


@pytest.fixture
async def service(database, kafka_bootstrap_servers, topic_prefix):
    async with running(database, kafka_bootstrap_servers, topic_prefix) as service:
        yield service


async def test_accepted_events_are_in_kafka_and_counted(service):
    answer = await service.post([event(1), event(2)], x_request_id="my-request")
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    records = await service.published()
    assert {(key, headers["ce_id"], headers["ce_correlationid"]) for key, headers, _ in records} == {
        (b"I-1", b"e-1", b"my-request"),
        (b"I-2", b"e-2", b"my-request"),
    }
    assert [value["seconds"] for _, _, value in records] == [60, 60]

    async def counted():
        return await service.app.state.pool.fetchval("SELECT count(*) FROM worklogs") == 2

    await wait_until(counted)
    assert (await service.post(event(3))).json() == {"accepted": 1}


async def test_one_invalid_event_rejects_the_whole_array(service):
    answer = await service.post([event(1), event(2, seconds=0)])
    assert answer.status_code == 422
    assert [violation["path"] for violation in answer.json()["violations"]] == ["/1/data/seconds"]
    assert await service.published() == []


async def test_viewer_may_not_publish(service):
    assert (await service.post(event(1), role="viewer")).status_code == 403
    assert await service.published() == []


async def test_repeated_idempotency_key_publishes_nothing(service):
    first = await service.post(event(1), idempotency_key="k")
    repeated = await service.post(event(1), idempotency_key="k")
    assert (first.status_code, repeated.status_code, repeated.json()) == (202, 202, {"accepted": 1})
    assert (await service.post(event(2), idempotency_key="k")).status_code == 422
    assert len(await service.published()) == 1


async def test_unreachable_kafka_is_503_and_key_stays_unused(service):
    good, service.app.state.publisher = service.app.state.publisher, Publisher(f"127.0.0.1:{ports.find_free()}")
    answer = await service.post(event(1), idempotency_key="k")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    service.app.state.publisher = good
    assert (await service.post(event(1), idempotency_key="k")).status_code == 202
    assert len(await service.published()) == 1


async def test_silent_kafka_is_503_after_timeout(service, monkeypatch):
    writers = []

    async def silent(reader, writer):
        writers.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    monkeypatch.setattr(worklogs_api, "_SEND_TIMEOUT_SECONDS", 0.3)
    good = service.app.state.publisher
    publisher = service.app.state.publisher = Publisher(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        async with asyncio.timeout(10):
            assert (await service.post(event(1))).status_code == 503
    finally:
        service.app.state.publisher = good
        await publisher.aclose()
        server.close()


async def test_failed_producer_is_replaced_and_working_one_is_kept(service, monkeypatch):
    publisher = service.app.state.publisher
    await service.post(event(1))
    first = publisher._producer
    await service.post(event(2))
    assert publisher._producer is first

    async def refuses(*_, **__):
        raise UnknownTopicOrPartitionError

    with monkeypatch.context() as patched:
        patched.setattr(first, "send", refuses)
        assert (await service.post(event(3))).status_code == 503
    assert (await service.post(event(3))).status_code == 202
    assert publisher._producer is not first
    assert len(await service.published()) == 3


async def test_requests_that_wait_for_kafka_hold_no_connection(service, monkeypatch):
    waiting, go_on = [], asyncio.Event()

    async def waits(_, records):
        waiting.append(records)
        await go_on.wait()

    monkeypatch.setattr(Publisher, "send", waits)
    posts = [asyncio.create_task(service.post(event(number), idempotency_key=f"{number}")) for number in range(40)]
    try:
        # All of them, which is five times as many as the pool has connections.
        await wait_until(lambda: len(waiting) == 40)
        async with service.client("viewer") as client:
            assert (await client.get("/v1/contracts/none/balance")).status_code == 404
    finally:
        go_on.set()
        responses = await asyncio.gather(*posts)
    assert {response.status_code for response in responses} == {202}
    assert (await service.post(event(0), idempotency_key="0")).status_code == 202
    assert len(waiting) == 40
