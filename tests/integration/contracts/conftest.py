"""The contracts service on a real database and a real broker."""

import pytest
from aiokafka import AIOKafkaConsumer
from contracts_api import SECRET, run_service
from polling import wait_until

from tidemark_shared.database import connect_pool
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.kafka import create_topics
from tidemark_shared.settings import Settings


@pytest.fixture
async def settings(database, kafka_bootstrap_servers, topic_prefix):
    return Settings(
        database_url=database, kafka_bootstrap_servers=kafka_bootstrap_servers, topic_prefix=topic_prefix, secret=SECRET
    )


@pytest.fixture
async def api(settings):
    async with run_service(settings) as client:
        yield client


@pytest.fixture
async def published(settings):
    """A function that waits for ``count`` events of a topic. Returns them in the order of each key.

    The relay delivers at least once, so repeated event ids are dropped.
    """
    await create_topics(settings.kafka_bootstrap_servers, prefix=settings.topic_prefix)
    consumers = []

    async def events(topic, count):
        consumer = AIOKafkaConsumer(
            settings.topic_prefix + topic.name,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        consumers.append(consumer)
        events_by_id = {}

        async def enough():
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    event = decode_event(topic, record.headers, record.value)
                    events_by_id.setdefault(event.id, (record.key.decode(), event))
            return len(events_by_id) >= count

        await wait_until(enough)
        return list(events_by_id.values())

    yield events
    for consumer in consumers:
        await consumer.stop()


@pytest.fixture
async def pool(settings):
    pool = await connect_pool(settings.database_url, "contracts")
    yield pool
    pool.terminate()
