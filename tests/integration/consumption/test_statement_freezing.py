"""Statements are frozen once, by any process; they survive a rebuild and a restore; the API shows them (SPEC 10)."""

import asyncio
from itertools import pairwise
from unittest.mock import AsyncMock

import httpx
import pytest
from api_tokens import SECRET, bearer
from applications import build_app
from event_builders import (
    HANDLERS,
    append,
    contract_event,
    data_of,
    facts_of,
    record,
    take,
    worklog,
)
from failing_connection import FailingConnection, PlantedError
from polling import wait_until
from statement_cases import BEGUN, CONTRACT, LEARNED, MARCH, SETTLED, TODAY, WITHOUT_SUPPORT, learn
from statement_checks import check_statements, published, settle_all

from tidemark_consumption import replay
from tidemark_consumption.app import create_app
from tidemark_consumption.projection.fold import fold
from tidemark_consumption.projection.projector import Projector
from tidemark_consumption.projection.statements import settle
from tidemark_shared.database import queries
from tidemark_shared.domain.statements import statement_sha256
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.topics import PERIODS
from tidemark_shared.settings import Settings


@pytest.mark.parametrize("late", [False, True], ids=["by the clock", "by late work"])
async def test_crash_between_any_two_statements_freezes_nothing_twice(connection, late):
    facts = await learn(connection, *BEGUN)
    if late:
        records = [worklog("2", started=MARCH, seconds=60)]
        await append(connection, records, first_offset=900)
        facts += facts_of(records, TODAY)
    crashes = 0
    while True:
        failing = FailingConnection(connection, crashes)
        try:
            await (take_waiting(failing) if late else settle(failing, TODAY))
        except PlantedError:
            crashes += 1
            assert await published(connection) == ([], [])
            assert await connection.fetchval("SELECT count(*) FROM statements") == 0
            continue
        break
    assert crashes >= 5
    await check_statements(connection, facts)


async def test_change_of_a_contract_reads_no_other_contract_to_see_what_is_due(connection):
    """Also when Postgres keeps one plan for all parameters, as it does after some executions."""
    await take(connection, [contract_event(code=f"C{number}") for number in range(300)])
    await connection.execute("ANALYZE contracts, periods")
    async with connection.transaction():
        # To read a small table as a whole is cheap.
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off")
        counts = [await rows_read(connection)]
        for contracts in ([CONTRACT], None):
            await queries("tidemark_consumption").is_settlement_due(connection, contracts=contracts, moment=TODAY)
            counts.append(await rows_read(connection))
    assert [after - before for before, after in pairwise(counts)] == [1, 300]


async def rows_read(connection):
    """The rows of contracts that this connection has read."""
    return await connection.fetchval(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'contracts'::regclass"
    )


async def take_waiting(connection):
    await fold(connection, TODAY)


async def test_projectors_at_once_freeze_each_period_once(pool):
    async with pool.acquire() as connection:
        facts = await learn(connection, *BEGUN)

    async def settle_often(number):
        async with pool.acquire() as connection:
            for _ in range(5):
                await settle(connection, TODAY)
            if number == 0:
                await append(connection, [worklog("2", started=MARCH, seconds=60)], first_offset=900)
                await take_waiting(connection)

    await asyncio.gather(*(settle_often(number) for number in range(4)))
    async with pool.acquire() as connection:
        await take_waiting(connection)
        statements, _ = await check_statements(
            connection, facts + facts_of([worklog("2", started=MARCH, seconds=60)], TODAY)
        )
    assert [row["number"] for row in statements] == [1, 2, 3]


