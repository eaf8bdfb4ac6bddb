"""Postgres: a pool whose search path is the service's own schema, named queries from files, migrations."""

import json
from collections.abc import Callable, Coroutine, Iterable, Mapping
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import aiosql
import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pogo_core.util import migrate as pogo

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
# A pool hands out proxies of its connections; both have the same methods.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Init: TypeAlias = Callable[[Connection], Coroutine[Any, Any, None]]
_Row = TypeVar("_Row")

# Any number: it only has to be the same for everyone who migrates one database.
_MIGRATION_LOCK = 7_311_946


class Workload(Enum):
    """What a connection is for. The value is how long one of its statements may take; "0": as long as it needs."""

    REQUEST = "30s"
    PUBLISH = "15s"
    REPLAY = "10min"
    FOLD = "0"


def server_settings(service: str, workload: Workload) -> dict[str, str]:
    """The settings of a session of ``service``."""
    return {
        "search_path": service,
        "application_name": service,
        # Compiling a query costs more than any query of ours gains by it.
        "jit": "off",
        "statement_timeout": workload.value,
        # Between two statements of a transaction there is only arithmetic: a client that pauses so long is stuck, and
        # others wait for its locks.
        "idle_in_transaction_session_timeout": "60s",
        # A query whose client has gone ends, instead of running on for nobody.
        "client_connection_check_interval": "2s",
        # A client whose machine has vanished is noticed too, and what it held is free.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        **(_LARGE_SETS if workload in (Workload.FOLD, Workload.REPLAY) else {}),
    }


# A fold sorts and hashes tens of thousands of rows, and keeps them in temporary tables: in memory, not on disk.
_LARGE_SETS = {"work_mem": "64MB", "temp_buffers": "64MB"}


def queries(package: str) -> Any:
    """The named queries in ``database/queries`` of ``package``: one function a query, called with a connection first."""
    return aiosql.from_path(str(files(package) / "database/queries"), "asyncpg", mandatory_parameters=False)


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


async def connect_pool(
    url: str, service: str, *, size: int = 8, init: Init | None = None, workload: Workload = Workload.FOLD
) -> Pool:
    """A pool on the schema of ``service``. Raises what asyncpg raises where the database is out of reach."""
    return await asyncpg.create_pool(
        url, min_size=1, max_size=size, init=init, server_settings=server_settings(service, workload)
    )


async def migrate(url: str, service: str) -> None:
    """Bring the schema of ``service`` (and ``reporting``) to the newest form; safe to run from many at once."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{service}"')
        await connection.execute(f'SET search_path TO "{service}"')
        for package in ("tidemark_shared", f"tidemark_{service}"):
            await pogo.apply(connection, Path(str(files(package) / "database/migrations")), schema_name=service)
    finally:
        await connection.close()
