"""The links for customers, for the provider's people: make one, see which there are, revoke them (SPEC 7)."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tidemark_web.pages.client import Api, ApiError, Json
from tidemark_web.pages.formatting import format_day
from tidemark_web.pages.rendering import render
from tidemark_web.pages.session import read_form

_PATH = "/customer-links"
_MAX_SHOWN = 200


class LinkRow(NamedTuple):
    """A link in the list. ``state`` says whether it is valid, in words."""

    link: Json
    state: str
    is_valid: bool
    issued: str
    used: str


async def show_links(request: Request, api: Api) -> Response:
    """The links of the organization that the address names, or of all."""
    return await _show(request, api, organization=request.query_params.get("organization", ""))


async def create_link(request: Request, api: Api) -> Response:
    """Make a link, and show its address: this is the only time."""
    form = await read_form(request)
    day = form.get("expires", "")
    body = {
        "organization_id": form.get("organization", ""),
        "note": form.get("note", "").strip() or None,
        "password": form.get("password") or None,
        "expires_at": f"{day}T23:59:59Z" if day else None,
    }
    try:
        link = await api.post("/v1/customer-links", body)
    except ApiError as error:
        if error.status not in (403, 422):
            raise
        return await _show(
            request, api, organization=form.get("organization", ""), status=error.status, problem=error.detail
        )
    return await _show(request, api, organization=link["organization_id"], created=link)


async def revoke_links(request: Request, api: Api) -> Response:
    """Revoke one link, or all of an organization."""
    form = await read_form(request)
    organization = form.get("organization", "")
    if link := form.get("link"):
        await api.delete(f"/v1/customer-links/{quote(link, safe='')}")
    elif organization:
        await api.post(f"/v1/organizations/{quote(organization, safe='')}/revoke-links", {})
    query = urlencode({"organization": organization} if organization else {})
    return RedirectResponse(f"{_PATH}?{query}", 303)


async def _show(
    request: Request, api: Api, *, organization: str, status: int = 200, problem: str = "", created: Json | None = None
) -> Response:
    query = {"organization": organization or None, "limit": _MAX_SHOWN}
    links, organizations = await asyncio.gather(
        api.get("/v1/customer-links", query), api.get("/v1/organizations", {"limit": _MAX_SHOWN})
    )
    return render(
        request,
        "customer_links.html",
        status,
        hours="decimal",
        rows=list(_rows(links["items"], datetime.now(UTC))),
        organizations=organizations["items"],
        organization=organization,
        organization_name=next((item["name"] for item in organizations["items"] if item["id"] == organization), ""),
        can_change=request.state.actor.has_role("manager"),
        problem=problem,
        created=created,
        has_more=links["next"] is not None,
    )


def _rows(links: Iterable[Json], now: datetime) -> Iterator[LinkRow]:
    for link in links:
        expires_at = datetime.fromisoformat(link["expires_at"])
        if link["revoked_at"]:
            state = f"Revoked by {link['revoked_by']} on {format_day(link['revoked_at'][:10])}"
        else:
            state = f"{'Valid until' if expires_at > now else 'Expired on'} {format_day(expires_at.date())}"
        used = format_day(link["last_used_at"][:10]) if link["last_used_at"] else "Never"
        is_valid = expires_at > now and not link["revoked_at"]
        yield LinkRow(link, state, is_valid, format_day(link["issued_at"][:10]), used)
