"""``tidemark dlq``: the dead letters of all services, and their replay by the one that refused them (SPEC 2, 6)."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from tidemark.importing.cli import DataDir, settings
from tidemark.sentences import sentences
from tidemark.sentences import show as tell
from tidemark_shared.database import Connection, connect_pool
from tidemark_shared.log import log_only_errors
from tidemark_shared.messaging import dead_letters
from tidemark_shared.messaging.batches import Handler
from tidemark_shared.settings import Settings

app = typer.Typer(help="Dead letters: records that a service refused.", no_args_is_help=True)


_SERVICES = ("consumption", "notifier")


def _handlers(service: str) -> Mapping[str, Handler]:
    # Loaded here: the code of the services would double the time that every other command takes to start.
    if service == "consumption":
        from tidemark_consumption import app as consumption  # noqa: PLC0415

        return consumption.handlers()
    from tidemark_notifier import app as notifier  # noqa: PLC0415
    from tidemark_notifier.judge import Judge  # noqa: PLC0415

    # It judges at once: the service itself would do so with the next record alone.
    return notifier.handlers(Judge(judging=True))


Ids = Annotated[list[int] | None, typer.Argument(help="Numbers, as `tidemark dlq list` shows them.")]
Service = Annotated[Literal["consumption", "notifier"] | None, typer.Option(help="Of this service alone.")]
Topic = Annotated[str | None, typer.Option(help="Of this topic alone.")]
Reason = Annotated[str | None, typer.Option(help="With this text in the reason.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print for programs.")]
_HERE = Path(".tidemark")

Letter = dict[str, Any]


class ChoiceError(Exception):
    """What was asked for is no dead letter, or more than one."""


@app.command("list")
def list_(
    service: Service = None,
    topic: Topic = None,
    reason: Reason = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that a replay has taken, too.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = _HERE,
) -> None:
    """Show the dead letters that wait, oldest first. Times are UTC."""
    with sentences():
        found = asyncio.run(_listed(settings(data_dir), service, topic=topic, reason=reason, everything=everything))
    if as_json:
        typer.echo(json.dumps(found, default=str))
    else:
        tell(_table(found))


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="A number, as `tidemark dlq list` shows it.")],
    service: Service = None,
    *,
    as_json: AsJson = False,
    data_dir: DataDir = _HERE,
) -> None:
    """Show one dead letter with its key, headers and value: as text where they are text, else in hexadecimal."""
    with sentences(ChoiceError):
        letter = asyncio.run(_shown(settings(data_dir), service, number))
    if as_json:
        typer.echo(json.dumps(letter, default=str))
    else:
        tell(_page(letter))


@app.command()
def replay(
    numbers: Ids = None,
    service: Service = None,
    topic: Topic = None,
    reason: Reason = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that wait and fit the options.")] = False,
    data_dir: DataDir = _HERE,
) -> None:
    """Hand dead letters, as they came, to the service that refused them. Safe to repeat.

    Exit code 1 where one is refused again; it stays in the list with its new reason.
    """
    if everything == bool(numbers):
        raise typer.BadParameter("Name the numbers to replay, or --all.")
    if numbers and (topic or reason):
        raise typer.BadParameter("--topic and --reason choose among --all.")
    log_only_errors()
    with sentences(ChoiceError, dead_letters.UnknownDeadLetterError):
        refused = asyncio.run(_replay(settings(data_dir), service, numbers or [], topic, reason))
    if refused:
        raise typer.Exit(1)


@asynccontextmanager
async def _connected(told: Settings, service: str) -> AsyncIterator[Connection]:
    pool = await connect_pool(told.service_database_url(service), service, size=1)
    async with pool, pool.acquire() as connection:
        yield connection


async def _listed(told: Settings, service: str | None, **wanted: Any) -> list[Letter]:
    found: list[Letter] = []
    for name in [service] if service else _SERVICES:
        async with _connected(told, name) as connection:
            found += await dead_letters.list_dead_letters(connection, **wanted)
    return sorted(found, key=lambda letter: (letter["received_at"], letter["id"]))


async def _one(told: Settings, service: str | None, number: int) -> Letter:
    """The dead letter of this number; services with databases of their own may each have one."""
    found: list[Letter] = []
    for name in [service] if service else _SERVICES:
        async with _connected(told, name) as connection:
            letter = await dead_letters.find_dead_letter(connection, number)
            found += [letter] if letter else []
    if not found:
        raise ChoiceError(f"There is no dead letter {number}. `tidemark dlq list --all` shows what there is.")
    if len(found) > 1:
        raise ChoiceError(f"Several services have a dead letter {number}. Choose one with --service.")
    return found[0]


async def _shown(told: Settings, service: str | None, number: int) -> Letter:
    letter = await _one(told, service, number)
    return {
        **letter,
        "key": _readable(letter["key"]),
        "headers": [[name, _readable(value)] for name, value in letter["headers"]],
        "value": _readable(letter["value"]),
    }


async def _replay(
    told: Settings, service: str | None, numbers: Sequence[int], topic: str | None, reason: str | None
) -> int:
    """Replay in the order in which they were refused; says what became of each. Gives how many were refused again."""
    if numbers:
        chosen = [await _one(told, service, number) for number in sorted(set(numbers))]
    else:
        chosen = await _listed(told, service, topic=topic, reason=reason)
    refused = 0
    for name in sorted({letter["service"] for letter in chosen}):
        those = [letter["id"] for letter in chosen if letter["service"] == name]
        handlers = _handlers(name)
        async with _connected(told, name) as connection:
            for number in those:
                again = await dead_letters.replay_dead_letter(connection, handlers, number, prefix=told.topic_prefix)
                typer.echo(f"{name} {number}: " + (f"refused again: {_printable(again)}" if again else "taken"))
                refused += bool(again)
    typer.echo(f"{len(chosen) - refused:,} taken, {refused:,} refused again.")
    return refused


def _readable(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"hex {raw.hex()}"


def _printable(text: str) -> str:
    """Text of others for a terminal, which control characters would steer."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def _table(found: Sequence[Letter]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD)
    for heading in ("Number", "Service", "Refused"):
        shown.add_column(heading, no_wrap=True)
    shown.add_column("Topic/partition, offset", overflow="fold")
    shown.add_column("Reason", overflow="fold", ratio=1)
    for letter in found:
        shown.add_row(
            str(letter["id"]),
            letter["service"],
            f"{letter['received_at'].astimezone(UTC):%Y-%m-%d %H:%M}",
            f"{letter['topic']}/{letter['partition']}, {letter['record_offset']}",
            Text(_printable(letter["reason"])),
            style="dim" if letter["replayed_at"] else "",
        )
    return shown


def _page(letter: Letter) -> Table:
    shown = Table(box=None, show_header=False)
    shown.add_column(no_wrap=True, style="bold")
    shown.add_column(overflow="fold")
    for name, value in letter.items():
        text = "\n".join(f"{one}: {of}" for one, of in value) if name == "headers" else str(value)
        shown.add_row(name, Text(_printable(text)))
    return shown
