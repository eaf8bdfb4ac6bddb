"""Values of trackers' JSON, and lists in parts. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from tidemark_intake.facts import Skipped, Worklog
from tidemark_shared.messaging.events import MAX_SECONDS

_Item = TypeVar("_Item")


def chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """``items`` in parts of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))


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


def sort_worklog(worklog: Worklog) -> Worklog | Skipped:
    """``worklog``, or why it is not published."""
    if not worklog.author_id:
        return Skipped(worklog.id, "invalid", "It names no person.")
    if worklog.seconds < 1:
        return Skipped(worklog.id, "invalid", f"It has {worklog.seconds} seconds.")
    if worklog.seconds > MAX_SECONDS:
        return Skipped(worklog.id, "invalid", "It has more than 1000 hours.")
    return worklog
