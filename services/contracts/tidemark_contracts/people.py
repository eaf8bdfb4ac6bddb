"""Forget a person: a pseudonym takes their place in every table, and an event tells the other services (SPEC W8)."""

import json
import secrets
from collections.abc import Collection
from datetime import datetime
from uuid import uuid4

from tidemark_contracts.database.query_types import ContractsQueries
from tidemark_contracts.directory.resources import ORGANIZATION, RATE_CARD, TEAM
from tidemark_contracts.events import event_record
from tidemark_shared.database import Connection, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.domain.people import ForgottenPerson, Pseudonyms, digest_person, digest_text, parse_people
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.events import PERSON_FORGOTTEN, PersonForgotten
from tidemark_shared.messaging.topics import DIRECTORY
from tidemark_shared.people import identities, rewrite_rows, save_person

_sql: ContractsQueries = queries("tidemark_contracts")
_shared_sql: SharedQueries = queries("tidemark_shared")

_RESOURCES = {resource.kind: resource for resource in (ORGANIZATION, TEAM, RATE_CARD)}
_KEY_BYTES = 32


class StillNeededError(Exception):
    """The person owns contracts, is a contact, or has a token. The argument lists where."""


async def forget_person(
    connection: Connection, person_id: str, texts: Collection[str], *, now: datetime, actor: str
) -> PersonForgotten:
    """Replace a person in the tables of this service, and publish it. Forgotten again, the pseudonym stays.

    ``texts`` are names and addresses beside those that teams have. Raises :class:`StillNeededError`.
    """
    await _sql.lock_for_forgetting(connection)
    person, version = await _find_or_create(connection, person_id)
    known = person._replace(digests=person.digests | {digest_text(person.key, text) for text in texts})
    rows = [row async for row in _sql.person_identities(connection)]
    pseudonyms = Pseudonyms([known], {person_id, *texts}).with_identities(identities(rows))
    await _require_not_needed(connection, person_id, pseudonyms.texts)
    [person] = pseudonyms.people
    event = PersonForgotten(
        id=person.id,
        version=version,
        key=person.key.hex(),
        person_digest=person.person_digest.hex(),
        digests=sorted(digest.hex() for digest in person.digests),
        forgotten_at=now,
    )
    await rewrite_rows(connection, pseudonyms)
    await _sql.rename_rate_cards(connection)
    # After the rows were rewritten: the entry names who asked for it, who may have the name of the person.
    await save_person(connection, person, version=version, forgotten_at=now, forgotten_by=actor)
    await outbox.write_outbox(connection, [event_record(DIRECTORY, person.id, PERSON_FORGOTTEN, event, now)])
    await _publish_directory(connection, person, now)
    return event


async def _find_or_create(connection: Connection, person_id: str) -> tuple[ForgottenPerson, int]:
    rows = [row async for row in _shared_sql.forgotten_people(connection)]
    for person, row in zip(parse_people(rows), rows, strict=True):
        if person.person_digest == digest_person(person.key, person_id):
            return person, row["version"] + 1
    # One key, so that readers need one digest for each text.
    key = rows[0]["key"] if rows else secrets.token_bytes(_KEY_BYTES)
    return ForgottenPerson(uuid4(), key, digest_person(key, person_id), frozenset()), 1


async def _require_not_needed(connection: Connection, person_id: str, texts: Collection[str]) -> None:
    lowered = sorted(text.lower() for text in texts)
    rows = _sql.person_obstacles(
        connection,
        person_id=person_id,
        emails=[text for text in lowered if "@" in text],
        names=[text for text in lowered if "@" not in text],
    )
    if obstacles := [row["description"] async for row in rows]:
        raise StillNeededError(obstacles)


async def _publish_directory(connection: Connection, person: ForgottenPerson, now: datetime) -> None:
    """Publish entities again, at the same version: readers ignore them, and compaction removes those with the person.

    A new version would make consumption move work, and restate closed periods.
    """
    records = []
    async for row in _sql.directory_with_person(connection, pseudonym=person.pseudonym):
        resource = _RESOURCES[row["kind"]]
        data = resource.event_data.model_validate(
            {**json.loads(row["body"]), "id": row["id"], "version": row["version"]}
        )
        records.append(event_record(DIRECTORY, row["id"], resource.event_type, data, now))
    await outbox.write_outbox(connection, records)
