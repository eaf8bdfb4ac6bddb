"""Dry run, explain, preview and test over HTTP."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from applications import build_app
from notifier_bodies import HOUR, figures, limit_trigger, rule
from notifier_service import SECRET
from scenario import Scenario

from tidemark_notifier.app import create_app
from tidemark_notifier.delivery.egress import EgressPolicy
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.settings import Settings

EXPIRES = rule("Ends soon", trigger={"kind": "expires_in_days", "at": [7, 30]})


@asynccontextmanager
async def api_client(pool, database, evaluator, curve=None):
    """A client of the notifier's routes. Consumption answers ``curve``, or cannot be reached."""

    def consumption(request):
        if curve is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json={"items": curve(request), "next": None})

    app = build_app(create_app, Settings(database_url=database, smtp_url="smtp://127.0.0.1:1", secret=SECRET))
    app.state.pool, app.state.evaluator, app.state.egress_policy = pool, evaluator, EgressPolicy()
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
async def scenario(pool):
    """A contract of which 33 h of 40 h are used, today by the real clock."""
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.store_balances(scenario.balance(1, 33))
    return scenario


async def test_dry_run_lists_notifications_and_writes_nothing(pool, database, scenario):
    async with api_client(pool, database, scenario.evaluator) as client:
        key = {"idempotency-key": "k"}
        dry_run = await client.post("/v1/rules?dry_run=true", json=rule("Warn", "50", "80"), headers=key)
        assert (dry_run.status_code, dry_run.json()["complete"]) == (200, True)
        [item] = dry_run.json()["items"]
        assert (item["contract_id"], item["contract_code"], item["threshold"]) == (
            scenario.contract,
            "ACME-SUP",
            "80",
        )
        assert item["receivers"] == ["olga@provider.example.com"]
        hook = {"kind": "webhook", "url": "https://9.9.9.9/hook", "secret": "whsec_" + "A" * 40}
        by_webhook = await client.post(
            "/v1/rules?dry_run=true", json={**rule(receivers=[hook]), "channels": ["webhook"]}
        )
        assert by_webhook.json()["items"][0]["receivers"] == [hook["url"]]
        assert (await client.get("/v1/rules")).json()["items"] == []
        assert await pool.fetch("SELECT 1 FROM notifications UNION ALL SELECT 1 FROM notification_keys") == []
        assert await pool.fetch("SELECT 1 FROM reevaluations UNION ALL SELECT 1 FROM idempotency_keys") == []
        skipping = await client.post("/v1/rules?dry_run=true", json=rule("Warn", "80", existing="skip"))
        assert skipping.json()["items"] == []
        other = rule("Warn", "80", scope={"kind": "contract", "id": str(uuid4())})
        assert (await client.post("/v1/rules?dry_run=true", json=other)).status_code == 422
        created = await client.post("/v1/rules", json=rule("Warn", "50", "80"), headers=key)
        assert created.status_code == 201
        await scenario.evaluator.evaluate_due(pool)
        assert await scenario.thresholds() == ["80"]
        narrower = rule("Warn", "80", scope={"kind": "contract", "id": scenario.contract})
        existing_name = await client.post("/v1/rules?dry_run=true", json=narrower)
        assert existing_name.json()["items"] == []  # a rule with this name has notified already
        assert (await client.post("/v1/rules?dry_run=true", json=rule("Warn"))).status_code == 409


async def test_check_lists_what_a_change_of_the_balance_would_cross(pool, database, scenario):
    await scenario.create_rule(rule("Warn", "80", "90", "100"))
    await scenario.create_rule(rule("Narrow", "90", scope={"kind": "contract", "id": scenario.contract}, enabled=False))
    await scenario.create_rule(rule("Narrow", "90"))

    async def check(before, after, **changes):
        body = {"before": scenario.balance(1, before), "after": scenario.balance(2, after, **changes)}
        return await client.post("/v1/rules/check", json=body)

    async with api_client(pool, database, scenario.evaluator) as client:
        before = await scenario.thresholds()
        [crossing] = (await check(33, 41)).json()["items"]
        # 80 % was reached before, and 100 % is further than 90 %.
        assert (crossing["rule_name"], crossing["threshold"], crossing["subject"]) == ("Warn", "100", "contract")
        assert (crossing["contract_code"], crossing["trigger"]) == ("ACME-SUP", "consumed_percent")
        assert crossing["text"].startswith("41 h of 40 h used")
        assert crossing["receivers"] == ["olga@provider.example.com"]
        assert (await check(33, 35)).json()["items"] == []
        # What is due before the change is not crossed by it.
        assert (await check(40, 41)).json()["items"] == []
        ahead = await check(33, 41, version=2)
        assert (ahead.status_code, ahead.json()["title"]) == (409, "Contract not ready")
        assert await scenario.thresholds() == before == ["80"]
        # It is what happens.
        await scenario.store_balances(scenario.balance(2, 41))
        assert await scenario.thresholds() == ["80", crossing["threshold"]]


