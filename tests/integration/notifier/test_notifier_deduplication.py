"""The unique key of ``notification_keys`` prevents duplicates even if the evaluation does not see the history."""

from notifier_bodies import rule
from scenario import Scenario

from tidemark_notifier.engine import evaluator as evaluator_module


async def test_unique_key_prevents_a_second_notification_without_history(pool, monkeypatch):
    evaluate = evaluator_module.evaluate
    monkeypatch.setattr(
        evaluator_module, "evaluate", lambda rules, contract, _, today: evaluate(rules, contract, (), today)
    )
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Warn", "80"))
    await scenario.store_balances(scenario.balance(1, 33))
    await scenario.store_balances(scenario.balance(2, 34))
    assert await scenario.thresholds() == ["80"]
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == 1
