"""``python -m tidemark.query_types``: a Python type for each named query, as Postgres prepares it.

One module a package, ``database/query_types.py``. With ``--check`` it writes nothing and fails when one is stale.
"""

import argparse
import asyncio
import logging
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from aiosql.types import SQLOperationType

from tidemark.stack import ports, postgres
from tidemark.stack.processes import Supervisor
from tidemark.stack.up import ALL_SERVICES
from tidemark_shared.database import Connection, migrate, open_connection, queries

# The schemas in which the queries of a package run.
_SCHEMAS = {
    "tidemark_shared": ALL_SERVICES,
    **{f"tidemark_{service}": [service] for service in ALL_SERVICES},
    "tidemark": ["reporting"],
}
# Scripts that create the temporary tables and views of a session.
_SESSION_SCRIPTS = (
    "create_shadow_tables",
    "create_working_tables",
    "create_attributions_view",
    "create_rated_worklogs_view",
)
# Queries that are also read with a cursor.
_CURSORS = ("list_all_events", "list_all_offer_events")
_TYPES = {
    "bool": "bool",
    "bytea": "bytes",
    "date": "date",
    "float8": "float",
    "int2": "int",
    "int4": "int",
    "int8": "int",
    "json": "str",
    "jsonb": "str",
    "name": "str",
    "numeric": "Decimal",
    "text": "str",
    "timestamptz": "datetime",
    "uuid": "UUID",
    "void": "None",
}
_RECORDSET = re.compile(r"jsonb_(?:populate|to)_recordset\((?:NULL::(\w+), )?\$(\d+)::jsonb\)(?: AS \w+ \(([^)]+)\))?")
_HEADER = '''"""The types of the queries in ``queries/``. Generated (`make query-types`): do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol, TypedDict
from uuid import UUID

from asyncpg.cursor import CursorFactory

from tidemark_shared.database import Connection, JsonRows

# Postgres does not say whether a column of a result may be null, so its type is `T | Any`.
'''


async def generate(url: str) -> dict[Path, str]:
    """The module of each package, from a database at ``url`` with the tables of all services."""
    sources: dict[Path, str] = {}
    for package, schemas in _SCHEMAS.items():
        path = Path(str(files(package))) / "database/query_types.py"
        for schema in schemas:
            async with open_connection(url, search_path=schema) as connection:
                await connection.transaction().start()  # never committed
                sources[path] = await _module(connection, package)
    return {path: _format(source) for path, source in sources.items()}


async def _module(connection: Connection, package: str) -> str:
    loaded = queries(package)
    names = [name for name in loaded.available_queries if not name.endswith("_cursor")]
    tables: dict[str, str] = {}
    rows: list[str] = []
    methods: list[str] = []
    order = {name: number for number, name in enumerate(_SESSION_SCRIPTS)}
    for name in sorted(names, key=lambda name: order.get(name, len(order))):
        query = getattr(loaded, name)
        try:
            if query.operation == SQLOperationType.SCRIPT:
                await connection.execute(query.sql)
                parameters, columns = [], []
            else:
                statement = await connection.prepare(query.sql)
                parameters = [f"{_python_type(type_, 'Collection')} | None" for type_ in statement.get_parameters()]
                columns = [
                    (column.name, f"{_python_type(column.type, 'list')} | Any") for column in statement.get_attributes()
                ]
            for table, number, definition in _RECORDSET.findall(query.sql):
                source = table or f"jsonb_to_recordset('[]') AS t ({definition})"
                statement = await connection.prepare(f"SELECT * FROM {source}")  # noqa: S608 - from our own query
                row = f"{_class_name(table or name)}TableRow"
                tables[row] = _row_class(row, ((column.name, "Any") for column in statement.get_attributes()))
                parameters[int(number) - 1] = f"JsonRows[{row}]"
        except (asyncpg.PostgresError, KeyError) as error:
            error.add_note(f"Query {name} of {package}, in {query.__code__.co_filename}")
            raise
        if query.operation in (SQLOperationType.SELECT, SQLOperationType.SELECT_ONE):
            rows.append(_row_class(f"{_class_name(name)}Row", columns))
        keywords = dict(zip(list(query.__signature__.parameters)[1:], parameters, strict=True))
        methods.extend(_methods(query, keywords, columns[0][1] if columns else "None"))
    owner = _class_name(package.removeprefix("tidemark").removeprefix("_") or "command_line")
    body = [*(tables[name] for name in sorted(tables)), *rows, f"class {owner}Queries(Protocol):", *methods]
    return "\n".join([_HEADER, *body])


def _methods(query: Any, keywords: dict[str, str], value: str) -> Iterator[str]:
    name, row = query.__name__, f"{_class_name(query.__name__)}Row"
    parameters = "".join(f", {keyword}: {type_}" for keyword, type_ in keywords.items())
    signature = f"(self, connection: Connection, /{parameters and ', *' + parameters})"
    prefix, result = {
        SQLOperationType.SELECT: ("", f"AsyncIterator[{row}]"),
        SQLOperationType.SELECT_ONE: ("async ", f"{row} | None"),
        SQLOperationType.SELECT_VALUE: ("async ", value),
    }.get(query.operation, ("async ", "None"))
    doc = f"{query.__doc__ or ''}\n\n{Path(query.__code__.co_filename).name}".strip()
    yield f'    {prefix}def {name}{signature} -> {result}:\n        """{doc}"""\n        ...\n'
    if name in _CURSORS:
        yield f"    def {name}_cursor{signature} -> AbstractAsyncContextManager[CursorFactory[Any]]: ...\n"


def _row_class(name: str, columns: Iterable[tuple[str, str]]) -> str:
    lines = [f"    {column}: {type_}" for column, type_ in columns]
    return "\n".join([f"class {name}(TypedDict):", *(lines or ["    pass"])])


def _python_type(type_: asyncpg.Type, collection: str) -> str:
    element = _TYPES[type_.name.removesuffix("[]")]
    return (
        f"{collection}[{element} | {'None' if collection == 'Collection' else 'Any'}]"
        if type_.kind == "array"
        else element
    )


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _format(source: str) -> str:
    for step in (["check", "--quiet", "--fix", "--select", "F401", "-"], ["format", "-"]):
        command = [sys.executable, "-m", "ruff", *step]
        source = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return source


async def _generate_with_new_server() -> dict[Path, str]:
    folder = Path(tempfile.mkdtemp(prefix="tidemark-query-types-"))
    supervisor = Supervisor(folder / "logs")
    port, password = ports.find_free(), uuid4().hex
    url = postgres.url(port, password)
    try:
        await supervisor.start(postgres.prepare(folder / "data", port, password, {"fsync": "off"}))
        for service in ALL_SERVICES:
            await migrate(url, service)
        return await generate(url)
    finally:
        await supervisor.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tidemark.query_types", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a module is stale")
    check = parser.parse_args().check
    logging.disable(logging.WARNING)  # each migration is one
    sources = asyncio.run(_generate_with_new_server())
    stale = [path for path, source in sources.items() if not path.is_file() or path.read_text("utf-8") != source]
    for path in stale:
        print(f"{path} is stale. Run `make query-types`." if check else path)  # noqa: T201 - a command's output
        if not check:
            path.write_text(sources[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
