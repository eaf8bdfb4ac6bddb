"""The applications of all services on a database with one resource of each kind, without Kafka."""

import json
from collections.abc import Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import notifier_bodies
import pytest
from api_server import running_server
from api_tokens import SECRET, bearer
from applications import build_app
from event_builders import contract_event, take, uid, worklog
from fastapi import FastAPI

import tidemark_consumption.app
import tidemark_contracts.app
import tidemark_notifier.app
from tidemark_consumption import check, replay
from tidemark_consumption.api import figures
from tidemark_consumption.projection import fold
from tidemark_notifier.delivery.egress import EgressPolicy
from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_shared.database import Workload, connect_pool
from tidemark_shared.http import requests
from tidemark_shared.messaging.batches import Batch, DeadLetter, write_dead_letters
from tidemark_shared.messaging.events import ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, WORKLOGS
from tidemark_shared.settings import Settings

CREATE_APP = {
    "contracts": tidemark_contracts.app.create_app,
    "consumption": tidemark_consumption.app.create_app,
    "notifier": tidemark_notifier.app.create_app,
}
_CONTRACT_TERMS = {
    "code": "C1", "name": "Support", "owner": {"name": "Olga", "email": "olga@provider.example"},
    "type": "time_and_materials", "start_date": "2026-01-01", "end_date": "2099-12-31", "timezone": "UTC",
    "contracted_hours": "40", "accounts": [{"name": "Help desk", "planned_hours": "40"}], "settle_days": 5,
}  # fmt: skip
_RATES = {"normal": 1, "extra_time": 2, "weekend": 3, "holiday": 4}
_RULE = {
    "name": "Warn", "scope": {"kind": "global"},
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "period", "at": ["80"]},
    "receivers": [{"kind": "owner"}, {"kind": "address", "email": "ann@acme.example"}], "channels": ["email"],
    "remind_every_days": 7, "subject": "Hours", "opening": "Hello",
}  # fmt: skip
_REPORT = {
    "name": "Monthly", "organization_id": notifier_bodies.uid("Acme"), "contracts": ["C1"], "range": "last-month",
    "schedule": {"every": "month", "on": 1, "receivers": [{"kind": "contacts", "role": "billing"}], "xlsx": True},
}  # fmt: skip
_EVENT = {
    "specversion": "1.0", "id": "e-1", "source": "/tracker", "type": "tidemark.worklog.recorded.v1",
    "time": "2026-03-02T10:00:00Z", "data": {
        "worklog_id": "1", "issue_id": "I-1", "author_id": "ann", "seconds": 60, "started_at": "2026-03-02T09:00:00Z",
        "updated_at": "2026-03-02T10:00:00Z", "description": "Call",
    },
}  # fmt: skip
_REASON = {"reason": "Because"}
_BALANCE = notifier_bodies.balance(notifier_bodies.uid("C1"))
_ANSWER = {"name": "Ann", "email": "ann@acme.example", "remark": "Order 4711"}
_PRICE = {"price_minor": 5, "price_currency": "EUR", "valid_until": "2099-12-31T00:00:00Z", "note": "Thank you"}
BODIES: dict[str, Any] = {
    "/v1/organizations": {
        "name": "Acme", "timezone": "UTC", "contacts": [{"name": "Ann", "email": "ann@acme.example", "roles": ["x"]}],
    },
    "/v1/teams": {"name": "Support", "members": [{"person_id": "ann", "name": "Ann", "from": "2026-01-01"}]},
    "/v1/rate-cards": {"person_id": "ann", "from": "2026-01-01", "currency": "EUR", "per_hour_minor": _RATES},
    "/v1/contracts": _CONTRACT_TERMS,
    "/v1/contracts/batch": {"contracts": [_CONTRACT_TERMS], "activate": True},
    "/v1/forgotten-people": {"person_id": "ann", "names": ["Ann"], "emails": ["ann@acme.example"]},
    "/v1/contracts/{contract}/activate": {},
    "/v1/contracts/{contract}/amend": _CONTRACT_TERMS | _REASON,
    "/v1/contracts/{contract}/suspend": _REASON,
    "/v1/contracts/{contract}/resume": _REASON,
    "/v1/contracts/{contract}/close": _REASON,
    "/v1/contracts/{contract}/renew": {"code": "C2"},
    "/v1/customer-links": {
        "organization_id": str(uid("none")), "expires_at": "2026-12-31T00:00:00Z", "password": "open sesame",
        "note": "For Ann",
    },
    "/v1/customer-links/exchange": {"token": "a.b.c", "password": "open sesame"},
    "/v1/offers": _PRICE | {
        "contract": "C1", "account_id": "Help desk", "period_start": "2026-01-01", "hours": "20", "reason": "Package",
        "requested_by": None,
    },
    "/v1/customer/offers": {
        "contract": "C1", "account_id": "Help desk", "period_start": "2026-01-01", "hours": "20", "reason": "Package",
        "requested_by": {"name": "Ann", "email": "ann@acme.example"},
    },
    "/v1/offers/{offer}/confirm": _PRICE,
    "/v1/offers/{offer}/withdraw": _REASON,
    "/v1/offers/{offer}/accept": _ANSWER,
    "/v1/offers/{offer}/decline": _ANSWER,
    "/v1/offers/exchange": {"token": "x"},
    "/v1/offers/answer": {"token": "x", "answer": "accept", "name": "Ann", "remark": "Order 4711"},
    "/v1/rules": _RULE,
    "/v1/rules/preview": {"rule": _RULE, "contract": "C1"},
    "/v1/rules/{rule_id}/test": {"email": "ann@acme.example", "contract": "C1"},
    "/v1/rules/check": {"before": _BALANCE, "after": _BALANCE},
    "/v1/saved-reports": _REPORT,
    "/v1/worklogs": _EVENT,
    "/v1/worklogs/check": {
        "source": "/tracker", "issue_id": "I-1", "author_id": "ann", "day": "2026-03-02", "seconds": 60,
        "worklog_id": "1",
    },
}  # fmt: skip


