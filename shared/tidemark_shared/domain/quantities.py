"""Exact quantities: hours are decimal strings in JSON and whole seconds in the code, never floats (SPEC C5)."""

import re
from decimal import Decimal
from typing import NewType

from pydantic_core import PydanticCustomError

Seconds = NewType("Seconds", int)
# Money in the minor unit of its currency, such as cents.
MinorUnits = NewType("MinorUnits", int)
# Seconds (time and materials), or seconds x minor units per hour (fixed price): sums of these are exact.
ExactUnits = NewType("ExactUnits", int)

SECONDS_PER_HOUR = 3600
_HOURS = re.compile(r"-?\d{1,9}(\.\d+)?", re.ASCII)
_MAX_DECIMALS = 2


def parse_hours(value: object) -> Decimal:
    """Parse hours from a decimal string such as ``"37.5"``.

    Raises a pydantic error of type ``C5.precision`` for more than two decimals, and ``invalid`` for anything else: a
    JSON number, for example, has already been parsed as a float.
    """
    if isinstance(value, Decimal):
        value = str(value)
    if not isinstance(value, str) or not _HOURS.fullmatch(value):
        raise PydanticCustomError("invalid", 'Hours are a decimal string such as "37.5".')
    if len(value.partition(".")[2]) > _MAX_DECIMALS:
        raise PydanticCustomError("C5.precision", "Hours have at most two decimals.")
    return Decimal(value)


def format_hours(hours: Decimal) -> str:
    """Format hours as the shortest decimal string: ``Decimal("40.00")`` becomes ``"40"``."""
    text = f"{hours:f}" if hours else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def hours_to_seconds(hours: Decimal) -> Seconds:
    """Convert hours to whole seconds; exact for at most two decimals, as 0.01 h is 36 s."""
    return Seconds(int(hours * SECONDS_PER_HOUR))


def compute_percent(consumed: int, planned: int) -> Decimal | None:
    """``consumed`` as a percentage of ``planned``, two decimals, half-even; None if nothing is planned (SPEC 9)."""
    if planned <= 0:
        return None
    hundredths, remainder = divmod(consumed * 10_000, planned)
    if 2 * remainder > planned or (2 * remainder == planned and hundredths % 2):
        hundredths += 1
    return Decimal(hundredths) / 100