async def test_explain_states_the_result_of_each_rule(pool, database, scenario):
    await scenario.create_rule(rule("Warn", "80", "100"))
    await scenario.create_rule(rule("Money", trigger=limit_trigger("remaining_amount", 5)))
    await scenario.create_rule(rule("Off", enabled=False))
    await scenario.create_rule(EXPIRES | {"name": "Ends"})
    async with api_client(pool, database, scenario.evaluator) as client:
        explained = (await client.get("/v1/contracts/ACME-SUP/notifications/explain")).json()["items"]
        assert {item["rule_name"]: item["state"] for item in explained} == {
            "Warn": "fired", "Money": "not_applicable", "Off": "disabled", "Ends": "not_reached",
        }  # fmt: skip
        [warn] = [item for item in explained if item["rule_name"] == "Warn"]
        [notification] = await scenario.notifications()
        assert warn["thresholds"][0]["fired"]["notification_id"] == str(notification["id"])
        assert warn["thresholds"][0]["fired"]["receivers"] == [
            {"receiver": "olga@provider.example.com", "status": "pending"}
        ]
        by_id = await client.get(f"/v1/contracts/{scenario.contract}/notifications/explain")
        assert by_id.json()["items"] == explained
        assert (await client.get("/v1/contracts/NO/notifications/explain")).status_code == 404


async def test_code_of_a_discarded_draft_is_that_of_the_contract_that_has_it_now(pool, database, scenario):
    # Given a contract with the code of a draft that was discarded
    await scenario.store_contract(2, None)
    current = Scenario(pool, scenario.evaluator)
    await current.start()
    await scenario.create_rule(rule("Warn", "80"))
    # When it is named by its code, then it is found
    async with api_client(pool, database, scenario.evaluator) as client:
        [explained] = (await client.get("/v1/contracts/ACME-SUP/notifications/explain")).json()["items"]
        by_id = await client.get(f"/v1/contracts/{current.contract}/notifications/explain")
    assert by_id.json()["items"] == [explained]
    assert "None" not in str(explained)


async def test_notification_without_threshold_is_returned(pool, database, scenario):
    await scenario.create_rule(rule("Over", trigger=limit_trigger("overrun")))
    await scenario.store_balances(scenario.balance(2, 41))
    async with api_client(pool, database, scenario.evaluator) as client:
        [notification] = (await client.get("/v1/notifications", params={"contract": "ACME-SUP"})).json()["items"]
    snapshot = notification["snapshot"]
    assert (notification["threshold"], snapshot["threshold_text"], snapshot["trigger"]) == (
        None,
        "100 %",
        "overrun",
    )


async def test_preview_follows_the_curve_from_consumption(
    pool, database, scenario
):  # fmt: skip
    requests = []

    def curve(request):
        requests.append((request.url.path, dict(request.url.params), request.headers["authorization"].split()[0]))
        days = (first_day + timedelta(days=number) for number in range(3))
        return [
            {"day": day.isoformat(), "whole": figures(40 * HOUR, hours * HOUR), "period": None}
            for day, hours in zip(days, (10, 33, 41), strict=True)
        ]

    first_day = (datetime.now(UTC) - timedelta(days=30)).date()
    whole = rule("Warn", "80", "100", over="whole")
    async with api_client(pool, database, scenario.evaluator, curve) as client:
        answer = await client.post("/v1/rules/preview", json={"rule": whole, "contract": "ACME-SUP"})
        assert answer.status_code == 200
        assert [(item["day"], item["threshold"]) for item in answer.json()["items"]] == [
            ((first_day + timedelta(days=1)).isoformat(), "80"),
            ((first_day + timedelta(days=2)).isoformat(), "100"),
        ]
        assert requests == [(f"/v1/contracts/{scenario.contract}/curve", {}, "Bearer")]
        saved = (await client.post("/v1/rules", json=whole)).json()
        by_id = await client.post("/v1/rules/preview", json={"rule_id": saved["id"], "contract": scenario.contract})
        assert by_id.json() == answer.json()
        assert (await client.post("/v1/rules/preview", json={"contract": "ACME-SUP"})).status_code == 422
        unknown = await client.post("/v1/rules/preview", json={"rule_id": str(uuid4()), "contract": "ACME-SUP"})
        assert unknown.status_code == 404
    async with api_client(pool, database, scenario.evaluator) as client:
        unavailable = await client.post("/v1/rules/preview", json={"rule": whole, "contract": "ACME-SUP"})
        assert unavailable.status_code == 503
        assert "consumption" in unavailable.json()["detail"]
        dates = await client.post("/v1/rules/preview", json={"rule": EXPIRES, "contract": "ACME-SUP"})
        assert [item["threshold"] for item in dates.json()["items"]] == ["30", "7"]


async def test_test_notification_does_not_replace_the_real_one(pool, database, scenario):
    await scenario.create_rule(rule("Warn", "90"))
    async with api_client(pool, database, scenario.evaluator) as client:
        [saved] = (await client.get("/v1/rules")).json()["items"]
        path = f"/v1/rules/{saved['id']}/test"
        assert (await client.post(path, json={"email": "me@x.example.com"})).status_code == 202
        assert (await client.post(path, json={"contract": "ACME-SUP"})).status_code == 202
        assert (await client.post(path, json={"contract": "NO"})).status_code == 404
        assert (await client.post(f"/v1/rules/{uuid4()}/test", json={})).status_code == 404
    kinds = [json.loads(row["snapshot"])["kind"] for row in await scenario.notifications()]
    receivers = await pool.fetch("SELECT receiver FROM deliveries ORDER BY id")
    assert kinds == ["test", "test"]
    assert [row["receiver"] for row in receivers] == ["me@x.example.com", "olga@provider.example.com"]
    assert await pool.fetchval("SELECT count(*) FROM notification_keys") == 0
    await scenario.store_balances(scenario.balance(2, 37))
    assert await pool.fetchval("SELECT count(*) FROM notification_keys") == 1
