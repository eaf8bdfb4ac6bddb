"""What time brings, what sweeps judge in parts, and what is asked of rules over HTTP: on a real database."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from notices import HOUR, balance, batch, contract_event, figures, limit, organization, rule, terms
from test_notifier import World, pool  # noqa: F401 - `pool` is a fixture

from tidemark_notifier import judge as judge_module
from tidemark_notifier.app import create_app
from tidemark_notifier.guard import Guard
from tidemark_notifier.judge import Judge, change_frame
from tidemark_notifier.rules import Rule
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.events import CONTRACT_BALANCE, ORGANIZATION_CHANGED, TEAM_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE
from tidemark_shared.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - signs the tokens of these tests
ACTIVATED = "tidemark.contract.activated.v1"
NOON = datetime(2026, 3, 15, 11, tzinfo=UTC)  # in Berlin
MIDNIGHT = datetime(2026, 11, 30, 23, tzinfo=UTC)  # the 1st of December begins in Berlin, 30 days before the end


class Timed(World):
    """A contract from January to December 2026, told at a moment that the test sets."""

    def __init__(self, pool, judge=None, code="ACME-SUP"):  # noqa: F811
        super().__init__(pool, judge)
        self.now, self.code = NOON, code

    async def _take(self, handler, topic, type_, data, connection=None):  # noqa: ARG002
        async with self.pool.acquire() as own, own.transaction():
            await handler(own, batch(topic, type_, *data)._replace(learned_at=self.now))

    async def tell_organization(self, connection=None, **changes):  # noqa: ARG002
        body = organization(id_=self.organization, **changes)
        await self._take(self.judge.directory, DIRECTORY, ORGANIZATION_CHANGED, [body])
        await self.judge.catch_up(self.pool, self.now)

    async def tell_contract(self, version=1, status="ACTIVE", connection=None, **changes):  # noqa: ARG002
        body = terms(self.code, organization=self.organization, **changes)
        event = contract_event(self.contract, version, status, terms=body)
        await self._take(self.judge.lifecycle, LIFECYCLE, ACTIVATED, [event])

    async def tell_march(self, revision, hours, **changes):
        body = balance(self.contract, revision, consumed=int(hours * HOUR), code=self.code, **changes)
        await self._take(self.judge.balances, BALANCES, CONTRACT_BALANCE, [body])

    async def make_rule(self, body):
        async with self.pool.acquire() as connection, connection.transaction():
            await change_frame(connection)
            made = Rule.model_validate(body)
            await connection.execute("INSERT INTO rules (body) VALUES ($1)", made.model_dump_json())
            await self.judge.rules_changed(connection, [made.scope])
        await self.judge.catch_up(self.pool, self.now)

    async def at(self, now, judge=None):
        """Let the clock stand at ``now``; what was told by then."""
        self.now = now
        await (judge or self.judge).catch_up(self.pool, now)
        return await self.thresholds()

    async def occasions(self):
        return [
            (json.loads(row["snapshot"])["occasion"], row["threshold"], row["raised_at"].date().isoformat())
            for row in await self.notifications()
        ]


EXPIRES = rule("Ends soon", trigger={"kind": "expires_in_days", "at": [7, 30]})


async def test_days_left_are_told_at_the_start_of_the_day_in_the_contracts_zone(pool):  # noqa: F811
    world = Timed(pool)
    await world.begin()
    await world.make_rule(EXPIRES)
    assert await world.at(MIDNIGHT - timedelta(microseconds=1)) == []
    assert await world.at(MIDNIGHT) == ["30"]
    assert await world.at(MIDNIGHT + timedelta(days=22)) == ["30"]
    assert await world.at(MIDNIGHT + timedelta(days=23)) == ["30", "7"]
    assert await world.at(MIDNIGHT + timedelta(days=25)) == ["30", "7"]
    assert await pool.fetchval("SELECT due_at FROM contracts") is None


async def test_what_came_due_while_nothing_ran_is_told_late_and_once_by_several(pool):  # noqa: F811
    world = Timed(pool)
    await world.begin()
    await world.make_rule(EXPIRES)
    again = Judge(judging=True)
    assert await world.at(MIDNIGHT + timedelta(days=24), again) == ["7"]
    assert await world.at(MIDNIGHT + timedelta(days=24)) == ["7"]


async def test_a_balance_tells_what_the_clock_has_not_yet(pool):  # noqa: F811
    world = Timed(pool)
    await world.begin()
    await world.make_rule(EXPIRES)
    world.now = MIDNIGHT
    await world.tell_march(1, 0)
    assert await world.thresholds() == ["30"]


async def test_reminders_come_by_the_clock_until_the_period_ends(pool):  # noqa: F811
    world = Timed(pool)
    await world.begin()
    await world.make_rule(rule("Warn", "80", remind_every_days=7))
    await world.tell_march(1, 33)
    for day in range(30):
        await world.at(NOON + timedelta(days=day))
        await world.at(NOON + timedelta(days=day), Judge(judging=True))
    assert await world.occasions() == [
        ("crossing", "80", "2026-03-15"), ("reminder", "80", "2026-03-22"), ("reminder", "80", "2026-03-29"),
    ]  # fmt: skip


async def test_a_resolution_is_told_as_such_and_opens_a_new_episode(pool):  # noqa: F811
    world = Timed(pool)
    await world.begin()
    await world.make_rule(rule("Warn", "80", tell_resolved=True))
    for revision, hours in enumerate((33, 20, 21, 34, 35), start=1):
        await world.tell_march(revision, hours)
    assert [one[0] for one in await world.occasions()] == ["crossing", "resolved", "crossing"]
    types = [
        dict(json.loads(one["headers"]))["ce_type"] for one in await pool.fetch("SELECT * FROM outbox ORDER BY id")
    ]
    assert [bytes.fromhex(one).decode().split(".")[2] for one in types] == ["raised", "resolved", "raised"]


async def test_a_status_that_passed_within_one_batch_is_told(pool):  # noqa: F811
    world = Timed(pool)
    await world.begin()
    await world.make_rule(rule("Paused", trigger={"kind": "status_changed", "to": "INACTIVE"}))
    body = terms(organization=world.organization)
    events = [
        contract_event(world.contract, version, status, terms=body)
        for version, status in ((3, "ACTIVE"), (2, "INACTIVE"), (1, "ACTIVE"))
    ]
    for _ in range(2):
        await world._take(world.judge.lifecycle, LIFECYCLE, ACTIVATED, events)
    assert await world.thresholds() == ["INACTIVE"]
    await world.tell_contract(4, "INACTIVE")
    await world.tell_contract(5, "INACTIVE")
    assert await world.thresholds() == ["INACTIVE"] * 2


async def test_a_status_of_long_ago_that_comes_again_with_news_is_no_change(pool):  # noqa: F811
    world = Timed(pool)
    await world.tell_organization()
    statuses = enumerate(("ACTIVE", "INACTIVE", "ACTIVE", "ACTIVE"), start=1)
    body = terms(organization=world.organization)
    events = [contract_event(world.contract, version, status, terms=body) for version, status in statuses]
    await world._take(world.judge.lifecycle, LIFECYCLE, ACTIVATED, events[:3])
    await world.make_rule(rule("Paused", trigger={"kind": "status_changed", "to": "INACTIVE"}))
    await world._take(world.judge.lifecycle, LIFECYCLE, ACTIVATED, events[1:])
    assert await world.thresholds() == []


async def test_dates_do_not_wait_for_a_balance_that_waits(pool):  # noqa: F811
    world = Timed(pool)
    await world.begin()
    await world.tell_march(1, 33, version=2)
    await world.make_rule(EXPIRES)
    await world.make_rule(rule("Warn", "80"))
    assert await world.at(MIDNIGHT) == ["30"]
    world.now = NOON
    await world.tell_contract(2)
    assert await world.thresholds() == ["30", "80"]


async def test_a_rule_that_skips_has_not_looked_while_the_balance_waits(pool):  # noqa: F811
    world = Timed(pool)
    await world.begin()
    await world.tell_march(1, 33, version=2)
    await world.make_rule(rule("Warn", "80", existing="skip"))
    await world.tell_contract(2)
    assert await world.thresholds() == []
    assert await pool.fetchval("SELECT count(*) FROM told") == 1


async def test_members_of_a_team_are_told_who_are_in_it_on_that_day(pool):  # noqa: F811
    world = Timed(pool)
    await world.begin()
    team = str(uuid4())
    members = [
        {"person_id": "1", "email": "early@x.example.com", "from": "2026-01-01", "until": "2026-03-14"},
        {"person_id": "2", "email": "now@x.example.com", "from": "2026-03-15"},
    ]
    body = {"id": team, "version": 1, "deleted": False, "name": "North", "members": members}
    await world._take(world.judge.directory, DIRECTORY, TEAM_CHANGED, [body])
    await world.make_rule(rule("Warn", "80", receivers=[{"kind": "team", "id": team}]))
    await world.tell_march(1, 33)
    assert [row["receiver"] for row in await pool.fetch("SELECT receiver FROM deliveries")] == ["now@x.example.com"]


# Sweeps


async def many(pool, count):  # noqa: F811
    """Contracts that have crossed, and a rule that does not know it yet."""
    world = Timed(pool)
    await world.tell_organization()
    ids = sorted(str(uuid4()) for _ in range(count))
    body = terms(organization=world.organization)
    await world._take(
        world.judge.lifecycle, LIFECYCLE, ACTIVATED, [contract_event(one, 1, "ACTIVE", terms=body) for one in ids]
    )
    await world._take(
        world.judge.balances, BALANCES, CONTRACT_BALANCE, [balance(one, 1, consumed=33 * HOUR) for one in ids]
    )
    async with pool.acquire() as connection, connection.transaction():
        await change_frame(connection)
        await connection.execute("INSERT INTO rules (body) VALUES ($1)", Rule.model_validate(rule()).model_dump_json())
        await world.judge.rules_changed(connection, [Rule.model_validate(rule()).scope])
    return world, ids


async def told_to(pool):  # noqa: F811
    return sorted(str(row["contract_id"]) for row in await pool.fetch("SELECT contract_id FROM notifications"))


async def test_a_sweep_goes_on_where_a_crash_left_it(pool, monkeypatch):  # noqa: F811
    monkeypatch.setattr(judge_module, "_MOST_CONTRACTS", 3)
    world, ids = await many(pool, 8)
    judge, parts = judge_module._judge, []

    async def dies_in_the_third(connection, some, now):
        parts.append(list(map(str, some)))
        await judge(connection, some, now)
        if len(parts) == 3:
            raise ConnectionError

    monkeypatch.setattr(judge_module, "_judge", dies_in_the_third)
    with pytest.raises(ConnectionError):
        await world.judge.catch_up(pool, NOON)
    assert await told_to(pool) == ids[:6]
    await Judge(judging=True).catch_up(pool, NOON)
    assert await told_to(pool) == ids
    assert parts == [ids[:3], ids[3:6], ids[6:], ids[6:]]
    assert await pool.fetchval("SELECT count(*) FROM sweeps") == 0


async def test_balances_are_taken_between_the_parts_of_a_sweep(pool, monkeypatch):  # noqa: F811
    monkeypatch.setattr(judge_module, "_MOST_CONTRACTS", 3)
    world, ids = await many(pool, 8)
    assert await world.judge._part(pool, NOON)
    await world._take(world.judge.balances, BALANCES, CONTRACT_BALANCE, [balance(ids[-1], 2, consumed=34 * HOUR)])
    assert await told_to(pool) == [*ids[:3], ids[-1]]
    await world.judge.catch_up(pool, NOON)
    assert await told_to(pool) == ids


async def test_what_changes_while_a_sweep_waits_needs_no_other_and_while_it_runs_does(pool, monkeypatch):  # noqa: F811
    monkeypatch.setattr(judge_module, "_MOST_CONTRACTS", 3)
    world, _ = await many(pool, 8)

    async def change(name):
        async with pool.acquire() as connection, connection.transaction():
            await change_frame(connection)
            made = Rule.model_validate(rule(name))
            await connection.execute("INSERT INTO rules (body) VALUES ($1)", made.model_dump_json())
            await world.judge.rules_changed(connection, [made.scope])
        return await pool.fetchval("SELECT count(*) FROM sweeps")

    assert await change("Second") == 1
    await world.judge._part(pool, NOON)
    assert await change("Third") == 2
    await world.judge.catch_up(pool, NOON)
    rows = await pool.fetch("SELECT rule_name, count(*) FROM notifications GROUP BY rule_name ORDER BY rule_name")
    assert [tuple(row) for row in rows] == [("Second", 8), ("Third", 8), ("Warn", 8)]


# Over HTTP


@asynccontextmanager
async def asking(pool, database, judge, curve=None):  # noqa: F811
    """A client of the notifier's routes, beside a consumption that answers ``curve`` or is out of reach."""

    def consumption(request):
        if curve is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json={"items": curve(request), "next": None})

    app = create_app(Settings(database_url=database, smtp_url="smtp://127.0.0.1:1", secret=SECRET))
    app.state.pool, app.state.judge, app.state.guard = pool, judge, Guard.of("")
    token = issue_token(SECRET, "tester", "manager", now=datetime.now(UTC))
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(consumption), base_url="http://consumption") as upstream,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://notifier",
            headers={"authorization": f"Bearer {token}"},
        ) as client,
    ):
        app.state.consumption = upstream
        yield client


