"""Many customers, contracts and worklogs for the benchmark of the pages.

Contracts, links and work go through the product's fold. The contracts service gets copies of one contract that was made
over its API, and all but the first balances are copies too: computing each takes milliseconds.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx

from bench import facts
from bench.database import append_and_fold
from tidemark_consumption.balance_outbox import open_balance_outbox
from tidemark_shared.database import Pool
from tidemark_shared.messaging.events import ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import DIRECTORY

CUSTOMERS, ISSUES_OF_CONTRACT = 200, 2
_BATCH = 20_000
_PUBLISHED = 300
_DAYS = 320
_FIRST_DAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
_RECEIVED_MS = int(time.time() * 1000)


async def seed_figures(pool: Pool, codes: Sequence[str], records: int) -> None:
    """Contracts of many customers, links and work, in consumption."""
    contracts = [_of_customer(facts.contract(code), number) for number, code in enumerate(codes)]
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
    directory = [*(_customer(number) for number in range(CUSTOMERS)), *facts.teams()]
    async with pool.acquire() as connection:
        for group in (directory, contracts, links):
            for batch in facts.batches(group, 2_000):
                await append_and_fold(connection, batch)
            _say(f"{len(group):,} records of {group[0].topic}")
        for first in range(0, records, _BATCH):
            work = [_worklog(number, issues) for number in range(first, min(first + _BATCH, records))]
            rows = [replace(record, offset=first + offset) for offset, record in enumerate(work)]
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
    return replace(record, value=json.dumps({**data, "terms": terms}).encode())


def _customer(number: int) -> Any:
    data = {"id": facts.uid(f"customer {number}"), "version": 1, "name": f"Customer {number}",
            "timezone": "Europe/Berlin", "contacts": []}  # fmt: skip
    record = facts.teams()[0]
    headers = [(name, ORGANIZATION_CHANGED.encode() if name == "ce_type" else value) for name, value in record.headers]
    return replace(record, topic=DIRECTORY.name, headers=headers, value=json.dumps(data).encode())


def _worklog(number: int, issues: int) -> Any:
    started = _FIRST_DAY + timedelta(days=number * 31 % _DAYS, minutes=number % 480)
    (record,) = facts.worklogs([1], prefix="P")
    return _replace(
        replace(record, timestamp=_RECEIVED_MS),
        worklog_id=f"P{number}",
        issue_id=f"P{number * 7919 % issues}",
        started_at=started.isoformat(),
        author_id=f"person-{number * 13 % facts.PEOPLE}",
        seconds=60 + number % 7_200,
        updated_at=(started + timedelta(hours=1)).isoformat(),
    )


async def publish(pool: Pool, url: str) -> None:
    """Publish the first balances, and copy them to the other contracts: computing each takes milliseconds."""
    async with open_balance_outbox(url) as outbox, pool.acquire() as connection:
        enough = min(_PUBLISHED, await connection.fetchval("SELECT count(*) FROM contracts"))
        while await connection.fetchval("SELECT count(*) FROM published_balances") < enough:
            rows = await outbox.load_rows(connection)
            await outbox.mark_published(connection, [row.id for row in rows])
        await connection.execute(
            """
            INSERT INTO published_balances (contract_id, attention, urgency, body)
            SELECT c.contract_id, p.attention, p.urgency,
              p.body || jsonb_build_object('contract_id', c.contract_id, 'contract_code', c.code)
            FROM (SELECT *, row_number() OVER (ORDER BY code) AS place FROM contracts) AS c
            JOIN (SELECT *, row_number() OVER () AS place, count(*) OVER () AS total FROM published_balances) AS p
              ON c.place % p.total = p.place - 1
            ON CONFLICT DO NOTHING
            """
        )


async def seed_contracts(url: str, client: httpx.AsyncClient, codes: Sequence[str]) -> None:
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
