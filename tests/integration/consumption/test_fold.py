"""The fold against the reference model, on a real Postgres."""

from comparison import model_of
from effort import repeat
from event_builders import (
    account,
    contract_event,
    data_of,
    deletion,
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
from reference_cases import ACCOUNTS, TEAMS


async def test_work_that_counts_is_in_period_and_daily_totals(connection):
    await take(connection, [contract_event(1, "DRAFT"), contract_event(2, "ACTIVE")])
    await take(connection, [link(), worklog("1", seconds=3600), worklog("2", seconds=1800)])
    assert await projections(connection) == {
        "account_team_totals": {(uid("contract C1"), uid("account Support"), None, "2026-03-01", 5400, 2)},
        "daily_totals": {(uid("contract C1"), uid("account Support"), None, "2026-03-02", 5400, 2)},
        "unaccounted_totals": set(),
        "unaccounted_worklogs": set(),
    }


async def test_correction_moves_and_deletion_removes_work(connection):
    await take(connection, [contract_event()])
    await take(connection, [link(), worklog("1", seconds=3600)])
    await take(connection, [worklog("1", seconds=60, started="2026-04-02T09:00:00Z", updated="2026-04-03T00:00:00Z")])
    assert {row[3:] for row in (await projections(connection))["account_team_totals"]} == {("2026-04-01", 60, 1)}
    await take(connection, [deletion("1", deleted="2026-04-04T00:00:00Z")])
    assert (await projections(connection))["account_team_totals"] == set()


MOMENTS = ["2026-02-27T23:30:00Z", "2026-02-28T22:59:59Z", "2026-03-29T00:30:00Z", "2026-03-31T22:00:00Z"]
CHANGED = ["2026-04-01T00:00:00Z", "2026-04-02T00:00:00Z", "2026-04-02T02:00:00+02:00", "2026-04-03T00:00:00.000001Z"]

worklogs = st.builds(
    worklog,
    st.sampled_from(["1", "2", "3", "4"]),
    issue=st.sampled_from(["I1", "I2"]),
    author=st.sampled_from(["ann", "bob"]),
    started=st.sampled_from(MOMENTS),
    seconds=st.integers(1, 9000),
    team=st.sampled_from([None, TEAMS[0], "nobody"]),
    updated=st.sampled_from(CHANGED),
)
deletions = st.builds(
    deletion,
    st.sampled_from(["1", "2", "3", "4"]),
    issue=st.sampled_from(["I1", "I3"]),
    deleted=st.sampled_from(CHANGED),
)
links = st.builds(
    link,
    st.sampled_from(["I1", "I2"]),
    contract=st.sampled_from([None, "C1", "C2", uid("contract C1"), "nowhere"]),
    account=st.sampled_from([None, "Support", "Design", uid("account Support")]),
    updated=st.sampled_from(CHANGED),
)
contracts = st.builds(
    lambda code, version, status, accounts, timezone, span, recurrence: contract_event(
        version,
        status,
        terms=terms(code, accounts=accounts, timezone=timezone, start=span[0], end=span[1], recurrence=recurrence),
    ),
    st.sampled_from(["C1", "C2"]),
    st.integers(1, 5),
    st.sampled_from(["DRAFT", "ACTIVE", "ACTIVE", "ACTIVE", "INACTIVE", "EXPIRED", "CLOSED", None]),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(["Europe/Berlin", "Pacific/Auckland"]),
    st.sampled_from([("2026-01-31", "2026-12-31"), ("2026-03-01", "2026-03-30")]),
    st.sampled_from(["none", "monthly"]),
)
teams = st.builds(
    team_event,
    st.sampled_from(["North", "South"]),
    st.sampled_from(
        [
            [],
            [member("ann"), member("bob", "2026-03-01")],
            [member("ann", until="2026-03-01"), member("ann", "2026-03-30")],
        ]
    ),
    st.integers(1, 3),
)


def first_of_each_version(records):
    """The first of the generated events of each version, because a stream has one event for each version."""
    keys, firsts = set(), []
    for record in records:
        data = data_of(record)
        id_, version = data.get("contract_id") or data.get("id"), data.get("stream_version") or data.get("version")
        key = record.topic, id_, version
        if record.topic == "worklog.events" or key not in keys:
            firsts.append(record)
        keys.add(key)
    return firsts


@st.composite
def histories(draw):
    """A set of facts, and a delivery of it: any order, some of it twice, cut into batches anywhere."""
    facts = first_of_each_version(
        draw(st.lists(contracts, max_size=5))
        + draw(st.lists(teams, max_size=3))
        + draw(st.lists(links, max_size=4))
        + draw(st.lists(worklogs, max_size=8))
        + draw(st.lists(deletions, max_size=2))
    )
    twice = draw(st.lists(st.sampled_from(facts), max_size=4)) if facts else []
    delivery = draw(st.permutations(facts + twice))
    batches, current = [], []
    for record in delivery:
        if current and (current[0].topic != record.topic or draw(st.booleans())):
            batches.append(current)
            current = []
        current.append(record)
    return facts, [*batches, current] if current else batches


@settings(max_examples=repeat(60, long=200), deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
async def test_any_order_duplication_and_batch_split_gives_recomputed_rows(connection, history):
    facts, batches = history
    example = connection.transaction()
    await example.start()
    try:
        for number, batch in enumerate(batches):
            await take(connection, batch, first_offset=number * 100)
        assert await projections(connection) == model_of(facts)
    finally:
        await example.rollback()


async def test_reporting_shows_every_slice_to_the_ops_role(connection):
    slices = [(TEAMS[0], "25"), (TEAMS[1], "15")]
    await take(connection, [contract_event(accounts=[account("Support", "40", slices=slices)], end="2026-02-28")])
    await take(connection, [link(), worklog("1", started="2026-01-05T09:00:00Z", seconds=115200)])
    await connection.execute("SET ROLE tidemark_ops")
    try:
        rows = await connection.fetch(
            "SELECT team_id::text, period_start::text, planned_seconds, consumed_seconds, percent::text, worklog_count "
            "FROM reporting.slice_consumption ORDER BY period_start, planned_seconds"
        )
        period = await connection.fetchrow("SELECT * FROM reporting.contract_periods ORDER BY period_start")
        readable = await connection.fetch(
            "SELECT table_schema FROM information_schema.role_table_grants WHERE grantee = 'tidemark_ops'"
        )
        undescribed = await connection.fetch(
            "SELECT c.relname, a.attname FROM pg_class AS c "
            "JOIN pg_attribute AS a ON a.attrelid = c.oid AND attnum > 0 "
            "WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind IN ('v', 'p') "
            "AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)"
        )
    finally:
        await connection.execute("RESET ROLE")
    assert [tuple(row) for row in rows] == [
        (TEAMS[1], "2026-01-01", 54000, 0, "0.00", 0),
        (TEAMS[0], "2026-01-01", 90000, 0, "0.00", 0),
        (None, "2026-01-01", None, 115200, None, 1),
        (TEAMS[1], "2026-02-01", 54000, 0, "0.00", 0),
        (TEAMS[0], "2026-02-01", 90000, 0, "0.00", 0),
    ]
    assert (str(period["percent"]), period["available_seconds"], period["worklog_count"]) == ("80.00", 144000, 1)
    assert {row["table_schema"] for row in readable} == {"reporting"}
    assert undescribed == []


async def test_older_contract_version_that_comes_later_changes_nothing(connection):
    records = [contract_event(2, "ACTIVE"), contract_event(1, "DRAFT"), link(), worklog("1")]
    for number, record in enumerate(records):
        await take(connection, [record], first_offset=100 * number)
    rows = await projections(connection)
    assert rows == model_of(records)
    assert rows["account_team_totals"]


async def test_older_team_version_in_same_batch_removes_no_member(connection):
    sliced = [account("Support", "40", teams=[TEAMS[1]])]
    await take(connection, [contract_event(terms=terms(accounts=sliced))])
    await take(connection, [link(), worklog("1")])
    await take(connection, [team_event("South", [member("ann")], 3), team_event("South", [member("bob")], 1)])
    assert {row[2] for row in (await projections(connection))["account_team_totals"]} == {TEAMS[1]}
