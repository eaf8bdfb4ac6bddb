"""Random histories raise exactly the notifications of the model, in any order and by any instance."""

import asyncio
import json

from effort import repeat
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test
from notification_machine import (
    CONTRACT,
    END_DATES,
    SCOPES,
    START,
    NotificationMachine,
    balance_of,
    lifecycle_of,
    month_starts,
    terms_of,
)
from notifier_bodies import batch, contract_event, organization
from pure_notifier import PureNotifier
from scenario import handle

from tidemark_notifier.engine.evaluator import Evaluator, lock_configuration, request_reevaluation
from tidemark_notifier.rules.rule import Rule, Scope
from tidemark_shared.database import connect_pool
from tidemark_shared.messaging.events import CONTRACT_BALANCE, ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE


class PureMachine(NotificationMachine):
    """Runs the pure evaluation in memory."""

    def __init__(self):
        super().__init__()
        self.notifier = PureNotifier(CONTRACT)

    def apply_rule(self, scope, body):
        self.notifier.save_rule(scope, body)
        self.notifier.evaluate(self.now)

    def apply_delete(self, scope, name):
        del self.notifier.rules[scope, name]
        self.notifier.evaluate(self.now)

    def apply_lifecycle(self, events):
        self.notifier.store_lifecycle(list(map(lifecycle_of, events)), self.now)

    def apply_balances(self, balances):
        self.notifier.store_balances(list(map(balance_of, balances)), self.now)

    def apply_time(self):
        self.notifier.evaluate_due(self.now)

    def raised(self):
        return self.notifier.notifications


def test_pure_evaluation_matches_the_model():
    run_state_machine_as_test(
        PureMachine, settings=settings(max_examples=repeat(150, long=1_000), stateful_step_count=40, deadline=None)
    )


class DatabaseMachine(NotificationMachine):
    """Runs two evaluators on one database. Either may handle events, crash within a transaction, or restart."""

    url = ""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.pool = self.runner.run(connect_pool(self.url, "notifier", size=3))
        self.evaluators = [Evaluator(is_started=True), Evaluator(is_started=True)]
        self.active, self.rule_ids = 0, {}

    def prepare(self):
        async def reset():
            await self.pool.execute(
                "TRUNCATE rules, directory, contracts, reevaluations, notifications, notification_keys, deliveries, "
                "outbox"
            )
            await self._handle_twice(DIRECTORY, ORGANIZATION_CHANGED, [organization()])

        self.runner.run(reset())

    def teardown(self):
        self.runner.run(self.pool.close())
        self.runner.close()

    @rule(index=st.integers(0, 1))
    def restart_instance(self, index):
        self.evaluators[index] = Evaluator()
        self.runner.run(self.evaluators[index].start(self.pool))
        self.apply_time()

    @rule(index=st.integers(0, 1))
    def switch_instance(self, index):
        self.active = index

    async def _handle_twice(self, topic, type_, bodies):
        """Handle a batch by both instances. The first one rolls back, or commits and does not store its offset."""
        events = batch(topic, type_, *bodies)._replace(learned_at=self.now)
        first, second = self.evaluators[self.active], self.evaluators[1 - self.active]
        for evaluator in (first, second):
            async with self.pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                await handle(evaluator, connection, topic, events)
                crashes = evaluator is first and len(bodies) % 2
                await (transaction.rollback() if crashes else transaction.commit())

    async def _change_rule(self, sql, scope, *args):
        async with self.pool.acquire() as connection, connection.transaction():
            await lock_configuration(connection)
            rule_id = await connection.fetchval(sql, *args)
            await request_reevaluation(connection, [Scope.model_validate(SCOPES[scope])])
            return rule_id

    def apply_rule(self, scope, body):
        key, stored = (scope, body["name"]), Rule.model_validate(body).to_stored_json()
        if key in self.rule_ids:
            sql = "UPDATE rules SET body = $2, version = version + 1 WHERE id = $1"
            self.runner.run(self._change_rule(sql, scope, self.rule_ids[key], stored))
        else:
            sql = "INSERT INTO rules (body) VALUES ($1) RETURNING id"
            self.rule_ids[key] = self.runner.run(self._change_rule(sql, scope, stored))
        self.apply_time()

    def apply_delete(self, scope, name):
        rule_id = self.rule_ids.pop((scope, name))
        self.runner.run(self._change_rule("DELETE FROM rules WHERE id = $1", scope, rule_id))
        self.apply_time()

    def apply_lifecycle(self, events):
        bodies = [
            contract_event(CONTRACT, event["version"], event["status"], terms=terms_of(event)) for event in events
        ]
        self.runner.run(self._handle_twice(LIFECYCLE, "tidemark.contract.amended.v1", bodies))

    def apply_balances(self, balances):
        self.runner.run(self._handle_twice(BALANCES, CONTRACT_BALANCE, list(map(balance_of, balances))))

    def apply_time(self):
        async def evaluate_by_both():
            await asyncio.gather(*(evaluator.evaluate_due(self.pool, self.now) for evaluator in self.evaluators))

        self.runner.run(evaluate_by_both())

    @invariant()
    def evaluation_raises_one_message_for_each_receiver(self):
        # The deliveries of one evaluation are inserted by one transaction.
        groups = self.runner.run(
            self.pool.fetch(
                "SELECT count(DISTINCT message_id) AS messages FROM deliveries WHERE receiver IS NOT NULL "
                "GROUP BY xmin::text, receiver"
            )
        )
        messages = self.runner.run(
            self.pool.fetchval("SELECT count(DISTINCT message_id) FROM deliveries WHERE receiver IS NOT NULL")
        )
        assert [group["messages"] for group in groups] == [1] * messages

    def raised(self):
        rows = self.runner.run(self.pool.fetch("SELECT * FROM notifications"))
        snapshots = [json.loads(row["snapshot"]) for row in rows]
        return [
            (
                snapshot["kind"],
                row["rule_name"],
                snapshot["trigger"],
                row["subject"],
                row["period_start"],
                row["threshold"],
            )
            for row, snapshot in zip(rows, snapshots, strict=True)
        ]


def test_two_instances_on_a_database_match_the_model(database):
    machine = type("BoundDatabaseMachine", (DatabaseMachine,), {"url": database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=repeat(5, long=25),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_model_starts_with_its_contract():
    assert month_starts(END_DATES[0])[0] == START
