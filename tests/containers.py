"""The parts as containers of the images that ``docker-compose.yml`` names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tidemark.stack import ports

_COMPOSE = Path(__file__).parents[1] / "docker-compose.yml"


def _image(service: str) -> str:
    image: str = yaml.safe_load(_COMPOSE.read_text())["services"][service]["image"]
    return image


@contextmanager
def postgres() -> Iterator[str]:
    """Postgres, as the URL of a database."""
    container = (
        DockerContainer(_image("postgres"))
        .with_env("POSTGRES_PASSWORD", "test")
        .with_exposed_ports(5432)
        # The server starts twice: the first one is for its own set-up.
        .waiting_for(LogMessageWaitStrategy("ready to accept connections", times=2))
    )
    with container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(5432)
        yield f"postgresql://postgres:test@{host}:{port}/postgres"


@contextmanager
def kafka() -> Iterator[str]:
    """Apache Kafka, as its bootstrap servers."""
    # The broker tells its clients its address, so its port is known before it starts.
    port = ports.find_free()
    container = (
        DockerContainer(_image("kafka"))
        .with_bind_ports(port, port)
        .with_env("KAFKA_NODE_ID", "1")
        .with_env("KAFKA_PROCESS_ROLES", "broker,controller")
        .with_env("KAFKA_LISTENERS", f"PLAINTEXT://:{port},CONTROLLER://:9093")
        .with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://127.0.0.1:{port}")
        .with_env("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
        .with_env("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT")
        .with_env("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@127.0.0.1:9093")
        .with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
        .with_env("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
        .with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
        .with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
        .with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
        .waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    )
    with container:
        yield f"127.0.0.1:{port}"
