"""Evaluate one rule for one contract: which thresholds are reached. SPEC 5, N1, N4.

All comparisons are of integers, so a threshold fires at the exact second or minor unit that reaches it.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple
from uuid import UUID

from tidemark_notifier.evaluation.evaluation_input import (
    ContractTerms,
    EvaluationInput,
    Restatement,
    list_corrections,
)
from tidemark_notifier.rules.rule import StoredRule
from tidemark_notifier.rules.triggers import LIMIT_TRIGGERS, Trigger
from tidemark_shared.domain.balances import Balance, ContractPeriodFigures, Figures, PeriodFigures
from tidemark_shared.domain.bodies import Status
from tidemark_shared.domain.calendar import Period, find_period_index
from tidemark_shared.domain.quantities import hours_to_seconds

LATE_DAYS = 30
MILLIONTHS = 1_000_000


class ThresholdKey(NamedTuple):
    """A threshold of a rule for one subject, in any episode: the beginning of a deduplication key."""

    rule_name: str
    trigger: str
    subject: str
    subject_id: str
    period_start: date | None
    threshold: str | None


class Subject(NamedTuple):
    """A contract, an account or a slice, in one period or as a whole, with its figures."""

    kind: Literal["contract", "account", "slice"]
    id: str
    period: Period | None = None
    figures: Figures | None = None
    account_id: UUID | None = None
    team_id: UUID | None = None

    @property
    def planned(self) -> int | None:
        """The planned amount; None without a plan."""
        return self.figures.planned if self.figures else None

    @property
    def available(self) -> int | None:
        """The planned amount, for a contract's period plus what is carried into it (SPEC 9, rollover)."""
        if isinstance(self.figures, ContractPeriodFigures) and self.figures.available is not None:
            return self.figures.available
        return self.planned


class ThresholdState(NamedTuple):
    """One threshold of a rule, as text (None if the trigger has none), and whether it is reached."""

    threshold: str | None
    reached: bool


class RuleEvaluation(NamedTuple):
    """A rule evaluated for one subject: the state of its thresholds, the furthest last, and the episode."""

    rule: StoredRule
    subject: Subject
    episode: str
    states: tuple[ThresholdState, ...]

    def threshold_key(self, state: ThresholdState) -> ThresholdKey:
        """The part that the deduplication keys of a threshold share."""
        period = self.subject.period
        name, kind = self.rule.name, self.rule.trigger.kind
        return ThresholdKey(name, kind, self.subject.kind, self.subject.id, period and period.start, state.threshold)


def is_applicable(trigger: Trigger, terms: ContractTerms) -> bool:
    """Whether a contract of this type and currency can reach the trigger at all."""
    if trigger.kind == "remaining_hours":
        return terms.type == "time_and_materials"
    if trigger.kind == "remaining_amount":
        return terms.type == "fixed_price" and trigger.currency in (None, terms.currency)
    # A slice of a fixed-price contract has no plan (C3).
    return not (trigger.of == "slice" and terms.type == "fixed_price")


def notifies(trigger: Trigger, status: Status | None, end_date: date, today: date) -> bool:
    """Whether the trigger may notify in this status. Limits also do so for 30 days after the end (N4)."""
    if status is None or trigger.kind == "digest":
        return False
    if trigger.kind in LIMIT_TRIGGERS:
        return status in ("ACTIVE", "EXPIRED") and today <= end_date + timedelta(days=LATE_DAYS)
    if trigger.kind in ("expires_in_days", "forecast_exhausts"):
        # After its end date the contract expires: there are no days left, and nothing is resolved.
        return status == "ACTIVE" and today <= end_date
    return trigger.kind != "unaccounted_work" or status != "DRAFT"


def evaluate_rule(rule: StoredRule, contract: EvaluationInput, today: date) -> Iterator[RuleEvaluation]:
    """Evaluate a rule for each of its subjects. Yields nothing if there is nothing to evaluate yet."""
    trigger, terms, balance = rule.trigger, contract.terms, contract.balance
    subject = Subject("contract", str(contract.contract_id), figures=balance.whole if balance else None)
    if trigger.kind == "expires_in_days":
        days_left = (terms.end_date - today).days
        thresholds = sorted(map(int, trigger.at or ()), reverse=True)
        states = tuple(ThresholdState(str(threshold), days_left <= threshold) for threshold in thresholds)
        yield RuleEvaluation(rule, subject, str(terms.end_date), states)
    elif trigger.kind == "expired":
        state = ThresholdState(None, contract.status == "EXPIRED")
        yield RuleEvaluation(rule, subject, str(terms.end_date), (state,))
    elif trigger.kind == "status_changed":
        yield from _evaluate_status_changes(rule, subject, contract)
    elif trigger.kind == "period_closed":
        yield from _evaluate_closed_periods(rule, subject, contract)
    elif balance is None or trigger.kind == "digest" or not is_applicable(trigger, terms):
        return
    elif trigger.kind == "unaccounted_work":
        unaccounted = balance.unaccounted_seconds
        states = tuple(ThresholdState(text, unaccounted >= max(value, 1)) for value, text in sort_thresholds(trigger))
        yield RuleEvaluation(rule, subject, "", states)
    elif trigger.kind == "forecast_exhausts":
        yield from _evaluate_forecast(rule, balance, terms.periods[find_period_index(terms.periods, today)], today)
    else:
        for limited in _list_limit_subjects(rule, contract, balance, today):
            yield RuleEvaluation(rule, limited, str(limited.planned), tuple(_compute_limit_states(trigger, limited)))