async def test_projector_freezes_by_the_clock_and_goes_on_when_a_statement_fails(pool, database, monkeypatch):
    monkeypatch.setattr("tidemark_consumption.projection.projector._SETTLE_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr("tidemark_consumption.projection.projector._RETRY_SECONDS", 0.05)
    async with pool.acquire() as connection:
        await learn(connection, *BEGUN)
        # No second statement can be inserted.
        await connection.execute("ALTER TABLE statements ADD CONSTRAINT broken CHECK (number < 2)")
    clock = [LEARNED]
    count = "SELECT count(*) FROM statements"
    async with replay.open_pool(database) as rebuild_pool:
        projector = Projector(pool, rebuild_pool, clock=lambda: clock[0])
        running = asyncio.create_task(projector.run())
        try:
            await wait_until(lambda: _equals(pool, count, 1))
            clock[0] = SETTLED
            [problem] = await wait_until(lambda: projector.problems(pool))
            assert problem.startswith("Statements cannot be frozen: CheckViolationError")
            async with pool.acquire() as connection:
                await append(connection, [worklog("3", started="2026-04-02T09:00:00Z", seconds=60)], first_offset=950)
            await wait_until(lambda: _equals(pool, "SELECT sum(seconds) FROM account_team_totals", 7260))
            await pool.execute("ALTER TABLE statements DROP CONSTRAINT broken")
            await wait_until(lambda: _equals(pool, count, 2))
            await wait_until(lambda: _no_problems(projector, pool))
        finally:
            running.cancel()


async def _equals(pool, query, value):
    return await pool.fetchval(query) == value


async def _no_problems(projector, pool):
    return not await projector.problems(pool)


async def test_rebuild_and_verify_leave_statements_alone_and_verify_finds_a_changed_digit(
    connection, replay_connection
):
    await learn(connection, *BEGUN)
    await settle_all(connection, SETTLED)
    await take(connection, [worklog("2", started=MARCH, seconds=60)], first_offset=900, learned_at=TODAY)
    before = await connection.fetch("SELECT * FROM statements ORDER BY number"), await published(connection)
    # A rebuild folds what came in the meantime again.
    await connection.execute("UPDATE account_team_totals SET seconds = seconds + 1")
    await replay.rebuild(replay_connection)
    assert await replay.verify(replay_connection) == replay.Findings(0, [])
    assert (await connection.fetch("SELECT * FROM statements ORDER BY number"), await published(connection)) == before
    await connection.execute("UPDATE statements SET body = replace(body, '7200', '7201') WHERE number = 2")
    findings = await replay.verify(replay_connection)
    assert [(difference.relation, difference.key["period_start"]) for difference in findings.first] == [
        ("statements", "2026-03-01")
    ]


async def test_restored_database_takes_published_statements_back(pool):
    async with pool.acquire() as connection:
        facts = await learn(connection, *BEGUN)
        await settle_all(connection, SETTLED)
        columns = "contract_id, period_start, period_end, number, as_of, closed_at, body, sha256"
        query = f"SELECT {columns} FROM statements ORDER BY number"  # noqa: S608 - names of ours
        before = await connection.fetch(query)
        events = [
            record(PERIODS, "tidemark.period.closed.v1", data, offset=number)
            for number, data in enumerate((await published(connection))[0])
        ]
        forged = {
            **data_of(events[0]),
            "number": 7,
            "figures": {**data_of(events[0])["figures"], "start": "2026-04-01"},
        }
        events.append(record(PERIODS, "tidemark.period.closed.v1", forged, offset=9))
        await connection.execute("DELETE FROM statements WHERE number = 2")
        for _ in range(2):
            async with connection.transaction():
                await HANDLERS[PERIODS.name](connection, Batch("test", PERIODS.name, 0, events))
        assert await connection.fetch(query) == before
        # It goes on where it was: the next period has the next number, and late work corrects what was taken back.
        await take(connection, [worklog("2", started=MARCH, seconds=60)], first_offset=900, learned_at=TODAY)
        await check_statements(connection, facts + facts_of([worklog("2", started=MARCH, seconds=60)], TODAY))


@pytest.fixture
async def client(pool):
    app = build_app(create_app, Settings(secret=SECRET))
    app.state.pool, app.state.has_all_contracts = pool, AsyncMock(return_value=True)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=bearer()) as client:
        yield client


async def test_api_shows_what_was_published_and_the_figures_today(client, pool):
    async with pool.acquire() as connection:
        await learn(connection, *BEGUN)
        await settle_all(connection, TODAY)
        late = [worklog(str(number), started=MARCH, seconds=60) for number in (2, 3)]
        await take(connection, late, first_offset=900, learned_at=TODAY)
        await take(connection, [contract_event(3, terms=WITHOUT_SUPPORT)], first_offset=950, learned_at=TODAY)
        await settle_all(connection, TODAY)
        statements, restatements = await published(connection)
    first = (await client.get("/v1/contracts/C1/statements", params={"limit": 2})).json()
    rest = (await client.get("/v1/contracts/C1/statements", params={"limit": 2, "cursor": first["next"]})).json()
    assert (first["items"] + rest["items"], rest["next"]) == (statements, None)
    answer = (await client.get(f"/v1/contracts/{CONTRACT}/statements/2026-03-01")).json()
    assert answer["statement"] == statements[1]
    assert answer["statement"]["sha256"] == statement_sha256(answer["statement"])
    assert (answer["restatements"], answer["restatement_count"]) == (restatements, 3)
    assert [(account["name"], account["seconds"]) for account in answer["today"]["accounts"]] == [("Design", 0)]
    missing = await client.get("/v1/contracts/C1/statements/2026-03-02")
    assert (missing.status_code, missing.json()["title"]) == (404, "No such statement")
    # Operations teams read the same.
    rows = await pool.fetch("SELECT sha256, consumed_seconds, restatement_count FROM reporting.statements ORDER BY 1")
    assert sorted(map(tuple, rows)) == sorted(
        (statement["sha256"], statement["figures"]["seconds"], 3 if statement["number"] == 2 else 0)
        for statement in statements
    )
