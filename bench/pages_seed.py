"""Many customers, contracts and worklogs for the benchmark of the pages.

Contracts, links and work go through the product's fold, and what it publishes goes to the notifier. The contracts
service gets copies of one contract that was made over its API.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
from aiokafka import ConsumerRecord

from bench import facts
from bench.database import append_and_fold
from tidemark_consumption.balance_outbox import open_balance_outbox
from tidemark_consumption.projection import fold
from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_shared.database import Pool, connect_pool
from tidemark_shared.messaging.events import ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY

CUSTOMERS, ISSUES_OF_CONTRACT = 200, 8
_BATCH, _NOTIFIED_AT_ONCE = 20_000, 500
_DAYS = 320
_FIRST_DAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
_RECEIVED_MS = int(time.time() * 1000)
_EXPIRED_EVERY = 10
_RULES: tuple[dict[str, Any], ...] = (
    {"kind": "consumed_percent", "of": "contract", "over": "period", "at": ["80", "100"]},
    {"kind": "consumed_percent", "of": "account", "over": "period", "at": ["100"]},
    {"kind": "forecast_exhausts", "before_end": True},
    {"kind": "expires_in_days", "at": [30, 7]},
    {"kind": "unaccounted_work", "at": ["8"]},
)


async def seed(pool: Pool, url: str, client: httpx.AsyncClient, *, codes: Sequence[str], records: int) -> None:
    """Fill the tables of all services. ``client`` is one of the API."""
    for number, trigger in enumerate(_RULES):
        rule = {
            "name": f"Rule {number}", "scope": {"kind": "global"}, "trigger": trigger,
            "receivers": [{"kind": "owner"}], "channels": ["email"],
        }  # fmt: skip
        (await client.post("/v1/rules", json=rule)).raise_for_status()
    contracts = [_of_customer(facts.contract(code), number) for number, code in enumerate(codes)]
    directory = [*(_customer(number) for number in range(CUSTOMERS)), *facts.teams()]
    await _seed_figures(pool, directory, contracts, codes, records)
    await _notify(pool, url, directory, contracts)
    await _seed_contracts(url, client, codes)


async def _seed_figures(
    pool: Pool, directory: list[ConsumerRecord], contracts: list[ConsumerRecord], codes: Sequence[str], records: int
) -> None:
    """Contracts of many customers, links and work, in consumption."""
    issues = len(codes) * ISSUES_OF_CONTRACT
    (link, *_) = facts.links(codes[:1])
    links = [
        _replace(
            link,
            contract_id=codes[number % len(codes)],
            issue_id=f"P{number}",
            account_id=f"Account {number // len(codes) % facts.ACCOUNTS}",
        )
        for number in range(issues)
    ]
    (worklog,) = facts.worklogs([1], prefix="P")
    async with pool.acquire() as connection:
        await fold.prepare_connection(connection)
        for group in (directory, contracts, links):
            for batch in facts.batches(group, 2_000):
                await append_and_fold(connection, batch)
            _say(f"{len(group):,} records of {group[0].topic}")
        for first in range(0, records, _BATCH):
            rows = [
                replace(worklog, offset=number, timestamp=_RECEIVED_MS, value=_worklog(number, len(codes)))
                for number in range(first, min(first + _BATCH, records))
            ]
            (batch,) = facts.batches(rows, _BATCH)
            await append_and_fold(connection, batch._replace(records=rows, partition=1))
            _say(f"{min(first + _BATCH, records):,} worklogs")


def _replace(record: Any, **data: Any) -> Any:
    return replace(record, value=json.dumps({**json.loads(record.value), **data}).encode())


def _of_customer(record: Any, number: int) -> Any:
    data = json.loads(record.value)
    terms = {
        **data["terms"],
        "organization_id": facts.uid(f"customer {number % CUSTOMERS}"),
        "name": f"Support of customer {number % CUSTOMERS}",
        "contracted_hours": str(30 + number % 50),
    }
    return replace(record, value=json.dumps({**data, "terms": terms, "status": _status(number)}).encode())


def _status(number: int) -> str:
    return "ACTIVE" if number % _EXPIRED_EVERY else "EXPIRED"


def _customer(number: int) -> Any:
    data = {"id": facts.uid(f"customer {number}"), "version": 1, "name": f"Customer {number}",
            "timezone": "Europe/Berlin", "contacts": []}  # fmt: skip
    record = facts.teams()[0]
    headers = [(name, ORGANIZATION_CHANGED.encode() if name == "ce_type" else value) for name, value in record.headers]
    return replace(record, topic=DIRECTORY.name, headers=headers, value=json.dumps(data).encode())


def _worklog(number: int, contracts: int) -> bytes:
    """The work is spread unevenly: the first contract has a hundredth of it where there are 10,000."""
    started = _FIRST_DAY + timedelta(days=number * 31 % _DAYS, minutes=number % 480)
    even = number * 7919 % contracts
    issue = even * even // contracts + contracts * (number * 13 % ISSUES_OF_CONTRACT)
    data = {
        "worklog_id": f"P{number}",
        "issue_id": f"P{issue}",
        "author_id": f"person-{number * 13 % facts.PEOPLE}",
        "started_at": started.isoformat(),
        "seconds": 60 + number % 7_200,
        "description": "Looked into it, and wrote down what was found.",
        "updated_at": (started + timedelta(hours=1)).isoformat(),
    }
    return json.dumps(data).encode()


async def _notify(
    pool: Pool, url: str, directory: Sequence[ConsumerRecord], contracts: Sequence[ConsumerRecord]
) -> None:
    """Publish all balances, and give them to the notifier with the contracts and the directory."""
    handlers = create_event_handlers(Evaluator(is_started=True))
    notifier = await connect_pool(url, "notifier")

    async def handle(records: Sequence[ConsumerRecord]) -> None:
        for batch in facts.batches(records, _NOTIFIED_AT_ONCE):
            async with notifier.acquire() as connection, connection.transaction():
                await handlers[batch.topic](connection, batch)

    await handle(directory)
    await handle(contracts)
    waiting: list[ConsumerRecord] = []
    done = 0
    async with open_balance_outbox(url) as outbox, pool.acquire() as connection:
        while await connection.fetchval("SELECT count(*) FROM published_balances") < len(contracts):
            rows = await outbox.load_rows(connection)
            await outbox.mark_published(connection, [row.id for row in rows])
            waiting += [
                replace(
                    contracts[0], topic=BALANCES.name, key=row.record.key, headers=row.record.headers,
                    value=row.record.value,
                ) for row in rows
            ]  # fmt: skip
            if len(waiting) >= _NOTIFIED_AT_ONCE:
                await handle(waiting)
                done += len(waiting)
                waiting.clear()
                _say(f"{done:,} balances")
    await handle(waiting)
    await notifier.close()


async def _seed_contracts(url: str, client: httpx.AsyncClient, codes: Sequence[str]) -> None:
    """One contract and customer by the API of the contracts service, and copies with the ids that consumption has."""
    body = {"name": "Customer", "timezone": "Europe/Berlin", "contacts": []}
    organization = (await client.post("/v1/organizations", json=body)).raise_for_status().json()["id"]
    terms = json.loads(facts.contract("Template").value or b"")["terms"]
    team = (await client.post("/v1/teams", json={"name": "Team", "members": []})).raise_for_status().json()["id"]
    for account in terms["accounts"]:
        account["slices"] = [{"team_id": team, "planned_hours": "1000"}]
    terms |= {"organization_id": organization, "settle_days": 5}
    (await client.post("/v1/contracts", json=terms)).raise_for_status()
    draft = (await client.get("/v1/contracts/Template")).json()
    activated = await client.post("/v1/contracts/Template/activate", json={}, headers={"if-match": "*"})
    activated.raise_for_status()
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET search_path TO contracts")
        for table in ("directory", "contracts", "events"):
            columns = await connection.fetchval(
                "SELECT string_agg(column_name, ', ') FROM information_schema.columns "
                "WHERE table_schema = 'contracts' AND table_name = $1 AND is_generated = 'NEVER'", table,
            )  # fmt: skip
            templates = await connection.fetch(
                f"SELECT row_to_json(t)::text AS row FROM {table} AS t "  # noqa: S608 - our own names
                + ("WHERE kind = 'organization'" if table == "directory" else "")
            )
            copies = [
                change(template["row"]) for template in templates
                for change in _changes(table, draft, organization, codes)
            ]  # fmt: skip
            for first in range(0, len(copies), 1_000):
                await connection.execute(
                    f"INSERT INTO {table} ({columns}) SELECT {columns} "  # noqa: S608 - our own names
                    f"FROM json_populate_recordset(NULL::{table}, $1::json)",
                    f"[{','.join(copies[first : first + 1_000])}]",
                )
    finally:
        await connection.close()


def _changes(table: str, draft: Any, organization: str, codes: Sequence[str]) -> list[Callable[[str], str]]:
    """How a row of a table becomes that of another contract, or of another customer."""

    def of_customer(number: int) -> Callable[[str], str]:
        return lambda row: row.replace(organization, facts.uid(f"customer {number}")).replace(
            '"Customer"', f'"Customer {number}"'
        )

    def of_contract(number: int, code: str) -> Callable[[str], str]:
        def change(row: str) -> str:
            row = of_customer(number % CUSTOMERS)(row)
            row = row.replace(draft["id"], facts.uid(f"contract {code}")).replace('"Template"', f'"{code}"')
            row = row.replace('"ACTIVE"', f'"{_status(number)}"')
            for index in range(facts.ACCOUNTS):
                old = facts.uid(f"account Template {index}")
                row = row.replace(old, facts.uid(f"account {code} {index}"))
            return row

        return change

    if table == "directory":
        return [of_customer(number) for number in range(CUSTOMERS)]
    return [of_contract(number, code) for number, code in enumerate(codes)]


def _say(text: str) -> None:
    print(f"\r{text}", end="", flush=True)  # noqa: T201 - a command's output
