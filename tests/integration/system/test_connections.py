"""What a connection of a pool asks Postgres beside the statements of its user."""

from contextlib import asynccontextmanager

import asyncpg
import pytest
from polling import wait_until

from tidemark_shared.database import connect_pool, queries


@asynccontextmanager
async def logged_connection(database):
    """A new connection of a new pool, and the list of the statements that it sends."""
    sent = []
    async with await connect_pool(database, "consumption", size=1) as pool, pool.acquire() as connection:
        with connection.query_logger(lambda record: sent.append(record.query)):
            yield connection, sent


async def test_built_in_types_are_asked_for_once(database):
    ids = ["3f0e4b86-6f0c-4f6e-9d0e-3c8e7d0f1a11"]
    async with logged_connection(database) as (connection, _):
        await connection.fetchval("SELECT $1::uuid[]", ids)
    async with logged_connection(database) as (connection, sent):
        assert [str(id_) for id_ in await connection.fetchval("SELECT $1::uuid[]", ids)] == ids
        await wait_until(lambda: sent)
        assert sent == ["SELECT $1::uuid[]"]


@pytest.mark.parametrize(
    "query", ["SELECT array_agg(table_name) FROM information_schema.tables", "SELECT m FROM pg_auth_members AS m"]
)
async def test_types_that_differ_between_servers_are_asked_for_in_each_connection(database, query):
    """Another server at the same address has other numbers for its types, and other columns in its catalogs."""
    for _ in range(2):
        async with logged_connection(database) as (connection, sent):
            assert await connection.fetchval(query)
            await wait_until(lambda sent=sent: len(sent) > 1, timeout_seconds=5)


async def test_statement_with_several_types_is_understood_in_each_connection(database):
    for types in (("uuid", "date"), ("uuid", "bigint"), ("date", "bigint"), ("uuid",)):
        async with logged_connection(database) as (connection, _):
            columns = ", ".join(f"ARRAY[NULL::{type_}]" for type_ in types)
            assert list(await connection.fetchrow(f"SELECT {columns}")) == [[None]] * len(types)


async def test_type_that_is_newer_than_the_snapshot_can_be_read_later(database):
    """Postgres describes no type that a transaction does not see."""
    async with logged_connection(database) as (connection, _), logged_connection(database) as (other, _):
        async with connection.transaction(isolation="repeatable_read"):
            await connection.execute("SELECT 1 FROM pg_class LIMIT 1")
            await other.execute("CREATE TYPE public.letter AS ENUM ('a', 'b')")
            with pytest.raises(asyncpg.InternalClientError):
                await connection.fetchval("SELECT enum_range(NULL::public.letter)")
        assert await other.fetchval("SELECT enum_range(NULL::public.letter)") == ["a", "b"]


async def test_statement_without_parameters_is_planned_once(connection):
    """As text, each would be parsed and planned again, which takes longer than a small fold."""
    query = queries("tidemark_consumption").add_to_totals
    for _ in range(3):
        await query(connection)
    plans = await connection.fetch(
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1", query.sql
    )
    assert [tuple(row) for row in plans] == [(3, 0)]


async def test_connection_comes_back_without_a_round_trip(database):
    async with await connect_pool(database, "consumption", size=1) as pool:
        async with pool.acquire() as connection:
            await connection.execute("SELECT 1")
            raw = connection._con
        sent = []
        raw.add_query_logger(lambda record: sent.append(record.query))
        async with pool.acquire() as connection:
            await connection.execute("SELECT 2")
        await wait_until(lambda: sent)
        assert sent == ["SELECT 2"]
