"""Persons who were forgotten: a pseudonym replaces them in webhooks that wait (SPEC W8).

Only the ids in a webhook are read, so its texts can go. What the tracker shows is replaced by who reads the events.
"""

import json
from typing import Any

from tidemark_intake.database.query_types import IntakeQueries
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.people import Pseudonyms
from tidemark_shared.messaging.batches import Batch, decode_batch
from tidemark_shared.messaging.events import PERSON_FORGOTTEN
from tidemark_shared.messaging.topics import DIRECTORY
from tidemark_shared.people import load_pseudonyms, replace_bytes, save_people

_sql: IntakeQueries = queries("tidemark_intake")

_WRITTEN = frozenset({"comment", "description"})


async def handle_directory(connection: Connection, batch: Batch) -> None:
    """Remember persons who were forgotten, and replace them in the webhooks that wait."""
    received = await decode_batch(connection, DIRECTORY, batch)
    if events := [event.data for _, event in received if event.type == PERSON_FORGOTTEN]:
        pseudonyms = Pseudonyms(await save_people(connection, events))
        rows = [row async for row in _sql.load_waiting_bodies(connection)]
        for row in rows:
            if (body := _replace(row["body"], pseudonyms)) != row["body"]:
                await _sql.rewrite_body(connection, source_id=row["source_id"], id=row["id"], body=body)


async def replace_people(connection: Connection, body: bytes) -> bytes:
    """A webhook that arrives, without those who were forgotten before."""
    pseudonyms = await load_pseudonyms(connection)
    return _replace(body, pseudonyms) if pseudonyms else body


def _replace(body: bytes, pseudonyms: Pseudonyms) -> bytes:
    """The webhook with pseudonyms; without what was written in it, if it had one of the persons."""
    replaced = replace_bytes(body, pseudonyms)
    return body if replaced == body else json.dumps(_without_texts(json.loads(replaced))).encode()


def _without_texts(value: Any) -> Any:
    match value:
        case dict():
            return {name: None if name in _WRITTEN else _without_texts(member) for name, member in value.items()}
        case list():
            return [_without_texts(item) for item in value]
    return value
