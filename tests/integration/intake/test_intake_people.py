"""A person who is forgotten is in no webhook that waits or arrives; what is read of it is the same."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from event_builders import record

from tidemark_intake.database.query_types import IntakeQueries
from tidemark_intake.people import handle_directory, replace_people
from tidemark_shared.database import Connection, migrate, open_connection, queries
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.events import PERSON_FORGOTTEN
from tidemark_shared.messaging.topics import DIRECTORY

_sql: IntakeQueries = queries("tidemark_intake")
PERSON, NAME, EMAIL, TEXT = "712020:bo-1", "Bo Öberg", "bo@provider.example.com", "Rang Ann an"
KEY = bytes(32)
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def delivery(account: str, name: str, email: str) -> bytes:
    author = {"accountId": account, "displayName": name, "emailAddress": email}
    worklog = {"id": "1", "issueId": "7", "author": author, "comment": TEXT, "timeSpentSeconds": 3600}
    return json.dumps({"webhookEvent": "worklog_created", "worklog": worklog}).encode()


THEIRS, OTHER = delivery(PERSON, NAME, EMAIL), delivery("712020:cy-2", "Cy Doe", "cy@provider.example.com")


def digest(text: str) -> str:
    return hmac.digest(KEY, text.encode(), hashlib.sha256).hex()


def forgotten() -> Batch:
    data = {
        "id": str(UUID(int=7 << 96)), "version": 1, "key": KEY.hex(), "person_digest": digest(PERSON),
        "digests": [digest(NAME.casefold()), digest(EMAIL)], "forgotten_at": "2026-05-01T00:00:00Z",
    }  # fmt: skip
    return Batch("test", DIRECTORY.name, 0, [record(DIRECTORY, PERSON_FORGOTTEN, data)])


@pytest.fixture
async def intake(empty_database: str) -> AsyncIterator[Connection]:
    await migrate(empty_database, "intake")
    async with open_connection(empty_database, search_path="intake") as connection:
        await _sql.register_source(
            connection, id="acme", kind="jira", event_source="/jira/acme", site="https://acme.example"
        )
        yield connection


async def store(connection: Connection, id_: str, body: bytes) -> None:
    await _sql.store_delivery(connection, source_id="acme", id=id_, body=body, received_at=NOW, is_dated=True)


async def bodies(connection: Connection) -> dict[str, Any]:
    rows = [row async for row in _sql.load_deliveries(connection, source_id="acme", max_rows=9)]
    return {row["id"]: row["body"] for row in rows}


async def test_person_is_replaced_in_webhooks_that_wait_and_that_arrive(intake: Connection) -> None:
    await store(intake, "theirs", THEIRS)
    await store(intake, "other", OTHER)
    async with intake.transaction():
        await handle_directory(intake, forgotten())
    async with intake.transaction():
        await store(intake, "late", await replace_people(intake, THEIRS))
        assert await replace_people(intake, OTHER) == OTHER
    stored = await bodies(intake)
    assert stored["other"] == OTHER
    for name in ("theirs", "late"):
        text = json.dumps(json.loads(stored[name]), ensure_ascii=False)
        assert [part for part in (PERSON, NAME, EMAIL, TEXT) if part in text] == []
        assert text.count("forgotten-000000070000") == 3
        worklog = json.loads(stored[name])["worklog"]
        assert (worklog["id"], worklog["issueId"], worklog["comment"]) == ("1", "7", None)


async def test_other_events_of_the_directory_change_nothing(intake: Connection) -> None:
    await store(intake, "theirs", THEIRS)
    other = {"id": str(UUID(int=1)), "version": 1, "name": "Acme", "timezone": "UTC", "contacts": []}
    batch = Batch("test", DIRECTORY.name, 0, [record(DIRECTORY, "tidemark.organization.changed.v1", other)])
    async with intake.transaction():
        await handle_directory(intake, batch)
    assert await bodies(intake) == {"theirs": THEIRS}
