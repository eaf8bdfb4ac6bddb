"""The output of the command line: tables, and error messages instead of tracebacks."""

import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import typer
from aiokafka.errors import KafkaError
from rich.console import Console, RenderableType

from tidemark.stack.processes import StackError
from tidemark_shared.settings import InvalidSettingError

# The host and port in the text of a connection error.
_ADDRESS = re.compile(r"\('([^']+)', (\d+)")


def print_table(table: RenderableType) -> None:
    """Print a table. Brackets and colons in names are not treated as markup."""
    Console(markup=False, emoji=False, highlight=False).print(table)


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
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _unreachable(system: str, error: Exception) -> str:
    address = _ADDRESS.search(str(error))
    return (
        f"Cannot reach {system} at {address[1]}:{address[2]}. Check that it runs."
        if address
        else f"Cannot reach {system} ({error!r}). Check that it runs, and that `tidemark env` shows the right address."
    )
