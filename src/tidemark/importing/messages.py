"""Pure: what an import publishes, as the records of ``worklog.events``."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tidemark.importing.memory import Sent, later
from tidemark.importing.plan import Plan
from tidemark.importing.rows import Refusal
from tidemark_shared.messaging.cloudevents import CloudEvent, DecodeError, RecordHeaders, decode_event
from tidemark_shared.messaging.events import (
    FUTURE_LIMIT,
    ISSUE_LINKED,
    WORKLOG_RECORDED,
    WorklogDeleted,
    format_timestamp,
)
from tidemark_shared.messaging.topics import WORKLOGS

STRUCTURED: RecordHeaders = [("content-type", b"application/cloudevents+json")]
_MAX_BYTES = 1_048_576
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Message(NamedTuple):
    """A record to send, and what its acknowledgement is remembered as."""

    issue: str
    headers: RecordHeaders
    value: bytes
    receipt: Sent


class Structured(NamedTuple):
    """A line of a file of structured CloudEvents that can be published as it is."""

    line: int
    event: CloudEvent
    value: bytes


def of_plan(
    plan: Plan, teams: Mapping[str, str], source: str, started_at: datetime, sent: Mapping[str, Sent]
) -> Iterator[Message]:
    """The links and worklogs that have not been sent as they are; ``teams`` gives Tidemark's ids by name."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_source": source,
        "ce_time": format_timestamp(started_at),
        "content-type": "application/json",
    }
    fixed = [(name, text.encode()) for name, text in attributes.items()]
    for key, issue, type_, data, stated in _facts(plan, teams):
        content = _json(data).encode()
        own = stated or started_at
        digest = hashlib.blake2b(content + (format_timestamp(own).encode() if stated else b""), digest_size=16).digest()
        known = sent.get(key)
        if known and known.digest == digest:
            continue
        updated_at = later(known.updated_at, own, stated=stated is not None) if known else format_timestamp(own)
        yield Message(
            issue,
            [*fixed, ("ce_type", type_), ("ce_id", f"{key}@{updated_at}".encode())],
            content[:-1] + f',"updated_at":"{updated_at}"}}'.encode(),
            Sent(key, digest, updated_at),
        )


def _facts(plan: Plan, teams: Mapping[str, str]) -> Iterator[tuple[str, str, bytes, dict[str, Any], datetime | None]]:
    """Each fact's key, issue, type, data without ``updated_at``, and the update that the file states."""
    linked, recorded = ISSUE_LINKED.encode(), WORKLOG_RECORDED.encode()
    for link in plan.links:
        yield f"issue/{link.issue}", link.issue, linked, {
            "issue_id": link.issue,
            "issue_key": link.key,
            "summary": link.summary,
            "contract_id": link.contract,
            "account_id": link.account,
            "created_at": format_timestamp(link.created),
        }, None  # fmt: skip
    for row in plan.rows:
        yield f"worklog/{row.worklog}", row.issue, recorded, {
            "worklog_id": row.worklog,
            "issue_id": row.issue,
            "author_id": row.author,
            "started_at": format_timestamp(row.started),
            "seconds": row.seconds,
            "team_id": teams.get(row.team),
            "description": row.description,
        }, row.updated  # fmt: skip


def structured(lines: Iterable[str], now: datetime) -> Iterator[Structured | Refusal]:
    """The lines of a file of structured CloudEvents, checked as their readers will check them."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                value = line.strip().encode("utf-8", "surrogateescape")
                yield Structured(number, _checked(value, now), value)
            except DecodeError as reason:
                yield Refusal(number, "", "unreadable_event", str(reason))


def _checked(value: bytes, now: datetime) -> CloudEvent:
    if len(value) > _MAX_BYTES:
        raise DecodeError("The event is larger than 1 MiB. Shorten its description.")
    event = decode_event(WORKLOGS, STRUCTURED, value)
    changed_at = event.data.deleted_at if isinstance(event.data, WorklogDeleted) else event.data.updated_at
    if changed_at - now > FUTURE_LIMIT:
        raise DecodeError(f"It was updated at {format_timestamp(changed_at)}, in the future. Correct the time.")
    return event


def of_events(events: Iterable[Structured], sent: Mapping[str, Sent]) -> Iterator[Message]:
    """Each event that has not been sent before, once."""
    seen = set(sent)
    for event in events:
        digest = hashlib.blake2b(event.value, digest_size=16).digest()
        if (key := digest.hex()) not in seen:
            seen.add(key)
            yield Message(event.event.data.issue_id, STRUCTURED, event.value, Sent(key, digest, ""))
