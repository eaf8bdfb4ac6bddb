"""The unique key is the last guard of "once": it holds where all that comes before it is blind."""

from test_notifier import World, pool, rule  # noqa: F401 - `pool` is a fixture

from tidemark_notifier import judge as judge_module


async def test_what_was_told_is_not_told_again_by_a_judge_that_does_not_see_it(pool, monkeypatch):  # noqa: F811
    evaluate = judge_module.evaluate
    monkeypatch.setattr(judge_module, "evaluate", lambda rules, known, _, today: evaluate(rules, known, set(), today))
    world = World(pool)
    await world.begin()
    await world.make_rule(rule("Warn", "80"))
    await world.tell_balances(world.balance(1, 33))
    await world.tell_balances(world.balance(2, 34))
    assert await world.thresholds() == ["80"]
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == 1
