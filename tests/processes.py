"""A service as a separate process, as `tidemark serve` runs it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx


@asynccontextmanager
async def service_process(
    name: str, environment: dict[str, str], folder: Path, *, ready_path: str = "/readyz"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a service and wait until ``ready_path`` succeeds; its log goes to ``folder``."""
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"tidemark_{name}", env=environment, stdout=log, stderr=log
        )
        try:
            async with httpx.AsyncClient() as client, asyncio.timeout(150):
                while not await _is_ready(client, f"http://127.0.0.1:{environment['TIDEMARK_PORT']}{ready_path}"):
                    assert process.returncode is None, (folder / f"{name}.log").read_text()
                    await asyncio.sleep(0.1)
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.TransportError:
        return False
