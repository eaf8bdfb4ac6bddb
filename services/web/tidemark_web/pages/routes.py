"""The addresses of the pages, and what every page does: asks for a session, and shows its errors as a page."""

from collections.abc import Awaitable, Callable

import httpx
from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.routing import Route

from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_web.pages import docs, session
from tidemark_web.pages.client import Api, ApiError
from tidemark_web.pages.contract import show_contract
from tidemark_web.pages.contracts import show_contracts
from tidemark_web.pages.live import stream_revisions
from tidemark_web.pages.people import show_people
from tidemark_web.pages.rendering import render, static_response
from tidemark_web.pages.report import send_report, show_report
from tidemark_web.pages.statements import send_statement, show_statement
from tidemark_web.pages.worklogs import show_worklogs

_log = get_logger()

Page = Callable[[Request, Api], Awaitable[Response]]


def page_routes() -> list[Route]:
    """All routes of the pages. A code can contain slashes, so a page of a contract comes before the contract."""
    return [
        Route("/", _page(show_contracts)),
        Route("/contracts", _guard(_redirect_to_contracts)),
        Route("/contracts/{reference:path}/worklogs", _page(show_worklogs)),
        Route("/contracts/{reference:path}/statements/{period_start}.pdf", _page(send_statement)),
        Route("/contracts/{reference:path}/statements/{period_start}", _page(show_statement)),
        Route("/contracts/{reference:path}", _page(show_contract)),
        Route("/people", _page(show_people)),
        Route("/reports", _page(show_report)),
        Route("/reports/delivery.{extension}", _page(send_report)),
        Route("/docs", _guard(docs.show_api)),
        Route("/docs/events", _guard(docs.show_events)),
        Route("/docs/events/{topic}.json", _guard(docs.send_event_document)),
        Route("/live/{contract_id}", _page(stream_revisions)),
        Route("/sign-in", _guard(session.sign_in), methods=["GET", "POST"]),
        Route("/sign-out", _guard(session.sign_out), methods=["POST"]),
        Route("/preferences", _guard(session.save_preferences), methods=["POST"]),
        Route("/static/{version}/{name}", _static),
    ]


async def _redirect_to_contracts(_: Request) -> Response:
    return RedirectResponse("/")


def _page(show: Page) -> Callable[[Request], Awaitable[Response]]:
    async def show_with_session(request: Request) -> Response:
        if request.state.token is None:
            return session.redirect_to_sign_in(request)
        return await show(request, Api(request.app.state.clients, request.state.token))

    return _guard(show_with_session)


def _guard(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Show errors as pages."""

    async def handle_errors(request: Request) -> Response:
        try:
            return await handle(request)
        except ApiError as error:
            if error.status == httpx.codes.UNAUTHORIZED:
                return session.redirect_to_sign_in(request)
            return _show_error(request, error.status, error.title, error.detail)
        except httpx.TransportError as error:
            name = error.request.extensions.get("upstream", "a service")
            _log.warning("upstream_unreachable", upstream=name, error=repr(error))
            detail = f"The {name} service does not answer. It may be starting. This page tries again by itself."
            return _show_error(request, 503, "Tidemark is not complete right now", detail)
        except Exception as error:  # noqa: BLE001 - no page shows a traceback
            _log.error("page_failed", exc_info=error)
            detail = f"The log of the web process has the details under {get_correlation_id()}."
            return _show_error(request, 500, "This page failed", detail)

    return handle_errors


def _show_error(request: Request, status: int, title: str, detail: str) -> Response:
    return render(request, "error.html", status, title=title, detail=detail, error_status=status, hours="decimal")


async def _static(request: Request) -> Response:
    found = static_response(request, request.path_params["version"], request.path_params["name"])
    return found or Response("Not found", 404)