@pytest.fixture
async def crossed(pool):  # noqa: F811
    """A contract of which 33 h of 40 h are used, today by the real clock."""
    world = World(pool)
    await world.begin()
    await world.tell_balances(world.balance(1, 33))
    return world


async def test_a_dry_run_lists_whom_it_would_tell_and_writes_nothing(pool, database, crossed):  # noqa: F811
    async with asking(pool, database, crossed.judge) as client:
        key = {"idempotency-key": "k"}
        tried = await client.post("/v1/rules?dry_run=true", json=rule("Warn", "50", "80"), headers=key)
        assert (tried.status_code, tried.json()["complete"]) == (200, True)
        [one] = tried.json()["items"]
        assert (one["contract_id"], one["contract_code"], one["threshold"]) == (crossed.contract, "ACME-SUP", "80")
        assert one["receivers"] == ["olga@provider.example.com"]
        hook = {"kind": "webhook", "url": "https://9.9.9.9/hook", "secret": "whsec_" + "A" * 40}
        called = await client.post("/v1/rules?dry_run=true", json={**rule(receivers=[hook]), "channels": ["webhook"]})
        assert called.json()["items"][0]["receivers"] == [hook["url"]]
        assert (await client.get("/v1/rules")).json()["items"] == []
        assert await pool.fetch("SELECT 1 FROM notifications UNION ALL SELECT 1 FROM told") == []
        assert await pool.fetch("SELECT 1 FROM sweeps UNION ALL SELECT 1 FROM answers") == []
        skips = await client.post("/v1/rules?dry_run=true", json=rule("Warn", "80", existing="skip"))
        assert skips.json()["items"] == []
        other = rule("Warn", "80", scope={"kind": "contract", "id": str(uuid4())})
        assert (await client.post("/v1/rules?dry_run=true", json=other)).status_code == 422
        made = await client.post("/v1/rules", json=rule("Warn", "50", "80"), headers=key)
        assert made.status_code == 201
        await crossed.judge.catch_up(pool)
        assert await crossed.thresholds() == ["80"]
        narrower = rule("Warn", "80", scope={"kind": "contract", "id": crossed.contract})
        again = await client.post("/v1/rules?dry_run=true", json=narrower)
        assert again.json()["items"] == []  # the name has told of this already
        assert (await client.post("/v1/rules?dry_run=true", json=rule("Warn"))).status_code == 409


