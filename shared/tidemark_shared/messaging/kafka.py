"""The Kafka cluster: its id, its topics, and producers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from ssl import create_default_context
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tidemark_shared.messaging.topics import TOPICS, WORKLOGS, Topic
from tidemark_shared.settings import InvalidSettingError, Settings, require_setting
from tidemark_shared.tasks import finish

# A record of 1 MiB (SPEC 2) with its headers.
MAX_MESSAGE_BYTES = 1_200_000
PARTITION_COUNT = 4
STOP_TIMEOUT_SECONDS = 5

_TOPIC_CONFIGS: dict[str, dict[str, str]] = {
    "forever": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    "long": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    "compacted": {"cleanup.policy": "compact"},
}


_client_options: dict[str, Any] = {}


def use_settings(settings: Settings) -> None:
    """Let every Kafka client of this process connect as ``settings`` say."""
    _client_options.clear()
    _client_options.update(security_options(settings))


def client_options() -> dict[str, Any]:
    """The options for encryption and authentication, which every client needs."""
    return dict(_client_options)


def security_options(settings: Settings) -> dict[str, Any]:
    """The options of a client for ``settings``. Raises an error if user, password or CA file are missing."""
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"security_protocol": protocol}
    if "SSL" in protocol.split("_"):
        try:
            options["ssl_context"] = create_default_context(cafile=settings.kafka_ca_file)
        except OSError as error:
            raise InvalidSettingError(
                f"TIDEMARK_KAFKA_CA_FILE={settings.kafka_ca_file} cannot be used ({error}). Name a file with the "
                "certificate authorities of the brokers, in PEM."
            ) from None
    if protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = require_setting(settings.kafka_username, "kafka_username")
        options["sasl_plain_password"] = require_setting(settings.kafka_password, "kafka_password")
    return options


def create_producer(bootstrap_servers: str, **options: Any) -> AIOKafkaProducer:
    """Create an idempotent producer: Kafka stores each acknowledged record once, in order per key."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        enable_idempotence=True,
        max_request_size=MAX_MESSAGE_BYTES,
        linger_ms=5,
        **client_options(),
        **options,
    )


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer; give up after a few seconds, because it would wait for a broker that is gone."""
    # aiokafka swallows a cancellation while it closes its connections.
    with suppress(TimeoutError):
        await finish(producer.stop(), timeout_seconds=STOP_TIMEOUT_SECONDS)


@asynccontextmanager
async def open_producer(bootstrap_servers: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A started producer, which is stopped at the end, also of a start that was cancelled."""
    producer = create_producer(bootstrap_servers, **options)
    start = asyncio.ensure_future(producer.start())
    try:
        await asyncio.shield(start)
        yield producer
    finally:
        try:
            # Let the start finish: cancelling it leaves a connection open that cannot be closed.
            await asyncio.wait({start}, timeout=STOP_TIMEOUT_SECONDS)
        finally:
            await stop_producer(producer)


async def fetch_cluster_id(bootstrap_servers: str, *, timeout_seconds: float = 60) -> str:
    """The id of the cluster. Retries for up to ``timeout_seconds`` while no broker responds."""
    async for attempt in _retry_for(timeout_seconds):
        with attempt:
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **client_options())
            try:
                await admin.start()
                return str((await admin.describe_cluster())["cluster_id"])
            finally:
                await admin.close()
    raise AssertionError  # the loop above returns or raises


async def create_topics(
    bootstrap_servers: str, *, prefix: str = "", replication: int = 1, timeout_seconds: float = 60
) -> list[str]:
    """Create the topics that are missing, with the retention of SPEC 2. Returns the names of those created."""
    topics = [_new_topic(topic.name, topic, prefix, replication) for topic in TOPICS] + [
        _new_topic(topic.dead_letter_topic, WORKLOGS, prefix, replication) for topic in TOPICS
    ]
    async for attempt in _retry_for(timeout_seconds):
        with attempt:
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **client_options())
            try:
                await admin.start()
                existing = set(await admin.list_topics())
                missing = [topic for topic in topics if topic.name not in existing]
                return _list_created(await admin.create_topics(missing)) if missing else []
            finally:
                await admin.close()
    raise AssertionError  # the loop above returns or raises


async def is_compacted(bootstrap_servers: str, topic: str) -> bool:
    """Whether the topic's configuration enables compaction, which removes records."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **client_options())
    try:
        await admin.start()
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    ((code, message, _, _, entries),) = response.resources
    if code:
        raise for_code(code)(f"{topic}: {message}")
    return any(name == "cleanup.policy" and "compact" in value for name, value, *_ in entries)


def _new_topic(name: str, model: Topic, prefix: str, replication: int) -> NewTopic:
    config = {**_TOPIC_CONFIGS[model.retention], "max.message.bytes": str(MAX_MESSAGE_BYTES)}
    return NewTopic(prefix + name, PARTITION_COUNT, replication, topic_configs=config)


def _list_created(response: Any) -> list[str]:
    """The topics that this request created. Raises the first error other than "topic exists".

    The list of topics may not yet show one that another process has created, or this one a moment ago.
    """
    topic_errors: Sequence[Any] = response.topic_errors
    for name, code, *rest in topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {rest[0] if rest else ''}")
    return [name for name, code, *_ in topic_errors if not code]


def _retry_for(timeout_seconds: float) -> AsyncRetrying:
    return AsyncRetrying(
        stop=stop_after_delay(timeout_seconds),
        wait=wait_random_exponential(multiplier=0.1, max=2),
        retry=retry_if_exception_type((KafkaError, OSError)),
        reraise=True,
    )
