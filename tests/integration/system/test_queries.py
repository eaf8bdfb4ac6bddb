"""The queries of docs/queries.md run with the role of operations teams."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from comparison import learn
from event_builders import account, contract_event, link, take, terms, uid, worklog
from histories import seeded

PAGE = Path(__file__).parents[3] / "docs/queries.md"
QUERIES = re.findall(r"^## (\d+)\..*?```sql\n(.*?)```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
async def reader(database, connection):
    """Work of every kind, and a session of the role that can only read `reporting`."""
    await learn(connection, seeded(2))
    reader = await asyncpg.connect(database)
    await reader.execute("SET ROLE tidemark_ops")
    yield reader
    await reader.close()


def test_queries_are_numbered():
    assert [number for number, _ in QUERIES] == [str(number) for number in range(1, 16)]


async def answer(reader, number):
    """The rows of a query of the page, and its column names."""
    return [dict(row) for row in await reader.fetch(dict(QUERIES)[str(number)])]


async def test_expired_contract_lists_who_logged_on_it(reader, connection):
    fixed = terms("F1", value=90_000, end="2026-03-31", recurrence="none", accounts=[account("Build", value=90_000)])
    await take(
        connection,
        [contract_event(2, "EXPIRED", code="E1", end="2026-03-31"), contract_event(2, "EXPIRED", terms=fixed)],
        first_offset=50_000,
    )
    late = "2026-04-02T09:00:00Z"
    records = [
        link("L1", contract="E1"),
        link("L2", contract="F1", account="Build"),
        worklog("l1", issue="L1", started=late),
        worklog("l2", issue="L2", started=late, seconds=1800),
        worklog("l3", issue="L1", started="2026-03-30T09:00:00Z"),
    ]
    await take(connection, records, first_offset=51_000)
    rows = {row["contract_code"]: row for row in await answer(reader, 11)}
    assert [(rows[code]["hours"], rows[code]["counts"]) for code in ("E1", "F1")] == [
        (1, False),
        (Decimal("0.5"), True),
    ]
    overdue = {row["contract_code"] for row in await answer(reader, 12)}
    assert {"E1", "F1"} <= overdue


async def test_billable_share_and_burn_rate_of_a_team(reader, connection):
    today = datetime.now(UTC)
    teams, start = [uid("team Share")], str((today - timedelta(days=60)).date())
    accounts = [account("Support", "40", teams=teams), account("Internal", "10", teams=teams, billable=False)]
    current = terms("S1", accounts=accounts, recurrence="none", start=start, end="2099-12-31", timezone="UTC")
    await take(connection, [contract_event(2, terms=current)], first_offset=60_000)
    records = [link("S1", contract="S1"), link("S2", contract="S1", account="Internal")]
    for days in (3, 10, 17, 24, 40):
        started = (today - timedelta(days=days)).isoformat()
        for issue, seconds in (("S1", 3 * 3600), ("S2", 3600)):
            worked = {"issue": issue, "started": started, "seconds": seconds, "team": teams[0], "author": "712020:ab"}
            records.append(worklog(f"{issue} {days}", **worked))
    await take(connection, records, first_offset=61_000)
    (team,) = [row for row in await answer(reader, 15) if row["hours"] == 20]
    assert (team["billable_hours"], team["billable_share"]) == (15, 75)
    (burn,) = [row for row in await answer(reader, 13) if row["contract_code"] == "S1"]
    assert (burn["hours_a_week"], burn["remaining_hours"], burn["weeks_left"]) == (3, 25, Decimal("8.3"))
    person = [row for row in await answer(reader, 14) if row["contract_code"] == "S1"]
    assert sum(row["hours"] for row in person) == 20


async def test_every_query_runs_as_ops_role(reader):
    for number, query in QUERIES:
        try:
            await reader.fetch(query)
        except asyncpg.PostgresError as error:
            pytest.fail(f"Query {number}: {error}")


async def test_every_relation_and_column_has_a_comment(reader):
    relations = {
        "contracts", "contract_periods", "account_consumption", "account_totals", "slice_consumption",
        "daily_consumption", "unaccounted_worklogs", "restatements", "dead_letters", "consumer_offsets",
        "folded_offsets", "notifications", "worklogs", "contacts", "team_members", "contract_status_changes", "rules",
        "consumer_lag", "end_offsets", "statements", "offers", "verifications", "forgotten_people",
    }  # fmt: skip
    rows = await reader.fetch(
        """
        SELECT c.relname, obj_description(c.oid) AS said, a.attname, col_description(c.oid, a.attnum) AS of_column
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind IN ('v', 'p')
        """
    )
    assert {row["relname"] for row in rows} == relations
    assert [row for row in rows if not row["said"] or not row["of_column"]] == []


async def test_ops_role_reads_only_reporting(reader):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.fetch("SELECT * FROM consumption.worklogs")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute("DELETE FROM reporting.dead_letters")
