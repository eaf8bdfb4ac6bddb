"""Why a notification is raised, and what a threshold still lacks, each in a sentence."""

from datetime import date, timedelta
from decimal import Decimal

from tidemark_notifier.evaluation.evaluation_input import EvaluationInput
from tidemark_notifier.evaluation.formatting import (
    STATUS_NAMES,
    describe_forecast,
    format_consumption,
    format_day,
    format_days,
    format_period,
    format_quantity,
    format_shortage,
)
from tidemark_notifier.evaluation.rule_evaluation import (
    MILLIONTHS,
    RuleEvaluation,
    ThresholdState,
    sort_thresholds,
)
from tidemark_notifier.rules.triggers import CALENDAR_TRIGGERS, Trigger
from tidemark_shared.domain.bodies import Balance
from tidemark_shared.domain.quantities import hours_to_seconds


def format_threshold(trigger: Trigger, threshold: str | None, currency: str | None) -> str:
    """A threshold as people read it; empty if the trigger has none."""
    if threshold is None:
        return "100 %" if trigger.kind == "overrun" else ""
    if trigger.kind == "consumed_percent":
        return f"{threshold} %"
    if trigger.kind in ("remaining_hours", "unaccounted_work"):
        return format_quantity(hours_to_seconds(Decimal(threshold)), None)
    if trigger.kind == "remaining_amount":
        return format_quantity(int(threshold), currency)
    return threshold if trigger.kind == "status_changed" else format_days(int(threshold))


def describe_reason(
    evaluation: RuleEvaluation, state: ThresholdState, contract: EvaluationInput, today: date, *, resolved: bool = False
) -> str:
    """Why the notification is raised, in one sentence that a customer may read."""
    trigger, terms = evaluation.rule.trigger, contract.terms
    threshold, end = format_threshold(trigger, state.threshold, terms.currency), format_day(terms.end_date)
    days_left, status = (terms.end_date - today).days, contract.status or "DRAFT"
    match trigger.kind:
        case "expires_in_days":
            sentence = f"The contract ends on {end} ({format_days(days_left)} left)."
            reason = sentence if days_left else f"The contract ends today, {end}."
        case "expired":
            again = f"The contract is {STATUS_NAMES[status]} again and ends on {end}."
            reason = again if resolved else f"The contract ended on {end}."
        case "status_changed":
            reason = _describe_status(trigger.to or "DRAFT", status, end)
        case "unaccounted_work":
            unaccounted = format_quantity(contract.balance.unaccounted_seconds if contract.balance else 0, None)
            alert = f"below the alert at {threshold}" if resolved else f"alert at {threshold}"
            reason = f"{unaccounted} of logged work is not being counted ({alert})."
        case "forecast_exhausts":
            reason = _describe_forecast(evaluation, contract.balance, today)
        case _:
            comparison = _describe_comparison(trigger.kind, threshold, resolved=resolved)
            reason = f"{_describe_consumption(evaluation, contract)} ({comparison})."
    return reason


def _describe_status(status: str, current: str, end: str) -> str:
    if status != current:
        return f"The contract was {STATUS_NAMES[status]} and is now {STATUS_NAMES[current]}."
    detail = {
        "INACTIVE": ": work on it is not counted until it is active again",
        "EXPIRED": f": it ended on {end}",
    }.get(status, "")
    return f"The contract is now {STATUS_NAMES[status]}{detail}."


def _describe_comparison(kind: str, threshold: str, *, resolved: bool) -> str:
    if kind == "overrun":
        return "no longer over 100 %" if resolved else "over 100 %"
    if kind == "consumed_percent":
        return f"back below {threshold}" if resolved else f"{threshold} reached"
    return f"more than {threshold} left again" if resolved else f"{threshold} or less left"


