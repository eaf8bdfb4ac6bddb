"""When a contract runs out at its current pace, and how sure that is (SPEC 4, 5, 7). Pure, in whole numbers.

The pace is that of the last eight weeks, weekday by weekday. The band asks what if every week to come were like the
busiest of them, or like the quietest. docs/forecast.md says why, and how well it did on real work.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate

from tidemark_shared.domain.bodies import Forecast

MOST_WEEKS, FEWEST_WEEKS = 8, 2
_DAY = timedelta(days=1)


def forecast(
    days: Mapping[date, int], *, today: date, first: date, last: date, available: int, consumed: int
) -> Forecast | None:
    """The day on which what is ``available`` from ``first`` to ``last`` (a period, or the contract) is used up.

    ``days`` is what the whole contract consumed on each day of work, in the unit of ``available`` and ``consumed``
    (seconds, or exact amounts); days without work may be left out. ``consumed`` is what counts in the span.

    None where nothing is available, before there are two weeks of work to judge by, and once the span is over. A
    day that is null lies after ``last``: at that pace it does not run out. What is used up already has its day, and
    no band; where it rests on work outside the span (fixed price goes by the issue's day), that is today at the latest.
    """
    if available <= 0:
        return None
    if consumed >= available:
        exhausted = _exhausted(days, today, first, last, available)
        return Forecast(exhausts_on=exhausted, low=exhausted, high=exhausted)
    weeks = _weeks(days, today)
    if today > last or len(weeks) < FEWEST_WEEKS:
        return None
    begin = max(today, first)
    shift = (begin - today).days % 7
    weeks = [[*week[shift:], *week[:shift]] for week in weeks]
    # What was logged on the first day is part of what is expected of it, so that much is not still to come.
    left = [available - consumed + min(week[0], days.get(begin, 0)) for week in weeks]

    def day(week: Sequence[int], remaining: int) -> date | None:
        after = _days_until(week, remaining)
        return None if after is None or after > (last - begin).days else begin + after * _DAY

    # The average week, times their number, so that nothing is rounded. It lies between the busiest and the quietest.
    average = [sum(weekday) for weekday in zip(*weeks, strict=True)]
    each = [day(week, remaining) for week, remaining in zip(weeks, left, strict=True)]
    return Forecast(
        exhausts_on=day(average, sum(left)),
        low=min((one for one in each if one), default=None),
        high=max(each, key=lambda one: one or date.max),
    )


def _exhausted(days: Mapping[date, int], today: date, first: date, last: date, available: int) -> date:
    worked = sorted(day for day in days if first <= day <= last)
    totals = accumulate(days[day] for day in worked)
    used_up = (day for day, total in zip(worked, totals, strict=True) if total >= available)
    return next(used_up, max(first, min(today, last)))


def _weeks(days: Mapping[date, int], today: date) -> list[list[int]]:
    """The last whole weeks before ``today`` since work began, each of seven days that begin with today's weekday."""
    began = min((day for day, amount in days.items() if amount), default=today)
    number = min((today - began).days // 7, MOST_WEEKS)
    return [
        [days.get(today - timedelta(days=7 * week - weekday), 0) for weekday in range(7)]
        for week in range(number, 0, -1)
    ]


def _days_until(week: Sequence[int], remaining: int) -> int | None:
    """After how many days ``remaining`` (> 0) is used up, if each week is like this one; None if never."""
    *_, total = sums = list(accumulate(week))
    if not total:
        return None
    weeks, rest = divmod(remaining - 1, total)
    return 7 * weeks + bisect_right(sums, rest)
