"""Notifications that time brings, and the order of events, on a real database."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from notifier_bodies import HOUR, contract_event, rule, terms
from scenario import ACTIVATED, NOON, ScheduledScenario

from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_shared.messaging.events import TEAM_CHANGED
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE

MIDNIGHT = datetime(2026, 11, 30, 23, tzinfo=UTC)  # the start of 1 December in Berlin, 30 days before the end

EXPIRES = rule("Ends soon", trigger={"kind": "expires_in_days", "at": [7, 30]})


async def test_days_left_notify_at_the_start_of_the_day_in_the_contracts_zone(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.create_rule(EXPIRES)
    assert await scenario.thresholds_at(MIDNIGHT - timedelta(microseconds=1)) == []
    assert await scenario.thresholds_at(MIDNIGHT) == ["30"]
    assert await scenario.thresholds_at(MIDNIGHT + timedelta(days=22)) == ["30"]
    assert await scenario.thresholds_at(MIDNIGHT + timedelta(days=23)) == ["30", "7"]
    assert await scenario.thresholds_at(MIDNIGHT + timedelta(days=25)) == ["30", "7"]
    assert await pool.fetchval("SELECT next_evaluation_at FROM contracts") is None


async def test_missed_dates_notify_late_and_once(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.create_rule(EXPIRES)
    restarted = Evaluator(is_started=True)
    assert await scenario.thresholds_at(MIDNIGHT + timedelta(days=24), restarted) == ["7"]
    assert await scenario.thresholds_at(MIDNIGHT + timedelta(days=24)) == ["7"]


async def test_evaluation_that_is_overdue_is_reported(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Ends", trigger={"kind": "expires_in_days", "at": ["30"]}))
    due_at = await pool.fetchval("SELECT next_evaluation_at FROM contracts")
    async with pool.acquire() as connection:
        assert await scenario.evaluator.find_problems(connection, due_at + timedelta(seconds=59)) == []
        [problem] = await scenario.evaluator.find_problems(connection, due_at + timedelta(seconds=60))
        assert problem.startswith(f"Contract ACME-SUP should have been evaluated at {due_at.isoformat()}.")
        await scenario.evaluator.evaluate_due(pool, due_at)
        assert await scenario.evaluator.find_problems(connection, due_at + timedelta(seconds=60)) == []


async def test_balance_triggers_dates_that_are_due(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.create_rule(EXPIRES)
    scenario.now = MIDNIGHT
    await scenario.store_march(1, 0)
    assert await scenario.thresholds() == ["30"]


async def test_reminders_repeat_until_the_period_ends(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Warn", "80", remind_every_days=7))
    await scenario.store_march(1, 33)
    for day in range(30):
        await scenario.thresholds_at(NOON + timedelta(days=day))
        await scenario.thresholds_at(NOON + timedelta(days=day), Evaluator(is_started=True))
    assert await scenario.kinds() == [
        ("crossing", "80", "2026-03-15"), ("reminder", "80", "2026-03-22"), ("reminder", "80", "2026-03-29"),
    ]  # fmt: skip


async def test_resolution_has_its_own_event_and_starts_a_new_episode(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Warn", "80", notify_resolved=True))
    for revision, hours in enumerate((33, 20, 21, 34, 35), start=1):
        await scenario.store_march(revision, hours)
    assert [kind for kind, _, _ in await scenario.kinds()] == ["crossing", "resolved", "crossing"]
    rows = await pool.fetch("SELECT headers FROM outbox ORDER BY id")
    types = [bytes.fromhex(dict(json.loads(row["headers"]))["ce_type"]).decode() for row in rows]
    assert [type_.split(".")[2] for type_ in types] == ["raised", "resolved", "raised"]


async def test_status_that_passed_within_one_batch_notifies(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.create_rule(rule("Paused", trigger={"kind": "status_changed", "to": "INACTIVE"}))
    body = terms(organization=scenario.organization)
    events = [
        contract_event(scenario.contract, version, status, terms=body)
        for version, status in ((3, "ACTIVE"), (2, "INACTIVE"), (1, "ACTIVE"))
    ]
    for _ in range(2):
        await scenario.handle(LIFECYCLE, ACTIVATED, events)
    assert await scenario.thresholds_without_balance() == ["INACTIVE"]
    await scenario.store_contract(4, "INACTIVE")
    await scenario.store_contract(5, "INACTIVE")
    assert await scenario.thresholds_without_balance() == ["INACTIVE"] * 2


async def test_new_version_notifies_with_its_balance_or_without_after_a_while(pool):
    scenario = ScheduledScenario(pool)
    await scenario.store_organization()
    for status in ("ACTIVE", "INACTIVE"):
        await scenario.create_rule(rule(status, trigger={"kind": "status_changed", "to": status}))
    await scenario.store_contract(1)
    assert await scenario.thresholds_at(NOON + timedelta(seconds=14)) == []
    await scenario.store_march(1, 12)
    assert await scenario.thresholds() == ["ACTIVE"]
    # A balance of the version before does not count as one.
    await scenario.store_contract(2, "INACTIVE")
    await scenario.store_march(2, 13)
    assert await scenario.thresholds() == ["ACTIVE"]
    assert await scenario.thresholds_without_balance() == ["ACTIVE", "INACTIVE"]
    await scenario.store_contract(3)
    await scenario.store_march(3, 14, version=3)
    rows = [json.loads(row["snapshot"]) for row in await scenario.notifications()]
    assert [(row["threshold"], row["consumed"]) for row in rows] == [
        ("ACTIVE", 12 * HOUR),
        ("INACTIVE", 13 * HOUR),
        ("ACTIVE", 14 * HOUR),
    ]
    assert all(row["accounts"] for row in rows)


async def test_redelivered_status_change_does_not_notify(pool):
    scenario = ScheduledScenario(pool)
    await scenario.store_organization()
    statuses = enumerate(("ACTIVE", "INACTIVE", "ACTIVE", "ACTIVE"), start=1)
    body = terms(organization=scenario.organization)
    events = [contract_event(scenario.contract, version, status, terms=body) for version, status in statuses]
    await scenario.handle(LIFECYCLE, ACTIVATED, events[:3])
    assert await scenario.thresholds_without_balance() == []
    await scenario.create_rule(rule("Paused", trigger={"kind": "status_changed", "to": "INACTIVE"}))
    await scenario.handle(LIFECYCLE, ACTIVATED, events[1:])
    assert await scenario.thresholds_without_balance() == []


async def test_dates_notify_while_the_balance_waits(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.store_march(1, 33, version=2)
    await scenario.create_rule(EXPIRES)
    await scenario.create_rule(rule("Warn", "80"))
    assert await scenario.thresholds_at(MIDNIGHT) == ["30"]
    scenario.now = NOON
    await scenario.store_contract(2)
    assert await scenario.thresholds() == ["30", "80"]


async def test_rule_does_not_skip_while_the_balance_waits(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.store_march(1, 33, version=2)
    await scenario.create_rule(rule("Warn", "80", existing="skip"))
    await scenario.store_contract(2)
    assert await scenario.thresholds() == []
    assert await pool.fetchval("SELECT count(*) FROM notification_keys") == 1


async def test_team_members_of_that_day_are_notified(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    team = str(uuid4())
    members = [
        {"person_id": "1", "email": "early@x.example.com", "from": "2026-01-01", "until": "2026-03-14"},
        {"person_id": "2", "email": "now@x.example.com", "from": "2026-03-15"},
    ]
    body = {"id": team, "version": 1, "deleted": False, "name": "North", "members": members}
    await scenario.handle(DIRECTORY, TEAM_CHANGED, [body])
    await scenario.create_rule(rule("Warn", "80", receivers=[{"kind": "team", "id": team}]))
    await scenario.store_march(1, 33)
    assert [row["receiver"] for row in await pool.fetch("SELECT receiver FROM deliveries")] == ["now@x.example.com"]