def _evaluate_status_changes(rule: StoredRule, subject: Subject, contract: EvaluationInput) -> Iterator[RuleEvaluation]:
    # After the first evaluation, the oldest status change has already been evaluated.
    earlier = contract.status_changes[contract.skipped_rule_versions is not None : -1]
    matching = tuple(change for change in earlier if change.status == rule.trigger.to)
    for change in (*matching, *contract.status_changes[-1:]):
        state = ThresholdState(rule.trigger.to, change.status == rule.trigger.to)
        yield RuleEvaluation(rule, subject, str(change.stream_version), (state,))


def _evaluate_closed_periods(rule: StoredRule, subject: Subject, contract: EvaluationInput) -> Iterator[RuleEvaluation]:
    """Each settled period with the figures of its statement, whatever the balance says now; and its restatements."""
    for closed in contract.closed_periods:
        period = Period(closed.figures.start, closed.figures.end)
        settled = subject._replace(period=period, figures=closed.figures)
        yield RuleEvaluation(rule, settled, str(closed.number), (ThresholdState(None, reached=True),))
    by_number: dict[int, list[Restatement]] = {}
    for restatement in contract.restatements:
        by_number.setdefault(restatement.statement_number, []).append(restatement)
    for number, restatements in by_number.items():
        last, corrections = restatements[-1], list_corrections(restatements)
        if not corrections:
            continue
        # The customer is not notified of accounts that are not billable.
        account_id = None if any(item.billable for _, item in corrections) else last.account_id
        restated = Subject("contract", subject.id, Period(last.period_start, last.period_end), account_id=account_id)
        yield RuleEvaluation(rule, restated, f"{number}.{last.restatement}", (ThresholdState(None, reached=True),))


def _evaluate_forecast(rule: StoredRule, balance: Balance, period: Period, today: date) -> Iterator[RuleEvaluation]:
    """The forecast is about the available amount of the current period."""
    figures = next((figures for figures in balance.periods if figures.start == period.start), None)
    if figures is None or not figures.planned:
        return
    within_days, day = rule.trigger.within_days, balance.forecast.exhausts_on if balance.forecast else None
    latest = period.end - timedelta(days=1) if within_days is None else today + timedelta(days=within_days)
    state = ThresholdState(None if within_days is None else str(within_days), day is not None and day <= latest)
    subject = Subject("contract", str(balance.contract_id), period, figures)
    yield RuleEvaluation(rule, subject, str(figures.planned), (state,))


def _list_limit_subjects(
    rule: StoredRule, contract: EvaluationInput, balance: Balance, today: date
) -> Iterator[Subject]:
    """The subjects that have a plan. Over periods: in the previous and the current period (N1)."""
    periods = contract.terms.periods
    index = find_period_index(periods, today)
    evaluated_starts = {period.start for period in periods[max(index - 1, 0) : index + 1]}
    for subject, period_figures in _list_subjects(rule.trigger, balance):
        candidates: list[tuple[Period | None, Figures | None]] = (
            [(None, subject.figures)]
            if rule.trigger.over == "whole"
            else [(Period(part.start, part.end), part) for part in period_figures if part.start in evaluated_starts]
        )
        for period, figures in candidates:
            if figures and figures.planned is not None and figures.planned > 0:
                yield subject._replace(period=period, figures=figures)


def _list_subjects(trigger: Trigger, balance: Balance) -> Iterator[tuple[Subject, Sequence[PeriodFigures]]]:
    """Each subject with the figures of its whole, and its figures by period."""
    if trigger.of == "contract":
        yield Subject("contract", str(balance.contract_id), figures=balance.whole), balance.periods
        return
    for account in balance.accounts:
        id_ = account.account_id
        if trigger.of == "account":
            yield Subject("account", str(id_), figures=account.whole, account_id=id_), account.periods
        else:
            for part in account.slices:
                yield Subject("slice", f"{id_}/{part.team_id}", None, part.whole, id_, part.team_id), part.periods


def _compute_limit_states(trigger: Trigger, subject: Subject) -> Iterator[ThresholdState]:
    """The thresholds of a limit, the furthest last."""
    figures, available = subject.figures, subject.available
    if figures is None or available is None:
        return
    consumed = figures.consumed
    if trigger.kind == "overrun":
        yield ThresholdState(None, consumed > max(available, 0))
    elif trigger.kind == "consumed_percent":
        for millionths, text in sort_thresholds(trigger):
            # If nothing is available of a plan, any consumption is beyond every percentage (SPEC 1).
            reached = consumed > 0 and (available <= 0 or consumed * MILLIONTHS >= millionths * available)
            yield ThresholdState(text, reached)
    else:
        for remaining, text in reversed(sort_thresholds(trigger)):
            yield ThresholdState(text, available - consumed <= remaining)


def sort_thresholds(trigger: Trigger) -> Sequence[tuple[int, str]]:
    """The thresholds as whole numbers, smallest first, each with its text.

    Percentages are in millionths, which is exact for their four decimals; hours are in seconds.
    """
    return _sort_thresholds(trigger.kind, trigger.at or ())


@lru_cache(maxsize=4096)
def _sort_thresholds(kind: str, at: tuple[str | int, ...]) -> list[tuple[int, str]]:
    if kind == "consumed_percent":
        return sorted((int(Decimal(text) * MILLIONTHS / 100), str(text)) for text in at)
    if kind in ("remaining_hours", "unaccounted_work"):
        return sorted((hours_to_seconds(Decimal(text)), str(text)) for text in at)
    return sorted((int(threshold), str(threshold)) for threshold in at)
