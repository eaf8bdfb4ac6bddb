import asyncpg

from tidemark_shared.events import TOPICS
from tidemark_shared.kafka import create_topics


async def test_database_is_fresh(database: str) -> None:
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.close()


async def test_topics_are_made_once(kafka_bootstrap_servers: str, topic_prefix: str) -> None:
    made = await create_topics(kafka_bootstrap_servers, prefix=topic_prefix)
    assert {topic_prefix + topic.name for topic in TOPICS} < set(made)
    assert await create_topics(kafka_bootstrap_servers, prefix=topic_prefix) == []
