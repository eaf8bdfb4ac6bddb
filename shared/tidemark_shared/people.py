"""Persons who were forgotten, in the database: recognised where they arrive again, and replaced where they are."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypedDict, TypeVar

from tidemark_shared.database import Connection, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.domain.people import ForgottenPerson, Identity, Pseudonyms, parse_people
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.events import PersonForgotten

_log = get_logger()
_sql: SharedQueries = queries("tidemark_shared")
_Record = TypeVar("_Record", bound=Any)


async def load_pseudonyms(connection: Connection) -> Pseudonyms | None:
    """The pseudonyms of all who were forgotten, or None. Nobody else is forgotten until the transaction ends."""
    await _sql.lock_forgotten_people_shared(connection)
    rows = [row async for row in _sql.forgotten_people(connection)]
    return Pseudonyms(parse_people(rows)) if rows else None


async def save_person(
    connection: Connection,
    person: ForgottenPerson,
    *,
    version: int,
    forgotten_at: datetime,
    forgotten_by: str | None = None,
) -> None:
    """Remember a person who is to be recognised. Waits for the transactions of :func:`load_pseudonyms`."""
    await _sql.limit_forgetting_wait(connection)
    await _sql.lock_forgotten_people(connection)
    await _sql.save_forgotten_person(
        connection,
        id=person.id,
        version=version,
        key=person.key,
        person_digest=person.person_digest,
        digests=sorted(person.digests),
        forgotten_at=forgotten_at,
        forgotten_by=forgotten_by,
    )


async def save_people(connection: Connection, events: Sequence[PersonForgotten]) -> list[ForgottenPerson]:
    """Remember the persons of events. Returns them."""
    for event in events:
        await save_person(connection, event.person, version=event.version, forgotten_at=event.forgotten_at)
    return [event.person for event in events]


async def rewrite_rows(connection: Connection, pseudonyms: Pseudonyms) -> int:
    """Replace the texts of persons in all tables of the service. Returns how many rows had one.

    The tables are those of the catalogue, so a new one is not missed. Rows are locked, and large tables are read once.
    """
    if not pseudonyms.texts:
        return 0
    await _sql.begin_rewriting(connection)
    rows = [row async for row in _sql.rows_with_texts(connection, texts=pseudonyms.searched_texts)]
    count = 0
    for row in rows:
        if changed := _rewrite_columns(json.loads(row["content"]), pseudonyms, row["relation"]):
            count += 1
            await _sql.rewrite_row(
                connection, relation=row["relation"], row_id=row["row_id"], content=json.dumps(changed)
            )
    _log.info("person_forgotten", rows=count)
    return count


def replace_record(record: _Record, pseudonyms: Pseudonyms) -> _Record:
    """A record of Kafka with pseudonyms in its value."""
    value = record.value and replace_bytes(record.value, pseudonyms)
    return record if value == record.value else replace(record, value=value)


def replace_bytes(content: bytes, pseudonyms: Pseudonyms) -> bytes:
    """JSON in bytes with pseudonyms. What is no JSON is searched as text."""
    try:
        value = json.loads(content)
    except ValueError:
        text = content.decode(errors="surrogateescape")
        replaced = pseudonyms.replace(text)
        return content if replaced == text else str(replaced).encode(errors="surrogateescape")
    replaced = pseudonyms.replace(value)
    return content if replaced == value else json.dumps(replaced, separators=(",", ":")).encode()


def _rewrite_columns(content: dict[str, Sequence[Any]], pseudonyms: Pseudonyms, relation: str) -> dict[str, Any]:
    """The columns of a row that change. Text columns of a row belong together, as the members of a body do."""
    texts = {name: value for name, (type_, value) in content.items() if type_ in {"text", "_text"}}
    # A token is named for who uses it.
    key = {"name": "actor"} if relation == "tokens" else {}
    columns = pseudonyms.replace({key.get(name, name): value for name, value in texts.items()})
    replaced = {name: columns[key.get(name, name)] for name in texts}
    for name, (type_, value) in content.items():
        if type_ == "jsonb":
            replaced[name] = pseudonyms.replace(value, name)
        elif type_ == "bytea" and value:
            replaced[name] = "\\x" + replace_bytes(bytes.fromhex(value[2:]), pseudonyms).hex()
    return {name: value for name, value in replaced.items() if value != content[name][1]}


class IdentityRow(TypedDict):
    """A row of the query ``person_identities``, which each service has."""

    person_id: str | Any
    name: str | Any
    email: str | Any


def identities(rows: Sequence[IdentityRow]) -> list[Identity]:
    """The identities in rows of a query."""
    return [Identity(row["person_id"], row["name"], row["email"]) for row in rows]
