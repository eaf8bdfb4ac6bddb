"""The applications of all services on a database with one resource of each kind, without Kafka."""

import json
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import notifier_bodies
from api_tokens import SECRET, bearer
from applications import build_app
from event_builders import contract_event, take, uid
from fastapi import FastAPI

import tidemark_consumption.app
import tidemark_contracts.app
import tidemark_notifier.app
from tidemark_consumption import check, replay
from tidemark_consumption.projection import fold
from tidemark_notifier.delivery.egress import EgressPolicy
from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_shared.database import Workload, connect_pool
from tidemark_shared.messaging.events import ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE
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
_EVENT = {
    "specversion": "1.0", "id": "e-1", "source": "/tracker", "type": "tidemark.worklog.recorded.v1",
    "time": "2026-03-02T10:00:00Z", "data": {
        "worklog_id": "1", "issue_id": "I-1", "author_id": "ann", "seconds": 60, "started_at": "2026-03-02T09:00:00Z",
        "updated_at": "2026-03-02T10:00:00Z", "description": "Call",
    },
}  # fmt: skip
_REASON = {"reason": "Because"}
_BALANCE = notifier_bodies.balance(notifier_bodies.uid("C1"))
BODIES: dict[str, Any] = {
    "/v1/organizations": {
        "name": "Acme", "timezone": "UTC", "contacts": [{"name": "Ann", "email": "ann@acme.example", "roles": ["x"]}],
    },
    "/v1/teams": {"name": "Support", "members": [{"person_id": "ann", "name": "Ann", "from": "2026-01-01"}]},
    "/v1/rate-cards": {"person_id": "ann", "from": "2026-01-01", "currency": "EUR", "per_hour_minor": _RATES},
    "/v1/contracts": _CONTRACT_TERMS,
    "/v1/contracts/{contract}/activate": {},
    "/v1/contracts/{contract}/amend": _CONTRACT_TERMS | _REASON,
    "/v1/contracts/{contract}/suspend": _REASON,
    "/v1/contracts/{contract}/resume": _REASON,
    "/v1/contracts/{contract}/close": _REASON,
    "/v1/contracts/{contract}/renew": {"code": "C2"},
    "/v1/rules": _RULE,
    "/v1/rules/preview": {"rule": _RULE, "contract": "C1"},
    "/v1/rules/{rule_id}/test": {"email": "ann@acme.example", "contract": "C1"},
    "/v1/rules/check": {"before": _BALANCE, "after": _BALANCE},
    "/v1/worklogs": _EVENT,
    "/v1/worklogs/check": {
        "source": "/tracker", "issue_id": "I-1", "author_id": "ann", "day": "2026-03-02", "seconds": 60,
        "worklog_id": "1",
    },
}  # fmt: skip


def create_app(service: str, database: str = "postgresql://") -> FastAPI:
    """The application of a service."""
    return build_app(
        CREATE_APP[service],
        Settings(
            database_url=database, secret=SECRET, smtp_url="smtp://127.0.0.1:9", kafka_bootstrap_servers="127.0.0.1:9"
        ),
    )


async def _has_all_contracts():
    return True


class _Publisher:
    async def send(self, records):
        pass


@asynccontextmanager
async def running_app(service: str, database: str):
    """The application of a service, a client for an administrator, and the ids for the parameters of its paths."""
    app = create_app(service, database)
    async with AsyncExitStack() as stack:

        async def open_pool(**options):
            return await stack.enter_async_context(await connect_pool(database, service, **options))

        app.state.pool = await open_pool(workload=Workload.REQUEST)
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
            app.state.replay_pool = await open_pool(init=replay.prepare_connection, workload=Workload.REPLAY)
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
            ids = {"contract": notifier_bodies.uid("C1"), "rule_id": created.json()["id"]}
        yield app, client, ids


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
    return ids


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
