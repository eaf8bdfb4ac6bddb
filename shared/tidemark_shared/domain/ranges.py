"""Names of ranges of days that move with time, such as "last month". Pure."""

from datetime import date, timedelta
from typing import Literal, get_args

from dateutil.relativedelta import relativedelta

RangeName = Literal[
    "this-month", "last-month", "this-quarter", "last-quarter", "this-year", "last-year",
    "this-quarter-to-date", "this-year-to-date",
]  # fmt: skip
RANGE_NAMES: tuple[RangeName, ...] = get_args(RangeName)
_TO_DATE = "-to-date"
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MONTHS_OF_QUARTER = 3


def resolve_range(name: RangeName, today: date) -> tuple[date, date]:
    """The first and the last day of what a name means ``today``."""
    which, _, length = name.removesuffix(_TO_DATE).partition("-")
    first = today.replace(day=1)
    if length == "quarter":
        first -= relativedelta(months=(first.month - 1) % _MONTHS_OF_QUARTER)
    elif length == "year":
        first = first.replace(month=1)
    step = relativedelta(months=_MONTHS[length])
    if which == "last":
        first -= step
    return first, today if name.endswith(_TO_DATE) else first + step - timedelta(days=1)
