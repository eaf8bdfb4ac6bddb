"""The addresses of the pages, and what every page does: asks for a session, and shows its errors as a page."""

from collections.abc import Awaitable, Callable
from functools import partial

import httpx
from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.routing import Route

from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_web.oidc import CALLBACK_PATH
from tidemark_web.pages import (
    customer,
    customer_links,
    customer_statement,
    docs,
    offer,
    operations,
    saved_reports,
    session,
    single_sign_on,
)
from tidemark_web.pages.client import Api, ApiError
from tidemark_web.pages.contract import show_contract
from tidemark_web.pages.contracts import show_contracts
from tidemark_web.pages.editor_routes import editor_routes
from tidemark_web.pages.live import stream_revisions
from tidemark_web.pages.people import show_people
from tidemark_web.pages.rendering import render, static_response
from tidemark_web.pages.report import send_report, show_report
from tidemark_web.pages.statements import send_statement, show_statement
from tidemark_web.pages.worklogs import show_worklogs

_log = get_logger()

_CUSTOMER_STATEMENT = "/customer/contracts/{reference:path}/statements/{period_start}"
_DEAD_LETTER = "/operations/dead-letters/{service}/{id}"

Page = Callable[[Request, Api], Awaitable[Response]]
Handler = Callable[[Request], Awaitable[Response]]


def page_routes() -> list[Route]:
    """All routes of the pages. A code can contain slashes, so a page of a contract comes before the contract."""
    return [
        Route("/", _page(show_contracts)),
        Route("/contracts", _with_error_pages(_redirect_to_contracts)),
        *editor_routes(_page),
        Route("/contracts/{reference:path}/worklogs", _page(show_worklogs)),
        Route("/contracts/{reference:path}/statements/{period_start}.pdf", _page(send_statement)),
        Route("/contracts/{reference:path}/statements/{period_start}", _page(show_statement)),
        Route("/contracts/{reference:path}", _page(show_contract)),
        Route("/people", _page(show_people)),
        Route("/reports", _page(show_report)),
        Route("/reports/delivery.{extension}", _page(send_report)),
        Route("/saved-reports/{id}/mails", _page(saved_reports.show_mails)),
        Route("/saved-reports/{id}/send", _page(saved_reports.send_report), methods=["POST"]),
        Route("/operations", _page(operations.show_operations)),
        Route("/operations/replay", _page(operations.replay_selection), methods=["GET", "POST"]),
        Route("/operations/dead-letters/{service}/{id}", _page(operations.show_dead_letter)),
        Route("/operations/dead-letters/{service}/{id}/replay", _page(operations.replay_dead_letter), methods=["POST"]),
        Route("/customer", _customer_page(customer.show_contracts)),
        Route("/customer/session", _customer(customer.open_link), methods=["POST"]),
        Route("/customer/forget", _customer(customer.forget_link), methods=["POST"]),
        Route(f"{_CUSTOMER_STATEMENT}.pdf", _customer_page(customer_statement.send_statement)),
        Route(_CUSTOMER_STATEMENT, _customer_page(customer_statement.show_statement)),
        Route("/customer/contracts/{reference:path}", _customer_page(customer.show_contract)),
        Route("/customer/contracts/{reference:path}", _customer_page(customer.request_offer), methods=["POST"]),
        Route("/offer/session", _offer(offer.open_offer), methods=["POST"]),
        Route("/offer/answer", _offer(offer.answer_offer), methods=["POST"]),
        Route("/offer", _offer(offer.ask_for_link)),
        Route("/offer/{_:path}", _offer(offer.ask_for_link)),
        Route("/customer-links", _page(customer_links.show_links)),
        Route("/customer-links", _page(customer_links.create_link), methods=["POST"]),
        Route("/customer-links/revoke", _page(customer_links.revoke_links), methods=["POST"]),
        Route("/docs", _with_error_pages(docs.show_api)),
        Route("/docs/events", _with_error_pages(docs.show_events)),
        Route("/docs/events/{topic}.json", _with_error_pages(docs.send_event_document)),
        Route("/live/{contract_id}", _page(stream_revisions)),
        Route("/sign-in", _with_error_pages(session.sign_in), methods=["GET", "POST"]),
        Route("/sign-in/provider", _with_error_pages(single_sign_on.start_sign_in)),
        Route(CALLBACK_PATH, _with_error_pages(single_sign_on.finish_sign_in)),
        Route("/sign-out", _with_error_pages(session.sign_out), methods=["POST"]),
        Route("/preferences", _with_error_pages(session.save_preferences), methods=["POST"]),
        Route("/static/{version}/{name}", _static),
    ]


async def _redirect_to_contracts(_: Request) -> Response:
    return RedirectResponse("/")


def _page(show: Page) -> Handler:
    async def show_with_session(request: Request) -> Response:
        if request.state.token is None:
            return await session.redirect_to_sign_in(request)
        return await show(request, Api(request.app.state.clients, request.state.token))

    return _with_error_pages(show_with_session)


def _customer_page(show: customer.CustomerPage) -> Handler:
    return _customer(customer.with_session(show))


def _customer(handle: Handler) -> Handler:
    return _with_error_pages(handle, customer.show_error, partial(customer.ask_for_link, status=401))


def _offer(handle: Handler) -> Handler:
    return _with_error_pages(handle, offer.show_error, offer.ask_for_link)


def _show_error(request: Request, status: int, title: str, detail: str) -> Response:
    return render(request, "error.html", status, title=title, detail=detail, error_status=status, hours="decimal")


def _with_error_pages(
    handle: Handler,
    show_error: Callable[[Request, int, str, str], Response] = _show_error,
    ask_who: Handler = session.redirect_to_sign_in,
) -> Handler:
    """Show errors as pages; ``ask_who`` answers where the API does not accept the token."""

    async def handle_errors(request: Request) -> Response:
        try:
            return await handle(request)
        except ApiError as error:
            if error.status == httpx.codes.UNAUTHORIZED:
                return await ask_who(request)
            return show_error(request, error.status, error.title, error.detail)
        except httpx.TransportError as error:
            name = error.request.extensions.get("upstream", "a service")
            _log.warning("upstream_unreachable", upstream=name, error=repr(error))
            detail = f"The {name} service does not answer. It may be starting. This page tries again by itself."
            return show_error(request, 503, "Tidemark is not complete right now", detail)
        except Exception as error:  # noqa: BLE001 - no page shows a traceback
            _log.error("page_failed", exc_info=error)
            detail = f"The log of the web process has the details under {get_correlation_id()}."
            return show_error(request, 500, "This page failed", detail)

    return handle_errors


async def _static(request: Request) -> Response:
    found = static_response(request, request.path_params["version"], request.path_params["name"])
    return found or Response("Not found", 404)
