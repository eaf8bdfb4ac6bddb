"""Bars, charts and figures: what is over is drawn, nothing is rounded away, and axes have round numbers."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark_web.pages.charts import Limit, build_bar, build_columns, build_curve
from tidemark_web.pages.contract import select_period
from tidemark_web.pages.contracts import build_row, elapsed_percent
from tidemark_web.pages.formatting import Amounts, amounts_of, format_percent, format_period

HOURS, MINUTES, EURO = Amounts(), Amounts("minutes"), Amounts(currency="EUR")
FIRST = date(2026, 3, 1)
amounts = st.integers(min_value=0, max_value=10**12)


def percent(text):
    return float(text.removesuffix("%"))


@given(amounts, amounts)
def test_bar_shows_everything_that_is_used(consumed, available):
    bar = build_bar(consumed, available)
    assert 0 <= percent(bar.used) <= percent(bar.limit) <= 100
    if consumed > available:
        assert abs(percent(bar.used) + percent(bar.over) - 100) <= 0.3
    else:
        assert percent(bar.over) == 0
        assert percent(bar.limit) == (100 if available else 0)


def test_bar_over_its_limit_is_not_clamped():
    assert build_bar(60, 40)[:3] == ("66.6%", "33.3%", "66.6%")


@pytest.mark.parametrize(
    ("amount", "value", "text"),
    [
        (HOURS, 187_200, "52\N{NO-BREAK SPACE}h"),
        (HOURS, 5_400, "1.5\N{NO-BREAK SPACE}h"),
        (HOURS, 0, "0\N{NO-BREAK SPACE}h"),
        (HOURS, -900, "\N{MINUS SIGN}0.25\N{NO-BREAK SPACE}h"),
        (HOURS, 3_600_000, "1,000\N{NO-BREAK SPACE}h"),
        (MINUTES, 5_400, "1:30\N{NO-BREAK SPACE}h"),
        (MINUTES, 3_661, "1:01:01\N{NO-BREAK SPACE}h"),
        (EURO, 105_000, "1,050.00\N{NO-BREAK SPACE}EUR"),
        (EURO, -1, "\N{MINUS SIGN}0.01\N{NO-BREAK SPACE}EUR"),
        (HOURS, None, "\N{EN DASH}"),
    ],
)
def test_amounts_as_people_read_them(amount, value, text):
    assert amount(value) == text


@pytest.mark.parametrize(("value", "text"), [("129.38", "129"), ("99.99", "100"), ("0.00", "0"), ("1234.5", "1,234")])
def test_percent_has_no_decimals(value, text):
    assert format_percent(value) == f"{text}\N{NO-BREAK SPACE}%"


def test_period_is_named_by_its_month_or_its_days():
    month = {"start": "2026-03-01", "end": "2026-03-31"}
    assert format_period(month, recurrence="monthly") == "March 2026"
    assert "31\N{NO-BREAK SPACE}Mar" in format_period(month, recurrence="none")


@given(st.lists(st.integers(0, 40 * 3600), min_size=1, max_size=31), st.integers(3600, 10**6))
def test_curve_stays_inside_its_chart_and_rises(daily, available):
    total, points = 0, []
    for number, seconds in enumerate(daily):
        total += seconds
        points.append((FIRST + timedelta(days=number), total))
    days = FIRST, FIRST + timedelta(days=30)
    curve = build_curve(points, limits=[Limit(FIRST, available)], days=days, today=days[1], forecast=None, amount=HOURS)
    heights = [int(step.split("V")[1]) for step in curve.executed.split("H") if "V" in step]
    assert all(0 <= height <= 1000 for height in heights)
    assert heights == sorted(heights, reverse=True)
    assert 0 <= percent(curve.limit_y) <= 100


@pytest.mark.parametrize(
    ("period_last", "even"),
    [(FIRST + timedelta(days=30), "M0 1000L1000 48"), (FIRST + timedelta(days=309), "M0 1000L1000 905")],
)
def test_even_pace_reaches_the_limit_at_the_end_of_its_period(period_last, even):
    days = FIRST, FIRST + timedelta(days=30)
    curve = build_curve(
        [], limits=[Limit(FIRST, 40 * 3600)], days=days, today=FIRST, forecast=None, amount=HOURS,
        period=(FIRST, period_last),
    )  # fmt: skip
    assert curve.even == even


def test_amount_without_a_currency_is_not_shown_as_hours():
    amount = amounts_of({"unit": "minor", "currency": None}, "decimal")
    assert amount(500_000) == "500,000\N{NO-BREAK SPACE}minor units"


@pytest.mark.parametrize(
    ("forecast", "at", "high"),
    [
        ({"exhausts_on": "2026-03-15", "low": "2026-03-12", "high": "2026-03-20"}, "48.3%", "64.5%"),
        ({"exhausts_on": "2026-03-15", "low": "2026-03-12", "high": None}, "48.3%", "100.0%"),
        ({"exhausts_on": None, "low": "2026-03-12", "high": None}, "", "100.0%"),
    ],
)
def test_forecast_without_a_latest_day_is_open_to_the_end(forecast, at, high):
    days = FIRST, FIRST + timedelta(days=30)
    curve = build_curve(
        [(FIRST, 10)], limits=[Limit(FIRST, 100)], days=days, today=FIRST, forecast=forecast, amount=HOURS
    )
    assert (curve.mark.at, curve.mark.high) == (at, high)


def test_columns_tell_days_off_apart_and_keep_every_hour():
    work = {FIRST: 3600, FIRST + timedelta(days=1): 7200, FIRST + timedelta(days=2): 900}
    days = FIRST, FIRST + timedelta(days=30)
    columns = build_columns(work, days, [FIRST + timedelta(days=2)], HOURS)
    assert [column.kind for column in columns.columns[:3]] == ["off", "work", "off"]  # a Sunday, a holiday
    assert sum(column.amount for column in columns.columns) == sum(work.values())
    by_week = build_columns(work, (FIRST, FIRST + timedelta(days=364)), [], HOURS)
    assert not by_week.is_daily
    assert sum(column.amount for column in by_week.columns) == sum(work.values())


@pytest.mark.parametrize(("day", "expected"), [(-5, 0), (0, 3), (14, 48), (30, 100), (60, 100)])
def test_elapsed_part_of_a_period(day, expected):
    period = {"start": "2026-03-01", "end": "2026-03-31"}
    assert elapsed_percent(period, FIRST + timedelta(days=day)) == expected


def test_page_shows_the_current_period_unless_the_address_names_another():
    periods = [{"start": "2026-02-01", "end": "2026-02-28"}, {"start": "2026-03-01", "end": "2026-03-31"}]
    balance = {"periods": periods}
    assert select_period(balance, None, FIRST) is periods[1]
    assert select_period(balance, "2026-02-01", FIRST) is periods[0]
    assert select_period(balance, "nonsense", FIRST) is periods[1]
    assert select_period(balance, "whole", FIRST) is None
    assert select_period(balance, None, date(2027, 1, 1)) is periods[1]
    assert select_period({"periods": periods[:1]}, None, FIRST) is None


def test_row_says_how_much_is_over():
    figures = {"planned": 144_000, "consumed": 216_000, "remaining": -72_000, "percent": "150.00", "worklogs": 3}
    item = {
        "unit": "seconds", "currency": None, "recurrence": "monthly", "status": "ACTIVE", "attention": ["over"],
        "forecast": {"exhausts_on": "2026-03-20", "low": "2026-03-20", "high": "2026-03-20"},
        "start_date": "2026-01-01", "end_date": "2026-12-31", "unaccounted_seconds": 0,
        "period": {**figures, "start": "2026-03-01", "end": "2026-03-31", "available": 144_000},
    }  # fmt: skip
    row = build_row(item, date(2026, 3, 25), "decimal")
    assert row.rest == "20\N{NO-BREAK SPACE}h over"
    assert [flag.text for flag in row.flags] == ["Over"]
    assert row.pace == "Used up on 20\N{NO-BREAK SPACE}Mar"
    assert row.ends == "281\N{NO-BREAK SPACE}days left"
