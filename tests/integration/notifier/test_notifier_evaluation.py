"""Events to notifications, on a real database."""

import json
from fractions import Fraction

import asyncpg
import pytest
from effort import repeat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notifier_bodies import HOUR, rule
from scenario import START, Scenario

from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_notifier.rules.rule import Rule
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.topics import NOTIFICATIONS


async def test_crossing_raises_one_notification_with_snapshot_deliveries_and_event(pool):
    scenario = Scenario(pool)
    await scenario.start()
    contacts = {"kind": "contacts", "role": "billing"}
    await scenario.create_rule(rule("Warn", "80", "100", receivers=[{"kind": "owner"}, contacts]))
    await scenario.store_balances(scenario.balance(1, 32 - 1 / HOUR))
    assert await scenario.notifications() == []

    await scenario.store_balances(scenario.balance(2, 32))
    [notification] = await scenario.notifications()
    await scenario.store_balances(scenario.balance(2, 32))
    await scenario.store_balances(scenario.balance(1, 39))
    await scenario.store_balances(scenario.balance(3, 20), scenario.balance(4, 33))
    assert await scenario.notifications() == [notification]

    snapshot = json.loads(notification["snapshot"])
    assert (snapshot["consumed"], snapshot["available"], snapshot["revision"]) == (32 * HOUR, 40 * HOUR, 2)
    assert (notification["threshold"], notification["subject"], notification["subject_id"]) == (
        "80",
        "contract",
        scenario.contract,
    )
    assert notification["period_start"] == START
    rows = await pool.fetch("SELECT * FROM reporting.notifications ORDER BY delivery_id")
    assert [(row["receiver"], row["status"], row["channel"]) for row in rows] == [
        ("olga@provider.example.com", "pending", "email"),
        ("ann@acme.example.com", "pending", "email"),
    ]
    [record] = await pool.fetch("SELECT * FROM outbox")
    headers = [(name, bytes.fromhex(value)) for name, value in json.loads(record["headers"])]
    event = decode_event(NOTIFICATIONS, headers, record["value"])
    assert (event.type, record["key"]) == ("tidemark.notification.raised.v1", scenario.contract.encode())
    assert (event.data.notification_id, event.data.raised_at) == (notification["id"], notification["raised_at"])


