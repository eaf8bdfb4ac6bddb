"""``tidemark up``: run everything on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from tidemark.cli.options import DEFAULT_DATA_DIR
from tidemark.cli.output import report_errors
from tidemark.stack.up import run_stack


def up(
    data_dir: Annotated[Path, typer.Option(help="The directory for all data of the stack.")] = DEFAULT_DATA_DIR,
    port: Annotated[
        int, typer.Option(envvar="TIDEMARK_PORT", min=1, max=65_535, help="The port of the address for people.")
    ] = 8000,
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Load demo data on the first start.")] = False,
) -> None:
    """Run everything in the foreground; `ready` means that every part responds."""
    with report_errors():
        run_stack(data_dir, port, demo=demo)
