"""What the coming months bring: the weeks behind, repeated."""

from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tidemark_consumption.outlook import MAX_MONTHS, expect
from tidemark_shared.domain.calendar import split_into_periods

TODAY = date(2026, 3, 11)  # a Wednesday
MONTHS = split_into_periods("monthly", date(2026, 1, 1), date(2027, 12, 31))
NOTHING = [0] * len(MONTHS)


def every(weekday, amounts):
    """Work on a weekday of the weeks before today, the latest last."""
    latest = max(
        TODAY - timedelta(days=days) for days in range(1, 8) if (TODAY - timedelta(days=days)).weekday() == weekday
    )
    return {latest - timedelta(weeks=week): amount for week, amount in enumerate(reversed(amounts))}


def test_each_month_has_its_weekdays():
    months = expect(every(0, [10] * 8), today=TODAY, months=MONTHS, consumed=NOTHING)
    assert len(months) == MAX_MONTHS
    # The rest of March has three Mondays, April four, May four, June five.
    assert [month.expected for month in months[:4]] == [30, 40, 40, 50]
    assert all(month.low == month.expected == month.high for month in months)
    assert months[0].start == date(2026, 3, 1)


def test_range_is_from_the_quietest_to_the_busiest_week():
    # The week in which work began is not whole.
    (march, *_) = expect(every(0, [10, 20, 0, 30]), today=TODAY, months=MONTHS, consumed=[0, 0, 5, *NOTHING[3:]])
    assert (march.low, march.expected, march.high) == (5, 5 + 50, 5 + 90)


def test_work_of_today_is_not_expected_twice():
    days = every(2, [10] * 8) | {TODAY: 4}
    consumed = [0, 0, 4, *NOTHING[3:]]
    (march, *_) = expect(days, today=TODAY, months=MONTHS, consumed=consumed)
    # 4 of today, 6 more today, and on the 18th and 25th.
    assert march.expected == 30


def test_nothing_is_expected_without_two_weeks_or_after_the_end():
    assert expect(every(0, [10]), today=TODAY, months=MONTHS, consumed=NOTHING) == []
    assert expect(every(0, [10] * 8), today=TODAY, months=MONTHS[:2], consumed=NOTHING[:2]) == []


days_before = st.dictionaries(st.integers(1, 80).map(lambda days: TODAY - timedelta(days=days)), st.integers(0, 10**12))


@given(days_before, st.integers(0, 10**12))
def test_expected_is_within_the_range_and_months_add_up(days, consumed):
    months = expect(days, today=TODAY, months=MONTHS, consumed=[consumed, consumed, consumed, *NOTHING[3:]])
    for month in months:
        assert consumed * (month.start <= TODAY) <= month.low <= month.expected <= month.high
    whole = expect(
        days, today=TODAY, months=split_into_periods("none", MONTHS[2].start, MONTHS[13].end), consumed=[consumed]
    )
    if months:
        # Each month is rounded once.
        assert abs(Fraction(sum(month.expected for month in months)) - whole[0].expected) <= len(months)
        assert sum(month.high for month in months) >= whole[0].high
