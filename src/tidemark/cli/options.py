"""Options that several commands have, and the settings that a command uses."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from tidemark import program
from tidemark.importing.files import parse_size
from tidemark.stack.state import load_environment
from tidemark.stack.up import settings_from
from tidemark_shared.messaging import kafka
from tidemark_shared.settings import Settings

DEFAULT_DATA_DIR = program.DEFAULT_DATA_DIR

DataDir = Annotated[
    Path, typer.Option(help="The data directory of a running stack, for settings that the environment does not give.")
]
MaxSize = Annotated[
    int,
    typer.Option(
        "--max-size",
        metavar="SIZE",
        parser=lambda value: parse_size(str(value)),
        help="Refuse a file that is larger, unpacked; such as 500M or 2G.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV for spreadsheets.")]


def parse_choice(literal: Any) -> Callable[[str], str]:
    """The parser of one of the values of a ``Literal``, in any case. Typer has none where an option can be repeated."""
    values: tuple[str, ...] = get_args(literal)

    def parse(text: str) -> str:
        for value in values:
            if value.casefold() == text.casefold():
                return value
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, values))}.")

    return parse


def load_settings(data_dir: Path) -> Settings:
    """The settings of the environment; settings that it lacks come from the stack that runs in ``data_dir``."""
    stack_environment = load_environment(data_dir)
    settings = settings_from({name: value for name, value in stack_environment.items() if name not in os.environ})
    kafka.use_settings(settings)
    return settings
