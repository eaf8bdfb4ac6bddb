"""What the shell asks of Kafka beyond consuming: who it is, the topics, a producer."""

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, TOPICS, WORKLOGS, Topic

# A record of 1 MiB (SPEC 2) with its headers.
MAX_MESSAGE_BYTES = 1_200_000
PARTITION_COUNT = 4

_CONFIGS: dict[str, dict[str, str]] = {
    "forever": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    "long": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    "compacted": {"cleanup.policy": "compact"},
}


def create_producer(bootstrap: str, **options: Any) -> AIOKafkaProducer:
    """An idempotent producer: what it acknowledges is in the log once, in order per key."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        max_request_size=MAX_MESSAGE_BYTES,
        linger_ms=5,
        **options,
    )


async def fetch_cluster_id(bootstrap: str, *, timeout_seconds: float = 60) -> str:
    """The id of the cluster; waits up to ``timeout_seconds`` seconds for a broker to answer."""
    async for attempt in _retrying(timeout_seconds):
        with attempt:
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            try:
                await admin.start()
                return str((await admin.describe_cluster())["cluster_id"])
            finally:
                await admin.close()
    raise AssertionError  # the loop above returns or raises


async def create_topics(
    bootstrap: str, *, prefix: str = "", replication: int = 1, timeout_seconds: float = 60
) -> list[str]:
    """Create the topics that are missing, with the retention of SPEC 2; the names of those created."""
    wanted = [_new(topic.name, topic, prefix, replication) for topic in TOPICS] + [
        _new(topic.dead_letter_topic, WORKLOGS, prefix, replication)
        for topic in (WORKLOGS, LIFECYCLE, DIRECTORY, BALANCES)
    ]
    async for attempt in _retrying(timeout_seconds):
        with attempt:
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            try:
                await admin.start()
                there = set(await admin.list_topics())
                missing = [topic for topic in wanted if topic.name not in there]
                if missing:
                    _raise_for(await admin.create_topics(missing))
                return [topic.name for topic in missing]
            finally:
                await admin.close()
    raise AssertionError  # the loop above returns or raises


async def is_compacted(bootstrap: str, topic: str) -> bool:
    """Whether compaction may remove records of a topic, by its configuration."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    ((code, message, _, _, entries),) = response.resources
    if code:
        raise for_code(code)(f"{topic}: {message}")
    return any(name == "cleanup.policy" and "compact" in value for name, value, *_ in entries)


def _new(name: str, like: Topic, prefix: str, replication: int) -> NewTopic:
    config = {**_CONFIGS[like.retention], "max.message.bytes": str(MAX_MESSAGE_BYTES)}
    return NewTopic(prefix + name, PARTITION_COUNT, replication, topic_configs=config)


def _raise_for(response: Any) -> None:
    errors: Sequence[Any] = response.topic_errors
    for name, code, *rest in errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {rest[0] if rest else ''}")


def _retrying(timeout_seconds: float) -> AsyncRetrying:
    return AsyncRetrying(
        stop=stop_after_delay(timeout_seconds),
        wait=wait_random_exponential(multiplier=0.1, max=2),
        retry=retry_if_exception_type((KafkaError, OSError)),
        reraise=True,
    )
