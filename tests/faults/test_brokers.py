"""Three brokers whose partition leaders are killed repeatedly: no record is lost, repeated or stuck.

``TIDEMARK_FAULT_ROUNDS`` is the number of kills.
"""

import asyncio
import contextlib
import os
import time
from collections import Counter

import pytest
from aiokafka.errors import KafkaError
from kafka_client import admin_client, create_topic, running_consumer
from polling import wait_until

from tidemark.stack import kafka, ports
from tidemark.stack.processes import Supervisor
from tidemark_shared.database import connect_pool
from tidemark_shared.messaging.kafka import create_producer

ROUNDS = int(os.environ.get("TIDEMARK_FAULT_ROUNDS", "2"))
PARTITIONS = 4
MAX_STALL_SECONDS = 15

pytestmark = pytest.mark.timeout(120 + 60 * ROUNDS)


class Cluster:
    """A cluster of three brokers."""

    def __init__(self, folder):
        self._nodes = [kafka.NodePorts(ports.find_free(), ports.find_free()) for _ in range(3)]
        self._parts = kafka.prepare_cluster(folder, self._nodes)
        self.supervisor = Supervisor(folder / "logs")
        self.bootstrap_servers = kafka.bootstrap_servers(*(node.client for node in self._nodes))

    async def start(self):
        """Start all brokers together: one alone has no quorum."""
        await asyncio.gather(*(self.supervisor.start(part) for part in self._parts))

    def kill(self, node):
        """Kill a broker; the supervisor restarts it."""
        self.supervisor._running[f"kafka-{node}"].kill()


@pytest.fixture
async def cluster(tmp_path):
    kafka.fetch_jars()
    cluster = Cluster(tmp_path)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.supervisor.stop()


@pytest.fixture
async def pool(database):
    pool = await connect_pool(database, "consumption")
    await pool.execute("CREATE TABLE processed (value text NOT NULL)")
    yield pool
    pool.terminate()


async def describe_partitions(bootstrap_servers, topic):
    async with admin_client(bootstrap_servers) as admin:
        (description,) = await admin.describe_topics([topic])
    return description["partitions"]


async def is_in_sync(bootstrap_servers, topic):
    """Whether every partition has a leader and all of its replicas are in sync."""
    try:
        return all(len(partition["isr"]) == 3 for partition in await describe_partitions(bootstrap_servers, topic))
    except (KafkaError, OSError, TimeoutError):
        return False


async def publish_until(stop, bootstrap_servers, topic, acknowledged):
    """Publish records one after another; each is sent until it is acknowledged."""
    producer = create_producer(bootstrap_servers)
    await producer.start()
    try:
        number = 0
        while not stop.is_set():
            value = str(number)
            await producer.send_and_wait(topic, value.encode(), partition=number % PARTITIONS)
            acknowledged.append(value)
            number += 1
    finally:
        await producer.stop()


async def handle(connection, batch):
    await connection.copy_records_to_table("processed", records=[(record.value.decode(),) for record in batch.records])


@contextlib.asynccontextmanager
async def measured_stalls(pool, stalls):
    """Record how long no record was processed, while records are published all the time."""

    async def measure():
        last_count, since = -1, time.monotonic()
        while True:
            count = await pool.fetchval("SELECT count(*) FROM processed")
            now = time.monotonic()
            if count != last_count:
                last_count, since = count, now
            stalls.append(now - since)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(measure())
    try:
        yield
    finally:
        task.cancel()


async def test_no_record_is_lost_when_partition_leaders_are_killed(cluster, pool, topic_prefix):
    topic, acknowledged, stalls, stop = f"{topic_prefix}faults", [], [0.0], asyncio.Event()
    await create_topic(cluster.bootstrap_servers, topic, partitions=PARTITIONS, replication=3)
    await wait_until(lambda: is_in_sync(cluster.bootstrap_servers, topic), timeout_seconds=30)
    publishing = asyncio.create_task(publish_until(stop, cluster.bootstrap_servers, topic, acknowledged))
    kills = Counter()
    try:
        async with running_consumer(cluster.bootstrap_servers, pool, topic, handle) as consumer:
            async with measured_stalls(pool, stalls):
                for number in range(ROUNDS):
                    await wait_until(lambda: is_in_sync(cluster.bootstrap_servers, topic), timeout_seconds=60)
                    count_before = await pool.fetchval("SELECT count(*) FROM processed")
                    leader = (await describe_partitions(cluster.bootstrap_servers, topic))[number % PARTITIONS][
                        "leader"
                    ]
                    cluster.kill(leader)
                    kills[leader] += 1
                    await wait_until(lambda count=count_before + 20: _is_count_above(pool, count), timeout_seconds=60)
                await wait_until(lambda: is_in_sync(cluster.bootstrap_servers, topic), timeout_seconds=60)
                stop.set()
                await publishing
            await wait_until(lambda: consumer.has_caught_up([topic]), timeout_seconds=30)
            assert consumer.problems() == []
            assert consumer.failures() == []
    finally:
        publishing.cancel()
    processed = Counter(row["value"] for row in await pool.fetch("SELECT value FROM processed"))
    print(f"killed {dict(kills)}; {processed.total()} processed; longest stall {max(stalls):.1f} s")
    assert set(processed) == set(acknowledged)
    assert set(processed.values()) == {1}
    assert max(stalls) < MAX_STALL_SECONDS


async def _is_count_above(pool, count):
    return await pool.fetchval("SELECT count(*) FROM processed") > count
