"""The life of an offer (SPEC 10): which commands are allowed, and which events follow. Pure.

An accepted offer also amends its contract, so a decision has the events of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, TypeAlias
from uuid import UUID

from tidemark_contracts.contract import decider as contracts
from tidemark_contracts.contract.decider import Rejection
from tidemark_contracts.contract.rules import DecisionContext
from tidemark_contracts.offer.proposal import (
    Price,
    Proposal,
    amend,
    default_valid_until,
    inactive_reason,
    price_violations,
    proposal_violations,
    resolve_account,
)
from tidemark_shared.domain.bodies import Contract, OfferStatus, Person
from tidemark_shared.http.problems import Violation
from tidemark_shared.messaging.events import OfferState

EventType: TypeAlias = Literal["requested", "made", "accepted", "declined", "refused", "withdrawn", "expired"]

# For each event, the statuses in which it can happen and the status that follows. None: no offer yet.
TRANSITIONS: dict[EventType, dict[OfferStatus | None, OfferStatus]] = {
    "requested": {None: "requested"},
    # The owner confirms a request at a price: the customer has to accept it.
    "made": {None: "open", "requested": "open"},
    # The owner confirms a request as it is: both sides have agreed.
    "accepted": {"open": "accepted", "requested": "accepted"},
    "declined": {"open": "declined", "requested": "declined"},
    # The customer accepts, and the adjustment no longer fits the contract.
    "refused": {"open": "open"},
    "withdrawn": {"open": "withdrawn", "requested": "withdrawn"},
    "expired": {"open": "expired"},
}


@dataclass(frozen=True)
class Make:
    """Make an offer, or record a request of ``requested_by``.

    A rule makes at most one for each notification, and a customer may wait for one answer for an account and period.
    """

    proposal: Proposal
    requested_by: Person | None = None
    notification_id: UUID | None = None
    by_customer: bool = False


@dataclass(frozen=True)
class Confirm:
    """Confirm a request: at a price it becomes an open offer, as it is it is accepted."""

    price: Price
    note: str | None = None


@dataclass(frozen=True)
class Answer:
    """Accept or decline an offer. The owner can decline a request."""

    answer: Literal["accepted", "declined"]
    person: Person
    remark: str | None = None


@dataclass(frozen=True)
class Withdraw:
    """Withdraw an offer: its link is no longer good."""

    reason: str


@dataclass(frozen=True)
class Expire:
    """Expire an open offer whose time has passed."""


Command: TypeAlias = Make | Confirm | Answer | Withdraw | Expire


@dataclass(frozen=True)
class Event:
    """A change of an offer, with the offer after it."""

    type: EventType
    offer: OfferState
    actor: str
    occurred_at: datetime


@dataclass(frozen=True)
class State:
    """An offer after its first ``version`` events."""

    version: int = 0
    offer: OfferState | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True)
class OfferContext:
    """What a decision needs besides the offer: its contract, and what already waits for an answer there."""

    contract_id: UUID
    contract: contracts.State
    decision: DecisionContext
    pending: frozenset[tuple[UUID, date]] = frozenset()
    """The account and period of each offer of the contract that is requested or open."""
    is_repeated: bool = False
    """Whether the notification has made its offer before."""

    @property
    def now(self) -> datetime:
        """The time of the decision."""
        return self.decision.now

    @property
    def terms(self) -> Contract:
        """The contract's terms."""
        if self.contract.terms is None:
            raise AssertionError("A contract that has events has terms.")
        return self.contract.terms


@dataclass(frozen=True)
class Decision:
    """The events that follow from a command, and why it is rejected. Without either, nothing would change."""

    events: tuple[Event, ...] = ()
    contract_events: tuple[contracts.Event, ...] = ()
    rejection: Rejection | None = None


def evolve(state: State, event: Event) -> State:
    """The offer after an event."""
    return State(state.version + 1, event.offer, state.created_at or event.occurred_at, event.occurred_at)


def decide(command: Command, state: State, context: OfferContext) -> Decision:
    """The events of the offer and of its contract that follow from a command."""
    if isinstance(command, Make):
        return _make(command, context)
    if state.offer is None:
        raise AssertionError("An offer that is changed has been made.")
    offer = state.offer
    match command:
        case Confirm():
            return _confirm(command, offer, context)
        case Answer():
            return _answer(command, offer, context)
        case Withdraw():
            return _change("withdrawn", offer, context, remark=command.reason)
        case Expire():
            return _change("expired", offer, context) if is_over(offer, context.now) else Decision()


def is_over(offer: OfferState, now: datetime) -> bool:
    """Whether an open offer can no longer be answered, whether or not it has been expired."""
    return offer.status == "open" and offer.valid_until is not None and now > offer.valid_until


def describe_person(person: Person) -> str:
    """A person as the actor of a history: ``Ann <ann@acme.example>``."""
    return f"{person.name} <{person.email}>" if person.email else person.name


