"""``/v1/contracts`` (SPEC 4)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from tidemark_contracts import directory, store
from tidemark_contracts.decider import Command, Refusal, State, What, decide, evolve, renewal
from tidemark_contracts.forms import AmendmentForm, ContractForm, Why
from tidemark_contracts.history import tell
from tidemark_contracts.rules import references
from tidemark_shared.domain import bodies
from tidemark_shared.domain.bodies import Body, Day, Name, Status, Text
from tidemark_shared.http.pagination import Cursor, Limit, Page, build_page, decode_page_cursor
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import Call, ChangeCall, CreateCall, ReadCall, TransactionRoute, Versioned
from tidemark_shared.messaging.events import ContractChanged

router = APIRouter(prefix="/v1/contracts", route_class=TransactionRoute)

Reference = Annotated[Text, Path(description="The contract's id or code.")]


class Contract(Versioned, bodies.Contract):
    """A contract as it stands, and the contracts that it renews and is renewed as."""

    status: Status
    renewed_from: UUID | None
    renewed_as: UUID | None


class Reason(Body):
    """Why."""

    reason: Why


class Nothing(Body):
    """An empty body."""


class Renewal(Body):
    """The code of the contract that follows."""

    code: Name


class Changed(BaseModel):
    """A place in the terms, as a JSON Pointer into those after the change, or before it for what was removed."""

    path: str
    before: Any
    after: Any


class Happened(BaseModel):
    """An entry of a contract's history: who did what, when and why, and what changed."""

    version: int
    what: What
    status: Status | None
    actor: str
    reason: str | None
    occurred_at: datetime
    sentences: list[str]
    changes: list[Changed]
    renewed_from: UUID | None
    renewed_as: UUID | None


class Published(BaseModel):
    """An event as it is published to `contracts.lifecycle`."""

    type: str
    data: ContractChanged


@router.post("", status_code=201)
async def create(body: ContractForm, call: CreateCall) -> Contract:
    """Draft a contract."""
    return await _draft(call, uuid4(), Command("drafted", body))


class Wanted(BaseModel):
    """Which contracts a list shows."""

    status: list[Status] | None = None
    organization: UUID | None = None
    owner: Annotated[Text | None, Field(description="In the owner's name or email, whatever the case.")] = None
    first: Annotated[Day | None, Field(alias="from", description="Not over before this day.")] = None
    last: Annotated[Day | None, Field(alias="to", description="Begun by this day.")] = None
    text: Annotated[
        Text | None, Field(description="In code, name, description or the organization's name, whatever the case.")
    ] = None
    cursor: Cursor = None
    limit: Limit = 50


@router.get("")
async def list_(call: ReadCall, wanted: Annotated[Wanted, Query()]) -> Page[Contract]:
    """Contracts by code."""
    found = await store.page(call.connection, decode_page_cursor(wanted.cursor), **dict(wanted))
    return build_page([_contract(*one) for one in found], wanted.limit, lambda one: one.code)


@router.post("/{contract:path}/activate")
async def activate(contract: Reference, call: ChangeCall, _: Nothing | None = None) -> Contract:
    """Let a draft count; one whose end has passed expires at once."""
    return await _change(call, contract, Command("activated"))


@router.post("/{contract:path}/amend")
async def amend(contract: Reference, body: AmendmentForm, call: ChangeCall) -> Contract:
    """Change the whole contract from its start; an EXPIRED one whose end is now today or later becomes ACTIVE."""
    return await _change(call, contract, Command("amended", body, body.reason))


@router.post("/{contract:path}/suspend")
async def suspend(contract: Reference, body: Reason, call: ChangeCall) -> Contract:
    """Stop counting, until it is resumed."""
    return await _change(call, contract, Command("suspended", reason=body.reason))


@router.post("/{contract:path}/resume")
async def resume(contract: Reference, body: Reason, call: ChangeCall) -> Contract:
    """Count again, what was logged meanwhile too; one whose end has passed expires at once."""
    return await _change(call, contract, Command("resumed", reason=body.reason))


@router.post("/{contract:path}/close")
async def close(contract: Reference, body: Reason, call: ChangeCall) -> Contract:
    """End a contract for good."""
    return await _change(call, contract, Command("closed", reason=body.reason))


