"""The customer's view: a link is opened, and shows one customer its own contracts and nothing internal (SPEC 7).

Everything is read with a token of the role customer, for this organization and for minutes. Each request asks whether
the link still holds, so that a revocation takes effect at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tidemark_shared.http.links import (
    CustomerLink,
    ExpiredLinkError,
    InvalidLinkError,
    issue_customer_link,
    verify_customer_link,
)
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.language import N_, Language, load_language
from tidemark_shared.log import get_correlation_id
from tidemark_shared.settings import Settings, require_setting
from tidemark_web.access import CUSTOMER_COOKIE, CUSTOMER_PATH
from tidemark_web.pages.client import Api, ApiError, Json, customer_contract_path, optional, require_contract
from tidemark_web.pages.customer_statement_view import build_lines
from tidemark_web.pages.customer_view import build_contract_view, build_row
from tidemark_web.pages.formatting import customer_contract_page
from tidemark_web.pages.rendering import render
from tidemark_web.pages.session import read_form, set_cookie

_TOKEN_LIFETIME = timedelta(minutes=5)
_MAX_CONTRACTS = _MAX_STATEMENTS = 200
# What the customer is told, whatever a service says.
_PROBLEMS = {
    401: N_("This link is not complete, or it was changed. Copy the whole link from your mail, or ask for a new one."),
    403: N_("The password is wrong. Check upper and lower case."),
    404: N_("This link is not known. Ask the person who sent it for a new one."),
    410: N_("This link has expired or was withdrawn. Ask the person who sent it for a new one."),
    429: N_("The password was wrong too often. Wait 15 minutes, then try again."),
}

# The API refuses what is asked for: it does not fit the contract, or was asked for too often.
_REFUSED_REQUESTS = (404, 409, 422, 429)


class CustomerRequest(NamedTuple):
    """What a page of a customer has: the API with the customer's token, whom it is for, and their language."""

    api: Api
    session: Json
    language: Language


CustomerPage = Callable[[Request, CustomerRequest], Awaitable[Response]]


async def ask_for_link(request: Request, status: int = 200) -> Response:
    """The page that takes a link: the script sends the one in the address; a person can also paste it."""
    return _show_form(request, status, text=_PROBLEMS.get(status, ""))


async def open_link(request: Request) -> Response:
    """Exchange the link that was sent for a session, which ends with it."""
    form = await read_form(request)
    token, password = form.get("link", "").rpartition("#")[2].strip(), form.get("password", "")
    path, secret = _page_path(form.get("next", "")), secret_of(request)
    try:
        link = verify_customer_link(secret, token)
    except InvalidLinkError:
        return await ask_for_link(request, 401)
    except ExpiredLinkError:
        return await ask_for_link(request, 410)
    try:
        body = {"token": token, "password": password or None}
        await _api(request, link).post("/v1/customer-links/exchange", body)
    except ApiError as error:
        if error.status not in _PROBLEMS:
            raise
        if error.status == httpx.codes.FORBIDDEN and not password:
            return _show_form(request, 200, token=token, path=path)
        is_open = error.status in (httpx.codes.FORBIDDEN, httpx.codes.TOO_MANY_REQUESTS)
        return _show_form(
            request, error.status, text=_PROBLEMS[error.status], token=token if is_open else "", path=path
        )
    response = RedirectResponse(path, 303)
    session = issue_customer_link(secret, link, "tidemark:customer-session")
    set_cookie(request, response, CUSTOMER_COOKIE, session, link.expires_at, path=CUSTOMER_PATH)
    return response


async def forget_link(_: Request) -> Response:
    """End the session in this browser."""
    return _without_session(RedirectResponse(CUSTOMER_PATH, 303))


def with_session(show: CustomerPage) -> Callable[[Request], Awaitable[Response]]:
    """A page for whoever has opened a link that still holds."""

    async def show_with_session(request: Request) -> Response:
        link: CustomerLink | None = request.state.link
        if link is None:
            return _without_session(await ask_for_link(request, request.state.link_status))
        api = _api(request, link)
        try:
            session = await api.get(f"/v1/customer/links/{link.id}")
        except ApiError as error:
            if error.status not in _PROBLEMS:
                raise
            return _without_session(await ask_for_link(request, error.status))
        return await show(request, CustomerRequest(api, session, load_language(session["locale"], "tidemark_web")))

    return show_with_session


async def show_contracts(request: Request, customer: CustomerRequest) -> Response:
    """All contracts of the customer at a glance."""
    page = await customer.api.get("/v1/customer/contracts", {"limit": _MAX_CONTRACTS})
    now = datetime.now(UTC)
    rows = [build_row(item, _today(item, now), customer.language) for item in page["items"]]
    return render_customer(request, "customer_contracts.html", customer, rows=rows, has_more=page["next"] is not None)


