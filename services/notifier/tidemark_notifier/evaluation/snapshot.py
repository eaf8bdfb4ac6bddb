"""The frozen copy of the figures that a notification was raised for (N3)."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from tidemark_notifier.evaluation.evaluation_input import EvaluationInput, list_corrections
from tidemark_notifier.evaluation.evaluator import NotificationKind, PendingNotification
from tidemark_notifier.evaluation.reasons import describe_reason, format_threshold, get_currency
from tidemark_notifier.evaluation.rule_evaluation import RuleEvaluation, ThresholdState
from tidemark_shared.domain.balances import AccountBalance, Balance, Figures, Forecast
from tidemark_shared.domain.bodies import Body, Status
from tidemark_shared.domain.quantities import compute_percent, format_hours

OfferEvent = Literal["requested", "made", "accepted", "declined", "refused", "withdrawn", "expired"]
Attention = Literal["over", "account_over", "runs_out", "ended", "ends_soon", "not_counted"]
"""Why a contract needs attention, the most urgent first."""


class AccountLine(Body):
    """The figures of one account. ``evaluated`` marks the account that the notification is about."""

    name: str
    billable: bool
    evaluated: bool
    planned: int | None
    consumed: int


class OfferDetails(Body):
    """The offer that a notification is about, and what has happened to it."""

    offer_id: UUID
    version: int
    event: Annotated[OfferEvent, Field(description="What has happened; refused: it no longer fits the contract.")]
    amount: Annotated[int, Field(description="In the unit of the figures; negative if less is to be planned.")]
    reason: str
    price_minor: int | None
    price_currency: str | None
    note: str | None
    valid_until: Annotated[datetime | None, Field(description="Until when it can be answered; null for a request.")]
    person_name: Annotated[str | None, Field(description="Who asked for it or answered it, at the customer.")]
    remark: Annotated[str | None, Field(description="Said with the answer or the withdrawal.")]
    refusal: Annotated[str | None, Field(description="Why it could not be accepted when that was last tried.")]


class DigestFigures(Body):
    """What a digest showed of a contract: the next one says what has changed."""

    day: date
    status: Status
    contract_end: date
    planned: int | None
    """Of the whole contract, as ``consumed`` is."""
    consumed: int | None


class DigestDetails(DigestFigures):
    """What a digest says of a contract beside the figures of its current period."""

    previous: Annotated[
        DigestFigures | None,
        Field(description="What the last digest to this receiver showed; null if it is new there."),
    ]
    attention: Annotated[
        tuple[Attention, ...],
        Field(description="Why the contract needs attention, the most urgent first; the first is shown."),
    ]
    accounts_over: Annotated[tuple[str, ...], Field(description="The billable accounts that are over their plan.")]


class CorrectionLine(Body):
    """What an account of a settled period came to, and comes to after its restatements."""

    name: Annotated[str | None, Field(description="The account's name; null for a removed one.")]
    billable: Annotated[bool, Field(description="Whether the account is billable.")]
    before: Annotated[int, Field(description="What it came to, in the unit of the figures.")]
    after: Annotated[int, Field(description="What it comes to now, in the unit of the figures.")]


class Snapshot(Body):
    """The figures at the moment when a notification was raised. Mails and webhooks are made from this alone.

    Amounts are in ``unit``: whole seconds, or minor units of ``currency``. Figures that a trigger does not use may be
    null: a contract that expires may have no balance yet.
    """

    kind: Literal["crossing", "reminder", "resolved", "test", "offer", "digest"]
    trigger: str
    """The kind of the rule's trigger (SPEC 5), or ``offer``."""
    reason: str
    """Why the notification was raised, in one sentence that a customer may read."""
    contract_code: str
    contract_name: str
    organization_name: str
    timezone: str
    status: Status
    contract_start: date
    contract_end: date
    days_left: int
    """From the day it was raised to the last day of the contract; negative after it."""
    revision: int | None
    rule_name: str | None
    """Null, with its version and scope, in the notifications of offers."""
    rule_version: int | None
    scope: str | None
    threshold: str | None
    """As the rule has it; null for triggers without thresholds."""
    threshold_text: str
    """As people read it: ``80 %``, ``8 h``, ``500.00 EUR``, ``30 days``; empty for triggers without thresholds."""
    subject_kind: Literal["contract", "account", "slice"]
    account_name: str | None
    team_name: str | None
    period_start: date | None
    period_end: date | None
    unit: Literal["seconds", "minor"]
    currency: str | None
    planned: int | None
    available: int | None
    consumed: int | None
    remaining: int | None
    percent: str | None
    """Consumed as a percentage of available, with at most two decimals; null if nothing is available."""
    unaccounted_seconds: int | None
    forecast: Forecast | None
    accounts: tuple[AccountLine, ...]
    subject: str | None
    """The rule's own subject of the mail."""
    opening: str | None
    locale: str = "en"
    """The organization's. Texts of the snapshot are in English."""
    organization_id: UUID | None = None
    """Null in notifications of earlier versions, as are the two below."""
    owner_name: str | None = None
    """Of the contract's owner."""
    owner_email: str | None = None
    offer: OfferDetails | None = None
    digest: DigestDetails | None = None
    corrections: Annotated[
        tuple[CorrectionLine, ...],
        Field(description="What the statement was corrected by, by account; empty if it is about something else."),
    ] = ()

    @property
    def raised_on(self) -> date:
        """The day on which it was raised, in the contract's zone."""
        return self.contract_end - timedelta(days=self.days_left)