@router.post("/{contract:path}/renew", status_code=201)
async def renew(contract: Reference, body: Renewal, call: ChangeCall) -> Contract:
    """Draft the contract that follows: right after this one, of the same length and shape. Answers with the draft."""
    contract_id, state = await _load(call, contract)
    draft_id = uuid4()
    await _do(call, contract_id, state, Command("renewed", renewed_as=draft_id))
    form = renewal(state, body.code)
    return await _draft(call, draft_id, Command("drafted", form, renewed_from=contract_id))


@router.get("/{contract:path}/history")
async def history(contract: Reference, call: ReadCall) -> Page[Happened]:
    """Who did what, when and why, and what changed; oldest first, all on one page."""
    contract_id, _ = await _find(call, contract)
    events = await store.events(call.connection, contract_id)
    names = await directory.names(call.connection, {id_ for one in events if one.terms for id_ in references(one.terms)})
    items, state = [], State()
    for event in events:
        before, state = state, evolve(state, event)
        told = tell(before, state, names)
        items.append(
            Happened(
                version=state.version,
                sentences=[one.sentence for one in told],
                changes=[Changed(path=one.path, before=one.before, after=one.after) for one in told if one.path],
                what=event.what,
                status=event.status,
                actor=event.actor,
                reason=event.reason,
                occurred_at=event.occurred_at,
                renewed_from=event.renewed_from,
                renewed_as=event.renewed_as,
            )
        )
    return Page(items=items, next=None)


@router.get("/{contract:path}/events")
async def events(contract: Reference, call: ReadCall) -> Page[Published]:
    """The contract's events as they are published; oldest first, all on one page."""
    contract_id, _ = await _find(call, contract)
    items, state = [], State()
    for event in await store.events(call.connection, contract_id):
        type_, data = store.published(contract_id, state, event)
        items.append(Published(type=type_, data=data))
        state = evolve(state, event)
    return Page(items=items, next=None)


# A code may hold slashes, so what ends in nothing more comes last.
@router.get("/{contract:path}")
async def read(contract: Reference, call: ReadCall) -> Contract:
    """One contract."""
    return _answer(call, *await _find(call, contract))


@router.put("/{contract:path}")
async def revise(contract: Reference, body: ContractForm, call: ChangeCall) -> Contract:
    """Edit a draft; takes the whole body."""
    return await _change(call, contract, Command("revised", body))


@router.delete("/{contract:path}", status_code=204)
async def discard(contract: Reference, call: ChangeCall) -> None:
    """Discard a draft."""
    contract_id, state = await _load(call, contract)
    await _do(call, contract_id, state, Command("discarded"))


async def _find(call: Call, reference: str) -> tuple[UUID, State]:
    found = await store.find(call.connection, reference)
    if found is None:
        raise Problem(404, "No such contract", f"No contract has the id or code {reference}.")
    return found


async def _load(call: Call, reference: str) -> tuple[UUID, State]:
    contract_id, _ = await _find(call, reference)
    state = await store.load(call.connection, contract_id)
    call.require_version(state.version)
    return contract_id, state


async def _change(call: Call, reference: str, command: Command) -> Contract:
    contract_id, state = await _load(call, reference)
    return _answer(call, contract_id, await _do(call, contract_id, state, command))


async def _draft(call: Call, contract_id: UUID, command: Command) -> Contract:
    call.response.headers["location"] = f"/v1/contracts/{contract_id}"
    return _answer(call, contract_id, await _do(call, contract_id, State(), command))


async def _do(call: Call, contract_id: UUID, state: State, command: Command) -> State:
    if command.form:
        command = replace(command, form=command.form.with_ids(state.terms, uuid4))
    terms = command.form.terms if command.form else state.terms
    facts = await store.facts(call.connection, terms, now=datetime.now(UTC), actor=call.actor.name, new=not state.version)
    decided = decide(command, state, facts)
    if isinstance(decided, Refusal):
        status = 422 if decided.violations else 409
        raise Problem(status, f"The contract cannot be {command.what}", decided.reason, decided.violations)
    return await store.append(call.connection, contract_id, state, decided) if decided else state


def _answer(call: Call, contract_id: UUID, state: State) -> Contract:
    call.set_etag(state.version)
    return _contract(contract_id, state)


def _contract(contract_id: UUID, state: State) -> Contract:
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
