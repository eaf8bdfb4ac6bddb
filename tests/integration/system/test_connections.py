"""What a connection of a pool asks Postgres beside the statements of its user."""

from contextlib import asynccontextmanager

from polling import wait_until

from tidemark_shared.database import connect_pool


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


async def test_types_whose_number_is_generated_are_asked_for_in_each_connection(database):
    """Another server of the same address may have given them other numbers."""
    for _ in range(2):
        async with logged_connection(database) as (connection, sent):
            names = await connection.fetchval("SELECT array_agg(table_name) FROM information_schema.tables")
            assert "contracts" in names
            await wait_until(lambda sent=sent: len(sent) > 1)


async def test_type_of_ours_is_asked_for_in_each_connection(database):
    """Its number is another one in the next database."""
    for values in ("'a', 'b'", "'b', 'c'"):
        async with logged_connection(database) as (connection, _):
            await connection.execute(f"DROP TYPE IF EXISTS public.letter; CREATE TYPE public.letter AS ENUM ({values})")
            assert await connection.fetchval("SELECT enum_range(NULL::public.letter)") == values.replace("'", "").split(
                ", "
            )
            await connection.execute("DROP TYPE public.letter")
            await connection.reload_schema_state()


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
