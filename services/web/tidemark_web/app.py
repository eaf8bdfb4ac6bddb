"""The public address: a reverse proxy that routes ``/v1`` to the services, and the start page at ``/``."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.resources import files
from itertools import chain

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tidemark_shared.http.app import create_api
from tidemark_shared.http.auth import LOOPBACK_HOSTS, missing_token
from tidemark_shared.http.problems import Problem, ProblemBody, problem_response
from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_shared.settings import Settings
from tidemark_web.documents import merge_documents

_log = get_logger()

_TIMEOUT = httpx.Timeout(60, connect=2)
_READINESS_TIMEOUT_SECONDS = 3
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

# Headers of a connection, not of the message (RFC 9110, 7.6.1); the upstream has its own host.
_HOP_BY_HOP_HEADERS = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade", "host",
}  # fmt: skip

# The first pattern that matches the path wins. The path is still encoded, because a code may contain a slash.
_ROUTES = (
    ("consumption", re.compile(r"/v1/contracts/[^/]+/(balance|periods|curve|worklogs)(/.*)?")),
    ("notifier", re.compile(r"/v1/contracts/[^/]+/notifications(/.*)?")),
    ("contracts", re.compile(r"/v1/(organizations|teams|rate-cards|contracts)(/.*)?")),
    ("consumption", re.compile(r"/v1/(reports|worklogs)(/.*)?")),
    ("notifier", re.compile(r"/v1/(rules|notifications)(/.*)?")),
    ("inbox", re.compile(r"/inbox(/.*)?")),
)


def create_app(settings: Settings) -> FastAPI:
    """Create the application of web, which has no data of its own."""
    services = {
        "contracts": settings.contracts_url,
        "consumption": settings.consumption_url,
        "notifier": settings.notifier_url,
    }
    upstreams = services | ({"inbox": settings.inbox_url} if settings.inbox_url else {})
    # Open services accept requests from loopback without a token, and our requests come from loopback: so check here
    # that a request from elsewhere has one.
    needs_token = not (settings.open and settings.host in LOOPBACK_HOSTS)
    start_page = (files("tidemark_web") / "start.html").read_text()
    if "inbox" not in upstreams:
        start_page = re.sub(r"(?s)<!-- inbox -->.*?<!-- /inbox -->", "", start_page)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # The services are local: ignore proxies from the environment.
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
            app.state.client = client
            app.state.problems = lambda: _collect_problems(client, services)
            yield

    async def show_start_page(_: Request) -> Response:
        return HTMLResponse(start_page)

    async def show_document(request: Request) -> Response:
        client: httpx.AsyncClient = request.app.state.client
        responses = await asyncio.gather(*(client.get(f"{url}/openapi.json") for url in services.values()))
        documents = dict(zip(services, (response.json() for response in responses), strict=True))
        return JSONResponse(merge_documents(documents))

    async def forward(request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        name = next((name for name, pattern in _ROUTES if name in upstreams and pattern.fullmatch(path)), None)
        if name is None:
            raise Problem(404, "Not found", f"There is no resource at {path}.")
        if needs_token and name in services and "authorization" not in request.headers:
            raise missing_token()
        query = request.scope["query_string"].decode("latin-1")
        return await _forward(request, name, upstreams[name].rstrip("/") + path + (f"?{query}" if query else ""))

    app = create_api("web", settings, lifespan)
    # Replaces FastAPI's own document, which is empty.
    app.router.routes.insert(0, Route("/openapi.json", show_document))
    app.router.routes.append(Route("/", show_start_page))
    app.router.routes.append(Route("/{path:path}", forward, methods=_METHODS))
    app.exception_handler(httpx.TransportError)(_report_unreachable)
    return app


async def _forward(request: Request, name: str, url: str) -> Response:
    client: httpx.AsyncClient = request.app.state.client
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    upstream_request = client.build_request(
        request.method,
        url,
        headers=[
            *_end_to_end_headers(request.headers.raw, {"x-request-id"}),
            (b"x-request-id", get_correlation_id().encode()),
        ],
        content=request.stream() if has_body else None,
    )
    upstream_request.extensions["upstream"] = name
    upstream_response = await client.send(upstream_request, stream=True)
    response = StreamingResponse(_stream_body(upstream_response), upstream_response.status_code)
    response.raw_headers = _end_to_end_headers(upstream_response.headers.raw)
    return response


async def _stream_body(response: httpx.Response) -> AsyncIterator[bytes]:
    """Stream the body without decoding it, and release the connection if the client disconnects."""
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    finally:
        await response.aclose()


def _end_to_end_headers(
    headers: Iterable[tuple[bytes, bytes]], excluded: Iterable[str] = ()
) -> list[tuple[bytes, bytes]]:
    """The headers to forward: without those of the connection and those that ``Connection`` lists."""
    lowered = [(name.decode("latin-1").lower(), name, value) for name, value in headers]
    listed = {
        token.strip().lower()
        for lower, _, value in lowered
        if lower == "connection"
        for token in value.decode("latin-1").split(",")
    }
    return [
        (name, value) for lower, name, value in lowered if lower not in _HOP_BY_HOP_HEADERS | listed | set(excluded)
    ]


async def _report_unreachable(_: Request, error: Exception) -> Response:
    assert isinstance(error, httpx.TransportError)  # noqa: S101 - registered for this type only
    name = error.request.extensions.get("upstream", "A service")
    _log.warning("upstream_unreachable", upstream=name, error=repr(error))
    return problem_response(
        ProblemBody(
            title=f"{name} unavailable",
            status=503,
            detail=f"Cannot reach {name}. It may be starting: try again in a moment.",
        )
    )


async def _collect_problems(client: httpx.AsyncClient, services: dict[str, str]) -> list[str]:
    """The problems of all services, each with the name of its service."""

    async def fetch_problems(name: str, url: str) -> list[str]:
        try:
            response = await client.get(f"{url}/readyz", timeout=_READINESS_TIMEOUT_SECONDS)
            return [f"{name}: {problem}" for problem in response.json()["problems"]]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            return [f"Cannot reach {name}: {error!r}."]

    problems = await asyncio.gather(*(fetch_problems(name, url) for name, url in services.items()))
    return [*chain.from_iterable(problems)]
