"""Why a notification is raised, and what a threshold still lacks, each in a sentence."""

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tidemark_notifier.evaluation.evaluation_input import EvaluationInput
from tidemark_notifier.evaluation.formatting import (
    STATUS_NAMES,
    classify_forecast,
    format_consumption,
    format_forecast_day,
)
from tidemark_notifier.evaluation.offer_text import describe_offer
from tidemark_notifier.evaluation.rule_evaluation import (
    MILLIONTHS,
    RuleEvaluation,
    ThresholdState,
    sort_thresholds,
)
from tidemark_notifier.language import ENGLISH, N_, Language
from tidemark_notifier.rules.triggers import CALENDAR_TRIGGERS, Trigger
from tidemark_shared.domain.balances import Forecast
from tidemark_shared.domain.quantities import hours_to_seconds

if TYPE_CHECKING:
    # A snapshot has a reason, so its module imports this one.
    from tidemark_notifier.evaluation.snapshot import Snapshot

_FORECAST_SENTENCES = {
    "lasts": N_("At the current pace, the budget lasts until the end."),
    "runs_out": N_("At the current pace, the budget runs out %(when)s."),
    "expected": N_("The budget was expected to run out %(when)s."),
    "used_up": N_("The budget was used up %(when)s."),
}


def format_threshold(kind: str, threshold: str | None, currency: str | None, language: Language = ENGLISH) -> str:
    """A threshold of a trigger of this kind as people read it; empty if the trigger has none."""
    if threshold is None:
        return language.format_percent("100") if kind == "overrun" else ""
    if kind == "consumed_percent":
        return language.format_percent(threshold)
    if kind in ("remaining_hours", "unaccounted_work"):
        return language.format_quantity(hours_to_seconds(Decimal(threshold)), None)
    if kind == "remaining_amount":
        return language.format_quantity(int(threshold), currency)
    return threshold if kind == "status_changed" else language.format_days(int(threshold))


def describe_reason(snapshot: "Snapshot", language: Language = ENGLISH) -> str:
    """Why the notification is raised, in one sentence that a customer may read."""
    _, resolved = language.gettext, snapshot.kind == "resolved"
    end = language.format_day(snapshot.contract_end)
    threshold = format_threshold(snapshot.trigger, snapshot.threshold, snapshot.currency, language)
    match snapshot.trigger:
        case "offer" if snapshot.offer:
            reason = describe_offer(snapshot.offer, snapshot, language)
        case "expires_in_days" if snapshot.days_left:
            days = language.format_days(snapshot.days_left)
            reason = _("The contract ends on %(end)s (%(days)s left).", end=end, days=days)
        case "expires_in_days":
            reason = _("The contract ends today, %(end)s.", end=end)
        case "expired" if resolved:
            status = _(STATUS_NAMES[snapshot.status])
            reason = _("The contract is %(status)s again and ends on %(end)s.", status=status, end=end)
        case "expired":
            reason = _("The contract ended on %(end)s.", end=end)
        case "status_changed":
            reason = _describe_status(snapshot.threshold or "DRAFT", snapshot.status, end, language)
        case "period_closed":
            reason = _describe_statement(snapshot, language)
        case "unaccounted_work":
            hours = language.format_quantity(snapshot.unaccounted_seconds or 0, None)
            reason = (
                _("%(hours)s of logged work is not being counted (below the alert at %(threshold)s).",
                  hours=hours, threshold=threshold)
                if resolved
                else _("%(hours)s of logged work is not being counted (alert at %(threshold)s).",
                       hours=hours, threshold=threshold)
            )  # fmt: skip
        case "forecast_exhausts":
            reason = describe_forecast(snapshot.forecast, snapshot.raised_on, snapshot.remaining, language)
        case _:
            start, last = snapshot.period_start or snapshot.contract_start, snapshot.period_end or snapshot.contract_end
            consumption = _describe_consumption(
                snapshot.consumed or 0, snapshot.available or 0, (start, last), snapshot.currency, language
            )
            comparison = _describe_comparison(snapshot.trigger, threshold, language, resolved=resolved)
            reason = f"{consumption} ({comparison})."
    return reason


def _describe_statement(snapshot: "Snapshot", language: Language) -> str:
    """What was used of a settled period; or what has changed since, of billable accounts, or else of the others."""
    if not snapshot.corrections:
        start, last = snapshot.period_start or snapshot.contract_start, snapshot.period_end or snapshot.contract_end
        consumed, available = snapshot.consumed or 0, snapshot.available or 0
        return language.gettext(
            "%(consumption)s. The period is settled: later changes are listed in the next statement.",
            consumption=_describe_consumption(consumed, available, (start, last), snapshot.currency, language),
        )
    billable = [line for line in snapshot.corrections if line.billable]
    changes = ", ".join(
        language.gettext(
            "%(account)s %(before)s → %(after)s",
            account=line.name or "",
            before=language.format_quantity(line.before, snapshot.currency),
            after=language.format_quantity(line.after, snapshot.currency),
        )
        for line in billable or snapshot.corrections
    )
    period = language.format_period(
        snapshot.period_start or snapshot.contract_start, snapshot.period_end or snapshot.contract_end
    )
    return language.gettext("The statement of %(period)s is corrected: %(changes)s.", period=period, changes=changes)


