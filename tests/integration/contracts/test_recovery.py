"""Contracts restored to an earlier moment: it takes back what it published since, and uses no version twice."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest
from aiokafka import ConsumerRecord
from contracts_api import (
    create_active_contract,
    create_organization,
    create_team,
    expect_status,
    post_action,
    put_change,
    run_service,
)
from databases import drop_database
from polling import wait_until

from tidemark_contracts import recovery
from tidemark_contracts.recovery import Recovery
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.kafka import create_topics

TABLES = ("contracts", "contract_references", "directory", "deleted_entities", "offer_events", "offers")
OFFER = {"contract": "ACME-SUP", "account_id": "Help desk", "period_start": "2026-01-01", "hours": "20",
         "reason": "Extra package"}  # fmt: skip
RATES = {"normal": 1, "extra_time": 2, "weekend": 3, "holiday": 4}


@pytest.fixture
async def backup(database, postgres_url):
    """Two functions: one copies the database, whose services have stopped, and one restores the copy."""
    name = database.rpartition("/")[2]
    server = await asyncpg.connect(postgres_url)

    async def copy(new, old):
        async def is_copied():
            try:
                await server.execute(f"CREATE DATABASE {new} TEMPLATE {old} STRATEGY file_copy")
            except asyncpg.ObjectInUseError:  # connections of a stopped service end a moment later
                return False
            return True

        await wait_until(is_copied)

    async def back_up():
        await copy(f"{name}_backup", name)

    async def restore():
        await drop_database(server, name)
        await copy(name, f"{name}_backup")
        await drop_database(server, f"{name}_backup")

    yield back_up, restore
    await server.close()


@asynccontextmanager
async def running(settings):
    async with run_service(settings, reads_topics=True) as api:

        async def is_ready():
            return not await api._transport.app.state.problems()

        await wait_until(is_ready)
        yield api
        await wait_until(lambda: is_published(settings.database_url))


async def is_published(database):
    connection = await asyncpg.connect(database)
    try:
        return not await connection.fetchval("SELECT count(*) FROM contracts.outbox")
    finally:
        await connection.close()


async def content(database):
    connection = await asyncpg.connect(database)
    try:
        rows = {table: await connection.fetch(f"TABLE contracts.{table}") for table in TABLES}
        # A published event has all terms, a stored one only those that changed: see the history.
        rows["events"] = await connection.fetch(
            "SELECT contract_id, version, type, actor, reason, occurred_at, correlation_id FROM contracts.events"
        )
        return {table: sorted(map(str, rows[table])) for table in rows}
    finally:
        await connection.close()


async def test_restored_contracts_take_back_what_they_published(settings, backup):
    """Changes of all kinds: also a code that another contract has now, and entities that were deleted."""
    back_up, restore = backup
    await create_topics(settings.kafka_bootstrap_servers, prefix=settings.topic_prefix)
    async with running(settings) as api:
        contract = await create_active_contract(api, end_date="2049-12-31")
        removed, kept = await create_organization(api, name="Removed"), await create_organization(api, name="Kept")
        draft = (await expect_status(post_action(api, contract["id"], "renew", 2, {"code": "NEXT"}), 201)).json()
    await back_up()
    async with running(settings) as api:
        amended = {**contract, "contracted_hours": "50", "reason": "More"}
        amended["accounts"] = [{**contract["accounts"][0], "planned_hours": "50", "slices": []}]
        await expect_status(post_action(api, contract["id"], "amend", 3, amended), 200)
        await expect_status(api.delete(f"/contracts/{draft['id']}", headers={"if-match": '"1"'}), 204)
        await expect_status(post_action(api, contract["id"], "renew", 4, {"code": "NEXT"}), 201)
        await expect_status(api.delete(f"/organizations/{removed}", headers={"if-match": '"1"'}), 204)
        body = {"name": "Renamed", "timezone": "UTC", "contacts": []}
        await expect_status(put_change(api, f"/organizations/{kept}", body, 1), 200)
        card = {"person_id": "ann", "from": "2026-01-01", "currency": "EUR", "per_hour_minor": RATES}
        await expect_status(api.post("/rate-cards", json={**card, "team_id": await create_team(api, "New")}), 201)
        offer = (await expect_status(api.post("/offers", json=OFFER), 201)).json()
        withdrawn = api.post(f"/offers/{offer['id']}/withdraw", json={"reason": "No"}, headers={"if-match": '"1"'})
        await expect_status(withdrawn, 200)
        await expect_status(post_action(api, contract["id"], "suspend", 5, {"reason": "Pause"}), 200)
        history = (await api.get(f"/contracts/{contract['id']}/history")).json()
        published = (await api.get(f"/contracts/{contract['id']}/events")).json()
    expected = await content(settings.database_url)
    await restore()
    assert await content(settings.database_url) != expected
    async with running(settings) as api:
        assert await content(settings.database_url) == expected
        assert (await api.get(f"/contracts/{contract['id']}/history")).json() == history
        assert (await api.get(f"/contracts/{contract['id']}/events")).json() == published
        # The next version is new to all readers.
        resumed = (await expect_status(post_action(api, contract["id"], "resume", 6, {"reason": "Go on"}), 200)).json()
        assert resumed["version"] == 7


async def test_nothing_changes_before_what_was_published_is_read(settings, monkeypatch):
    """A change would use a version again that readers have: they would ignore it."""

    async def never(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(Recovery, "recover", never)
    await create_topics(settings.kafka_bootstrap_servers, prefix=settings.topic_prefix)
    async with run_service(settings, reads_topics=True) as api:
        body = {"name": "Acme", "timezone": "UTC", "contacts": []}
        refused = await expect_status(api.post("/organizations", json=body), 503)
        assert "read back from Kafka" in refused.json()["detail"]
        assert refused.headers["retry-after"] == "2"
        await expect_status(api.get("/organizations"), 200)
        ready = await api.get("http://contracts/readyz")
        assert ready.status_code == 503
        assert any("Nothing can be changed" in problem for problem in ready.json()["problems"])


def consumer_record(topic, event):
    """An event of the outbox as its readers receive it."""
    return ConsumerRecord(
        topic=topic, partition=0, offset=0, timestamp=0, timestamp_type=0, key=b"", value=event["value"], checksum=None,
        serialized_key_size=-1, serialized_value_size=-1,
        headers=[(name, bytes.fromhex(value)) for name, value in json.loads(event["headers"])],
    )  # fmt: skip


@pytest.fixture
async def lifecycle(api, pool):
    """A connection, and the two events of an active contract as its readers receive them."""
    await create_active_contract(api)
    async with pool.acquire() as connection:
        rows = await connection.fetch("SELECT * FROM outbox WHERE topic = 'contracts.lifecycle' ORDER BY id")
        yield connection, [consumer_record("contracts.lifecycle", row) for row in rows]


async def test_version_that_was_decided_twice_is_a_dead_letter(lifecycle):
    """Where the database was restored while the service ran, and something was changed at once."""
    connection, records = lifecycle
    async with connection.transaction():
        await recovery.handle_contracts(connection, Batch("c", "contracts.lifecycle", 0, records))
    assert await connection.fetchval("SELECT count(*) FROM dead_letters") == 0
    event = json.loads(records[1].value)
    value = json.dumps({**event, "occurred_at": "2026-01-01T00:00:00Z"}).encode()
    batch = Batch("c", "contracts.lifecycle", 0, [replace(records[1], value=value)])
    async with connection.transaction():
        await recovery.handle_contracts(connection, batch)
    reason = await connection.fetchval("SELECT reason FROM dead_letters")
    assert reason.startswith(f"Version 2 of {event['contract_id']} was decided twice")
    assert reason.endswith("until its version is above 2.")
    assert not await connection.fetchval("SELECT exists(SELECT FROM lost_events)")


async def test_missing_version_keeps_everything_as_it_is(lifecycle, pool):
    """Kafka has lost an event that the database has not: what follows it cannot be applied."""
    connection, records = lifecycle
    event = json.loads(records[1].value)
    value = json.dumps({**event, "stream_version": 4}).encode()
    batch = Batch("c", "contracts.lifecycle", 0, [replace(records[1], value=value)])
    async with connection.transaction():
        await recovery.handle_contracts(connection, batch)
    lost = Recovery()
    assert not await lost._apply(pool)
    lost._completed.clear()
    (problem,) = await lost.find_problems(connection)
    assert problem.startswith(f"Version 3 of {event['contract_id']} is neither in the database of contracts nor in")
    assert "Restore a later backup." in problem
    assert await connection.fetchval("SELECT max(version) FROM events") == 2
