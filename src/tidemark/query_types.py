"""``python -m tidemark.query_types``: a Python type for each named query, as Postgres prepares it.

One module a package, ``database/query_types.py``. With ``--check`` it writes nothing and fails where one is stale.
"""

import argparse
import asyncio
import keyword
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
from tidemark.stack.up import SERVICES
from tidemark_shared.database import Connection, migrate, queries

# The schemas in which the queries of a package run.
_SCHEMAS = {
    "tidemark_shared": SERVICES,
    **{f"tidemark_{service}": [service] for service in SERVICES},
    "tidemark": ["reporting"],
}
# Scripts that make the temporary tables of a session, in this order.
_SESSION_SCRIPTS = ("create_shadow_tables", "prepare_session")
# Queries whose rows are also read by a cursor.
_CURSORS = ("streams",)
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

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol, TypedDict
from uuid import UUID

from asyncpg.cursor import CursorFactory

from tidemark_shared.database import Connection, JsonRows

# A column is typed `T | Any`, because Postgres does not say whether it may be null.
'''


class QueryError(Exception):
    """A query that Postgres does not prepare; the text names the query and its file."""


async def generated(url: str) -> dict[Path, str]:
    """The modules as they should be, for a database at ``url`` with the tables of all services."""
    sources: dict[Path, str] = {}
    for package, schemas in _SCHEMAS.items():
        path = Path(str(files(package))) / "database/query_types.py"
        for schema in schemas:
            connection = await asyncpg.connect(url, server_settings={"search_path": schema})
            try:
                async with connection.transaction():
                    sources[path] = _formatted(await _module(connection, package))
                    raise _RollBack
            except _RollBack:
                pass
            finally:
                await connection.close()
    return sources


class _RollBack(Exception):  # noqa: N818 - no error
    """Undoes what the scripts did."""


async def _module(connection: Connection, package: str) -> str:
    loaded = queries(package)
    names = [name for name in loaded.available_queries if not name.endswith("_cursor")]
    inputs: dict[str, str] = {}
    rows, methods = [], []
    for name in sorted(names, key=lambda name: (name not in _SESSION_SCRIPTS, name)):
        query = getattr(loaded, name)
        where = f"{name} in {Path(query.__code__.co_filename).name}"
        try:
            if query.operation == SQLOperationType.SCRIPT:
                await connection.execute(query.sql)
                parameters, columns = [], []
            else:
                statement = await connection.prepare(query.sql)
                parameters, columns = list(statement.get_parameters()), list(statement.get_attributes())
            types = [f"{_type(parameter, where, parameter=True)} | None" for parameter in parameters]
            for table, number, definition in _RECORDSET.findall(query.sql):
                source = table or f"jsonb_to_recordset('[]') AS t ({definition})"
                row = f"{_camel(table or name + '_input')}TableRow"
                attributes = (await connection.prepare(f"SELECT * FROM {source}")).get_attributes()  # noqa: S608 - our own
                inputs[row] = _row_class(row, ((attribute.name, "Any") for attribute in attributes), total=False)
                types[int(number) - 1] = f"JsonRows[{row}]"
        except asyncpg.PostgresError as error:
            raise QueryError(f"{package}: {where}: {error}") from error
        if query.operation in (SQLOperationType.SELECT, SQLOperationType.SELECT_ONE):
            fields = ((column.name, f"{_type(column.type, where)} | Any") for column in columns)
            rows.append(_row_class(f"{_camel(name)}Row", fields))
        value = f"{_type(columns[0].type, where)} | Any" if columns else "None"
        methods.extend(_methods(query, dict(zip(list(query.__signature__.parameters)[1:], types, strict=True)), value))
    title = _camel(package.removeprefix("tidemark").removeprefix("_") or "command_line")
    body = [*(inputs[row] for row in sorted(inputs)), *rows, f"class {title}Queries(Protocol):", *methods]
    return "\n".join([_HEADER, *body])


def _methods(query: Any, types: dict[str, str], value: str) -> Iterator[str]:
    row = f"{_camel(query.__name__)}Row"
    keywords = "".join(f", {name}: {type_}" for name, type_ in types.items())
    signature = f"(self, connection: Connection, /{keywords and ', *' + keywords})"
    doc = f"{query.__doc__ or ''}\n\n{Path(query.__code__.co_filename).name}".strip()
    results = {
        SQLOperationType.SELECT: ("def", f"AsyncIterator[{row}]"),
        SQLOperationType.SELECT_ONE: ("async def", f"{row} | None"),
        SQLOperationType.SELECT_VALUE: ("async def", value),
    }
    kind, result = results.get(query.operation, ("async def", "str"))
    yield f'    {kind} {query.__name__}{signature} -> {result}:\n        """{doc}"""\n        ...'
    if query.__name__ in _CURSORS:
        yield f"    def {query.__name__}_cursor{signature} -> AbstractAsyncContextManager[CursorFactory[Any]]: ..."


def _row_class(name: str, fields: Iterable[tuple[str, str]], *, total: bool = True) -> str:
    columns = dict(fields)
    if any(keyword.iskeyword(column) for column in columns):
        raise QueryError(f"{name}: a column is named as a Python keyword is")
    lines = [f"    {column}: {type_}" for column, type_ in columns.items()]
    return "\n".join([f"class {name}(TypedDict{'' if total else ', total=False'}):", *(lines or ["    pass"])])


def _type(found: asyncpg.Type, where: str, *, parameter: bool = False) -> str:
    name = found.name.removesuffix("[]")
    if found.kind == "array":
        return f"{'Collection' if parameter else 'list'}[{_element(name, where)}]"
    return _element(name, where) + (" | int" if parameter and name == "numeric" else "")


def _element(name: str, where: str) -> str:
    if name not in _TYPES:
        raise QueryError(f"{where}: add the Postgres type {name} to _TYPES in {__file__}, or cast it")
    return _TYPES[name]


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _formatted(source: str) -> str:
    ruff = [sys.executable, "-m", "ruff"]
    for step in (["check", "--quiet", "--fix", "--select", "F401,I", "-"], ["format", "-"]):
        source = subprocess.run([*ruff, *step], input=source, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return source


async def _generated_by_new_server() -> dict[Path, str]:
    folder = Path(tempfile.mkdtemp(prefix="tidemark-query-types-"))
    supervisor = Supervisor(folder / "logs")
    port, password = ports.free(), uuid4().hex
    try:
        await supervisor.start(postgres.prepare(folder / "data", port, password, {"fsync": "off"}))
        for service in SERVICES:
            await migrate(postgres.url(port, password), service)
        return await generated(postgres.url(port, password))
    finally:
        await supervisor.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tidemark.query_types", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a module is stale")
    check = parser.parse_args().check
    try:
        sources = asyncio.run(_generated_by_new_server())
    except QueryError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    stale = [path for path, source in sources.items() if not path.is_file() or path.read_text("utf-8") != source]
    for path in stale:
        print(f"{path}: stale; run make query-types" if check else path)  # noqa: T201 - a command's output
        if not check:
            path.write_text(sources[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
