"""The output of the command line: tables, lines, JSON, and error messages instead of tracebacks.

Names come from other people. Everything that a command prints goes through this module, so that no name can change
the terminal, hide itself, or be read as markup.
"""

import json
import logging
import re
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import typer
from aiokafka.errors import KafkaError
from rich.console import Console, RenderableType
from rich.text import Text

from tidemark.stack.processes import StackError
from tidemark_shared.settings import InvalidSettingError

# The host and port in the text of a connection error.
_ADDRESS = re.compile(r"\('([^']+)', (\d+)")


# Control and format characters (among them escape sequences and changes of the writing direction), lone surrogates,
# and separators of lines. The joiners are part of words and emoji.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SAFE_CHARACTERS = frozenset("\n\u200c\u200d")


def escape(text: str) -> str:
    """Show characters that could change the terminal as escapes, such as a backslash and ``x1b``."""
    return "".join(
        ascii(character)[1:-1]
        if unicodedata.category(character) in _UNSAFE_CATEGORIES and character not in _SAFE_CHARACTERS
        else character
        for character in text
    )


class SafeConsole(Console):
    """A console that escapes every text before it measures it. Brackets and colons are not treated as markup."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert a text, such as a cell of a table."""
        return super().render_str(escape(text), **options)


def print_table(table: RenderableType) -> None:
    """Print a table whose cells are texts."""
    SafeConsole().print(table)


def print_line(text: str, *, error: bool = False) -> None:
    """Print a text on standard output, or on standard error."""
    typer.echo(escape(text), err=error)


def print_json(value: Any) -> None:
    """Print a value for programs, in ASCII."""
    typer.echo(json.dumps(value, default=str))


@contextmanager
def report_errors(*errors: type[Exception], hint: str = "") -> Iterator[None]:
    """Exit with status 1 and a message for the given errors, and for a database or Kafka that fails.

    ``hint`` says what to do after Kafka is available again.
    """
    # Kafka's client logs each failed connection; the message is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    reported: tuple[type[Exception], ...] = (StackError, InvalidSettingError, *errors)
    try:
        yield
    except reported as error:
        message = str(error)
    except asyncpg.UndefinedTableError:
        message = "A table is missing. Run `tidemark migrate` to create or update the tables of all services."
    except KafkaError as error:
        message = f"{_unreachable('Kafka', error)} {hint}".rstrip()
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        message = f"Postgres reports an error: {error}. Run `tidemark env` to see which database is used."
    except OSError as error:
        is_connection = isinstance(error, ConnectionError | TimeoutError | socket.gaierror) or _ADDRESS.search(
            str(error)
        )
        message = _unreachable("Postgres", error) if is_connection else f"{error}."
    else:
        return
    print_line(message, error=True)
    raise typer.Exit(1)


def _unreachable(system: str, error: Exception) -> str:
    address = _ADDRESS.search(str(error))
    return (
        f"Cannot reach {system} at {address[1]}:{address[2]}. Check that it runs."
        if address
        else f"Cannot reach {system} ({error!r}). Check that it runs, and that `tidemark env` shows the right address."
    )
