"""Records of ``worklog.events``, and what decoding makes of them."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from tidemark_consumption.ingest.decode import decode, decode_record
from tidemark_consumption.ingest.fact_rows import copy_line
from tidemark_shared.messaging.cloudevents import DecodeError
from tidemark_shared.messaging.events import ISSUE_LINKED, WORKLOG_DELETED, WORKLOG_RECORDED

RECEIVED = datetime(2026, 5, 28, 12, tzinfo=UTC)
RECEIVED_MS = int(RECEIVED.timestamp() * 1000)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)

WORKLOG: dict[str, Any] = {
    "worklog_id": "10100",
    "issue_id": "10001",
    "author_id": "712020:ab",
    "started_at": "2026-03-02T09:00:00+01:00",
    "seconds": 28800,
    "team_id": "T1",
    "description": "x",
    "updated_at": "2026-03-02T16:05:11.123Z",
}
DELETION = {"worklog_id": "10100", "issue_id": "10001", "deleted_at": "2026-03-03T08:00:00Z"}
LINK = {
    "issue_id": "10001",
    "contract_id": "ACME-SUP",
    "account_id": "Help desk",
    "created_at": "2026-03-01T08:00:00+01:00",
    "updated_at": "2026-03-01T08:00:01Z",
}
VALID: dict[str, tuple[dict[str, Any], str]] = {
    WORKLOG_RECORDED: (WORKLOG, "updated_at"),
    WORKLOG_DELETED: (DELETION, "deleted_at"),
    ISSUE_LINKED: (LINK, "updated_at"),
}


def usual_headers(type_: str) -> list[tuple[str, bytes | None]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("ce_source", b"/jira"),
        ("ce_type", type_.encode()),
        ("ce_time", b"2026-05-28T12:00:00Z"),
        ("content-type", b"application/json"),
    ]


def record(data: object, type_: str = WORKLOG_RECORDED, *, timestamp: int = RECEIVED_MS, headers: Any = None) -> Any:
    """What a row is made of, of all that the broker gives."""
    value = data if isinstance(data, bytes) or data is None else json.dumps(data).encode()
    return SimpleNamespace(
        offset=7,
        timestamp=timestamp,
        value=value,
        headers=tuple(usual_headers(type_) if headers is None else headers),
        key=None,
    )


def verdict(record: Any) -> str:
    """The line, or the reason why there is none."""
    lines, dead_letters = decode([record])
    assert len(lines) + len(dead_letters) == 1
    return lines[0] if lines else dead_letters[0].reason


def slow_verdict(record: Any) -> str:
    try:
        return copy_line(decode_record(record))
    except DecodeError as reason:
        return str(reason)
