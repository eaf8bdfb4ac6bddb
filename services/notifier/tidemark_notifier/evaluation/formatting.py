"""Figures, days and statuses as people read them."""

from calendar import monthrange
from datetime import date

from tidemark_shared.domain.bodies import minor_digits

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
