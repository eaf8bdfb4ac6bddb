"""A record becomes a row or a reason why not, never another exception; by the fast path only what the slow one says."""

import json
from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from worklog_records import (
    DAY,
    DELETION,
    LINK,
    MICROSECOND,
    RECEIVED,
    VALID,
    WORKLOG,
    record,
    verdict,
)

from tidemark_consumption.ingest.decode import (
    COLUMNS,
    MAX_RECORD_BYTES,
    FactRow,
    copy_line,
    copy_text,
    decode,
    decode_record,
    fast_line,
)
from tidemark_shared.messaging.events import ISSUE_LINKED, WORKLOG_DELETED

# Rows, by both paths.


ROWS = [
    (
        record(WORKLOG),
        FactRow(
            record_offset=7,
            kind="recorded",
            source="/jira",
            issue_id="10001",
            worklog_id="10100",
            author_id="712020:ab",
            started_at="2026-03-02T08:00:00.000000Z",
            seconds=28800,
            team_ref="T1",
            contract_ref=None,
            account_ref=None,
            created_at=None,
            changed_at="2026-03-02T16:05:11.123000Z",
            issue_key=None,
            summary=None,
            description="x",
            digest=sha256(
                b'{"author_id":"712020:ab","description":"x","issue_id":"10001","seconds":28800,'
                b'"started_at":"2026-03-02T08:00:00.000000Z","team_id":"T1",'
                b'"updated_at":"2026-03-02T16:05:11.123000Z","worklog_id":"10100"}'
            ).digest(),
        ),
    ),
    (
        record(DELETION, WORKLOG_DELETED),
        FactRow(
            7, "deleted", "/jira", "10001", "10100", None, None, None, None, None, None, None,
            "2026-03-03T08:00:00.000000Z", None, None, None,
            sha256(
                b'{"deleted_at":"2026-03-03T08:00:00.000000Z","issue_id":"10001","worklog_id":"10100"}'
            ).digest(),
        ),
    ),
    (
        record({**LINK, "issue_key": "SUP-7"}, ISSUE_LINKED),
        FactRow(
            7, "linked", "/jira", "10001", None, None, None, None, None, "ACME-SUP", "Help desk",
            "2026-03-01T07:00:00.000000Z", "2026-03-01T08:00:01.000000Z", "SUP-7", None, None,
            sha256(
                b'{"account_id":"Help desk","contract_id":"ACME-SUP","created_at":"2026-03-01T07:00:00.000000Z",'
                b'"issue_id":"10001","issue_key":"SUP-7","summary":null,"updated_at":"2026-03-01T08:00:01.000000Z"}'
            ).digest(),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("record", "row"), ROWS)
def test_event_becomes_row_with_utc_times(record: Any, row: FactRow) -> None:
    assert decode_record(record) == row
    assert fast_line(record) == copy_line(row)


@pytest.mark.parametrize("type_", VALID)
def test_time_up_to_24_hours_ahead_is_accepted(type_: str) -> None:
    data, field = VALID[type_]
    assert "\t2026-05-29T12:00:00.000000Z\t" in verdict(record({**data, field: (RECEIVED + DAY).isoformat()}, type_))


@pytest.mark.parametrize("type_", VALID)
def test_time_more_than_24_hours_ahead_is_rejected(type_: str) -> None:
    data, field = VALID[type_]
    assert verdict(record({**data, field: (RECEIVED + DAY + MICROSECOND).isoformat()}, type_)) == (
        f"{field} 2026-05-29T12:00:00.000001Z is more than 24 hours after the record was published "
        "(2026-05-28T12:00:00.000000Z). Check the publisher's clock and time zone, and publish it again."
    )


@pytest.mark.parametrize("timestamp", [-(2**63), -(10**17), 10**17, 2**63 - 1])
def test_invalid_record_timestamp_is_rejected(timestamp: int) -> None:
    expected = (
        f"The record's own timestamp, {timestamp} ms since 1970, is not a valid time. Check the publisher's clock."
    )
    assert verdict(record(WORKLOG, timestamp=timestamp)) == expected


def test_record_of_one_mebibyte_is_accepted_and_larger_is_rejected() -> None:
    fits = json.dumps(WORKLOG).encode().ljust(MAX_RECORD_BYTES)
    assert fast_line(record(fits)) == copy_line(decode_record(record(fits)))
    assert verdict(record(fits + b" ")) == "The record has 1048577 bytes. The maximum is 1 MiB (1048576 bytes)."


def test_batch_is_decoded_to_its_end_despite_invalid_records() -> None:
    records = [record(WORKLOG), record(b"{"), record(None), record(DELETION, WORKLOG_DELETED), record(LINK, "nonsense")]
    lines, dead_letters = decode(records)
    assert [line.split("\t")[1] for line in lines] == ["recorded", "deleted"]
    assert [dead_letter.record for dead_letter in dead_letters] == [records[1], records[2], records[4]]


# Rows for COPY.

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
