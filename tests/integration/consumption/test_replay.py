"""Projections are verified against the facts, and repaired, while the system runs (SPEC W6)."""

import asyncio
import json
from datetime import UTC, datetime
from importlib.resources import files

import pytest
from comparison import compare, learn
from effort import repeat
from event_builders import (
    account,
    append,
    contract_event,
    link,
    member,
    rate_card,
    take,
    team_event,
    terms,
    uid,
    worklog,
)
from histories import seeded
from typer.testing import CliRunner

from tidemark.cli import app
from tidemark_consumption import replay
from tidemark_consumption.projection import fold


@pytest.mark.parametrize("seed", range(repeat(4, long=16)))
async def test_verify_finds_no_difference_after_incremental_folds(connection, replay_connection, seed):
    await learn(connection, seeded(seed))
    assert await replay.verify(replay_connection) == replay.Findings(0, [])


async def fill(connection):
    """A contract of each type, with work that counts and work that does not."""
    north = uid("team North")
    fixed = terms("C2", value=90_000, accounts=[account("Build", value=90_000, slices=[(north, None)])])
    await take(connection, [contract_event(), contract_event(terms=fixed)])
    await take(connection, [team_event("North", [member("ann")]), rate_card()], first_offset=100)
    await take(
        connection,
        [
            link("I1"), link("I2", contract="C2", account="Build"), link("I3", account="nobody"),
            worklog("1"), worklog("2", issue="I2"), worklog("3", issue="I3"), worklog("4", issue="I4"),
        ],
        first_offset=200,
    )  # fmt: skip


# A damaged row of each projection: the statement that damages it, and the relation that is reported.
DAMAGES = [
    ("UPDATE organizations SET name = 'x'", None),
    ("UPDATE worklogs SET reason = 'contract_draft' WHERE worklog_id = '1'", "worklogs"),
    ("DELETE FROM worklogs WHERE worklog_id = '3'", "worklogs"),
    ("UPDATE issues SET account_ref = 'other' WHERE issue_id = 'I1'", "issues"),
    ("UPDATE ratings SET amount = amount + 1", "ratings"),
    ("UPDATE account_team_totals SET seconds = seconds + 1 WHERE amount = 0", "account_team_totals"),
    ("DELETE FROM daily_totals WHERE amount > 0", "daily_totals"),
    ("UPDATE unaccounted_totals SET worklog_count = 7", "unaccounted_totals"),
    ("UPDATE contracts SET contracted = contracted - 1 WHERE code = 'C1'", "contracts"),
    ("DELETE FROM accounts WHERE name = 'Build'", "accounts"),
    ("DELETE FROM memberships", "memberships"),
    ("UPDATE rate_cards SET weekend = 0", "rate_cards"),
    (
        "INSERT INTO account_team_totals VALUES (gen_random_uuid(), gen_random_uuid(), NULL, '2026-01-01', 1, 0, 0, 1)",
        "account_team_totals",
    ),
]


@pytest.mark.parametrize(("damage", "relation"), DAMAGES)
async def test_damaged_row_is_found_and_repaired(connection, replay_connection, damage, relation):
    await fill(connection)
    before = await connection.fetch("SELECT * FROM reporting.account_consumption ORDER BY 1, 3, 6")
    revisions = await connection.fetch("SELECT contract_id, revision FROM balances ORDER BY 1")
    await connection.execute(damage)
    findings = await replay.verify(replay_connection)
    assert {difference.relation for difference in findings.first} == ({relation} if relation else set())
    assert findings.total == len(findings.first) == (1 if relation else 0)
    assert await replay.rebuild(replay_connection) == findings
    assert await replay.verify(replay_connection) == replay.Findings(0, [])
    assert await connection.fetch("SELECT * FROM reporting.account_consumption ORDER BY 1, 3, 6") == before
    new_revisions = await connection.fetch("SELECT contract_id, revision FROM balances ORDER BY 1")
    # The published balances may have been wrong.
    assert [new["revision"] > old["revision"] for new, old in zip(new_revisions, revisions, strict=True)] == (
        [bool(relation)] * 2
    )


async def test_rebuild_restores_emptied_projections(connection, replay_connection):
    history = seeded(3)
    await learn(connection, history)
    for name in await connection.fetchval("SELECT projection_tables()"):
        await connection.execute(f"DELETE FROM {name}")  # noqa: S608 - names of ours
    await replay.rebuild(replay_connection)
    await compare(connection, history.facts)


