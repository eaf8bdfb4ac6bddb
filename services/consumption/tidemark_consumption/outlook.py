"""What the coming months bring at the current pace, against what is contracted (SPEC 7). Pure, in whole numbers.

The pace is the one of the forecast: the last eight weeks, weekday by weekday; the range assumes that every week is like
the quietest of them, or like the busiest.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from tidemark_consumption.forecast import MIN_WEEKS, past_weeks
from tidemark_shared.domain.calendar import Period

MAX_MONTHS = 12
_DAYS_OF_WEEK = 7


class Expectation(NamedTuple):
    """What a month is expected to consume, what has been consumed in it already included; ``low`` to ``high``."""

    start: date
    end: date
    expected: int
    low: int
    high: int


def expect(
    days: Mapping[date, int], *, today: date, months: Sequence[Period], consumed: Sequence[int]
) -> list[Expectation]:
    """What each of the first ``months`` that have not ended consumes at the current pace.

    ``days`` is what the contract consumed on each day of work, ``consumed`` what counts in each month so far, in one
    unit. Empty before there are two weeks of work. What was logged today is part of the work expected today.
    """
    weeks = past_weeks(days, today)
    if len(weeks) < MIN_WEEKS:
        return []
    coming = [(month, amount) for month, amount in zip(months, consumed, strict=True) if month.end >= today]
    return [_expect_month(weeks, days, today, month, amount) for month, amount in coming[:MAX_MONTHS]]


def _expect_month(
    weeks: Sequence[Sequence[int]], days: Mapping[date, int], today: date, month: Period, consumed: int
) -> Expectation:
    first_offset, last_offset = (max(today, month.start) - today).days, (month.end - today).days
    additions = [
        _sum_days(week, last_offset + 1)
        - _sum_days(week, first_offset)
        - (min(week[0], days.get(today, 0)) if first_offset == 0 else 0)
        for week in weeks
    ]
    return Expectation(
        month.start,
        month.end,
        consumed + round(Fraction(sum(additions), len(additions))),
        consumed + min(additions),
        consumed + max(additions),
    )


def _sum_days(week: Sequence[int], count: int) -> int:
    """What the first ``count`` days consume, if each week is like this one."""
    weeks, rest = divmod(count, _DAYS_OF_WEEK)
    return weeks * sum(week) + sum(week[:rest])
