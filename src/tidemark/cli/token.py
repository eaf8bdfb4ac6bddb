"""``tidemark token``: tokens for the HTTP API (SPEC 4), registered and revoked at every service."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import typer
from pydantic import BaseModel, TypeAdapter

from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, load_settings
from tidemark.cli.output import Column, Record, print_line, print_records, report_errors
from tidemark.stack.up import SERVICES
from tidemark_shared.database import json_rows, open_connection, queries
from tidemark_shared.database.query_types import SharedQueries, TokensTableRow
from tidemark_shared.http import tokens
from tidemark_shared.settings import Settings, require_setting

_sql: SharedQueries = queries("tidemark_shared")

app = typer.Typer(help="Tokens for the HTTP API.", no_args_is_help=True)

# The part of an id that fits in a table of 80 columns, and that is enough to name a token.
_SHORT_ID_LENGTH = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RegisteredToken(BaseModel):
    """A token in a service's database. A token that was revoked without being registered has an id only."""

    id: str
    name: str | None = None
    role: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class UnknownTokenError(Exception):
    """No token, or more than one, matches."""


_token_list = TypeAdapter(list[RegisteredToken])


def _day(member: str) -> Callable[[Record], str]:
    return lambda token: f"{token[member].astimezone(UTC):%Y-%m-%d}" if token[member] else ""


_COLUMNS = (
    Column("Name", "name"),
    Column("Role", "role", wrap=False),
    Column("Created", _day("created_at"), wrap=False),
    Column("Expires", _day("expires_at"), wrap=False),
    Column("Revoked", _day("revoked_at"), wrap=False),
    Column("Id", lambda token: token["id"][:_SHORT_ID_LENGTH], wrap=False),
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The user of the token; it is the actor in every history.")],
    role: Annotated[tokens.UserRole, typer.Option(help="What it may do; each role includes those before it.")],
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day it is no longer accepted, UTC.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a token and print it. It is shown only once."""
    now, expires_at, id_ = datetime.now(UTC), expires and expires.replace(tzinfo=UTC), str(uuid4())
    with report_errors():
        settings = load_settings(data_dir)
        secret = require_setting(settings.secret, "secret")
        token = tokens.issue_token(secret, name, role, id_=id_, now=now, expires=expires_at)
        registered = RegisteredToken(id=id_, name=name, role=role, created_at=now, expires_at=expires_at)
        asyncio.run(_save_tokens(settings, [registered]))
    print_line(token)


@app.command("list")
def list_(*, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List the tokens, oldest first. Days are UTC."""
    with report_errors():
        registered = asyncio.run(_load_tokens(load_settings(data_dir)))
    print_records(_token_list.dump_python(registered), _COLUMNS, as_json=as_json, as_csv=as_csv)


@app.command()
def revoke(
    name_or_id: Annotated[
        str, typer.Argument(help="A name, for all its tokens; or an id, or the first characters of one.")
    ],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Revoke tokens. They are rejected from now on."""
    with report_errors(UnknownTokenError):
        asyncio.run(_revoke(load_settings(data_dir), name_or_id, datetime.now(UTC)))


def select_tokens(registered: Sequence[RegisteredToken], name_or_id: str) -> list[RegisteredToken]:
    """The tokens with this id, else with this name, else with an id that starts with these 8 or more characters.

    An unregistered id is a token too: it was signed before tokens were registered. Raises :class:`UnknownTokenError`.
    """
    by_id = [token for token in registered if token.id == name_or_id]
    by_name = [token for token in registered if token.name == name_or_id]
    if selected := by_id or by_name:
        return selected
    is_prefix = len(name_or_id) >= _SHORT_ID_LENGTH
    by_prefix = [token for token in registered if is_prefix and token.id.startswith(name_or_id)]
    if len(by_prefix) > 1:
        raise UnknownTokenError(f"Several ids start with {name_or_id}. `tidemark token list --json` shows full ids.")
    return by_prefix or [RegisteredToken(id=_parse_id(name_or_id))]


def _parse_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise UnknownTokenError(f"No token has the name or id {text!r}. `tidemark token list` shows them.") from None


async def _revoke(settings: Settings, name_or_id: str, now: datetime) -> None:
    selected = select_tokens(await _load_tokens(settings), name_or_id)
    revoked = [token.model_copy(update={"revoked_at": token.revoked_at or now}) for token in selected]
    await _save_tokens(settings, revoked)
    for token in selected:
        result = f"had been revoked on {token.revoked_at:%Y-%m-%d}" if token.revoked_at else "is revoked"
        print_line(f"{token.id} ({token.name or 'not registered'}) {result}.")


async def _save_tokens(settings: Settings, registered: list[RegisteredToken]) -> None:
    rows = json_rows(TokensTableRow, [token.model_dump(mode="json") for token in registered])
    for service in SERVICES:
        async with open_connection(settings.service_database_url(service), search_path=service) as connection:
            await _sql.upsert_tokens(connection, tokens=rows)


async def _load_tokens(settings: Settings) -> list[RegisteredToken]:
    """Every token, oldest first. A token counts as revoked once every service has revoked it."""
    copies_by_id: dict[str, list[RegisteredToken]] = {}
    for service in SERVICES:
        async with open_connection(settings.service_database_url(service), search_path=service) as connection:
            async for row in _sql.list_tokens(connection):
                copies_by_id.setdefault(row["id"], []).append(RegisteredToken(**row))
    merged = map(_merge_copies, copies_by_id.values())
    return sorted(merged, key=lambda token: (token.created_at or _EPOCH, token.id))


def _merge_copies(copies: Sequence[RegisteredToken]) -> RegisteredToken:
    is_revoked = len(copies) == len(SERVICES) and all(copy.revoked_at for copy in copies)
    return copies[0] if is_revoked else copies[0].model_copy(update={"revoked_at": None})
