"""What a person can mend is told in a sentence, without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import typer
from aiokafka.errors import KafkaError

from tidemark.stack.processes import StackError
from tidemark_shared.settings import SettingMissingError


@contextmanager
def sentences(*errors: type[Exception]) -> Iterator[None]:
    """End the command with status 1 and a sentence where one of ``errors``, or what is needed, is in the way."""
    told: tuple[type[Exception], ...] = (StackError, SettingMissingError, *errors)
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
