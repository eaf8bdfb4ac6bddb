"""A check of any worklog says what happens when that worklog is then logged (SPEC 10)."""

import json
from datetime import UTC, datetime
from uuid import UUID

from comparison import learn
from effort import repeat
from event_builders import (
    take,
    worklog,
)
from histories import AUTHORS, ISSUES, SECONDS, SOURCES, TEAMS, WORKLOGS, histories
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemark_consumption.balance_outbox import query_forecast
from tidemark_consumption.check import PlannedWorklog, check_worklog

NOW = datetime(2026, 5, 27, 12, tzinfo=UTC)
HOUR = 3600
LOGS = "batches, fact_log, contract_log, directory_log, balances, restatements, former_versions"


async def empty(connection):
    projections = await connection.fetchval("SELECT projection_tables()")
    await connection.execute(f"TRUNCATE {LOGS}, {', '.join(projections)}")


async def balance_of(connection, contract, *, complete=False):
    return json.loads(await connection.fetchval("SELECT balance($1, $2, $3)", UUID(contract), NOW, complete))


async def published(connection, contract):
    balance = await balance_of(connection, contract)
    return {**balance, "forecast": await query_forecast(connection, UUID(contract), NOW), "revision": None}


def figures_by_level(balance):
    """Each figure of a complete balance by level, account, team and period, as a check shows it."""
    figures = {}
    parts = [("contract", None, None, balance)]
    for body in balance["accounts"]:
        parts.append(("account", body["account_id"], None, body))
        parts += [("slice", body["account_id"], part["team_id"], part) for part in body["slices"]]
    for *level, part in parts:
        for figure in (part["whole"], *part["periods"]):
            shown = {name: value for name, value in figure.items() if name not in {"start", "end", "carried"}}
            figures[(*level, figure.get("start"))] = {"available": figure["planned"], **shown}
    return figures


def text(value):
    return None if value is None else str(value)


async def figures_of(connection, levels):
    """What the tables say now about each level of an answer."""
    contracts = {str(level["contract_id"]) for level in levels}
    balances = {contract: await balance_of(connection, contract, complete=True) for contract in contracts}
    found = []
    for level in levels:
        balance = balances[str(level["contract_id"])]
        key = (level["level"], *(text(level[name]) for name in ("account_id", "team_id", "period_start")))
        nothing = {
            "available": None, "planned": None, "consumed": 0, "remaining": None, "percent": None, "worklogs": 0,
            "unrated_seconds": None if balance["unit"] == "seconds" else 0,
        }  # fmt: skip
        found.append(figures_by_level(balance).get(key, nothing))
    return found


@st.composite
def planned_worklogs(draw, history):
    """A worklog about what the history is about: new, or a correction of one that may exist."""
    moments = [
        fact.data[name]
        for fact in history.facts
        for name in ("started_at", "created_at")
        if fact.data.get(name)
    ] or ["2026-05-01T09:00:00Z"]  # fmt: skip
    return PlannedWorklog(
        issue=draw(st.sampled_from([*ISSUES, "I9"])),
        author_id=draw(st.sampled_from(AUTHORS)),
        seconds=draw(st.sampled_from(SECONDS)),
        source=draw(st.sampled_from(SOURCES)),
        started_at=datetime.fromisoformat(draw(st.sampled_from(moments))),
        team_id=draw(st.sampled_from([None, None, *map(UUID, TEAMS)])),
        worklog_id=draw(st.sampled_from([*WORKLOGS, "new"])),
    )


@settings(
    max_examples=repeat(10, long=100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), history=histories())
async def test_check_says_what_happens_when_the_worklog_is_logged(connection, check_pool, data, history):
    await empty(connection)
    await learn(connection, history)
    for number in range(3):
        planned = data.draw(planned_worklogs(history))
        async with check_pool.acquire() as checking:
            answer = await check_worklog(checking, planned, NOW)
        contracts = [str(pair["before"]["contract_id"]) for pair in answer["balances"]]
        assert [{**pair["before"], "revision": None} for pair in answer["balances"]] == [
            await published(connection, contract) for contract in contracts
        ]
        levels = answer["levels"]
        assert [level["before"] for level in levels] == await figures_of(connection, levels)
        logged = worklog(
            planned.worklog_id, issue=planned.issue, author=planned.author_id, source=planned.source,
            started=planned.started_at.isoformat(), seconds=planned.seconds, team=text(planned.team_id),
            updated=f"2026-05-28T00:00:0{number}Z",
        )  # fmt: skip
        await take(connection, [logged], partition=1, first_offset=number)
        row = await connection.fetchrow(
            "SELECT worklog.*, rating.amount, rating.unrated_seconds FROM worklogs AS worklog"
            " LEFT JOIN ratings AS rating USING (source, worklog_id) WHERE source = $1 AND worklog_id = $2",
            planned.source,
            planned.worklog_id,
        )
        assert row["seconds"] == planned.seconds, "the worklog that was logged is the newest version"
        for name in ("reason", "contract_id", "account_id", "team_id", "period_start", "day", "unrated_seconds"):
            assert answer[name] == row[name], name
        assert answer["amount_exact"] == row["amount"]
        assert sum(part["seconds"] for part in answer["rates"]) in (0, planned.seconds)
        assert [{**pair["after"], "revision": None} for pair in answer["balances"]] == [
            await published(connection, contract) for contract in contracts
        ]
        assert [level["after"] for level in levels] == await figures_of(connection, levels)
