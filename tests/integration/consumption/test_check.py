"""Asking first: a check says what happens when the worklog is then logged, and stores nothing (SPEC 10)."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from api_tokens import SECRET, bearer
from applications import build_app
from event_builders import (
    account,
    contract_event,
    data_of,
    link,
    member,
    rate_card,
    rollover,
    take,
    team_event,
    terms,
    uid,
    worklog,
)

from tidemark_consumption.app import create_app
from tidemark_consumption.check import PlannedWorklog, check_worklog
from tidemark_consumption.projection import fold
from tidemark_shared.domain.reasons import REMEDIES
from tidemark_shared.settings import Settings

NOW = datetime(2026, 5, 27, 12, tzinfo=UTC)
HOUR = 3600
LOGS = "batches, fact_log, contract_log, directory_log, balances, restatements, former_versions"


@pytest.fixture
async def client(pool, check_pool):
    app = build_app(create_app, Settings(secret=SECRET))
    app.state.pool, app.state.check_pool = pool, check_pool
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=bearer("viewer")) as client:
        yield client


# Case by case, over HTTP

NORTH = uid("team North")
# The issues were created in this month, so their work of a fixed price counts in it.
JANUARY = "2026-01-01"
PRICED = terms("C2", value=900_000, accounts=[account("Support", value=900_000, slices=[(NORTH, None)])])


async def fill(connection):
    """Contracts of each type and status, with 7 h of ann on Monday 2 March in the one with rates."""
    await take(
        connection,
        [
            contract_event(rollover=rollover("carry")), contract_event(terms=PRICED),
            contract_event(status="DRAFT", code="C3"), contract_event(status="INACTIVE", code="C4"),
        ],
    )  # fmt: skip
    await take(connection, [team_event("North", [member("ann")]), rate_card()], first_offset=100)
    await take(
        connection,
        [
            link("I1"), link("I2", contract="C2"), link("I3", contract="C3"), link("I4", contract="C4"),
            link("I5", account="nobody"), link("I6", contract="nowhere"), link("I7", contract=None),
            link("I8", contract="C2", created=None), link("I1", contract="C2", source="/other"),
            worklog("1", seconds=10 * HOUR, started="2026-02-02T08:00:00Z"),
            worklog("2", issue="I2", seconds=7 * HOUR, started="2026-03-02T08:00:00Z"),
        ],
        first_offset=200,
    )  # fmt: skip


def body(issue="I2", **changes):
    return {"issue_id": issue, "author_id": "ann", "day": "2026-03-02", "seconds": 3 * HOUR, **changes}


async def ask(client, pool, **changes):
    async with pool.acquire() as connection:
        await fill(connection)
    response = await client.post("/v1/worklogs/check", json=body(**changes))
    assert response.status_code == 200, response.text
    return response.json()


def level_of(answer, level, period):
    [found] = [entry for entry in answer["levels"] if entry["level"] == level and entry["period_start"] == period]
    return found


async def test_fixed_price_is_split_at_the_daily_workload(client, pool):
    answer = await ask(client, pool)
    assert (answer["counts"], answer["contract_code"], answer["account_name"], answer["team_name"]) == (
        True, "C2", "Support", "North",
    )  # fmt: skip
    assert [(part["kind"], part["seconds"], part["per_hour_minor"]) for part in answer["rates"]] == [
        ("normal", HOUR, 9000), ("extra_time", 2 * HOUR, 11_000),
    ]  # fmt: skip
    assert (answer["amount_minor"], answer["amount_exact"]) == (31_000, 31_000 * 3600)
    period = level_of(answer, "contract", JANUARY)
    assert (period["unit"], period["before"]["consumed"], period["after"]["consumed"]) == ("minor", 63_000, 94_000)
    assert period["after"]["remaining"] == 900_000 - 94_000
    assert answer["crossings"] is None


async def test_earlier_work_pushes_what_is_logged_into_extra_time(client, pool):
    answer = await ask(client, pool, day=None, started_at="2026-03-02T06:00:00+01:00")
    assert [part["kind"] for part in answer["rates"]] == ["normal"]
    period = level_of(answer, "contract", JANUARY)
    # 2 h of the work that is logged become extra time.
    assert period["after"]["consumed"] - period["before"]["consumed"] == 3 * 9000 + 2 * 2000


async def test_period_refers_to_what_is_carried_into_it(client, pool):
    answer = await ask(client, pool, issue="SUP-I1", source="/tracker")
    assert answer["issue_id"] == "I1"
    period = level_of(answer, "contract", "2026-03-01")
    # 40 h of January and 30 h of February are left.
    assert [period["before"][name] // HOUR for name in ("planned", "available", "remaining")] == [40, 110, 110]
    assert period["after"]["remaining"] // HOUR == 107
    assert answer["rates"] == []


async def test_correction_moves_hours_between_contracts(client, pool):
    answer = await ask(client, pool, source="/tracker", worklog_id="1")
    consumed = {
        entry["contract_code"]: (entry["before"]["consumed"], entry["after"]["consumed"])
        for entry in answer["levels"]
        if entry["level"] == "contract" and entry["period_start"] is None
    }
    assert consumed == {"C2": (63_000, 94_000), "C1": (10 * HOUR, 0)}
    assert [pair["before"]["contract_code"] for pair in answer["balances"]] == ["C2", "C1"]


REASONS = [
    ("issue_not_linked", {"issue": "I7"}, None, None),
    ("issue_not_linked", {"issue": "I9"}, None, None),
    ("contract_unknown", {"issue": "I6"}, None, None),
    ("account_unknown", {"issue": "I5"}, "C1", None),
    ("contract_draft", {"issue": "I3"}, "C3", "Support"),
    ("contract_inactive", {"issue": "I4"}, "C4", "Support"),
    ("issue_undated", {"issue": "I8"}, "C2", "Support"),
    ("outside_dates", {"source": "/tracker", "issue": "I1", "day": "2027-01-01"}, "C1", "Support"),
]


async def test_work_that_would_not_count_has_a_reason_and_a_remedy(client, connection):
    await fill(connection)
    assert {reason for reason, *_ in REASONS} == set(REMEDIES)
    for reason, changes, contract, account_name in REASONS:
        answer = (await client.post("/v1/worklogs/check", json=body(**changes))).json()
        assert (answer["counts"], answer["reason"], answer["remedy"]) == (False, reason, REMEDIES[reason])
        assert (answer["contract_code"], answer["account_name"]) == (contract, account_name), reason
        assert all(entry["before"] == entry["after"] for entry in answer["levels"]), reason
        assert bool(answer["levels"]) == bool(contract)
        for pair in answer["balances"]:
            assert pair["after"]["unaccounted_seconds"] - pair["before"]["unaccounted_seconds"] == 3 * HOUR
        # Where no balance changes, nothing is crossed.
        assert (answer["crossings"] == []) == (contract is None)


async def test_bad_input_is_a_violation_with_its_path(client, connection):
    await fill(connection)
    for changes, path in (
        ({"issue": "I1"}, "/source"),
        ({"issue": "I9", "worklog_id": "1"}, "/source"),
        ({"day": None}, ""),
        ({"started_at": "2026-03-02T08:00:00Z"}, ""),
        ({"seconds": 0}, "/seconds"),
        ({"seconds": "60"}, "/seconds"),
        ({"person": "ann"}, "/person"),
    ):
        response = await client.post("/v1/worklogs/check", json=body(**changes))
        assert response.status_code == 422
        assert [violation["path"] for violation in response.json()["violations"]] == [path], response.text


# Nothing is stored, and nobody waits


async def all_rows(connection):
    names = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'consumption'::regnamespace AND relkind = 'r'"
    )
    return {
        name: await connection.fetch(f"SELECT xmin, ctid, row.* FROM consumption.{name} AS row ORDER BY ctid")  # noqa: S608
        for (name,) in names
    }


async def test_check_stores_nothing(client, connection):
    await fill(connection)
    before = await all_rows(connection)
    for changes in ({}, {"source": "/tracker", "worklog_id": "1"}, {"issue": "I3"}):
        assert (await client.post("/v1/worklogs/check", json=body(**changes))).status_code == 200
    assert await all_rows(connection) == before


async def test_no_check_sees_the_rows_of_an_earlier_one(connection, check_pool):
    await fill(connection)
    planned = PlannedWorklog("I2", "ann", HOUR, day=NOW.date())
    async with check_pool.acquire() as checking:
        answers = [await check_worklog(checking, planned, NOW) for _ in range(3)]
        assert await checking.fetchval("SELECT count(*) FROM worklogs") == 0
    assert answers == answers[:1] * 3


async def test_postgres_refuses_a_check_that_would_write(connection, check_pool, monkeypatch):
    await fill(connection)

    async def write(checking):
        await checking.execute("UPDATE consumption.balances SET day = day")

    monkeypatch.setattr(fold, "apply_staged", write)
    async with check_pool.acquire() as checking:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await check_worklog(checking, PlannedWorklog("I2", "ann", HOUR, day=NOW.date()), NOW)


async def test_check_and_fold_do_not_wait_for_each_other(connection, check_pool, monkeypatch):
    await fill(connection)
    checked, folded = asyncio.Event(), asyncio.Event()
    original = fold.apply_staged

    async def slowly(checking):
        await original(checking)
        checked.set()
        await folded.wait()

    monkeypatch.setattr(fold, "apply_staged", slowly)
    planned = PlannedWorklog(
        "I2", "ann", HOUR, source="/tracker", day=datetime(2026, 3, 2, tzinfo=UTC).date(), worklog_id="2"
    )
    async with (
        asyncio.timeout(60),
        check_pool.acquire() as checking,
        asyncio.TaskGroup() as group,  # noqa: TID251 - it ends by itself
    ):
        answer = group.create_task(check_worklog(checking, planned, NOW))
        await checked.wait()
        # The fold changes what the check has counted, and commits; a second one is in progress while the check ends.
        await connection.execute("SET lock_timeout = '20s'")
        change = worklog(
            "2", issue="I2", seconds=5 * HOUR, started="2026-03-02T08:00:00Z", updated="2026-05-01T00:00:00Z"
        )
        await take(connection, [change], first_offset=300)
        assert await connection.fetchval("SELECT sum(amount) FROM account_team_totals") == 5 * 9000 * HOUR
        async with connection.transaction():
            await connection.execute("SELECT FROM projection FOR UPDATE")
            await connection.execute("UPDATE account_team_totals SET seconds = seconds; UPDATE worklogs SET day = day")
            folded.set()
            await answer
    # As it was when the check began: 7 h became 1 h.
    [pair] = answer.result()["balances"]
    assert (pair["before"]["whole"]["consumed"], pair["after"]["whole"]["consumed"]) == (63_000, 9000)
    assert data_of(change)["seconds"] == 5 * HOUR
