"""Partitions move to other brokers while two consumers, as on two hosts, read them: each record counts once."""

import asyncio
from collections import Counter

import pytest
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest
from kafka_client import admin_client, create_topic, running_consumer
from polling import wait_until
from test_brokers import PARTITIONS, cluster, describe_partitions, handle, pool, publish_until

__all__ = ["cluster", "pool"]  # fixtures
MOVES = 2

pytestmark = pytest.mark.timeout(300)


async def move(bootstrap_servers, topic, brokers):
    """Give each partition to one broker, which copies it from the one before."""
    partitions = [(number, [broker], {}) for number, broker in enumerate(brokers)]
    async with admin_client(bootstrap_servers) as admin:
        request = AlterPartitionReassignmentsRequest(30_000, [(topic, partitions, {})], {})
        response = await admin._send_to_controller(request)
        assert response.error_code == 0, response.error_message
        assert {code for _, answers, _ in response.responses for _, code, _, _ in answers} == {0}

    async def moved():
        found = await describe_partitions(bootstrap_servers, topic)
        leaders = {partition["partition"]: (partition["leader"], partition["replicas"]) for partition in found}
        return leaders == {number: (broker, [broker]) for number, broker in enumerate(brokers)}

    await wait_until(moved, timeout_seconds=60)


async def test_each_record_counts_once_while_partitions_move(cluster, pool, topic_prefix):
    topic, acknowledged, stop = f"{topic_prefix}moves", [], asyncio.Event()
    await create_topic(cluster.bootstrap_servers, topic, partitions=PARTITIONS)
    publishing = asyncio.create_task(publish_until(stop, cluster.bootstrap_servers, topic, acknowledged))
    try:
        async with (
            running_consumer(cluster.bootstrap_servers, pool, topic, handle) as first,
            running_consumer(cluster.bootstrap_servers, pool, topic, handle) as second,
        ):
            for shift in range(MOVES):
                count = len(acknowledged)
                await wait_until(lambda count=count: len(acknowledged) > count + 20, timeout_seconds=60)
                await move(cluster.bootstrap_servers, topic, [1 + (n + shift) % 3 for n in range(PARTITIONS)])
            stop.set()
            await publishing
            await wait_until(lambda: first.has_caught_up([topic]), timeout_seconds=60)
            await wait_until(lambda: second.has_caught_up([topic]), timeout_seconds=60)
            assert first.problems() == second.problems() == []
    finally:
        publishing.cancel()
    processed = Counter(row["value"] for row in await pool.fetch("SELECT value FROM processed"))
    assert set(processed) == set(acknowledged)
    assert set(processed.values()) == {1}
