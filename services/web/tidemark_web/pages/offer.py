"""The page of an offer's link: a customer reads what is offered, and answers it once (SPEC 10).

The link is in the bodies of forms alone. Opening it shows the offer; only a form that a person sends answers it.
"""

from typing import Any
from uuid import UUID

import httpx
from fastapi import Request
from fastapi.responses import Response

from tidemark_shared.http.links import ExpiredLinkError, InvalidLinkError, verify_offer_link
from tidemark_shared.language import N_, Language, load_language
from tidemark_shared.log import get_correlation_id
from tidemark_web.pages.client import Api, ApiError, Json, customer_contract_path, optional
from tidemark_web.pages.customer import browser_language, customer_api, secret_of
from tidemark_web.pages.offer_view import build_agreement, build_figures, build_offer
from tidemark_web.pages.rendering import render
from tidemark_web.pages.session import read_form

_EXPIRED = N_("The time to answer this offer is over. Ask the person who sent it for a new one.")
# What the customer is told, whatever the service says.
_PROBLEMS = {
    401: N_("This link is not complete, or it was changed. Open it from the mail, or copy all of it."),
    403: N_("This is not the link of an offer. Open the link from the mail of the offer."),
    404: N_("There is no offer with this link. Ask the person who sent it for a new one."),
    410: N_("This offer was withdrawn. Ask the person who sent it for a new one."),
    429: N_("This link was used too often. Wait a minute, then open it from the mail again."),
}
_ANSWERED = {
    "accepted": N_("This offer was accepted by %(person)s. There is nothing more to do."),
    "declined": N_("This offer was declined by %(person)s. There is nothing more to do."),
}
_ANSWERS = ("accept", "decline")


async def ask_for_link(request: Request) -> Response:
    """The page that takes the link: the script sends the one in the address; a person can also paste it."""
    return _show_notice(request, 200)


async def open_offer(request: Request) -> Response:
    """Show the offer of the link that was sent. This answers nothing."""
    return await _show_offer(request, await read_form(request))


async def answer_offer(request: Request) -> Response:
    """Accept or decline the offer, and show what was agreed."""
    form, language = await read_form(request), browser_language(request)
    _, name, answer = language.gettext, form.get("name", "").strip(), form.get("answer")
    if answer not in _ANSWERS or not name:
        problem = _("Enter your name.") if answer in _ANSWERS else _("Choose whether you accept or decline.")
        return await _show_offer(request, form, problem)
    body = {"token": _token(form), "answer": answer, "name": name, "remark": form.get("remark", "").strip() or None}
    try:
        answered = await Api(request.app.state.clients).post("/v1/offers/answer", body)
    except ApiError as error:
        if error.status in (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY):
            # A violation begins with its place in the body.
            reason = error.detail.partition(": ")[2] if error.detail.startswith("/") else error.detail
            problem = _(
                "Your answer could not be recorded: %(reason)s The sender of the mail has been notified.", reason=reason
            )
            return await _show_offer(request, form, problem)
        return _show_problem(request, error)
    language = load_language(answered["locale"], "tidemark_web")
    if (answered["answered_by"] or {}).get("name") != name:  # somebody else was faster
        return _show_answered(request, answered, language)
    context = build_agreement(answered, language)
    return _render(request, "offer_answered.html", language, **context)


def show_error(request: Request, status: int, _title: str, _detail: str) -> Response:
    """An error as customers see it: in their words, without those of the service that raised it."""
    language = browser_language(request)
    _ = language.gettext
    problem = _("The offer cannot be read right now. Open the link from the mail again in a minute.")
    if status == httpx.codes.INTERNAL_SERVER_ERROR:
        problem = _("Try again later. If you write to us about it, name %(id)s.", id=get_correlation_id())
    else:
        status = httpx.codes.SERVICE_UNAVAILABLE
    return _show_notice(request, status, problem, asks=False)


async def _show_offer(request: Request, form: dict[str, str], problem: str = "") -> Response:
    """The offer with the form to answer it; of one that was answered, only that it was."""
    token, language = _token(form), browser_language(request)
    try:
        verify_offer_link(secret_of(request), token)
        offer = await Api(request.app.state.clients).post("/v1/offers/exchange", {"token": token})
    except ExpiredLinkError:
        return _show_notice(request, 410, language.gettext(_EXPIRED), asks=False)
    except InvalidLinkError:
        return _show_notice(request, 401, language.gettext(_PROBLEMS[401]))
    except ApiError as error:
        return _show_problem(request, error)
    language = load_language(offer["locale"], "tidemark_web")
    if offer["status"] in _ANSWERED:
        return _show_answered(request, offer, language)
    contract = await _load_contract(request, offer)
    return _render(
        request,
        "offer.html",
        language,
        422 if problem else 200,
        problem=problem,
        token=token,
        form=form,
        **build_offer(offer, contract["timezone"] if contract else "UTC", language),
        figures=build_figures(offer, contract, language),
    )


def _show_answered(request: Request, offer: Json, language: Language) -> Response:
    """Of an offer that was answered, only that it was, and by whom."""
    person = (offer["answered_by"] or {}).get("name") or language.gettext("the customer")
    answer = _ANSWERED[offer["status"]]
    text = language.gettext(answer, person=person)
    return _render(request, "offer_link.html", language, notice=text, asks=False)


async def _load_contract(request: Request, offer: Json) -> Json | None:
    """The customer's own contract with its figures; the offer can be answered without."""
    api = customer_api(request, f"offer {offer['id']}", UUID(offer["organization_id"]))
    return await optional(api.get(customer_contract_path(offer["contract_id"])))


def _show_problem(request: Request, error: ApiError) -> Response:
    if error.status not in _PROBLEMS:
        raise error
    is_incomplete = error.status == httpx.codes.UNAUTHORIZED
    problem = browser_language(request).gettext(_PROBLEMS[error.status])
    return _show_notice(request, error.status, problem, asks=is_incomplete)


def _show_notice(request: Request, status: int, text: str = "", *, asks: bool = True) -> Response:
    """A page without figures: a notice, and the form for a link if another one ``asks`` for it."""
    return _render(request, "offer_link.html", browser_language(request), status, notice=text, asks=asks)


def _render(request: Request, template: str, language: Language, status: int = 200, **context: Any) -> Response:
    return render(request, template, status, language=language, session=None, _=language.gettext, **context)


def _token(form: dict[str, str]) -> str:
    return form.get("link", "").rpartition("#")[2].strip()
