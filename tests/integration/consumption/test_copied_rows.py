"""A row that is copied into a table is read back unchanged."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tidemark_consumption.ingest.fact_rows import COLUMNS, FactRow, copy_line, copy_text

no_nul = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
awkward = st.lists(st.sampled_from(["\t", "\n", "\r", "\\", "\\N", "\\.", "\\x41", "\b\f\v", "é", "😀", "\u2028", "'"]))
texts = no_nul | awkward.map("".join)
FIRST, LAST = datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2100-12-31")
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC)).map(
    lambda moment: moment.isoformat(timespec="microseconds")[:-6] + "Z"
)
rows_drawn = st.builds(
    FactRow,
    record_offset=st.integers(0, 2**63 - 1),
    kind=st.sampled_from(["recorded", "deleted", "linked"]),
    source=texts,
    issue_id=texts,
    worklog_id=st.none() | texts,
    author_id=st.none() | texts,
    started_at=st.none() | moments,
    seconds=st.none() | st.integers(1, 3_600_000),
    team_ref=st.none() | texts,
    contract_ref=st.none() | texts,
    account_ref=st.none() | texts,
    created_at=st.none() | moments,
    changed_at=moments,
    issue_key=st.none() | texts,
    summary=st.none() | texts,
    description=st.none() | texts,
    digest=st.binary(),
)
TABLE = """
CREATE TEMPORARY TABLE stage (
  batch bigint, record_offset bigint, kind text, source text, issue_id text, worklog_id text, author_id text,
  started_at timestamptz, seconds integer, team_ref text, contract_ref text, account_ref text,
  created_at timestamptz, changed_at timestamptz, issue_key text, summary text, description text, digest bytea
)
"""


@pytest.fixture
async def stage(database: str) -> Any:
    connection = await asyncpg.connect(database)
    await connection.execute(TABLE)
    yield connection
    await connection.close()


AWKWARD = FactRow(
    0, "linked", "\\N", "\\.", "",
    None, None, None, "\\", "\t", "\n", None, "2026-01-01T00:00:00Z", "\r", "", None, b"\\"
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows_drawn, max_size=5))
@example([AWKWARD])
async def test_copied_rows_are_read_back_unchanged(stage: Any, rows: list[FactRow]) -> None:
    await stage.execute("TRUNCATE stage")
    source = copy_text(3, [copy_line(row) for row in rows])

    async def pieces() -> Any:
        yield source

    await stage.copy_to_table("stage", source=pieces(), columns=("batch", *COLUMNS), format="text")
    stored = await stage.fetch("SELECT * FROM stage")
    assert Counter(map(tuple, stored)) == Counter((3, *map(moment_or_as_it_is, COLUMNS, row)) for row in rows)


def moment_or_as_it_is(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if value is not None and name.endswith("_at") else value
