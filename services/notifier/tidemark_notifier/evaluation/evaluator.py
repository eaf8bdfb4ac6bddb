"""Which notifications a contract needs now: pure. SPEC 5, N1, N2, N4.

:func:`~tidemark_notifier.evaluation.rule_evaluation.evaluate_rule` says which thresholds are reached; this compares
them with the notification history.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import chain
from typing import Literal, NamedTuple
from uuid import UUID

from tidemark_notifier.evaluation.evaluation_input import EvaluationInput
from tidemark_notifier.evaluation.notification_history import DedupKey, NotificationHistory, NotificationKey
from tidemark_notifier.evaluation.rule_evaluation import RuleEvaluation, evaluate_rule, notifies
from tidemark_notifier.rules.rule import StoredRule
from tidemark_notifier.rules.triggers import CALENDAR_TRIGGERS
from tidemark_shared.domain.bodies import Status

NotificationKind = Literal["crossing", "reminder", "resolved"]


class PendingNotification(NamedTuple):
    """A notification to raise, with the keys of all thresholds that it covers, the furthest last.

    With ``notify`` False nothing is raised: the crossing is older than the rule, and the rule skips it.
    """

    kind: NotificationKind
    evaluation: RuleEvaluation
    keys: tuple[DedupKey, ...]
    notify: bool

    @property
    def rule(self) -> StoredRule:
        """The rule that fires."""
        return self.evaluation.rule

    @property
    def threshold(self) -> str | None:
        """The furthest threshold."""
        return self.keys[-1].threshold

    def notification_keys(self, today: date) -> Iterator[NotificationKey]:
        """The keys that count as notified with it."""
        return (NotificationKey(key, today, self.notify) for key in self.keys)


def evaluate(
    rules: Sequence[StoredRule], contract: EvaluationInput, notified: Iterable[NotificationKey], today: date
) -> list[PendingNotification]:
    """The notifications that the effective ``rules`` raise for a contract, ``today`` in its time zone."""
    pending: list[PendingNotification] = []
    history, skipped = NotificationHistory(notified), contract.skipped_rule_versions
    for rule in rules:
        skips = rule.existing == "skip" and skipped is not None and skipped.get(rule.id) != rule.version
        is_active = notifies(rule.trigger, contract.status, contract.terms.end_date, today)
        for evaluation in evaluate_rule(rule, contract, today) if is_active or skips else ():
            steps = [_find_crossing(evaluation, history, notify=not skips)]
            if is_active:
                steps += [
                    _find_resolution(evaluation, history),
                    _find_reminder(evaluation, history, contract.status, today),
                ]
            for notification in chain.from_iterable(steps):
                # The steps are lazy: each one sees the keys of those before it. A status that began and ended since the
                # last evaluation is crossed and resolved in one.
                history.add(notification.notification_keys(today))
                pending.append(notification)
    return pending


def _find_crossing(
    evaluation: RuleEvaluation, history: NotificationHistory, *, notify: bool
) -> Iterator[PendingNotification]:
    """One notification for all newly reached thresholds; it names the furthest."""
    reached = [
        state for state in evaluation.states if state.reached and not history.find(evaluation, state, "crossing")
    ]
    if reached:
        keys = tuple(history.dedup_key(evaluation, state, "crossing") for state in reached)
        yield PendingNotification("crossing", evaluation, keys, notify)


def _find_resolution(evaluation: RuleEvaluation, history: NotificationHistory) -> Iterator[PendingNotification]:
    """One notification for all notified thresholds that are no longer reached; it names the nearest."""
    resolved = [
        state for state in reversed(evaluation.states) if not state.reached and history.is_open(evaluation, state)
    ]
    if resolved and evaluation.rule.notify_resolved:
        keys = tuple(history.dedup_key(evaluation, state, "resolved") for state in resolved)
        yield PendingNotification("resolved", evaluation, keys, notify=True)


def _find_reminder(
    evaluation: RuleEvaluation, history: NotificationHistory, status: Status | None, today: date
) -> Iterator[PendingNotification]:
    """A reminder of the furthest reached threshold, every ``remind_every_days``; late if nothing ran on that day."""
    interval_days, period = evaluation.rule.remind_every_days, evaluation.subject.period
    reached = [state for state in evaluation.states if state.reached]
    if not interval_days or not reached or status != "ACTIVE" or (period and today > period.end):
        return
    furthest = reached[-1]
    crossing = history.find(evaluation, furthest, "crossing")
    if crossing and crossing.notified:
        reminder = history.dedup_key(evaluation, furthest, f"reminder {today}")
        last_day = max(key.notified_on for key in history.at(evaluation, furthest) if key.dedup_key[:8] == reminder[:8])
        first_day = crossing.notified_on
        if (today - first_day).days // interval_days > (last_day - first_day).days // interval_days:
            yield PendingNotification("reminder", evaluation, (reminder,), notify=True)


def find_skipped_rule_versions(rules: Iterable[StoredRule], contract: EvaluationInput) -> dict[UUID, int]:
    """The versions of rules with ``existing: skip`` that have now skipped earlier crossings of the contract.

    A rule that waits for the balance has not skipped anything yet.
    """
    previous = contract.skipped_rule_versions or {}
    evaluated = {
        rule.id: rule.version
        for rule in rules
        if contract.skipped_rule_versions is None
        or contract.balance is not None
        or rule.trigger.kind in CALENDAR_TRIGGERS
    }
    versions = {rule.id: evaluated.get(rule.id, previous.get(rule.id)) for rule in rules if rule.existing == "skip"}
    return {id_: version for id_, version in versions.items() if version is not None}


def find_next_evaluation_day(
    rules: Sequence[StoredRule], contract: EvaluationInput, notified: Iterable[NotificationKey], today: date
) -> date | None:
    """The first day after ``today`` on which :func:`evaluate` may raise something without a new event."""
    days: list[date] = []
    by_name = {rule.name: rule for rule in rules}
    for rule in rules:
        trigger, forecast = rule.trigger, contract.balance and contract.balance.forecast
        if trigger.kind == "expires_in_days":
            days += [contract.terms.end_date - timedelta(days=int(threshold)) for threshold in trigger.at or ()]
        if trigger.over == "period" or trigger.kind == "forecast_exhausts":
            days += [period.start for period in contract.terms.periods]
        if trigger.within_days is not None and forecast and forecast.exhausts_on:
            days.append(forecast.exhausts_on - timedelta(days=trigger.within_days))
    for key in notified:
        interval_days = key.dedup_key.rule_name in by_name and by_name[key.dedup_key.rule_name].remind_every_days
        if interval_days and key.notified and key.dedup_key.kind == "crossing" and contract.status == "ACTIVE":
            intervals = (today - key.notified_on).days // interval_days + 1
            days.append(key.notified_on + timedelta(days=interval_days * intervals))
    return min((day for day in days if day > today), default=None)
