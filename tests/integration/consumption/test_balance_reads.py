"""Balances are fast whatever statistics the planner has, and no balance waits for another contract."""

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest
import structlog
from api_tokens import SECRET, bearer
from event_builders import account, contract_event, take, terms, uid
from fastapi import FastAPI
from polling import wait_until

from tidemark_consumption import balance_outbox
from tidemark_consumption.api import figures
from tidemark_shared import database as shared_database
from tidemark_shared.database import Workload, connect_pool, queries
from tidemark_shared.http.app import create_api
from tidemark_shared.settings import Settings

PERIODS, ACCOUNTS, SLICES = 240, 6, 4
ROWS_SHOWN = PERIODS * (1 + ACCOUNTS * (1 + SLICES))
# Each row passes through some nodes of a plan, and the reporting views join the six accounts. Quadratic plans handle
# at least as many rows for each as there are periods.
MAX_ROWS = 100 * ROWS_SHOWN
MOMENT = datetime(2026, 3, 15, tzinfo=UTC)
TABLES = ["contracts", "accounts", "account_teams", "periods", "adjustments", "account_team_totals", "daily_totals",
          "balances"]  # fmt: skip
LOCK = 4711
BY_TEAM = False
IS_PUBLISHED = "SELECT published_revision = revision FROM balances WHERE contract_id = $1"


def large_contract(code):
    teams = [uid(f"team {number}") for number in range(SLICES)]
    accounts = [
        account(f"{code} {number}", "40", id_=uid(f"{code} {number}"), slices=[(team, "10") for team in teams])
        for number in range(ACCOUNTS)
    ]
    rollover = {"unused": "carry", "cap_hours": None, "cap_value_minor": None, "lapse_after_periods": None,
                "overrun": "deduct"}  # fmt: skip
    return contract_event(
        terms=terms(code, accounts=accounts, hours="240", start="2006-04-01", end="2026-03-31", rollover=rollover)
    )


async def log_work_everywhere(connection):
    await connection.execute(
        """
        INSERT INTO account_team_totals (
          contract_id, account_id, team_id, period_start, seconds, amount, unrated_seconds, worklog_count
        )
        SELECT contract_id, account_id, team_id, period_start, 3600, 0, 0, 2
        FROM account_teams JOIN periods USING (contract_id)
        ON CONFLICT DO NOTHING;
        INSERT INTO daily_totals (
          contract_id, account_id, team_id, period_start, day, seconds, amount, unrated_seconds, worklog_count
        )
        SELECT contract_id, account_id, team_id, period_start, period_start + n, 1800, 0, 0, 1
        FROM account_teams JOIN periods USING (contract_id) CROSS JOIN generate_series(0, 1) AS n
        ON CONFLICT DO NOTHING
        """
    )


@pytest.fixture(params=["none", "of a smaller system", "of one contract among many", "fresh"])
async def statistics(request, connection):
    """A contract of maximum size, with matching or misleading statistics."""
    for table in TABLES:
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    if request.param == "of a smaller system":
        await take(connection, [contract_event(end="2026-01-31")])
        await log_work_everywhere(connection)
        await queries("tidemark_consumption").analyze_figures(connection)
    await take(connection, [large_contract("LARGE")])
    await log_work_everywhere(connection)
    if request.param in {"fresh", "of one contract among many"}:
        await queries("tidemark_consumption").analyze_figures(connection)
    if request.param == "of one contract among many":
        await take(connection, [large_contract(f"L{number}") for number in range(3)])
        await log_work_everywhere(connection)
    # A quadratic plan would run for minutes.
    await connection.execute("SET statement_timeout = '30s'")


def rows_handled(plan):
    """The rows that all parts of a plan read, joined or threw away."""
    row_count = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    return row_count * plan["Actual Loops"] + sum(rows_handled(part) for part in plan.get("Plans", []))


