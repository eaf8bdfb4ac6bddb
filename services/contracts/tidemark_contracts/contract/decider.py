"""The life cycle of a contract (SPEC 1): which commands are allowed, and which events follow. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from tidemark_contracts.contract.draft import ContractInput, parse_contract
from tidemark_contracts.contract.rules import DecisionContext, contract_violations, has_ended
from tidemark_shared.domain.bodies import Contract, Status
from tidemark_shared.domain.calendar import compute_renewal_period
from tidemark_shared.http.problems import Violation

EventType: TypeAlias = Literal[
    "drafted", "revised", "activated", "amended", "suspended", "resumed", "expired", "closed", "renewed", "discarded"
]

# For each event, the statuses in which it can happen and the status that follows. None: no contract (not yet drafted,
# or discarded).
TRANSITIONS: dict[EventType, dict[Status | None, Status | None]] = {
    "drafted": {None: "DRAFT"},
    "revised": {"DRAFT": "DRAFT"},
    "discarded": {"DRAFT": None},
    "activated": {"DRAFT": "ACTIVE"},
    # An EXPIRED contract becomes ACTIVE if its amended end date has not passed: see `decide`.
    "amended": {"ACTIVE": "ACTIVE", "INACTIVE": "INACTIVE", "EXPIRED": "EXPIRED"},
    "suspended": {"ACTIVE": "INACTIVE"},
    "resumed": {"INACTIVE": "ACTIVE"},
    "expired": {"ACTIVE": "EXPIRED"},
    "closed": {"ACTIVE": "CLOSED", "INACTIVE": "CLOSED", "EXPIRED": "CLOSED"},
    "renewed": {"ACTIVE": "ACTIVE", "INACTIVE": "INACTIVE", "EXPIRED": "EXPIRED", "CLOSED": "CLOSED"},
}

SYSTEM_ACTOR = "tidemark"


@dataclass(frozen=True)
class Command:
    """A request for an event. ``contract_input`` is the body that drafting, revising and amending take.

    A renewal is two commands: one contract is ``renewed_as`` another, which is drafted as ``renewed_from`` it.
    """

    event_type: EventType
    contract_input: ContractInput | None = None
    reason: str | None = None
    renewed_from: UUID | None = None
    renewed_as: UUID | None = None


@dataclass(frozen=True)
class Event:
    """A change of a contract. ``terms`` and the links are None where they stay the same."""

    type: EventType
    status: Status | None
    terms: Contract | None
    actor: str
    reason: str | None
    occurred_at: datetime
    renewed_from: UUID | None = None
    renewed_as: UUID | None = None


@dataclass(frozen=True)
class State:
    """A contract after its first ``version`` events."""

    version: int = 0
    status: Status | None = None
    terms: Contract | None = None
    renewed_from: UUID | None = None
    renewed_as: UUID | None = None


@dataclass(frozen=True)
class Rejection:
    """Why a command is rejected: the status does not allow it, or the terms violate rules."""

    reason: str
    violations: tuple[Violation, ...] = ()

    @property
    def text(self) -> str:
        """Why, as one text."""
        return " ".join([violation.message for violation in self.violations]) or self.reason


def evolve(state: State, event: Event) -> State:
    """The contract after an event."""
    return State(
        state.version + 1,
        event.status,
        event.terms or state.terms,
        event.renewed_from or state.renewed_from,
        event.renewed_as or state.renewed_as,
    )


def decide(command: Command, state: State, context: DecisionContext) -> list[Event] | Rejection:
    """The events that follow from a command, in order; empty if nothing would change."""
    transitions = TRANSITIONS[command.event_type]
    discarded = state.version > 0 and state.status is None
    if discarded or state.status not in transitions:
        allowed = " or ".join(status or "new" for status in transitions)
        return Rejection(
            f"The contract is {state.status or 'discarded'}. Only a contract that is {allowed} can be "
            f"{command.event_type}."
        )
    if command.event_type == "expired":
        return _expiry(state, context.now)
    terms = command.contract_input.terms if command.contract_input else None
    if violations := _violations(command, state, context):
        return Rejection("See `violations` for each error and its location.", tuple(violations))
    if terms and terms == state.terms:
        return []
    status = transitions[state.status]
    if status == "EXPIRED" and terms and not has_ended(terms, context.now):
        status = "ACTIVE"
    event = Event(
        command.event_type,
        status,
        terms,
        context.actor,
        command.reason,
        context.now,
        command.renewed_from,
        command.renewed_as,
    )
    return [event, *_expiry(evolve(state, event), context.now)]


def renewal_draft(state: State, code: str) -> ContractInput:
    """The draft that follows a contract: it has the same shape and starts the day after the end (SPEC C8).

    Its accounts are new, and adjustments are not copied. Dates beyond the supported range are violations.
    """
    if state.terms is None:
        raise AssertionError("A contract that can be renewed has terms.")
    body = state.terms.model_dump(mode="json")
    start, end = compute_renewal_period(state.terms.start_date, state.terms.end_date)
    accounts = [{**account, "id": None} for account in body["accounts"]]
    changes = {"code": code, "start_date": start, "end_date": end, "accounts": accounts, "adjustments": []}
    return parse_contract(body | changes)


def _violations(command: Command, state: State, context: DecisionContext) -> list[Violation]:
    complete = command.event_type in ("activated", "amended")
    contract_input = command.contract_input or (ContractInput(state.terms) if complete and state.terms else None)
    if contract_input is None:
        return []
    violations = contract_violations(contract_input, context, complete=complete)
    if state.terms and contract_input.terms.code != state.terms.code and not contract_input.has_type_error("/code"):
        message = f"The code of a contract cannot change. Send {state.terms.code}."
        violations.append(Violation(code="invalid", path="/code", message=message))
    return violations


def _expiry(state: State, now: datetime) -> list[Event]:
    """Expire an ACTIVE contract whose end date has passed, whatever made it ACTIVE (SPEC C7, 9)."""
    if state.status != "ACTIVE" or not state.terms or not has_ended(state.terms, now):
        return []
    return [Event("expired", TRANSITIONS["expired"]["ACTIVE"], None, SYSTEM_ACTOR, "The end date has passed.", now)]
