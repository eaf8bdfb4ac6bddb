"""The ``tidemark`` command: one function a command, no logic."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from tidemark import dlq_cli, stack, token_cli, verify_cli
from tidemark.contracts.cli import app as contract
from tidemark.importing import cli as importing
from tidemark.sentences import sentences
from tidemark.stack.up import SERVICES
from tidemark.stack.up import up as run_stack
from tidemark.verify_cli import replayed
from tidemark_shared import database
from tidemark_shared.messaging import kafka
from tidemark_shared.settings import require_setting

# Sentences and tables of our own, no decoration by the library; and its shell completion writes into start-up files.
app = typer.Typer(
    help="Watches service contracts: counts work as it is logged, and warns before a limit is reached.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(contract, name="contract")
app.add_typer(token_cli.app, name="token")
app.add_typer(dlq_cli.app, name="dlq")
app.command("import")(importing.import_file)
app.command()(importing.publish)
app.command()(importing.status)
app.command()(verify_cli.verify)
app.command()(verify_cli.rebuild)

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
    with sentences():
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
    with sentences():
        settings = importing.settings(data_dir)
        for service in SERVICES:
            asyncio.run(database.migrate(settings.service_database_url(service), service))
        if asyncio.run(replayed(settings.service_database_url("consumption"), "rebuild_if_due")):
            typer.echo("A rule of counting changed: the figures of consumption were rebuilt from the facts.")


@app.command()
def topics(
    data_dir: DataDir = _HERE,
    replication: Annotated[int, typer.Option(min=1, help="Brokers that keep a copy of each.")] = 1,
) -> None:
    """Make the Kafka topics that are missing, and print their names."""
    with sentences():
        settings = importing.settings(data_dir)
        servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
        made = kafka.create_topics(servers, prefix=settings.topic_prefix, replication=replication)
        for topic in asyncio.run(made):
            typer.echo(topic)