async def test_explain_says_of_each_rule_what_became_of_it(pool, database, crossed):  # noqa: F811
    await crossed.make_rule(rule("Warn", "80", "100"))
    await crossed.make_rule(rule("Money", trigger=limit("remaining_amount", 5)))
    await crossed.make_rule(rule("Off", enabled=False))
    await crossed.make_rule(EXPIRES | {"name": "Ends"})
    async with asking(pool, database, crossed.judge) as client:
        found = (await client.get("/v1/contracts/ACME-SUP/notifications/explain")).json()["items"]
        assert {one["rule_name"]: one["state"] for one in found} == {
            "Warn": "fired", "Money": "not_applicable", "Off": "off", "Ends": "not_reached",
        }  # fmt: skip
        [warn] = [one for one in found if one["rule_name"] == "Warn"]
        [told] = await crossed.notifications()
        assert warn["thresholds"][0]["fired"]["notification_id"] == str(told["id"])
        assert warn["thresholds"][0]["fired"]["receivers"] == [
            {"receiver": "olga@provider.example.com", "status": "pending"}
        ]
        by_id = await client.get(f"/v1/contracts/{crossed.contract}/notifications/explain")
        assert by_id.json()["items"] == found
        assert (await client.get("/v1/contracts/NO/notifications/explain")).status_code == 404


