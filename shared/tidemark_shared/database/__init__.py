"""Postgres: connection pools on a service's schema, named queries, migrations."""

import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from functools import cache
from graphlib import TopologicalSorter
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import aiosql
import asyncpg
from aiosql.adapters.asyncpg import AsyncPGAdapter
from asyncpg.pool import PoolConnectionProxy
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tidemark_shared.metrics import watch_pool

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
# A pool hands out proxies of its connections; both have the same methods.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
_Row = TypeVar("_Row")


# The source code of Postgres gives types lower numbers. Higher ones differ between builds and databases
# (``FirstGenbkiObjectId``), and a process may outlive the server that it was connected to.
_FIRST_GENERATED_OID = 10_000
_built_in_types: dict[frozenset[int], Any] = {}
# asyncpg prepares the statement of its user again if the one that asked for types had no name, and so replaced it.
_NO_STATEMENT = SimpleNamespace(name="none")

# A request that finds no free connection fails with TimeoutError after this, which is a 503.
ACQUIRE_TIMEOUT_SECONDS = 10


class Init(Protocol):
    """Prepares each new connection of a pool."""

    async def __call__(self, connection: Connection, /) -> None:
        """Prepare ``connection``."""


class Workload(Enum):
    """What a connection is used for. The value is its statement timeout; "0" means none."""

    REQUEST = "30s"
    CHECK = "5s"
    PUBLISH = "15s"
    REPLAY = "1min"
    FOLD = "0"


def server_settings(service: str, workload: Workload) -> dict[str, str]:
    """The session settings of a connection of ``service``."""
    return {
        "search_path": service,
        "application_name": service,
        # Compiling costs more than any of our queries gains from it.
        "jit": "off",
        "statement_timeout": workload.value,
        # Between two statements of a transaction a client only computes. One that pauses this long is stuck, and its
        # locks block others.
        "idle_in_transaction_session_timeout": "60s",
        # Stop a query when its client has disconnected.
        "client_connection_check_interval": "2s",
        # Detect a client whose machine has gone, and release its locks.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        **(_LARGE_MEMORY if workload in (Workload.FOLD, Workload.REPLAY) else {}),
    }


# Longer than a query of `reporting` may take, for which the update of a view waits.
_MIGRATION_LOCK_TIMEOUT = "90s"
# A fold sorts and hashes tens of thousands of rows in temporary tables: keep them in memory.
_LARGE_MEMORY = {"work_mem": "64MB", "temp_buffers": "64MB"}


class _Adapter(AsyncPGAdapter):
    """Each statement stays prepared, also one without parameters. A script (``#``) is planned at each execution."""

    async def insert_update_delete(self, conn: Connection, query_name: str, sql: str, parameters: Any) -> None:
        # asyncpg's execute() sends a statement without parameters as text, which Postgres parses and plans each time.
        await conn.fetch(sql, *self.maybe_order_params(query_name, parameters))  # type: ignore[no-untyped-call]


@cache
def queries(package: str) -> Any:
    """Load the named queries in ``database/queries`` of ``package``: one function per query."""
    return aiosql.from_path(str(files(package) / "database/queries"), _Adapter)  # pyright: ignore[reportArgumentType]


class JsonRows(str, Generic[_Row]):
    """Rows of a table as JSON, as :func:`json_rows` makes them."""

    __slots__ = ()


def json_rows(
    row_type: type[_Row], rows: Iterable[Mapping[str, Any]], default: Callable[[Any], Any] | None = None
) -> JsonRows[_Row]:
    """``rows`` for a query that reads them with ``jsonb_populate_recordset``.

    Postgres ignores a key that is not a column, and makes the column null. So such a key raises :class:`TypeError`.
    """
    listed, columns = list(rows), row_type.__annotations__.keys()
    if unknown := {key for row in listed for key in row.keys() - columns}:
        raise TypeError(f"{row_type.__name__} has no column {', '.join(sorted(unknown))}; it has {', '.join(columns)}")
    return JsonRows(json.dumps(listed, default=default))


