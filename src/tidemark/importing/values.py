"""Durations and times as files write them. Exact: no value goes through a float. Pure."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from tidemark_shared.messaging.events import FIRST_YEAR, LAST_YEAR

Unit = Literal["seconds", "minutes", "hours", "milliseconds", "clock"]
"""The unit of a plain number; ``clock`` has none. ``1:30``, ``01:30:00``, ``1h 30m`` and ``PT1H30M`` need no unit."""
Rounding = Literal["none", "nearest", "up", "down"]

MAX_DURATION_SECONDS = 3_600_000
_SECONDS_BY_UNIT = {
    "milliseconds": Fraction(1, 1000),
    "seconds": Fraction(1),
    "minutes": Fraction(60),
    "hours": Fraction(3600),
}
# Workbooks have up to 17 digits: 35 minutes are 0.5833333333333334 hours.
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,30})?", re.ASCII)
# A number with a comma: of decimals (1,5), or of thousands before a point (1,234.5).
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d{1,30}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,15},\d{1,30}", re.ASCII)
_COLONS = re.compile(r"(-?)(\d{1,6}):([0-5]?\d)(?::([0-5]?\d(?:[.,]\d{1,9})?))?", re.ASCII)
_PARTS = re.compile(
    r"(-?)(?:p ?t)? ?(?:(\d{1,6}(?:[.,]\d{1,9})?) ?h(?:ours?|rs?)?)?"
    r" ?(?:(\d{1,6}(?:[.,]\d{1,9})?) ?m(?:in(?:utes?)?)?)?"
    r" ?(?:(\d{1,7}(?:[.,]\d{1,9})?) ?s(?:ec(?:onds?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
# Directives of strptime for a time of day.
_TIME_OF_DAY = re.compile(r"%[HIXcTs]")
_MIDNIGHT_24 = re.compile(r"\b24:00(:00)?\b", re.ASCII)
_SHORT_ISO_DAY = 10


_ROUND: dict[Rounding, Callable[[Fraction], int]] = {"none": int, "nearest": round, "up": ceil, "down": int}


class RowError(Exception):
    """A value is not valid, so its row is refused."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Time(NamedTuple):
    """A time in UTC, and the day that the file states, in whatever zone. ``is_day``: it states the day alone."""

    time: datetime
    day: date
    is_day: bool


def parse_duration(text: str, unit: Unit, rounding: Rounding = "none") -> int:
    """A duration in whole seconds. Raises :class:`RowError`."""
    shown = text.strip() if unit == "clock" else f"{text.strip()} {unit}"
    return check_seconds(parse_exact_seconds(text, unit), shown, rounding)


def check_seconds(seconds: Fraction, shown: str, rounding: Rounding = "none") -> int:
    """``seconds`` of a worklog as a whole number. Raises :class:`RowError`."""
    if seconds < 0:
        raise RowError(
            "negative_duration",
            f"The duration {shown} is negative. Correct the worklog that it takes back, and import that.",
        )
    if seconds > MAX_DURATION_SECONDS:
        raise RowError("duration_too_long", f"{shown} is more than 1000 hours. Correct it, or split the log.")
    if seconds.denominator != 1 and rounding == "none":
        raise RowError(
            "unreadable_duration",
            f"{shown} is not a whole number of seconds. Correct it, or set worklog.rounding in the mapping.",
        )
    whole = _ROUND[rounding](seconds)
    if whole == 0:
        raise RowError("no_time", f"The row logs no time ({shown}). If time is missing, add it; else ignore this.")
    return whole


def parse_exact_seconds(text: str, unit: Unit) -> Fraction:
    """A number of ``unit``, or a duration of a clock, in seconds. Raises :class:`RowError`."""
    number = text.strip()
    if not number:
        raise RowError("missing_value", "The duration is blank. Fill it in.")
    if unit == "clock" or ":" in number or number[-1].isalpha():
        return _parse_clock(number)
    if not number.isascii() or not _NUMBER.fullmatch(number):
        number = _replace_comma(text, number, unit)
    return Fraction(number) * _SECONDS_BY_UNIT[unit]


