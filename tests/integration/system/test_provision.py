"""Provisioning from an image, which has no command line: tables and topics."""

import asyncio

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

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
