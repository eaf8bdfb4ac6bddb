"""Persons who were forgotten: a pseudonym takes their place in the logs and in what was folded from them (SPEC W8).

The facts become those that a source would have sent with the pseudonym and without a description. What is folded from
them is the same, so `verify`, `rebuild` and earlier moments have the same figures.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_shared.chunks import chunks
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.people import Pseudonyms
from tidemark_shared.messaging.events import PersonForgotten, canonical_json, format_timestamp
from tidemark_shared.people import identities, rewrite_rows, save_people

_sql: ConsumptionQueries = queries("tidemark_consumption")

_CHUNK_ROWS = 20_000


async def forget_people(connection: Connection, events: Sequence[PersonForgotten]) -> None:
    """Replace the persons in all tables, and remember them for what arrives later. No work is counted meanwhile."""
    if not events:
        return
    # First the projector, which never waits for the lock of those who append.
    await _sql.lock_projection(connection)
    people = await save_people(connection, events)
    rows = [row async for row in _sql.person_identities(connection)]
    pseudonyms = Pseudonyms(people).with_identities(identities(rows))
    for author in pseudonyms.person_ids:
        if person := pseudonyms.find_person(author):
            await _rewrite_author(connection, author, person.pseudonym)
    await rewrite_rows(connection, pseudonyms)


def _digest(members: Mapping[str, str | int | None], pseudonym: str) -> bytes:
    return sha256(canonical_json({**members, "author_id": pseudonym, "description": None})).digest()


async def _rewrite_author(connection: Connection, author: str, pseudonym: str) -> None:
    facts: list[Any] = [row async for row in _sql.facts_of(connection, author=author)]
    for chunk in chunks(facts, _CHUNK_ROWS):
        await _sql.rewrite_facts(
            connection,
            pseudonym=pseudonym,
            batches=[fact["batch"] for fact in chunk],
            offsets=[fact["record_offset"] for fact in chunk],
            digests=[_digest(_fact_members(fact), pseudonym) for fact in chunk],
        )
    await _sql.rename_author(connection, author=author, pseudonym=pseudonym)


def _fact_members(fact: Mapping[str, Any]) -> dict[str, str | int | None]:
    return {
        "worklog_id": fact["worklog_id"],
        "issue_id": fact["issue_id"],
        "started_at": format_timestamp(fact["started_at"]),
        "seconds": fact["seconds"],
        "team_id": fact["team_ref"],
        "updated_at": format_timestamp(fact["changed_at"]),
    }
