"""Serves an application to clients that need an address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from polling import wait_until

from tidemark.stack import ports


@asynccontextmanager
async def running_server(app) -> AsyncIterator[str]:
    """Serve the application on a free port; its URL."""
    port = ports.find_free()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    task = asyncio.create_task(server.serve())
    try:
        await wait_until(lambda: server.started or task.done(), timeout_seconds=60)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def is_ready():
                return (await client.get("/readyz")).status_code == 200

            await wait_until(is_ready, timeout_seconds=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
