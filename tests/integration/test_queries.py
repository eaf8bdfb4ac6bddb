"""The queries of docs/queries.md run with the role of operations teams."""

import re
from pathlib import Path

import asyncpg
import pytest
from histories import seeded
from test_fold_reference import learn

PAGE = Path(__file__).parents[2] / "docs/queries.md"
QUERIES = re.findall(r"^## (\d+)\..*?```sql\n(.*?)```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
async def reader(database, connection):
    """Work of every kind, and a session of the role that can only read `reporting`."""
    await learn(connection, seeded(2))
    reader = await asyncpg.connect(database)
    await reader.execute("SET ROLE tidemark_ops")
    yield reader
    await reader.close()


def test_page_has_ten_queries():
    assert [number for number, _ in QUERIES] == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[number for number, _ in QUERIES])
async def test_query_runs_as_ops_role(reader, query):
    await reader.fetch(query)


async def test_every_relation_and_column_has_a_comment(reader):
    relations = {
        "contracts", "contract_periods", "account_consumption", "account_totals", "slice_consumption",
        "daily_consumption", "unaccounted_worklogs", "restatements", "dead_letters", "consumer_offsets",
        "folded_offsets", "notifications",
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
