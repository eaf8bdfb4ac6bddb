"""Statements: each period frozen once, whatever happens; with its restatements it gives today's figures (SPEC 10)."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from unittest.mock import AsyncMock

import httpx
import pytest
from api_tokens import SECRET, bearer
from applications import build_app
from effort import repeat
from event_builders import (
    HANDLERS,
    account,
    adjustment,
    append,
    contract_event,
    data_of,
    facts_of,
    link,
    member,
    record,
    rollover,
    take,
    team_event,
    terms,
    uid,
    worklog,
)
from failing_connection import FailingConnection, PlantedError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polling import wait_until
from settling_histories import settling_history
from statement_checks import check_statements, published, settle_all

from tidemark_consumption import replay
from tidemark_consumption.app import create_app
from tidemark_consumption.projection.fold import fold
from tidemark_consumption.projection.projector import Projector
from tidemark_consumption.projection.statements import settle
from tidemark_shared.database import connect_pool
from tidemark_shared.domain.statements import statement_sha256
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.topics import PERIODS
from tidemark_shared.settings import Settings

CONTRACT = uid("contract C1")
MARCH = "2026-03-03T09:00:00Z"
LEARNED = datetime(2026, 3, 20, tzinfo=UTC)
SETTLED = datetime(2026, 4, 7, tzinfo=UTC)
TODAY = datetime(2026, 5, 20, tzinfo=UTC)


@pytest.fixture
async def replaying(database, pool):
    del pool  # its tables are there
    async with (
        await connect_pool(database, "consumption", size=1, init=replay.prepare_connection) as replaying,
        replaying.acquire() as connection,
    ):
        yield connection


@settings(max_examples=repeat(15, long=150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_statements_and_restatements_give_todays_figures(connection, data):
    history = settling_history(lambda options: data.draw(st.sampled_from(options)))
    transaction = connection.transaction()
    await transaction.start()
    try:
        for number, (moment, records) in enumerate(history.batches):
            await take(connection, records, first_offset=1000 * number, learned_at=moment)
            if data.draw(st.booleans()):
                await settle(connection, moment)
        await check_statements(connection, history.facts)
    finally:
        await transaction.rollback()


async def learn(connection, *steps):
    """Take batches of records, each with its moment. Returns the facts."""
    facts = []
    for number, (moment, records) in enumerate(steps):
        await take(connection, records, first_offset=100 * number, learned_at=moment)
        facts += facts_of(records, moment)
    return facts


def begun(**more):
    """A contract of 40 h a month from February to April 2026, with two hours of work in March."""
    accounts = [account("Support", "30"), account("Design", "10")]
    body = terms(accounts=accounts, start="2026-02-01", end="2026-04-30", **more)
    return body, [
        (LEARNED, [contract_event(1, "DRAFT", terms=body), contract_event(2, previous="DRAFT", terms=body)]),
        (LEARNED + timedelta(seconds=1), [link(), worklog("1", started=MARCH, seconds=7200)]),
    ]


BODY, BEGUN = begun()
WITHOUT_SUPPORT = terms(start="2026-02-01", end="2026-04-30", accounts=[account("Design", "40")])
REOPENED = {**BODY, "settle_days": 30}
# What comes after March is settled, and the restatements of March: cause, account, before and after.
CHANGES = {
    "late work": (
        [[worklog("2", started=MARCH, seconds=60)]],
        [("worklog:/tracker/2", "Support", 7200, 7260)],
    ),
    "a correction, then the link to another account": (
        [
            [worklog("1", started=MARCH, seconds=60, updated="2026-05-01T00:00:00Z")],
            [link(account="Design", updated="2026-05-02T00:00:00Z")],
        ],
        [
            ("worklog:/tracker/1", "Support", 7200, 60),
            ("issue:/tracker/I1", "Design", 0, 60),
            ("issue:/tracker/I1", "Support", 60, 0),
        ],
    ),
    "an amendment without the account": (
        [[contract_event(3, terms=WITHOUT_SUPPORT)]],
        [("contract:3", "Support", 7200, 0)],
    ),
    "a suspension and a resumption": (
        [[contract_event(3, "INACTIVE", terms=BODY)], [contract_event(4, terms=BODY)]],
        [("contract:3", "Support", 7200, 0), ("contract:4", "Support", 0, 7200)],
    ),
    "an amendment that opens the period again, and work": (
        [[contract_event(3, terms=REOPENED)], [worklog("2", started=MARCH, seconds=60)]],
        [("worklog:/tracker/2", "Support", 7200, 7260)],
    ),
    "a contract that is closed early, and work": (
        [[contract_event(3, "CLOSED", terms=BODY)], [worklog("2", started="2026-04-02T09:00:00Z", seconds=60)]],
        [("worklog:/tracker/2", "Support", 0, 60)],
    ),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_change_of_settled_period_is_restated_with_its_statement(connection, what):
    changes, expected = CHANGES[what]
    later = [(SETTLED + timedelta(hours=number), records) for number, records in enumerate(changes)]
    facts = await learn(connection, *BEGUN)
    await settle_all(connection, SETTLED)
    for number, (moment, records) in enumerate(later, 10):
        await take(connection, records, first_offset=100 * number, learned_at=moment)
        facts += facts_of(records, moment)
    statements, restatements = await check_statements(connection, facts)
    rows = [(row["cause"], row["account_name"], row["before_seconds"], row["after_seconds"]) for row in restatements]
    assert sorted(rows, key=str) == sorted(expected, key=str)
    april = "closed early" in what
    assert {row["statement_number"] for row in restatements} == {3 if april else 2}
    if not april:
        # The next statement of the contract tells what March was corrected by, account by account.
        [correction, *_] = statements[2]["restatements"]
        assert correction["restatements"] == sum(row["account_id"] == correction["account_id"] for row in restatements)


async def test_periods_that_settled_during_downtime_are_frozen_oldest_first_as_they_were(connection, replaying):
    facts = await learn(connection, *BEGUN)
    # Tidemark comes back with work of March that was waiting in Kafka.
    late = [worklog("2", started=MARCH, seconds=60)]
    await take(connection, late, first_offset=900, learned_at=TODAY)
    statements, restatements = await check_statements(connection, facts + facts_of(late, TODAY))
    assert [(row["figures"]["start"], row["number"], row["figures"]["consumed"]) for row in statements] == [
        ("2026-02-01", 1, 0), ("2026-03-01", 2, 7200), ("2026-04-01", 3, 0),
    ]  # fmt: skip
    assert [row["after_seconds"] for row in restatements] == [7260]
    # Each shows what was known at its `as_of`.
    for statement in statements:
        moment, start = datetime.fromisoformat(statement["as_of"]), date.fromisoformat(statement["figures"]["start"])
        async with replaying.transaction():
            await replay.replay(replaying, moment, ref="C1")
            body = await replaying.fetchval("SELECT body FROM statement_bodies($1, $2)", uid("contract C1"), [start])
        known = json.loads(body)
        assert {name: statement[name] for name in known} == known


@pytest.mark.parametrize(
    ("zone", "settled_at"),
    [
        ("Europe/Berlin", "2026-03-31T22:00:00Z"),  # summer time since the 29th
        ("Australia/Lord_Howe", "2026-03-31T13:00:00Z"),  # half an hour of summer time, until 5 April
        ("America/Sao_Paulo", "2026-04-01T03:00:00Z"),
    ],
)
async def test_period_is_settled_when_its_last_day_ends_in_the_zone_of_the_contract(connection, zone, settled_at):
    _, steps = begun(timezone=zone, settle_days=0)
    await learn(connection, *steps)
    end = datetime.fromisoformat(settled_at)
    starts = "SELECT array_agg(period_start::text ORDER BY number) FROM statements"
    await settle_all(connection, end - timedelta(microseconds=1))
    assert await connection.fetchval(starts) == ["2026-02-01"]
    await settle_all(connection, end)
    assert await connection.fetchval(starts) == ["2026-02-01", "2026-03-01"]


async def test_activation_that_is_later_than_the_last_day_counts(connection):
    body = terms(start="2026-01-01", end="2026-02-28")
    activation = contract_event(2, previous="DRAFT", terms=body, occurred="2026-03-10T12:00:00Z")
    await learn(connection, (LEARNED, [contract_event(1, "DRAFT", terms=body), activation]))
    await settle_all(connection, datetime(2026, 3, 15, 22, 59, tzinfo=UTC))
    assert await connection.fetchval("SELECT count(*) FROM statements") == 0
    await settle_all(connection, datetime(2026, 3, 15, 23, tzinfo=UTC))
    assert await connection.fetchval("SELECT count(*) FROM statements") == 2


async def test_statement_has_teams_adjustments_and_carried_time(connection):
    north = uid("team North")
    body = terms(
        start="2026-02-01", end="2026-04-30", accounts=[account("Support", "40", slices=[(north, "40")])],
        rollover=rollover("carry"), adjustments=[adjustment(uid("account Support"), "2026-03-01", "20")],
    )  # fmt: skip
    facts = await learn(
        connection,
        (LEARNED, [contract_event(1, "DRAFT", terms=body), contract_event(2, previous="DRAFT", terms=body)]),
        (LEARNED + timedelta(seconds=1), [team_event("North", [member("ann", name="Ann")])]),
        (
            LEARNED + timedelta(seconds=2),
            [link(), worklog("1", started=MARCH), worklog("2", author="x", started=MARCH)],
        ),
    )
    [_, march, _], _ = await check_statements(connection, facts)
    assert (march["figures"]["planned"], march["figures"]["carried"]) == (60 * 3600, 40 * 3600)
    assert march["adjustments"] == body["adjustments"]
    [support] = march["accounts"]
    assert [(part["team_name"], part["seconds"]) for part in support["slices"]] == [("North", 3600), (None, 3600)]
    assert '"ann"' not in json.dumps(march).lower()


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
    async with await connect_pool(database, "consumption", size=1, init=replay.prepare_connection) as rebuild_pool:
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


async def test_rebuild_and_verify_leave_statements_alone_and_verify_finds_a_changed_digit(connection, replaying):
    await learn(connection, *BEGUN)
    await settle_all(connection, SETTLED)
    await take(connection, [worklog("2", started=MARCH, seconds=60)], first_offset=900, learned_at=TODAY)
    before = await connection.fetch("SELECT * FROM statements ORDER BY number"), await published(connection)
    # A rebuild folds what came in the meantime again.
    await connection.execute("UPDATE account_team_totals SET seconds = seconds + 1")
    await replay.rebuild(replaying)
    assert await replay.verify(replaying) == replay.Findings(0, [])
    assert (await connection.fetch("SELECT * FROM statements ORDER BY number"), await published(connection)) == before
    await connection.execute("UPDATE statements SET body = replace(body, '7200', '7201') WHERE number = 2")
    findings = await replay.verify(replaying)
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
