"""The services on a real Postgres: their event stores, the fold, the figures and the notifier, all SQL included.

Kafka, the clock and the loops of the processes are simulated. A crash rolls a transaction back, in its middle.
"""

import contextlib
import json
import shutil
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

from comparison import compare
from event_builders import HANDLERS, record, uid
from failing_connection import FailingConnection, PlantedError
from reference.reports import Model
from statement_checks import check_digests, check_today, published, settle_all

from simulator.database_notifier import DatabaseNotifier, connect_notifier
from simulator.processes import BALANCES, LIFECYCLE, ORGANIZATION_RECORD, Difference, Record
from simulator.pure import ANN, ORGANIZATION, contract_command, offer_command, proposal
from tidemark.stack import ports, postgres
from tidemark.stack.processes import Supervisor
from tidemark.stack.up import SERVICES
from tidemark_consumption import replay
from tidemark_consumption.balance_outbox import _sql as consumption_sql
from tidemark_consumption.balance_outbox import query_forecast
from tidemark_consumption.projection import fold
from tidemark_consumption.projection.statements import settle
from tidemark_contracts.contract import store
from tidemark_contracts.contract.decider import Command, Rejection, decide, renewal_draft
from tidemark_contracts.contract.expiry import expire_contracts
from tidemark_contracts.directory import resources
from tidemark_contracts.directory import store as directory_store
from tidemark_contracts.offer import store as offer_store
from tidemark_contracts.offer.decider import Make
from tidemark_contracts.offer.expiry import expire_offers
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_shared.database import connect_pool, migrate
from tidemark_shared.domain.bodies import Organization
from tidemark_shared.http.requests import VersionConflictError
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.outbox import _decode_headers
from tidemark_shared.messaging.topics import TOPICS

TOPIC_BY_NAME = {topic.name: topic for topic in TOPICS}
# Memory is fast enough, and nothing here survives a power cut.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@asynccontextmanager
async def running_postgres():
    """The URL of a Postgres with the tables of all services."""
    folder = Path(tempfile.mkdtemp(prefix="tidemark-simulator-"))
    folder.chmod(0o711)  # noqa: ASYNC240 - before anything runs
    port, password = ports.find_free(), uuid4().hex
    supervisor = Supervisor(folder / "logs", report=lambda _: None)
    try:
        await supervisor.start(postgres.prepare(folder / "data/postgres", port, password, SETTINGS))
        for service in SERVICES:
            await migrate(postgres.url(port, password), service)
        yield postgres.url(port, password)
    finally:
        await supervisor.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Database:
    """The pools of the services, and how to empty their tables."""

    @classmethod
    @asynccontextmanager
    async def connect(cls, url):
        self = cls()
        async with AsyncExitStack() as stack:
            self.contracts = await stack.enter_async_context(await connect_pool(url, "contracts", size=3))
            self.consumption = await stack.enter_async_context(
                await connect_pool(url, "consumption", size=3, init=fold.prepare_connection)
            )
            self.replaying = await stack.enter_async_context(replay.open_pool(url))
            tables = await self.contracts.fetch(
                "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY($1)",
                list(SERVICES),
            )
            self.tables = [
                row["name"]
                for row in tables
                if not await self.contracts.fetchval(f"SELECT EXISTS (SELECT FROM {row['name']})")  # noqa: S608
            ]
            self.notifier = await stack.enter_async_context(connect_notifier(url))
            # What guards events from being removed.
            await self.contracts.execute("ALTER TABLE events DISABLE TRIGGER USER")
            await self.contracts.execute("ALTER TABLE offer_events DISABLE TRIGGER USER")
            yield self

    async def clear(self):
        """As migrated."""
        await self.contracts.execute(f"TRUNCATE {', '.join(self.tables)}")
        await self.consumption.execute("UPDATE projection SET learned_at = '-infinity'")

    def system(self):
        """A system for one schedule, on emptied tables."""
        return DatabaseSystem(self)


