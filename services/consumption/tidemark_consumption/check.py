"""What a worklog that is not logged yet would change: the fold of that worklog, of which nothing is stored (SPEC 10).

A connection that checks has shadow tables of what a fold of worklogs writes, and reads everything else where it is. The
transaction is read-only, so Postgres itself refuses to write anything but these temporary tables, whose rows end with
it. It has one snapshot, takes no lock that a fold needs, and waits for none.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tidemark_consumption.balance_outbox import query_forecast
from tidemark_consumption.database.query_types import CheckedAttributionsRow, ConsumptionQueries
from tidemark_consumption.projection import fold
from tidemark_shared.database import Connection, Pool, Workload, connect_pool, queries
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR
from tidemark_shared.domain.reasons import REMEDIES

_sql: ConsumptionQueries = queries("tidemark_consumption")

Json = Mapping[str, Any]

# After every id that a tracker may use: a worklog without an id is the last of those that start at the same time.
_LAST_ID = "\U0010ffff"
_NOTHING: dict[str, Any] = {"planned": None, "consumed": 0, "remaining": None, "percent": None, "worklogs": 0}


class PlannedWorklog(NamedTuple):
    """A worklog that is not logged yet, or the newest version of one that is: one with the id ``worklog_id``.

    ``issue`` is an id or a key. Without ``started_at`` it is the last work of ``day`` in the time zone of the contract.
    """

    issue: str
    author_id: str
    seconds: int
    source: str | None = None
    started_at: datetime | None = None
    day: date | None = None
    team_id: UUID | None = None
    worklog_id: str | None = None


class UnknownSourceError(Exception):
    """The issue does not say which source the worklog has. The message says what to do."""


class _Issue(NamedTuple):
    source: str
    issue_id: str
    zone: ZoneInfo


@asynccontextmanager
async def open_pool(url: str) -> AsyncIterator[Pool]:
    """Connections that check: so few that checks leave the processors to the fold.

    Each is opened when it is first needed, and replaced after some hundred checks, whose dead rows end with its
    temporary tables.
    """
    options: dict[str, Any] = {"size": 2, "lazy": True, "workload": Workload.CHECK, "max_queries": 5_000}
    async with await connect_pool(url, "consumption", init=_prepare_connection, **options) as pool:
        yield pool


async def _prepare_connection(connection: Connection) -> None:
    await _sql.shadow_checked_tables(connection)
    await fold.prepare_connection(connection)


async def check_worklog(connection: Connection, worklog: PlannedWorklog, now: datetime) -> dict[str, Any]:
    """The body of the answer. Raises :class:`UnknownSourceError`."""
    async with _rolled_back(connection):
        issue = await _find_issue(connection, worklog)
        started_at = worklog.started_at or datetime.combine(worklog.day or now.date(), time.max, issue.zone)
        key = {"source": issue.source, "worklog_id": worklog.worklog_id or _LAST_ID}
        await _sql.stage_checked(
            connection,
            **key,
            issue_id=issue.issue_id,
            author_id=worklog.author_id,
            team_id=str(worklog.team_id) if worklog.team_id else None,
            started_at=started_at,
            seconds=worklog.seconds,
        )
        attributions = [row async for row in _sql.checked_attributions(connection, **key)]
        before = await _load_balances(connection, attributions, now)
        await fold.apply_staged(connection)
        after = await _load_balances(connection, attributions, now)
        new = attributions[0]
        is_priced = new["reason"] is None and new["scale_divisor"] != 1
        rates = [{**row} async for row in _sql.checked_rates(connection, **key)] if is_priced else []
    return {
        **new,
        "counts": new["reason"] is None,
        "remedy": REMEDIES[new["reason"]] if new["reason"] else None,
        "source": issue.source,
        "issue_id": issue.issue_id,
        "started_at": started_at,
        "seconds": worklog.seconds,
        **(_describe_price(rates, worklog.seconds) if is_priced else _NO_PRICE),
        "levels": [*list_levels(attributions, before, after)],
        "balances": [
            {"before": balances[0], "after": after[contract_id][0]} for contract_id, balances in before.items()
        ],
        # The rules are the notifier's. Where nothing changes there is nothing to cross.
        "crossings": None if before else (),
    }


@asynccontextmanager
async def _rolled_back(connection: Connection) -> AsyncIterator[None]:
    """A commit would empty the temporary tables, and Postgres would plan every statement of the next check again."""
    transaction = connection.transaction(isolation="repeatable_read", readonly=True)
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def _find_issue(connection: Connection, worklog: PlannedWorklog) -> _Issue:
    rows = [row async for row in _sql.checked_issues(connection, issue=worklog.issue, source=worklog.source)]
    if len(rows) > 1:
        issues = ", ".join(f"{row['issue_id']!r} of {row['source']!r}" for row in rows)
        raise UnknownSourceError(f"Several issues are named {worklog.issue!r}: {issues}. Send the id and the source.")
    if rows:
        return _Issue(rows[0]["source"], rows[0]["issue_id"], ZoneInfo(rows[0]["timezone"] or "UTC"))
    if worklog.worklog_id and worklog.source is None:
        raise UnknownSourceError(f"No issue {worklog.issue!r} is known. Send the source of the worklog.")
    return _Issue(worklog.source or "", worklog.issue, ZoneInfo("UTC"))


async def _load_balances(
    connection: Connection, attributions: Sequence[CheckedAttributionsRow], now: datetime
) -> dict[UUID, list[dict[str, Any]]]:
    """For each contract its balance as it is published now.

    Where that lacks the period of an attribution, its balance at that time follows.
    """
    loaded: dict[UUID, list[dict[str, Any]]] = {}
    for attribution in attributions:
        contract_id = attribution["contract_id"]
        if contract_id and contract_id not in loaded:
            body = await _sql.checked_balance(connection, contract=contract_id, moment=now)
            forecast = await query_forecast(connection, contract_id, now)
            loaded[contract_id] = [{**json.loads(body), "forecast": forecast}]
        start = attribution["period_start"]
        if start and not any(
            period["start"] == str(start) for body in loaded[contract_id] for period in body["periods"]
        ):
            body = await _sql.checked_balance(connection, contract=contract_id, moment=attribution["period_begins"])
            loaded[contract_id].append(json.loads(body))
    return loaded


_NO_PRICE: Json = {"rates": (), "amount_exact": None, "amount_minor": None, "unrated_seconds": None}


def _describe_price(rates: Sequence[Json], seconds: int) -> Json:
    amount_exact = sum(int(rate["amount_exact"]) for rate in rates)
    return {
        "rates": rates,
        "amount_exact": amount_exact,
        "amount_minor": int((Decimal(amount_exact) / SECONDS_PER_HOUR).to_integral_value(ROUND_HALF_EVEN)),
        "unrated_seconds": 0 if rates else seconds,
    }


def list_levels(
    attributions: Sequence[Json], before: Mapping[UUID, Sequence[Json]], after: Mapping[UUID, Sequence[Json]]
) -> Iterator[dict[str, Any]]:
    """The figures before and after of where the work counts and where it did; those of the period, and of the whole.

    Each from the contract down to the slice, and each figure once. Pure.
    """
    listed = set()
    for attribution in attributions:
        contract_id, start = attribution["contract_id"], attribution["period_start"]
        if contract_id is None:
            continue
        parts: list[tuple[str, UUID | None, UUID | None]] = [("contract", None, None)]
        if attribution["account_id"]:
            parts += [
                ("account", attribution["account_id"], None),
                ("slice", attribution["account_id"], attribution["team_id"]),
            ]
        for period in (start, None) if start else (None,):
            # Only work that counts has a team, or is unassigned.
            for level, account_id, team_id in parts if attribution["reason"] is None else parts[:2]:
                key = (contract_id, level, account_id, team_id, period)
                if key in listed:
                    continue
                listed.add(key)
                yield {
                    "level": level,
                    "contract_id": contract_id,
                    "contract_code": attribution["contract_code"],
                    "account_id": account_id,
                    "account_name": account_id and attribution["account_name"],
                    "team_id": team_id,
                    "team_name": team_id and attribution["team_name"],
                    "period_start": period,
                    "period_end": period and attribution["period_end"],
                    "unit": before[contract_id][0]["unit"],
                    "currency": before[contract_id][0]["currency"],
                    "before": _find_figures(before[contract_id], level, account_id, team_id, period),
                    "after": _find_figures(after[contract_id], level, account_id, team_id, period),
                }


def _find_figures(
    balances: Sequence[Json], level: str, account_id: UUID | None, team_id: UUID | None, period: date | None
) -> dict[str, Any]:
    """The figures of a level. Where a balance does not list it, nothing is planned for it and nothing was done."""
    figures: Json = {**_NOTHING, "unrated_seconds": None if balances[0]["unit"] == "seconds" else 0}
    for part in chain.from_iterable(_find_parts(balance, level, account_id, team_id) for balance in balances):
        for candidate in (part["whole"],) if period is None else part["periods"]:
            if period is None or candidate["start"] == str(period):
                figures = candidate
    return {
        "available": figures["planned"],
        **{name: value for name, value in figures.items() if name not in ("start", "end", "carried")},
    }


def _find_parts(balance: Json, level: str, account_id: UUID | None, team_id: UUID | None) -> list[Json]:
    if level == "contract":
        return [balance]
    accounts = [account for account in balance["accounts"] if account["account_id"] == str(account_id)]
    if level == "account":
        return accounts
    team = str(team_id) if team_id else None
    return [slice_ for account in accounts for slice_ in account["slices"] if slice_["team_id"] == team]
