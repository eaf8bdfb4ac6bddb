"""Figures of a contract that was created a moment ago: the request waits for its event, or says that it is missing."""

import asyncio
from unittest.mock import AsyncMock

import httpx
import pytest
from api_tokens import SECRET, bearer
from event_builders import contract_event, take, terms
from kafka_client import publish
from polling import wait_until
from worklog_service import running

from tidemark_consumption.api import figures
from tidemark_shared.http.app import create_api
from tidemark_shared.messaging.topics import LIFECYCLE
from tidemark_shared.settings import Settings

PATHS = [f"/v1/contracts/C1/{name}" for name in ("balance", "periods", "curve", "worklogs")]


@pytest.fixture
def app(pool):
    app = create_api("consumption", Settings(secret=SECRET), None)
    app.include_router(figures.router)
    app.state.pool, app.state.has_all_contracts = pool, AsyncMock(return_value=False)
    return app


@pytest.fixture
async def client(app):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=bearer()) as client:
        yield client


async def test_request_waits_for_the_event_of_a_contract(app, client, pool):
    requests = [asyncio.create_task(client.get(path)) for path in PATHS]
    await wait_until(lambda: app.state.has_all_contracts.await_count)
    async with pool.acquire() as connection:
        await take(connection, [contract_event(terms=terms("C1"))])
    assert [response.status_code for response in await asyncio.gather(*requests)] == [200] * len(PATHS)


@pytest.mark.parametrize("path", PATHS)
async def test_contract_whose_event_does_not_arrive_in_time_is_a_503(client, monkeypatch, path):
    monkeypatch.setattr(figures, "_ATTEMPT_INTERVAL_SECONDS", 0)
    response = await client.get(path)
    assert (response.status_code, response.json()["title"]) == (503, "Contract not received yet")
    assert response.headers["retry-after"]


@pytest.mark.parametrize("path", PATHS)
async def test_unknown_contract_is_a_404_once_no_event_is_on_its_way(app, client, path):
    app.state.has_all_contracts.return_value = True
    assert (await client.get(path)).status_code == 404


async def test_waiting_requests_hold_no_connection(app, client, pool):
    released = asyncio.Event()
    app.state.has_all_contracts.side_effect = released.wait
    requests = [asyncio.create_task(client.get(PATHS[0])) for _ in range(40)]
    await wait_until(lambda: app.state.has_all_contracts.call_count >= 40)
    assert pool.get_idle_size() == pool.get_size()
    released.set()
    assert {response.status_code for response in await asyncio.gather(*requests)} == {404}


async def test_service_knows_whether_events_are_on_their_way(database, kafka_bootstrap_servers, topic_prefix):
    async with running(database, kafka_bootstrap_servers, topic_prefix) as service, service.client("viewer") as client:
        await wait_until(service.app.state.has_all_contracts)
        assert (await client.get(PATHS[0])).status_code == 404
        record = contract_event(terms=terms("C1"))
        request = asyncio.create_task(client.get(PATHS[0]))
        await publish(
            kafka_bootstrap_servers, topic_prefix + LIFECYCLE.name, [record.value.decode()], headers=record.headers
        )
        assert (await request).status_code == 200
