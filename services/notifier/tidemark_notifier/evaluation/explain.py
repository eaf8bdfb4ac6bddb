"""Why each rule has notified of a contract, or what is missing until it does (SPEC 4, explain)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from tidemark_notifier.evaluation.digest_schedule import find_next_digest_day
from tidemark_notifier.evaluation.evaluation_input import EvaluationInput
from tidemark_notifier.evaluation.notification_history import NotificationHistory, NotificationKey
from tidemark_notifier.evaluation.reasons import describe_missing
from tidemark_notifier.evaluation.rule_evaluation import (
    RuleEvaluation,
    ThresholdState,
    evaluate_rule,
    is_applicable,
    notifies,
)
from tidemark_notifier.evaluation.snapshot import format_subject_name, freeze_evaluation
from tidemark_notifier.language import ENGLISH
from tidemark_notifier.rules.rule import Scope, StoredRule
from tidemark_notifier.rules.triggers import CALENDAR_TRIGGERS, Trigger
from tidemark_shared.domain.bodies import Body

ExplainState = Literal[
    "fired", "skipped", "due", "not_reached", "no_plan", "inactive", "waiting", "not_applicable", "disabled", "replaced"
]


class ReceiverStatus(Body):
    """A receiver of a notification and the status of its delivery; the receiver is null if there was none."""

    receiver: str | None
    status: str


class FiredNotification(Body):
    """The notification that was raised for a threshold."""

    notification_id: UUID
    raised_at: datetime
    receivers: tuple[ReceiverStatus, ...]


class ExplainedThreshold(Body):
    """One threshold of a rule for one subject. ``name`` is that of the account, for a slice with the team's."""

    subject: Literal["contract", "account", "slice"]
    subject_id: str
    name: str | None
    period_start: date | None
    period_end: date | None
    threshold: str | None
    state: ExplainState
    text: str
    fired: FiredNotification | None


class ExplainedRule(Body):
    """A rule that could apply to a contract, and its state there."""

    rule_id: UUID
    rule_name: str
    version: int
    scope: Scope
    trigger: Trigger
    state: ExplainState
    text: str
    thresholds: tuple[ExplainedThreshold, ...]


_NO_PLAN: tuple[ExplainState, str] = "no_plan", "Nothing that this rule checks has a plan."
_NOTHING: dict[str, tuple[ExplainState, str]] = {"period_closed": ("waiting", "No period is settled yet.")}


def explain_rules(
    rules: Sequence[StoredRule],
    contract: EvaluationInput,
    notified: Iterable[NotificationKey],
    raised: Mapping[UUID, FiredNotification],
    today: date,
) -> list[ExplainedRule]:
    """Explain each of the ``rules`` for a contract. Expects the order of ``rules_in_scope``: the narrowest first."""
    history, narrowest, explained = NotificationHistory(notified), dict[str, StoredRule](), []
    for rule in rules:
        replacement = narrowest.setdefault(rule.name, rule)
        thresholds: tuple[ExplainedThreshold, ...] = ()
        if replacement is not rule:
            effect = "applies instead" if replacement.enabled else "turns it off for this contract"
            state: ExplainState = "replaced"
            text = f"The {replacement.scope.kind} rule with this name ({replacement.id}) {effect}."
        elif rule.enabled and rule.trigger.kind == "digest":
            state, day = "not_reached", ENGLISH.format_day(find_next_digest_day(rule.trigger, today))
            text = f"The next digest is due on {day}."
        else:
            if rule.enabled:
                thresholds = tuple(_explain_thresholds(rule, contract, history, raised, today))
            state, text = _explain_rule(rule, contract, thresholds, today)
        explained.append(
            ExplainedRule(
                rule_id=rule.id,
                rule_name=rule.name,
                version=rule.version,
                scope=rule.scope,
                trigger=rule.trigger,
                state=state,
                text=text,
                thresholds=thresholds,
            )
        )
    return explained


def _explain_rule(
    rule: StoredRule, contract: EvaluationInput, thresholds: Sequence[ExplainedThreshold], today: date
) -> tuple[ExplainState, str]:
    """The state of the threshold that got furthest, or why the rule evaluates nothing."""
    trigger, terms = rule.trigger, contract.terms
    for state in ("fired", "due", "skipped"):
        for threshold in reversed(thresholds):
            if threshold.state == state:
                return threshold.state, threshold.text
    if not rule.enabled:
        return "disabled", "The rule is disabled."
    if not is_applicable(trigger, terms):
        contract_type = f"{terms.type} contract" + (f" in {terms.currency}" if terms.currency else "")
        return "not_applicable", f"The trigger {trigger.kind} does not apply to this {contract_type}."
    if not notifies(trigger, contract.status, terms.end_date, today):
        return "inactive", f"The contract is {contract.status}. {_describe_statuses(trigger)}"
    if contract.awaited and trigger.kind not in CALENDAR_TRIGGERS:
        return "waiting", f"Waiting for {contract.awaited}."
    first = thresholds[0] if thresholds else None
    return (first.state, first.text) if first else _NOTHING.get(trigger.kind, _NO_PLAN)


def _describe_statuses(trigger: Trigger) -> str:
    if trigger.kind in ("expires_in_days", "forecast_exhausts"):
        return "This trigger is evaluated only while the contract is ACTIVE."
    if trigger.kind == "unaccounted_work":
        return "The work of a draft is not evaluated."
    return "Limits are evaluated while the contract is ACTIVE, and for 30 days after its end."


def _explain_thresholds(
    rule: StoredRule,
    contract: EvaluationInput,
    history: NotificationHistory,
    raised: Mapping[UUID, FiredNotification],
    today: date,
) -> Iterator[ExplainedThreshold]:
    """Each threshold of each subject, the nearest first."""
    is_active = notifies(rule.trigger, contract.status, contract.terms.end_date, today)
    for evaluation in evaluate_rule(rule, contract, today):
        for threshold in evaluation.states:
            key = history.find(evaluation, threshold, "crossing")
            period, subject = evaluation.subject.period, evaluation.subject
            fired = raised.get(key.notification_id) if key and key.notification_id else None
            state, text = _explain_threshold(evaluation, threshold, contract, key, today, is_active=is_active)
            yield ExplainedThreshold(
                subject=subject.kind,
                subject_id=subject.id,
                name=format_subject_name(evaluation, contract),
                period_start=period and period.start,
                period_end=period and period.end,
                threshold=threshold.threshold,
                state=state,
                text=text,
                fired=fired,
            )


def _explain_threshold(
    evaluation: RuleEvaluation,
    threshold: ThresholdState,
    contract: EvaluationInput,
    key: NotificationKey | None,
    today: date,
    *,
    is_active: bool,
) -> tuple[ExplainState, str]:
    text = (
        freeze_evaluation("crossing", evaluation, threshold, contract, today).reason
        if threshold.reached
        else describe_missing(evaluation, threshold, contract, today)
    )
    if key and key.notified:
        return "fired", f"Notified on {ENGLISH.format_day(key.notified_on)}. {text}"
    if key:
        return "skipped", f"Reached before the rule applied here, and the rule skips existing crossings. {text}"
    if not threshold.reached:
        return "not_reached", text
    return ("due", f"The notification is about to be raised. {text}") if is_active else ("inactive", text)
