"""Three brokers: leaders are killed and paused, and a topic gets more partitions, while work is logged."""

import asyncio
import signal

import pytest
from aiokafka.admin import NewPartitions
from aiokafka.errors import KafkaError
from kafka_client import admin_client
from polling import wait_until
from system import RECOVERY_SECONDS

from tidemark_shared.messaging.topics import WORKLOGS

SYSTEM = {"brokers": 3}
PAUSE_SECONDS = 20

pytestmark = pytest.mark.timeout(900)


async def describe(system):
    async with admin_client(system.bootstrap_servers) as admin:
        [description] = await admin.describe_topics([WORKLOGS.name])
    return description["partitions"]


async def is_in_sync(system):
    """Whether every partition has a leader, and all of its replicas."""
    try:
        return all(len(partition["isr"]) == 3 for partition in await describe(system))
    except (KafkaError, OSError, TimeoutError):
        return False


async def lead(system, partition):
    """The broker that leads a partition, once all are in sync."""
    await wait_until(lambda: is_in_sync(system), timeout_seconds=RECOVERY_SECONDS)
    return f"kafka-{(await describe(system))[partition]['leader']}"


async def test_leaders_are_killed(system, survive):
    async def inject(story):
        for partition in range(2):
            name = await lead(system, partition)
            await story.work(20)
            system.signal(name, signal.SIGKILL)
            await story.work(20)

    await survive("three brokers: kill -9 of the leader of a partition, twice", inject)


async def test_leader_is_paused(system, survive):
    async def inject(story):
        name = await lead(system, 0)
        system.signal(name, signal.SIGSTOP)
        await story.work(40)
        await asyncio.sleep(PAUSE_SECONDS)
        system.signal(name, signal.SIGCONT)

    await survive(f"three brokers: SIGSTOP of a leader for {PAUSE_SECONDS} s; another one takes over", inject)


async def test_topic_is_widened(system, survive):
    async def inject(story):
        await story.work(20)
        count = len(await describe(system))
        async with admin_client(system.bootstrap_servers) as admin:
            await admin.create_partitions({WORKLOGS.name: NewPartitions(2 * count)})

        async def is_wide():
            return len(await describe(system)) == 2 * count

        await wait_until(is_wide, timeout_seconds=RECOVERY_SECONDS)
        await story.work(60)

    await survive("three brokers: a topic gets twice as many partitions", inject)
