"""A database for the tests of intake: migrating one for each takes longer than the tests."""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
from databases import drop_database
from tracker_site import ENVIRONMENT

from tidemark_shared.database import Pool, connect_pool, migrate


@pytest.fixture(scope="module")
async def intake_database(postgres_url: str) -> AsyncIterator[str]:
    name = f"intake_{os.getpid()}"
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name}")
    url = f"{postgres_url.rpartition('/')[0]}/{name}"
    await migrate(url, "intake")
    yield url
    await drop_database(server, name)
    await server.close()


@pytest.fixture
async def intake_pool(intake_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    async with await connect_pool(intake_database, "intake") as pool:
        yield pool
