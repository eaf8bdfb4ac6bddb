"""The life of a contract (SPEC 1): what may happen when, and what follows. Pure: ids, clock and facts come in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from tidemark_contracts import rules
from tidemark_contracts.forms import Form, read
from tidemark_contracts.rules import Facts
from tidemark_shared.domain.bodies import Contract, Status
from tidemark_shared.domain.calendar import compute_renewal_period
from tidemark_shared.http.problems import Violation

What: TypeAlias = Literal[
    "drafted", "revised", "activated", "amended", "suspended", "resumed", "expired", "closed", "renewed", "discarded"
]

# What may happen in which status, and the status it leads to. None is what is not there: not yet, or no more.
LIFE: dict[What, dict[Status | None, Status | None]] = {
    "drafted": {None: "DRAFT"},
    "revised": {"DRAFT": "DRAFT"},
    "discarded": {"DRAFT": None},
    "activated": {"DRAFT": "ACTIVE"},
    # An EXPIRED one becomes ACTIVE where the amended end has not passed: see `decide`.
    "amended": {"ACTIVE": "ACTIVE", "INACTIVE": "INACTIVE", "EXPIRED": "EXPIRED"},
    "suspended": {"ACTIVE": "INACTIVE"},
    "resumed": {"INACTIVE": "ACTIVE"},
    "expired": {"ACTIVE": "EXPIRED"},
    "closed": {"ACTIVE": "CLOSED", "INACTIVE": "CLOSED", "EXPIRED": "CLOSED"},
    "renewed": {"ACTIVE": "ACTIVE", "INACTIVE": "INACTIVE", "EXPIRED": "EXPIRED", "CLOSED": "CLOSED"},
}

SYSTEM = "tidemark"


@dataclass(frozen=True)
class Command:
    """The wish that something happen; ``form`` is the body that drafting, revising and amending take.

    Renewing is two: one contract is ``renewed_as`` another, which is drafted as ``renewed_from`` it.
    """

    what: What
    form: Form | None = None
    reason: str | None = None
    renewed_from: UUID | None = None
    renewed_as: UUID | None = None


@dataclass(frozen=True)
class Event:
    """Something happened. ``terms`` and the links are None where they stay as they were."""

    what: What
    status: Status | None
    terms: Contract | None
    actor: str
    reason: str | None
    occurred_at: datetime
    renewed_from: UUID | None = None
    renewed_as: UUID | None = None


@dataclass(frozen=True)
class State:
    """Where a contract stands after its first ``version`` events."""

    version: int = 0
    status: Status | None = None
    terms: Contract | None = None
    renewed_from: UUID | None = None
    renewed_as: UUID | None = None


@dataclass(frozen=True)
class Refusal:
    """Why nothing happens: the status does not allow it, or the terms break rules."""

    reason: str
    violations: tuple[Violation, ...] = ()


def evolve(state: State, event: Event) -> State:
    """The contract after an event."""
    return State(
        state.version + 1,
        event.status,
        event.terms or state.terms,
        event.renewed_from or state.renewed_from,
        event.renewed_as or state.renewed_as,
    )


def decide(command: Command, state: State, facts: Facts) -> list[Event] | Refusal:
    """What happens, in order; empty where nothing would change."""
    life = LIFE[command.what]
    gone = state.version > 0 and state.status is None
    if gone or state.status not in life:
        allowed = ", ".join(status or "new" for status in life)
        return Refusal(f"It is {state.status or 'gone'}; only what is {allowed} can be {command.what}.")
    if command.what == "expired":
        return _expiry(state, facts.now)
    terms = command.form.terms if command.form else None
    if found := _violations(command, state, facts):
        return Refusal("Each violation says where.", tuple(found))
    if terms and terms == state.terms:
        return []
    status = life[state.status]
    if status == "EXPIRED" and terms and not rules.has_ended(terms, facts.now):
        status = "ACTIVE"
    event = Event(
        command.what, status, terms, facts.actor, command.reason, facts.now, command.renewed_from, command.renewed_as
    )
    return [event, *_expiry(evolve(state, event), facts.now)]


def renewal(state: State, code: str) -> Form:
    """The draft that follows a contract: of the same shape, right after it (SPEC C8).

    Its accounts are new; adjustments are not taken along. Days beyond what a contract may hold are violations.
    """
    if state.terms is None:
        raise AssertionError("A contract that can be renewed has terms.")
    body = state.terms.model_dump(mode="json")
    start, end = compute_renewal_period(state.terms.start_date, state.terms.end_date)
    accounts = [{**account, "id": None} for account in body["accounts"]]
    changes = {"code": code, "start_date": start, "end_date": end, "accounts": accounts, "adjustments": []}
    return read(body | changes)


def _violations(command: Command, state: State, facts: Facts) -> list[Violation]:
    complete = command.what in ("activated", "amended")
    form = command.form or (Form(state.terms) if complete and state.terms else None)
    if form is None:
        return []
    found = rules.violations(form, facts, complete=complete)
    if state.terms and form.terms.code != state.terms.code and not form.breaks("/code"):
        message = f"A code is fixed at creation: it stays {state.terms.code}."
        found.append(Violation(code="invalid", path="/code", message=message))
    return found


def _expiry(state: State, now: datetime) -> list[Event]:
    """An ACTIVE contract whose end has passed expires, whatever made it ACTIVE (SPEC C7, 9)."""
    if state.status != "ACTIVE" or not state.terms or not rules.has_ended(state.terms, now):
        return []
    return [Event("expired", LIFE["expired"]["ACTIVE"], None, SYSTEM, "The end date has passed.", now)]
