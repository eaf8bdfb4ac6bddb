"""The output of the command line: tables, lines, JSON, CSV, and error messages instead of tracebacks.

Names come from other people. Everything that a command prints goes through this module, so that no name can change
the terminal, hide itself, be read as markup, or be a formula in a spreadsheet.
"""

import csv
import json
import logging
import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TextIO

import asyncpg
import typer
from aiokafka.errors import KafkaError
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tidemark.program import complete_commands
from tidemark.stack.processes import StackError
from tidemark_shared.database import MigrationError
from tidemark_shared.domain.text import escape_formula, escape_invisible
from tidemark_shared.settings import InvalidSettingError, MissingSettingError

Record = Mapping[str, Any]

# The host and port in the text of a connection error.
_ADDRESS = re.compile(r"\('([^']+)', (\d+)")


_NUMBER = re.compile(r"[+-]?[0-9][0-9.]*")


class Column(NamedTuple):
    """A column of a table for people. ``value`` is a member of the record, or a function of the record."""

    heading: str
    value: str | Callable[[Record], object]
    right: bool = False
    wrap: bool = True


class SafeConsole(Console):
    """A console that escapes every text before it measures it. Brackets and colons are not treated as markup."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert a text, such as a cell of a table."""
        return super().render_str(escape_invisible(text), **options)


def print_table(table: RenderableType) -> None:
    """Print a table whose cells are texts."""
    SafeConsole().print(table)


def print_records(
    records: Sequence[Record],
    table: RenderableType | tuple[Column, ...],
    *,
    as_json: bool,
    as_csv: bool,
    fields: Sequence[str] = (),
    document: Any = None,
) -> None:
    """Print records as a table for people, as JSON, or as CSV with the members of nested records as ``owner.name``.

    ``table`` is the table, or its columns. ``fields`` are the headings of CSV where there may be no record.
    ``document`` is printed as JSON instead of the records.
    """
    if as_json and as_csv:
        raise typer.BadParameter("Choose one of --json and --csv.")
    if as_json:
        print_json(records if document is None else document)
    elif as_csv:
        write_csv(sys.stdout, records, fields)
    else:
        print_table(build_table(records, table) if isinstance(table, tuple) else table)


def build_table(
    records: Sequence[Record],
    columns: Sequence[Column],
    *,
    title: str | None = None,
) -> Table:
    """A table for people, with a row for each record."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(column.heading, justify=justify, no_wrap=not column.wrap, overflow="fold")
    for record in records:
        values = (record[column.value] if isinstance(column.value, str) else column.value(record) for column in columns)
        table.add_row(*map(format_cell, values))
    return table


def format_cell(value: object) -> str:
    """A value as people read it. Times are in UTC."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value:,}"
        case datetime(tzinfo=zone):
            return f"{value.astimezone(UTC) if zone else value:%Y-%m-%d %H:%M}"
        case Mapping() | list():
            return json.dumps(value, default=_json_value)
    return str(value)


def write_csv(file: TextIO, records: Sequence[Record], fields: Sequence[str] = ()) -> None:
    """Write records with the members of nested records as ``owner.name``. No cell is a formula."""
    rows = [dict(_flatten(record)) for record in records]
    names = list(fields or dict.fromkeys(name for row in rows for name in row))
    if not names:  # nothing to print, and nobody knows the headings
        return
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([names, *([_csv_cell(row.get(name)) for name in names] for row in rows)])


def _flatten(record: Record, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _csv_cell(value: object) -> str:
    """The text of a cell, which a spreadsheet does not read as a formula. A number is none."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat()
        case list() if all(isinstance(item, str) for item in value):
            text = "; ".join(value)
        case Mapping() | list():
            text = json.dumps(value, default=_json_value)
        case _:
            text = str(value)
    text = escape_invisible(text)
    return text if _NUMBER.fullmatch(text) else escape_formula(text)


def print_line(text: str, *, error: bool = False) -> None:
    """Print a text on standard output, or on standard error."""
    typer.echo(escape_invisible(text), err=error)


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value for programs, in ASCII."""
    typer.echo(json.dumps(value, default=_json_value, indent=indent))


def _json_value(value: object) -> str:
    # UTC as the API writes it.
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


@contextmanager
def show_wait(description: str) -> Iterator[None]:
    """Show on a terminal that a command works, as long as it prints nothing."""
    with SafeConsole(stderr=True).status(Text(escape_invisible(description))):
        yield


@contextmanager
def report_errors(*errors: type[Exception], hint: str = "") -> Iterator[None]:
    """Exit with status 1 and a message for the given errors, and for a database or Kafka that fails.

    ``hint`` says what to do after Kafka is available again.
    """
    # Kafka's client logs each failed connection; the message is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    reported: tuple[type[Exception], ...] = (StackError, InvalidSettingError, MigrationError, *errors)
    try:
        yield
    except MissingSettingError as error:
        message = (
            "Tidemark is not running here. Start it with `tidemark up`, name the data directory of the one that runs "
            f"with --data-dir, or set {error.variable}."
        )
    except reported as error:
        message = str(error)
    except asyncpg.UndefinedTableError:
        message = "A table is missing. Run `tidemark migrate` to create or update the tables of all services."
    except KafkaError as error:
        message = f"{_unreachable('Kafka', error)} {hint}".rstrip()
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        message = f"Postgres reports an error: {error}. Run `tidemark env` to see which database is used."
    except OSError as error:
        is_connection = isinstance(error, ConnectionError | TimeoutError | socket.gaierror) or _ADDRESS.search(
            str(error)
        )
        message = _unreachable("Postgres", error) if is_connection else f"{error}."
    else:
        return
    print_line(complete_commands(message), error=True)
    raise typer.Exit(1)


def _unreachable(system: str, error: Exception) -> str:
    address = _ADDRESS.search(str(error))
    return (
        f"Cannot reach {system} at {address[1]}:{address[2]}. Check that it runs."
        if address
        else f"Cannot reach {system} ({error!r}). Check that it runs, and that `tidemark env` shows the right address."
    )
