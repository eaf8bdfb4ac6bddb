"""``/v1/contracts`` (SPEC 4)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from heapq import merge
from typing import Annotated, Any, Literal, TypeAlias, cast
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from tidemark_contracts.contract import store
from tidemark_contracts.contract.decider import (
    Command,
    Event,
    EventType,
    Rejection,
    State,
    decide,
    evolve,
    renewal_draft,
)
from tidemark_contracts.contract.draft import AmendmentBody, ContractBody, ReasonText
from tidemark_contracts.contract.history import Change, diff
from tidemark_contracts.contract.rules import referenced_ids
from tidemark_contracts.directory.store import load_names
from tidemark_contracts.offer.decider import Event as OfferEvent
from tidemark_contracts.offer.history import describe_offer, explain_offer
from tidemark_contracts.offer.store import load_contract_events
from tidemark_shared.domain import bodies
from tidemark_shared.domain.bodies import Body, Day, Name, Status, Text
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.pagination import Cursor, Limit, Page, build_page, decode_page_cursor
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import (
    Call,
    ChangeCall,
    CreateCall,
    NoBody,
    ReadCall,
    TransactionRoute,
    Versioned,
)
from tidemark_shared.messaging.events import ContractChanged

router = APIRouter(prefix="/v1/contracts", tags=["contracts"], route_class=TransactionRoute)

Reference = Annotated[Text, Path(description="The contract's id or code.")]


class Contract(Versioned, bodies.Contract):
    """A contract's current terms, and the contracts that it renews and is renewed as."""

    status: Status
    renewed_from: UUID | None
    renewed_as: UUID | None


class Reason(Body):
    """The reason for a change."""

    reason: ReasonText


class Renewal(Body):
    """The code of the contract that follows."""

    code: Name


class TermsChange(BaseModel):
    """A change of the terms. The path is a JSON Pointer into the terms after it, or before it for a removed item."""

    path: str
    before: Any
    after: Any


OfferEventType: TypeAlias = Literal[
    "offer_requested",
    "offer_made",
    "offer_accepted",
    "offer_declined",
    "offer_refused",
    "offer_withdrawn",
    "offer_expired",
]


class HistoryEntry(BaseModel):
    """An entry of a contract's history: who did what, when and why, and what changed."""

    version: int
    what: EventType | OfferEventType
    status: Status | None
    actor: str
    reason: str | None
    occurred_at: datetime
    descriptions: list[str]
    changes: list[TermsChange]
    renewed_from: UUID | None
    renewed_as: UUID | None
    offer_id: UUID | None


class LifecycleEvent(BaseModel):
    """An event as it is published to `contracts.lifecycle`."""

    type: str
    data: ContractChanged


@router.post("", status_code=201)
async def create_contract(body: ContractBody, call: CreateCall) -> Contract:
    """Draft a contract."""
    return await _draft(call, uuid4(), Command("drafted", body))


class ContractFilter(BaseModel):
    """Which contracts a list shows."""

    status: list[Status] | None = None
    organization: UUID | None = None
    owner: Annotated[Text | None, Field(description="Part of the owner's name or email; case is ignored.")] = None
    first_day: Annotated[Day | None, Field(alias="from", description="Ends on this day or later.")] = None
    last_day: Annotated[Day | None, Field(alias="to", description="Starts on this day or earlier.")] = None
    text: Annotated[
        Text | None,
        Field(description="Part of the code, name, description or organization's name; case is ignored."),
    ] = None
    cursor: Cursor = None
    limit: Limit = 50


@router.get("")
async def list_contracts(call: ReadCall, filters: Annotated[ContractFilter, Query()]) -> Page[Contract]:
    """List contracts by code."""
    after = decode_page_cursor(filters.cursor)
    contracts = await store.list_contracts(
        call.connection,
        after_code=after and after[0],
        max_rows=filters.limit + 1,
        statuses=filters.status,
        organization=filters.organization,
        owner=filters.owner,
        first_day=filters.first_day,
        last_day=filters.last_day,
        text=filters.text,
    )
    return build_page([_body(*contract) for contract in contracts], filters.limit, lambda contract: contract.code)


@router.post("/{contract:path}/activate")
async def activate_contract(contract: Reference, call: ChangeCall, _: NoBody = None) -> Contract:
    """Activate a draft, so that its work counts. A contract that has already ended expires immediately."""
    return await _change(call, contract, Command("activated"))


@router.post("/{contract:path}/amend")
async def amend_contract(contract: Reference, body: AmendmentBody, call: ChangeCall) -> Contract:
    """Change the whole contract from its start. An EXPIRED contract that now ends today or later becomes ACTIVE."""
    return await _change(call, contract, Command("amended", body, body.reason))


@router.post("/{contract:path}/suspend")
async def suspend_contract(contract: Reference, body: Strict[Reason], call: ChangeCall) -> Contract:
    """Suspend a contract: no work counts until it is resumed."""
    return await _change(call, contract, Command("suspended", reason=body.reason))


@router.post("/{contract:path}/resume")
async def resume_contract(contract: Reference, body: Strict[Reason], call: ChangeCall) -> Contract:
    """Resume a contract. Work logged while it was suspended counts too. If it has ended, it expires immediately."""
    return await _change(call, contract, Command("resumed", reason=body.reason))


@router.post("/{contract:path}/close")
async def close_contract(contract: Reference, body: Strict[Reason], call: ChangeCall) -> Contract:
    """Close a contract. A closed contract cannot be opened again."""
    return await _change(call, contract, Command("closed", reason=body.reason))


