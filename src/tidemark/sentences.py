"""What the command line says: tables as wide as the terminal, and sentences in the place of tracebacks."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import typer
from aiokafka.errors import KafkaError
from rich.console import Console, RenderableType

from tidemark.stack.processes import StackError
from tidemark_shared.settings import MissingSettingError


def show(what: RenderableType) -> None:
    """Print a table. Names in it are shown as they are, whatever brackets or colons they hold."""
    Console(markup=False, emoji=False, highlight=False).print(what)


@contextmanager
def sentences(*errors: type[Exception]) -> Iterator[None]:
    """End the command with status 1 and a sentence where one of ``errors``, or what is needed, is in the way."""
    told: tuple[type[Exception], ...] = (StackError, MissingSettingError, *errors)
    try:
        yield
    except told as error:
        why = str(error)
    except asyncpg.UndefinedTableError:
        why = "A table is missing. `tidemark migrate` brings the tables of all services to the newest form."
    except (OSError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = f"Something that is needed does not answer ({error!r}). `tidemark env` shows what is where."
    else:
        return
    typer.echo(why, err=True)
    raise typer.Exit(1)
