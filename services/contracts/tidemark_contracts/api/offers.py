"""``/v1/offers``: make, confirm, withdraw and answer offers on behalf of the customer (SPEC 10)."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from tidemark_contracts.api.signatory import Signatory
from tidemark_contracts.contract.decider import Rejection
from tidemark_contracts.contract.draft import ReasonText
from tidemark_contracts.contract.store import find_contract
from tidemark_contracts.offer import store
from tidemark_contracts.offer.decider import (
    Answer,
    Command,
    Confirm,
    Decision,
    Make,
    State,
    Withdraw,
    describe_person,
)
from tidemark_contracts.offer.proposal import Price, Proposal, resolve_account
from tidemark_shared.database import Connection
from tidemark_shared.domain.bodies import Body, Day, Hours, MinorAmount, Name, OfferStatus, Person, Text
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.idempotency import release_key
from tidemark_shared.http.pagination import Cursor, Limit, Page, build_page, decode_page_cursor
from tidemark_shared.http.problems import Problem, problem_response
from tidemark_shared.http.rate_limit import RateLimit
from tidemark_shared.http.requests import (
    DRY_RUN,
    Call,
    ChangeCall,
    CreateCall,
    ReadCall,
    TransactionRoute,
    VersionConflictError,
    Versioned,
    post_call,
    wait_for_event,
)
from tidemark_shared.messaging.events import EventTime, OfferState

router = APIRouter(prefix="/v1/offers", tags=["offers"], route_class=TransactionRoute)
customer_router = APIRouter(prefix="/v1/customer/offers", tags=["offers"], route_class=TransactionRoute)

OfferId = Annotated[UUID, Path(alias="offer", description="The offer's id.")]


class Offer(Versioned, OfferState):
    """A proposed adjustment, and what became of it."""

    created_at: EventTime
    updated_at: EventTime


class OfferInput(Proposal):
    """An offer to make. With ``requested_by`` it is the request of a customer, which the owner has yet to confirm."""

    contract: Annotated[Name, Field(description="The contract's id or code.")]
    requested_by: Person | None = None


class OfferRequest(Body):
    """What a customer asks for: an adjustment of one of its contracts."""

    contract: Annotated[Name, Field(description="The contract's id or code.")]
    account_id: Annotated[Name, Field(description="The account's id or name.")]
    period_start: Day
    hours: Annotated[Hours, Field(gt=0)] | None = None
    value_minor: Annotated[MinorAmount, Field(gt=0)] | None = None
    reason: Annotated[Name, Field(description="Why it is needed; it becomes the reason of the adjustment.")]
    requested_by: Signatory


class RequestedOffer(Body):
    """A customer's request. The contract's owner confirms or declines it."""

    id: UUID
    status: OfferStatus


class Confirmation(Price):
    """The price of a request, which the customer then has to accept. Without one the request is accepted."""

    note: Text | None = None


class Withdrawal(Body):
    """Why an offer is withdrawn."""

    reason: ReasonText


class OfferAnswer(Signatory):
    """Who answers an offer, and what they say."""

    remark: Text | None = None


class OfferFilter(BaseModel):
    """Which offers a list shows."""

    contract: Annotated[Text | None, Field(description="A contract's id or code.")] = None
    status: list[OfferStatus] | None = None
    cursor: Cursor = None
    limit: Limit = 50


@router.post("", status_code=201, dependencies=[DRY_RUN])
async def make_offer(body: Strict[OfferInput], call: CreateCall) -> Offer:
    """Make an offer of an ACTIVE contract, or record a customer's request."""
    contract = await find_contract(call.connection, body.contract)
    if contract is None:
        raise Problem(404, "Contract not found", f"No contract with id or code {body.contract!r}.")
    outcome = await store.make_offer(
        call.connection,
        contract[0],
        Make(body, requested_by=body.requested_by),
        now=datetime.now(UTC),
        actor=call.actor.name,
    )
    if outcome.decision.rejection or outcome.offer_id is None:
        raise rejection_problem("made", outcome.decision)
    call.response.headers["location"] = f"/v1/offers/{outcome.offer_id}"
    return _respond(call, outcome.offer_id, outcome.state)


@customer_router.post("", status_code=201)
async def request_offer(
    body: Strict[OfferRequest], call: Annotated[Call, post_call("customer")], request: Request
) -> RequestedOffer:
    """Ask for more hours (or value) of an ACTIVE contract, as its customer. The owner gets a mail."""
    contract = await find_contract(call.connection, body.contract)
    terms = contract[1].terms if contract else None
    account = terms and resolve_account(terms, body.account_id)
    # A customer sees its own contracts, and of these the billable accounts.
    if not (contract and terms and terms.organization_id == call.actor.organization_id):
        raise Problem(404, "Contract not found", f"No contract with id or code {body.contract!r}.")
    if not (account and account.billable):
        raise Problem(404, "Account not found", f"No account with id or name {body.account_id!r}.")
    limit: RateLimit = request.app.state.link_limit
    limit.count(call.actor.name, datetime.now(UTC))
    proposal = Proposal(**body.model_dump(exclude={"contract", "requested_by"}))
    command = Make(proposal, requested_by=body.requested_by, by_customer=True)
    # A name alone could be that of anybody.
    actor = f"{describe_person(body.requested_by)}, by {call.actor.name}"
    outcome = await store.make_offer(call.connection, contract[0], command, now=datetime.now(UTC), actor=actor)
    if outcome.decision.rejection or outcome.offer_id is None or outcome.state.offer is None:
        raise rejection_problem("made", outcome.decision)
    return RequestedOffer(id=outcome.offer_id, status=outcome.state.offer.status)