async def test_a_notification_without_a_threshold_is_answered_without_one(pool, database, crossed):  # noqa: F811
    await crossed.make_rule(rule("Over", trigger=limit("overrun")))
    await crossed.tell_balances(crossed.balance(2, 41))
    async with asking(pool, database, crossed.judge) as client:
        [told] = (await client.get("/v1/notifications", params={"contract": "ACME-SUP"})).json()["items"]
    assert (told["threshold"], told["snapshot"]["threshold_text"], told["snapshot"]["trigger"]) == (
        None,
        "100 %",
        "overrun",
    )


async def test_a_preview_is_judged_along_the_curve_that_consumption_answers_the_caller(
    pool, database, crossed  # noqa: F811
):  # fmt: skip
    asked = []

    def curve(request):
        asked.append((request.url.path, dict(request.url.params), request.headers["authorization"].split()[0]))
        start = (await_start + timedelta(days=number) for number in range(3))
        return [
            {"day": day.isoformat(), "whole": figures(40 * HOUR, used * HOUR), "period": None}
            for day, used in zip(start, (10, 33, 41), strict=True)
        ]

    await_start = (datetime.now(UTC) - timedelta(days=30)).date()
    whole = rule("Warn", "80", "100", over="whole")
    async with asking(pool, database, crossed.judge, curve) as client:
        answer = await client.post("/v1/rules/preview", json={"rule": whole, "contract": "ACME-SUP"})
        assert answer.status_code == 200
        assert [(one["day"], one["threshold"]) for one in answer.json()["items"]] == [
            ((await_start + timedelta(days=1)).isoformat(), "80"),
            ((await_start + timedelta(days=2)).isoformat(), "100"),
        ]
        assert asked == [(f"/v1/contracts/{crossed.contract}/curve", {}, "Bearer")]
        kept = (await client.post("/v1/rules", json=whole)).json()
        again = await client.post("/v1/rules/preview", json={"rule_id": kept["id"], "contract": crossed.contract})
        assert again.json() == answer.json()
        assert (await client.post("/v1/rules/preview", json={"contract": "ACME-SUP"})).status_code == 422
        unknown = await client.post("/v1/rules/preview", json={"rule_id": str(uuid4()), "contract": "ACME-SUP"})
        assert unknown.status_code == 404
    async with asking(pool, database, crossed.judge) as client:
        away = await client.post("/v1/rules/preview", json={"rule": whole, "contract": "ACME-SUP"})
        assert away.status_code == 503
        assert "consumption" in away.json()["detail"]
        dates = await client.post("/v1/rules/preview", json={"rule": EXPIRES, "contract": "ACME-SUP"})
        assert [one["threshold"] for one in dates.json()["items"]] == ["30", "7"]


async def test_a_test_sends_a_sample_that_counts_as_told_nowhere(pool, database, crossed):  # noqa: F811
    await crossed.make_rule(rule("Warn", "90"))
    async with asking(pool, database, crossed.judge) as client:
        [kept] = (await client.get("/v1/rules")).json()["items"]
        path = f"/v1/rules/{kept['id']}/test"
        assert (await client.post(path, json={"email": "me@x.example.com"})).status_code == 202
        assert (await client.post(path, json={"contract": "ACME-SUP"})).status_code == 202
        assert (await client.post(path, json={"contract": "NO"})).status_code == 404
        assert (await client.post(f"/v1/rules/{uuid4()}/test", json={})).status_code == 404
    told = [json.loads(row["snapshot"])["occasion"] for row in await crossed.notifications()]
    receivers = await pool.fetch("SELECT receiver FROM deliveries ORDER BY id")
    assert told == ["test", "test"]
    assert [row["receiver"] for row in receivers] == ["me@x.example.com", "olga@provider.example.com"]
    assert await pool.fetchval("SELECT count(*) FROM told") == 0
    await crossed.tell_balances(crossed.balance(2, 37))
    assert await pool.fetchval("SELECT count(*) FROM told") == 1
