"""A record becomes a row or a reason why not, never another exception; by the fast path only what the slow one says."""

import json
from hashlib import sha256
from typing import Any

import pytest
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

from tidemark_consumption.ingest.decode import MAX_RECORD_BYTES, decode, decode_record, fast_line
from tidemark_consumption.ingest.fact_rows import FactRow, copy_line
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
