"""A contract's calendar: pure arithmetic on days, with no clock. SPEC 1 (recurrence) and 9."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import holidays
from dateutil.relativedelta import relativedelta


class Period(NamedTuple):
    """Both days inclusive."""

    start: date
    end: date


def split_into_periods(recurrence: Literal["none", "monthly"], start: date, end: date) -> list[Period]:
    """The periods of a contract, oldest first.

    Period k of a monthly contract runs from ``start`` + k months, the day clamped to the month's end and always
    counted from the original start day, to the day before the next one; the last is cut at ``end``.
    """
    if recurrence == "none":
        return [Period(start, end)]
    found: list[Period] = []
    first = start
    while first <= end:
        following = start + relativedelta(months=len(found) + 1)
        found.append(Period(first, min(end, following - timedelta(days=1))))
        first = following
    return found


def compute_renewal_period(start: date, end: date) -> Period:
    """The days right after a contract's: as many months where it lasts whole ones, else as many days (SPEC C8).

    Months are counted as in :func:`periods`, each contract from its own start.
    """
    first = end + timedelta(days=1)
    months = relativedelta(months=len(split_into_periods("monthly", start, end)))
    if start + months == first:
        return Period(first, first + months - timedelta(days=1))
    return Period(first, first + (end - start))


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of ``day`` in ``zone``, in UTC; right where midnight itself is skipped by DST."""
    midnight = datetime.combine(day, time(), zone)
    # A skipped midnight maps to the gap's end through UTC: the day begins when its first existing time does.
    instant = midnight.astimezone(UTC)
    while instant.astimezone(zone).date() < day:
        instant += timedelta(minutes=15)
    return instant


def to_local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day that an instant falls on in ``zone``."""
    return instant.astimezone(zone).date()


def find_period_index(found: list[Period], today: date) -> int:
    """The index of the period that holds ``today``: before the start the first, after the end the last (N1)."""
    return next((index for index, period in enumerate(found) if today <= period.end), len(found) - 1)


@cache
def holiday_codes() -> frozenset[str]:
    """Every calendar that a contract may name: a country such as ``DE``, or a part of one such as ``DE-BE``."""
    countries = holidays.list_supported_countries()
    return frozenset(countries) | {f"{country}-{part}" for country, parts in countries.items() for part in parts}


def public_holidays(code: str, years: Iterable[int]) -> list[date]:
    """The public holidays of a calendar, those observed on another day included (SPEC 9)."""
    country, _, part = code.partition("-")
    found = holidays.country_holidays(
        country, subdiv=part or None, years=years, observed=True, categories=(holidays.PUBLIC,)
    )
    return sorted(found)
