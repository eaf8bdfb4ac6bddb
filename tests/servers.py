"""The servers of the tests: embedded ones, existing ones, or containers; and the folder that they write to.

Embedded by default. ``TIDEMARK_DATABASE_URL`` and ``TIDEMARK_KAFKA_BOOTSTRAP_SERVERS`` name existing servers, and
``TIDEMARK_TEST_PARTS=containers`` starts the images of ``docker-compose.yml``.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from tidemark.stack import kafka, ports, postgres
from tidemark.stack.processes import Component, Supervisor
from tidemark_shared.database import open_connection

_CONTAINERS = os.environ.get("TIDEMARK_TEST_PARTS") == "containers"
_POSTGRES_SETTINGS = {
    # No test stops the machine, and a killed process loses nothing that it has passed to the kernel.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # For several workers.
    "max_connections": "600",
}

# Linux has a file system in memory here. A whole run writes less than 2 GiB.
_MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder in it
_MIN_FREE_MEMORY_BYTES = 6 * 1024**3


def _find_temporary_folder() -> Path:
    """A folder in memory if there is room: for each database of a test, Postgres copies 700 files."""
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MIN_FREE_MEMORY_BYTES:
        return _MEMORY
    return Path(tempfile.gettempdir())


TEMPORARY_FOLDER = _find_temporary_folder()


def let_postgres_enter(folder: Path) -> None:
    """Let the user of Postgres, which root may not run, reach the folders of the tests."""
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and TEMPORARY_FOLDER in path.parents:
            path.chmod(0o711)


@asynccontextmanager
async def _running_part(folder: Path, part: Component) -> AsyncIterator[None]:
    supervisor = Supervisor(folder / "logs")
    try:
        await supervisor.start(part)
        yield
    finally:
        await supervisor.stop()


async def _weaken_password(url: str, password: str) -> None:
    """Store the password with one iteration in the place of 4,096: each test opens several connections."""
    async with open_connection(url, scram_iterations="1") as connection:
        await connection.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{password}'")


@asynccontextmanager
async def run_postgres(folder: Path) -> AsyncIterator[str]:
    if _CONTAINERS:
        import containers  # noqa: PLC0415 - needs Docker's client, which is optional

        with containers.postgres() as url:
            yield url
    elif url := os.environ.get("TIDEMARK_DATABASE_URL"):
        yield url
    else:
        port, password = ports.find_free(), uuid4().hex
        async with _running_part(folder, postgres.prepare(folder / "data", port, password, _POSTGRES_SETTINGS)):
            url = postgres.url(port, password)
            await _weaken_password(url, password)
            yield url


@asynccontextmanager
async def run_kafka(folder: Path) -> AsyncIterator[str]:
    if _CONTAINERS:
        import containers  # noqa: PLC0415 - needs Docker's client, which is optional

        with containers.kafka() as bootstrap_servers:
            yield bootstrap_servers
    elif bootstrap_servers := os.environ.get("TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"):
        yield bootstrap_servers
    else:
        kafka.fetch_jars()
        port = ports.find_free()
        async with _running_part(folder, kafka.prepare(folder / "data", port, ports.find_free())):
            yield kafka.bootstrap_servers(port)
