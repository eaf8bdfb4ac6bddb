"""One contract of one organization, whose events are handled as Kafka would deliver them."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from notifier_bodies import HOUR, balance, batch, contract_event, organization, terms

from tidemark_notifier.engine import event_handlers
from tidemark_notifier.engine.evaluator import Evaluator, lock_configuration, request_reevaluation
from tidemark_notifier.rules.rule import Rule
from tidemark_shared.messaging.events import CONTRACT_BALANCE, ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE

ACTIVATED = "tidemark.contract.activated.v1"
TODAY = datetime.now(UTC).date()
START = TODAY - timedelta(days=40)
PERIOD = (START.isoformat(), (TODAY + timedelta(days=40)).isoformat())
NOON = datetime(2026, 3, 15, 11, tzinfo=UTC)  # in Berlin


async def handle(evaluator, connection, topic, batch):
    """Handle a batch in the caller's transaction."""
    await event_handlers.create_event_handlers(evaluator)[topic.name](connection, batch)


async def insert_rule(connection, body):
    """Create a rule in the caller's transaction."""
    rule = Rule.model_validate(body)
    id_ = await connection.fetchval("INSERT INTO rules (body) VALUES ($1) RETURNING id", rule.to_stored_json())
    await request_reevaluation(connection, [rule.scope])
    return id_


class Scenario:
    """A contract of today, without recurrence."""

    now = None
    """When events are handled; None for the database's time."""

    def __init__(self, pool, evaluator=None):
        self.pool, self.evaluator = pool, evaluator or Evaluator(is_started=True)
        self.contract, self.organization = str(uuid4()), str(uuid4())

    async def handle(self, topic, type_, bodies, connection=None):
        events = batch(topic, type_, *bodies)._replace(learned_at=self.now)
        if connection:
            await handle(self.evaluator, connection, topic, events)
            return
        async with self.pool.acquire() as own, own.transaction():
            await handle(self.evaluator, own, topic, events)

    async def store_organization(self, connection=None, **changes):
        body = organization(id_=self.organization, **changes)
        await self.handle(DIRECTORY, ORGANIZATION_CHANGED, [body], connection)
        if not connection:
            await self.evaluator.evaluate_due(self.pool, self.now)

    def terms(self, **changes):
        return terms(organization=self.organization, recurrence="none", start=PERIOD[0], end=PERIOD[1], **changes)

    async def store_contract(self, version=1, status="ACTIVE", connection=None, **changes):
        event = contract_event(self.contract, version, status, terms=self.terms(**changes))
        await self.handle(LIFECYCLE, ACTIVATED, [event], connection)

    def balance(self, revision, hours=0, **changes):
        return balance(self.contract, revision, consumed=int(hours * HOUR), period=PERIOD, **changes)

    async def store_balances(self, *bodies, connection=None):
        await self.handle(BALANCES, CONTRACT_BALANCE, bodies, connection)

    async def start(self):
        await self.store_organization()
        await self.store_contract()

    async def create_rule(self, body):
        async with self.pool.acquire() as connection, connection.transaction():
            await lock_configuration(connection)
            id_ = await insert_rule(connection, body)
        await self.evaluator.evaluate_due(self.pool, self.now)
        return id_

    async def notifications(self):
        return await self.pool.fetch("SELECT * FROM notifications WHERE contract_id = $1 ORDER BY id", self.contract)

    async def thresholds(self):
        return [row["threshold"] for row in await self.notifications()]


class ScheduledScenario(Scenario):
    """A monthly contract from January to December 2026. The test sets the time."""

    def __init__(self, pool, evaluator=None, code="ACME-SUP"):
        super().__init__(pool, evaluator)
        self.now, self.code = NOON, code

    def terms(self, **changes):
        return terms(self.code, organization=self.organization, **changes)

    async def store_march(self, revision, hours, **changes):
        body = balance(self.contract, revision, consumed=int(hours * HOUR), code=self.code, **changes)
        await self.handle(BALANCES, CONTRACT_BALANCE, [body])

    async def thresholds_at(self, now, evaluator=None):
        """Set the time, evaluate, and return the thresholds of all notifications so far."""
        self.now = now
        await (evaluator or self.evaluator).evaluate_due(self.pool, now)
        return await self.thresholds()

    async def thresholds_without_balance(self):
        """Let the time pass for which a new version waits for its balance."""
        return await self.thresholds_at(self.now + timedelta(seconds=15))

    async def kinds(self):
        return [
            (json.loads(row["snapshot"])["kind"], row["threshold"], row["raised_at"].date().isoformat())
            for row in await self.notifications()
        ]
