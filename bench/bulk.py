"""Contracts by the thousand: a batch against one request for each; and what a global rule over all of them delays."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from aiokafka import ConsumerRecord
from rich.table import Table

from bench.api import SECRET
from bench.facts import uid
from tidemark_contracts.app import create_app
from tidemark_notifier.engine.evaluator import Evaluator, lock_configuration, request_reevaluation
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_notifier.rules.rule import Rule
from tidemark_shared.database import Pool, Workload, connect_pool, migrate
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.events import CONTRACT_BALANCE, CONTRACT_EVENTS, ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, Topic
from tidemark_shared.settings import Settings

SINGLE, BATCHED, PER_REQUEST = 100, 3_000, 1_000
CONTRACTS, USUAL = int(os.environ.get("BENCH_CONTRACTS", "20000")), 50
_PLANNED_SECONDS = 40 * 3600
_STORED_AT_ONCE = 500
_PAUSE_SECONDS = 0.02
_RULE = {
    "name": "Warn",
    "scope": {"kind": "global"},
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": ["50"]},
    "receivers": [{"kind": "owner"}],
    "channels": ["email"],
}


@asynccontextmanager
async def _database(server_url: str, service: str) -> AsyncIterator[str]:
    name, connection = f"bench_{uuid4().hex[:8]}", await asyncpg.connect(server_url)
    url = f"{server_url.rpartition('/')[0]}/{name}"
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        await migrate(url, service)
        yield url
    finally:
        # Autovacuum may be there for a moment. The server is thrown away.
        with suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.close()


async def measure(server_url: str) -> Table:
    """Create and activate contracts one by one, and in batches."""
    async with _database(server_url, "contracts") as url:
        app = create_app(Settings(database_url=url, secret=SECRET))
        token = issue_token(SECRET, "bench", "admin", now=datetime.now(UTC))
        async with (
            await connect_pool(url, "contracts", workload=Workload.REQUEST) as pool,
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://bench/v1",
                headers={"authorization": f"Bearer {token}", "if-match": "*"},
                timeout=120,
            ) as client,
        ):
            app.state.pool = pool
            body = _body(await _create_organization(client))
            single_seconds = await _create_single(client, body)
            batch_seconds = await _create_batches(client, body)
    single_rate, batch_rate = SINGLE / single_seconds, BATCHED / batch_seconds
    table = Table(title="Contracts created and activated a second, in one process, one client")
    for column in ("how", "contracts", "a second", "÷ one by one"):
        table.add_column(column, justify="left" if column == "how" else "right")
    table.add_row("one by one, two requests each", f"{SINGLE:,}", f"{single_rate:,.0f}", "1.0")
    table.add_row(
        f"{PER_REQUEST:,} in a request", f"{BATCHED:,}", f"{batch_rate:,.0f}", f"{batch_rate / single_rate:,.1f}"
    )
    table.caption = _load()
    return table


async def _create_organization(client: httpx.AsyncClient) -> str:
    response = await client.post("/organizations", json={"name": "Acme", "timezone": "Europe/Berlin"})
    return str(response.raise_for_status().json()["id"])


async def _create_single(client: httpx.AsyncClient, body: dict[str, Any]) -> float:
    start = time.perf_counter()
    for number in range(SINGLE):
        (await client.post("/contracts", json=body | {"code": f"S{number}"})).raise_for_status()
        (await client.post(f"/contracts/S{number}/activate", json={})).raise_for_status()
    return time.perf_counter() - start


async def _create_batches(client: httpx.AsyncClient, body: dict[str, Any]) -> float:
    start = time.perf_counter()
    for first in range(0, BATCHED, PER_REQUEST):
        contracts = [body | {"code": f"B{number}"} for number in range(first, first + PER_REQUEST)]
        response = await client.post("/contracts/batch", json={"contracts": contracts, "activate": True})
        if response.raise_for_status().json()["refused"]:
            raise AssertionError(response.text)
    return time.perf_counter() - start


def _body(organization_id: str) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    return {
        "name": "Support",
        "description": "",
        "owner": {"name": "Olga", "email": "olga@provider.example.com"},
        "organization_id": organization_id,
        "type": "time_and_materials",
        "recurrence": "monthly",
        "start_date": str(today - timedelta(days=30)),
        "end_date": str(today + timedelta(days=300)),
        "timezone": "Europe/Berlin",
        "contracted_hours": "40",
        "accounts": [
            {"name": "Help desk", "planned_hours": "30"},
            {"name": "Changes", "planned_hours": "10"},
        ],
    }


async def measure_rule(server_url: str, *, contracts: int = CONTRACTS) -> Table:
    """Balances, one every few milliseconds, before a global rule is created and while all contracts are evaluated."""
    async with (
        _database(server_url, "notifier") as url,
        await connect_pool(url, "notifier") as pool,
    ):
        evaluator = Evaluator()
        await _store_contracts(pool, evaluator, contracts)
        evaluator.is_started = True
        usual_seconds = [await _handle_balance(pool, evaluator, number, 2) for number in range(USUAL)]
        async with pool.acquire() as connection, connection.transaction():
            await lock_configuration(connection)
            rule = Rule.model_validate(_RULE)
            await connection.execute("INSERT INTO rules (body) VALUES ($1)", rule.to_stored_json())
            await request_reevaluation(connection, [rule.scope])
        start = time.perf_counter()
        evaluation = asyncio.create_task(evaluator.evaluate_due(pool))
        meanwhile_seconds = []
        number = 0
        while not evaluation.done():
            # All over the range of ids, so also in the batch that is being evaluated.
            number = (number + 7919) % contracts
            meanwhile_seconds.append(await _handle_balance(pool, evaluator, number, 3 + len(meanwhile_seconds)))
            await asyncio.sleep(_PAUSE_SECONDS)
        await evaluation
        seconds = time.perf_counter() - start
        raised = await pool.fetchval("SELECT count(*) FROM notifications")
    table = Table(
        title=f"A balance stored and evaluated while a global rule is evaluated for {contracts:,} contracts, in ms"
    )
    for column in ("when", "balances", "median", "p99", "longest", "÷ usual"):
        table.add_column(column, justify="left" if column == "when" else "right")
    for name, times in (("usual", usual_seconds), ("meanwhile", meanwhile_seconds)):
        ordered = sorted(times)
        cells = (median(ordered), ordered[len(ordered) * 99 // 100], ordered[-1])
        ratio = f"{median(times) / median(usual_seconds):.2f}"
        table.add_row(name, f"{len(times):,}", *(f"{1000 * value:,.0f}" for value in cells), ratio)
    table.caption = f"The rule fired for {raised:,} contracts in {seconds:,.1f} s. {_load()}"
    return table


async def _store_contracts(pool: Pool, evaluator: Evaluator, count: int) -> None:
    handlers = create_event_handlers(evaluator)
    organization = {
        "id": uid("organization"),
        "version": 1,
        "name": "Acme",
        "timezone": "Europe/Berlin",
        "contacts": [],
    }
    await _handle(pool, handlers, DIRECTORY, ORGANIZATION_CHANGED, [organization])
    for first in range(0, count, _STORED_AT_ONCE):
        numbers = range(first, first + _STORED_AT_ONCE)
        contracts = [_contract_event(number) for number in numbers]
        await _handle(pool, handlers, LIFECYCLE, CONTRACT_EVENTS[0], contracts)
        await _handle(pool, handlers, BALANCES, CONTRACT_BALANCE, [_balance(number, 1) for number in numbers])
    await pool.execute("VACUUM ANALYZE contracts")


async def _handle_balance(pool: Pool, evaluator: Evaluator, number: int, revision: int) -> float:
    start = time.perf_counter()
    await _handle(pool, create_event_handlers(evaluator), BALANCES, CONTRACT_BALANCE, [_balance(number, revision)])
    return time.perf_counter() - start


async def _handle(pool: Pool, handlers: Any, topic: Topic, type_: str, bodies: Sequence[dict[str, Any]]) -> None:
    records = [_record(topic, type_, body) for body in bodies]
    async with pool.acquire() as connection, connection.transaction():
        await handlers[topic.name](connection, Batch("bench", topic.name, 0, records))


def _record(topic: Topic, type_: str, body: dict[str, Any]) -> ConsumerRecord:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", uuid4().hex.encode()),
        ("ce_source", b"/bench"),
        ("ce_type", type_.encode()),
        ("content-type", b"application/json"),
    ]
    value = json.dumps(body).encode()
    return ConsumerRecord(topic.name, 0, 0, 0, 0, None, value, None, -1, len(value), headers)


def _contract_event(number: int) -> dict[str, Any]:
    accounts = [{"id": uid(f"account {number}"), "name": "Help desk", "planned_hours": "40", "billable": True}]
    terms = _body(uid("organization")) | {"code": f"C{number}", "recurrence": "none", "accounts": accounts}
    return {
        "contract_id": uid(f"contract {number}"),
        "stream_version": 1,
        "status": "ACTIVE",
        "previous_status": None,
        "terms": terms,
        "actor": "bench",
        "occurred_at": "2026-01-01T00:00:00Z",
    }


def _balance(number: int, revision: int) -> dict[str, Any]:
    consumed = _PLANNED_SECONDS * 6 // 10
    figures = {
        "planned": _PLANNED_SECONDS,
        "consumed": consumed,
        "remaining": _PLANNED_SECONDS - consumed,
        "percent": None,
        "worklogs": 1,
        "unrated_seconds": None,
    }
    account = {
        "account_id": uid(f"account {number}"),
        "name": "Help desk",
        "billable": True,
        "whole": figures,
        "periods": [],
        "slices": [],
    }
    return {
        "contract_id": uid(f"contract {number}"),
        "contract_code": f"C{number}",
        "status": "ACTIVE",
        "stream_version": 1,
        "revision": revision,
        "unit": "seconds",
        "currency": None,
        "unaccounted_seconds": 0,
        "forecast": None,
        "whole": figures,
        "periods": [],
        "accounts": [account],
    }


def _load() -> str:
    return f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
