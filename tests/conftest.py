"""The real parts, started once for the whole run when the first test asks for them.

Embedded by default; what ``TIDEMARK_DATABASE_URL`` and ``TIDEMARK_KAFKA_BOOTSTRAP_SERVERS`` name where they are
set; containers of the images in ``docker-compose.yml`` with ``TIDEMARK_TEST_PARTS=containers``.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg
import hypothesis
import pytest
import structlog

from tidemark.stack import kafka, ports, postgres
from tidemark.stack.processes import Component, Supervisor
from tidemark.stack.up import SERVICES
from tidemark_consumption.projection import fold
from tidemark_shared.database import Connection, Pool, connect_pool, migrate

# For `make mutants`, which asks only whether a test is red, not for the smallest example.
hypothesis.settings.register_profile("mutants", phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate))


def pytest_configure(config: pytest.Config) -> None:
    # pytest's own folder is closed to others whenever a second run begins, and Postgres, which root may not run,
    # is one of these others.
    if config.option.basetemp is None:
        config.option.basetemp = Path(tempfile.mkdtemp(prefix="tidemark-tests-"))
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


_CONTAINERS = os.environ.get("TIDEMARK_TEST_PARTS") == "containers"
_number = count(1)
# No test pulls the plug of the machine; a killed process loses nothing that it has handed to the kernel.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@asynccontextmanager
async def _running(folder: Path, part: Component) -> AsyncIterator[None]:
    supervisor = Supervisor(folder / "logs")
    try:
        await supervisor.start(part)
        yield
    finally:
        await supervisor.stop()


@pytest.fixture(scope="session")
async def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A Postgres server, as the URL of a database on it that its user may make others from."""
    if _CONTAINERS:
        import containers  # noqa: PLC0415 - Docker's client is for those who ask for it

        with containers.postgres() as url:
            yield url
    elif given := os.environ.get("TIDEMARK_DATABASE_URL"):
        yield given
    else:
        folder = tmp_path_factory.mktemp("postgres")
        port, password = ports.find_free(), uuid4().hex
        async with _running(folder, postgres.prepare(folder / "data", port, password, _FAST)):
            yield postgres.url(port, password)


@pytest.fixture(scope="session")
async def kafka_bootstrap_servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A Kafka broker."""
    if _CONTAINERS:
        import containers  # noqa: PLC0415 - Docker's client is for those who ask for it

        with containers.kafka() as bootstrap_servers:
            yield bootstrap_servers
    elif given := os.environ.get("TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"):
        yield given
    else:
        kafka.fetch_jars()
        folder = tmp_path_factory.mktemp("kafka")
        port = ports.find_free()
        async with _running(folder, kafka.prepare(folder / "data", port, ports.find_free())):
            yield kafka.bootstrap_servers(port)


@asynccontextmanager
async def _new_database(postgres_url: str, template: str = "template1") -> AsyncIterator[str]:
    name = f"test_{os.getpid()}_{next(_number)}"
    server = await asyncpg.connect(postgres_url)
    try:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield f"{postgres_url.rpartition('/')[0]}/{name}"
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


@pytest.fixture
async def empty_database(postgres_url: str) -> AsyncIterator[str]:
    """The URL of a fresh database without any tables."""
    async with _new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
async def template(postgres_url: str) -> AsyncIterator[str]:
    """The name of a database with the tables of all services, which nobody is connected to."""
    async with _new_database(postgres_url) as url:
        for service in SERVICES:
            await migrate(url, service)
        yield url.rpartition("/")[2]


@pytest.fixture
async def database(postgres_url: str, template: str) -> AsyncIterator[str]:
    """The URL of a fresh database with the tables of all services."""
    async with _new_database(postgres_url, template) as url:
        yield url


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """Connections to a database with the tables of consumption, as its service has them."""
    async with await connect_pool(database, "consumption", size=16, init=fold.prepare_connection) as pool:
        yield pool


@pytest.fixture
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """One of them."""
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that runs inside a test says which logs it wants, and the next test would not see its own."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test's topics have."""
    return f"t{uuid4().hex[:8]}."
