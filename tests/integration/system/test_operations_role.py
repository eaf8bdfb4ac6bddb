"""``tidemark_ops`` reads `reporting`, and can neither change, fill nor stop anything."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tidemark.stack.up import SERVICES
from tidemark_shared.database import Connection, migrate

ROOT = Path(__file__).parents[3]


@contextlib.asynccontextmanager
async def connected(url: str, *, role: str | None = None) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url)
    try:
        if role:
            await connection.execute(f"SET ROLE {role}")
        yield connection
    finally:
        await connection.close()


async def readable_relations(connection: Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'reporting'::regnamespace AND relkind IN ('r', 'p', 'v')"
        " AND has_table_privilege('tidemark_ops', oid, 'SELECT')"
    )
    return {row["relname"] for row in rows}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'filler')",
        "SELECT pg_advisory_lock(7311946)",
        "LOCK TABLE reporting.migration_lock IN ACCESS SHARE MODE",
        "LOCK TABLE consumption.outbox_lock IN ACCESS SHARE MODE",
        "LOCK TABLE consumption.balances_lock IN ACCESS SHARE MODE",
        "LOCK TABLE notifier.configuration_lock IN ACCESS SHARE MODE",
        "CREATE TABLE reporting.filler ()",
        "CREATE TABLE public.filler ()",
        "SELECT * FROM contracts.tokens",
    ],
)
async def test_role_cannot_fill_or_lock(database: str, statement: str) -> None:
    async with connected(database, role="tidemark_ops") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute(statement)


async def test_role_is_limited_where_it_may_log_in(database: str) -> None:
    async with connected(database) as connection:
        role = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = 'tidemark_ops'")
    assert role
    assert role["rolconnlimit"] == 10
    assert {"statement_timeout=60s", "idle_in_transaction_session_timeout=60s"} <= set(role["rolconfig"])


def test_nothing_waits_for_advisory_locks() -> None:
    """Every role can take an advisory lock, and keep it."""
    files = [path for folder in ("src", "shared", "services") for path in (ROOT / folder).rglob("*.*")]
    sources = [path for path in files if path.suffix in {".py", ".sql"} and path.name != "restrict_public.sql"]
    assert len(sources) > 100
    taken = re.compile("_advisory_(?!unlock)")
    assert [str(path) for path in sources if taken.search(path.read_text())] == []


async def test_migration_brings_back_the_grants(database: str) -> None:
    """As after a restore into a new cluster, which brings no grants."""
    async with connected(database) as connection:
        before = await readable_relations(connection)
        assert "contracts" in before
        assert "migration_lock" not in before
        await connection.execute("REVOKE ALL ON ALL TABLES IN SCHEMA reporting FROM tidemark_ops")
        await connection.execute("REVOKE ALL ON SCHEMA reporting FROM tidemark_ops")
        await connection.execute("GRANT TEMPORARY ON DATABASE " + database.rpartition("/")[2] + " TO PUBLIC")
        for service in SERVICES:
            await migrate(database, service)
        assert await readable_relations(connection) == before
    async with connected(database, role="tidemark_ops") as connection:
        await connection.execute("SELECT FROM reporting.contracts")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TEMPORARY TABLE filler AS SELECT 1")


async def test_migrations_of_one_database_wait_for_each_other(empty_database: str) -> None:
    await asyncio.gather(*(migrate(empty_database, service) for service in SERVICES for _ in range(2)))
    async with connected(empty_database) as connection:
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = ANY($1)", list(SERVICES)) == 3
        )
