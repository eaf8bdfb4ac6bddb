"""One notification in words: its headline, its bar, the lines below its figure, and the placeholders. SPEC N5."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from tidemark_notifier.evaluation.formatting import (
    STATUS_NAMES,
    ForecastClause,
    describe_forecast,
    format_day,
    format_days,
    format_period,
    format_quantity,
)
from tidemark_notifier.evaluation.snapshot import Snapshot
from tidemark_shared.domain.text import to_safe_line

_BAR_CHARACTERS = 20
_NONE = "none"


class Bar(NamedTuple):
    """Planned and executed as shares of one line, in percent: executed within the plan, executed beyond it, free."""

    within: int
    beyond: int
    free: int

    def __str__(self) -> str:
        within = self.within * _BAR_CHARACTERS // 100
        return "[" + "#" * within + ("!" if self.beyond else "-") * (_BAR_CHARACTERS - within) + "]"


def build_bar(consumed: int, available: int) -> Bar:
    """The bar of ``consumed`` against ``available``. If nothing is available, everything is beyond the plan."""
    if consumed > available:
        within = max(available, 0) * 100 // max(consumed, 1)
        return Bar(within, 100 - within, 0)
    within = consumed * 100 // available if available > 0 else 0
    return Bar(within, 0, 100 - within)


def format_headline(snapshot: Snapshot) -> str:
    """The message in a few words, the figure first: ``80 % used``, ``2 h 30 min over``, ``30 days left``."""
    headline = f"{format_percent(snapshot)} used"
    match snapshot.trigger:
        case "remaining_hours" | "remaining_amount" | "overrun" if snapshot.remaining is not None:
            headline = format_remaining(snapshot)
        case "expires_in_days" | "expired":
            headline = _format_end(snapshot)
        case "status_changed":
            status = STATUS_NAMES[snapshot.status]
            was = STATUS_NAMES.get(snapshot.threshold or "", status)
            headline = f"Now {status}" if was == status else f"Was {was}, now {status}"
        case "unaccounted_work":
            headline = f"{format_quantity(snapshot.unaccounted_seconds or 0, None)} not counted"
        case "forecast_exhausts":
            text = _describe_exhaustion(snapshot).text.removeprefix("was ")
            headline = text[0].upper() + text[1:]
    return headline


def _describe_exhaustion(snapshot: Snapshot) -> ForecastClause:
    today = snapshot.contract_end - timedelta(days=snapshot.days_left)
    # The figures of another trigger may be those of an account, or of another period.
    remaining = snapshot.remaining if snapshot.trigger == "forecast_exhausts" else None
    return describe_forecast(snapshot.forecast, today, remaining)


def _format_end(snapshot: Snapshot) -> str:
    if snapshot.days_left < 0:
        return f"Ended on {format_day(snapshot.contract_end)}"
    return f"{format_days(snapshot.days_left)} left" if snapshot.days_left else "Ends today"


def format_remaining(snapshot: Snapshot) -> str:
    """``8 h left``, ``1 s over``."""
    remaining = snapshot.remaining or 0
    return f"{format_quantity(abs(remaining), snapshot.currency)} {'over' if remaining < 0 else 'left'}"


def format_percent(snapshot: Snapshot) -> str:
    """``80 %``."""
    if snapshot.percent is None:
        return "More than 100 %"
    # Rounding never turns an overrun of a second, or a second that is left, into exactly 100 %.
    if snapshot.percent == "100" and snapshot.remaining:
        return "More than 100 %" if snapshot.remaining < 0 else "Almost 100 %"
    return f"{snapshot.percent} %"


def _format_forecast(snapshot: Snapshot) -> str:
    """The forecast with its range."""
    forecast, clause = snapshot.forecast, _describe_exhaustion(snapshot)
    if clause.is_past or forecast is None:
        return clause.text.removeprefix("was ")
    band = (
        f" (between {format_day(forecast.low)} and {format_day(forecast.high)})"
        if forecast.low and forecast.high
        else f" ({format_day(forecast.low)} at the earliest)" if forecast.low else ""
    )  # fmt: skip
    return f"{clause.text} at the current pace{band}"


def build_placeholder_values(snapshot: Snapshot) -> dict[str, str]:
    """The values of the :data:`~tidemark_notifier.rules.placeholders.PLACEHOLDERS`."""

    def format_amount(value: int | None) -> str:
        return _NONE if value is None else format_quantity(value, snapshot.currency)

    unaccounted, exhausts_on = snapshot.unaccounted_seconds, snapshot.forecast and snapshot.forecast.exhausts_on
    return {
        "contract_code": snapshot.contract_code,
        "contract_name": snapshot.contract_name,
        "organization": snapshot.organization_name,
        "account": snapshot.account_name or _NONE,
        "team": snapshot.team_name or _NONE,
        "subject": snapshot.team_name or snapshot.account_name or snapshot.contract_name,
        "period": format_subject_period(snapshot),
        "start_date": format_day(snapshot.contract_start),
        "end_date": format_day(snapshot.contract_end),
        "days_left": str(snapshot.days_left),
        "status": STATUS_NAMES[snapshot.status],
        "headline": format_headline(snapshot),
        "reason": snapshot.reason,
        "threshold": snapshot.threshold_text or _NONE,
        "percent": _NONE if snapshot.consumed is None else format_percent(snapshot),
        "consumed": format_amount(snapshot.consumed),
        "planned": format_amount(snapshot.planned),
        "available": format_amount(snapshot.available and max(snapshot.available, 0)),
        "remaining": format_amount(snapshot.remaining),
        "not_counted": _NONE if unaccounted is None else format_quantity(unaccounted, None),
        "exhausts_on": format_day(exhausts_on) if exhausts_on else _NONE,
    }


def format_subject_period(snapshot: Snapshot) -> str:
    """The period that the notification is about, or the whole contract."""
    return format_period(snapshot.period_start or snapshot.contract_start, snapshot.period_end or snapshot.contract_end)


def list_facts(snapshot: Snapshot, *, internal: bool) -> Iterator[tuple[str, str]]:
    """The lines below the figure, each with its name."""
    if snapshot.account_name:
        yield "Account", snapshot.account_name
    if snapshot.team_name:
        yield "Team", snapshot.team_name
    if snapshot.consumed is not None:
        yield "Period", format_subject_period(snapshot) if snapshot.period_start else "the whole contract"
    if snapshot.planned is not None:
        yield "Planned", _format_planned(snapshot.planned, snapshot)
    if snapshot.forecast:
        name = "Budget" if _describe_exhaustion(snapshot).is_past else "Forecast"
        yield name if snapshot.subject_kind == "contract" else "Whole contract", _format_forecast(snapshot)
    if snapshot.unaccounted_seconds and (internal or snapshot.trigger == "unaccounted_work"):
        yield "Not counted", f"{format_quantity(snapshot.unaccounted_seconds, None)} (see the contract's page for why)"
    days = f"{format_day(snapshot.contract_start)} to {format_day(snapshot.contract_end)}"
    yield "Contract", f"{days}, {STATUS_NAMES[snapshot.status]}"


def _format_planned(planned: int, snapshot: Snapshot) -> str:
    currency, available = snapshot.currency, planned if snapshot.available is None else snapshot.available
    text = format_quantity(planned, currency)
    if available > planned:
        return f"{text}, and {format_quantity(available - planned, currency)} carried over"
    if available < planned:
        return f"{text}, less {format_quantity(planned - available, currency)} overdrawn from the period before"
    return text


def build_contract_link(snapshot: Snapshot, public_url: str) -> str:
    """The page of the contract."""
    return f"{public_url.rstrip('/')}/contracts/{quote(snapshot.contract_code, safe='')}"


def make_safe(value: Any) -> Any:
    """``value`` with all texts in it safe to show: see :func:`~tidemark_shared.domain.text.to_safe_line`."""
    if isinstance(value, str):
        return to_safe_line(value)
    if isinstance(value, dict):
        return {key: make_safe(member) for key, member in value.items()}
    # A named tuple is not text.
    return type(value)(map(make_safe, value)) if type(value) in (list, tuple) else value
