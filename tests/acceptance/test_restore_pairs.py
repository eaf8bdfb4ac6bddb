"""Each service restored to an earlier moment, and Kafka emptied: each alone, and each pair of them.

Real handlers on real databases; Kafka is the list of what was published. Afterwards all services have the same contract
and the same figures, and nothing is notified twice or taken back.
"""

import json
from datetime import UTC, datetime
from itertools import combinations
from uuid import UUID

import asyncpg
import pytest
from aiokafka import ConsumerRecord
from databases import drop_database
from event_builders import HANDLERS, link, take, terms, uid, worklog
from notifier_bodies import HOUR
from test_restore import RULE, WHOLE, consumption, notified, notifier, service_connection

from tidemark_consumption.balance_outbox import open_balance_outbox
from tidemark_contracts.contract import store
from tidemark_contracts.contract.decider import Event, State
from tidemark_contracts.directory.resources import ORGANIZATION
from tidemark_contracts.directory.store import add
from tidemark_contracts.recovery import EVENT_HANDLERS, apply_lost_events
from tidemark_notifier.engine.evaluator import Evaluator, lock_configuration, request_reevaluation
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_notifier.rules.rule import Rule
from tidemark_shared.domain.bodies import Contract, Organization
from tidemark_shared.messaging.batches import Batch

PARTS = ("contracts", "consumption", "notifier", "kafka")
CONTRACT, ACME = UUID(uid("contract C1")), UUID(uid("Acme"))
NOTIFIER_HANDLERS = create_event_handlers(Evaluator(is_started=True))


class World:
    """A database for each service, and what was published."""

    def __init__(self, urls, log=()):
        self.urls, self.log = urls, list(log)

    def publish(self, records):
        self.log += records

    async def contracts(self, *events):
        """Append events to the contract, and publish them."""
        async with service_connection(self.urls["contracts"], "contracts") as connection:
            async with connection.transaction():
                state = await store.load_contract(connection, CONTRACT)
                if state == State():
                    body = Organization.model_validate({"name": "Acme", "timezone": "UTC", "contacts": []})
                    await add(connection, ORGANIZATION, ACME, body, datetime.now(UTC))
                await store.append_events(connection, CONTRACT, state, events)
            rows = await connection.fetch("DELETE FROM outbox RETURNING *")
        self.publish(as_received(row["topic"], row["value"], json.loads(row["headers"])) for row in rows)

    async def recover(self, start):
        """Contracts reads what it published, from this place on."""
        async with (
            service_connection(self.urls["contracts"], "contracts") as connection,
            connection.transaction(),
        ):
            for record in self.log[start:]:
                if handle := EVENT_HANDLERS.get(record.topic):
                    await handle(connection, Batch("test", record.topic, 0, [record]))
            await apply_lost_events(connection)

    async def count(self, start):
        """Consumption reads to the end, and then publishes balances."""
        async with consumption(self.urls["consumption"]) as connection:
            for offset, record in enumerate(self.log[start:], start):
                if record.topic in HANDLERS:
                    await take(connection, [record], first_offset=offset)
            async with open_balance_outbox(self.urls["consumption"]) as outbox:
                while await connection.fetchval(
                    "SELECT exists(SELECT FROM balances WHERE revision > published_revision)"
                ):
                    for row in await outbox.load_rows(connection):
                        headers = [(name, value.hex()) for name, value in row.record.headers]
                        self.publish([as_received(row.record.topic, row.record.value, headers)])
                        await outbox.mark_published(connection, [row.id])

    async def notify(self, start):
        """The notifier reads to the end."""
        async with notifier(self.urls["notifier"]) as connection:
            for record in self.log[start:]:
                if handle := NOTIFIER_HANDLERS.get(record.topic):
                    async with connection.transaction():
                        await handle(connection, Batch("test", record.topic, 0, [record]))

    async def continue_from(self, start):
        """Everybody reads on from this place."""
        await self.count(start)
        await self.notify(start)


def as_received(topic, value, headers):
    return ConsumerRecord(
        topic=topic, partition=0, offset=0, timestamp=0, timestamp_type=0, key=b"", value=bytes(value), checksum=None,
        serialized_key_size=-1, serialized_value_size=-1,
        headers=[(name, bytes.fromhex(text)) for name, text in headers],
    )  # fmt: skip


def contract(name, change="amended", status="ACTIVE"):
    body = Contract.model_validate_json(json.dumps(terms(name=name, hours="40", **WHOLE)))
    return Event(change, status, body, "olga", "Because", datetime.now(UTC))