def _describe_consumption(evaluation: RuleEvaluation, contract: EvaluationInput) -> str:
    """Such as ``32 h of 40 h used in March 2026``, or ``1 h used in March 2026 with 5 h overdrawn from …``."""
    subject, currency = evaluation.subject, get_currency(contract)
    consumed, available = subject.figures.consumed if subject.figures else 0, subject.available or 0
    start, end = subject.period or (contract.terms.start_date, contract.terms.end_date)
    period = format_period(start, end)
    preposition = "from" if " to " in period else "in"
    shortage = format_shortage(available, currency)
    detail = f", with {shortage}" if shortage else ""
    return f"{format_consumption(consumed, available, currency)} used {preposition} {period}{detail}"


def _describe_forecast(evaluation: RuleEvaluation, balance: Balance | None, today: date, *, count: bool = False) -> str:
    """The forecast in a sentence; with ``count`` also the days until then."""
    subject, forecast = evaluation.subject, balance.forecast if balance else None
    remaining = (
        None if subject.available is None or not subject.figures else subject.available - subject.figures.consumed
    )
    clause = describe_forecast(forecast, today, remaining)
    if clause.is_past:
        return f"The budget {clause.text}."
    day = forecast.exhausts_on if forecast else None
    days = f" (in {format_days((day - today).days)})" if count and day and day > today else ""
    return f"At the current pace, the budget {clause.text}{days}."


def describe_missing(evaluation: RuleEvaluation, state: ThresholdState, contract: EvaluationInput, today: date) -> str:
    """What a threshold that is not reached still lacks.

    Such as ``31 h 30 min of 40 h used in March 2026. 80 % is reached at 32 h (30 min to go).``
    """
    trigger, terms, balance = evaluation.rule.trigger, contract.terms, contract.balance
    if trigger.kind in CALENDAR_TRIGGERS:
        return _describe_date(trigger, state, contract, today)
    if trigger.kind == "forecast_exhausts":
        if not balance or not balance.forecast:
            return "No forecast is available."
        return _describe_forecast(evaluation, balance, today, count=True)
    threshold, currency = format_threshold(trigger, state.threshold, terms.currency), get_currency(contract)
    if trigger.kind == "unaccounted_work":
        unaccounted = balance.unaccounted_seconds if balance else 0
        missing = format_quantity(max(_find_threshold_value(trigger, state), 1) - unaccounted, None)
        return (
            f"{format_quantity(unaccounted, None)} of logged work is not being counted. "
            f"The alert is at {threshold} ({missing} to go)."
        )
    required = _compute_required_consumption(evaluation, state)
    consumed = evaluation.subject.figures.consumed if evaluation.subject.figures else 0
    names = {"consumed_percent": threshold, "overrun": "More than 100 %"}
    return (
        f"{_describe_consumption(evaluation, contract)}. {names.get(trigger.kind, f'{threshold} left')} is reached at "
        f"{format_quantity(required, currency)} ({format_quantity(required - consumed, currency)} to go)."
    )


def _describe_date(trigger: Trigger, state: ThresholdState, contract: EvaluationInput, today: date) -> str:
    end = contract.terms.end_date
    if trigger.kind == "expires_in_days" and today <= end:
        day = end - timedelta(days=int(state.threshold or 0))
        return f"The threshold is reached on {format_day(day)} (in {format_days((day - today).days)})."
    verb = "ends" if today <= end else "ended"
    return f"The contract is {contract.status} and {verb} on {format_day(end)}."


def _find_threshold_value(trigger: Trigger, state: ThresholdState) -> int:
    return next(value for value, text in sort_thresholds(trigger) if text == state.threshold)


def _compute_required_consumption(evaluation: RuleEvaluation, state: ThresholdState) -> int:
    """The consumption that reaches a limit, in seconds or minor units."""
    available, trigger = evaluation.subject.available or 0, evaluation.rule.trigger
    if trigger.kind == "overrun" or available <= 0:
        return max(available, 0) + 1
    value = _find_threshold_value(trigger, state)
    if trigger.kind == "consumed_percent":
        return -(-value * available // MILLIONTHS)  # rounded up
    return available - value


def get_currency(contract: EvaluationInput) -> str | None:
    """The currency of the contract's amounts; None if they are seconds."""
    return contract.terms.currency if contract.terms.type == "fixed_price" else None
