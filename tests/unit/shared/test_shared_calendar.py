"""Periods and starts of days, compared with independent and slower algorithms."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidemark_shared.domain.calendar import (
    Period,
    compute_renewal_period,
    find_period_index,
    split_into_periods,
    start_of_day,
    to_local_day,
)

DAY = timedelta(days=1)


def expected_periods(start: date, end: date) -> list[tuple[date, date]]:
    """Day by day: a period starts on the day of month of the start, or on the last day of a shorter month."""
    periods: list[tuple[date, date]] = []
    day, first_day = start, start
    while day <= end:
        next_day = day + DAY
        if next_day > end or next_day.day == min(start.day, monthrange(next_day.year, next_day.month)[1]):
            periods.append((first_day, day))
            first_day = next_day
        day = next_day
    return periods


spans = st.tuples(st.dates(date(1970, 1, 1), date(2090, 12, 31)), st.integers(0, 1200)).map(
    lambda drawn: (drawn[0], drawn[0] + drawn[1] * DAY)
)


@given(spans)
@example((date(2024, 1, 31), date(2025, 3, 1)))
@example((date(2023, 1, 31), date(2023, 2, 28)))
@example((date(2024, 2, 29), date(2028, 2, 29)))
@example((date(2026, 12, 31), date(2026, 12, 31)))
@example((date(2099, 12, 31), date(2100, 12, 31)))
def test_monthly_periods_start_on_the_start_day_clamped_to_the_months_end(span: tuple[date, date]) -> None:
    assert split_into_periods("monthly", *span) == expected_periods(*span)


@given(spans)
def test_periods_cover_the_contract_without_gaps(span: tuple[date, date]) -> None:
    start, end = span
    for periods in (split_into_periods("monthly", start, end), split_into_periods("none", start, end)):
        assert (periods[0].start, periods[-1].end) == (start, end)
        assert all(period.start <= period.end for period in periods)
        assert all(later.start - earlier.end == DAY for earlier, later in pairwise(periods))


@given(spans)
def test_contract_without_recurrence_has_one_period(span: tuple[date, date]) -> None:
    assert split_into_periods("none", *span) == [Period(*span)]


def test_start_days_are_counted_from_the_first_start() -> None:
    starts = [period.start for period in split_into_periods("monthly", date(2024, 1, 31), date(2024, 5, 31))]
    assert starts == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30), date(2024, 5, 31)]


def test_four_months_are_four_periods() -> None:
    assert split_into_periods("monthly", date(2026, 1, 1), date(2026, 4, 30)) == [
        (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 2, 1), date(2026, 2, 28)),
        (date(2026, 3, 1), date(2026, 3, 31)),
        (date(2026, 4, 1), date(2026, 4, 30)),
    ]


def test_last_period_ends_with_the_contract() -> None:
    assert split_into_periods("monthly", date(2026, 1, 15), date(2026, 2, 20))[-1] == (
        date(2026, 2, 15),
        date(2026, 2, 20),
    )


@given(spans, st.integers(-400, 1600))
def test_period_index_is_that_of_the_day_or_the_nearest(span: tuple[date, date], days: int) -> None:
    start, end = span
    today = start + days * DAY
    periods = split_into_periods("monthly", start, end)
    indexes = [index for index, period in enumerate(periods) if period.start <= today <= period.end]
    if today < start:
        assert find_period_index(periods, today) == 0
    elif today > end:
        assert find_period_index(periods, today) == len(periods) - 1
    else:
        assert [find_period_index(periods, today)] == indexes


def plus_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


@given(
    st.one_of(
        spans,
        st.tuples(st.dates(date(1970, 1, 1), date(2060, 12, 31)), st.integers(1, 60)).map(
            lambda drawn: (drawn[0], plus_months(*drawn) - DAY)
        ),
    )
)
@example((date(2024, 2, 29), date(2025, 2, 27)))
@example((date(2026, 1, 31), date(2026, 2, 27)))
@example((date(2026, 1, 1), date(2026, 1, 1)))
def test_renewal_lasts_as_many_months_or_else_days(span: tuple[date, date]) -> None:
    start, end = span
    months = [number for number in range(1, 1300) if plus_months(start, number) == end + DAY]
    renewal = compute_renewal_period(start, end)
    assert renewal.start == end + DAY
    if months:
        assert renewal.end + DAY == plus_months(renewal.start, months[0])
    else:
        assert renewal.end - renewal.start == end - start


@pytest.mark.parametrize(
    ("start", "end", "last"),
    [
        ("2026-01-01", "2026-12-31", "2027-12-31"),
        ("2026-02-01", "2026-02-28", "2026-03-31"),  # a month, not 28 days
        ("2026-01-31", "2026-02-27", "2026-03-27"),  # a month, its day clamped
        ("2023-03-01", "2024-02-29", "2025-02-28"),
        ("2026-01-01", "2026-01-30", "2026-03-01"),  # 30 days
        ("2026-01-15", "2026-04-14", "2026-07-14"),
    ],
)
def test_renewal_examples(start: str, end: str, last: str) -> None:
    assert compute_renewal_period(date.fromisoformat(start), date.fromisoformat(end)).end == date.fromisoformat(last)


# Days without midnight, with two midnights, and days that do not exist.
UNUSUAL_DAYS = [
    ("America/Sao_Paulo", date(2018, 11, 4)),  # 00:00 is 01:00
    ("America/Sao_Paulo", date(1986, 10, 25)),
    ("Asia/Beirut", date(2022, 3, 27)),
    ("Asia/Beirut", date(2026, 3, 29)),
    ("Africa/Cairo", date(2023, 4, 28)),
    ("Africa/Cairo", date(2014, 5, 16)),
    ("America/Havana", date(2026, 3, 8)),
    ("America/Asuncion", date(2023, 10, 1)),
    ("America/Santiago", date(2025, 9, 7)),
    ("Asia/Tehran", date(2021, 3, 22)),
    ("Asia/Amman", date(2021, 3, 26)),
    ("Asia/Damascus", date(2021, 3, 26)),
    ("Africa/Monrovia", date(1972, 1, 7)),  # 00:00 is 00:44:30
    ("America/Scoresbysund", date(2024, 3, 31)),
    ("America/Nuuk", date(2024, 3, 31)),  # 23:00 the day before is 00:00
    ("America/Havana", date(2025, 11, 2)),  # 01:00 is 00:00 again
    ("Africa/Cairo", date(2023, 10, 27)),  # 24:00 is 23:00 again
    ("America/St_Johns", date(2010, 11, 7)),  # 00:01 is 23:01 of the day before again
    ("Pacific/Apia", date(2011, 12, 31)),  # the day before was left out
    ("Pacific/Kwajalein", date(1993, 8, 22)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("UTC", date(2026, 1, 1)),
]


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """The first instant whose day in ``zone`` is ``day``, searched in steps of 30 seconds."""
    instant = datetime.combine(day, datetime.min.time(), UTC) - timedelta(hours=15)
    while instant.astimezone(zone).date() < day:
        instant += timedelta(seconds=30)
    return instant


@pytest.mark.parametrize(("name", "day"), UNUSUAL_DAYS)
def test_start_of_day_is_its_first_instant_despite_dst(name: str, day: date) -> None:
    zone = ZoneInfo(name)
    start = start_of_day(day, zone)
    assert start == first_instant(day, zone)
    assert start.tzinfo is UTC
    assert to_local_day(start, zone) == day
    assert to_local_day(start - timedelta(microseconds=1), zone) < day


@given(
    st.sampled_from(
        sorted({name for name, _ in UNUSUAL_DAYS} | {"Pacific/Auckland", "Asia/Kathmandu", "Antarctica/Troll"})
    ),
    st.dates(date(1970, 1, 2), date(2100, 12, 31)),
)
def test_instant_before_the_start_of_day_is_on_an_earlier_day(name: str, day: date) -> None:
    zone = ZoneInfo(name)
    start = start_of_day(day, zone)
    assert to_local_day(start - timedelta(microseconds=1), zone) < day <= to_local_day(start, zone)


def test_skipped_day_has_no_duration() -> None:
    zone = ZoneInfo("Pacific/Apia")
    assert start_of_day(date(2011, 12, 30), zone) == start_of_day(date(2011, 12, 31), zone)
