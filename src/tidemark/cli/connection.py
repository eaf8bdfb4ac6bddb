"""What the commands that use the HTTP API share: the connection, a body from a file, and the result."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tidemark.api import open_api
from tidemark.cli.body_file import InputError, parse_body
from tidemark.cli.options import load_settings
from tidemark.cli.output import Column, build_table, print_json, print_line, print_records, print_table, report_errors
from tidemark.importing.files import FileError, read_text
from tidemark_client import Client, Entity, Json, TidemarkError

MAX_BODY_SIZE = 2 << 20
"""As for a request body of the HTTP API."""

BodyFile = Annotated[
    Path | None, typer.Argument(help="The whole body in YAML or JSON, as the HTTP API takes it; - is standard input.")
]
_ID_LENGTH = 36
# What `show --json` adds to the body, so that its output is a file for `edit`.
_SHOWN_MEMBERS = frozenset({"balance"})


@contextmanager
def connect(data_dir: Path) -> Iterator[Client]:
    """A client of the API. Violations are printed one on each line: code, path, message."""
    with report_errors(TidemarkError, InputError, FileError):
        try:
            with open_api(load_settings(data_dir)) as api:
                yield api
        except TidemarkError as error:
            lines = [
                f"{violation['code']}  {violation['path'] or '/'}  {violation['message']}"
                for violation in error.violations
            ]
            raise TidemarkError("\n".join(lines) or str(error)) from None


def read_body(file: Path, max_size: int = MAX_BODY_SIZE) -> Json:
    """The body in a file. Raises :class:`InputError` and :class:`FileError`."""
    body = parse_body(read_text(file, max_size=max_size))
    return {member: value for member, value in body.items() if member not in _SHOWN_MEMBERS}


def require_values(file: Path | None, *values: object, hint: str) -> None:
    """Exit with a usage error unless there is either a file, or an option with a value."""
    if (file is None) == (not any(value is not None for value in values)):
        raise typer.BadParameter(f"Give either a FILE, or {hint}.")


def print_result(entity: Entity[Json], message: str, *, as_json: bool) -> None:
    """Print what a command has changed: the new body for programs, a message for people."""
    print_json(entity.body) if as_json else print_line(message)


def print_list(
    items: Sequence[Json],
    columns: Sequence[Column],
    *,
    name: str = "name",
    heading: str = "Name",
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print items by name. Where a name repeats, the id is on a line of its own below it, unbroken.

    ``columns`` are used for the table only.
    """
    if as_json or as_csv:
        print_records(items, (), as_json=as_json, as_csv=as_csv)
        return
    counts = Counter(item[name] for item in items)

    def label(item: Mapping[str, Any]) -> str:
        return str(item[name]) + (f"\n{item['id']}" if counts[item[name]] > 1 else "")

    table = build_table(items, (Column(heading, label), *columns))
    table.columns[0].width = _ID_LENGTH if counts.total() > len(counts) else None
    print_table(table)


def print_details(body: Json, texts: Mapping[str, str], *, as_json: bool, as_csv: bool) -> None:
    """Print one entity: its body for programs; for people a label and a text, which can have several lines."""
    details = Table.grid(padding=(0, 2))
    details.add_column(style="bold", no_wrap=True)
    details.add_column(overflow="fold")
    for label, text in texts.items():
        details.add_row(label, text)
    print_records([body], details, as_json=as_json, as_csv=as_csv, document=body)
