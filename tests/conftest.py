"""Servers that start once per run: in the process that starts the workers, or when the first test needs them.

And the databases, topics and logs of a test."""

import asyncio
import gc
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import asyncpg
import hypothesis
import pytest
import structlog
import typer.testing
from databases import drop_database
from kafka_client import admin_client
from servers import TEMPORARY_FOLDER, let_postgres_enter, run_kafka, run_postgres

from tidemark.stack.up import SERVICES
from tidemark_consumption.projection import fold
from tidemark_contracts import passwords
from tidemark_shared.database import Connection, Pool, connect_pool, migrate
from tidemark_shared.settings import Settings

# A busy machine is no failure: the time limit of a whole test is pytest's.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")
# For `make mutants`, which needs to know only whether a test fails, not the smallest example.
hypothesis.settings.register_profile(
    "mutants", deadline=None, phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate)
)

# What takes long: on purpose, the digest of a password; for each call, the tree of commands; for each client, the
# certificate authorities, which all clients share here.
passwords._COST = 2
typer.testing._get_command = cache(typer.testing._get_command)
_transport = importlib.import_module("httpx._transports.default")
_transport.create_ssl_context = cache(_transport.create_ssl_context)  # type: ignore[attr-defined]

# Applications in the process of a test have the settings that it gives them, and no others.
for _name in Settings.model_fields.keys() - {"database_url", "kafka_bootstrap_servers"}:
    os.environ.pop(f"TIDEMARK_{_name.upper()}", None)

# The Postgres of the tests has no TLS, which each connection would try first.
os.environ.setdefault("PGSSLMODE", "disable")


def pytest_configure(config: pytest.Config) -> None:
    # A second run makes pytest's own folder unreadable for other users, such as the one that runs Postgres: root may
    # not run it.
    if config.option.basetemp is None:
        config.option.basetemp = Path(tempfile.mkdtemp(prefix="tidemark-tests-", dir=TEMPORARY_FOLDER))
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


_database_numbers = count(1)
_UNIT = Path(__file__).parent / "unit"
_SERVERS = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session", autouse=True)
def reachable_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests start servers of their own below this folder."""
    let_postgres_enter(tmp_path_factory.getbasetemp())


@asynccontextmanager
async def _migrated_database(postgres_url: str) -> AsyncIterator[str]:
    """The name of a database with the tables of all services, without connections."""
    async with _new_database(postgres_url) as url:
        for service in SERVICES:
            await migrate(url, service)
        yield url.rpartition("/")[2]


# Files that take longest, of all folders. A worker that took one of them last would run alone. Those that start
# services as processes are apart, because processes on a busy machine miss their time limits.
_FIRST = (
    "test_import",
    "test_hostile_values",
    "test_traces",
    "test_figures_api",
    "test_migration",
    "test_fold_reference",
    "test_rebalance",
    "test_external_components",
    "test_openapi",
    "test_notifier_model",
    "test_contract_cli",
    "test_fold_races",
    "test_fold_prices",
    "test_manager_cli",
    "test_replay",
    "test_backup",
    "test_restore",
    "test_generated_clients",
)


def _position(item: pytest.Item) -> tuple[int, bool, int]:
    """Slow files come first, unit tests last: their files are short, so that all workers end at the same time.

    The others are in an order that mixes the folders and never changes: the tests of one folder wait for the same
    things, such as time limits of mails, and would leave the cores idle together.
    """
    name = item.path.stem
    position = _FIRST.index(name) if name in _FIRST else len(_FIRST)
    return (position, item.path.is_relative_to(_UNIT), crc32(name.encode()))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave out the garbage collector: what this makes stays to the end, and each full run would look at it again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_position)


def _has_only_unit_tests(config: pytest.Config) -> bool:
    return all(Path(argument.partition("::")[0]).resolve().is_relative_to(_UNIT) for argument in config.args)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than cores, because tests that use servers wait for a part of their time."""
    return min(4, os.cpu_count() or 1) + (not _has_only_unit_tests(config))


