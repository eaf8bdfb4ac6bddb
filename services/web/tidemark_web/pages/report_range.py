"""The days of a report as an address has them: a name that stays relative ("last month"), or two days. Pure."""

from datetime import date, timedelta
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tidemark_shared.domain.ranges import RANGE_NAMES, RangeName, resolve_range
from tidemark_web.pages.formatting import format_day

RANGES: dict[str, str] = {
    "this-month": "This month",
    "last-month": "Last month",
    "this-quarter": "This quarter",
    "last-quarter": "Last quarter",
    "this-year": "This year",
    "last-year": "Last year",
    "this-quarter-to-date": "This quarter to date",
    "this-year-to-date": "This year to date",
}
DEFAULT_RANGE: RangeName = "last-month"
_NAMES: dict[str, RangeName] = {name: name for name in RANGE_NAMES}


class Days(NamedTuple):
    """The days of a report, both inclusive; ``name`` is a key of RANGES, or empty where the address has days."""

    first: date
    last: date
    name: str = ""

    @property
    def title(self) -> str:
        """A whole month or year by its name, every other range by its days."""
        first, last = self.first, self.last
        if first.day == 1 and last + timedelta(days=1) == first + relativedelta(months=1):
            return f"{first:%B} {first.year}"
        if (first.month, first.day, last.month, last.day) == (1, 1, 12, 31) and first.year == last.year:
            return str(first.year)
        return f"{format_day(first, year=first.year != last.year)} \N{EN DASH} {format_day(last)}"


def find_days(name: str, today: date) -> Days:
    """The days that a name means today; an unknown name means the default."""
    known = _NAMES.get(name, DEFAULT_RANGE)
    return Days(*resolve_range(known, today), known)


def read_range(name: str, first: str, last: str, today: date) -> Days:
    """The range of an address: its two days if it has both, else its name. Raises ValueError, in words."""
    if not (first and last):
        return find_days(name, today)
    try:
        days = Days(date.fromisoformat(first), date.fromisoformat(last))
    except ValueError:
        message = f"A day is written as 2026-03-09, not as {(first, last)!r}. Choose the days again."
        raise ValueError(message) from None
    if days.first > days.last:
        message = "The first day is after the last one. Exchange them."
        raise ValueError(message)
    return days
