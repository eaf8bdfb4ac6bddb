"""The records that an import publishes to ``worklog.events``. Pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tidemark.importing.import_state import DELETED, Checkpoint, next_updated_at
from tidemark.importing.plan import Plan
from tidemark.importing.rows import RefusedRow
from tidemark_shared.messaging.cloudevents import CloudEvent, DecodeError, RecordHeaders, decode_event
from tidemark_shared.messaging.events import (
    FUTURE_LIMIT,
    ISSUE_LINKED,
    WORKLOG_DELETED,
    WORKLOG_RECORDED,
    WorklogDeleted,
    format_timestamp,
)
from tidemark_shared.messaging.topics import WORKLOGS

STRUCTURED_HEADERS: RecordHeaders = [("content-type", b"application/cloudevents+json")]
_MAX_EVENT_BYTES = 1_048_576
_DIGEST_BYTES = 16
# A worklog is known by its source and id; the issue that its deletion names does not matter.
_DELETED_ISSUE = "deleted"
_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class OutgoingRecord(NamedTuple):
    """A record to send, and the checkpoint to save once it is acknowledged."""

    issue: str
    headers: RecordHeaders
    value: bytes
    checkpoint: Checkpoint


class StructuredEvent(NamedTuple):
    """A line with a structured CloudEvent that can be published unchanged."""

    line: int
    event: CloudEvent
    value: bytes


class _Fact(NamedTuple):
    """A link or a worklog of a plan; ``data`` is without ``updated_at``, which the file may state."""

    key: str
    issue: str
    event_type: str
    data: dict[str, Any]
    updated_at: datetime | None


def build_plan_records(
    plan: Plan,
    team_ids: Mapping[str, str],
    source: str,
    started_at: datetime,
    checkpoints: Mapping[str, Checkpoint],
    *,
    missing: Iterable[str] = (),
) -> Iterator[OutgoingRecord]:
    """The records of links and worklogs that are new or have changed since their checkpoint.

    ``missing`` are the worklogs to delete.
    """
    attributes = {
        "ce_specversion": "1.0",
        "ce_source": source,
        "ce_time": format_timestamp(started_at),
        "content-type": "application/json",
    }
    common_headers = [(name, text.encode()) for name, text in attributes.items()]
    for key, issue, event_type, data, stated in _facts(plan, team_ids):
        content = _encode_json(data).encode()
        time = stated or started_at
        digest = _digest(content + (format_timestamp(time).encode() if stated else b""))
        previous = checkpoints.get(key)
        if previous and previous.digest == digest:
            continue
        updated_at = (
            next_updated_at(previous.updated_at, time, stated=stated is not None)
            if previous
            else format_timestamp(time)
        )
        yield OutgoingRecord(
            issue,
            [*common_headers, ("ce_type", event_type.encode()), ("ce_id", f"{key}@{updated_at}".encode())],
            content[:-1] + f',"updated_at":"{updated_at}"}}'.encode(),
            Checkpoint(key, digest, updated_at),
        )

    for worklog in missing:
        key = f"worklog/{worklog}"
        deleted_at = next_updated_at(checkpoints[key].updated_at, started_at, stated=False)
        data = {"worklog_id": worklog, "issue_id": _DELETED_ISSUE, "deleted_at": deleted_at}
        yield OutgoingRecord(
            _DELETED_ISSUE,
            [*common_headers, ("ce_type", WORKLOG_DELETED.encode()), ("ce_id", f"{key}@{deleted_at}".encode())],
            _encode_json(data).encode(),
            Checkpoint(key, DELETED, deleted_at),
        )


def _facts(plan: Plan, team_ids: Mapping[str, str]) -> Iterator[_Fact]:
    for link in plan.links:
        data: dict[str, Any] = {
            "issue_id": link.issue,
            "issue_key": link.key,
            "summary": link.summary,
            "contract_id": link.contract,
            "account_id": link.account,
            "created_at": format_timestamp(link.created),
        }
        yield _Fact(f"issue/{link.issue}", link.issue, ISSUE_LINKED, data, None)
    for row in plan.rows:
        data = {
            "worklog_id": row.worklog,
            "issue_id": row.issue,
            "author_id": row.author,
            "started_at": format_timestamp(row.started),
            "seconds": row.seconds,
            "team_id": team_ids.get(row.team),
            "description": row.description,
        }
        yield _Fact(f"worklog/{row.worklog}", row.issue, WORKLOG_RECORDED, data, row.updated)


def parse_structured_events(lines: Iterable[str], now: datetime) -> Iterator[StructuredEvent | RefusedRow]:
    """Parse a file of structured CloudEvents, with the checks of the services that read them."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                value = line.strip().encode("utf-8", "surrogateescape")
                yield StructuredEvent(number, _decode(value, now), value)
            except DecodeError as error:
                yield RefusedRow(number, "", "unreadable_event", str(error))


def _decode(value: bytes, now: datetime) -> CloudEvent:
    if len(value) > _MAX_EVENT_BYTES:
        raise DecodeError("The event is larger than 1 MiB. Shorten its description.")
    event = decode_event(WORKLOGS, STRUCTURED_HEADERS, value)
    changed_at = event.data.deleted_at if isinstance(event.data, WorklogDeleted) else event.data.updated_at
    if changed_at - now > FUTURE_LIMIT:
        raise DecodeError(f"The update time {format_timestamp(changed_at)} is in the future. Correct it.")
    return event


def build_event_records(
    events: Iterable[StructuredEvent], checkpoints: Mapping[str, Checkpoint]
) -> Iterator[OutgoingRecord]:
    """A record for each event without a checkpoint; repeated events give one."""
    keys = set(checkpoints)
    for _, event, value in events:
        digest = _digest(value)
        if (key := digest.hex()) not in keys:
            keys.add(key)
            yield OutgoingRecord(event.data.issue_id, STRUCTURED_HEADERS, value, Checkpoint(key, digest, ""))


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
