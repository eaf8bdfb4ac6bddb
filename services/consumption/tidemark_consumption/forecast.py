"""Forecasts when a contract runs out at its current pace, with a range (SPEC 4, 5, 7). Pure, in whole numbers.

The pace is that of the last eight weeks, weekday by weekday. The range assumes that every future week is like the
busiest of them, or like the quietest. docs/forecast.md explains why, and how accurate it was on real work.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate

from tidemark_shared.domain.balances import Forecast

MAX_WEEKS, MIN_WEEKS = 8, 2
_DAY = timedelta(days=1)


def forecast(
    days: Mapping[date, int], *, today: date, first: date, last: date, available: int, consumed: int
) -> Forecast | None:
    """Forecast the day on which ``available`` is used up, between ``first`` and ``last`` (a period, or the contract).

    ``days`` is what the whole contract consumed on each day of work, in the unit of ``available`` and ``consumed``
    (seconds, or exact amounts); days without work may be left out. ``consumed`` is what counts between ``first`` and
    ``last``.

    None where nothing is available, before there are two weeks of work, and after ``last``. A day in the forecast is
    null if it would be after ``last``: at that pace the contract does not run out. If everything is used up already,
    the forecast is the day when that happened, without a range. If that day is outside the period (fixed price counts
    by the day of the issue), the forecast is today at the latest.
    """
    if available <= 0:
        return None
    if consumed >= available:
        exhausted = _past_exhaustion_day(days, today, first, last, available)
        return Forecast(exhausts_on=exhausted, low=exhausted, high=exhausted)
    weeks = past_weeks(days, today)
    if today > last or len(weeks) < MIN_WEEKS:
        return None
    begin = max(today, first)
    shift = (begin - today).days % 7
    weeks = [[*week[shift:], *week[:shift]] for week in weeks]
    # What was logged on the first day is part of the work expected on it, so that much is not still to come.
    remaining_by_week = [available - consumed + min(week[0], days.get(begin, 0)) for week in weeks]

    def exhaustion_day(week: Sequence[int], remaining: int) -> date | None:
        days_left = _days_until_exhausted(week, remaining)
        return None if days_left is None or days_left > (last - begin).days else begin + days_left * _DAY

    # The sum of the weeks in place of their average, so that nothing is rounded. Its day is always within the range.
    total_week = [sum(weekday) for weekday in zip(*weeks, strict=True)]
    days_by_week = [exhaustion_day(week, remaining) for week, remaining in zip(weeks, remaining_by_week, strict=True)]
    return Forecast(
        exhausts_on=exhaustion_day(total_week, sum(remaining_by_week)),
        low=min((day for day in days_by_week if day), default=None),
        high=max(days_by_week, key=lambda day: day or date.max),
    )


def _past_exhaustion_day(days: Mapping[date, int], today: date, first: date, last: date, available: int) -> date:
    workdays = sorted(day for day in days if first <= day <= last)
    totals = accumulate(days[day] for day in workdays)
    exhausted_days = (day for day, total in zip(workdays, totals, strict=True) if total >= available)
    return next(exhausted_days, max(first, min(today, last)))


def past_weeks(days: Mapping[date, int], today: date) -> list[list[int]]:
    """The last whole weeks before ``today`` since work began. Each has seven days and begins on today's weekday."""
    first_workday = min((day for day, amount in days.items() if amount), default=today)
    number = min((today - first_workday).days // 7, MAX_WEEKS)
    return [
        [days.get(today - timedelta(days=7 * week - weekday), 0) for weekday in range(7)]
        for week in range(number, 0, -1)
    ]


def _days_until_exhausted(week: Sequence[int], remaining: int) -> int | None:
    """The number of days until ``remaining`` (> 0) is used up, if each week is like this one; None if never."""
    *_, total = sums = list(accumulate(week))
    if not total:
        return None
    weeks, rest = divmod(remaining - 1, total)
    return 7 * weeks + bisect_right(sums, rest)
