"""Connections of the parts of consumption."""

import pytest

from tidemark_consumption import check, replay


@pytest.fixture
async def check_pool(database, pool):
    del pool  # its tables are there
    async with check.open_pool(database) as check_pool:
        yield check_pool


@pytest.fixture
async def replay_connection(database, pool):
    del pool  # its tables are there
    async with (
        replay.open_pool(database) as replaying,
        replaying.acquire() as connection,
    ):
        yield connection
