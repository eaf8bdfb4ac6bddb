"""Provisioning from an image, which has no command line: tables and topics."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

import tidemark_shared.database
from tidemark_shared.database import MigrationError, migrate
from tidemark_shared.messaging.topics import TOPICS
from tidemark_shared.provision import provision
from tidemark_shared.settings import MissingSettingError, Settings


async def test_provisioning_is_idempotent_and_concurrent(
    database: str, kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    settings = Settings(
        database_url=database, kafka_bootstrap_servers=kafka_bootstrap_servers, topic_prefix=topic_prefix
    )
    services = ("contracts", "consumption", "notifier")
    await asyncio.gather(*(provision(service, settings, replication=1) for service in (*services, *services)))
    await provision("contracts", settings, replication=1)

    connection = await asyncpg.connect(database)
    tables = {row["schemaname"] for row in await connection.fetch("SELECT DISTINCT schemaname FROM pg_tables")}
    await connection.close()
    assert {*services, "reporting"} <= tables

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    topics = set(await admin.list_topics())
    await admin.close()
    assert {topic_prefix + topic.name for topic in TOPICS} <= topics


async def test_missing_broker_setting_is_reported_by_its_variable(database: str) -> None:
    settings = Settings(database_url=database, kafka_bootstrap_servers=None)
    with pytest.raises(MissingSettingError, match="TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"):
        await provision("contracts", settings, replication=1)


async def test_migration_that_waits_for_an_old_process_ends_with_the_remedy(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a process of the release before holds what a migration replaces: nobody queues behind it for ever."""
    monkeypatch.setattr(tidemark_shared.database, "_MIGRATION_LOCK_TIMEOUT", "200ms")
    connection = await asyncpg.connect(database)
    try:
        # Views and functions are made again.
        await connection.execute("DELETE FROM consumption.definitions")
        await connection.execute("BEGIN; LOCK TABLE reporting.contracts IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(MigrationError, match=r"consumption waited 200ms .* Stop the processes"):
            await migrate(database, "consumption")
    finally:
        await connection.close()
    await migrate(database, "consumption")


async def test_migration_that_fails_is_named_and_changes_nothing(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "database/migrations").mkdir(parents=True)
    (tmp_path / "database/migrations/0099_bad.sql").write_text("CREATE TABLE good (); INSERT INTO nowhere VALUES (1);")
    original = tidemark_shared.database.files
    monkeypatch.setattr(
        tidemark_shared.database, "files", lambda name: tmp_path if name == "tidemark_contracts" else original(name)
    )
    with pytest.raises(MigrationError, match=r'0099_bad failed and changed nothing: relation "nowhere" does not exist'):
        await migrate(database, "contracts")
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT to_regclass('contracts.good')") is None
        assert not await connection.fetchval("SELECT count(*) FROM contracts.migrations WHERE name = '0099_bad'")
    finally:
        await connection.close()


async def test_migration_file_that_waits_ends_with_the_remedy(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidemark_shared.database, "_MIGRATION_LOCK_TIMEOUT", "200ms")
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("DELETE FROM consumption.migrations WHERE name LIKE '0017%'")
        await connection.execute("DROP VIEW consumption.balances_lock; CREATE TABLE consumption.balances_lock ()")
        await connection.execute("BEGIN; LOCK TABLE consumption.balances_lock IN EXCLUSIVE MODE")
        with pytest.raises(MigrationError, match=r"consumption waited 200ms .* Stop the processes"):
            await migrate(database, "consumption")
    finally:
        await connection.close()
