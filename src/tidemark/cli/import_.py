"""``tidemark import``: import worklogs from a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tidemark.api_client import ApiError
from tidemark.cli.options import DEFAULT_DATA_DIR, DataDir, MaxSize, load_settings
from tidemark.cli.output import SafeConsole, print_json, print_line, report_errors
from tidemark.importing.files import DEFAULT_MAX_SIZE, FileError
from tidemark.importing.mapping import MappingError
from tidemark.importing.rows import RefusedRow
from tidemark.importing.run import ImportOptions, ImportSummary, import_csv, import_events

_MAX_EXAMPLES = 3


class Format(StrEnum):
    """The formats that `tidemark import` reads."""

    csv = "csv"
    jsonl = "jsonl"


def import_file(  # noqa: PLR0917 - typer's arguments
    file: Annotated[Path, typer.Argument(help="The file: plain, or compressed with xz, gzip or zstd.")],
    format_: Annotated[Format, typer.Option("--format", help="csv, or jsonl: one structured CloudEvent on each line.")],
    mapping: Annotated[Path | None, typer.Option(help="For csv: the meaning of the columns (see examples/).")] = None,
    planned: Annotated[Path | None, typer.Option(help="For csv: a file of planned time, read by [planned].")] = None,
    state: Annotated[
        Path | None, typer.Option(help="The folder with the state of imports; default: imports in the data directory.")
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait until everything is counted; 0 does not wait.")] = 600,
    max_size: MaxSize = DEFAULT_MAX_SIZE,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,  # noqa: FBT002
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Import worklogs from a file, and create the organizations, teams and contracts that they name.

    You can repeat an import: it uses what exists, sends nothing twice, and resumes after a crash.
    """
    if format_ is Format.csv and mapping is None:
        raise typer.BadParameter("csv needs --mapping MAP.toml. Copy examples/cesaw.toml to start.")
    hint = "Then run the command again: it resumes."
    with report_errors(MappingError, FileError, ApiError, hint=hint), _progress_bar() as progress:
        now = datetime.now(UTC)
        options = ImportOptions(load_settings(data_dir), state or data_dir / "imports", wait, now, progress, max_size)
        summary = import_csv(file, mapping, planned, options) if mapping else import_events(file, options)
    if as_json:
        refusals = [
            {"line": row.line, "worklog": row.worklog, "reason": row.reason, "sentence": row.message}
            for row in summary.refusals
        ]
        print_json({**summary._asdict(), "refusals": refusals})
    else:
        print_line("\n".join(_summary_lines(summary)))
    if summary.problems:
        raise typer.Exit(1)


@contextmanager
def _progress_bar() -> Iterator[Any]:
    """A progress bar, on a terminal only."""
    console = SafeConsole(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def update(stage: str, completed: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=completed, total=total)

        yield update


def _summary_lines(summary: ImportSummary) -> Iterator[str]:
    yield f"{summary.file}: {summary.rows:,} rows"
    yield f"  {summary.taken:,} taken ({summary.sent:,} records sent, {summary.unchanged:,} unchanged since last time)"
    if summary.unaccounted is not None:
        yield f"    {sum(summary.unaccounted.values()):,} of these do not count"
        yield from (f"      {count:>9,} {reason}" for reason, count in summary.unaccounted.items())
    yield f"  {summary.repeated:,} repeated"
    yield f"  {sum(summary.refused.values()):,} refused"
    for reason, count in summary.refused.items():
        yield f"      {count:>9,} {reason}"
        examples = [row for row in summary.refusals if row.reason == reason][:_MAX_EXAMPLES]
        yield from map(_example_line, examples)
    yield from summary.problems


def _example_line(row: RefusedRow) -> str:
    return f"                line {row.line}: {row.message}"