async def request_offer(request: Request, customer: CustomerRequest) -> Response:
    """Ask for more of an account. The contract's owner decides."""
    form, reference = await read_form(request), request.path_params["reference"]
    fields = {name: form.get(name, "").strip() for name in ("account_id", "period_start", "hours", "reason")}
    body = {**fields, "contract": reference, "requested_by": {"name": form.get("name", "").strip()}}
    try:
        key = form.get("key")
        await customer.api.change("POST", "/v1/customer/offers", body, key=key)
    except ApiError as error:
        if error.status not in _REFUSED_REQUESTS:
            raise
        return await show_contract(request, customer, form=form, status=error.status)
    return RedirectResponse(f"{customer_contract_page(reference)}?asked=yes#ask", 303)


async def show_contract(
    request: Request, customer: CustomerRequest, form: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    """One contract, in the period that the address names or else the current one.

    ``form`` is a request that was refused with this ``status``.
    """
    reference = request.path_params["reference"]
    contract, curve, statements = await asyncio.gather(
        customer.api.get(customer_contract_path(reference)),
        optional(customer.api.get(customer_contract_path(reference, "/curve"))),
        optional(customer.api.get(customer_contract_path(reference, "/statements"), {"limit": _MAX_STATEMENTS})),
    )
    require_contract(contract, "contract_id")
    view = build_contract_view(
        contract,
        curve["items"] if curve else [],
        start=request.query_params.get("period"),
        today=_today(contract, datetime.now(UTC)),
        language=customer.language,
    )
    is_asked = request.query_params.get("asked") == "yes"
    return render_customer(
        request,
        "customer_contract.html",
        customer,
        status,
        contract=contract,
        form=form or {},
        is_asked=is_asked,
        # The same form sent twice asks once.
        key=uuid4(),
        statements=build_lines(statements["items"] if statements else [], customer.language),
        **view,
    )


def show_error(request: Request, status: int, _title: str, _detail: str) -> Response:
    """An error as customers see it: in their words, without those of the service that raised it."""
    language = browser_language(request)
    _ = language.gettext
    if status in (400, 404, 422):
        status = 404
        title, detail = _("There is no such contract"), _("Open the list of your contracts.")
    elif status == httpx.codes.INTERNAL_SERVER_ERROR:
        title = _("This page failed")
        detail = _("Try again later. If you write to us about it, name %(id)s.", id=get_correlation_id())
    else:
        title, detail = _("Not available right now"), _("The figures cannot be read right now. Try again in a minute.")
        status = httpx.codes.SERVICE_UNAVAILABLE
    return render(
        request, "customer_error.html", status, language=language, session=None, _=_, title=title, detail=detail
    )  # fmt: skip


def _show_form(request: Request, status: int, *, text: str = "", token: str = "", path: str = "") -> Response:
    """The form for a link or, where ``token`` is one that needs it, for its password."""
    language = browser_language(request)
    return render(
        request,
        "customer_link.html",
        status,
        language=language,
        session=None,
        _=language.gettext,
        problem=language.gettext(text) if text else "",
        token=token,
        next=path or _page_path(request.url.path),
    )


def render_customer(
    request: Request, template: str, customer: CustomerRequest, status: int = 200, **context: Any
) -> Response:
    """A page for whoever has opened a link, in their language."""
    language = customer.language
    return render(
        request,
        template,
        status,
        language=language,
        session=customer.session,
        _=language.gettext,
        ngettext=language.ngettext,
        valid_until=language.format_day(datetime.fromisoformat(customer.session["expires_at"]).date()),
        **context,
    )


def _api(request: Request, link: CustomerLink) -> Api:
    return customer_api(request, f"customer link {link.id}", link.organization_id)


def customer_api(request: Request, name: str, organization_id: UUID) -> Api:
    """The API as a customer sees it, for one organization and for minutes."""
    now = datetime.now(UTC)
    token = issue_token(
        secret_of(request),
        name,
        "customer",
        now=now,
        expires=now + _TOKEN_LIFETIME,
        organization_id=organization_id,
    )
    return Api(request.app.state.clients, token)


def secret_of(request: Request) -> str:
    """The key that signs tokens and links."""
    settings: Settings = request.app.state.settings
    return require_setting(settings.secret, "secret")


def _page_path(path: str) -> str:
    """``path`` if it is a page of customers, or else the first one: a form cannot send people elsewhere."""
    is_page = path.startswith(f"{CUSTOMER_PATH}/contracts/") and not any(ord(character) < 33 for character in path)  # noqa: PLR2004
    is_page = is_page and ".." not in path.split("/")
    return path if is_page else CUSTOMER_PATH


def _without_session(response: Response) -> Response:
    response.delete_cookie(CUSTOMER_COOKIE, path=CUSTOMER_PATH)
    return response


def browser_language(request: Request) -> Language:
    """The language of the browser, where nobody knows yet whose link it is."""
    is_german = request.headers.get("accept-language", "").lower().startswith("de")
    return load_language("de" if is_german else "en", "tidemark_web")


def _today(contract: Json, now: datetime) -> date:
    return now.astimezone(ZoneInfo(contract["timezone"])).date()