def freeze_notification(notification: PendingNotification, contract: EvaluationInput, today: date) -> Snapshot:
    """The snapshot of a pending notification, ``today`` in the contract's zone."""
    state = ThresholdState(notification.threshold, reached=True)
    return freeze_evaluation(notification.kind, notification.evaluation, state, contract, today)


def freeze_evaluation(
    kind: NotificationKind | Literal["test"],
    evaluation: RuleEvaluation,
    state: ThresholdState,
    contract: EvaluationInput,
    today: date,
) -> Snapshot:
    """The snapshot of a rule's evaluation, for one of its thresholds."""
    rule, subject, terms, balance = evaluation.rule, evaluation.subject, contract.terms, contract.balance
    start, end = subject.period or (None, None)
    planned, available = subject.planned, subject.available
    consumed = subject.figures.consumed if subject.figures else None
    percent = None if consumed is None or available is None else compute_percent(consumed, available)
    snapshot = Snapshot(
        **freeze_contract(contract, today),
        kind=kind,
        trigger=rule.trigger.kind,
        reason="",
        rule_name=rule.name,
        rule_version=rule.version,
        scope=rule.scope.kind,
        threshold=state.threshold,
        threshold_text=format_threshold(rule.trigger.kind, state.threshold, terms.currency),
        subject_kind=subject.kind,
        account_name=_find_account_name(evaluation, contract),
        team_name=_find_team_name(evaluation, contract),
        period_start=start,
        period_end=end,
        planned=planned,
        available=available,
        consumed=consumed,
        remaining=None if consumed is None or available is None else available - consumed,
        percent=None if percent is None else format_hours(percent),
        unaccounted_seconds=balance and balance.unaccounted_seconds,
        forecast=balance and balance.forecast,
        accounts=_build_closed_account_lines(evaluation, contract)
        if rule.trigger.kind == "period_closed"
        else tuple(_build_account_lines(balance, subject.account_id, start))
        if balance
        else (),
        subject=rule.subject,
        opening=rule.opening,
        corrections=_build_corrections(evaluation, contract),
    )
    return snapshot.model_copy(update={"reason": describe_reason(snapshot)})


def freeze_contract(contract: EvaluationInput, today: date) -> dict[str, Any]:
    """The members of a snapshot that every notification about a contract has."""
    terms = contract.terms
    return {
        "contract_code": terms.code,
        "contract_name": terms.name,
        "organization_name": contract.organization.name,
        "timezone": terms.timezone,
        "status": contract.status or "DRAFT",
        "contract_start": terms.start_date,
        "contract_end": terms.end_date,
        "days_left": (terms.end_date - today).days,
        "revision": contract.balance and contract.balance.revision,
        "unit": "seconds" if terms.type == "time_and_materials" else "minor",
        "currency": get_currency(contract),
        "locale": contract.organization.locale,
        "organization_id": terms.organization_id,
        "owner_name": terms.owner.name,
        "owner_email": terms.owner.email,
    }


def format_subject_name(evaluation: RuleEvaluation, contract: EvaluationInput) -> str | None:
    """The account's name, for a slice with the team's; None for the contract."""
    account, team = _find_account_name(evaluation, contract), _find_team_name(evaluation, contract)
    return f"{account}, {team}" if team else account


def _find_account_name(evaluation: RuleEvaluation, contract: EvaluationInput) -> str | None:
    account_id = evaluation.subject.account_id
    return next((account.name for account in contract.terms.accounts if account.id == account_id), None)


def _find_team_name(evaluation: RuleEvaluation, contract: EvaluationInput) -> str | None:
    team = contract.teams.get(evaluation.subject.team_id) if evaluation.subject.team_id else None
    return team.name if team else None


def _build_account_lines(balance: Balance, account_id: UUID | None, start: date | None) -> Iterator[AccountLine]:
    for account in balance.accounts:
        figures = _find_period_figures(account, start)
        yield AccountLine(
            name=account.name,
            billable=account.billable,
            evaluated=account.account_id == account_id,
            planned=figures.planned,
            consumed=figures.consumed,
        )


def _build_closed_account_lines(evaluation: RuleEvaluation, contract: EvaluationInput) -> tuple[AccountLine, ...]:
    """The accounts of a settled period, as its statement has them."""
    return tuple(
        AccountLine(
            name=account.name,
            billable=account.billable,
            evaluated=False,
            planned=account.planned,
            consumed=account.consumed,
        )
        for closed in contract.closed_periods
        if str(closed.number) == evaluation.episode
        for account in closed.accounts
    )


def _build_corrections(evaluation: RuleEvaluation, contract: EvaluationInput) -> tuple[CorrectionLine, ...]:
    """The accounts that the restatements of a statement change, each from the first of them to the last."""
    number, _, last = evaluation.episode.partition(".")
    if evaluation.rule.trigger.kind != "period_closed" or not last:
        return ()
    restatements = (item for item in contract.restatements if str(item.statement_number) == number)
    return tuple(
        CorrectionLine(name=item.account_name, billable=bool(item.billable), before=first.before, after=item.after)
        for first, item in list_corrections(restatements)
    )


def _find_period_figures(account: AccountBalance, start: date | None) -> Figures:
    return next((figures for figures in account.periods if figures.start == start), account.whole)