async def _start_servers(folder: Path, servers: AsyncExitStack) -> dict[str, str]:
    """The address of each server, by name. They start at the same time: both take some seconds."""

    started = {}

    async def start_postgres() -> None:
        started["postgres"] = await servers.enter_async_context(run_postgres(folder / "postgres"))
        started["template"] = await servers.enter_async_context(_migrated_database(started["postgres"]))

    async def start_kafka() -> None:
        started["kafka"] = await servers.enter_async_context(run_kafka(folder / "kafka"))

    async with asyncio.TaskGroup() as group:  # noqa: TID251 - each ends by itself
        group.create_task(start_postgres())
        group.create_task(start_kafka())
    return started


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Start the servers that all workers share, unless only unit tests run."""
    if not _has_only_unit_tests(config):
        folder = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        let_postgres_enter(folder)
        runner, servers = asyncio.Runner(), AsyncExitStack()
        config.add_cleanup(lambda: runner.run(servers.aclose()))
        config.stash[_SERVERS] = runner.run(_start_servers(folder, servers))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker the addresses of the servers."""
    node.workerinput["servers"] = node.config.stash.get(_SERVERS, {})


@asynccontextmanager
async def _shared(
    request: pytest.FixtureRequest, name: str, start: Callable[[], AbstractAsyncContextManager[str]]
) -> AsyncIterator[str]:
    if address := getattr(request.config, "workerinput", {}).get("servers", {}).get(name):
        yield address
    else:
        async with start() as address:
            yield address


@pytest.fixture(scope="session")
async def postgres_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A Postgres server: the URL of a database whose user may create others."""
    async with _shared(request, "postgres", lambda: run_postgres(tmp_path_factory.getbasetemp() / "postgres")) as url:
        yield url


@pytest.fixture(scope="session")
async def kafka_bootstrap_servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """A Kafka broker: its bootstrap servers."""
    async with _shared(
        request, "kafka", lambda: run_kafka(tmp_path_factory.getbasetemp() / "kafka")
    ) as bootstrap_servers:
        yield bootstrap_servers


@asynccontextmanager
async def _new_database(postgres_url: str, template: str = "template1") -> AsyncIterator[str]:
    name = f"test_{os.getpid()}_{next(_database_numbers)}"
    server = await asyncpg.connect(postgres_url)
    try:
        # To copy the files is cheaper than to write each page to the log.
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield f"{postgres_url.rpartition('/')[0]}/{name}"
        await drop_database(server, name)
    finally:
        await server.close()


@pytest.fixture
async def empty_database(postgres_url: str) -> AsyncIterator[str]:
    """The URL of a new database without tables."""
    async with _new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
async def template(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[str]:
    """The name of a database with the tables of all services, without connections."""
    async with _shared(request, "template", lambda: _migrated_database(postgres_url)) as name:
        yield name


@pytest.fixture
async def database(postgres_url: str, template: str) -> AsyncIterator[str]:
    """The URL of a new database with the tables of all services."""
    async with _new_database(postgres_url, template) as url:
        yield url


@pytest.fixture(scope="module")
async def database_of_file(postgres_url: str, template: str) -> AsyncIterator[str]:
    """The URL of a new database with the tables of all services, for all tests of a file."""
    async with _new_database(postgres_url, template) as url:
        yield url


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool on the schema of consumption, as its service has."""
    async with await connect_pool(database, "consumption", size=16, init=fold.prepare_connection) as pool:
        yield pool


@pytest.fixture
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool."""
    async with pool.acquire() as connection:
        yield connection


def _reset_logs() -> None:
    """Log to the process's own standard error: a command under test replaces ``sys.stderr``.

    Tracebacks are plain: structlog's default prints the variables of every frame, which takes seconds.
    """
    structlog.reset_defaults()
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[*structlog.get_config()["processors"][:-1], renderer],
        logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
    )


_reset_logs()


@pytest.fixture(autouse=True)
def reset_logs() -> Iterator[None]:
    """A command that runs inside a test configures the logs; reset them for the next test."""
    yield
    _reset_logs()


@asynccontextmanager
async def _new_topic_prefix(kafka_bootstrap_servers: str) -> AsyncIterator[str]:
    prefix = f"t{uuid4().hex[:8]}."
    yield prefix
    async with admin_client(kafka_bootstrap_servers) as admin:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])


@pytest.fixture
async def topic_prefix(kafka_bootstrap_servers: str) -> AsyncIterator[str]:
    """A prefix for topics that no other test uses. They are deleted at the end: each client loads the list of all."""
    async with _new_topic_prefix(kafka_bootstrap_servers) as prefix:
        yield prefix


@pytest.fixture(scope="module")
async def topic_prefix_of_file(kafka_bootstrap_servers: str) -> AsyncIterator[str]:
    """A prefix for topics that only the tests of a file use."""
    async with _new_topic_prefix(kafka_bootstrap_servers) as prefix:
        yield prefix
