"""What is proposed: an adjustment, its price, how long it is open, and whether it fits the contract. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from tidemark_contracts.contract import decider as contracts
from tidemark_contracts.contract.decider import Rejection
from tidemark_contracts.contract.draft import ContractInput
from tidemark_contracts.contract.rules import DecisionContext, has_ended
from tidemark_shared.domain.bodies import (
    Account,
    Adjustment,
    Body,
    Contract,
    Currency,
    Day,
    Hours,
    MinorAmount,
    Name,
    RuleOffer,
    Text,
)
from tidemark_shared.domain.calendar import Period, find_period_index, split_into_periods, start_of_day, to_local_day
from tidemark_shared.http.problems import Violation, json_pointer
from tidemark_shared.messaging.events import EventTime, OfferState

_OPEN_DAYS = 14
# Links expire at whole seconds.
_SECOND = timedelta(seconds=1)


_Deadline = Annotated[EventTime, AfterValidator(lambda time: time.replace(microsecond=0))]


class Price(Body):
    """What an offer costs the customer, and until when it can be accepted."""

    price_minor: MinorAmount | None = None
    price_currency: Currency | None = None
    valid_until: _Deadline | None = Field(
        default=None, description="Until when it can be answered; null: 14 days, or until the period ends if sooner."
    )


class Proposal(Price):
    """An adjustment that is proposed to the customer."""

    account_id: Annotated[Name, Field(description="The account's id or name.")]
    period_start: Day
    hours: Hours | None = None
    value_minor: MinorAmount | None = None
    reason: Annotated[Name, Field(description="Why it is offered; it becomes the reason of the adjustment.")]
    note: Text | None = None


def rule_proposal(
    offer: RuleOffer, terms: Contract, period_start: str | None, *, rule_name: str, now: datetime
) -> Proposal:
    """What a rule proposes with a notification: for the notification's period, or else for today's."""
    today = to_local_day(now, terms.zone)
    return Proposal(
        **offer.model_dump(exclude={"account", "valid_days"}),
        account_id=offer.account,
        period_start=find_period(terms, date.fromisoformat(period_start) if period_start else today).start,
        reason=rule_name,
        valid_until=now + timedelta(days=offer.valid_days) if offer.valid_days else None,
    )


def resolve_account(terms: Contract, reference: str) -> Account | None:
    """The account with this id, else with this name."""
    by_id = [account for account in terms.accounts if str(account.id) == reference.lower()]
    return next(iter(by_id or [account for account in terms.accounts if account.name == reference]), None)


def find_period(terms: Contract, day: date) -> Period:
    """The period with this day; before the contract starts the first, after it ends the last."""
    periods = split_into_periods(terms.recurrence, terms.start_date, terms.end_date)
    return periods[find_period_index(periods, day)]


def inactive_reason(contract: contracts.State, now: datetime) -> str | None:
    """Why the contract takes no offer now."""
    terms = contract.terms
    if contract.status == "ACTIVE" and terms and not has_ended(terms, now):
        return None
    status = "EXPIRED" if contract.status == "ACTIVE" else contract.status
    return f"The contract {terms.code if terms else ''} is {status}. Only an ACTIVE contract takes an offer."


def default_valid_until(terms: Contract, period_start: date, now: datetime) -> datetime:
    """14 days from now, or the end of the period if that comes first and is still to come."""
    period_end = start_of_day(find_period(terms, period_start).end + timedelta(days=1), terms.zone) - _SECOND
    latest = now.replace(microsecond=0) + timedelta(days=_OPEN_DAYS)
    return period_end if now < period_end < latest else latest


def price_violations(price: Price, now: datetime) -> Iterator[Violation]:
    """A price needs a currency, and the time to accept must be to come."""
    if (price.price_minor is None) != (price.price_currency is None):
        missing = "price_minor" if price.price_minor is None else "price_currency"
        message = "A price has an amount and a currency. Enter both, or leave both out."
        yield Violation(code="invalid", path=json_pointer(missing), message=message)
    if price.valid_until and price.valid_until <= now:
        message = "The offer could never be accepted. Enter a time to come."
        yield Violation(code="invalid", path="/valid_until", message=message)


def proposal_violations(proposal: Proposal, terms: Contract, now: datetime, *, is_request: bool) -> Iterator[Violation]:
    """What is wrong with a proposal by itself; :func:`amend` checks whether it fits the contract."""
    yield from price_violations(proposal, now)
    if resolve_account(terms, proposal.account_id) is None:
        names = ", ".join(account.name for account in terms.accounts)
        message = f"{terms.code} has no account {proposal.account_id!r}. Its accounts: {names}."
        yield Violation(code="unknown_reference", path="/account_id", message=message)
    for name in ("hours", "value_minor"):
        if getattr(proposal, name) == 0:
            message = "An offer adds or deducts something. Enter an amount other than zero."
            yield Violation(code="invalid", path=json_pointer(name), message=message)
    if is_request:
        for name in ("price_minor", "price_currency", "valid_until"):
            if getattr(proposal, name) is not None:
                message = "The owner names the price and the time when confirming the request. Leave it out."
                yield Violation(code="invalid", path=json_pointer(name), message=message)


def amend(
    offer: OfferState, contract: contracts.State, context: DecisionContext, *, actor: str
) -> list[contracts.Event] | Rejection:
    """The amendment of the contract by the offer's adjustment, or why it does not fit.

    The paths of violations are those of the offer, where they concern its adjustment.
    """
    terms = contract.terms
    if terms is None:
        raise AssertionError("A contract that has events has terms.")
    adjustment = Adjustment(
        account_id=offer.account_id,
        period_start=offer.period_start,
        hours=offer.hours,
        value_minor=offer.value_minor,
        reason=offer.reason,
    )
    amended = terms.model_copy(update={"adjustments": (*terms.adjustments, adjustment)})
    command = contracts.Command("amended", ContractInput(amended), f"Offer accepted: {offer.reason}")
    decision = contracts.decide(command, contract, replace(context, actor=actor))
    if isinstance(decision, Rejection):
        prefix = json_pointer("adjustments", len(terms.adjustments))
        violations = [
            violation.model_copy(update={"path": violation.path.removeprefix(prefix)})
            for violation in decision.violations
        ]
        return replace(decision, violations=tuple(violations))
    return decision
