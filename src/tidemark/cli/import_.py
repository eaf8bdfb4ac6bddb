"""``tidemark import``: import worklogs from a file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tidemark.cli.options import DEFAULT_DATA_DIR, AsJson, DataDir, MaxSize, load_settings
from tidemark.cli.output import SafeConsole, print_json, print_line, report_errors
from tidemark.importing.detection import describe_unknown, detect_preset, is_event_file, read_sample
from tidemark.importing.explain import describe_rows, propose_mapping
from tidemark.importing.files import DEFAULT_MAX_SIZE, FileError
from tidemark.importing.identity import MissingRowsError
from tidemark.importing.mapping import Mapping, MappingError, load_mapping, parse_mapping, validate_mapping
from tidemark.importing.presets import list_presets
from tidemark.importing.rows import RefusedRow, parse_rows, row_templates
from tidemark.importing.run import ImportOptions, import_events, import_table, open_mapped
from tidemark.importing.summary import ImportSummary
from tidemark.importing.templates import quote_literal
from tidemark_client import TidemarkError

_MAX_EXAMPLES = 3
_EXPLAINED_ROWS = 10


def _list_formats() -> list[str]:
    return ["csv", "jsonl", *sorted({preset.product for preset in list_presets()})]


def _parse_format(text: str) -> str:
    formats = _list_formats()
    if text not in formats:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(formats)}.")
    return text


def import_file(  # noqa: PLR0917 - typer's arguments
    file: Annotated[Path, typer.Argument(help="The file: plain, or compressed with xz, gzip or zstd.")],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            parser=_parse_format,
            autocompletion=_list_formats,
            help="The product that exported the file; csv with --mapping; or jsonl: one structured CloudEvent on each "
            "line. Detected if not given.",
        ),
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="The meaning of the columns (see docs/import.md).")] = None,
    planned: Annotated[Path | None, typer.Option(help="A file of planned time, read by [planned].")] = None,
    contract: Annotated[str | None, typer.Option(help="The code of the contract of all rows.")] = None,
    account: Annotated[str | None, typer.Option(help="The account of all rows.")] = None,
    person: Annotated[str | None, typer.Option(help="The id of the person of all rows.")] = None,
    source: Annotated[str | None, typer.Option(help="The name of the tracker, in place of the mapping's.")] = None,
    timezone: Annotated[str | None, typer.Option(help="The zone of local times, such as Europe/Berlin.")] = None,
    date_format: Annotated[
        list[str] | None, typer.Option(help="A format of the dates, such as %d/%m/%Y, in place of the mapping's.")
    ] = None,
    activate: Annotated[list[str] | None, typer.Option(help="The code of a draft to activate.")] = None,
    state: Annotated[
        Path | None, typer.Option(help="The folder with the state of imports; default: imports in the data directory.")
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait until everything is counted; 0 does not wait.")] = 600,
    max_size: MaxSize = DEFAULT_MAX_SIZE,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    write: Annotated[Path | None, typer.Option(help="With --explain: the file for the proposed mapping.")] = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete worklogs of an earlier import that the file no longer has.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep worklogs of an earlier import that the file does not have.")
    ] = False,
    descriptions: Annotated[
        bool, typer.Option("--descriptions", help="Import the notes too, which a preset leaves out.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the format of the file and its first rows; send nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import worklogs from a file: a tracker's export, any table with a mapping, or CloudEvents.

    You can repeat an import: it uses what exists, sends nothing twice, and resumes after a crash.
    """
    hint = "Then run the command again: it resumes."
    overrides = _build_overrides(contract, account, person, source=source, timezone=timezone, date_formats=date_format)
    if replace and keep:
        raise typer.BadParameter("Choose one of --replace and --keep.")
    with report_errors(MappingError, FileError, MissingRowsError, TidemarkError, hint=hint):
        now = datetime.now(UTC)
        if format_ == "jsonl" or (format_ is None and not mapping and is_event_file(file, max_size)):
            chosen, label = None, "events"
        else:
            chosen, label = _choose_mapping(file, format_, mapping, overrides, max_size, explain=explain)
            if chosen and descriptions and chosen.notes:
                worklog = chosen.worklog.model_copy(update={"description": chosen.notes})
                chosen = chosen.model_copy(update={"worklog": worklog})
        if explain:
            _explain(file, chosen, label, max_size, write)
            return
        with _progress_bar() as progress:
            options = ImportOptions(
                load_settings(data_dir),
                state or data_dir / "imports",
                wait,
                now,
                progress,
                max_size,
                activate or (),
                lambda count, shown: replace or _confirm_deletion(count, shown),
                keep_missing=keep,
            )
            summary = import_table(file, chosen, planned, options) if chosen else import_events(file, options)
    if as_json:
        refusals = [
            {"line": row.line, "worklog": row.worklog, "reason": row.reason, "message": row.message}
            for row in summary.refusals
        ]
        print_json({**summary._asdict(), "refusals": refusals})
    else:
        print_line("\n".join(_summary_lines(summary, label)))
    if summary.has_failed:
        raise typer.Exit(1)


