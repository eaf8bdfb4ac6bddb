"""The relay combines changes of a balance into few events."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord
from event_builders import contract_event, link, take, uid, worklog
from kafka_client import create_topic
from relay import (
    SERVICE,
    TopicReader,
    running_relay,
)

from tidemark_consumption.balance_outbox import open_balance_outbox
from tidemark_consumption.projection import fold
from tidemark_shared.database import Connection, connect_pool
from tidemark_shared.messaging.topics import BALANCES


async def test_many_worklogs_publish_few_balances_and_the_last_is_final(
    kafka_bootstrap_servers: str, topic_prefix: str, database: str
) -> None:
    topic = await create_topic(kafka_bootstrap_servers, f"{topic_prefix}{BALANCES.name}")
    pool = await connect_pool(database, SERVICE, init=fold.prepare_connection)
    loaded_rows: list[Any] = []

    async def load_rows(connection: Connection) -> Any:
        rows = await balances.load_rows(connection)
        loaded_rows.extend(rows)
        return rows

    contract = uid("contract C1")
    try:
        async with (
            pool.acquire() as connection,
            open_balance_outbox(database) as balances,
            running_relay(
                kafka_bootstrap_servers, database, balances._replace(load_rows=load_rows), prefix=topic_prefix
            ),
            TopicReader(kafka_bootstrap_servers, topic) as reader,
        ):
            await take(connection, [contract_event()])
            await take(connection, [link()])
            await reader.read_until(lambda records: records)
            started_at, count_before = asyncio.get_running_loop().time(), len(reader.records)
            for number in range(200):
                await take(connection, [worklog(str(number), seconds=60)])
            elapsed_seconds = asyncio.get_running_loop().time() - started_at
            revision = await connection.fetchval("SELECT revision FROM balances")

            def is_newest(records: list[ConsumerRecord]) -> Any:
                return json.loads(records[-1].value)["revision"] == revision

            await reader.read_until(is_newest)
            body = json.loads(await connection.fetchval("SELECT balance($1, $2, FALSE)", contract, datetime.now(UTC)))
    finally:
        pool.terminate()
    bodies = [json.loads(record.value) for record in reader.records]
    # At most one balance per round, and each round is followed by a pause.
    assert len(bodies) == len(loaded_rows)
    assert len(bodies) - count_before <= elapsed_seconds / balances.pause_seconds + 2
    revisions = [body["revision"] for body in bodies]
    assert revisions == sorted(set(revisions))
    assert {record.key for record in reader.records} == {contract.encode()}
    assert {**bodies[-1], "forecast": None} == body
    assert bodies[-1]["whole"]["consumed"] == 200 * 60
