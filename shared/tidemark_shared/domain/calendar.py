"""A contract's calendar: pure date arithmetic, without a clock. SPEC 1 (recurrence) and 9."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import holidays
from dateutil.relativedelta import relativedelta


class Period(NamedTuple):
    """A period; both days are inclusive."""

    start: date
    end: date


def split_into_periods(recurrence: Literal["none", "monthly"], start: date, end: date) -> list[Period]:
    """The periods of a contract, oldest first.

    Period k of a monthly contract begins at ``start`` + k months (the day clamped to the month's end, always counted
    from the original start day) and lasts to the day before the next one; the last ends at ``end``.
    """
    if recurrence == "none":
        return [Period(start, end)]
    periods: list[Period] = []
    first_day = start
    while first_day <= end:
        next_first_day = start + relativedelta(months=len(periods) + 1)
        periods.append(Period(first_day, min(end, next_first_day - timedelta(days=1))))
        first_day = next_first_day
    return periods


def compute_renewal_period(start: date, end: date) -> Period:
    """The term of the renewal, right after the contract: as many whole months, or else as many days (SPEC C8).

    Months are counted as in :func:`split_into_periods`, for each contract from its own start.
    """
    first_day = end + timedelta(days=1)
    months = relativedelta(months=len(split_into_periods("monthly", start, end)))
    if start + months == first_day:
        return Period(first_day, first_day + months - timedelta(days=1))
    return Period(first_day, first_day + (end - start))


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of ``day`` in ``zone``, in UTC; correct even if DST skips midnight."""
    midnight = datetime.combine(day, time(), zone)
    # Through UTC, a skipped midnight maps to the end of the gap: the day begins at its first existing time.
    instant = midnight.astimezone(UTC)
    while instant.astimezone(zone).date() < day:
        instant += timedelta(minutes=15)
    return instant


def to_local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day of an instant in ``zone``."""
    return instant.astimezone(zone).date()


def find_period_index(periods: list[Period], day: date) -> int:
    """The index of the period that contains ``day``; before the start the first, after the end the last (N1)."""
    return next((index for index, period in enumerate(periods) if day <= period.end), len(periods) - 1)


@cache
def holiday_codes() -> frozenset[str]:
    """The codes of all holiday calendars: a country such as ``DE``, or a subdivision such as ``DE-BE``."""
    countries = holidays.list_supported_countries()
    return frozenset(countries) | {
        f"{country}-{subdivision}" for country, subdivisions in countries.items() for subdivision in subdivisions
    }


def public_holidays(code: str, years: Iterable[int]) -> list[date]:
    """The public holidays of a calendar, including those observed on another day (SPEC 9)."""
    country, _, subdivision = code.partition("-")
    public = holidays.country_holidays(
        country, subdiv=subdivision or None, years=years, observed=True, categories=(holidays.PUBLIC,)
    )
    return sorted(public)