def create_app(service: str, database: str = "postgresql://", **settings: Any) -> FastAPI:
    """The application of a service; without Kafka, unless ``settings`` name one."""
    settings = {"kafka_bootstrap_servers": "127.0.0.1:9", **settings}
    return build_app(
        CREATE_APP[service],
        Settings(database_url=database, secret=SECRET, smtp_url="smtp://127.0.0.1:9", **settings),
    )


async def _has_all_contracts():
    return True


async def _no_problems():
    return []


class _Publisher:
    async def send(self, records):
        pass


@asynccontextmanager
async def running_app(service: str, database: str):
    """The application of a service, a client for an administrator, and the ids for the parameters of its paths."""
    app = create_app(service, database)
    async with AsyncExitStack() as stack:
        # No event arrives without Kafka, so a request need not pause before it looks again.
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(requests, "_EVENT_PAUSES_SECONDS", ())
        patch.setattr(figures, "_ATTEMPT_INTERVAL_SECONDS", 0)

        async def open_pool(**options):
            return await stack.enter_async_context(await connect_pool(database, service, **options))

        app.state.pool, app.state.problems = await open_pool(workload=Workload.REQUEST), _no_problems
        async with app.state.pool.acquire() as connection:
            bad_record = replace(worklog("1", seconds=0), value=b"\xff")
            batch = Batch("test", WORKLOGS.name, 0, [bad_record])
            await write_dead_letters(connection, batch, [DeadLetter(bad_record, "Not JSON.")])
            dead_letter_id = await connection.fetchval("SELECT max(id) FROM dead_letters")
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False),
                base_url="http://test",
                headers=bearer() | {"if-match": "*"},
            )
        )
        if service == "contracts":
            ids = await _fill_contracts(client)
        elif service == "consumption":
            app.state.publisher, app.state.has_all_contracts = _Publisher(), _has_all_contracts
            app.state.replay_pool = await stack.enter_async_context(
                replay.open_pool(database, workload=Workload.REPLAY)
            )
            app.state.check_pool = await stack.enter_async_context(check.open_pool(database))
            fold_pool = await open_pool(init=fold.prepare_connection)
            async with fold_pool.acquire() as connection:
                await take(connection, [contract_event()])
            ids = {"contract": uid("contract C1")}
        else:
            app.state.evaluator, app.state.egress_policy = Evaluator(is_started=True), EgressPolicy()
            curve = httpx.MockTransport(lambda _: httpx.Response(200, json={"items": [], "next": None}))
            app.state.consumption = await stack.enter_async_context(
                httpx.AsyncClient(transport=curve, base_url="http://consumption")
            )
            await _fill_notifier(app)
            created = await client.post("/v1/rules", json=_RULE)
            assert created.status_code == 201, created.text
            report = await client.post("/v1/saved-reports", json=_REPORT)
            assert report.status_code == 201, report.text
            ids = {
                "contract": notifier_bodies.uid("C1"),
                "rule_id": created.json()["id"],
                "report_id": report.json()["id"],
            }
        yield app, client, ids | {"service": service, "dead_letter_id": str(dead_letter_id)}


@asynccontextmanager
async def running_apps(services: Iterable[str], database: str):
    """The settings of web with the address of each service, which runs on a server, and the ids of all of them."""
    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        ids: dict[str, Any] = {}
        for service in services:
            app, _, own_ids = await stack.enter_async_context(running_app(service, database))
            urls[f"{service}_url"] = await stack.enter_async_context(running_server(app))
            ids = own_ids | ids
        yield urls, ids


async def _fill_contracts(client):
    ids = {}
    for name, path in (
        ("organization", "/v1/organizations"), ("team", "/v1/teams"), ("rate_card", "/v1/rate-cards"),
        ("contract", "/v1/contracts"),
    ):  # fmt: skip
        body = BODIES[path] | ({"organization_id": ids["organization"]} if name == "contract" else {})
        response = await client.post(path, json=body)
        assert response.status_code == 201, response.text
        ids[name] = response.json()["id"]
    response = await client.post("/v1/customer-links", json={"organization_id": ids["organization"]})
    assert response.status_code == 201, response.text
    ids["link_id"] = response.json()["id"]
    # A contract of its own, so that the other one stays a draft.
    active = BODIES["/v1/contracts"] | {"code": "C2", "organization_id": ids["organization"]}
    for path, body in (
        ("/v1/contracts", active), ("/v1/contracts/C2/activate", {}),
        ("/v1/offers", BODIES["/v1/offers"] | {"contract": "C2"}),
    ):  # fmt: skip
        response = await client.post(path, json=body)
        assert response.status_code < 300, response.text
    return ids | {"offer": response.json()["id"]}


async def _fill_notifier(app):
    handlers = create_event_handlers(app.state.evaluator)
    contract = notifier_bodies.contract_event(notifier_bodies.uid("C1"), terms=notifier_bodies.terms("C1"))
    for topic, type_, body in (
        (DIRECTORY, ORGANIZATION_CHANGED, notifier_bodies.organization()),
        (LIFECYCLE, "tidemark.contract.activated.v1", contract),
    ):
        async with app.state.pool.acquire() as connection, connection.transaction():
            await handlers[topic.name](connection, notifier_bodies.batch(topic, type_, json.loads(json.dumps(body))))
    await app.state.evaluator.evaluate_due(app.state.pool, datetime.now(UTC))
