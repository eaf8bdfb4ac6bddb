"""``tidemark dlq``: list, show and replay the dead letters of all services (SPEC 2, 6)."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, load_settings
from tidemark.cli.output import Column, print_json, print_line, print_records, print_table, report_errors
from tidemark_shared.database import Connection, connect_pool
from tidemark_shared.log import log_only_errors
from tidemark_shared.messaging import dead_letters
from tidemark_shared.messaging.batches import Handler
from tidemark_shared.settings import Settings

app = typer.Typer(help="Dead letters: records that a service could not process.", no_args_is_help=True)

_SERVICES = ("contracts", "consumption", "notifier")

Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers, as `tidemark dlq list` shows them.")]
Service = Annotated[
    Literal["contracts", "consumption", "notifier"] | None, typer.Option(help="Only those of this service.")
]
Topic = Annotated[str | None, typer.Option(help="Only those of this topic.")]
Reason = Annotated[str | None, typer.Option(help="Only those with this text in the reason.")]

DeadLetter = dict[str, Any]

_COLUMNS = (
    Column("Number", lambda letter: f"{letter['id']}{' replayed' if letter['replayed_at'] else ''}", wrap=False),
    Column("Service", "service", wrap=False),
    Column("Received", "received_at", wrap=False),
    Column("Topic/partition, offset", "{topic}/{partition}, {record_offset}".format_map),
    Column("Reason", "reason"),
)


class SelectionError(Exception):
    """The number matches no dead letter, or more than one."""


@app.command("list")
def list_(
    service: Service = None,
    topic: Topic = None,
    reason: Reason = None,
    *,
    include_replayed: Annotated[bool, typer.Option("--all", help="Include those that were replayed.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List the dead letters that wait for a replay, oldest first. Times are UTC."""
    with report_errors():
        letters = asyncio.run(
            _list_letters(
                load_settings(data_dir), service, topic=topic, reason=reason, include_replayed=include_replayed
            )
        )
    print_records(letters, _COLUMNS, as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="A number, as `tidemark dlq list` shows it.")],
    service: Service = None,
    *,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show a dead letter with its key, headers and value, as text or in hexadecimal."""
    with report_errors(SelectionError):
        letter = asyncio.run(_load_readable_letter(load_settings(data_dir), service, number))
    if as_json:
        print_json(letter)
    else:
        print_table(_build_details(letter))


@app.command()
def replay(
    numbers: Numbers = None,
    service: Service = None,
    topic: Topic = None,
    reason: Reason = None,
    *,
    replay_all: Annotated[bool, typer.Option("--all", help="All that wait and match the options.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Process dead letters again, unchanged, in the service that rejected them. You can repeat this.

    The exit code is 1 if one is rejected again; it stays in the list with its new reason.
    """
    if replay_all == bool(numbers):
        raise typer.BadParameter("Name the numbers to replay, or --all.")
    if numbers and (topic or reason):
        raise typer.BadParameter("Use --topic and --reason only with --all.")
    log_only_errors()
    with report_errors(SelectionError, dead_letters.UnknownDeadLetterError):
        rejected_count = asyncio.run(_replay(load_settings(data_dir), service, numbers or [], topic, reason))
    if rejected_count:
        raise typer.Exit(1)


def _load_handlers(service: str) -> Mapping[str, Handler]:
    # Imported here: the code of the services would double the start-up time of every other command.
    if service == "consumption":
        from tidemark_consumption import app as consumption  # noqa: PLC0415

        return consumption.handlers()
    if service == "contracts":
        from tidemark_contracts.app import EVENT_HANDLERS  # noqa: PLC0415

        return EVENT_HANDLERS
    from tidemark_notifier.engine.evaluator import Evaluator  # noqa: PLC0415
    from tidemark_notifier.engine.event_handlers import create_event_handlers  # noqa: PLC0415

    # It evaluates immediately: the running service would do so only with the next record.
    return create_event_handlers(Evaluator(is_started=True))


@asynccontextmanager
async def _connect(settings: Settings, service: str) -> AsyncIterator[Connection]:
    pool = await connect_pool(settings.service_database_url(service), service, size=1)
    async with pool, pool.acquire() as connection:
        yield connection


async def _list_letters(settings: Settings, service: str | None, **filters: Any) -> list[DeadLetter]:
    letters: list[DeadLetter] = []
    for name in [service] if service else _SERVICES:
        async with _connect(settings, name) as connection:
            letters += await dead_letters.list_dead_letters(connection, **filters)
    return sorted(letters, key=lambda letter: (letter["received_at"], letter["id"]))


async def _load_letter(settings: Settings, service: str | None, number: int) -> DeadLetter:
    """The dead letter with this number. Services with their own databases can each have one."""
    letters: list[DeadLetter] = []
    for name in [service] if service else _SERVICES:
        async with _connect(settings, name) as connection:
            letter = await dead_letters.find_dead_letter(connection, number)
            letters += [letter] if letter else []
    if not letters:
        raise SelectionError(f"There is no dead letter {number}. `tidemark dlq list --all` shows all dead letters.")
    if len(letters) > 1:
        raise SelectionError(f"Several services have a dead letter {number}. Choose one with --service.")
    return letters[0]


async def _load_readable_letter(settings: Settings, service: str | None, number: int) -> DeadLetter:
    letter = await _load_letter(settings, service, number)
    return {
        **letter,
        "key": _to_text(letter["key"]),
        "headers": [[name, _to_text(value)] for name, value in letter["headers"]],
        "value": _to_text(letter["value"]),
    }


async def _replay(
    settings: Settings, service: str | None, numbers: Sequence[int], topic: str | None, reason: str | None
) -> int:
    """Replay dead letters, oldest first, and print each result. Returns how many were rejected again."""
    if numbers:
        letters = [await _load_letter(settings, service, number) for number in sorted(set(numbers))]
    else:
        letters = await _list_letters(settings, service, topic=topic, reason=reason)
    rejected_count = 0
    for name in sorted({letter["service"] for letter in letters}):
        ids = [letter["id"] for letter in letters if letter["service"] == name]
        handlers = _load_handlers(name)
        async with _connect(settings, name) as connection:
            for id_ in ids:
                new_reason = await dead_letters.replay_dead_letter(
                    connection, handlers, id_, prefix=settings.topic_prefix
                )
                result = f"refused again: {new_reason}" if new_reason else "processed"
                print_line(f"{name} {id_}: {result}")
                rejected_count += bool(new_reason)
    print_line(f"{len(letters) - rejected_count:,} processed, {rejected_count:,} refused again.")
    return rejected_count


def _to_text(content: bytes | None) -> str | None:
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"hex {content.hex()}"


def _build_details(letter: DeadLetter) -> Table:
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for member, content in letter.items():
        is_headers = member == "headers"
        text = "\n".join(f"{name}: {value}" for name, value in content) if is_headers else str(content)
        table.add_row(member, text)
    return table
