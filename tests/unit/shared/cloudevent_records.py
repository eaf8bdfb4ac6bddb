"""Worklog events as Kafka records, in binary and structured mode."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import strategies as st

from tidemark_shared.messaging.cloudevents import DecodeError, decode_event
from tidemark_shared.messaging.events import (
    ISSUE_LINKED,
    WORKLOG_DELETED,
    WORKLOG_RECORDED,
)
from tidemark_shared.messaging.topics import WORKLOGS, Topic

Record = tuple[list[tuple[str, bytes]], bytes]

WORKLOG: dict[str, Any] = {
    "worklog_id": "10100",
    "issue_id": "10001",
    "author_id": "712020:ab",
    "started_at": "2026-03-02T09:00:00+01:00",
    "seconds": 28800,
    "team_id": None,
    "description": "Looked into it.",
    "updated_at": "2026-03-02T16:05:11.123Z",
}
DELETION = {"worklog_id": "10100", "issue_id": "10001", "deleted_at": "2026-03-03T08:00:00Z"}
LINK = {
    "issue_id": "10001",
    "issue_key": "SUP-7",
    "summary": "Printer on fire",
    "contract_id": "ACME-SUP",
    "account_id": "Help desk",
    "created_at": "2026-01-02T08:00:00Z",
    "updated_at": "2026-01-03T08:00:00Z",
}
VALID: dict[str, dict[str, Any]] = {WORKLOG_RECORDED: WORKLOG, WORKLOG_DELETED: DELETION, ISSUE_LINKED: LINK}
ATTRIBUTES = {"specversion": "1.0", "id": "e-1", "source": "/jira/acme", "type": WORKLOG_RECORDED}


def binary_record(
    data: object, attributes: Mapping[str, str] = ATTRIBUTES, content_type: str = "application/json"
) -> Record:
    headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
    value = data if isinstance(data, bytes) else json.dumps(data).encode()
    return [*headers, ("content-type", content_type.encode())], value


def structured_record(data: object, attributes: Mapping[str, object] = ATTRIBUTES) -> Record:
    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    return headers, json.dumps({**attributes, "data": data}).encode()


def without(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


def worklog(**changes: Any) -> dict[str, Any]:
    return {**WORKLOG, **changes}


def rejection_reason(record: Record, topic: Topic = WORKLOGS) -> str:
    """The reason why a record is rejected."""
    with pytest.raises(DecodeError) as raised:
        decode_event(topic, *record)
    return str(raised.value)


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ids = text.filter(lambda id_: 1 <= len(id_.encode()) <= 255)
offsets = st.integers(-18 * 60, 18 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1970, 1, 3), datetime(2100, 12, 29), timezones=offsets)  # noqa: DTZ001 - the zones are generated
WORKLOG_STRATEGY = st.fixed_dictionaries(
    {
        "worklog_id": ids,
        "issue_id": ids,
        "author_id": ids,
        "started_at": times.map(datetime.isoformat),
        "seconds": st.integers(1, 3_600_000),
        "updated_at": times.map(datetime.isoformat),
    },
    optional={"team_id": st.none() | text, "description": st.none() | text, "unknown_field": st.lists(text)},
)
