"""``tidemark token``: who may use the HTTP API (SPEC 4). Registered, and revoked, at every service."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
import typer
from pydantic import BaseModel, TypeAdapter
from rich import box
from rich.table import Table

from tidemark.importing.cli import DataDir, settings
from tidemark.sentences import sentences, show
from tidemark.stack.up import SERVICES
from tidemark_shared.database import Connection, queries
from tidemark_shared.http import tokens
from tidemark_shared.settings import Settings, require_setting

_sql = queries("tidemark_shared")

app = typer.Typer(help="Tokens for the HTTP API.", no_args_is_help=True)

# Of an id, what a table of 80 columns has room for, and what is enough to name a token by.
_SHORT = 8
_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


class Registered(BaseModel):
    """A token as the services know it; all but the id is null for one that was made elsewhere and revoked by its id."""

    id: str
    name: str | None = None
    role: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


_listed = TypeAdapter(list[Registered])


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who uses it: the actor in every history.")],
    role: Annotated[tokens.Role, typer.Option(help="What it may do; each role may do what those before it may.")],
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day it is refused, UTC.")
    ] = None,
    data_dir: DataDir = Path(".tidemark"),
) -> None:
    """Print a new token. It is shown this once."""
    now, until, id_ = datetime.now(UTC), expires and expires.replace(tzinfo=UTC), str(uuid4())
    with sentences():
        told = settings(data_dir)
        token = tokens.issue_token(require_setting(told.secret, "secret"), name, role, id_=id_, now=now, expires=until)
        asyncio.run(_keep(told, [Registered(id=id_, name=name, role=role, created_at=now, expires_at=until)]))
    typer.echo(token)


@app.command("list")
def list_(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print them for programs.")] = False,
    data_dir: DataDir = Path(".tidemark"),
) -> None:
    """Show the tokens that were made, the oldest first. Days are UTC."""
    with sentences():
        found = asyncio.run(_read(settings(data_dir)))
    if as_json:
        typer.echo(_listed.dump_json(found))
    else:
        show(_table(found))


@app.command()
def revoke(
    name_or_id: Annotated[str, typer.Argument(help="A name, for all its tokens; or an id, or how it begins.")],
    data_dir: DataDir = Path(".tidemark"),
) -> None:
    """Have tokens refused from now on."""
    with sentences(UnknownTokenError):
        asyncio.run(_revoke(settings(data_dir), name_or_id, datetime.now(UTC)))


class UnknownTokenError(Exception):
    """Nothing, or more than one token, is called so."""


def named(found: Sequence[Registered], name_or_id: str) -> list[Registered]:
    """The tokens that are meant: by id, else by name, else by the first 8 or more characters of the id.

    An id that nobody registered is one too: it was signed before tokens were. Raises :class:`UnknownTokenError`.
    """
    by_id = [one for one in found if one.id == name_or_id]
    by_name = [one for one in found if one.name == name_or_id]
    beginning = [one for one in found if len(name_or_id) >= _SHORT and one.id.startswith(name_or_id)]
    if chosen := by_id or by_name:
        return chosen
    if len(beginning) > 1:
        raise UnknownTokenError(f"Several ids begin with {name_or_id}. `tidemark token list --json` shows them whole.")
    return beginning or [Registered(id=_id(name_or_id))]


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise UnknownTokenError(f"No token has the name or id {text!r}. `tidemark token list` shows them.") from None


async def _revoke(told: Settings, name_or_id: str, now: datetime) -> None:
    chosen = named(await _read(told), name_or_id)
    await _keep(told, [one.model_copy(update={"revoked_at": one.revoked_at or now}) for one in chosen])
    for one in chosen:
        was = f"had been revoked on {one.revoked_at:%Y-%m-%d}" if one.revoked_at else "is revoked"
        typer.echo(f"{one.id} ({one.name or 'made elsewhere'}) {was}.")


async def _keep(told: Settings, changed: list[Registered]) -> None:
    for service in SERVICES:
        async with _connected(told, service) as connection:
            await _sql.upsert_tokens(connection, tokens=_listed.dump_json(changed).decode())


async def _read(told: Settings) -> list[Registered]:
    """Every token, the oldest first; one is revoked once every service knows it."""
    known: dict[str, list[Registered]] = {}
    for service in SERVICES:
        async with _connected(told, service) as connection:
            async for row in _sql.tokens(connection):
                known.setdefault(row["id"], []).append(Registered(**row))
    return sorted(map(_agreed, known.values()), key=lambda one: (one.created_at or _BEFORE, one.id))


def _agreed(copies: Sequence[Registered]) -> Registered:
    revoked = len(copies) == len(SERVICES) and all(one.revoked_at for one in copies)
    return copies[0] if revoked else copies[0].model_copy(update={"revoked_at": None})


@asynccontextmanager
async def _connected(told: Settings, service: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(told.service_database_url(service), server_settings={"search_path": service})
    try:
        yield connection
    finally:
        await connection.close()


def _table(found: Sequence[Registered]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("Name", overflow="fold")
    for heading in ("Role", "Created", "Expires", "Revoked", "Id"):
        shown.add_column(heading, no_wrap=True)
    for one in found:
        days = (
            f"{at.astimezone(UTC):%Y-%m-%d}" if at else "" for at in (one.created_at, one.expires_at, one.revoked_at)
        )
        shown.add_row(one.name or "", one.role or "", *days, one.id[:_SHORT], style="dim" if one.revoked_at else "")
    return shown
