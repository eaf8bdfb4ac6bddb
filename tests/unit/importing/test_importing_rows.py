"""Rows: exact durations, local times, and a reason for each refused row."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidemark.importing.files import CsvRecord, FileError
from tidemark.importing.mapping import parse_mapping
from tidemark.importing.rows import RefusedRow, Row, parse_rows
from tidemark.importing.values import RowError, parse_duration, parse_time

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ISO = ["%Y-%m-%d %H:%M"]
MAPPING = r"""
source = "test"
timezone = "Europe/Berlin"
date_formats = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"]
no_value = ["", "\\N"]
account_by = "{phase}"
[worklog]
id = "{log}"
author = "{person}"
started = "{start}"
duration = "{minutes}"
unit = "minutes"
updated = "{updated}"
[issue]
id = "{item}"
[organization]
name = "Org {org}"
[team]
name = "Team {team}"
[contract]
code = "C-{project}"
name = "Project {project}"
owner = { name = "Olga", email = "olga@provider.example" }
planned_hours = "100"
[[account]]
name = "Design"
match = ["*design*"]
[[account]]
name = "Other"
match = ["*"]
"""
HEADER = ["log", "person", "start", "minutes", "updated", "item", "phase", "org", "team", "project"]
GOOD = {
    "log": "1",
    "person": "p",
    "start": "2026-03-02 09:00",
    "minutes": "60",
    "updated": "",
    "item": "i",
    "phase": "High-level DESIGN",
    "org": "A",
    "team": "7",
    "project": "9",
}


def read_row(**values: str) -> Row | RefusedRow:
    fields = [{**GOOD, **values}[name] for name in HEADER]
    return next(parse_rows([CsvRecord(1, HEADER), CsvRecord(2, fields)], parse_mapping(MAPPING), NOW))


def test_row_is_parsed_by_the_mapping() -> None:
    row = read_row()
    assert isinstance(row, Row)
    assert (row.worklog, row.issue, row.author, row.seconds) == ("1", "i", "p", 3600)
    assert (row.contract, row.account, row.team, row.organization) == ("C-9", "Design", "Team 7", "Org A")
    assert row.started == datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    assert row.day.isoformat() == "2026-03-02"


def test_ids_are_kept_exactly() -> None:
    row = read_row(log=" 007 ", item="A b", person="ä ")
    assert isinstance(row, Row)
    assert (row.worklog, row.issue, row.author) == (" 007 ", "A b", "ä ")


@pytest.mark.parametrize("column", ["log", "person", "item", "project", "start", "minutes"])
@pytest.mark.parametrize("blank", ["", "  ", r"\N", r" \N "])
def test_blank_required_value_is_refused(column: str, blank: str) -> None:
    row = read_row(**{column: blank})
    assert isinstance(row, RefusedRow)
    assert row.reason == "missing_value"
    assert "blank" in row.message


@pytest.mark.parametrize(("column", "field"), [("team", "team"), ("org", "organization")])
def test_blank_optional_value_is_accepted(column: str, field: str) -> None:
    row = read_row(**{column: r"\N"})
    assert isinstance(row, Row)
    assert getattr(row, field) == ""


@pytest.mark.parametrize("phase", ["", r"\N", "-1", "3.5", "never seen"])
def test_any_phase_matches_an_account(phase: str) -> None:
    row = read_row(phase=phase)
    assert isinstance(row, Row)
    assert row.account == "Other"


@pytest.mark.parametrize(
    ("minutes", "reason"),
    [
        ("0", "no_time"),
        ("0.0", "no_time"),
        ("-5", "negative_duration"),
        ("five", "unreadable_duration"),
        ("1e3", "unreadable_duration"),
        ("1,500", "unreadable_duration"),
        ("1_0", "unreadable_duration"),
        ("٣", "unreadable_duration"),
        ("nan", "unreadable_duration"),
        ("0.001", "unreadable_duration"),
        ("60001", "duration_too_long"),
        ("9" * 5000, "unreadable_duration"),
    ],
)
def test_invalid_duration_is_refused(minutes: str, reason: str) -> None:
    row = read_row(minutes=minutes)
    assert isinstance(row, RefusedRow)
    assert row.reason == reason


@given(st.decimals(min_value="0.01", max_value=1000, places=2), st.sampled_from(["seconds", "minutes", "hours"]))
def test_duration_is_exact_or_refused(number: Decimal, unit: str) -> None:
    exact = number * {"seconds": 1, "minutes": 60, "hours": 3600}[unit]
    if exact == int(exact):
        assert parse_duration(str(number), unit) == exact
    else:
        with pytest.raises(RowError):
            parse_duration(str(number), unit)


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("03/02/2026 09:00", "unreadable_date"),
        ("2026-02-30 09:00", "unreadable_date"),
        ("0016-01-11 16:22", "date_out_of_range"),
        ("1969-12-31 23:59", "date_out_of_range"),
        ("2101-01-01 12:00", "date_out_of_range"),
        ("9999-12-31 23:59", "date_out_of_range"),
        ("0001-01-01 00:00", "date_out_of_range"),
    ],
)
def test_invalid_date_is_refused(start: str, reason: str) -> None:
    row = read_row(start=start)
    assert isinstance(row, RefusedRow)
    assert row.reason == reason


def test_date_with_an_offset_keeps_it() -> None:
    row = read_row(start="2026-03-02T09:00:00-05:00")
    assert isinstance(row, Row)
    assert row.started == datetime(2026, 3, 2, 14, tzinfo=UTC)


def test_update_in_the_future_is_refused() -> None:
    row = read_row(updated="2026-06-03 00:00")
    assert isinstance(row, RefusedRow)
    assert row.reason == "date_out_of_range"


@pytest.mark.parametrize("long", ["x" * 256, "ä" * 128, "a\nb"])
def test_id_that_is_too_long_is_refused(long: str) -> None:
    row = read_row(item=long)
    assert isinstance(row, RefusedRow)
    assert row.reason == "invalid_id"


def test_invalid_line_is_refused_with_its_error() -> None:
    rows = list(parse_rows([CsvRecord(1, HEADER), CsvRecord(2, [], "It is ragged.")], parse_mapping(MAPPING), NOW))
    assert rows == [RefusedRow(2, "", "unreadable_line", "It is ragged.")]


def test_missing_column_is_named() -> None:
    with pytest.raises(FileError, match="'minutes'"):
        list(parse_rows([CsvRecord(1, [name for name in HEADER if name != "minutes"])], parse_mapping(MAPPING), NOW))


def test_empty_file_raises_file_error() -> None:
    with pytest.raises(FileError, match="no header"):
        list(parse_rows([], parse_mapping(MAPPING), NOW))


def test_time_in_a_gap_moves_forward() -> None:
    # Given that in Berlin 02:00 to 03:00 does not exist on 29 March 2026, then 02:30 is 03:30 in summer time
    assert parse_time("2026-03-29 02:30", ISO, BERLIN).time == datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN)


def test_first_of_two_equal_local_times_is_used() -> None:
    # Given that in Berlin 02:00 to 03:00 comes twice on 25 October 2026, then 02:30 is that of summer time
    assert parse_time("2026-10-25 02:30", ISO, BERLIN).time == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])


@given(st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)), ZONES)  # noqa: DTZ001 - local times
def test_existing_local_time_is_unchanged(local: datetime, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    local = local.replace(second=0, microsecond=0, fold=0)
    there_and_back = local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    assume(there_and_back == local)
    # When it is read, then it is that time, at its first coming
    parsed = parse_time(local.strftime("%Y-%m-%d %H:%M"), ISO, zone).time
    assert parsed.astimezone(zone).replace(tzinfo=None, fold=0) == local
    for earlier in range(1, 121):
        assert (parsed - timedelta(minutes=earlier)).astimezone(zone).replace(tzinfo=None, fold=0) != local


def test_rows_keep_the_order_of_the_file() -> None:
    fields: Sequence[str] = [GOOD[name] for name in HEADER]
    file = [CsvRecord(1, HEADER), *(CsvRecord(line, list(fields)) for line in (2, 3, 4))]
    assert [row.line for row in parse_rows(file, parse_mapping(MAPPING), NOW)] == [2, 3, 4]
