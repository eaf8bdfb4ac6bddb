"""``/v1/customer-links``: links that show one customer its own contracts, and nothing internal (SPEC 7)."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, TypeAdapter

from tidemark_contracts.database.query_types import ContractsQueries, FindCustomerLinkRow, ListCustomerLinksRow
from tidemark_contracts.passwords import check_password, hash_password
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Body, Locale, Name, Text
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.domain.violations import ViolationCode
from tidemark_shared.http.idempotency import release_key
from tidemark_shared.http.links import (
    MAIL_LINK_VERSION,
    CustomerLink,
    ExpiredLinkError,
    InvalidLinkError,
    issue_customer_link,
    verify_customer_link,
)
from tidemark_shared.http.pagination import Cursor, Limit, Page, build_page, decode_cursor
from tidemark_shared.http.problems import INVALID_REQUEST, Problem, ProblemBody, Violation, problem_response
from tidemark_shared.http.requests import CreateCall, CustomerCall, NoBody, ReadCall, TransactionRoute
from tidemark_shared.messaging.events import EventTime
from tidemark_shared.settings import Settings, require_setting

_sql: ContractsQueries = queries("tidemark_contracts")

router = APIRouter(prefix="/v1", tags=["customer-links"], route_class=TransactionRoute)

_LIFETIME, _MAX_LIFETIME = timedelta(days=180), timedelta(days=731)
_MAX_ATTEMPTS, _ATTEMPTS_WINDOW = 5, timedelta(minutes=15)
_Position = TypeAdapter(tuple[EventTime, UUID])
LinkId = Annotated[UUID, Path(description="The link's id.")]
Password = Annotated[Text, Field(min_length=8, max_length=128)]


class CustomerLinkBody(Body):
    """A link for a customer."""

    organization_id: UUID
    expires_at: Annotated[
        EventTime | None, Field(description="When it expires: 180 days from now unless you say otherwise, at most 731.")
    ] = None
    password: Annotated[
        Password | None, Field(description="What its reader must also know, of 8 to 128 characters; null for nothing.")
    ] = None
    note: Annotated[Name | None, Field(description="What it is for, in your words.")] = None


class CustomerLinkState(BaseModel):
    """A link and what has happened to it. Its address is not kept, so it is shown once, when the link is made."""

    id: UUID
    organization_id: UUID
    organization_name: str
    issued_at: Annotated[datetime, Field(description="When it was made; in a mail, when the notification was raised.")]
    expires_at: Annotated[datetime, Field(description="When it expires.")]
    has_password: Annotated[bool, Field(description="Whether its reader must also know a password.")]
    note: Annotated[str | None, Field(description="What it is for.")]
    created_by: Annotated[str, Field(description="Who made it; `notifier` for a link of a mail.")]
    last_used_at: Annotated[datetime | None, Field(description="When it last showed a page; null if it never did.")]
    revoked_at: Annotated[datetime | None, Field(description="When it was revoked; null if it was not.")]
    revoked_by: Annotated[str | None, Field(description="Who revoked it.")]


class CreatedCustomerLink(CustomerLinkState):
    """A new link, with its address. Whoever has the address can use it, so send it to the customer only."""

    url: Annotated[str, Field(description="The address for the customer. It is shown only once.")]


class LinkExchange(Body):
    """A link that is to be opened."""

    token: Annotated[Text, Field(description="The part of the link's address after `#`.")]
    password: Annotated[Text | None, Field(max_length=1_000, description="The password, where the link has one.")] = (
        None
    )


class CustomerSession(BaseModel):
    """What a link shows: the contracts of one organization."""

    link_id: Annotated[UUID, Field(description="The link's id.")]
    organization_id: UUID
    organization_name: str
    locale: Locale
    expires_at: Annotated[datetime, Field(description="When the link expires.")]


@router.post("/customer-links", status_code=201)
async def create_customer_link(
    request: Request, body: Strict[CustomerLinkBody], call: CreateCall
) -> CreatedCustomerLink:
    """Make a link that shows a customer its own contracts, and nothing internal. Its address is shown only once."""
    settings: Settings = request.app.state.settings
    now = datetime.now(UTC)
    expires_at = (body.expires_at or now + _LIFETIME).replace(microsecond=0)
    if not now < expires_at <= now + _MAX_LIFETIME:
        message = f"A link is valid for at least a second and at most {_MAX_LIFETIME.days} days."
        raise _violation("invalid", "/expires_at", message)
    link = CustomerLink(uuid4(), body.organization_id, now, expires_at)
    stored = body.password and await asyncio.to_thread(hash_password, body.password, secrets.token_bytes(16))
    await _add(call.connection, link, password_hash=stored, note=body.note, created_by=call.actor.name)
    row = await _sql.find_customer_link(call.connection, id=link.id)
    if row is None:
        message = f"No organization with id {body.organization_id}."
        raise _violation("unknown_reference", "/organization_id", message)
    token = issue_customer_link(require_setting(settings.secret, "secret"), link)
    url = f"{settings.public_url.rstrip('/')}/customer#{token}"
    call.response.headers["location"] = f"/v1/customer-links/{link.id}"
    # The answer has the address, so it is not stored for a repeated request: that makes another link.
    await release_key(request)
    return CreatedCustomerLink(**_members(row), url=url)


@router.get("/customer-links")
async def list_customer_links(
    call: ReadCall, organization: UUID | None = None, cursor: Cursor = None, limit: Annotated[Limit, Query()] = 50
) -> Page[CustomerLinkState]:
    """Links for customers, the newest first: those that were made, and those of mails once they have been used."""
    before_time, before_id = decode_cursor(cursor, _Position) or (None, None)
    rows = _sql.list_customer_links(
        call.connection,
        organization_id=organization,
        before_time=before_time,
        before_id=before_id,
        max_rows=limit + 1,
    )
    links = [CustomerLinkState(**_members(row)) async for row in rows]
    return build_page(links, limit, lambda link: link.issued_at.isoformat())


@router.get("/customer-links/{link_id}")
async def get_customer_link(link_id: LinkId, call: ReadCall) -> CustomerLinkState:
    """Read one link."""
    return CustomerLinkState(**_members(await _find(call.connection, link_id)))


@router.delete("/customer-links/{link_id}", status_code=204)
async def revoke_customer_link(link_id: LinkId, call: CreateCall) -> None:
    """Revoke a link, at once and for ever. It stays in the list."""
    if (
        await _sql.revoke_customer_link(call.connection, id=link_id, now=datetime.now(UTC), actor=call.actor.name)
        is None
    ):
        raise _not_found()


@router.post("/organizations/{organization}/revoke-links", status_code=204)
async def revoke_customer_links(organization: UUID, call: CreateCall, _: NoBody = None) -> None:
    """Revoke all links of an organization, also those in mails that nobody has opened yet. New links can be made."""
    now = datetime.now(UTC)
    revoked = await _sql.revoke_customer_links(
        call.connection, organization_id=organization, now=now, actor=call.actor.name
    )
    if revoked is None:
        raise Problem(404, "Organization not found", f"No organization with id {organization}.")


@router.post("/customer-links/exchange", response_model=CustomerSession)
async def exchange_customer_link(request: Request, body: Strict[LinkExchange], call: CustomerCall) -> Any:
    """Open a link: whom it is for, if it is valid and the password is right.

    The answer is 401 if the link was changed, 410 if it has expired or was revoked, 403 if the password is missing or
    wrong, and 429 after five wrong passwords within 15 minutes. It has no `Idempotency-Key`: nothing of it is kept.
    """
    settings: Settings = request.app.state.settings
    now = datetime.now(UTC)
    try:
        link = verify_customer_link(require_setting(settings.secret, "secret"), body.token)
    except InvalidLinkError:
        detail = "The link is not complete, or it was changed. Open it again from the mail, or ask for a new one."
        raise Problem(401, "Link not valid", detail) from None
    except ExpiredLinkError:
        raise _gone("The link has expired.") from None
    if link.id.version == MAIL_LINK_VERSION:
        await _add(call.connection, link, created_by="notifier")
    row = await _find(call.connection, link.id)
    session = _session(row, now)
    if row["password_hash"]:
        if not body.password:
            return _refusal(403, "Password required", "This link needs a password. Ask the person who sent the link.")
        window_start = now - _ATTEMPTS_WINDOW
        attempts = await _sql.count_password_attempt(call.connection, id=link.id, now=now, window_start=window_start)
        if attempts > _MAX_ATTEMPTS:
            return _refusal(429, "Too many attempts", "The password was wrong too often. Wait 15 minutes.")
        if not await asyncio.to_thread(check_password, body.password, row["password_hash"]):
            # The answer is returned and not raised: the attempt counts.
            return _refusal(403, "Wrong password", "The password is wrong. Check upper and lower case.")
    await _sql.use_customer_link(call.connection, id=link.id, now=now)
    return session


@router.get("/customer/links/{link_id}")
async def get_customer_session(link_id: LinkId, call: CustomerCall) -> CustomerSession:
    """Whom a link of the customer is for, as long as it is valid: 410 once it has expired or was revoked."""
    row, now = await _find(call.connection, link_id), datetime.now(UTC)
    if call.actor.organization_id not in (None, row["organization_id"]):
        raise _not_found()
    session = _session(row, now)
    if call.actor.organization_id:
        await _sql.use_customer_link(call.connection, id=link_id, now=now)
    return session


async def _add(
    connection: Connection,
    link: CustomerLink,
    *,
    created_by: str,
    password_hash: str | None = None,
    note: str | None = None,
) -> None:
    await _sql.add_customer_link(
        connection,
        id=link.id,
        organization_id=link.organization_id,
        issued_at=link.issued_at,
        expires_at=link.expires_at,
        password_hash=password_hash,
        note=note,
        created_by=created_by,
    )


async def _find(connection: Connection, link_id: UUID) -> FindCustomerLinkRow:
    row = await _sql.find_customer_link(connection, id=link_id)
    if row is None:
        raise _not_found()
    return row


def _members(row: FindCustomerLinkRow | ListCustomerLinksRow) -> dict[str, Any]:
    return {**row, "has_password": row["password_hash"] is not None}


def _session(row: FindCustomerLinkRow, now: datetime) -> CustomerSession:
    """Raise a 410 if the link has ended."""
    if row["revoked_at"]:
        raise _gone("The link was revoked.")
    if row["expires_at"] <= now:
        raise _gone("The link has expired.")
    return CustomerSession(**{**row, "link_id": row["id"], "locale": row["locale"] or "en"})


def _gone(reason: str) -> Problem:
    return Problem(410, "Link no longer valid", f"{reason} Ask the person who sent it for a new one.")


def _not_found() -> Problem:
    return Problem(404, "Link not found", "There is no such link. Ask the person who sent it for a new one.")


def _refusal(status: int, title: str, detail: str) -> Response:
    return problem_response(ProblemBody(title=title, status=status, detail=detail))


def _violation(code: ViolationCode, path: str, message: str) -> Problem:
    return Problem(422, INVALID_REQUEST, message, [Violation(code=code, path=path, message=message)])
