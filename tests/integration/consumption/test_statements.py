"""Statements: each period frozen once, whatever happens; with its restatements it gives today's figures (SPEC 10)."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from effort import repeat
from event_builders import (
    account,
    adjustment,
    contract_event,
    facts_of,
    link,
    member,
    rollover,
    take,
    team_event,
    terms,
    uid,
    worklog,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from settling_histories import settling_history
from statement_cases import BEGUN, BODY, LEARNED, MARCH, SETTLED, TODAY, WITHOUT_SUPPORT, begun, learn
from statement_checks import check_statements, settle_all

from tidemark_consumption import replay
from tidemark_consumption.projection.statements import settle


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


async def test_periods_that_settled_during_downtime_are_frozen_oldest_first_as_they_were(connection, replay_connection):
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
        async with replay_connection.transaction():
            await replay.replay(replay_connection, moment, ref="C1")
            body = await replay_connection.fetchval(
                "SELECT body FROM statement_bodies($1, $2)", uid("contract C1"), [start]
            )
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
