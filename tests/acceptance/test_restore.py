"""A service restored to an earlier moment while the others and Kafka go on: what comes again, and what does not."""

from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import ConsumerRecord
from databases import drop_database
from event_builders import contract_event, link, organization_event, take, uid, worklog
from notifier_bodies import HOUR, rule
from polling import wait_until

from tidemark_consumption.balance_outbox import open_balance_outbox
from tidemark_consumption.projection import fold
from tidemark_notifier.engine.evaluator import Evaluator, lock_configuration, request_reevaluation
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_notifier.rules.rule import Rule
from tidemark_shared.database import connect_pool
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.topics import BALANCES

CONTRACT = uid("contract C1")
WHOLE = {"recurrence": "none", "end": "2099-12-31"}
RULE = rule() | {
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": ["80", "100"]},
}


@pytest.fixture
async def copy(postgres_url):
    """A function that copies a database, so that a service can be restored to this moment."""
    names = []

    async def create_copy(url):
        base, _, source = url.rpartition("/")
        names.append(f"{source}_{len(names)}")
        await server.execute(f"CREATE DATABASE {names[-1]} TEMPLATE {source}")
        return f"{base}/{names[-1]}"

    server = await asyncpg.connect(postgres_url)
    yield create_copy
    for name in names:
        await drop_database(server, name)
    await server.close()


@asynccontextmanager
async def service_connection(url, service, **options):
    """A connection as the service has it; none is left afterwards, so that the database can be copied."""
    async with await connect_pool(url, service, **options) as pool, pool.acquire() as connection:
        yield connection


def consumption(url):
    return service_connection(url, "consumption", init=fold.prepare_connection)


def notifier(url):
    return service_connection(url, "notifier")


async def publish_balance(connection, url):
    """The balance that consumption publishes, as readers receive it."""
    async with open_balance_outbox(url) as outbox:
        [row] = await wait_until(lambda: outbox.load_rows(connection))
        await outbox.mark_published(connection, [row.id])
    record = row.record
    return ConsumerRecord(
        topic=BALANCES.name, partition=0, offset=0, timestamp=0, timestamp_type=0, key=record.key, value=record.value,
        checksum=None, serialized_key_size=-1, serialized_value_size=-1, headers=record.headers,
    )  # fmt: skip


async def notify(connection, record):
    """The notifier reads a record."""
    handle = create_event_handlers(Evaluator(is_started=True))[record.topic]
    async with connection.transaction():
        await handle(connection, Batch("test", record.topic, 0, [record]))


async def notified(connection):
    """The thresholds of the notifications, the first first."""
    return [row["threshold"] for row in await connection.fetch("SELECT threshold FROM notifications ORDER BY id")]


@pytest.fixture
async def system(database):
    """A database: the notifier has a rule for a contract of 40 h, and consumption has the contract and its issue."""
    async with notifier(database) as connection:
        async with connection.transaction():
            await lock_configuration(connection)
            body = Rule.model_validate(RULE)
            await connection.execute("INSERT INTO rules (body) VALUES ($1)", body.to_stored_json())
            await request_reevaluation(connection, [body.scope])
        await notify(connection, organization_event())
        await notify(connection, contract_event(**WHOLE))
    async with consumption(database) as connection:
        await take(connection, [contract_event(**WHOLE)])
        await take(connection, [link()])
        balance = await publish_balance(connection, database)
    async with notifier(database) as connection:
        await notify(connection, balance)
    return database


def work(first, last):
    """An hour for each of these numbers."""
    return [worklog(str(number), seconds=HOUR) for number in range(first, last + 1)]


async def test_restored_consumption_publishes_balances_that_the_notifier_accepts(system, copy):
    restored = await copy(system)
    async with consumption(system) as connection, notifier(system) as reader:
        for number, record in enumerate(work(1, 10)):
            await take(connection, [record], first_offset=10 + number)
            await notify(reader, await publish_balance(connection, system))
        assert await notified(reader) == []
        async with consumption(restored) as restored_connection:
            # What the topic has since, in one batch: far fewer changes than before.
            await take(restored_connection, work(1, 54), first_offset=10)
            await notify(reader, await publish_balance(restored_connection, restored))
        assert await notified(reader) == ["100"]


async def test_restored_notifier_repeats_only_what_it_does_not_know(system, copy):
    async with consumption(system) as connection, notifier(system) as reader:
        await take(connection, work(1, 33), first_offset=10)
        await notify(reader, await publish_balance(connection, system))
        assert await notified(reader) == ["80"]
    restored = await copy(system)
    async with consumption(system) as connection, notifier(system) as reader, notifier(restored) as restored_reader:
        await take(connection, work(34, 41), first_offset=50)
        balance = await publish_balance(connection, system)
        await notify(reader, balance)
        assert await notified(reader) == ["80", "100"]
        await notify(restored_reader, balance)
        assert await notified(restored_reader) == ["80", "100"]


@pytest.mark.parametrize("kind", ["contract", "entity"])
async def test_version_that_is_used_twice_is_a_dead_letter_and_the_next_one_applies(system, kind):
    """As if contracts had been restored to an earlier moment, and Kafka emptied: nothing is ignored in silence."""
    if kind == "contract":
        events = [contract_event(version, occurred=f"2026-01-0{day}T00:00:00Z", name=name, **WHOLE)
                  for version, day, name in ((2, 2, "Read"), (2, 3, "Used again"), (3, 4, "Next"))]  # fmt: skip
    else:
        events = [organization_event(name, version, id_=uid("Acme"))
                  for version, name in ((2, "Read"), (2, "Used again"), (3, "Next"))]  # fmt: skip
    async with consumption(system) as connection:
        for event, name, count in zip(events, ("Read", "Read", "Next"), (0, 1, 1), strict=True):
            for _ in range(2):  # delivered twice
                await take(connection, [event], first_offset=100 + events.index(event))
            column = "contract_name" if kind == "contract" else "organization_name"
            assert await connection.fetchval(f"SELECT {column} FROM reporting.contracts") == name  # noqa: S608
            assert await connection.fetchval("SELECT count(*) FROM dead_letters") == count
        reason = await connection.fetchval("SELECT reason FROM dead_letters")
        assert "has the version 2 twice" in reason
        assert f"change the {kind} until its version is one that no reader has" in reason
