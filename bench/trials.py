"""A run of a contender: what it is given, and how it is timed."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import psutil

from bench.backlog import (
    Backlog,
    Loader,
)
from bench.stack import SERVERS, Stack
from tidemark_shared.messaging.topics import WORKLOGS

WARM = 20_000


@dataclass(frozen=True)
class Outcome:
    """One run of a contender: how long it took, what it cost, and whether its figures were exact."""

    records: int
    seconds: float
    cpu: Mapping[str, float]
    exact: bool | None


class UnavailableError(Exception):
    """A contender that cannot run, with the reason."""


@dataclass(frozen=True)
class Trial:
    """What a contender is given for a run: parts, a database, topics of its own, and the records."""

    stack: Stack
    backlog: Backlog
    url: str
    prefix: str
    loader: Loader

    @property
    def topic(self) -> str:
        """The topic with the worklog events."""
        return self.prefix + WORKLOGS.name

    def fetch(self, query: str) -> Awaitable[list[asyncpg.Record]]:
        """Ask the database."""
        return _fetch(self.url, query)


Run = Callable[[Trial], Awaitable[Outcome]]


@dataclass(frozen=True)
class Contender:
    """A row of the table. ``limits`` says what its figure does not include."""

    name: str
    run: Run
    limits: str
    warm: int = WARM
    most_records: int | None = None


async def _fetch(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


class Clock:
    """How long a run took, and the CPU seconds of each part."""

    seconds: float
    cpu: dict[str, float]


def read_cpu(stack: Stack, part: str | None) -> dict[str, float]:
    """The CPU seconds so far: of a process of the stack or of this one, and of each server."""
    own = stack.cpu_seconds([part]) if part else sum(psutil.Process().cpu_times()[:2])
    return {"own": own, **{name: stack.cpu_seconds([name]) for name in SERVERS}}


@asynccontextmanager
async def run_clock(stack: Stack) -> AsyncIterator[Clock]:
    """The time and CPU of a block that runs in this process."""
    clock = Clock()
    before, begun = read_cpu(stack, None), time.perf_counter()
    yield clock
    clock.seconds = time.perf_counter() - begun
    after = read_cpu(stack, None)
    clock.cpu = {name: after[name] - before[name] for name in after}