def _replace_comma(text: str, number: str, unit: str) -> str:
    """A number with commas in the form with a point."""
    if _THOUSANDS.fullmatch(number):
        return number.replace(",", "")
    if not _DECIMAL_COMMA.fullmatch(number):
        raise RowError("unreadable_duration", f"The duration {text!r} is not a number of {unit}. Correct it.")
    whole, _, decimals = number.partition(",")
    # 1,500 can be one and a half thousand, or one and a half. A leading zero (0,125) decides.
    if len(decimals) == len("000") and whole.lstrip("+-") != "0":
        raise RowError(
            "unreadable_duration",
            f"The duration {text!r} can be {whole}.{decimals} or {whole}{decimals} {unit}. Write it without the comma.",
        )
    return f"{whole}.{decimals}"


def _parse_clock(text: str) -> Fraction:
    if (match := _COLONS.fullmatch(text)) or ((match := _PARTS.fullmatch(text)) and any(match.groups()[1:])):
        sign, hours, minutes, seconds = match.groups()
    else:
        raise RowError(
            "unreadable_duration",
            f"The duration {text!r} is not in hours and minutes, such as 1:30, 01:30:00 or 1h 30m. Correct it, or set "
            "worklog.unit in the mapping.",
        )
    parts = ((hours, 3600), (minutes, 60), (seconds, 1))
    total = sum((Fraction((part or "0").replace(",", ".")) * factor for part, factor in parts), Fraction())
    return -total if sign else total


def parse_time(text: str, formats: Sequence[str], zone: ZoneInfo, label: str = "date") -> Time:
    """A time, read with the first format that fits. Without an offset it is local time in ``zone``.

    A format is ``iso``, ``unix``, ``unix_ms`` or a pattern of ``strptime``. A time in a gap moves forward by the gap,
    and of two equal local times the first is used: both are fold 0. 24:00 is the end of the day.
    """
    text = text.strip()
    for pattern in formats:
        parsed = _parse_by_format(text, pattern)
        if parsed is None:
            continue
        zoned = parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)
        # The local year comes first: the conversion to UTC fails for dates at the end of the calendar.
        if FIRST_YEAR <= parsed.year <= LAST_YEAR and FIRST_YEAR <= (utc := zoned.astimezone(UTC)).year <= LAST_YEAR:
            return Time(utc, parsed.date(), _states_day_alone(text, pattern))
        raise RowError(
            "date_out_of_range", f"The {label} {text!r} is not between {FIRST_YEAR} and {LAST_YEAR}. Correct it."
        )
    format_list = " or ".join(formats)
    raise RowError(
        "unreadable_date",
        f"The {label} {text!r} does not have the format {format_list}. Correct it, or add its format.",
    )


def _parse_by_format(text: str, pattern: str) -> datetime | None:
    """The time, without a zone if the text has none; None if the format does not fit."""
    try:
        if pattern in ("unix", "unix_ms"):
            seconds = Fraction(text) / (1000 if pattern == "unix_ms" else 1)
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(seconds * 1_000_000))
        shorter = _MIDNIGHT_24.sub(lambda match: f"00:00{match[1] or ''}", text)
        parsed = (
            datetime.fromisoformat(shorter) if pattern == "iso" else datetime.strptime(shorter, pattern)  # noqa: DTZ007 - the zone follows
        )
        return parsed + timedelta(days=1) if shorter != text else parsed
    except (ValueError, OverflowError, ZeroDivisionError):
        return None


def _states_day_alone(text: str, pattern: str) -> bool:
    if pattern == "iso":
        return len(text) <= _SHORT_ISO_DAY
    return not pattern.startswith("unix") and not _TIME_OF_DAY.search(pattern)
