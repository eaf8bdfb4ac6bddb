"""The days of a report as an address has them: a name that stays relative ("last month"), or two days. Pure."""

from datetime import date, timedelta
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tidemark_web.pages.formatting import format_day

RANGES = {
    "this-month": "This month",
    "last-month": "Last month",
    "this-quarter": "This quarter",
    "last-quarter": "Last quarter",
    "this-year": "This year",
    "last-year": "Last year",
}
DEFAULT_RANGE = "last-month"
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MONTHS_OF_QUARTER = 3


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


def resolve_range(name: str, today: date) -> Days:
    """The days that a name means today; an unknown name means the default."""
    name = name if name in RANGES else DEFAULT_RANGE
    which, _, length = name.partition("-")
    first = today.replace(day=1)
    if length == "quarter":
        first -= relativedelta(months=(first.month - 1) % _MONTHS_OF_QUARTER)
    elif length == "year":
        first = first.replace(month=1)
    step = relativedelta(months=_MONTHS[length])
    if which == "last":
        first -= step
    return Days(first, first + step - timedelta(days=1), name)


def read_range(name: str, first: str, last: str, today: date) -> Days:
    """The range of an address: its two days if it has both, else its name. Raises ValueError, in words."""
    if not (first and last):
        return resolve_range(name, today)
    try:
        days = Days(date.fromisoformat(first), date.fromisoformat(last))
    except ValueError:
        message = f"A day is written as 2026-03-09, not as {(first, last)!r}. Choose the days again."
        raise ValueError(message) from None
    if days.first > days.last:
        message = "The first day is after the last one. Exchange them."
        raise ValueError(message)
    return days
