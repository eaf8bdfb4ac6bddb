"""Kafka for the tests: topics, published records, a running consumer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from polling import wait_until

from tidemark_shared.database import Pool
from tidemark_shared.messaging.batches import Handler
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.kafka import create_producer, fetch_cluster_id


@asynccontextmanager
async def admin_client(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=5_000)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def create_topic(
    bootstrap_servers: str,
    name: str,
    *,
    partitions: int = 1,
    replication: int = 1,
    config: Mapping[str, str] | None = None,
    recreate: bool = False,
) -> str:
    """Create a topic; ``recreate`` deletes it first. Returns its name."""
    async with admin_client(bootstrap_servers) as admin:
        if recreate:
            await admin.delete_topics([name])

        async def is_created() -> bool:
            response = await admin.create_topics([NewTopic(name, partitions, replication, topic_configs=config)])
            return bool(response.topic_errors[0][1] == 0)

        await wait_until(is_created)
    return name


async def publish(
    bootstrap_servers: str,
    topic: str,
    values: Iterable[str],
    *,
    headers: Iterable[tuple[str, bytes]] = (),
    partition: int | None = None,
    key: bytes | None = None,
) -> None:
    """Publish texts, one after another."""
    producer = create_producer(bootstrap_servers)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value.encode(), headers=list(headers), partition=partition, key=key)
    finally:
        await producer.stop()


@asynccontextmanager
async def running_consumer(
    bootstrap_servers: str,
    pool: Pool,
    topic: str,
    handler: Handler,
    *,
    is_watched: bool = True,
    after_commit: Callable[[], None] = lambda: None,
) -> AsyncIterator[Consumer]:
    """A consumer of a topic; its watch runs too if ``is_watched``."""
    consumer = Consumer(
        bootstrap_servers,
        pool,
        cluster=await fetch_cluster_id(bootstrap_servers),
        group=f"{topic}.group",
        handlers={topic: handler},
        after_commit=after_commit,
    )
    await consumer.start()
    watch = asyncio.create_task(consumer.watch()) if is_watched else None
    try:
        yield consumer
    finally:
        if watch:
            watch.cancel()
        await consumer.stop()
