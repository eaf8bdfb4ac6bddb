"""``tidemark backup`` and ``tidemark restore`` bring back every service, with its role and grants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from event_builders import contract_event, link, take, worklog
from old_schema import forget_migrations
from typer.testing import CliRunner, Result

from tidemark.cli import app
from tidemark.stack.up import ALL_SERVICES, SERVICES
from tidemark_consumption.projection import fold
from tidemark_shared.database import Connection, connect_pool, migrate


@asynccontextmanager
async def consumption(url: str) -> AsyncIterator[Connection]:
    async with (
        await connect_pool(url, "consumption", init=fold.prepare_connection) as pool,
        pool.acquire() as connection,
    ):
        yield connection


async def run(url: str, *arguments: object) -> Result:
    # In a thread, because a command runs an event loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, app, [*map(str, arguments)], env={"TIDEMARK_DATABASE_URL": url})


async def content(url: str) -> dict[str, list[str]]:
    """Every row of every table of the services and of `reporting`."""
    connection = await asyncpg.connect(url)
    try:
        relations = await connection.fetch(
            "SELECT oid::regclass::text AS name, CASE relkind WHEN 'S' THEN 'last_value' ELSE '*' END AS columns"
            " FROM pg_class WHERE relkind IN ('r', 'v', 'S')"
            " AND relname <> 'definitions' AND relnamespace::regnamespace::text = ANY($1::text[]) ORDER BY 1",
            [*ALL_SERVICES, "reporting"],
        )
        return {
            row["name"]: sorted(
                str(tuple(values))
                for values in await connection.fetch(f"SELECT {row['columns']} FROM {row['name']}")  # noqa: S608
            )
            for row in relations
        }
    finally:
        await connection.close()


async def lead(url: str) -> None:
    """Hold a lock as the relay of a running service does, which connects again whenever it is disconnected."""
    while True:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            connection = await asyncpg.connect(url)
            try:
                await connection.execute("BEGIN; LOCK TABLE contracts.outbox_lock IN EXCLUSIVE MODE")
                await connection.fetchval("SELECT pg_sleep(600)")
            finally:
                connection.terminate()


@pytest.fixture
async def used_database(database: str) -> str:
    async with consumption(database) as connection:
        await take(connection, [contract_event(recurrence="none", end="2099-12-31")])
        await take(connection, [link()])
        await take(connection, [worklog("1", seconds=3_600)])
    return database


async def test_backup_is_restored_into_an_empty_database(
    used_database: str, empty_database: str, tmp_path: Path
) -> None:
    """As in a new cluster: the dump has neither owners nor grants, and the migration brings the grants back."""
    assert (await run(used_database, "backup", tmp_path / "backup")).exit_code == 0
    result = await run(empty_database, "restore", tmp_path / "backup")
    assert result.exit_code == 0, result.output
    assert await content(empty_database) == await content(used_database)
    connection = await asyncpg.connect(empty_database)
    owners = await connection.fetch("SELECT DISTINCT schemaname, tableowner FROM pg_tables WHERE tablename = 'tokens'")
    assert {row["schemaname"]: row["tableowner"] for row in owners} == {
        service: f"tidemark_{service}" for service in SERVICES
    }
    await connection.execute("SET ROLE tidemark_ops")
    assert await connection.fetchval("SELECT consumed_seconds FROM reporting.contracts") == 3_600
    await connection.close()
    assert (await run(empty_database, "verify")).exit_code == 0


async def test_backup_of_a_database_that_this_release_has_not_migrated_is_complete(
    used_database: str, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(used_database)
    await forget_migrations(connection, SERVICES)
    await connection.close()
    assert (await run(used_database, "backup", tmp_path / "backup")).exit_code == 0
    before = await content(used_database)
    result = await run(used_database, "restore", tmp_path / "backup", "--replace")
    assert result.exit_code == 0, result.output
    assert await content(used_database) == before


async def test_intake_is_part_of_a_backup(used_database: str, empty_database: str, tmp_path: Path) -> None:
    await migrate(used_database, "intake")
    connection = await asyncpg.connect(used_database)
    await connection.execute(
        "INSERT INTO intake.sources (id, kind, event_source) VALUES ('acme', 'jira', 'https://acme.example')"
    )
    await connection.close()
    assert (await run(used_database, "backup", tmp_path / "backup")).exit_code == 0
    result = await run(empty_database, "restore", tmp_path / "backup")
    assert result.exit_code == 0, result.output
    assert await content(empty_database) == await content(used_database)
    await migrate(empty_database, "intake")


async def test_restore_replaces_data_only_if_told_to(used_database: str, tmp_path: Path) -> None:
    """The services may still be connected, and hold locks."""
    assert (await run(used_database, "backup", tmp_path / "backup")).exit_code == 0
    before = await content(used_database)
    async with consumption(used_database) as connection:
        await take(connection, [worklog("2", seconds=3_600)], first_offset=10)
    refused = await run(used_database, "restore", tmp_path / "backup")
    assert refused.exit_code == 1
    assert "--replace" in refused.output
    assert await content(used_database) != before
    leader = asyncio.create_task(lead(used_database))
    result = await run(used_database, "restore", tmp_path / "backup", "--replace")
    assert result.exit_code == 0, result.output
    assert await content(used_database) == before
    leader.cancel()


async def test_restored_service_reads_again_what_it_lost(used_database: str, tmp_path: Path) -> None:
    """The offsets are part of the backup: nothing is counted twice, and nothing is left out."""
    assert (await run(used_database, "backup", tmp_path / "backup")).exit_code == 0
    later = worklog("2", seconds=3_600)
    async with consumption(used_database) as connection:
        await take(connection, [later], first_offset=10)
    assert (await run(used_database, "restore", tmp_path / "backup", "--replace")).exit_code == 0
    async with consumption(used_database) as connection:
        await take(connection, [later], first_offset=10)
        assert await connection.fetchval("SELECT consumed_seconds FROM reporting.contracts") == 7_200


async def test_backup_is_private_and_never_replaced(used_database: str, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    assert (await run(used_database, "backup", folder)).exit_code == 0
    assert [path for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o077] == []
    again = await run(used_database, "backup", folder)
    assert (again.exit_code, again.output) == (1, f"{folder} exists. Name a folder that does not.\n")


@pytest.mark.parametrize("damage", ["manifest", "missing", "cut"])
async def test_damaged_backup_replaces_nothing(used_database: str, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "backup"
    assert (await run(used_database, "backup", folder)).exit_code == 0
    dump = max(folder.glob("*.dump"), key=lambda path: path.stat().st_size)
    if damage == "manifest":
        (folder / "backup.json").write_text("{}")
    elif damage == "missing":
        dump.unlink()
    else:
        dump.write_bytes(dump.read_bytes()[:-1_000])
    before = await content(used_database)
    assert (await run(used_database, "restore", folder, "--replace")).exit_code == 1
    assert await content(used_database) == before


async def test_backup_of_an_unreachable_database_is_a_message(tmp_path: Path) -> None:
    result = await run("postgresql://someone:hidden@127.0.0.1:1/nowhere", "backup", tmp_path / "backup")
    assert result.exit_code == 1
    assert result.output == "Cannot reach Postgres at 127.0.0.1:1. Check that it runs.\n"
    assert not (tmp_path / "backup").exists()
