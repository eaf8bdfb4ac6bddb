"""Connections of the parts of consumption."""

import pytest

from tidemark_consumption import check, replay
from tidemark_shared.database import connect_pool


@pytest.fixture
async def check_pool(database, pool):
    del pool  # its tables are there
    async with check.open_pool(database) as check_pool:
        yield check_pool


@pytest.fixture
async def replay_connection(database, pool):
    del pool  # its tables are there
    async with (
        await connect_pool(database, "consumption", size=1, init=replay.prepare_connection) as replaying,
        replaying.acquire() as connection,
    ):
        yield connection