def _is_the_same_everywhere(type_: Mapping[str, Any]) -> bool:
    is_row: bool = type_["kind"] == b"c"
    return type_["oid"] < _FIRST_GENERATED_OID and not is_row


class _Connection(asyncpg.Connection):
    """A connection that does not ask again for built-in types, and is not reset."""

    async def _introspect_types(
        self,
        typeoids: Collection[int],
        timeout: float | None,  # noqa: ASYNC109 - asyncpg's
    ) -> tuple[Any, Any]:
        """What asyncpg needs to know of types, such as ``uuid[]``, when they first appear in a connection.

        It takes Postgres some milliseconds to say. Built-in types are the same in every connection, but for the row
        types of catalogs, whose columns each release of Postgres may change.
        """
        key = frozenset(typeoids)
        if key in _built_in_types:
            return _built_in_types[key], _NO_STATEMENT
        types, statement = await super()._introspect_types(typeoids, timeout)  # type: ignore[misc] # it is private
        # Postgres says nothing of a type that is newer than the snapshot of the transaction.
        if key <= {type_["oid"] for type_ in types} and all(map(_is_the_same_everywhere, types)):
            _built_in_types[key] = types
        return types, statement

    def get_reset_query(self) -> str:
        """What a pool runs when a connection comes back to it: nothing, as no statement of ours changes a session."""
        return ""


async def connect_pool(
    url: str,
    service: str,
    *,
    size: int = 8,
    lazy: bool = False,
    init: Init | None = None,
    workload: Workload = Workload.FOLD,
    max_queries: int = 50_000,
) -> Pool:
    """Open a pool on the schema of ``service``. Raises asyncpg's errors when it cannot connect.

    A ``lazy`` pool connects when it is first used. A connection is replaced after ``max_queries`` queries.
    """
    pool: Pool = await asyncpg.create_pool(
        url,
        min_size=0 if lazy else 1,
        max_size=size,
        init=init,
        max_queries=max_queries,
        connection_class=_Connection,
        server_settings=server_settings(service, workload),
    )
    watch_pool(workload.name.lower(), pool)
    return pool


