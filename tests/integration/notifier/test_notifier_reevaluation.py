"""Re-evaluation in batches after a change of rules, on a real database."""

from uuid import uuid4

import pytest
from notifier_bodies import HOUR, balance, contract_event, rule, terms
from scenario import ACTIVATED, NOON, ScheduledScenario, insert_rule

from tidemark_notifier.engine import evaluator as evaluator_module
from tidemark_notifier.engine.evaluator import Evaluator, lock_configuration
from tidemark_shared.messaging.topics import LIFECYCLE


async def store_crossed_contracts(pool, count):
    """Contracts that have crossed, and a rule that has not been evaluated for them yet."""
    scenario = ScheduledScenario(pool)
    await scenario.store_organization()
    ids = sorted(str(uuid4()) for _ in range(count))
    body = terms(organization=scenario.organization)
    await scenario.handle(LIFECYCLE, ACTIVATED, [contract_event(id_, 1, "ACTIVE", terms=body) for id_ in ids])
    await scenario.store_balances(*(balance(id_, 1, consumed=33 * HOUR) for id_ in ids))
    await insert_unevaluated_rule(pool, rule())
    return scenario, ids


async def insert_unevaluated_rule(pool, body):
    async with pool.acquire() as connection, connection.transaction():
        await lock_configuration(connection)
        await insert_rule(connection, body)


async def notified_contracts(pool):
    return sorted(str(row["contract_id"]) for row in await pool.fetch("SELECT contract_id FROM notifications"))


async def test_reevaluation_continues_after_a_crash(pool, monkeypatch):
    monkeypatch.setattr(evaluator_module, "_REEVALUATION_BATCH_SIZE", 3)
    scenario, ids = await store_crossed_contracts(pool, 8)
    evaluate_contracts, parts = evaluator_module._evaluate_contracts, []

    async def crash_in_the_third(connection, contract_ids, now, restatement_quiet):
        parts.append(list(map(str, contract_ids)))
        await evaluate_contracts(connection, contract_ids, now, restatement_quiet)
        if len(parts) == 3:
            raise ConnectionError

    monkeypatch.setattr(evaluator_module, "_evaluate_contracts", crash_in_the_third)
    with pytest.raises(ConnectionError):
        await scenario.evaluator.evaluate_due(pool, NOON)
    assert await notified_contracts(pool) == ids[:6]
    await Evaluator(is_started=True).evaluate_due(pool, NOON)
    assert await notified_contracts(pool) == ids
    assert parts == [ids[:3], ids[3:6], ids[6:], ids[6:]]
    assert await pool.fetchval("SELECT count(*) FROM reevaluations") == 0


async def test_balances_are_handled_between_the_batches_of_a_reevaluation(pool, monkeypatch):
    monkeypatch.setattr(evaluator_module, "_REEVALUATION_BATCH_SIZE", 3)
    scenario, ids = await store_crossed_contracts(pool, 8)
    assert await scenario.evaluator._evaluate_batch(pool, NOON)
    await scenario.store_balances(balance(ids[-1], 2, consumed=34 * HOUR))
    assert await notified_contracts(pool) == [*ids[:3], ids[-1]]
    await scenario.evaluator.evaluate_due(pool, NOON)
    assert await notified_contracts(pool) == ids


async def test_only_a_running_reevaluation_needs_a_second_one(pool, monkeypatch):
    monkeypatch.setattr(evaluator_module, "_REEVALUATION_BATCH_SIZE", 3)
    scenario, _ = await store_crossed_contracts(pool, 8)

    async def change(name):
        await insert_unevaluated_rule(pool, rule(name))
        return await pool.fetchval("SELECT count(*) FROM reevaluations")

    assert await change("Second") == 1
    await scenario.evaluator._evaluate_batch(pool, NOON)
    assert await change("Third") == 2
    await scenario.evaluator.evaluate_due(pool, NOON)
    rows = await pool.fetch("SELECT rule_name, count(*) FROM notifications GROUP BY rule_name ORDER BY rule_name")
    assert [tuple(row) for row in rows] == [("Second", 8), ("Third", 8), ("Warn", 8)]
