"""A service as a process of its own, as `tidemark serve` runs it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx


@asynccontextmanager
async def service_process(
    name: str, environment: dict[str, str], folder: Path, *, answers: str = "/readyz"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a service until the end, from when ``answers`` does; what it says goes to a log in ``folder``."""
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"tidemark_{name}", env=environment, stdout=log, stderr=log
        )
        try:
            async with httpx.AsyncClient() as client, asyncio.timeout(60):
                while not await _ready(client, f"http://127.0.0.1:{environment['TIDEMARK_PORT']}{answers}"):
                    assert process.returncode is None, (folder / f"{name}.log").read_text()
                    await asyncio.sleep(0.1)
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.TransportError:
        return False
