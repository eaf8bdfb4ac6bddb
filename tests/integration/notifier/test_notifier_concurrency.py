"""Several transactions at once: no crossing is lost, and none notifies twice."""

import asyncio

import pytest
from notifier_bodies import rule
from polling import wait_until
from scenario import Scenario, insert_rule

from tidemark_notifier.engine import evaluator as evaluator_module
from tidemark_notifier.engine import event_handlers
from tidemark_notifier.engine.evaluator import Evaluator, lock_configuration
from tidemark_notifier.rules.rule import Rule


async def has_lock_wait(pool):
    """Whether a connection to this database waits for a lock."""
    return await pool.fetchval(
        "SELECT exists(SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )


async def run_concurrently(pool, first, second, then=None):
    """Run ``second`` while the transaction of ``first`` is open. Commit ``first`` when ``second`` waits or has ended.

    ``then`` follows the transaction of ``second``.
    """
    async with pool.acquire() as first_connection, pool.acquire() as second_connection:
        transaction = first_connection.transaction()
        await transaction.start()
        await first(first_connection)

        async def run():
            async with second_connection.transaction():
                await second(second_connection)
            if then:
                await then()

        task = asyncio.create_task(run())

        async def is_waiting_or_done():
            return task.done() or await has_lock_wait(pool)

        await wait_until(is_waiting_or_done)
        await transaction.commit()
        await task


@pytest.mark.parametrize("configuration_first", [True, False])
@pytest.mark.parametrize("configuration", ["rule", "organization"])
@pytest.mark.parametrize("locked", [True, False])
async def test_configuration_lock_prevents_a_lost_crossing(
    pool, monkeypatch, *, configuration, configuration_first, locked
):
    scenario = Scenario(pool)
    if configuration == "rule":
        await scenario.store_organization()
    else:
        await scenario.create_rule(rule("Warn", "80"))

    async def skip_lock(_):
        pass

    if not locked:
        for module in (evaluator_module, event_handlers):
            for name in ("lock_configuration_shared", "lock_configuration"):
                monkeypatch.setattr(module._sql, name, skip_lock)

    async def change(connection):
        if configuration == "rule":
            await lock_configuration(connection)
            await insert_rule(connection, rule("Warn", "80"))
        else:
            await scenario.store_organization(connection=connection)

    async def store(connection):
        await scenario.store_balances(scenario.balance(1, 33), connection=connection)
        await scenario.store_contract(connection=connection)

    async def reevaluate():
        await scenario.evaluator.evaluate_due(pool)

    await run_concurrently(pool, *((change, store) if configuration_first else (store, change)), reevaluate)
    await reevaluate()
    # The re-evaluation cannot see a contract that is stored while the rule changes.
    lost = not locked and not (configuration == "rule" and configuration_first)
    assert await scenario.thresholds() == ([] if lost else ["80"])


@pytest.mark.parametrize("contract_first", [True, False])
async def test_concurrent_contract_and_balance_lose_no_crossing(pool, contract_first):
    scenario = Scenario(pool)
    await scenario.store_organization()
    await scenario.create_rule(rule("Warn", "80"))

    async def store_contract(connection):
        await scenario.store_contract(connection=connection)

    async def store_balance(connection):
        await scenario.store_balances(scenario.balance(1, 33), connection=connection)

    await run_concurrently(
        pool, *((store_contract, store_balance) if contract_first else (store_balance, store_contract))
    )
    assert await scenario.thresholds() == ["80"]


async def test_same_balance_in_two_instances_notifies_once(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Warn", "80"))

    async def store(connection):
        await scenario.store_balances(scenario.balance(1, 33), connection=connection)

    await run_concurrently(pool, store, store)
    assert await scenario.thresholds() == ["80"]


async def test_contract_stored_while_an_instance_starts_is_evaluated(pool):
    scenario = Scenario(pool, Evaluator())
    await scenario.store_organization()
    await scenario.store_balances(scenario.balance(1, 33))
    async with pool.acquire() as connection:
        await connection.execute("INSERT INTO rules (body) VALUES ($1)", Rule.model_validate(rule()).model_dump_json())

    async def store(connection):
        await scenario.store_contract(connection=connection)

    async def start_evaluator(_):
        await scenario.evaluator.start(pool)
        await scenario.evaluator.evaluate_due(pool)

    await run_concurrently(pool, store, start_evaluator)
    assert await scenario.thresholds() == ["80"]
