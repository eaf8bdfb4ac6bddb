"""Web in front of real HTTP servers that replace the services."""

import asyncio
import gzip
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import httpx
from api_server import running_server
from api_tokens import SECRET
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tidemark_shared.settings import Settings
from tidemark_web.app import create_app


def upstream(name):  # noqa: C901 - one function for each kind of response
    """A service that responds with the request that it received."""
    state = {"problems": [], "is_released": asyncio.Event(), "requests": [], "endless_ended": False, "answers": {}}
    state["is_hanging_over"], state["asked"] = asyncio.Event(), Counter()

    async def readyz(_):
        return JSONResponse({"ready": not state["problems"], "problems": state["problems"]})

    async def openapi(_):
        state["asked"]["/openapi.json"] += 1
        common = {"title": "Same", "type": "object"}
        schemas = {"Same": common, "Own": {"title": f"Own of {name}"}}
        responses = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Own"}}}}}
        return JSONResponse(
            {"paths": {f"/v1/{name}": {"get": {"responses": responses}}}, "components": {"schemas": schemas}}
        )

    async def slow(_):
        async def chunks():
            yield b"first"
            await state["is_released"].wait()
            yield b"second"

        return StreamingResponse(chunks())

    async def endless(_):
        async def chunks():
            try:
                while True:
                    yield b"x" * 65_536
                    await asyncio.sleep(0)
            finally:
                state["endless_ended"] = True

        return StreamingResponse(chunks())

    async def hang(_):
        await state["is_hanging_over"].wait()
        return Response()

    async def compressed(_):
        return Response(gzip.compress(b"compressed text"), headers={"content-encoding": "gzip"})

    async def echo(request: Request):
        state["requests"].append(request.scope["path"])
        if answer := state["answers"].get(request.scope["path"]):
            return JSONResponse(answer)
        received = {
            "service": name,
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.url.query,
            "headers": dict(request.headers),
            "body": (await request.body()).decode(),
        }
        headers = {"etag": '"3"', "connection": "x-private", "x-private": "1", "x-public": "2"}
        return JSONResponse(received, state.get("status", 203), headers=headers)

    routes = [
        Route("/readyz", readyz),
        Route("/openapi.json", openapi),
        Route("/v1/reports/slow", slow),
        Route("/v1/reports/compressed", compressed),
        Route("/v1/reports/endless", endless),
        Route("/v1/reports/hang", hang),
        Route("/{path:path}", echo, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]
    app = Starlette(routes=routes)
    app.state.service = state
    return app


@asynccontextmanager
async def web_client(**settings):
    """A client of a web process on a free port."""
    app = create_app(Settings(**{"open": True, "secret": SECRET, **settings}))
    async with (
        app.router.lifespan_context(app),
        running_server(app) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as client,  # noqa: S501 - plain HTTP
    ):
        yield client


@asynccontextmanager
async def running_upstreams():
    """The services that web needs, and the settings with their URLs."""
    apps = {name: upstream(name) for name in ("contracts", "consumption", "notifier", "inbox")}
    async with AsyncExitStack() as stack:
        urls = {f"{name}_url": await stack.enter_async_context(running_server(app)) for name, app in apps.items()}
        yield apps, urls


async def send_raw(client, text, *, end=False):
    """Send bytes on a connection of its own; the reader and the writer."""
    url = urlsplit(str(client.base_url))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(text.encode("latin-1"))
    await writer.drain()
    if end:
        writer.write_eof()
    return reader, writer


async def raw_status(client, text):
    """The status of the response to these bytes."""
    reader, writer = await send_raw(client, text)
    try:
        async with asyncio.timeout(10):
            return int((await reader.readline()).split()[1])
    finally:
        writer.close()
