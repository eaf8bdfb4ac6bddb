"""The ``tidemark`` command: one function a command, no logic."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import asyncpg
import typer
from aiokafka.errors import KafkaError

from tidemark import stack
from tidemark.importing import cli as importing
from tidemark.stack.processes import StackError
from tidemark.stack.up import SERVICES
from tidemark.stack.up import up as run_stack
from tidemark_shared import database, kafka, tokens
from tidemark_shared.settings import SettingMissingError, required

# Sentences and tables of our own, no decoration by the library; and its shell completion writes into start-up files.
app = typer.Typer(
    help="Watches service contracts: counts work as it is logged, and warns before a limit is reached.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
token = typer.Typer(help="Tokens for the HTTP API.", no_args_is_help=True)
app.add_typer(token, name="token")
app.command("import")(importing.import_file)
app.command()(importing.publish)
app.command()(importing.status)

DataDir = Annotated[Path, typer.Option(help="Where the stack keeps everything.")]
_HERE = Path(".tidemark")
_SHOWN = (
    "TIDEMARK_DATABASE_URL",
    *(f"TIDEMARK_{service.upper()}_DATABASE_URL" for service in SERVICES),
    "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS",
    "TIDEMARK_TOPIC_PREFIX",
    "TIDEMARK_SMTP_URL",
    "TIDEMARK_API_URL",
    "TIDEMARK_API_TOKEN",
    "TIDEMARK_MAILDIR",
)


@app.command()
def up(
    data_dir: DataDir = _HERE,
    port: Annotated[
        int, typer.Option(envvar="TIDEMARK_PORT", min=1, max=65_535, help="Of the one address for people.")
    ] = 8000,
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Tell a story first, once a data directory.")] = False,
) -> None:
    """Run everything in the foreground; `ready` says that all of it answers."""
    with _sentences():
        run_stack(data_dir, port, demo=demo)


@app.command()
def env(data_dir: DataDir = _HERE) -> None:
    """Print the settings of the running stack as NAME=value lines."""
    running = stack.environment(data_dir)
    if not running:
        typer.echo(
            f"Nothing runs on {data_dir.absolute()}. Start it with `tidemark up --data-dir {data_dir}`.", err=True
        )
        raise typer.Exit(1)
    for name in _SHOWN:
        if name in running:
            typer.echo(f"{name}={running[name]}")


@app.command()
def serve(process: Literal["contracts", "consumption", "notifier", "web"]) -> None:
    """Run one service, or the web process, in the foreground; settings come from the environment."""
    os.execv(sys.executable, [sys.executable, "-m", f"tidemark_{process}"])  # noqa: S606 - no shell is the point


@app.command()
def migrate(data_dir: DataDir = _HERE) -> None:
    """Bring the tables of all services to the newest form."""
    with _sentences():
        settings = importing.settings(data_dir)
        for service in SERVICES:
            asyncio.run(database.migrate(settings.database(service), service))


@app.command()
def topics(
    data_dir: DataDir = _HERE,
    replication: Annotated[int, typer.Option(min=1, help="Brokers that keep a copy of each.")] = 1,
) -> None:
    """Make the Kafka topics that are missing, and print their names."""
    with _sentences():
        settings = importing.settings(data_dir)
        servers = required(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
        made = kafka.create_topics(servers, prefix=settings.topic_prefix, replication=replication)
        for topic in asyncio.run(made):
            typer.echo(topic)


@token.command()
def create(
    name: Annotated[str, typer.Argument(help="Who uses it: the actor in every history.")],
    role: Annotated[tokens.Role, typer.Option(help="What it may do; each role may do what those before it may.")],
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day it is refused, UTC.")
    ] = None,
    data_dir: DataDir = _HERE,
) -> None:
    """Print a new token."""
    with _sentences():
        secret = required(importing.settings(data_dir).secret, "secret")
    until = expires and expires.replace(tzinfo=UTC)
    typer.echo(tokens.issue(secret, name, role, now=datetime.now(UTC), expires=until))


@contextmanager
def _sentences() -> Iterator[None]:
    """What a person can mend is told in a sentence, without a traceback."""
    try:
        yield
    except (StackError, SettingMissingError) as error:
        why = str(error)
    except (OSError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = f"Something that is needed does not answer ({error!r}). `tidemark env` shows what is where."
    else:
        return
    typer.echo(why, err=True)
    raise typer.Exit(1)
