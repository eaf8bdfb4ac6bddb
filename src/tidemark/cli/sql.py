"""``tidemark sql``: one read-only statement on the views for operations, as the role that they are for."""

import asyncio
from decimal import Decimal
from typing import Annotated, Any, Literal

import asyncpg
import typer
from rich.console import Group, RenderableType
from rich.table import Table

from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, load_settings
from tidemark.cli.output import Column, SafeConsole, build_table, format_cell, print_records, report_errors, show_wait
from tidemark_shared.database import open_connection

_MAX_ROWS = 100_000
_ANY_WIDTH = 1_000_000
# As for the role's own logins: `SET ROLE` does not apply the settings of the role.
_SETTINGS = {"search_path": "reporting", "statement_timeout": "60s"}
_CONNECTION_ERRORS = (asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError)


class StatementError(Exception):
    """Postgres refuses the statement, or its answer is too long."""


def sql(
    statement: Annotated[str, typer.Argument(help="One statement, such as 'SELECT * FROM contracts'.")],
    *,
    service: Annotated[
        Literal["consumption", "contracts", "notifier", "intake"],
        typer.Option(help="Whose database, where services have their own."),
    ] = "consumption",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Query the views in `reporting`, as the role `tidemark_ops`; nothing can be changed.

    docs/queries.md has examples. Rows that are wider than the terminal are printed one value on each line.
    """
    with report_errors(StatementError):
        url = load_settings(data_dir).service_database_url(service)
        with show_wait("Waiting for Postgres …"):
            names, rows = asyncio.run(_query(url, statement))
    records = [dict(zip(names, row, strict=True)) for row in rows]
    print_records(records, _build(names, records), as_json=as_json, as_csv=as_csv, fields=names)


async def _query(url: str, statement: str) -> tuple[list[str], list[Any]]:
    """The names of the columns, and the rows. A prepared statement is a single one."""
    async with open_connection(url, **_SETTINGS) as connection, connection.transaction(readonly=True):
        await connection.execute("SET LOCAL ROLE tidemark_ops")
        try:
            prepared = await connection.prepare(statement)
            names = _unique([attribute.name for attribute in prepared.get_attributes()])
            rows = await (await prepared.cursor()).fetch(_MAX_ROWS + 1)
        except asyncpg.PostgresError as error:
            if isinstance(error, _CONNECTION_ERRORS):
                raise
            raise StatementError(_describe(error, statement)) from None
    if len(rows) > _MAX_ROWS:
        raise StatementError(f"The answer has more than {_MAX_ROWS:,} rows. Add a LIMIT.")
    return names, rows


def _unique(names: list[str]) -> list[str]:
    """Names of columns, of which a repeated one gets a number: ``count``, ``count_2``."""
    return [
        name if name not in names[:index] else f"{name}_{names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]


def _describe(error: asyncpg.PostgresError, statement: str) -> str:
    """What Postgres says, with the place in the statement, and its hint about a name or the syntax."""
    lines = [f"Postgres: {error.args[0] if error.args else error}."]
    position = getattr(error, "position", None)
    if position:
        before = statement[: int(position) - 1]
        line = before.count("\n")
        column = len(before) - (before.rfind("\n") + 1)
        lines += [statement.splitlines()[line], " " * column + "^"]
    if isinstance(error, asyncpg.SyntaxOrAccessError):
        lines += filter(None, [getattr(error, "hint", None)])
    return "\n".join(lines)


def _build(names: list[str], records: list[dict[str, Any]]) -> RenderableType:
    """A table, or one value on each line if the table is wider than the terminal."""
    is_number = {name: any(isinstance(record[name], int | Decimal | float) for record in records) for name in names}
    table = build_table(records, [Column(name, name, right=is_number[name], wrap=False) for name in names])
    console = SafeConsole()
    if console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum <= console.width:
        return Group(table, _count(records))
    details = Table.grid(padding=(0, 2))
    details.add_column(no_wrap=True)
    details.add_column(overflow="fold")
    for record in records:
        for name in names:
            details.add_row(name, format_cell(record[name]))
        details.add_row()
    return Group(details, _count(records))


def _count(records: list[dict[str, Any]]) -> str:
    return f"{len(records):,} {'row' if len(records) == 1 else 'rows'}"
