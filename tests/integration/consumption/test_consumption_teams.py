"""The team of work (SPEC W4): that of the worklog, or the person's first in the order of the contract, or none."""

from typing import Any

import pytest
from effort import repeat
from event_builders import (
    account,
    contract_event,
    data_of,
    facts_of,
    link,
    member,
    projections,
    take,
    team_event,
    terms,
    uid,
    worklog,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.reports import Model

NORTH, SOUTH, WEST = TEAMS = [uid(f"team {name}") for name in ("North", "South", "West")]
# In Berlin the next day begins at 22:00 UTC: the day of the work is the contract's.
EVENING, NIGHT = "2026-03-31T21:59:59Z", "2026-03-31T22:00:00Z"


async def fill(connection: Any, accounts: list[Any], teams: list[Any], work: list[Any]) -> list[Any]:
    batches = [[contract_event(terms=terms(accounts=accounts))], teams, [link(), *work]]
    for batch in batches:
        await take(connection, batch)
    return [record for batch in batches for record in batch]


async def team_of(connection: Any, accounts: list[Any], teams: list[Any], work: Any) -> str | None:
    await fill(connection, accounts, teams, [work])
    team_id = await connection.fetchval("SELECT team_id FROM worklogs WHERE reason IS NULL")
    return team_id and str(team_id)


SLICED = [account("Support", "40", slices=[(SOUTH, "25"), (NORTH, "15")])]
PLAIN = [account("Support", "40", teams=[NORTH, SOUTH])]
BOTH = [team_event("North", [member("ann")]), team_event("South", [member("ann")])]


@pytest.mark.parametrize(("accounts", "team"), [(SLICED, SOUTH), (PLAIN, NORTH)], ids=["slices", "teams"])
async def test_first_team_in_the_contract_gets_the_work(connection: Any, accounts: Any, team: str) -> None:
    assert await team_of(connection, accounts, BOTH, worklog("1")) == team


@pytest.mark.parametrize("accounts", [SLICED, PLAIN], ids=["slices", "teams"])
@pytest.mark.parametrize("own", [NORTH, SOUTH])
async def test_team_of_the_worklog_comes_first(connection: Any, accounts: Any, own: str) -> None:
    assert await team_of(connection, accounts, BOTH, worklog("1", team=own)) == own


@pytest.mark.parametrize("own", [WEST, "nonsense", SOUTH.upper()])
async def test_team_of_another_account_is_ignored(connection: Any, own: str) -> None:
    teams = [team_event("North", [member("ann")]), team_event("West", [member("ann")])]
    assert await team_of(connection, SLICED, teams, worklog("1", team=own)) == NORTH


async def test_work_of_person_without_team_is_unassigned(connection: Any) -> None:
    teams = [team_event("West", [member("ann")]), team_event("North", [member("bob")])]
    assert await team_of(connection, SLICED, teams, worklog("1")) is None


async def test_team_is_decided_by_the_day_in_the_contracts_time_zone(connection: Any) -> None:
    teams = [
        team_event("North", [member("ann", until="2026-03-31")]),
        team_event("South", [member("ann", "2026-04-01")]),
    ]
    await fill(connection, SLICED, teams, [worklog("1", started=EVENING), worklog("2", started=NIGHT)])
    rows = await connection.fetch("SELECT worklog_id, team_id::text FROM worklogs ORDER BY worklog_id")
    assert [tuple(row) for row in rows] == [("1", NORTH), ("2", SOUTH)]


spans = st.sampled_from(
    [("2026-01-01", None), ("2026-03-02", "2026-03-31"), ("2026-04-01", None), ("2026-03-15", "2026-04-01")]
)
members = st.lists(
    st.builds(lambda person, span: member(person, *span), st.sampled_from(["ann", "bob"]), spans),
    max_size=2,
    unique_by=lambda one: one["person_id"],
)
accounts_drawn = st.lists(st.sampled_from(TEAMS), max_size=3, unique=True).flatmap(
    lambda chosen: st.sampled_from(
        [[account("Support", "40", teams=chosen)], [account("Support", "40", slices=[(team, "10") for team in chosen])]]
    )
)
work_drawn = st.lists(
    st.builds(
        worklog,
        st.sampled_from("123456"),
        author=st.sampled_from(["ann", "bob", "eve"]),
        started=st.sampled_from(
            ["2026-03-01T23:30:00Z", "2026-03-14T12:00:00Z", EVENING, NIGHT, "2026-04-01T22:30:00Z"]
        ),
        team=st.sampled_from([None, None, *TEAMS]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: data_of(one)["worklog_id"],
)


@settings(max_examples=repeat(40, long=100), deadline=None, suppress_health_check=list(HealthCheck))
@given(accounts_drawn, st.tuples(members, members, members), work_drawn)
async def test_account_team_totals_equal_reference(connection: Any, accounts: Any, of_teams: Any, work: Any) -> None:
    teams = [team_event(name, found) for name, found in zip(("North", "South", "West"), of_teams, strict=True)]
    transaction = connection.transaction()
    await transaction.start()
    try:
        records = await fill(connection, accounts, teams, work)
        assert await projections(connection) == Model(facts_of(records)).rows()
    finally:
        await transaction.rollback()
