"""The days on which a contract was known: what the address names, and what the slider offers."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark_web.pages.known import KnownDays, end_of_day, list_days, read_day

BERLIN, TODAY = ZoneInfo("Europe/Berlin"), date(2026, 3, 29)


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-03-29", "2026-04-01", "2026-02-30"])
def test_today_is_shown_unless_the_address_names_an_earlier_day(text: str | None) -> None:
    assert read_day(text, TODAY) is None
    assert read_day("2026-03-28", TODAY) == date(2026, 3, 28)


@given(st.dates(date(1971, 1, 1), date(2099, 12, 31)), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Beirut"]))
def test_end_of_a_day_is_its_last_moment(day: date, name: str) -> None:
    zone, step = ZoneInfo(name), timedelta(microseconds=1)
    moment = end_of_day(day, zone)
    assert moment.tzinfo is UTC
    assert moment.astimezone(zone).date() == day
    assert (moment + step).astimezone(zone).date() == day + timedelta(days=1)


def test_slider_begins_on_the_day_in_the_zone_on_which_the_contract_was_made() -> None:
    history = [{"occurred_at": "2026-03-01T23:30:00Z"}, {"occurred_at": "2026-03-05T10:00:00Z"}]
    days = list_days(history, date(2026, 3, 10), TODAY, BERLIN)
    assert days == KnownDays(date(2026, 3, 2), TODAY, date(2026, 3, 10))
    assert (days.position, days.length) == (8, 27)


def test_slider_is_left_out_for_a_contract_of_today() -> None:
    assert list_days([], TODAY, TODAY, BERLIN) is None
    assert list_days([{"occurred_at": datetime(2026, 3, 29, 10, tzinfo=UTC).isoformat()}], TODAY, TODAY, BERLIN) is None
