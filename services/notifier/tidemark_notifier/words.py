"""Figures and days as people say them: pure."""

from calendar import monthrange
from datetime import date

from tidemark_shared.domain.bodies import minor_digits


def quantity(value: int, currency: str | None) -> str:
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


def span(start: date, end: date) -> str:
    """Both days, or the month that they make."""
    if (start, end) == (start.replace(day=1), start.replace(day=monthrange(start.year, start.month)[1])):
        return f"{start:%B %Y}"
    return f"{day(start) if start.year != end.year else f'{start.day} {start:%B}'} to {day(end)}"


def day(one: date) -> str:
    """``15 March 2026``."""
    return f"{one.day} {one:%B %Y}"


def days(count: int) -> str:
    """``1 day``, ``30 days``."""
    return f"{count} day" if count == 1 else f"{count} days"
