"""`tidemark sql` reads `reporting` as ``tidemark_ops``, and changes nothing."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tidemark.cli import app


@pytest.fixture
def sql(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TIDEMARK_DATABASE_URL", database)
    monkeypatch.setenv("COLUMNS", "80")

    async def run(*words: str) -> Result:
        # The command has its own event loop.
        return await asyncio.to_thread(CliRunner().invoke, app, ["sql", *words, "--data-dir", str(tmp_path)])

    return run


async def test_rows_are_a_table_json_or_csv(sql) -> None:
    statement = "SELECT 1.50 AS hours, NULL AS team, '=1' AS name, 'b' AS name"
    table, as_json, as_csv = [await sql(statement, *option) for option in ((), ("--json",), ("--csv",))]
    assert [line.split() for line in table.stdout.splitlines() if line.strip()][::2] == [
        ["hours", "team", "name", "name_2"], ["1.50", "=1", "b"],
    ]  # fmt: skip
    assert table.stdout.endswith("1 row\n")
    assert json.loads(as_json.stdout) == [{"hours": "1.50", "team": None, "name": "=1", "name_2": "b"}]
    assert as_csv.stdout == "hours,team,name,name_2\n1.50,,'=1,b\n"


async def test_views_need_no_schema_and_no_rows_have_headings(sql) -> None:
    result = await sql("SELECT contract_code, status FROM contracts", "--csv")
    assert (result.exit_code, result.stdout) == (0, "contract_code,status\n")


async def test_wide_rows_have_one_value_on_each_line(sql) -> None:
    result = await sql("SELECT g AS number, repeat('x', 90) AS text FROM generate_series(1, 2) AS g")
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith("number")] == ["number  1", "number  2"]
    assert result.stdout.count("x") == 182


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT\n  1,\n  foo", 'Postgres: column "foo" does not exist.\n  foo\n  ^\n'),
        ("SELECT 1; DROP VIEW contracts", "Postgres: cannot insert multiple commands into a prepared statement.\n"),
        ("CREATE TABLE public.a ()", "Postgres: cannot execute CREATE TABLE in a read-only transaction.\n"),
        ("TABLE consumption.tokens", "Postgres: permission denied for schema consumption.\nTABLE consumption.tokens"),
        ("SELECT set_config('transaction_read_only', 'off', true)", "Postgres: transaction read-write mode must be"),
        ("SELECT FROM generate_series(1, 100001)", "The answer has more than 100,000 rows. Add a LIMIT.\n"),
    ],
)
async def test_refused_statement_says_why(sql, statement: str, message: str) -> None:
    result = await sql(statement)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(message)