def _build_overrides(
    contract: str | None, account: str | None, person: str | None, **values: str | list[str] | None
) -> dict[str, Any]:
    """The options as values of a mapping."""
    overrides: dict[str, Any] = {name: value for name, value in values.items() if value}
    if contract:
        overrides["contract"] = {"code": quote_literal(contract)}
    if account:
        overrides |= {"account_by": quote_literal(account), "account": []}
    if person:
        overrides["worklog"] = {"author": quote_literal(person)}
    return overrides


def _choose_mapping(
    file: Path, format_: str | None, mapping: Path | None, overrides: dict[str, Any], max_size: int, *, explain: bool
) -> tuple[Mapping | None, str]:
    """The mapping of the file, and the name of its format. Raises :class:`MappingError`."""
    if mapping:
        return load_mapping(mapping, overrides), f"a table, read by {mapping}"
    if format_ == "csv" and not explain:
        raise typer.BadParameter("csv needs --mapping MAP.toml. `tidemark import --explain FILE` proposes one.")
    product = None if format_ == "csv" else format_
    detected = detect_preset(file, product, max_size, date_formats=overrides.get("date_formats"))
    if detected is None:
        if explain:
            return None, "unknown"
        raise MappingError(describe_unknown(file, product, max_size))
    preset = detected.preset
    variant = "" if preset.name == preset.product else f" ({preset.name})"
    return validate_mapping(detected.mapping, overrides), f"an export of {preset.product}{variant}"


def _explain(file: Path, mapping: Mapping | None, label: str, max_size: int, write: Path | None) -> None:
    """Show the format of a file, a mapping for it, and its first rows."""
    if label == "events":
        print_line(f"{file} has one structured CloudEvent on each line.")
        return
    if mapping is None:
        sample = read_sample(file, None, max_size)
        text = propose_mapping(sample, file.stem)
        print_line(f"{file} is not an export of a known product. Its columns are {', '.join(sample.header)}.")
        if write:
            write.write_text(text)
            print_line(f"A mapping to complete is in {write}.")
        else:
            print_line(f"A mapping to complete:\n\n{text}")
        if "TODO" in text.replace('# timezone = "TODO"', "").partition("\n")[2]:
            return
        mapping = parse_mapping(text)
    else:
        print_line(f"{file}: recognized as {label}.")
    with open_mapped(file, mapping, row_templates(mapping), max_size) as table:
        rows = list(islice(parse_rows(table.records, mapping, datetime.now(UTC)), _EXPLAINED_ROWS))
    print_line("\nThe first rows: line, start, duration, person, contract, account")
    for cells in describe_rows(rows):
        print_line("  " + "  ".join(filter(None, cells)))


def _confirm_deletion(count: int, shown: list[str]) -> bool:
    if not sys.stdin.isatty():
        return False
    print_line(f"The file lacks {count} of the worklogs that an earlier import brought:")
    print_line("\n".join(f"  {line}" for line in [*shown, *(["…"] if count > len(shown) else [])]))
    return typer.confirm("Delete them?")


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


def _summary_lines(summary: ImportSummary, label: str) -> Iterator[str]:
    yield f"{summary.file}: {summary.rows:,} rows"
    if summary.read_as:
        yield f"  Read as {label} ({summary.read_as})"
    if summary.created:
        yield f"  Created: {', '.join(summary.created)}"
    yield f"  {summary.taken:,} taken ({summary.sent:,} records sent, {summary.unchanged:,} unchanged since last time)"
    if summary.unaccounted is not None:
        yield f"    {sum(summary.unaccounted.values()):,} of these do not count"
        yield from (f"      {count:>9,} {reason}" for reason, count in summary.unaccounted.items())
    yield f"  {summary.repeated:,} repeated"
    if summary.deleted:
        yield f"  {summary.deleted:,} of an earlier import deleted"
    yield f"  {sum(summary.refused.values()):,} refused"
    for reason, count in summary.refused.items():
        yield f"      {count:>9,} {reason}"
        examples = [row for row in summary.refusals if row.reason == reason][:_MAX_EXAMPLES]
        yield from map(_example_line, examples)
    yield from summary.problems


def _example_line(row: RefusedRow) -> str:
    return f"                line {row.line}: {row.message}"
