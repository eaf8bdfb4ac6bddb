"""The named queries against the migrated tables, and the types generated from them."""

import asyncpg
import pytest

from tidemark import query_types


async def test_each_query_is_prepared_and_its_type_is_current(database):
    sources = await query_types.generate(database)
    stale = [str(path) for path, source in sources.items() if path.read_text("utf-8") != source]
    assert stale == [], "Run `make query-types`."


async def test_a_query_that_postgres_rejects_is_named(database):
    connection = await asyncpg.connect(database)
    await connection.execute("ALTER TABLE consumption.worklogs RENAME COLUMN seconds TO minutes")
    await connection.close()
    with pytest.raises(asyncpg.UndefinedColumnError) as caught:
        await query_types.generate(database)
    assert "of tidemark_consumption" in caught.value.__notes__[0]
