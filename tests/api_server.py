"""Serves applications to clients that need an address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI
from polling import wait_until
from starlette.types import ASGIApp

from tidemark_shared.http.server import SERVER_OPTIONS


class _Server(uvicorn.Server):
    """Ends at once. Uvicorn looks for the end every 0.1 s, and pauses before it ends: in each test."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.end_requested = asyncio.Event()

    async def main_loop(self) -> None:
        await self.end_requested.wait()

    async def shutdown(self, sockets: object = None) -> None:
        del sockets
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)
        await self._wait_tasks_to_complete()


@asynccontextmanager
async def running_server(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serve an application, which is started already or needs no start, by default on a free port; its URL."""
    server = _Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off", **SERVER_OPTIONS))
    task = asyncio.create_task(server.serve())
    try:
        await wait_until(lambda: server.started or task.done())
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.end_requested.set()
        await task


@asynccontextmanager
async def running_application(app: FastAPI, port: int = 0, ready_path: str = "/readyz") -> AsyncIterator[str]:
    """Start an application, serve it, and wait until ``ready_path`` succeeds; its URL."""
    async with app.router.lifespan_context(app), running_server(app, port) as url:
        async with httpx.AsyncClient(base_url=url) as client:

            async def is_ready() -> bool:
                return (await client.get(ready_path)).is_success

            await wait_until(is_ready)
        yield url
