"""Figures, days, statuses and forecasts as people read them."""

from calendar import monthrange
from datetime import date
from typing import NamedTuple

from tidemark_shared.domain.bodies import Forecast, minor_digits

STATUS_NAMES = {
    "DRAFT": "a draft", "ACTIVE": "active", "INACTIVE": "suspended", "EXPIRED": "expired", "CLOSED": "closed",
}  # fmt: skip


def format_quantity(value: int, currency: str | None) -> str:
    """Seconds (``32 h 30 min``) or, with a currency, minor units (``1,234.50 EUR``)."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    if currency:
        decimals = minor_digits(currency) or 0
        whole, rest = divmod(value, 10**decimals)
        return f"{sign}{whole:,}" + (f".{rest:0{decimals}}" if decimals else "") + f" {currency}"
    (minutes, seconds), parts = divmod(value, 60), []
    hours, minutes = divmod(minutes, 60)
    for count, unit in ((hours, "h"), (minutes, "min"), (seconds, "s")):
        if count:
            parts.append(f"{count:,} {unit}")
    return sign + (" ".join(parts) or "0 h")


def format_period(start: date, end: date) -> str:
    """The month, if it is a whole one; otherwise both days."""
    if (start, end) == (start.replace(day=1), start.replace(day=monthrange(start.year, start.month)[1])):
        return f"{start:%B %Y}"
    return f"{format_day(start) if start.year != end.year else f'{start.day} {start:%B}'} to {format_day(end)}"


def format_day(day: date) -> str:
    """``15 March 2026``."""
    return f"{day.day} {day:%B %Y}"


def format_days(count: int) -> str:
    """``1 day``, ``30 days``."""
    return f"{count} day" if count == 1 else f"{count} days"


def format_consumption(consumed: int, available: int, currency: str | None) -> str:
    """``32 h of 40 h``; without anything available, only what is used."""
    of = f" of {format_quantity(available, currency)}" if available > 0 else ""
    return format_quantity(consumed, currency) + of


def format_shortage(available: int, currency: str | None) -> str:
    """Why nothing is available: ``5 h overdrawn from the period before``. Empty if something is."""
    if available > 0:
        return ""
    overdrawn = f"{format_quantity(-available, currency)} overdrawn from the period before"
    return overdrawn if available else "nothing left by the period before"


class ForecastClause(NamedTuple):
    """What the forecast says of the budget: ``runs out on 24 March 2026``, ``was used up on 3 March 2026``."""

    text: str
    is_past: bool


def describe_forecast(forecast: Forecast | None, today: date, remaining: int | None = None) -> ForecastClause:
    """The forecast in words. ``remaining`` is what is left of the budget that it is about, if that is known."""
    day = forecast.exhausts_on if forecast else None
    if forecast is None or day is None:
        return ForecastClause("lasts until the end", is_past=False)
    when = "today" if day == today else f"on {format_day(day)}"
    # If everything is used up, all three days are the day when that happened.
    has_no_range = forecast.low == day == forecast.high
    if day <= today and has_no_range and (remaining is None or remaining <= 0):
        return ForecastClause(f"was used up {when}", is_past=True)
    if day < today:
        return ForecastClause(f"was expected to run out {when}", is_past=True)
    return ForecastClause(f"runs out {when}", is_past=False)