def _make(command: Make, context: OfferContext) -> Decision:
    proposal, terms, now = command.proposal, context.terms, context.now
    account, is_request = resolve_account(terms, proposal.account_id), command.requested_by is not None
    is_pending = account is not None and (account.id, proposal.period_start) in context.pending
    if command.notification_id and (context.is_repeated or is_pending):
        return Decision()
    if command.by_customer and is_pending:
        return _reject("An offer or a request for this account and period already waits for an answer.")
    if reason := inactive_reason(context.contract, now):
        return _reject(reason)
    offer = OfferState(
        **proposal.model_dump(include=_PROPOSED),
        status="requested" if is_request else "open",
        contract_id=context.contract_id,
        contract_code=terms.code,
        organization_id=terms.organization_id,
        account_id=(account and account.id) or _UNKNOWN_ACCOUNT,
        account_name=account.name if account else proposal.account_id,
        currency=terms.currency if terms.type == "fixed_price" else None,
        valid_until=None if is_request else _valid_until(proposal, proposal.period_start, context),
        made_by=None if is_request else context.decision.actor,
        requested_by=command.requested_by,
        notification_id=command.notification_id,
    )
    violations = list(proposal_violations(proposal, terms, now, is_request=is_request))
    violations += [misfit for misfit in _misfits(offer, context) if account or misfit.path != "/account_id"]
    if violations:
        return _reject(_SEE_VIOLATIONS, violations)
    return Decision((Event("requested" if is_request else "made", offer, context.decision.actor, now),))


def _confirm(command: Confirm, offer: OfferState, context: OfferContext) -> Decision:
    price, actor = command.price, context.decision.actor
    if offer.status != "requested" or offer.requested_by is None:
        return _reject(f"{_describe(offer)} Only a request can be confirmed.")
    if reason := inactive_reason(context.contract, context.now):
        return _reject(reason)
    violations = [*price_violations(price, context.now), *_misfits(offer, context)]
    if price.valid_until and price.price_minor is None:
        message = "Without a price the offer is accepted at once. Leave it out, or enter a price."
        violations.append(Violation(code="invalid", path="/valid_until", message=message))
    if violations:
        return _reject(_SEE_VIOLATIONS, violations)
    confirmed = offer.model_copy(update={"made_by": actor, "note": command.note})
    if price.price_minor is None:
        return _accept(confirmed, offer.requested_by, None, context)
    return _change(
        "made",
        confirmed,
        context,
        price_minor=price.price_minor,
        price_currency=price.price_currency,
        valid_until=_valid_until(price, offer.period_start, context),
    )


def _answer(command: Answer, offer: OfferState, context: OfferContext) -> Decision:
    if offer.status == command.answer:
        return Decision()
    if is_over(offer, context.now):
        return _reject(f"The offer could be answered until {offer.valid_until:%Y-%m-%d %H:%M} UTC.")
    if command.answer == "declined":
        return _change("declined", offer, context, answered_by=command.person, remark=command.remark)
    if offer.status != "open":
        return _reject(f"{_describe(offer)} Only an open offer can be accepted.")
    decision = _accept(offer, command.person, command.remark, context)
    if decision.rejection is None:
        return decision
    refusal = decision.rejection.text
    # The owner hears of each reason once, however often the customer tries.
    events = () if refusal == offer.refusal else _change("refused", offer, context, refusal=refusal).events
    return Decision(events, rejection=decision.rejection)


def _accept(offer: OfferState, person: Person, remark: str | None, context: OfferContext) -> Decision:
    if offer.organization_id != context.terms.organization_id:
        return _reject("The contract belongs to another customer now. Withdraw the offer.")
    if reason := inactive_reason(context.contract, context.now):
        return _reject(reason)
    customer, actor = describe_person(person), context.decision.actor
    amendment = amend(
        offer, context.contract, context.decision, actor=customer if actor == customer else f"{customer}, by {actor}"
    )
    if isinstance(amendment, Rejection):
        return Decision(rejection=amendment)
    accepted = {
        "answered_by": person,
        "remark": remark,
        "refusal": None,
        "stream_version": context.contract.version + 1,
    }
    return replace(_change("accepted", offer, context, **accepted), contract_events=tuple(amendment))


def _change(event_type: EventType, offer: OfferState, context: OfferContext, **changes: object) -> Decision:
    """One event, which changes the offer's status and these members; a rejection in any other status."""
    transitions = TRANSITIONS[event_type]
    if offer.status not in transitions:
        allowed = " or ".join(status or "new" for status in transitions)
        return _reject(f"{_describe(offer)} Only an offer that is {allowed} can be {event_type}.")
    changed = offer.model_copy(update={**changes, "status": transitions[offer.status]})
    return Decision((Event(event_type, changed, context.decision.actor, context.now),))


def _misfits(offer: OfferState, context: OfferContext) -> tuple[Violation, ...]:
    """Why the offer's adjustment does not fit the contract as it is."""
    amendment = amend(offer, context.contract, context.decision, actor=context.decision.actor)
    return amendment.violations if isinstance(amendment, Rejection) else ()


def _valid_until(price: Price, period_start: date, context: OfferContext) -> datetime:
    return price.valid_until or default_valid_until(context.terms, period_start, context.now)


def _describe(offer: OfferState) -> str:
    by = f" by {describe_person(offer.answered_by)}" if offer.answered_by else ""
    return f"The offer is {offer.status}{by}."


def _reject(reason: str, violations: Sequence[Violation] = ()) -> Decision:
    return Decision(rejection=Rejection(reason, tuple(violations)))


_UNKNOWN_ACCOUNT = UUID(int=0)
_SEE_VIOLATIONS = "See `violations` for each error and its location."
_PROPOSED = {"period_start", "hours", "value_minor", "reason", "price_minor", "price_currency", "note"}