@router.post("/{contract:path}/renew", status_code=201)
async def renew_contract(contract: Reference, body: Strict[Renewal], call: ChangeCall) -> Contract:
    """Draft the contract that follows: it starts the day after, with the same length and shape. Returns the draft."""
    contract_id, state = await _load(call, contract)
    draft_id = uuid4()
    await _execute(call, contract_id, state, Command("renewed", renewed_as=draft_id))
    draft = renewal_draft(state, body.code)
    return await _draft(call, draft_id, Command("drafted", draft, renewed_from=contract_id))


@router.get("/{contract:path}/history")
async def list_contract_history(contract: Reference, call: ReadCall) -> Page[HistoryEntry]:
    """Who did what, when and why, and what changed, with the offers. Oldest first, all on one page."""
    contract_id, _ = await _find(call, contract)
    events = await store.load_events(call.connection, contract_id)
    ids = {id_ for event in events if event.terms for id_ in referenced_ids(event.terms)}
    names = await load_names(call.connection, ids)
    entries, state = [], State()
    for event in events:
        previous, state = state, evolve(state, event)
        entries.append(_entry(event, state, diff(previous, state, names)))
    offer_entries = [_offer_entry(*item) for item in await load_contract_events(call.connection, contract_id)]
    items: list[HistoryEntry] = []
    # Of equal times the offer comes first: its acceptance amends the contract.
    for entry in merge(offer_entries, entries, key=lambda entry: entry.occurred_at):
        if entry.offer_id and items:
            entry.version, entry.status = items[-1].version, items[-1].status
        items.append(entry)
    return Page(items=items, next=None)


def _entry(event: Event, state: State, changes: Sequence[Change]) -> HistoryEntry:
    return HistoryEntry(
        version=state.version,
        what=event.type,
        status=event.status,
        actor=event.actor,
        reason=event.reason,
        occurred_at=event.occurred_at,
        descriptions=[change.description for change in changes],
        changes=[
            TermsChange(path=change.path, before=change.before, after=change.after) for change in changes if change.path
        ],
        renewed_from=event.renewed_from,
        renewed_as=event.renewed_as,
        offer_id=None,
    )


def _offer_entry(offer_id: UUID, event: OfferEvent) -> HistoryEntry:
    return HistoryEntry(
        version=0,
        what=cast("OfferEventType", f"offer_{event.type}"),
        status=None,
        actor=event.actor,
        reason=explain_offer(event),
        occurred_at=event.occurred_at,
        descriptions=describe_offer(event),
        changes=[],
        renewed_from=None,
        renewed_as=None,
        offer_id=offer_id,
    )


@router.get("/{contract:path}/events")
async def list_contract_events(contract: Reference, call: ReadCall) -> Page[LifecycleEvent]:
    """The contract's events as they are published. Oldest first, all on one page."""
    contract_id, _ = await _find(call, contract)
    items, state = [], State()
    for event in await store.load_events(call.connection, contract_id):
        event_type, data = store.lifecycle_event(contract_id, state, event)
        items.append(LifecycleEvent(type=event_type, data=data))
        state = evolve(state, event)
    return Page(items=items, next=None)


# A code can contain slashes, so the routes without a suffix come last.
@router.get("/{contract:path}")
async def get_contract(contract: Reference, call: ReadCall) -> Contract:
    """Read one contract."""
    return _response(call, *await _find(call, contract))


@router.put("/{contract:path}")
async def edit_contract(contract: Reference, body: ContractBody, call: ChangeCall) -> Contract:
    """Edit a draft. Send the whole body."""
    return await _change(call, contract, Command("revised", body))


@router.delete("/{contract:path}", status_code=204)
async def discard_contract(contract: Reference, call: ChangeCall) -> None:
    """Discard a draft."""
    contract_id, state = await _load(call, contract)
    await _execute(call, contract_id, state, Command("discarded"))


async def _find(call: Call, reference: str) -> tuple[UUID, State]:
    contract = await store.find_contract(call.connection, reference)
    if contract is None:
        raise Problem(404, "Contract not found", f"No contract with id or code {reference!r}.")
    return contract


async def _load(call: Call, reference: str) -> tuple[UUID, State]:
    contract_id, _ = await _find(call, reference)
    state = await store.load_contract(call.connection, contract_id)
    call.require_version(state.version)
    return contract_id, state


async def _change(call: Call, reference: str, command: Command) -> Contract:
    contract_id, state = await _load(call, reference)
    return _response(call, contract_id, await _execute(call, contract_id, state, command))


async def _draft(call: Call, contract_id: UUID, command: Command) -> Contract:
    call.response.headers["location"] = f"/v1/contracts/{contract_id}"
    return _response(call, contract_id, await _execute(call, contract_id, State(), command))


async def _execute(call: Call, contract_id: UUID, state: State, command: Command) -> State:
    if command.contract_input:
        command = replace(command, contract_input=command.contract_input.with_account_ids(state.terms, uuid4))
    terms = command.contract_input.terms if command.contract_input else state.terms
    context = await store.load_context(
        call.connection, terms, now=datetime.now(UTC), actor=call.actor.name, new=not state.version
    )
    decision = decide(command, state, context)
    if isinstance(decision, Rejection):
        status = 422 if decision.violations else 409
        title = f"The contract cannot be {command.event_type}"
        raise Problem(status, title, decision.reason, decision.violations)
    return await store.append_events(call.connection, contract_id, state, decision) if decision else state


def _response(call: Call, contract_id: UUID, state: State) -> Contract:
    call.set_etag(state.version)
    return _body(contract_id, state)


def _body(contract_id: UUID, state: State) -> Contract:
    return Contract.model_validate(
        {
            **dict(state.terms or {}),
            "id": contract_id,
            "version": state.version,
            "status": state.status,
            "renewed_from": state.renewed_from,
            "renewed_as": state.renewed_as,
        }
    )
