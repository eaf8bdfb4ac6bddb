"""`tidemark up` as a process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from tidemark.stack import ports
from tidemark.stack.state import State

TIDEMARK = str(Path(sys.executable).with_name("tidemark"))


class Stack:
    """A data directory, and the `tidemark up` that runs on it."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir, self.port = data_dir, ports.find_free()
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("TIDEMARK_")} | settings

    async def run(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            TIDEMARK,
            *arguments,
            "--data-dir",
            str(self.data_dir),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
        )

    async def up(self) -> None:
        self._printed_environment: dict[str, str] = {}
        self.process = await self.run("up", "--port", str(self.port))
        assert self.process.stdout
        async with asyncio.timeout(240):
            while (line := await self.process.stdout.readline()) != b"ready\n":
                assert line, (await self.process.communicate())[1].decode()

    async def env(self) -> dict[str, str]:
        """What `tidemark env` prints, once for each start: it takes a second."""
        if not self._printed_environment:
            out, _ = await (await self.run("env")).communicate()
            self._printed_environment = dict(line.split("=", 1) for line in out.decode().splitlines())
        return {**self._printed_environment}

    def components(self) -> dict[str, psutil.Process]:
        identities = State.load(self.data_dir).components
        return {name: process for name, identity in identities.items() if (process := identity.find_process())}

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.communicate()


@asynccontextmanager
async def running_stack(stack: Stack) -> AsyncIterator[Stack]:
    try:
        await stack.up()
        yield stack
    finally:
        await stack.stop()
