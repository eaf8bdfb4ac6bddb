"""Three brokers named in one string, the leader killed again and again: nothing stuck, lost or doubled.

``TIDEMARK_FAULT_ROUNDS`` is the number of kills.
"""

import asyncio
import contextlib
import os
import time
from collections import Counter

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from polling import wait_until

from tidemark.stack import kafka, ports
from tidemark.stack.processes import Supervisor
from tidemark_shared.database import connect_pool
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.kafka import create_producer, fetch_cluster_id

ROUNDS = int(os.environ.get("TIDEMARK_FAULT_ROUNDS", "2"))
PARTITIONS = 4
STUCK_SECONDS = 15

pytestmark = pytest.mark.timeout(120 + 60 * ROUNDS)


class Cluster:
    """Three brokers, by their ids."""

    def __init__(self, folder):
        self._nodes = [kafka.NodePorts(ports.find_free(), ports.find_free()) for _ in range(3)]
        self._parts = kafka.prepare_cluster(folder, self._nodes)
        self.supervisor = Supervisor(folder / "logs")
        self.bootstrap = kafka.bootstrap_servers(*(node.client for node in self._nodes))

    async def start(self):
        """Together, for one alone is no quorum."""
        await asyncio.gather(*(self.supervisor.start(part) for part in self._parts))

    def kill(self, node):
        """End a broker at once; the supervisor starts it again."""
        self.supervisor._running[f"kafka-{node}"].kill()

    async def answers(self, node):
        return await kafka.is_ready(kafka.bootstrap_servers(self._nodes[node - 1].client))


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
    await pool.execute("CREATE TABLE taken (value text NOT NULL)")
    yield pool
    pool.terminate()


async def partitions_of(bootstrap, topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return described["partitions"]


async def is_whole(bootstrap, topic):
    """Whether every partition has its leader and all of its replicas."""
    try:
        return all(len(partition["isr"]) == 3 for partition in await partitions_of(bootstrap, topic))
    except (KafkaError, OSError, TimeoutError):
        return False


async def publish_until(stop, bootstrap, topic, acknowledged):
    """A record after another, each sent until it is acknowledged once."""
    client = create_producer(bootstrap)
    await client.start()
    try:
        number = 0
        while not stop.is_set():
            value = str(number)
            await client.send_and_wait(topic, value.encode(), partition=number % PARTITIONS)
            acknowledged.append(value)
            number += 1
    finally:
        await client.stop()


async def handle(connection, batch):
    await connection.copy_records_to_table("taken", records=[(record.value.decode(),) for record in batch.records])


@contextlib.asynccontextmanager
async def measuring_stalls(pool, stalls):
    """Note the longest time in which nothing was taken, while records are published all the time."""

    async def measure():
        last, since = -1, time.monotonic()
        while True:
            count = await pool.fetchval("SELECT count(*) FROM taken")
            now = time.monotonic()
            if count != last:
                last, since = count, now
            stalls.append(now - since)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(measure())
    try:
        yield
    finally:
        task.cancel()


async def test_no_record_is_lost_when_partition_leaders_are_killed(cluster, pool, topic_prefix):
    topic, acknowledged, stalls, stop = f"{topic_prefix}faults", [], [0.0], asyncio.Event()
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 3)])
    await admin.close()
    await wait_until(lambda: is_whole(cluster.bootstrap, topic), timeout_seconds=30)
    consumer = Consumer(
        cluster.bootstrap,
        pool,
        cluster=await fetch_cluster_id(cluster.bootstrap),
        group=f"{topic}.group",
        handlers={topic: handle},
    )
    await consumer.start()
    watching = asyncio.create_task(consumer.watch())
    publishing = asyncio.create_task(publish_until(stop, cluster.bootstrap, topic, acknowledged))
    killed = Counter()
    try:
        async with measuring_stalls(pool, stalls):
            for number in range(ROUNDS):
                await wait_until(lambda: is_whole(cluster.bootstrap, topic), timeout_seconds=60)
                before = await pool.fetchval("SELECT count(*) FROM taken")
                leader = (await partitions_of(cluster.bootstrap, topic))[number % PARTITIONS]["leader"]
                cluster.kill(leader)
                killed[leader] += 1
                await wait_until(lambda before=before: _more_than(pool, before + 20), timeout_seconds=60)
            await wait_until(lambda: is_whole(cluster.bootstrap, topic), timeout_seconds=60)
            stop.set()
            await publishing
        await wait_until(lambda: consumer.has_caught_up([topic]), timeout_seconds=30)
        assert consumer.problems() == []
        assert consumer.failures() == []
    finally:
        publishing.cancel()
        watching.cancel()
        await consumer.stop()
    taken = Counter(row["value"] for row in await pool.fetch("SELECT value FROM taken"))
    print(f"killed {dict(killed)}; {taken.total()} taken; nothing taken for {max(stalls):.1f} s at most")
    assert set(taken) == set(acknowledged)
    assert set(taken.values()) == {1}
    assert max(stalls) < STUCK_SECONDS


async def _more_than(pool, count):
    return await pool.fetchval("SELECT count(*) FROM taken") > count