async def test_facts_learned_during_rebuild_are_not_lost(connection, replay_connection, monkeypatch):
    await fill(connection)
    await connection.execute("DELETE FROM account_team_totals")
    replayed, learned = asyncio.Event(), asyncio.Event()
    original = fold.apply_staged

    async def slowly(connection):
        await original(connection)
        replayed.set()
        await learned.wait()

    monkeypatch.setattr(fold, "apply_staged", slowly)
    rebuilding = asyncio.create_task(replay.rebuild(replay_connection))
    await replayed.wait()
    # Folding continues with every kind of fact, and no reader sees half of a repair.
    await take(connection, [worklog("5"), worklog("1", seconds=60, updated="2026-03-09T00:00:00Z")], first_offset=300)
    await take(connection, [contract_event(2, hours="50")], first_offset=400)
    await take(
        connection, [team_event("North", [member("bob")], 2), rate_card(version=2, workload="1")], first_offset=500
    )
    # Still wrong, and changed by the new facts: 3600 s are missing.
    assert await connection.fetchval("SELECT sum(seconds) FROM account_team_totals WHERE amount = 0") == 60
    learned.set()
    await rebuilding
    assert await replay.verify(replay_connection) == replay.Findings(0, [])
    totals = "SELECT consumed_seconds, planned_seconds FROM reporting.account_totals WHERE contract_code = 'C1'"
    assert tuple(await connection.fetchrow(totals)) == (3660, 50 * 3600 * 12)


async def test_consumers_append_and_fold_waits_during_repair(connection, replay_connection, monkeypatch):
    await fill(connection)
    await connection.execute("UPDATE account_team_totals SET seconds = 0")
    locked, go_on = asyncio.Event(), asyncio.Event()
    original = replay._differences

    async def slowly(connection):
        locked.set()
        await go_on.wait()
        return await original(connection)

    monkeypatch.setattr(replay, "_differences", slowly)
    rebuilding = asyncio.create_task(replay.rebuild(replay_connection))
    await locked.wait()
    await append(connection, [worklog("5")], first_offset=300)
    assert await fold.fold(connection, datetime.now(UTC)) is None
    assert await connection.fetchval("SELECT sum(seconds) FROM account_team_totals") == 0
    go_on.set()
    await rebuilding
    assert await fold.fold(connection, datetime.now(UTC))
    assert await replay.verify(replay_connection) == replay.Findings(0, [])


async def test_verify_and_rebuild_commands_show_and_repair_differences(database, connection, monkeypatch):
    monkeypatch.setenv("TIDEMARK_DATABASE_URL", database)
    await fill(connection)
    run = CliRunner().invoke
    fine = await asyncio.to_thread(run, app, ["verify"])
    assert (fine.exit_code, fine.output) == (0, "All rows match the facts.\n")
    await connection.execute("UPDATE account_team_totals SET seconds = 1 WHERE amount = 0")
    verified = await asyncio.to_thread(run, app, ["verify"])
    assert verified.exit_code == 1
    assert "account_team_totals: " in verified.output
    assert f"contract_id {uid('contract C1')}" in verified.output
    assert "seconds is 1, should be 3600" in verified.output
    for_programs = await asyncio.to_thread(run, app, ["verify", "--json"])
    assert json.loads(for_programs.output)["total"] == 1
    rebuilt = await asyncio.to_thread(run, app, ["rebuild"])
    assert (rebuilt.exit_code, rebuilt.output.splitlines()[-1]) == (0, "Rows repaired: 1")
    assert (await asyncio.to_thread(run, app, ["verify"])).exit_code == 0


MIGRATIONS = files("tidemark_consumption") / "database/migrations"


async def test_migration_gives_undated_work_its_reason(connection, replay_connection):
    await fill(connection)
    await take(connection, [link("I2", contract="C2", account="Build", created=None, updated="2026-04-01T00:00:00Z")])
    # As it was before.
    await connection.execute("UPDATE worklogs SET reason = 'outside_dates' WHERE reason = 'issue_undated'")
    await connection.execute("UPDATE unaccounted_totals SET reason = 'outside_dates' WHERE reason = 'issue_undated'")
    assert (await replay.verify(replay_connection)).total == 3
    await connection.execute((MIGRATIONS / "0011_issue_undated.sql").read_text())
    assert await replay.verify(replay_connection) == replay.Findings(0, [])