async def explained(connection, query, *arguments):
    (explanation,) = json.loads(
        await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {query}", *arguments)
    )
    return rows_handled(explanation["Plan"])


async def balance_body(connection, *, complete):
    """The query inside the function, because EXPLAIN does not show it."""
    body = await connection.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'balance'")
    parameters = {"of_contract": f"'{uid('contract LARGE')}'::uuid", "moment": f"'{MOMENT}'::timestamptz"}
    for name, value in {**parameters, "complete": str(complete), "with_accounts": "TRUE"}.items():
        body = body.replace(name, value)
    return body


@pytest.mark.usefixtures("statistics")
async def test_balance_reads_rows_in_proportion_to_its_size(connection):
    query = await balance_body(connection, complete=True)
    assert await explained(connection, query) < MAX_ROWS
    body = json.loads(await connection.fetchval("SELECT balance($1, $2, TRUE)", uid("contract LARGE"), MOMENT))
    assert len(body["periods"]) == PERIODS
    assert sum(len(slice_["periods"]) for account in body["accounts"] for slice_ in account["slices"]) == PERIODS * 24


@pytest.mark.usefixtures("statistics")
async def test_curve_paces_and_reporting_views_read_rows_in_proportion(connection):
    sql, contract = queries("tidemark_consumption"), uid("contract LARGE")
    assert await explained(connection, sql.curve.sql, contract, None, BY_TEAM, None, MOMENT) < MAX_ROWS
    assert await explained(connection, sql.paces.sql, MOMENT, [contract]) < MAX_ROWS
    for view in ("contracts", "contract_periods", "account_consumption", "account_totals", "slice_consumption"):
        rows = await explained(connection, f"SELECT * FROM reporting.{view} WHERE contract_id = $1", contract)  # noqa: S608
        assert rows < MAX_ROWS, view


# The publisher.


@pytest.fixture
async def two_contracts(connection):
    await take(connection, [contract_event(), contract_event(code="C2")])
    return uid("contract C1"), uid("contract C2")


async def replace_balance(connection, of_first):
    """Run a statement before the balance of the first contract is computed."""
    await connection.execute(
        f"""
        ALTER FUNCTION balance RENAME TO computed_balance;
        CREATE FUNCTION balance(of_contract uuid, moment timestamptz, complete boolean) RETURNS jsonb
        LANGUAGE plpgsql AS $$
        BEGIN
          IF of_contract = '{uid("contract C1")}' THEN
            {of_first};
          END IF;
          RETURN computed_balance(of_contract, moment, complete);
        END
        $$
        """
    )


async def published(outbox, connection):
    """The contracts that one round publishes."""
    rows = await outbox.load_rows(connection)
    await outbox.mark_published(connection, [row.id for row in rows])
    return {str(row.id[0]) for row in rows}


async def test_slow_balance_does_not_delay_other_balances(database, pool, connection, two_contracts):
    slow, other = two_contracts
    await replace_balance(connection, f"PERFORM pg_advisory_xact_lock_shared({LOCK})")
    async with pool.acquire() as blocker, balance_outbox.open_balance_outbox(database) as outbox:
        await blocker.execute(f"SELECT pg_advisory_lock({LOCK})")
        assert await published(outbox, connection) == {other}
        await connection.execute("UPDATE balances SET revision = revision + 1")
        assert await published(outbox, connection) == {other}
        await blocker.execute(f"SELECT pg_advisory_unlock({LOCK})")
        await wait_until(lambda: published(outbox, connection))
        # Computed before the second change or after it: either way the newest follows.
        await wait_until(lambda: is_caught_up(outbox, connection, slow))


async def is_caught_up(outbox, connection, contract):
    await published(outbox, connection)
    return await connection.fetchval(IS_PUBLISHED, contract)


