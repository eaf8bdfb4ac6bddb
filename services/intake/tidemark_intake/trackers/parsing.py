"""Values of trackers' JSON, and lists in parts. Pure."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from tidemark_intake.client import TrackerError
from tidemark_intake.facts import Batch, Skipped, Worklog
from tidemark_shared.messaging.cloudevents import describe_validation_error
from tidemark_shared.messaging.events import FIRST_YEAR, LAST_YEAR, MAX_SECONDS, WorklogRecorded

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Changes are read again from before the last time: trackers list them late, and their clocks differ.
OVERLAP = timedelta(minutes=10)
# Whatever reading JSON of another shape raises.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
# Part of the paths of requests, so no slash, dot or question mark.
_ENTITY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER = re.compile(r"[0-9]{1,18}")
# Longer texts make an event that no reader accepts.
_MAX_TEXT_LENGTH = 32_768


def entity_id(value: Any) -> str:
    """An id that a webhook names. Raises :class:`ValueError` unless it can be a part of a path."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not _ENTITY_ID.fullmatch(str(value)):
        raise ValueError(f"{str(value)[:80]!r} is not an id.")
    return str(value)


def delivery_id(body: bytes) -> str:
    """The id of a delivery. Headers such as ``x-atlassian-webhook-identifier`` are not signed: anybody can set them."""
    return hashlib.sha256(body).hexdigest()


def find_member(body: bytes, name: str) -> Any:
    """A member of a JSON body; None if it has none."""
    try:
        return member(json.loads(body), name)
    except UNREADABLE:
        return None


def is_number(identifier: str) -> bool:
    """Whether an id is a number, as those of Jira and Tempo are."""
    return bool(_NUMBER.fullmatch(identifier))


def list_items(answer: Any, *names: str) -> list[Any]:
    """The list at a member of an answer. Raises :class:`TrackerError` if there is none.

    An answer of another shape is no empty list: what is missing in a list is taken for deleted.
    """
    items = member(answer, *names)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        where = ".".join(names) or "the answer"
        raise TrackerError(f"The tracker's answer is not readable: {where} is no list of objects: {str(answer)[:200]}")
    return items


def parse_whole(value: Any) -> int:
    """A whole number. Raises :class:`ValueError` or :class:`TypeError`, also for one with decimals."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value!r} is not a whole number.")
    return int(value)


def clean_text(text: Any) -> str | None:
    """A text as events can carry it; None if it is empty."""
    return str(text)[:_MAX_TEXT_LENGTH].replace("\0", " ").encode("utf-8", "replace").decode() if text else None


def find_time(value: Any) -> datetime | None:
    """A time as ISO text or in milliseconds; None if it is missing, unreadable, or no time of an event."""
    try:
        time = from_milliseconds(value) if isinstance(value, int) else parse_time(value)
    except UNREADABLE:
        return None
    return time if FIRST_YEAR < time.year < LAST_YEAR else None


def parse_time(text: Any) -> datetime:
    """An ISO time with an offset, with or without a colon in it; without one it is UTC. Raises :class:`ValueError`."""
    time = datetime.fromisoformat(str(text))
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def from_milliseconds(value: Any) -> datetime:
    """The time of a number of milliseconds since 1970."""
    return datetime.fromtimestamp(int(value) / 1000, UTC)


def to_milliseconds(time: datetime) -> int:
    """Whole milliseconds since 1970."""
    return int(time.timestamp() * 1000)


def member(value: Any, *names: str) -> Any:
    """A member inside members; None if one is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def read_worklogs(items: Sequence[Any], parse: Callable[[Any], Worklog | Skipped], *, id_member: str = "id") -> Batch:
    """The worklogs of a tracker's items, and those that are not published, such as one that ``parse`` cannot read."""
    worklogs: list[Worklog] = []
    skipped: list[Skipped] = []
    for item in items:
        try:
            result = parse(item)
        except UNREADABLE as error:
            result = Skipped(str(member(item, id_member)), "unreadable", repr(error))
        if isinstance(result, Worklog):
            result = _check_worklog(result)
        if isinstance(result, Worklog):
            worklogs.append(result)
        else:
            skipped.append(result)
    return Batch(worklogs, skipped)


def _check_worklog(worklog: Worklog) -> Worklog | Skipped:
    """``worklog``, or why it is not published."""
    if not worklog.author_id:
        return Skipped(worklog.id, "invalid", "It names no person.")
    if worklog.seconds < 1:
        return Skipped(worklog.id, "invalid", f"It has {worklog.seconds} seconds.")
    if worklog.seconds > MAX_SECONDS:
        return Skipped(worklog.id, "invalid", "It has more than 1000 hours.")
    worklog = worklog._replace(description=clean_text(worklog.description))
    try:
        # The time of its last change is limited when it is published.
        WorklogRecorded(
            worklog_id=worklog.id,
            issue_id=worklog.issue_id,
            author_id=worklog.author_id,
            started_at=worklog.started_at,
            seconds=worklog.seconds,
            description=worklog.description,
            updated_at=EPOCH,
        )
    except ValidationError as error:
        return Skipped(worklog.id, "invalid", describe_validation_error(error))
    return worklog
