"""A broker that asks for a user and a password: every client of a process has them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from tidemark.importing.reconciliation import fetch_end_offsets
from tidemark.stack import kafka, ports
from tidemark.stack.processes import Supervisor
from tidemark_shared.messaging.kafka import create_producer, create_topics, fetch_cluster_id, use_settings
from tidemark_shared.messaging.topics import WORKLOGS
from tidemark_shared.settings import Settings

_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SASL = f"""\
inter.broker.listener.name=SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={_LOGIN} username="broker" password="b" user_broker="b" \
user_tidemark="right";
"""


@pytest.fixture
def settings() -> Iterator[Settings]:
    yield Settings(
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="PLAIN",
        kafka_username="tidemark",
        kafka_password="right",  # noqa: S106 - of the test
    )
    use_settings(Settings())


@pytest.fixture
async def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> AsyncIterator[str]:
    kafka.fetch_jars()
    properties = kafka._PROPERTIES.replace("PLAINTEXT://127", "SASL_PLAINTEXT://127").replace(
        "map=PLAINTEXT:PLAINTEXT", "map=SASL_PLAINTEXT:SASL_PLAINTEXT"
    )
    monkeypatch.setattr(kafka, "_PROPERTIES", properties + _SASL)
    servers = kafka.bootstrap_servers(port := ports.find_free())
    use_settings(settings)

    async def is_ready() -> bool:
        try:
            await fetch_cluster_id(servers, timeout_seconds=1)
        except (KafkaError, OSError):
            return False
        return True

    supervisor = Supervisor(tmp_path / "logs")
    await supervisor.start(replace(kafka.prepare(tmp_path / "data", port, ports.find_free()), is_ready=is_ready))
    yield servers
    await supervisor.stop()


async def test_clients_authenticate(broker: str, settings: Settings) -> None:
    await create_topics(broker)
    producer = create_producer(broker)
    await producer.start()
    await producer.send_and_wait(WORKLOGS.name, b"{}")
    await producer.stop()
    settings = settings.model_copy(update={"kafka_bootstrap_servers": broker})
    assert sum((await fetch_end_offsets(settings, [WORKLOGS.name])).values()) == 1

    use_settings(settings.model_copy(update={"kafka_password": "wrong"}))
    with pytest.raises(KafkaError):
        await create_topics(broker, timeout_seconds=0)