async def test_failing_balance_is_logged_once_and_retried(database, connection, two_contracts, monkeypatch):
    failing, other = two_contracts
    monkeypatch.setattr(balance_outbox, "_MIN_RETRY_SECONDS", 0.01)
    await replace_balance(connection, "PERFORM 1 / (SELECT count(*) FROM organizations)")
    async with balance_outbox.open_balance_outbox(database) as outbox:
        with structlog.testing.capture_logs() as logs:
            assert await published(outbox, connection) == {other}
            source = outbox.load_rows.__self__
            await wait_until(lambda: postponed_for(outbox, connection, source, 0.05))
        errors = [entry for entry in logs if entry["event"] == "balance_postponed"]
        assert [entry["contract_id"] for entry in errors] == [failing]
        await connection.execute("DROP FUNCTION balance; ALTER FUNCTION computed_balance RENAME TO balance")
        assert await wait_until(lambda: published(outbox, connection)) == {failing}


async def postponed_for(outbox, connection, source, seconds):
    """Whether the pauses have grown so far."""
    await published(outbox, connection)
    return any(retry.pause_seconds > seconds for retry in source._retries.values())


@pytest.fixture
def short_statements(monkeypatch):
    """Statements time out at once."""
    original = shared_database.server_settings
    monkeypatch.setattr(shared_database, "server_settings", lambda *of: {**original(*of), "statement_timeout": "200ms"})


@pytest.mark.usefixtures("short_statements")
async def test_balance_that_times_out_is_postponed(database, pool, connection, two_contracts):
    slow, other = two_contracts
    await replace_balance(connection, f"PERFORM pg_advisory_xact_lock_shared({LOCK})")
    async with pool.acquire() as blocker, balance_outbox.open_balance_outbox(database) as outbox:
        await blocker.execute(f"SELECT pg_advisory_lock({LOCK})")
        with structlog.testing.capture_logs() as logs:
            await wait_until(lambda: failed(outbox, connection, logs))
        (error,) = [entry for entry in logs if entry["event"] == "balance_postponed"]
        assert error["contract_id"] == slow
        assert "QueryCanceled" in error["error"]
        assert await connection.fetchval(
            "SELECT published_revision = revision FROM balances WHERE contract_id = $1", other
        )


async def failed(outbox, connection, logs):
    await published(outbox, connection)
    return any(entry["event"] == "balance_postponed" for entry in logs)


# Time-outs.


@pytest.mark.usefixtures("short_statements")
async def test_request_that_times_out_is_answered_503_with_retry_after(database, connection, two_contracts):
    await replace_balance(connection, "PERFORM pg_sleep(600)")
    app: FastAPI = create_api("consumption", Settings(secret=SECRET), None)
    app.include_router(figures.router)
    async with (
        await connect_pool(database, "consumption", size=1, workload=Workload.REQUEST) as app.state.pool,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=bearer()) as client,
    ):
        answer = await client.get(f"/v1/contracts/{two_contracts[0]}/balance")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.usefixtures("pool")
async def test_each_workload_has_its_statement_timeout(database):
    for workload, expected in (
        (Workload.REQUEST, "30s"),
        (Workload.CHECK, "5s"),
        (Workload.PUBLISH, "15s"),
        (Workload.REPLAY, "1min"),
        (Workload.FOLD, "0"),
    ):
        async with await connect_pool(database, "consumption", size=1, workload=workload) as limited:
            assert await limited.fetchval("SHOW statement_timeout") == expected


async def test_query_of_disconnected_client_is_stopped(database, connection):
    async with await connect_pool(database, "consumption", size=1, workload=Workload.FOLD) as abandoned:
        client = await abandoned.acquire()
        pid = await client.fetchval("SELECT pg_backend_pid()")
        query = asyncio.create_task(client.execute("SELECT pg_sleep(600)"))
        running = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'"
        await wait_until(lambda: connection.fetchval(running, pid))
        client.terminate()
        with pytest.raises(Exception, match="closed"):
            await query
        await wait_until(lambda: gone(connection, running, pid), timeout_seconds=15)


async def gone(connection, running, pid):
    return not await connection.fetchval(running, pid)
