"""``tidemark env``: the settings of the running stack."""

from pathlib import Path
from typing import Annotated

import typer

from tidemark.cli.options import DEFAULT_DATA_DIR
from tidemark.cli.output import print_line
from tidemark.program import command_line
from tidemark.stack.state import load_environment
from tidemark.stack.up import SERVICES

_NAMES = (
    "TIDEMARK_DATABASE_URL",
    *(f"TIDEMARK_{service.upper()}_DATABASE_URL" for service in SERVICES),
    "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS",
    "TIDEMARK_TOPIC_PREFIX",
    "TIDEMARK_SMTP_URL",
    "TIDEMARK_API_URL",
    "TIDEMARK_API_TOKEN",
    "TIDEMARK_MAILDIR",
)


def env(
    data_dir: Annotated[Path, typer.Option(help="The data directory of the stack.")] = DEFAULT_DATA_DIR,
) -> None:
    """Print the settings of the running stack as NAME=value lines."""
    environment = load_environment(data_dir)
    if not environment:
        start = command_line(data_dir, "up")
        print_line(f"Tidemark is not running on {data_dir.absolute()}. Start it with `{start}`.", error=True)
        raise typer.Exit(1)
    for name in _NAMES:
        if name in environment:
            print_line(f"{name}={environment[name]}")