async def test_oscillating_value_notifies_each_threshold_once(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Warn", "50", "80", "100"))
    for revision, hours in enumerate((33, 10, 35, 41, 0, 60), start=1):
        await scenario.store_balances(scenario.balance(revision, hours))
    assert await scenario.thresholds() == ["80", "100"]


async def test_new_plan_notifies_again(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Warn", "80"))
    await scenario.store_balances(scenario.balance(1, 33))
    await scenario.store_contract(2, hours="60")
    await scenario.store_balances(scenario.balance(2, 33, planned=60 * HOUR, version=2))
    assert await scenario.thresholds() == ["80"]
    await scenario.store_balances(scenario.balance(3, 50, planned=60 * HOUR, version=2))
    assert await scenario.thresholds() == ["80", "80"]


async def test_balance_waits_for_its_version_of_the_contract(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Warn", "80"))
    await scenario.store_balances(scenario.balance(1, 60, planned=60 * HOUR, version=2))
    assert await scenario.notifications() == []
    await scenario.store_contract(2, hours="60", owner="new@provider.example.com")
    [notification] = await scenario.notifications()
    assert (await pool.fetchval("SELECT receiver FROM deliveries")) == "new@provider.example.com"
    assert json.loads(notification["snapshot"])["planned"] == 60 * HOUR


async def test_older_version_of_a_contract_or_organization_changes_nothing(pool):
    scenario = Scenario(pool)
    await scenario.store_organization(version=2, contacts=[("new@acme.example.com", "billing")])
    await scenario.store_organization(version=1)
    await scenario.store_contract(2, owner="new@provider.example.com")
    await scenario.store_contract(1, "INACTIVE")
    await scenario.create_rule(rule("Warn", receivers=[{"kind": "owner"}, {"kind": "contacts", "role": "billing"}]))
    await scenario.store_balances(scenario.balance(1, 33, version=2))
    rows = await pool.fetch("SELECT receiver FROM deliveries ORDER BY id")
    assert [row["receiver"] for row in rows] == ["new@provider.example.com", "new@acme.example.com"]


async def test_balance_of_an_older_plan_is_not_evaluated(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.store_contract(2, hours="60")
    await scenario.create_rule(rule("Warn", "80"))
    await scenario.store_balances(scenario.balance(1, 33))
    assert await scenario.notifications() == []
    await scenario.store_contract(3, hours="60", owner="new@provider.example.com")
    await scenario.store_balances(scenario.balance(2, 50, planned=60 * HOUR, version=2))
    await pool.execute("UPDATE contracts SET balance_awaited_until = now()")
    await scenario.store_balances(scenario.balance(3, 50, planned=60 * HOUR, version=2))
    assert await scenario.thresholds() == ["80"]


async def test_contract_waits_for_its_organization(pool):
    scenario = Scenario(pool)
    await scenario.create_rule(rule("Warn", "80"))
    await scenario.store_balances(scenario.balance(1, 33))
    await scenario.store_contract()
    assert await scenario.notifications() == []
    await scenario.store_organization()
    assert await scenario.thresholds() == ["80"]


@pytest.mark.parametrize("status", ["DRAFT", "INACTIVE", "CLOSED"])
async def test_crossing_notifies_when_the_contract_becomes_active(pool, status):
    scenario = Scenario(pool)
    await scenario.store_organization()
    await scenario.create_rule(rule("Warn", "80"))
    await scenario.store_contract(1, status)
    await scenario.store_balances(scenario.balance(1, 33))
    assert await scenario.notifications() == []
    await scenario.store_contract(2, "ACTIVE")
    await scenario.store_balances(scenario.balance(2, 33, version=2))
    assert await scenario.thresholds() == ["80"]


async def test_rule_created_after_the_crossing_notifies_or_skips(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.store_balances(scenario.balance(1, 33))
    await scenario.create_rule(rule("Notify", "80", "100"))
    await scenario.create_rule(rule("Skip", "80", "100", existing="skip"))
    assert [row["rule_name"] for row in await scenario.notifications()] == ["Notify"]
    await scenario.store_balances(scenario.balance(2, 10))
    await scenario.store_balances(scenario.balance(3, 34))
    await scenario.store_balances(scenario.balance(4, 40))
    notified = {(row["rule_name"], row["threshold"]) for row in await scenario.notifications()}
    assert notified == {("Notify", "80"), ("Notify", "100"), ("Skip", "100")}


async def test_rule_that_skips_notifies_of_later_contracts(pool):
    scenario = Scenario(pool)
    await scenario.create_rule(rule("Skip", "80", existing="skip"))
    await scenario.start()
    await scenario.store_balances(scenario.balance(1, 33))
    assert await scenario.thresholds() == ["80"]


async def test_rule_without_addressees_leaves_a_delivery_without_receiver(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Warn", "80", receivers=[{"kind": "contacts", "role": "nobody"}]))
    await scenario.store_balances(scenario.balance(1, 33))
    [row] = await pool.fetch("SELECT * FROM reporting.notifications")
    assert (row["status"], row["receiver"], row["attempts"]) == ("no_receiver", None, 0)


async def test_new_instance_stores_until_it_starts_and_then_evaluates_everything(pool):
    scenario = Scenario(pool, Evaluator())
    assert not scenario.evaluator.is_started
    other = Scenario(pool, scenario.evaluator)
    async with pool.acquire() as connection:
        await connection.execute("INSERT INTO rules (body) VALUES ($1)", Rule.model_validate(rule()).model_dump_json())
    for stored in (scenario, other):
        await stored.start()
        await stored.store_balances(stored.balance(1, 33))
    assert await pool.fetchval("SELECT count(*) FROM notification_keys") == 0
    await scenario.evaluator.start(pool)
    await scenario.evaluator.start(pool)
    await scenario.evaluator.evaluate_due(pool)
    assert (await scenario.thresholds(), await other.thresholds()) == (["80"], ["80"])
    await other.store_balances(other.balance(2, 34))
    assert await other.thresholds() == ["80"]


async def test_unreadable_balance_becomes_a_dead_letter_and_blocks_nothing(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.create_rule(rule())
    await scenario.store_balances({"contract_id": "no"}, None, scenario.balance(1, 33))
    assert await scenario.thresholds() == ["80"]
    [letter] = await pool.fetch("SELECT * FROM reporting.dead_letters")
    assert (letter["service"], letter["topic"]) == ("notifier", "consumption.balances")
    assert "contract_id" in letter["reason"]


@settings(max_examples=repeat(25, long=60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.sets(st.integers(1, 150), min_size=1, max_size=4),
    hours=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([40, 40, 40, 50])), min_size=1, max_size=12),
    data=st.data(),
)
async def test_any_order_of_balances_notifies_as_the_model(pool, at, hours, data):
    """Balances that rise and fall, with new plans, redelivered, reordered, in batches of any size."""
    world_balances = list(enumerate(hours, start=1))
    arrivals = data.draw(st.permutations(world_balances + data.draw(st.lists(st.sampled_from(world_balances)))))
    cuts = data.draw(st.lists(st.integers(0, len(arrivals)), max_size=5).map(sorted))
    batches = [arrivals[a:b] for a, b in zip([0, *cuts], [*cuts, len(arrivals)], strict=True) if a < b]

    scenario = Scenario(pool)
    await scenario.start()
    await scenario.create_rule(
        rule("Warn", *map(str, at), scope={"kind": "contract", "id": scenario.contract}, over="whole")
    )
    for arrived in batches:
        await scenario.store_balances(
            *(scenario.balance(revision, consumed, planned=plan * HOUR) for revision, (consumed, plan) in arrived)
        )
    notified = [(row["threshold"], json.loads(row["snapshot"])["planned"]) for row in await scenario.notifications()]

    expected, known_keys, newest = [], set(), 0
    for arrived in batches:
        revision, (consumed, plan) = max(arrived)
        if revision > newest:
            newest = revision
            reached = {(share, plan) for share in at if consumed and Fraction(consumed * 100, plan) >= share}
            if new := reached - known_keys:
                expected.append((str(max(new)[0]), plan * HOUR))
            known_keys |= reached
    assert notified == expected


async def test_reporting_view_has_its_columns_comments_and_grants(pool):
    rows = await pool.fetch(
        "SELECT attname, col_description(attrelid, attnum) AS comment FROM pg_attribute"
        " WHERE attrelid = 'reporting.notifications'::regclass ORDER BY attnum"
    )
    assert " ".join(row["attname"] for row in rows) == (
        "id delivery_id rule_id rule_name contract_id contract_code subject subject_id threshold period_start "
        "raised_at channel receiver status attempts last_error delivered_at message_id offer_id"
    )
    assert all(row["comment"] for row in rows)
    assert await pool.fetchval("SELECT obj_description('reporting.notifications'::regclass)")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE tidemark_ops")
        assert await connection.fetch("SELECT * FROM reporting.notifications") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM notifier.rules")
