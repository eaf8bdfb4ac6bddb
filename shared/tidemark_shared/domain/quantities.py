"""Exact quantities: hours as decimal strings outside, whole seconds inside; no float touches either (SPEC C5)."""

import re
from decimal import Decimal

from pydantic_core import PydanticCustomError

SECONDS_PER_HOUR = 3600
_HOURS = re.compile(r"-?\d{1,9}(\.\d+)?", re.ASCII)
_MAX_DECIMALS = 2


def parse_hours(value: object) -> Decimal:
    """Hours from a decimal string such as ``"37.5"``.

    Raises a pydantic error of type ``C5.precision`` for more than two decimals, ``invalid`` for anything that
    is no such string: a JSON number has already been through a float when we see it.
    """
    if isinstance(value, Decimal):
        value = str(value)
    if not isinstance(value, str) or not _HOURS.fullmatch(value):
        raise PydanticCustomError("invalid", 'Hours are a decimal string such as "37.5".')
    if len(value.partition(".")[2]) > _MAX_DECIMALS:
        raise PydanticCustomError("C5.precision", "Hours have at most two decimals.")
    return Decimal(value)


def format_hours(hours: Decimal) -> str:
    """The shortest decimal string: ``Decimal("40.00")`` is ``"40"``."""
    text = f"{hours:f}" if hours else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def hours_to_seconds(hours: Decimal) -> int:
    """Whole seconds. Exact for hours of at most two decimals: a hundredth of an hour is 36 seconds."""
    return int(hours * SECONDS_PER_HOUR)


def compute_percent(consumed: int, planned: int) -> Decimal | None:
    """``consumed`` of ``planned`` with two decimals, half-even; None where nothing is planned (SPEC 9)."""
    if planned <= 0:
        return None
    hundredths, rest = divmod(consumed * 10_000, planned)
    if 2 * rest > planned or (2 * rest == planned and hundredths % 2):
        hundredths += 1
    return Decimal(hundredths) / 100
