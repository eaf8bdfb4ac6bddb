"""Live pages: what changes is told to each, and no page takes the place of another."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import uuid4

import httpx
from api_tokens import SECRET, bearer
from page_services import CONTRACT, pages

from tidemark_shared.http.tokens import issue_token
from tidemark_web.pages import live


async def read_event(lines):
    """The next event of a stream that is not a sign of life."""
    async with asyncio.timeout(10):
        async for line in lines:
            if line.startswith("event: revision"):
                return int((await anext(lines)).removeprefix("data: "))
    return None


async def test_many_open_pages_ask_once():
    async with pages() as (client, services), httpx.AsyncClient() as http:
        streams = [
            http.stream("GET", f"{client.base_url}/live/{CONTRACT}", headers=bearer("viewer")) for _ in range(20)
        ]
        opened = [await stream.__aenter__() for stream in streams]
        lines = [response.aiter_lines() for response in opened]
        assert [await read_event(line) for line in lines] == [7] * 20
        before = services.count("/v1/balances/revisions")
        services.revision = 8
        assert [await read_event(line) for line in lines] == [8] * 20
        assert services.count("/v1/balances/revisions") - before <= 5
        for stream in streams:
            await stream.__aexit__(None, None, None)


async def test_pages_of_many_contracts_are_all_live(monkeypatch):
    """Given more contracts than an address can name, then each page still hears of its own."""
    monkeypatch.setattr(live, "_MAX_OF_CALLER", 250)
    unlimited = httpx.Limits(max_connections=None)
    async with pages() as (client, services), AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=60, limits=unlimited))
        lines = []
        for _ in range(200):
            address = f"{client.base_url}/live/{uuid4()}"
            response = await stack.enter_async_context(http.stream("GET", address, headers=bearer("viewer")))
            lines.append(response.aiter_lines())
        assert [await read_event(line) for line in lines] == [7] * 200
        services.revision = 8
        assert [await read_event(line) for line in lines] == [8] * 200


async def test_live_pages_of_one_person_leave_room_for_others(monkeypatch):
    monkeypatch.setattr(live, "_MAX_OF_CALLER", 3)
    async with pages() as (client, _), AsyncExitStack() as stack:
        now = datetime.now(UTC)
        for name, status in [("ann", 200)] * 3 + [("ann", 503), ("bob", 200)]:
            headers = {"authorization": f"Bearer {issue_token(SECRET, name, 'viewer', now=now)}"}
            response = await stack.enter_async_context(client.stream("GET", f"/live/{CONTRACT}", headers=headers))
            assert response.status_code == status


async def test_stream_needs_a_session_and_a_contract():
    async with pages() as (client, _):
        assert (await client.get(f"/live/{CONTRACT}")).status_code == 303
        assert (await client.get("/live/nonsense", headers=bearer("viewer"))).status_code == 404
