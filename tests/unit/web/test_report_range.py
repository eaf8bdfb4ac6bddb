"""The days of a report: names that stay relative, and two days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark_shared.domain.ranges import RANGE_NAMES
from tidemark_web.pages.report_range import RANGES, Days, find_days, read_range

TODAY = date(2026, 2, 28)


@pytest.mark.parametrize(
    ("name", "first", "last", "title"),
    [
        ("this-month", date(2026, 2, 1), date(2026, 2, 28), "February 2026"),
        ("last-month", date(2026, 1, 1), date(2026, 1, 31), "January 2026"),
        ("this-quarter", date(2026, 1, 1), date(2026, 3, 31), "1 Jan to 31 Mar 2026"),
        ("last-quarter", date(2025, 10, 1), date(2025, 12, 31), "1 Oct to 31 Dec 2025"),
        ("this-year", date(2026, 1, 1), date(2026, 12, 31), "2026"),
        ("last-year", date(2025, 1, 1), date(2025, 12, 31), "2025"),
        ("this-quarter-to-date", date(2026, 1, 1), date(2026, 2, 28), "1 Jan to 28 Feb 2026"),
        ("this-year-to-date", date(2026, 1, 1), date(2026, 2, 28), "1 Jan to 28 Feb 2026"),
    ],
)
def test_a_name_is_relative_to_today(name, first, last, title):
    days = find_days(name, TODAY)
    assert days == Days(first, last, name)
    assert days.title.replace("\xa0", " ").replace("\N{EN DASH}", "to") == title


def test_every_range_has_a_label():
    assert tuple(RANGES) == RANGE_NAMES


@given(st.dates(date(1970, 1, 1), date(2100, 1, 1)), st.sampled_from([n for n in RANGES if "date" not in n]))
def test_this_contains_today_and_last_ends_before(today, name):
    days = find_days(name, today)
    assert days.first.day == 1
    assert (days.last + timedelta(days=1)).day == 1
    assert (days.first <= today <= days.last) == name.startswith("this")
    following = find_days(name.replace("last", "this"), today)
    assert name.startswith("this") or days.last + timedelta(days=1) == following.first


def test_two_days_come_before_a_name():
    days = read_range("last-month", "2026-01-10", "2026-02-09", TODAY)
    assert days == Days(date(2026, 1, 10), date(2026, 2, 9))
    assert read_range("", "2026-01-10", "", TODAY).name == "last-month"


@pytest.mark.parametrize(("first", "last"), [("2026-02-30", "2026-03-01"), ("2026-03-02", "2026-03-01"), ("x", "y")])
def test_bad_days_are_told_in_words(first, last):
    with pytest.raises(ValueError, match=r"Choose the days again|Exchange them"):
        read_range("", first, last, TODAY)
