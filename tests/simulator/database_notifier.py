"""The notifier on a real Postgres, with its SQL. Its Postgres has a clock that stands where the simulator says."""

import json
from collections import Counter, defaultdict
from contextlib import asynccontextmanager

import asyncpg

from simulator.pure_mails import ERRORS, NO_JITTER, describe_digest
from tidemark_notifier.delivery.bulkheads import Bulkheads
from tidemark_notifier.delivery.deliverer import Deliverer
from tidemark_notifier.engine.evaluator import Evaluator, lock_configuration, request_reevaluation
from tidemark_notifier.rules.rule import Rule
from tidemark_shared.database import Workload, queries, server_settings

_sql = queries("tidemark_notifier")

# A schema is searched before pg_catalog only if that is named behind it.
SETTINGS = {**server_settings("notifier", Workload.FOLD), "search_path": "notifier, pg_catalog"}
VIRTUAL_CLOCK = """
CREATE TABLE virtual_clock (moment timestamptz NOT NULL);
INSERT INTO virtual_clock VALUES (now());
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
BEGIN ATOMIC SELECT moment FROM virtual_clock; END;
ALTER TABLE deliveries ALTER due_at SET DEFAULT clock_timestamp();
"""
MAILS = """
SELECT d.message_id, d.receiver, d.status, d.attempts, n.rule_name, n.contract_code, n.subject, n.period_start,
  n.threshold, n.snapshot
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id
"""


@asynccontextmanager
async def connect_notifier(url):
    """A pool of the notifier whose statements read the virtual clock."""
    async with asyncpg.create_pool(url, min_size=1, max_size=3, server_settings=SETTINGS) as pool:
        await pool.execute(VIRTUAL_CLOCK)
        yield pool


class MailServer:
    """A sender whose mails are counted by the id of their message."""

    def __init__(self):
        self.copies, self.answer = Counter(), "accepts"

    async def send(self, message):
        if self.answer in ERRORS:
            raise ERRORS[self.answer]
        self.accept(message)

    def accept(self, message):
        self.copies[message[0]["message_id"]] += 1


class DatabaseNotifier:
    """Rules, evaluation and delivery, each statement at a virtual time."""

    def __init__(self, pool):
        self.pool, self.evaluator = pool, Evaluator(is_started=True)
        self.rule_ids, self.server = {}, MailServer()
        self.deliverer = Deliverer(pool, "email", self.server, NO_JITTER)

    async def set_clock(self, now):
        await self.pool.execute("UPDATE virtual_clock SET moment = $1", now)

    async def mails(self):
        notifications, mails = defaultdict(list), {}
        for row in await self.pool.fetch(MAILS):
            id_, snapshot = row["message_id"], json.loads(row["snapshot"])
            code, rule_name = row["contract_code"], row["rule_name"]
            notifications[id_].append(
                describe_digest(code, rule_name, snapshot["digest"]) if snapshot["digest"] else
                (code, snapshot["kind"], rule_name, snapshot["trigger"], row["subject"], row["period_start"],
                 row["threshold"])
            )  # fmt: skip
            mails[id_] = row["status"], row["attempts"], self.server.copies[id_], row["receiver"]
        return [
            (receiver, tuple(sorted(notifications[id_], key=str)), *state) for id_, (*state, receiver) in mails.items()
        ]

    async def save_rule(self, scope, rule):
        parsed = Rule.model_validate(rule)
        body, key = parsed.to_stored_json(), (scope, rule["name"])
        async with self.pool.acquire() as connection, connection.transaction():
            await lock_configuration(connection)
            if key in self.rule_ids:
                await _sql.update_rule(connection, id=self.rule_ids[key], body=body)
            else:
                self.rule_ids[key] = (await _sql.insert_rule(connection, body=body))["id"]
            await request_reevaluation(connection, [parsed.scope])

    async def evaluate_due(self, now):
        await self.set_clock(now)
        await self.evaluator.evaluate_due(self.pool, now)

    async def send(self, answer, now):
        """Lease and attempt until nothing is due, as the loop of the deliverer does."""
        await self.set_clock(now)
        self.server.answer, bulkheads = answer, Bulkheads()
        while True:
            async with self.pool.acquire() as connection:
                messages = await self.deliverer._lease(connection, bulkheads)
            if not messages:
                return
            for message in messages:
                bulkheads.enter(message[0]["host"], message[0]["receiver"])
                is_last = not NO_JITTER.may_attempt(message[0]["attempts"])
                if not is_last and answer == "process dies after it":
                    self.server.accept(message)
                if is_last or not answer.startswith("process dies"):
                    await self.deliverer._deliver(message, bulkheads)
            if answer.startswith("process dies"):
                bulkheads = Bulkheads()

    async def restart(self):
        self.evaluator = Evaluator()
        await self.evaluator.start(self.pool)
