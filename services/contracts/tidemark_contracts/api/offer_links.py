"""The two requests of a customer with the link of an offer: read it, and answer it once (SPEC 10).

The link in the body takes the place of a bearer token. Only a POST reads it, so nothing that follows links answers.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from tidemark_contracts.api.offers import rejection_problem, run_command
from tidemark_contracts.api.signatory import SignatoryName
from tidemark_contracts.contract.store import load_contract
from tidemark_contracts.directory.resources import ORGANIZATION
from tidemark_contracts.directory.store import find
from tidemark_contracts.offer import store
from tidemark_contracts.offer.decider import Answer, State, describe_person, is_over
from tidemark_contracts.offer.proposal import find_period
from tidemark_shared.database import Connection
from tidemark_shared.domain.bodies import (
    Body,
    Currency,
    Hours,
    MinorAmount,
    OfferStatus,
    Organization,
    Owner,
    Person,
    Text,
)
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.links import (
    ExpiredLinkError,
    InvalidLinkError,
    OfferLink,
    WrongAudienceError,
    verify_offer_link,
)
from tidemark_shared.http.problems import Problem, problem_response
from tidemark_shared.http.rate_limit import RateLimit
from tidemark_shared.http.requests import TransactionRoute
from tidemark_shared.messaging.events import EventTime
from tidemark_shared.settings import Settings, require_setting

router = APIRouter(prefix="/v1/offers", tags=["offers"], route_class=TransactionRoute)

_MAX_REQUESTS, _WINDOW = 30, timedelta(minutes=1)


class OfferLinkBody(Body):
    """The link of an offer."""

    token: Annotated[Text, Field(description="What follows `#` in the link.")]


class OfferLinkAnswer(OfferLinkBody):
    """The customer's answer to an offer."""

    answer: Literal["accept", "decline"]
    name: SignatoryName
    remark: Text | None = None


class OfferedAdjustment(BaseModel):
    """An offer as the customer reads it, without anything internal."""

    id: UUID
    status: OfferStatus
    organization_id: UUID
    organization_name: str
    locale: str
    owner: Owner
    contract_id: UUID
    contract_code: str
    contract_name: str
    account_id: UUID
    account_name: str
    period_start: date
    period_end: date
    hours: Hours | None
    value_minor: MinorAmount | None
    currency: Currency | None
    reason: str
    price_minor: MinorAmount | None
    price_currency: Currency | None
    note: str | None
    valid_until: EventTime | None
    answered_by: Person | None
    remark: str | None


def create_link_limit() -> RateLimit:
    """The limit for requests with one link."""
    return RateLimit(_MAX_REQUESTS, _WINDOW)


@router.post("/exchange")
async def exchange_offer_link(body: Strict[OfferLinkBody], request: Request) -> OfferedAdjustment:
    """Read an offer with its link. This answers nothing. A link is good for 30 requests a minute."""
    link = _verify(request, body.token)
    return await _offered(request, link, await store.find_offer(request.state.connection, link.offer_id))


@router.post("/answer", response_model=OfferedAdjustment)
async def answer_offer_link(body: Strict[OfferLinkAnswer], request: Request) -> OfferedAdjustment | Response:
    """Accept or decline an offer with its link, once. The same answer again has the same result."""
    link = _verify(request, body.token)
    # Before the answer: a link that is no longer good learns nothing else.
    await _offered(request, link, await store.find_offer(request.state.connection, link.offer_id))
    person = Person(name=body.name, email=link.email)
    command = Answer("accepted" if body.answer == "accept" else "declined", person, body.remark)
    outcome = await run_command(request, link.offer_id, command, actor=describe_person(person))
    if outcome.decision.rejection:
        # Not raised: the transaction keeps the event that tells the owner.
        return problem_response(rejection_problem(command.answer, outcome.decision).body)
    return await _offered(request, link, outcome.state)


def _verify(request: Request, token: str) -> OfferLink:
    settings: Settings = request.app.state.settings
    try:
        link = verify_offer_link(require_setting(settings.secret, "secret"), token)
    except ExpiredLinkError:
        raise _gone("The time to answer this offer is over.") from None
    except WrongAudienceError:
        raise Problem(403, "Link of something else", "This link is not the link of an offer.") from None
    except InvalidLinkError:
        raise Problem(401, "Invalid link", "Open the link as it is in the mail; its end may be missing.") from None
    limit: RateLimit = request.app.state.link_limit
    limit.count(f"{link.offer_id} {link.email}", datetime.now(UTC))
    return link


async def _offered(request: Request, link: OfferLink, state: State | None) -> OfferedAdjustment:
    """The offer as the customer reads it. Raises a 404 or 410 if the link shows nothing (any more)."""
    connection: Connection = request.state.connection
    offer = state.offer if state else None
    if offer is None or offer.status == "requested":
        raise Problem(404, "Offer not found", "There is no offer with this link.")
    if offer.status == "withdrawn":
        raise _gone("This offer was withdrawn.")
    if offer.status == "expired" or is_over(offer, datetime.now(UTC)):
        raise _gone("The time to answer this offer is over.")
    if await store.is_link_revoked(connection, link.offer_id, offer.organization_id):
        raise _gone("This link was revoked.")
    contract = await load_contract(connection, offer.contract_id)
    terms = contract.terms
    if terms is None:
        raise AssertionError("The contract of an offer has terms.")
    if contract.status == "CLOSED" and offer.status == "open":
        raise _gone("The contract is closed.")
    if terms.organization_id != offer.organization_id:
        # A contract that has moved is none of the former customer's business.
        raise _gone("This offer was withdrawn.")
    entity = await find(connection, ORGANIZATION, offer.organization_id)
    organization = entity.body if entity and isinstance(entity.body, Organization) else None
    return OfferedAdjustment(
        **offer.model_dump(include=OfferedAdjustment.model_fields.keys() & type(offer).model_fields.keys()),
        id=link.offer_id,
        organization_name=organization.name if organization else "",
        locale=organization.locale if organization else "en",
        owner=terms.owner,
        contract_name=terms.name,
        period_end=find_period(terms, offer.period_start).end,
    )


def _gone(detail: str) -> Problem:
    return Problem(410, "The link is no longer good", f"{detail} Ask the sender of the mail for a new one.")
