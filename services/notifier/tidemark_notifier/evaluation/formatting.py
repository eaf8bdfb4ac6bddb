"""Statuses, consumption and forecasts as people read them."""

from datetime import date
from typing import Literal

from tidemark_notifier.language import N_, Language
from tidemark_shared.domain.balances import Forecast

STATUS_NAMES = {
    "DRAFT": N_("a draft"),
    "ACTIVE": N_("active"),
    "INACTIVE": N_("suspended"),
    "EXPIRED": N_("expired"),
    "CLOSED": N_("closed"),
}

ForecastKind = Literal["lasts", "runs_out", "expected", "used_up"]
"""What a forecast says of the budget: it lasts, will run out, was expected to run out, or is used up."""


def format_consumption(consumed: int, available: int, currency: str | None, language: Language) -> str:
    """``32 h of 40 h``; without anything available, only what is used."""
    amount = language.format_quantity(consumed, currency)
    if available <= 0:
        return amount
    total = language.format_quantity(available, currency)
    return language.gettext("%(consumed)s of %(available)s", consumed=amount, available=total)


def classify_forecast(forecast: Forecast | None, today: date, remaining: int | None = None) -> ForecastKind:
    """The kind of a forecast. ``remaining`` is what is left of the budget that it is about, if that is known."""
    day = forecast.exhausts_on if forecast else None
    if forecast is None or day is None:
        return "lasts"
    # If everything is used up, all three days are the day when that happened.
    has_no_range = forecast.low == day == forecast.high
    if day <= today and has_no_range and (remaining is None or remaining <= 0):
        return "used_up"
    return "expected" if day < today else "runs_out"


def format_forecast_day(forecast: Forecast | None, today: date, language: Language) -> str:
    """``today`` or ``on 24 March 2026``; empty for a budget that lasts."""
    day = forecast.exhausts_on if forecast else None
    if day is None:
        return ""
    return language.gettext("today") if day == today else language.gettext("on %(day)s", day=language.format_day(day))
