"""Digests: one mail for each receiver and day, whatever restarts, with what changed since the last one."""

import asyncio
from datetime import UTC, datetime, timedelta

from deliveries import running_deliverer, wait_until_finished
from notifier_bodies import rule
from scenario import ScheduledScenario

from tidemark_notifier.engine.evaluator import Evaluator

MONDAY = datetime(2026, 3, 15, 23, tzinfo=UTC)  # in Berlin
WEEK = timedelta(days=7)
RULE = rule(
    "Monday morning",
    trigger={"kind": "digest", "every": "week", "on": "monday"},
    receivers=[{"kind": "owner"}, {"kind": "contacts", "role": "billing"}],
)


async def create(pool):
    """Two contracts of one owner and two customers, and the rule, which is first looked at on the Sunday before."""
    scenarios = [ScheduledScenario(pool, code=code) for code in ("ACME-SUP", "NORD-OPS")]
    for scenario in scenarios:
        await scenario.start()
        await scenario.store_march(1, 20)
    await scenarios[0].create_rule(RULE)
    return scenarios


async def evaluate_at(pool, now, evaluator=None):
    """Let the time pass, and return how many contracts each receiver has had in their digests."""
    await (evaluator or Evaluator(is_started=True)).evaluate_due(pool, now)
    rows = await pool.fetch(
        "SELECT receiver, message_id, count(*) FROM reporting.notifications WHERE rule_name = 'Monday morning' "
        "GROUP BY receiver, message_id ORDER BY message_id"
    )
    return sorted((row["receiver"].partition("@")[0], row["count"]) for row in rows)


FIRST = [("ann", 2), ("olga", 2)]


async def test_receiver_gets_one_mail_with_all_contracts(pool, mail_server):
    await create(pool)
    assert await evaluate_at(pool, MONDAY - timedelta(seconds=1)) == []
    assert await evaluate_at(pool, MONDAY) == FIRST
    async with running_deliverer(pool, mail_server):
        rows = await wait_until_finished(pool)
    assert {row["status"] for row in rows} == {"delivered"}
    assert len(mail_server.mails) == 2
    for mail in mail_server.received:
        text = mail.get_body(("plain",)).get_content()
        assert mail["Subject"] == "Digest: No contract needs attention, 16 March 2026"
        assert "(ACME-SUP)" in text
        assert "(NORD-OPS)" in text


async def test_day_is_sent_once_over_restarts_and_by_several_instances(pool):
    [scenario, _] = await create(pool)
    for minutes in (0, 0, 1, 15, 60, 24 * 60):
        now = MONDAY + timedelta(minutes=minutes)
        await asyncio.gather(*(evaluate_at(pool, now) for _ in range(3)))
        assert await evaluate_at(pool, now) == FIRST
    # Another contract of the owner, and a change, wait for the next one.
    await scenario.store_march(2, 26)
    await ScheduledScenario(pool, code="BLUE-WEB").start()
    assert await evaluate_at(pool, MONDAY + timedelta(days=2)) == FIRST


async def test_nothing_is_sent_without_news_and_a_missed_day_is_sent_late_once(pool):
    [scenario, _] = await create(pool)
    assert await evaluate_at(pool, MONDAY) == FIRST
    assert await evaluate_at(pool, MONDAY + WEEK) == FIRST
    await scenario.store_march(2, 26)
    # Nothing ran for two weeks.
    assert await evaluate_at(pool, MONDAY + 2 * WEEK + timedelta(hours=30)) == sorted(FIRST * 2)
    previous = await pool.fetchval(
        "SELECT snapshot #>> '{digest,previous,day}' FROM notifications "
        "WHERE contract_code = 'ACME-SUP' ORDER BY id DESC LIMIT 1"
    )
    assert previous == "2026-03-16"
    assert await evaluate_at(pool, MONDAY + 3 * WEEK - timedelta(seconds=1)) == sorted(FIRST * 2)


async def test_new_or_changed_digest_begins_with_its_next_day_and_a_disabled_one_rests(pool):
    await create(pool)
    await pool.execute("UPDATE rules SET next_digest_at = NULL")
    assert await evaluate_at(pool, MONDAY + timedelta(hours=9)) == []
    await pool.execute("UPDATE rules SET body = body || '{\"enabled\": false}'")
    assert await evaluate_at(pool, MONDAY + WEEK) == []
    await pool.execute("UPDATE rules SET body = body || '{\"enabled\": true}'")
    assert await evaluate_at(pool, MONDAY + WEEK, Evaluator()) == []
    assert await evaluate_at(pool, MONDAY + WEEK) == FIRST


async def test_changed_rule_is_looked_at_anew(client, pool):
    created = await client.post("/v1/rules", json=RULE)
    assert created.status_code == 201
    await pool.execute("UPDATE rules SET next_digest_at = 'infinity'")
    body = RULE | {"trigger": {"kind": "digest", "every": "month", "on": 31}}
    path = created.headers["location"]
    changed = await client.put(path, json=body, headers={"if-match": created.headers["etag"]})
    assert changed.json()["trigger"] == body["trigger"]
    assert await pool.fetchval("SELECT coalesce(next_digest_at, now()) < 'infinity' FROM rules")
