"""Figures and days as people read them. Pure, and exact: no floats."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from tidemark_shared.domain.bodies import minor_digits

HourStyle = Literal["decimal", "minutes"]

_SECONDS_PER_HOUR, _SECONDS_PER_MINUTE = 3600, 60
_HUNDREDTH = Decimal("0.01")
_NO_BREAK = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_EN_DASH = "\N{EN DASH}"
NOTHING = _EN_DASH
"""What a page shows where there is no figure."""


class Amounts(NamedTuple):
    """Formats the figures of a balance: hours, or money where ``currency`` is set."""

    style: HourStyle = "decimal"
    currency: str | None = None

    def __call__(self, amount: int | None, *, unit: bool = True) -> str:
        """``187200`` seconds as ``52 h`` or ``52:00 h``; 105000 cents as ``1,050.00 EUR``."""
        if amount is None:
            return NOTHING
        sign, size = (_MINUS if amount < 0 else ""), abs(amount)
        if self.currency:
            number, label = f"{Decimal(size).scaleb(-(minor_digits(self.currency) or 0)):,}", self.currency
        elif self.style == "minutes":
            minutes, seconds = divmod(size, _SECONDS_PER_MINUTE)
            rest = f":{seconds:02}" if seconds else ""
            number, label = f"{minutes // 60:,}:{minutes % 60:02}{rest}", "h"
        else:
            number, label = _trim((Decimal(size) / _SECONDS_PER_HOUR).quantize(_HUNDREDTH)), "h"
        return f"{sign}{number}{_NO_BREAK}{label}" if unit else f"{sign}{number}"

    @property
    def step(self) -> int:
        """The amount of one hour or one unit of the currency: axes have round numbers of it."""
        return int(10 ** (minor_digits(self.currency) or 0)) if self.currency else _SECONDS_PER_HOUR


def amounts_of(balance: Mapping[str, Any], style: HourStyle) -> Amounts:
    """How to format the figures of a balance."""
    # A draft may state an amount before its currency. Then nothing says how many decimals it has.
    return Amounts(style, balance["currency"] or "minor units" if balance["unit"] == "minor" else None)


def format_percent(percent: str | None) -> str:
    """``"129.38"`` as ``129 %``: exact enough to compare, and the figures beside it are exact."""
    return NOTHING if percent is None else f"{Decimal(percent).to_integral_value():,}{_NO_BREAK}%"


def format_day(day: date | str | None, *, year: bool = True) -> str:
    """``2026-03-09`` as ``9 Mar 2026``."""
    if day is None:
        return NOTHING
    day = date.fromisoformat(day) if isinstance(day, str) else day
    text = f"{day.day}{_NO_BREAK}{day:%b}"
    return f"{text}{_NO_BREAK}{day.year}" if year else text


def format_month(day: date) -> str:
    """The month of a day on an axis: ``Mar``, and ``Jan '27`` where a year begins."""
    return f"{day:%b} \N{RIGHT SINGLE QUOTATION MARK}{day:%y}" if day.month == 1 else f"{day:%b}"


def format_instant(instant: str, zone: str) -> str:
    """An instant in the zone of the contract, to the minute."""
    local = datetime.fromisoformat(instant).astimezone(ZoneInfo(zone))
    return f"{format_day(local.date())}, {local:%H:%M}"


def format_period(period: Mapping[str, Any], *, recurrence: str) -> str:
    """A whole calendar month by its name, every other period by its days."""
    start, end = date.fromisoformat(period["start"]), date.fromisoformat(period["end"])
    if recurrence == "monthly" and start.day == 1:
        return f"{start:%B} {start.year}"
    return f"{format_day(start, year=start.year != end.year)} {_EN_DASH} {format_day(end)}"


def name_statement(statement: Mapping[str, Any]) -> str:
    """``Statement 3``, and the days of its period."""
    figures = statement["figures"]
    return f"Statement {statement['number']}: {format_day(figures['start'])} {_EN_DASH} {format_day(figures['end'])}"


def contract_page(code: str, suffix: str = "") -> str:
    """The path of a contract's page."""
    return f"/contracts/{quote(code, safe='')}{suffix}"


def customer_contract_page(code: str) -> str:
    """The path of a contract's page for its customer."""
    return f"/customer/contracts/{quote(code, safe='')}"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """``1 day``, ``2 days``."""
    return f"{number:,}{_NO_BREAK}{singular if number == 1 else plural or singular + 's'}"


def format_age(seconds: int) -> str:
    """``45`` as ``45 s``, ``7300`` as ``2 h``: how long something has waited, as coarse as a glance."""
    for size, unit in ((86_400, "day"), (_SECONDS_PER_HOUR, "h"), (_SECONDS_PER_MINUTE, "min")):
        if seconds >= size:
            number = seconds // size
            return count(number, unit) if unit == "day" else f"{number}{_NO_BREAK}{unit}"
    return f"{seconds}{_NO_BREAK}s"


def _trim(number: Decimal) -> str:
    text = f"{number:,}"
    return text.rstrip("0").rstrip(".") if "." in text else text
