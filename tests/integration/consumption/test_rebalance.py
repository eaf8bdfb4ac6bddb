"""Consumers join and leave while a backlog is read: every record counts once (SPEC 6, scale; ADR 2)."""

import asyncio
import random

import pytest
from backlogs import PARTITIONS, backlog, publish
from comparison import compare
from event_builders import contract_event, facts_of, fold_rest, rate_card, take, terms
from kafka_client import create_topic
from polling import wait_until
from reference.reports import Model

from tidemark_consumption import replay
from tidemark_consumption.ingest.append import append_worklogs
from tidemark_consumption.projection import fold
from tidemark_consumption.projection.projector import Projector
from tidemark_shared.database import connect_pool
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.kafka import fetch_cluster_id


@pytest.fixture
async def folding(database, pool):
    del pool  # its tables are there
    async with await connect_pool(database, "consumption", size=4, init=fold.prepare_connection) as folding:
        yield folding


@pytest.fixture
async def replaying(database, pool):
    del pool  # its tables are there
    async with replay.open_pool(database, size=2) as replaying:
        yield replaying


@pytest.mark.timeout(400)
async def test_totals_are_exact_while_consumers_join_and_leave(
    kafka_bootstrap_servers, topic_prefix, pool, folding, replaying
):
    draw = random.Random(7)
    topic, records = f"{topic_prefix}worklogs", backlog(draw, 2400)
    before = [contract_event(), contract_event(terms=terms("C2", value=90_000)), rate_card()]
    async with pool.acquire() as connection:
        await take(connection, before[:2])
        await take(connection, before[2:])
    await create_topic(kafka_bootstrap_servers, topic, partitions=PARTITIONS)
    await publish(kafka_bootstrap_servers, topic, records, draw)
    cluster = await fetch_cluster_id(kafka_bootstrap_servers)

    def member():
        return Consumer(
            kafka_bootstrap_servers, pool, cluster=cluster, group=f"{topic}.group",
            handlers={topic: append_worklogs}, max_records=1,
        )  # fmt: skip

    async def read():
        return await pool.fetchval("SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets WHERE topic = $1", topic)

    async def past(offset):
        return await read() >= offset

    members, left, watching = [], [], []
    try:
        # Two projectors, of which one at a time folds.
        watching += [asyncio.create_task(Projector(folding, replaying).run()) for _ in range(2)]
        for share in range(6):
            await wait_until(lambda share=share: past(len(records) * share // 12), timeout_seconds=100)
            consumer = member()
            await consumer.start()
            members.append(consumer)
            watching.append(asyncio.create_task(consumer.watch()))
            if len(members) > 2:
                await members.pop(0).stop()
                left.append(await read())
        await wait_until(lambda: past(len(records)), timeout_seconds=100)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*(consumer.stop() for consumer in members))
    # They joined and left while there were records to read.
    assert sum(offset < len(records) for offset in left) >= 3
    async with pool.acquire() as connection:
        await fold_rest(connection)
        model = await compare(connection, facts_of([*before, *records]))
    assert isinstance(model, Model)
    assert await pool.fetchval("SELECT count(*) FROM fact_log") == len(records)
