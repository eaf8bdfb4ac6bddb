"""The notifications that a rule would raise: along a contract's real curve, or for its present state (SPEC 4, 5).

:func:`~tidemark_notifier.evaluation.evaluator.evaluate` decides, as in production. This module only builds the
balances that it would have read at the end of each day.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from tidemark_notifier.evaluation.addressees import resolve_addressees
from tidemark_notifier.evaluation.evaluation_input import EvaluationInput, StatusChange
from tidemark_notifier.evaluation.evaluator import PendingNotification, evaluate
from tidemark_notifier.evaluation.notification_history import NotificationKey
from tidemark_notifier.evaluation.offers import find_rule_offer
from tidemark_notifier.evaluation.snapshot import format_subject_name, freeze_notification
from tidemark_notifier.rules.rule import StoredRule
from tidemark_shared.domain.balances import (
    AccountBalance,
    Balance,
    ContractPeriodFigures,
    Figures,
    PeriodFigures,
    SliceBalance,
)
from tidemark_shared.domain.bodies import Body, RuleOffer
from tidemark_shared.domain.crossing import ChangedBalance, Crossing


class CurvePoint(Body):
    """The consumption at the end of a day, of the whole and of that day's period; a day of consumption's curve."""

    day: date
    whole: Figures
    period: ContractPeriodFigures | None


class CurveKey(NamedTuple):
    """Whose curve: the contract's (no ids), an account's, or a slice's."""

    account_id: UUID | None = None
    team_id: UUID | None = None


Curves = Mapping[CurveKey, Sequence[CurvePoint]]


class NotificationPreview(Body):
    """A notification that would be raised: the day in the contract's zone, and the receivers."""

    day: date
    contract_id: UUID
    contract_code: str
    kind: str
    subject: str
    subject_id: str
    name: str | None
    period_start: date | None
    threshold: str | None
    text: str
    receivers: tuple[str, ...]
    offer: RuleOffer | None


def preview_notification(
    notification: PendingNotification, contract: EvaluationInput, today: date
) -> NotificationPreview:
    """The text and the receivers of a pending notification."""
    snapshot, subject = freeze_notification(notification, contract, today), notification.evaluation.subject
    addressees = resolve_addressees(notification.rule, contract, today, subject.account_id)
    return NotificationPreview(
        day=today,
        contract_id=contract.contract_id,
        contract_code=snapshot.contract_code,
        kind=snapshot.kind,
        subject=subject.kind,
        subject_id=subject.id,
        name=format_subject_name(notification.evaluation, contract),
        period_start=snapshot.period_start,
        threshold=snapshot.threshold,
        text=snapshot.reason,
        receivers=tuple(addressee.receiver for addressee in addressees),
        offer=find_rule_offer(notification, contract),
    )


def find_crossings(
    rules: Sequence[StoredRule],
    contract: EvaluationInput,
    notified: Sequence[NotificationKey],
    today: date,
    change: ChangedBalance,
) -> Iterator[Crossing]:
    """What a change of the balance would notify of, beyond what the balance before it does."""
    due = {
        key
        for notification in evaluate(rules, contract._replace(balance=change.before), notified, today)
        for key in notification.keys
    }
    changed = contract._replace(balance=change.after)
    for notification in evaluate(rules, changed, notified, today):
        if notification.kind == "crossing" and notification.notify and notification.keys[-1] not in due:
            preview, rule = preview_notification(notification, changed, today), notification.rule
            yield Crossing(
                rule_id=rule.id,
                rule_name=rule.name,
                trigger=rule.trigger.kind,
                **preview.model_dump(exclude={"day", "kind"}),
            )


def list_required_curves(rule: StoredRule, contract: EvaluationInput) -> list[CurveKey]:
    """The curves that a preview of ``rule`` needs."""
    accounts = contract.terms.accounts
    if rule.trigger.of == "account":
        return [CurveKey(account.id) for account in accounts]
    if rule.trigger.of == "slice":
        return [CurveKey(account.id, part.team_id) for account in accounts for part in account.slices]
    return [CurveKey()] if rule.trigger.of == "contract" else []


def preview_rule(rule: StoredRule, contract: EvaluationInput, curves: Curves) -> Iterator[NotificationPreview]:
    """Preview a rule day by day, as if the contract had been ACTIVE from its first day to its last.

    Limits are evaluated on the days of the curves, dates up to the end of the contract. Forecasts and unaccounted
    work are on no curve, so they are not previewed.
    """
    keys: list[NotificationKey] = []
    start, end = contract.terms.start_date, contract.terms.end_date
    readers = {key: _CurveReader(curve) for key, curve in curves.items()}
    last = max((curve[-1].day for curve in curves.values() if curve), default=start)
    first = min((curve[0].day for curve in curves.values() if curve), default=start)
    for number in range((max(last, end + timedelta(days=1)) - min(first, start)).days + 1):
        today = min(first, start) + timedelta(days=number)
        for reader in readers.values():
            reader.advance(today)
        contract_today = contract._replace(
            status_changes=(StatusChange(1, "ACTIVE") if today <= end else StatusChange(2, "EXPIRED"),),
            balance=_build_balance(contract, readers) if first <= today <= last and curves else None,
            skipped_rule_versions=None,
        )
        for notification in evaluate([rule], contract_today, keys, today):
            keys += notification.notification_keys(today)
            yield preview_notification(notification, contract_today, today)


class _CurveReader:
    """A curve up to a day."""

    def __init__(self, curve: Sequence[CurvePoint]) -> None:
        self._remaining = list(reversed(curve))
        self.whole = Figures(planned=None, consumed=0, remaining=None, percent=None, worklogs=0, unrated_seconds=None)
        self.periods: dict[date, ContractPeriodFigures] = {}

    def advance(self, today: date) -> None:
        while self._remaining and self._remaining[-1].day <= today:
            point = self._remaining.pop()
            self.whole = point.whole
            if point.period:
                self.periods[point.period.start] = point.period


def _build_balance(contract: EvaluationInput, readers: Mapping[CurveKey, _CurveReader]) -> Balance:
    """The balance at the end of a day, with the figures that the rule uses."""
    empty = _CurveReader([])
    whole, terms = readers.get(CurveKey(), empty), contract.terms
    return Balance(
        contract_id=contract.contract_id,
        contract_code=terms.code,
        status="ACTIVE",
        stream_version=0,
        revision=0,
        unit="seconds" if terms.type == "time_and_materials" else "minor",
        currency=terms.currency,
        unaccounted_seconds=0,
        forecast=None,
        whole=whole.whole,
        periods=tuple(whole.periods.values()),
        accounts=tuple(
            AccountBalance(
                account_id=account.id,
                name=account.name,
                billable=account.billable,
                whole=readers.get(CurveKey(account.id), empty).whole,
                periods=_list_period_figures(readers.get(CurveKey(account.id), empty)),
                slices=tuple(
                    SliceBalance(team_id=part.team_id, whole=reader.whole, periods=_list_period_figures(reader))
                    for part in account.slices
                    if (reader := readers.get(CurveKey(account.id, part.team_id)))
                ),
            )
            for account in terms.accounts
        ),
    )


def _list_period_figures(reader: _CurveReader) -> tuple[PeriodFigures, ...]:
    """The figures without what is carried, which only a contract has."""
    return tuple(PeriodFigures.model_validate(figures.model_dump()) for figures in reader.periods.values())
