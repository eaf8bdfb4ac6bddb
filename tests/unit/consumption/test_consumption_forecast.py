"""The day a contract runs out, from what was worked before; docs/forecast.md."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidemark_consumption.forecast import forecast

MONDAY = date(2026, 3, 2)
HOUR = 3600


def days_before(today, number):
    return [today - timedelta(days=back) for back in range(number, 0, -1)]


def worked(weeks, hours, *, until=MONDAY):
    """So many hours each Monday to Friday of the weeks before ``until``."""
    return {day: hours * HOUR for day in days_before(until, 7 * weeks) if day.weekday() < 5}


def ask(days, *, today=MONDAY, first=date(2026, 1, 1), last=date(2026, 12, 31), available=400, consumed=320):
    """Hours in, days out: when, low, high."""
    result = forecast(days, today=today, first=first, last=last, available=available * HOUR, consumed=consumed * HOUR)
    return result and (result.exhausts_on, result.low, result.high)


def test_forecast_skips_weekends_without_work():
    assert ask(worked(8, 8)) == (date(2026, 3, 13),) * 3


def test_forecast_is_the_day_of_the_last_second():
    assert ask(worked(8, 8), consumed=392) == (MONDAY,) * 3
    assert ask(worked(8, 8), consumed=391)[0] == date(2026, 3, 3)


def test_work_logged_today_is_part_of_todays_expected_work():
    assert ask({**worked(8, 8), MONDAY: 5 * HOUR}, consumed=325) == (date(2026, 3, 13),) * 3
    assert ask({**worked(8, 8), MONDAY: 16 * HOUR}, consumed=336)[0] == date(2026, 3, 12)


def test_range_is_from_busiest_to_quietest_week():
    days = worked(8, 8)
    days |= dict.fromkeys(worked(1, 16, until=date(2026, 1, 19)), 16 * HOUR)
    days |= dict.fromkeys(worked(1, 4, until=date(2026, 2, 9)), 4 * HOUR)
    assert ask(days) == (date(2026, 3, 13), date(2026, 3, 6), date(2026, 3, 27))


def test_week_without_work_leaves_range_open():
    days = {day: seconds for day, seconds in worked(8, 8).items() if day.isocalendar().week != 7}
    when, low, high = ask(days)
    assert (when, low, high) == (date(2026, 3, 17), date(2026, 3, 13), None)


def test_work_older_than_eight_weeks_is_ignored():
    assert ask({**worked(30, 24), **worked(8, 8)}) == ask(worked(8, 8))


def test_weeks_before_the_first_work_are_ignored():
    assert ask(worked(5, 8)) == (date(2026, 3, 13),) * 3


@pytest.mark.parametrize(("weeks", "known"), [(1, False), (2, True)])
def test_forecast_needs_two_weeks_of_work(weeks, known):
    assert (ask(worked(weeks, 8)) is not None) is known


def test_forecast_after_the_end_is_null():
    assert ask(worked(8, 8), last=date(2026, 3, 12)) == (None, None, None)
    assert ask(worked(8, 8), last=date(2026, 3, 13))[0] == date(2026, 3, 13)


def test_no_recent_work_never_runs_out():
    assert ask(worked(4, 8, until=MONDAY - timedelta(weeks=8))) == (None, None, None)


def test_nothing_available_gives_no_forecast():
    assert ask(worked(8, 8), available=0, consumed=0) is None
    assert ask(worked(8, 8), available=-1, consumed=10) is None


def test_exhausted_contract_gives_the_day_of_exhaustion():
    days = worked(8, 8)
    used_up = ask(days, available=40, consumed=320)
    assert used_up == (date(2026, 1, 9),) * 3
    assert ask(days, available=40, consumed=320, today=date(2027, 5, 1)) == used_up


def test_exhausted_period_counts_only_its_own_work():
    assert ask(worked(8, 8), first=date(2026, 2, 1), available=40, consumed=160) == (date(2026, 2, 6),) * 3


def test_exhaustion_by_work_outside_the_period_is_today_at_the_latest():
    # Fixed price: the period is that of the issue, not of the work.
    assert ask({}, available=40, consumed=40) == (MONDAY,) * 3
    assert ask({}, available=40, consumed=40, today=date(2027, 5, 1)) == (date(2026, 12, 31),) * 3
    assert ask({}, available=40, consumed=40, first=date(2026, 4, 1)) == (date(2026, 4, 1),) * 3


def test_forecast_before_the_start_counts_from_the_start():
    first = date(2026, 3, 12)  # a Thursday
    assert ask(worked(8, 8), first=first, consumed=360) == (date(2026, 3, 18),) * 3


def test_forecast_after_the_period_is_none():
    assert ask(worked(8, 8, until=date(2027, 3, 1)), today=date(2027, 3, 1)) is None


amounts = st.integers(0, 10**18)
histories = st.lists(amounts, max_size=80)
remaining = st.integers(1, 10**19)
TODAY = date(2026, 11, 22)


def of(history, left, *, consumed=0, last=400, logged=0):
    days = dict(zip(days_before(TODAY, len(history)), history, strict=True)) | {TODAY: logged}
    return forecast(
        days,
        today=TODAY,
        first=date(2026, 1, 1),
        last=TODAY + timedelta(days=last),
        available=left + consumed,
        consumed=consumed,
    )


def order(day):
    return day or date.max


@given(histories, remaining, amounts)
def test_forecast_is_within_its_range(history, left, logged):
    if found := of(history, left, logged=logged):
        assert order(found.low) <= order(found.exhausts_on) <= order(found.high)


@given(histories, remaining, remaining)
def test_more_available_never_runs_out_earlier(history, left, more):
    if found := of(history, left):
        later = of(history, left + more)
        assert all(order(after) >= order(before) for (_, before), (_, after) in zip(found, later, strict=True))


@given(histories, remaining)
def test_twice_the_pace_never_runs_out_later(history, left):
    if found := of(history, left):
        faster = of([2 * amount for amount in history], left)
        assert all(order(after) <= order(before) for (_, before), (_, after) in zip(found, faster, strict=True))


@given(st.integers(0, 80), remaining)
def test_no_work_gives_no_forecast(length, left):
    assert of([0] * length, left) is None


@given(histories, remaining, st.integers(0, 10**18))
def test_unit_and_earlier_consumption_do_not_change_forecast(history, left, consumed):
    assert of([3600 * amount for amount in history], 3600 * left) == of(history, left)
    assert of(history, left, consumed=consumed) == of(history, left)


@given(st.lists(st.integers(0, 100), min_size=56, max_size=56).filter(any), st.integers(1, 3000))
@example([1, *[0] * 55], 3000)
def test_forecast_equals_simulated_average_week(history, left):
    history[0] = history[0] or 1  # work began then
    weekday = [Fraction(sum(history[start::7]), 8) for start in range(7)]
    total, expected = Fraction(0), None
    for after in range(401):
        total += weekday[after % 7]
        if total >= left:
            expected = TODAY + timedelta(days=after)
            break
    assert of(history, left).exhausts_on == expected