def work(first, last):
    """An hour for each of these numbers."""
    return [worklog(str(number), seconds=HOUR) for number in range(first, last + 1)]


async def copy(server, new, old):
    await server.execute(f"CREATE DATABASE {new} TEMPLATE {old} STRATEGY file_copy")


@pytest.fixture(scope="module")
async def history(postgres_url, template):
    """The databases of an earlier moment and of now; what was published, and how much of it at that moment.

    80 % was notified before, 100 % after it. The contract got another name in between.
    """
    base, _, _ = postgres_url.rpartition("/")
    now, earlier = f"{template}_now", f"{template}_earlier"
    server = await asyncpg.connect(postgres_url)
    await copy(server, now, template)
    world = World(dict.fromkeys(PARTS, f"{base}/{now}"))
    async with notifier(world.urls["notifier"]) as connection, connection.transaction():
        await lock_configuration(connection)
        rule = Rule.model_validate(RULE | {"notify_resolved": True})
        await connection.execute("INSERT INTO rules (body) VALUES ($1)", rule.to_stored_json())
        await request_reevaluation(connection, [rule.scope])
    await world.contracts(contract("First", "drafted", "DRAFT"), contract("First", "activated"))
    world.publish([link(), *work(1, 33)])
    await world.continue_from(0)
    start = len(world.log)
    await copy(server, earlier, now)
    await world.contracts(contract("Second"))
    world.publish(work(34, 41))
    await world.continue_from(start)
    yield {"now": now, "earlier": earlier, "log": world.log, "start": start}
    for name in (now, earlier):
        await drop_database(server, name)
    await server.close()


@pytest.mark.parametrize(
    "restored",
    [set(parts) for size in (0, 1, 2) for parts in combinations(PARTS, size)],
    ids=lambda parts: " and ".join(sorted(parts)) or "nothing",
)
async def test_services_agree_again(history, postgres_url, restored):
    base, _, _ = postgres_url.rpartition("/")
    server = await asyncpg.connect(postgres_url)
    copies = {moment: f"{history[moment]}_copy" for moment in ("now", "earlier")}
    for moment, name in copies.items():
        await copy(server, name, history[moment])
    urls = {part: f"{base}/{copies['earlier' if part in restored else 'now']}" for part in PARTS}
    is_empty = "kafka" in restored
    world = World(urls, [] if is_empty else history["log"])
    starts = {part: 0 if is_empty else history["start"] if part in restored else len(world.log) for part in PARTS}
    try:
        await world.recover(starts["contracts"])
        end = len(world.log)
        await world.count(starts["consumption"])
        await world.notify(starts["notifier"] if "notifier" in restored else end)
        end = len(world.log)
        if is_empty:
            # The publishers publish again what they have since the backup.
            world.publish([link(), *work(30, 41)])
            await world.continue_from(end)
        # The version that contracts uses next is new to its readers, unless Kafka could not give it back.
        used_twice = restored == {"contracts", "kafka"}
        for name in ("Third", "Fourth")[: 1 + used_twice]:
            end = len(world.log)
            await world.contracts(contract(name))
            await world.continue_from(end)
        end = len(world.log)
        world.publish(work(42, 42))
        await world.continue_from(end)
        async with (
            service_connection(urls["contracts"], "contracts") as decided,
            consumption(urls["consumption"]) as counted,
            notifier(urls["notifier"]) as told,
        ):
            row = await counted.fetchrow("SELECT contract_name, consumed_seconds FROM reporting.contracts")
            assert (row["contract_name"], row["consumed_seconds"]) == (name, 42 * HOUR)
            versions = [
                await decided.fetchval("SELECT max(version) FROM events"),
                await counted.fetchval("SELECT stream_version FROM contracts"),
                await told.fetchval("SELECT stream_version FROM contracts"),
            ]
            assert len({*versions}) == 1
            assert await told.fetchval("SELECT terms ->> 'name' FROM contracts") == name
            assert await told.fetchval("SELECT (balance ->> 'stream_version')::integer FROM contracts") == versions[0]
            assert await notified(told) == ["80", "100"]
            assert await told.fetchval("SELECT count(*) FROM notification_keys WHERE kind = 'resolved'") == 0
            assert await counted.fetchval("SELECT count(*) FROM dead_letters") == used_twice
            assert await decided.fetchval("SELECT count(*) FROM dead_letters") == 0
    finally:
        for name in copies.values():
            await drop_database(server, name)
        await server.close()
