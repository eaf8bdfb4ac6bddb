"""Large, slow and many requests to the public address: others do not notice them, and memory is bounded."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from api_tokens import SECRET, bearer
from polling import wait_until
from processes import service_process
from web_server import running_upstreams, send_raw, web_client

from tidemark.stack import ports
from tidemark_shared.http import admission, server

CLOSED = {"open": False}
JSON = {"content-type": "application/json"}
MIB = 1024 * 1024


@pytest.fixture(scope="module")
async def services():
    async with running_upstreams() as services:
        yield services


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("headers", [{}, bearer("viewer")], ids=["anonymous", "token"])
async def test_large_body_is_rejected_before_it_is_read(services, declared, headers):
    async def chunks():
        for _ in range(48):
            yield b"{}, " * (MIB // 4)

    length = {"content-length": str(48 * MIB)} if declared else {}
    async with web_client(**services[1] | CLOSED) as client:
        response = await client.post("/v1/worklogs", content=chunks(), headers=length | headers | JSON)
    assert response.status_code == (413 if headers else 401)


async def test_body_at_the_limit_is_accepted(services):
    body = b"[" + b" " * (admission.MAX_BODY_BYTES - 2) + b"]"
    async with web_client(**services[1]) as client:
        assert (await client.post("/v1/worklogs", content=body, headers=JSON)).status_code == 203
        assert (await client.post("/v1/worklogs", content=body + b" ", headers=JSON)).status_code == 413


@pytest.mark.parametrize(
    "path",
    ["/v1/contracts/ACME/activate", "/v1/customer-links/exchange", "/v1/rate-cards", "/v1/rules/1/test",
     "/v1/offers/answer", "/v1/worklogs/check", "/v1/services/contracts/dead-letters/1/replay"],
)  # fmt: skip
async def test_route_with_a_small_body_takes_no_large_one(services, path):
    body = b"[" + b" " * (admission.MAX_SMALL_BODY_BYTES - 1) + b"]"
    async with web_client(**services[1]) as client:
        response = await client.post(path, content=body, headers=JSON)
        assert (response.status_code, response.json()["detail"]) == (
            413,
            "The body of this request may have 65,536 bytes.",
        )
        assert (await client.post("/v1/contracts/ACME/amend", content=body, headers=JSON)).status_code == 203


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
async def test_memory_of_the_process_is_bounded(services, tmp_path):
    """Bodies of 48 MB, of which 20 arrive at once, and 100 connections that stop half-way."""
    port = ports.find_free()
    environment = {
        "PATH": "/usr/bin", "TIDEMARK_PORT": str(port), "TIDEMARK_OPEN": "1", "TIDEMARK_SECRET": SECRET,
        **{f"TIDEMARK_{name.upper()}": url for name, url in services[1].items()},
    }  # fmt: skip
    async with (
        service_process("web", environment, tmp_path, ready_path="/healthz") as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        AsyncExitStack() as stack,
    ):

        async def chunks():
            for _ in range(48):
                yield b"{}, " * (MIB // 4)

        before = peak_memory(process.pid)
        for _ in range(100):
            await stack.enter_async_context(half_request(client, 100_000))
        requests = [client.post("/v1/worklogs", content=chunks(), headers=JSON) for _ in range(20)]
        for response in await asyncio.gather(*requests):
            assert response.status_code in {413, 503}
        assert (await client.post("/v1/worklogs", json={})).status_code == 203
        assert peak_memory(process.pid) - before < 200 * MIB


def peak_memory(pid):
    assert psutil.pid_exists(pid)
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@asynccontextmanager
async def half_request(client, size=10):
    """A connection that has sent its headers and the first bytes of its body."""
    head = (
        "POST /v1/worklogs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n"
    )
    _, writer = await send_raw(client, f"{head}\r\n" + "[" * size)
    try:
        yield writer
    finally:
        writer.close()


async def test_slow_senders_take_no_connection_to_a_service(services):
    apps, urls = services
    before = len(apps["consumption"].state.service["requests"])
    async with web_client(**urls) as client, AsyncExitStack() as stack:
        for _ in range(200):
            await stack.enter_async_context(half_request(client))
        async with asyncio.timeout(20):
            assert (await client.post("/v1/worklogs", json={})).status_code == 203
    assert len(apps["consumption"].state.service["requests"]) == before + 1


@pytest.mark.parametrize("text", ["", "POST /v1/worklogs HTTP/1.1\r\nHost: 127.0.0.1\r\n"], ids=["silent", "headers"])
async def test_idle_connections_keep_nobody_out(services, text):
    async with web_client(**services[1]) as client, AsyncExitStack() as stack:
        for _ in range(server.MAX_CONNECTIONS + 50):
            _, writer = await send_raw(client, text)
            stack.callback(writer.close)
        async with asyncio.timeout(20):
            assert (await client.get("/v1/contracts")).status_code == 203


async def test_slow_bodies_keep_nobody_out(services):
    async with web_client(**services[1]) as client, AsyncExitStack() as stack:
        for _ in range(server.MAX_CONNECTIONS + 50):
            await stack.enter_async_context(half_request(client))
        async with asyncio.timeout(20):
            assert (await client.get("/v1/contracts")).status_code == 203


@pytest.mark.parametrize("headers", [{}, bearer("viewer")], ids=["anonymous", "token"])
async def test_large_bodies_of_one_caller_keep_no_other_out(services, headers):
    """Given somebody who fills what may be buffered and waits, then others still send small and large bodies."""
    path = "/v1/worklogs" if headers else "/v1/intake/acme/webhook"
    size = admission.MAX_BODY_BYTES
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers | JSON | {"content-length": size}).items())
    async with web_client(**services[1] | CLOSED) as client, AsyncExitStack() as stack:
        for _ in range(admission.MAX_BUFFERED_BYTES // size + 5):
            # All but the last byte: the body is never complete.
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n"
            _, writer = await send_raw(client, head + " " * (size - 1))
            stack.callback(writer.close)
        for body in (b"{}", b" " * size):
            response = await client.post("/v1/worklogs", content=body, headers=JSON | bearer("manager"))
            assert response.status_code == 203


async def test_clients_that_do_not_read_keep_nobody_out(services, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 20)
    monkeypatch.setitem(server.SERVER_OPTIONS, "limit_concurrency", 21)
    monkeypatch.setattr(server, "WRITE_TIMEOUT_SECONDS", 3_600)
    async with web_client(**services[1]) as client, AsyncExitStack() as stack:

        async def is_answered():
            return (await client.get("/v1/contracts", headers={"connection": "close"})).status_code == 203

        for _ in range(25):
            _, writer = await send_raw(client, "GET /v1/reports/endless HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            stack.callback(writer.close)
        # Until the buffers of a client are full, it may still be one that reads.
        await wait_until(is_answered)


async def test_body_that_stops_is_a_408(services, monkeypatch):
    monkeypatch.setattr(admission, "BODY_TIMEOUT_SECONDS", 0.2)
    head = (
        "POST /v1/worklogs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n["
    )
    async with web_client(**services[1]) as client:
        reader, writer = await send_raw(client, head)
        async with asyncio.timeout(10):
            assert b" 408 " in await reader.readline()
        writer.close()


@pytest.mark.parametrize("text", ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HT"])
async def test_connection_that_sends_no_complete_headers_ends(services, monkeypatch, text):
    monkeypatch.setattr(server, "HEADERS_TIMEOUT_SECONDS", 0.3)
    async with web_client(**services[1]) as client:
        reader, writer = await send_raw(client, text)
        # A byte now and then does not prolong it.
        trickle = asyncio.create_task(send_slowly(writer))
        try:
            async with asyncio.timeout(10):
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(10**9)
        finally:
            trickle.cancel()
            writer.close()


async def send_slowly(writer):
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.05)


async def test_client_that_does_not_read_loses_its_connection(services, monkeypatch):
    monkeypatch.setattr(server, "WRITE_TIMEOUT_SECONDS", 0.2)
    state = services[0]["consumption"].state.service
    async with web_client(**services[1]) as client:
        _, writer = await send_raw(client, "GET /v1/reports/endless HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await wait_until(lambda: state["endless_ended"])
        writer.close()


async def test_hanging_service_keeps_nobody_from_the_others(services):
    async with web_client(**services[1]) as client, AsyncExitStack() as stack:
        stack.callback(services[0]["consumption"].state.service["is_hanging_over"].set)
        for _ in range(200):
            _, writer = await send_raw(client, "GET /v1/reports/hang HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            stack.callback(writer.close)
        async with asyncio.timeout(20):
            assert (await client.get("/v1/contracts")).status_code == 203