@router.get("")
async def list_offers(call: ReadCall, filters: Annotated[OfferFilter, Query()]) -> Page[Offer]:
    """List offers, newest first."""
    contract_id, after = None, decode_page_cursor(filters.cursor)
    if filters.contract is not None:
        contract = await find_contract(call.connection, filters.contract)
        if contract is None:
            return Page(items=[], next=None)
        contract_id = contract[0]
    offers = await store.list_offers(
        call.connection,
        contract_id=contract_id,
        statuses=filters.status,
        before=after and after[1],
        max_rows=filters.limit + 1,
    )
    return build_page([_body(*offer) for offer in offers], filters.limit)


@router.get("/{offer}")
async def get_offer(offer: OfferId, call: ReadCall) -> Offer:
    """Read one offer."""
    state = await store.find_offer(call.connection, offer)
    if state is None:
        raise _not_found(offer)
    return _respond(call, offer, state)


@router.post("/{offer}/confirm", dependencies=[DRY_RUN])
async def confirm_offer(offer: OfferId, body: Strict[Confirmation], call: ChangeCall, request: Request) -> Offer:
    """Confirm a customer's request: with a price it is open for the customer's answer, without one it is accepted."""
    return await _change(offer, Confirm(body, body.note), "confirmed", call, request)


@router.post("/{offer}/withdraw", dependencies=[DRY_RUN])
async def withdraw_offer(offer: OfferId, body: Strict[Withdrawal], call: ChangeCall, request: Request) -> Offer:
    """Withdraw an offer. Its links are no longer good."""
    return await _change(offer, Withdraw(body.reason), "withdrawn", call, request)


@router.post("/{offer}/accept", response_model=Offer, dependencies=[DRY_RUN])
async def accept_offer(
    offer: OfferId, body: Strict[OfferAnswer], call: ChangeCall, request: Request
) -> Offer | Response:
    """Accept an offer on behalf of the customer. Its adjustment amends the contract."""
    return await _answer(offer, "accepted", body, call, request)


@router.post("/{offer}/decline", response_model=Offer, dependencies=[DRY_RUN])
async def decline_offer(
    offer: OfferId, body: Strict[OfferAnswer], call: ChangeCall, request: Request
) -> Offer | Response:
    """Decline an offer on behalf of the customer, or a customer's request."""
    return await _answer(offer, "declined", body, call, request)


async def _answer(
    offer_id: UUID, answer: Literal["accepted", "declined"], body: OfferAnswer, call: Call, request: Request
) -> Offer | Response:
    command = Answer(answer, Person(name=body.name, email=body.email), body.remark)
    outcome = await run_command(request, offer_id, command, actor=call.actor.name, call=call)
    if outcome.decision.rejection:
        # Not raised: the transaction keeps the event that tells the owner. The same answer may be possible later.
        await release_key(request)
        return problem_response(rejection_problem(answer, outcome.decision).body)
    return _respond(call, offer_id, outcome.state)


async def _change(offer_id: UUID, command: Command, action: str, call: Call, request: Request) -> Offer:
    outcome = await run_command(request, offer_id, command, actor=call.actor.name, call=call)
    if outcome.decision.rejection:
        raise rejection_problem(action, outcome.decision)
    return _respond(call, offer_id, outcome.state)


async def run_command(
    request: Request, offer_id: UUID, command: Command, *, actor: str, call: Call | None = None
) -> store.Outcome:
    """Run a command on an offer, and again if somebody has changed its contract at the same time.

    The caller's ``If-Match`` counts unless nothing would change: an answer that is sent twice has the same result.
    """
    connection: Connection = request.state.connection
    state = await store.lock_offer(connection, offer_id)
    if state is None:
        raise _not_found(offer_id)
    try:
        outcome = await store.change_offer(connection, offer_id, state, command, now=datetime.now(UTC), actor=actor)
    except VersionConflictError:
        wait_for_event(request, Problem(409, "The contract is being changed", "Try again in a moment."))
    if call and (outcome.decision.events or outcome.decision.rejection):
        call.require_version(state.version)
    return outcome


def rejection_problem(action: str, decision: Decision) -> Problem:
    """Why an offer cannot be changed: violations, or its status or that of its contract."""
    rejection = decision.rejection or Rejection("Nothing would change.")
    status = 422 if rejection.violations else 409
    return Problem(status, f"The offer cannot be {action}", rejection.reason, rejection.violations)


def _not_found(offer_id: UUID) -> Problem:
    return Problem(404, "Offer not found", f"No offer with id {offer_id}.")


def _respond(call: Call, offer_id: UUID, state: State) -> Offer:
    call.set_etag(state.version)
    return _body(offer_id, state)


def _body(offer_id: UUID, state: State) -> Offer:
    if state.offer is None or state.created_at is None or state.updated_at is None:
        raise AssertionError("An offer that has events has a state.")
    return Offer(
        **dict(state.offer),
        id=offer_id,
        version=state.version,
        created_at=state.created_at,
        updated_at=state.updated_at,
    )
