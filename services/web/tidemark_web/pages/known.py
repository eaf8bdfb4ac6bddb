"""A contract as it was known at the end of an earlier day (SPEC W8): the day in the address, and the slider. Pure."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tidemark_shared.domain.calendar import start_of_day, to_local_day

_LAST_MOMENT = timedelta(microseconds=1)


class KnownDays(NamedTuple):
    """The days that can be shown: from the first on which Tidemark knew the contract until today."""

    first: date
    last: date
    shown: date

    @property
    def length(self) -> int:
        """The last position of the slider; its first is 0."""
        return (self.last - self.first).days

    @property
    def position(self) -> int:
        """The position of the day that is shown."""
        return (self.shown - self.first).days


def read_day(text: str | None, today: date) -> date | None:
    """The day that an address names; None for today, for a later day, and for anything else."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if day < today else None


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last moment of a day, for ``as_of``."""
    return start_of_day(day + timedelta(days=1), zone) - _LAST_MOMENT


def list_days(history: Sequence[Any], shown: date, today: date, zone: ZoneInfo) -> KnownDays | None:
    """The days of the slider; None if the contract was made today, or its ``history``, oldest first, is missing."""
    if not history:
        return None
    first = to_local_day(datetime.fromisoformat(history[0]["occurred_at"]), zone)
    return KnownDays(first, today, max(shown, first)) if first < today else None
