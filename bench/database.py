"""Databases for measurements, on a new server with the settings of the stack or on the one in the environment."""

import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg

from bench import facts
from tidemark.stack import ports, postgres
from tidemark.stack.processes import Supervisor
from tidemark_consumption.app import handlers
from tidemark_consumption.projection import fold
from tidemark_shared.database import Connection, Pool, connect_pool, migrate
from tidemark_shared.messaging.batches import Batch

_HANDLERS = handlers()


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    """The URL of a database on a Postgres server."""
    if url := os.environ.get("TIDEMARK_DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        supervisor, port, password = Supervisor(Path(folder) / "logs"), ports.find_free(), uuid4().hex
        try:
            await supervisor.start(postgres.prepare(Path(folder) / "data", port, password))
            yield postgres.url(port, password)
        finally:
            await supervisor.stop()


@asynccontextmanager
async def database_url(server_url: str, service: str) -> AsyncIterator[str]:
    """The URL of a fresh database with the tables of a service, dropped at the end."""
    name = f"bench_{uuid4().hex[:8]}"
    url = f"{server_url.rpartition('/')[0]}/{name}"
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        try:
            await migrate(url, service)
            yield url
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def database(server_url: str) -> AsyncIterator[Pool]:
    """A fresh database with the tables of consumption, dropped at the end."""
    async with database_url(server_url, "consumption") as url:
        pool = await connect_pool(url, "consumption", init=fold.prepare_connection)
        try:
            yield pool
        finally:
            pool.terminate()


@asynccontextmanager
async def kept_database(
    server_url: str, name: str, fill: Callable[[str], Awaitable[None]], *, keep: bool
) -> AsyncIterator[str]:
    """The URL of a database that ``fill`` has filled. With ``keep`` it stays, and is used again by the next run."""
    base, new = server_url.rpartition("/")[0], f"{name}_new"
    connection = await asyncpg.connect(server_url)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"DROP DATABASE IF EXISTS {new} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {new}")
            await fill(f"{base}/{new}")
            await connection.execute(f"ALTER DATABASE {new} RENAME TO {name}")
        yield f"{base}/{name}"
        if not keep:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


async def append_and_fold(connection: Connection, batch: Batch) -> None:
    """Append a batch as a consumer does, and fold it as the projector does."""
    await append(connection, batch)
    await fold.fold(connection, datetime.now(UTC))


async def append(connection: Connection, batch: Batch) -> None:
    """Append a batch as a consumer does: in one transaction."""
    async with connection.transaction():
        await _HANDLERS[batch.topic](connection, batch)


async def settle(connection: Connection) -> None:
    """Do the work of autovacuum and the checkpointer now."""
    await connection.execute("VACUUM ANALYZE")
    # The user of the local stack may not.
    with suppress(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CHECKPOINT")


async def seed(pool: Pool, codes: list[str]) -> None:
    """Store contracts, teams and links, without work."""
    async with pool.acquire() as connection:
        for records in ([facts.contract(code) for code in codes], facts.teams(), facts.links(codes)):
            for batch in facts.batches(records, 20_000):
                await append_and_fold(connection, batch)
        await settle(connection)


async def timed(work: Awaitable[object]) -> float:
    """The duration in seconds."""
    start = time.perf_counter()
    await work
    return time.perf_counter() - start