def _describe_status(status: str, current: str, end: str, language: Language) -> str:
    _, now = language.gettext, language.gettext(STATUS_NAMES[current])
    if status != current:
        return _("The contract was %(was)s and is now %(now)s.", was=_(STATUS_NAMES[status]), now=now)
    if status == "INACTIVE":
        return _("The contract is now suspended: work on it is not counted until it is active again.")
    if status == "EXPIRED":
        return _("The contract is now expired: it ended on %(end)s.", end=end)
    return _("The contract is now %(status)s.", status=now)


def _describe_comparison(kind: str, threshold: str, language: Language, *, resolved: bool) -> str:
    _ = language.gettext
    if kind == "overrun":
        percent = language.format_percent("100")
        return _("no longer over %(percent)s", percent=percent) if resolved else _("over %(percent)s", percent=percent)
    if kind == "consumed_percent":
        return (
            _("back below %(threshold)s", threshold=threshold)
            if resolved
            else _("%(threshold)s reached", threshold=threshold)
        )
    return (
        _("more than %(threshold)s left again", threshold=threshold)
        if resolved
        else _("%(threshold)s or less left", threshold=threshold)
    )


def _describe_consumption(
    consumed: int, available: int, period: tuple[date, date], currency: str | None, language: Language = ENGLISH
) -> str:
    """Such as ``32 h of 40 h used in March 2026``, or ``1 h used in March 2026, with 5 h overdrawn from …``."""
    _, used = language.gettext, format_consumption(consumed, available, currency, language)
    text = _("%(consumption)s used %(period)s", consumption=used, period=language.format_within_period(*period))
    if available > 0:
        return text
    if not available:
        return text + _(", with nothing left by the period before")
    return text + _(
        ", with %(amount)s overdrawn from the period before", amount=language.format_quantity(-available, currency)
    )


def describe_forecast(
    forecast: Forecast | None, today: date, remaining: int | None, language: Language = ENGLISH
) -> str:
    """The forecast of a budget of which ``remaining`` is left, in a sentence."""
    sentence = _FORECAST_SENTENCES[classify_forecast(forecast, today, remaining)]
    return language.gettext(sentence, when=format_forecast_day(forecast, today, language))


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
        return _describe_coming_forecast(evaluation, balance.forecast, today)
    threshold, currency = format_threshold(trigger.kind, state.threshold, terms.currency), get_currency(contract)
    if trigger.kind == "unaccounted_work":
        unaccounted = balance.unaccounted_seconds if balance else 0
        missing = ENGLISH.format_quantity(max(_find_threshold_value(trigger, state), 1) - unaccounted, None)
        return (
            f"{ENGLISH.format_quantity(unaccounted, None)} of logged work is not being counted. "
            f"The alert is at {threshold} ({missing} to go)."
        )
    required = _compute_required_consumption(evaluation, state)
    consumed = evaluation.subject.figures.consumed if evaluation.subject.figures else 0
    names = {"consumed_percent": threshold, "overrun": "More than 100 %"}
    missing = ENGLISH.format_quantity(required - consumed, currency)
    period = evaluation.subject.period or (terms.start_date, terms.end_date)
    consumption = _describe_consumption(consumed, evaluation.subject.available or 0, period, currency)
    return (
        f"{consumption}. {names.get(trigger.kind, f'{threshold} left')} is reached at "
        f"{ENGLISH.format_quantity(required, currency)} ({missing} to go)."
    )


def _describe_coming_forecast(evaluation: RuleEvaluation, forecast: Forecast, today: date) -> str:
    """The forecast in a sentence, with the days until then."""
    subject, day = evaluation.subject, forecast.exhausts_on
    remaining = (
        None if subject.available is None or not subject.figures else subject.available - subject.figures.consumed
    )
    sentence = describe_forecast(forecast, today, remaining)
    return f"{sentence[:-1]} (in {ENGLISH.format_days((day - today).days)})." if day and day > today else sentence


def _describe_date(trigger: Trigger, state: ThresholdState, contract: EvaluationInput, today: date) -> str:
    end = contract.terms.end_date
    if trigger.kind == "expires_in_days" and today <= end:
        day = end - timedelta(days=int(state.threshold or 0))
        return f"The threshold is reached on {ENGLISH.format_day(day)} (in {ENGLISH.format_days((day - today).days)})."
    verb = "ends" if today <= end else "ended"
    return f"The contract is {contract.status} and {verb} on {ENGLISH.format_day(end)}."


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