class DatabaseSystem:
    """The services as their shells use the database."""

    has_fold = True

    def __init__(self, database):
        self.contracts, self.consumption = database.contracts, database.consumption
        self.notifier, self.database = DatabaseNotifier(database.notifier), database
        self.mails, self.save_rule = self.notifier.mails, self.notifier.save_rule
        self.evaluate_due, self.send = self.notifier.evaluate_due, self.notifier.send

    async def start(self, body, now):
        await self.database.clear()
        self.contract_ids, self.offer_ids, self.published = [UUID(uid("contract C1"))], defaultdict(list), {}
        members = {name: ORGANIZATION_RECORD.data[name] for name in ("name", "timezone", "contacts")}
        organization = Organization.model_validate(members)
        async with self.contracts.acquire() as connection, connection.transaction():
            await directory_store.add(connection, resources.ORGANIZATION, ORGANIZATION, organization, now)
        for process in ("consumption", "notifier"):
            await self.deliver(process, ORGANIZATION_RECORD.topic, 0, [ORGANIZATION_RECORD], now, is_crashing=False)
        await self.command(0, "drafted", body, now)

    # Contracts

    async def state(self, number):
        contract_id = self.contract_ids[number]
        async with self.contracts.acquire() as connection:
            _, state = await store.find_contract(connection, str(contract_id))
            if state != await store.load_contract(connection, contract_id):
                raise Difference("the read model is not what the events say")
        links = [id_ and str(id_) for id_ in (state.renewed_from, state.renewed_as)]
        return state.version, state.status, state.terms.model_dump(mode="json"), *links

    async def _decide(self, connection, contract_id, command, now):
        """The state of a contract, and the events that follow; none if the command is rejected."""
        state = await store.load_contract(connection, contract_id)
        terms = command.contract_input.terms if command.contract_input else state.terms
        new = not state.version
        context = await store.load_context(connection, terms, now=now, actor="olga", new=new)
        decision = decide(command, state, context)
        return state, [] if isinstance(decision, Rejection) else decision

    async def command(self, number, type_, body, now, *, is_lost=False, is_raced=False):
        """Run a command. If it is raced, another instance has loaded the same version and commits first."""
        contract_id = self.contract_ids[number]
        async with self.contracts.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            state, events = await self._decide(connection, contract_id, contract_command(type_, body), now)
            if not events:
                await transaction.rollback()
                return
            if is_raced:
                await self.command(number, type_, body, now)
            try:
                await store.append_events(connection, contract_id, state, events)
            except VersionConflictError:
                await transaction.rollback()
                if not is_raced:
                    raise
                return
            await (transaction.rollback() if is_lost else transaction.commit())
            if is_raced:
                raise Difference("two commands were appended to the same version")

    async def renew(self, number, code, now):
        """Link a contract to its renewal and draft that, in one transaction."""
        old_id, new_id = self.contract_ids[number], UUID(uid(f"contract {code}"))
        async with self.contracts.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            old, link = await self._decide(connection, old_id, Command("renewed", renewed_as=new_id), now)
            drafted = []
            if link:
                await store.append_events(connection, old_id, old, link)
                draft = renewal_draft(old, code).with_account_ids(None, uuid4)
                command = Command("drafted", draft, renewed_from=old_id)
                # A code that is taken is the id of another contract here.
                new_id = new_id if new_id not in self.contract_ids else uuid4()
                new, drafted = await self._decide(connection, new_id, command, now)
            if drafted:
                await store.append_events(connection, new_id, new, drafted)
                self.contract_ids.append(new_id)
            await (transaction.commit() if drafted else transaction.rollback())

    async def offers(self, number):
        async with self.contracts.acquire() as connection:
            states = [await offer_store.find_offer(connection, offer_id) for offer_id in self.offer_ids[number]]
        return [state.offer.status for state in states]

    async def make(self, number, adjustment, until, now):
        async with self.contracts.acquire() as connection, connection.transaction():
            command, contract_id = Make(proposal(adjustment, until)), self.contract_ids[number]
            outcome = await offer_store.make_offer(connection, contract_id, command, now=now, actor="olga")
        if outcome.offer_id:
            self.offer_ids[number].append(outcome.offer_id)

    async def answer(self, number, offer_number, answer, now):
        if offer_number >= len(self.offer_ids[number]):
            return
        offer_id = self.offer_ids[number][offer_number]
        async with self.contracts.acquire() as connection, connection.transaction():
            state = await offer_store.lock_offer(connection, offer_id)
            command = offer_command(answer)
            await offer_store.change_offer(connection, offer_id, state, command, now=now, actor=ANN.name)

    async def expire(self, now):
        failures = {}
        await expire_contracts(self.contracts, now, failures)
        await expire_offers(self.contracts, now)
        if failures:
            raise Difference(f"contracts could not expire: {failures}")

    # Consumption

    async def begin_day(self, now):
        async with self.consumption.acquire() as connection:
            await settle(connection, now)
            await consumption_sql.begin_days(connection, now=now, correlation_id="simulator")

    async def compare_figures(self, reference, now):
        async with self.consumption.acquire() as connection:
            await compare(connection, reference.facts)
            # What was frozen, with what was restated since, is what the figures are today.
            await settle_all(connection, now)
            statements, restatements = await published(connection)
            check_digests(statements)
            check_today(Model(reference.facts), statements, restatements)
        async with self.database.replaying.acquire() as connection:
            findings = await replay.verify(connection)
        if findings.total:
            raise Difference(f"verify finds {findings}")

    # Topics and faults

    async def unpublished(self, process, now):
        return await (self._records() if process == "contracts" else self._balances(now))

    async def _records(self):
        rows = await self.contracts.fetch("SELECT id, topic, headers, value FROM outbox ORDER BY id")
        self.published["contracts"] = [row["id"] for row in rows]
        return [
            Record(row["topic"], headers["ce_type"].decode(), headers["ce_source"].decode(), json.loads(row["value"]))
            for row in rows
            if row["topic"] == LIFECYCLE
            for headers in [dict(_decode_headers(row["headers"]))]
        ]

    async def _balances(self, now):
        records = []
        async with self.consumption.acquire() as connection:
            ids = [row["contract_id"] async for row in consumption_sql.dirty_balances(connection, excluded=[], limit=9)]
            for id_ in ids:
                balance = await consumption_sql.balance_to_publish(connection, contract=id_, moment=now)
                body = {**json.loads(balance["body"]), "forecast": await query_forecast(connection, id_, now)}
                records.append(Record(BALANCES, "tidemark.contract.balance.v1", "/consumption", body))
        self.published["consumption"] = records
        return records

    async def mark_published(self, process):
        published = self.published[process]
        if process == "contracts":
            await self.contracts.execute("DELETE FROM outbox WHERE id = ANY($1)", published)
            return
        async with self.consumption.acquire() as connection:
            await consumption_sql.mark_published(
                connection,
                ids=[UUID(record.data["contract_id"]) for record in published],
                revisions=[record.data["revision"] for record in published],
            )

    async def deliver(self, process, topic, position, records, now, *, is_crashing):
        batch = Batch("simulator", topic, 0, [
            record(TOPIC_BY_NAME[topic], item.type, item.data, source=item.source, offset=position + number)
            for number, item in enumerate(records)
        ], learned_at=now)  # fmt: skip
        pool = self.consumption if process == "consumption" else self.notifier.pool
        handlers = HANDLERS if process == "consumption" else create_event_handlers(self.notifier.evaluator)
        if process == "notifier":
            await self.notifier.set_clock(now)
        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await handlers[topic](connection, batch)
            if is_crashing and process == "consumption":
                # In the middle of the fold, if it has so many statements.
                with contextlib.suppress(PlantedError):
                    await fold.fold(FailingConnection(connection, position * 7 % 40), now)
            await (transaction.rollback() if is_crashing else transaction.commit())
            while process == "consumption" and await fold.fold(connection, now):
                pass

    async def restart(self, process):
        if process == "notifier":
            await self.notifier.restart()
