"""A relay reports the row that has waited for too long, and no longer than it waits."""

import asyncio
from typing import Any

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from event_builders import contract_event, take
from kafka_client import admin_client, create_topic
from polling import wait_until
from relay import SERVICE, outbox_record, write_records

from tidemark_consumption.balance_outbox import open_balance_outbox
from tidemark_consumption.projection import fold
from tidemark_shared.database import Pool, connect_pool
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.outbox import RECORD_OUTBOX, Relay
from tidemark_shared.tasks import cancel_tasks, keep_running


async def test_row_that_kafka_rejects_is_reported_until_it_is_published(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_REJECTED_RETRY_SECONDS", 0.2)
    # As if the clock of this machine were wrong.
    clocks = {"message.timestamp.before.max.ms": "0"}
    topic = await create_topic(kafka_bootstrap_servers, f"{topic_prefix}clock", config=clocks)
    relay = Relay(database, SERVICE, kafka_bootstrap_servers, RECORD_OUTBOX)

    async def problems() -> Any:
        async with pool.acquire() as connection:
            return await relay.problems(connection)

    await write_records(pool, outbox_record(topic, "key", b"value"))
    task = asyncio.create_task(keep_running("relay", relay.run))
    try:
        assert await problems() == []
        await pool.execute("UPDATE outbox SET created_at = now() - interval '2 minutes'")
        await wait_until(lambda: relay._failure)
        [problem] = await problems()
        assert problem.startswith("Not published for 12")
        assert f"of the outbox, for {topic}. The last error is InvalidTimestampError(" in problem
        assert problem.endswith(
            "Set the clock of this machine: it differs from that of Kafka by more than the topic allows."
        )
        async with admin_client(kafka_bootstrap_servers) as admin:
            config = ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict.fromkeys(clocks, "3600000"))
            await admin.alter_configs([config])

        async def is_ready() -> bool:
            return await problems() == []

        await wait_until(is_ready, timeout_seconds=60)
    finally:
        await cancel_tasks([task])


async def test_balance_that_is_not_published_is_reported(database: str) -> None:
    async with (
        await connect_pool(database, "consumption", init=fold.prepare_connection) as pool,
        pool.acquire() as connection,
        open_balance_outbox(database) as balances,
    ):
        await take(connection, [contract_event()])
        relay = Relay(database, SERVICE, "127.0.0.1:1", balances)
        assert await relay.problems(connection) == []
        # The clock of a revision is that of its change.
        await connection.execute("ALTER TABLE balances DISABLE TRIGGER USER")
        await connection.execute("UPDATE balances SET revision = revision - 120 * 1000000")
        [problem] = await relay.problems(connection)
        assert problem.startswith("Not published for 12")
        assert "the balance of contract C1. Check that Kafka" in problem
        await connection.execute("UPDATE balances SET published_revision = revision")
        assert await relay.problems(connection) == []