@asynccontextmanager
async def open_connection(url: str, **server_settings: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A single connection, for work that needs no pool. Raises asyncpg's errors when it cannot connect."""
    connection = await asyncpg.connect(url, connection_class=_Connection, server_settings=server_settings)
    try:
        yield connection
    except BaseException:
        # Saying goodbye to a server that no longer responds takes for ever.
        connection.terminate()
        raise
    await connection.close()


@asynccontextmanager
async def hold_leader_lock(url: str, service: str, lock: str) -> AsyncIterator[Connection]:
    """Wait until no other process holds ``lock``, a view of the service; then hold it, and yield its connection.

    The lock ends with the connection: a leader uses it now and then, to notice that the lock is lost.
    """
    # A view without tables, and a transaction without a snapshot and an id: VACUUM waits for the lock of a table, and
    # cannot clean up behind the id that a locked row needs. An advisory lock can be taken by every role.
    async with open_connection(
        url,
        search_path=service,
        application_name=f"{service} {lock}",
        idle_in_transaction_session_timeout="0",
        statement_timeout="0",
    ) as leader:
        await leader.execute(f"BEGIN; LOCK TABLE {lock} IN EXCLUSIVE MODE")
        yield leader


class MigrationError(Exception):
    """A migration failed, or cannot lock what it changes; the text says which, and what to do."""


async def migrate(url: str, service: str) -> None:
    """Migrate the schema of ``service`` and its part of ``reporting``. Several processes may run it at once.

    Raises :class:`MigrationError`, also when it has waited a while for a lock: who uses a table waits behind it.
    """
    settings = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
    async with (
        open_connection(url, **settings) as lock,
        open_connection(url, **settings, lock_timeout=_MIGRATION_LOCK_TIMEOUT) as connection,
    ):
        await _lock_migration(lock)
        try:
            await _migrate(connection, service)
        except asyncpg.LockNotAvailableError as error:
            raise MigrationError(
                f"A migration of {service} waited {_MIGRATION_LOCK_TIMEOUT} for a table that another session keeps "
                "locked, and changed nothing. Stop the processes of the release before, or the session that "
                "pg_stat_activity shows, and run this again."
            ) from error


async def _migrate(connection: Connection, service: str) -> None:
    await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{service}"')
    await prepare_migrations(connection, service)
    for package in ("tidemark_shared", f"tidemark_{service}"):
        folder = Path(str(files(package) / "database"))
        await _apply_migrations(connection, sorted((folder / "migrations").glob("*.sql")))
        await _apply_definitions(connection, package, folder)
    for file in ("owner.sql", "grants.sql"):
        await connection.execute((files("tidemark_shared") / "database" / file).read_text())


async def _lock_migration(connection: Connection) -> None:
    """Wait for other migrations of this database, and hold the lock as long as the connection is open.

    A table, and not an advisory lock: those can be taken by every role, for ever.
    """
    async for attempt in AsyncRetrying(
        stop=stop_after_delay(30),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        # Another process creates it at this moment.
        retry=retry_if_exception_type(
            (
                asyncpg.UniqueViolationError,
                asyncpg.DuplicateObjectError,
                asyncpg.DuplicateTableError,
                asyncpg.InternalServerError,
            )
        ),
        reraise=True,
    ):
        with attempt:
            if await connection.fetchval("SELECT to_regclass('reporting.migration_lock')") is None:
                await connection.execute("CREATE SCHEMA IF NOT EXISTS reporting")
                await connection.execute("CREATE TABLE IF NOT EXISTS reporting.migration_lock ()")
    await connection.execute("BEGIN; LOCK TABLE reporting.migration_lock IN EXCLUSIVE MODE")


async def prepare_migrations(connection: Connection, service: str) -> None:
    """Set the search path to the schema of ``service``, and give it the table of its migrations, which v0.1 lacks."""
    await connection.execute(f'SET search_path TO "{service}"')
    await connection.execute((files("tidemark_shared") / "database/migrations.sql").read_text())


async def _apply_migrations(connection: Connection, paths: Iterable[Path]) -> None:
    """Run the files that the schema does not have yet, each in a transaction."""
    applied = {name for (name,) in await connection.fetch("SELECT name FROM migrations")}
    for path in paths:
        if path.stem not in applied:
            try:
                async with connection.transaction():
                    await connection.execute(path.read_text())
                    await connection.execute("INSERT INTO migrations (name) VALUES ($1)", path.stem)
            except asyncpg.LockNotAvailableError:
                raise
            except asyncpg.PostgresError as error:
                raise MigrationError(f"The migration {path.stem} failed and changed nothing: {error}") from error


async def _apply_definitions(connection: Connection, package: str, folder: Path) -> None:
    """Create the views and functions again, each after those in its ``-- depends:`` lines.

    Not while they are the same as last time: replacing a view waits for every query that reads it.
    """
    paths = [path for part in ("migrations", "functions", "views") for path in sorted((folder / part).glob("*.sql"))]
    digest = sha256(b"".join(path.read_bytes() for path in paths)).digest()
    if digest == await connection.fetchval("SELECT digest FROM definitions WHERE package = $1", package):
        return
    texts = {path.stem: path.read_text() for path in paths if path.parent.name != "migrations"}
    required = {
        name: " ".join(re.findall("^-- depends:(.*)$", text, re.MULTILINE)).replace(",", " ").split()
        for name, text in texts.items()
    }
    for name in TopologicalSorter(required).static_order():
        await connection.execute(texts[name])
    await connection.execute(
        "INSERT INTO definitions (package, digest) VALUES ($1, $2)"
        " ON CONFLICT (package) DO UPDATE SET digest = excluded.digest",
        package,
        digest,
    )
