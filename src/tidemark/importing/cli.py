"""The commands of an import, for ``tidemark.cli`` to register: arguments in, sentences and tables out."""

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tidemark import stack
from tidemark.importing import figures
from tidemark.importing.api import ApiError
from tidemark.importing.files import FileError, open_text
from tidemark.importing.mapping import MappingError
from tidemark.importing.rows import Refusal
from tidemark.importing.run import Order, Summary, import_csv, import_events, publish_events
from tidemark.stack.up import settings as settings_of
from tidemark_shared.settings import MissingSettingError, Settings

_EXAMPLES = 3


class Format(StrEnum):
    """The formats that `tidemark import` reads."""

    csv = "csv"
    jsonl = "jsonl"


DataDir = Annotated[Path, typer.Option(help="The stack to take settings from that the environment does not give.")]


def import_file(  # noqa: PLR0917 - typer's arguments
    file: Annotated[Path, typer.Argument(help="The file: plain, or compressed with xz, gzip or zstd.")],
    format_: Annotated[Format, typer.Option("--format", help="csv, or jsonl: a structured CloudEvent a line.")],
    mapping: Annotated[Path | None, typer.Option(help="For csv: what the columns mean (see examples/).")] = None,
    planned: Annotated[Path | None, typer.Option(help="For csv: a file of planned time, read by [planned].")] = None,
    state: Annotated[
        Path | None, typer.Option(help="What imports remember of what they sent; default: imports in the data dir.")
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for everything to be counted; 0 to not wait.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary for programs.")] = False,  # noqa: FBT002
    data_dir: DataDir = Path(".tidemark"),
) -> None:
    """Import worklogs from a file, with the organizations, teams and contracts that they name.

    Repeat it at will: what is there is used, what was sent is not sent again, a killed import goes on.
    """
    if format_ is Format.csv and mapping is None:
        raise typer.BadParameter("csv needs --mapping MAP.toml; examples/cesaw.toml is one to copy.")
    with _sentences(), _progress() as progress:
        order = Order(settings(data_dir), state or data_dir / "imports", wait, datetime.now(UTC), progress)
        summary = import_csv(file, mapping, planned, order) if mapping else import_events(file, order)
    if as_json:
        typer.echo(json.dumps({**summary._asdict(), "refusals": [one._asdict() for one in summary.refusals]}))
    else:
        typer.echo("\n".join(_told(summary)))
    if summary.problems:
        raise typer.Exit(1)


def publish(
    file: Annotated[Path, typer.Argument(help="A structured CloudEvent a line; - reads standard input.")] = Path("-"),
    data_dir: DataDir = Path(".tidemark"),
) -> None:
    """Publish worklog events as they are to `worklog.events`, once each has been checked."""
    with _sentences(), open_text(file) as lines:
        published, refusals = publish_events(lines, settings(data_dir), datetime.now(UTC))
    typer.echo(f"{published:,} published, {len(refusals):,} refused.")
    for refusal in refusals:
        typer.echo(f"line {refusal.line}: {refusal.sentence}", err=True)
    if refusals:
        raise typer.Exit(1)


def status(
    contract: Annotated[str, typer.Argument(help="A contract's code or id.")],
    data_dir: DataDir = Path(".tidemark"),
) -> None:
    """Show a contract's planned and executed hours by account and team in its current period."""
    with _sentences():
        Console().print(asyncio.run(figures.table(settings(data_dir), contract, datetime.now(UTC))))


def settings(data_dir: Path) -> Settings:
    """From the environment, and what that leaves out from the stack that runs in ``data_dir``."""
    running = {name: value for name, value in stack.environment(data_dir).items() if name not in os.environ}
    return settings_of(running)


@contextmanager
def _sentences() -> Iterator[None]:
    """What a person can mend is told in a sentence, without a traceback or a library's log."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        yield
    except (MappingError, FileError, ApiError, figures.UnknownContractError, MissingSettingError) as error:
        why = str(error)
    except KafkaError as error:
        why = f"Kafka did not take everything ({error}). Have it in reach and run this again: it goes on."
    except (OSError, asyncpg.PostgresError) as error:
        why = f"Something that is needed does not answer ({error}). `tidemark env` shows what is where."
    else:
        return
    typer.echo(why, err=True)
    raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Any]:
    """A bar on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*shown, console=console, disable=not console.is_terminal) as bar:
        stages: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(stage, total=total)
            bar.update(stages[stage], completed=done, total=total)

        yield progress


def _told(summary: Summary) -> Iterator[str]:
    yield f"{summary.file}: {summary.rows:,} rows"
    yield f"  {summary.taken:,} taken ({summary.sent:,} records sent, {summary.unchanged:,} unchanged since last time)"
    if summary.unaccounted is not None:
        yield f"    of these {sum(summary.unaccounted.values()):,} do not count"
        yield from (f"      {count:>9,} {reason}" for reason, count in summary.unaccounted.items())
    yield f"  {summary.repeated:,} repeated"
    yield f"  {sum(summary.refused.values()):,} refused"
    for reason, count in summary.refused.items():
        yield f"      {count:>9,} {reason}"
        yield from map(_example, [one for one in summary.refusals if one.reason == reason][:_EXAMPLES])
    yield from summary.problems


def _example(refusal: Refusal) -> str:
    return f"                line {refusal.line}: {refusal.sentence}"
