"""The named queries against the migrated tables, and the types generated from them."""

import asyncpg
import pytest

from tidemark import query_types
from tidemark.stack.up import INTAKE
from tidemark_shared.database import migrate


@pytest.fixture
async def migrated(database):
    """A database that also has the tables of the service that runs only where it is set up."""
    await migrate(database, INTAKE)
    return database


async def test_each_query_is_prepared_and_its_type_is_current(migrated):
    sources = await query_types.generate(migrated)
    stale = [str(path) for path, source in sources.items() if path.read_text("utf-8") != source]
    assert stale == [], "Run `make query-types`."


async def test_a_query_that_postgres_rejects_is_named(migrated):
    connection = await asyncpg.connect(migrated)
    await connection.execute("ALTER TABLE consumption.worklogs RENAME COLUMN seconds TO minutes")
    await connection.close()
    with pytest.raises(asyncpg.UndefinedColumnError) as caught:
        await query_types.generate(migrated)
    assert "of tidemark_consumption" in caught.value.__notes__[0]
