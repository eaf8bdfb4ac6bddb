"""The one address for people: ``/v1`` goes to the service that answers it, ``/`` says what this is."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.resources import files

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tidemark_shared.http.app import create_api
from tidemark_shared.http.problems import Problem, ProblemBody, problem_response
from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_shared.settings import Settings
from tidemark_web.documents import merged

_log = get_logger()

_TIMEOUT = httpx.Timeout(60, connect=2)
_HEALTH_SECONDS = 3
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

# Of one connection, not of the message (RFC 9110, 7.6.1); the host is the upstream's own.
_HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade", "host",
}  # fmt: skip

# The first that fits the path as it was sent, still encoded: a code may hold a slash.
_ROUTES = (
    ("consumption", re.compile(r"/v1/contracts/[^/]+/(balance|periods|curve|worklogs)(/.*)?")),
    ("notifier", re.compile(r"/v1/contracts/[^/]+/notifications(/.*)?")),
    ("contracts", re.compile(r"/v1/(organizations|teams|rate-cards|contracts)(/.*)?")),
    ("consumption", re.compile(r"/v1/(reports|worklogs)(/.*)?")),
    ("notifier", re.compile(r"/v1/(rules|notifications)(/.*)?")),
    ("inbox", re.compile(r"/inbox(/.*)?")),
)


def create_app(settings: Settings) -> FastAPI:
    """Routes, and nothing of its own to keep."""
    services = {
        "contracts": settings.contracts_url,
        "consumption": settings.consumption_url,
        "notifier": settings.notifier_url,
    }
    upstreams = services | ({"inbox": settings.inbox_url} if settings.inbox_url else {})
    # The services answer loopback without a token where they are open: what reaches us from elsewhere has not
    # come from there.
    needs_token = not (settings.open and settings.host in _LOOPBACK)
    page = (files("tidemark_web") / "start.html").read_text()
    if "inbox" not in upstreams:
        page = re.sub(r"(?s)<!-- inbox -->.*?<!-- /inbox -->", "", page)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Proxies named in the environment are for the world outside.
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
            app.state.client = client
            app.state.problems = lambda: _problems(client, services)
            yield

    async def start(_: Request) -> Response:
        return HTMLResponse(page)

    async def documents(request: Request) -> Response:
        client: httpx.AsyncClient = request.app.state.client
        found = await asyncio.gather(*(client.get(f"{url}/openapi.json") for url in services.values()))
        return JSONResponse(merged(dict(zip(services, (one.json() for one in found), strict=True))))

    async def forward(request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        name = next((name for name, pattern in _ROUTES if name in upstreams and pattern.fullmatch(path)), None)
        if name is None:
            raise Problem(404, "Not found", f"Nothing answers at {path}.")
        if needs_token and name in services and "authorization" not in request.headers:
            raise Problem(401, "A token is needed", "Send it as `Authorization: Bearer …`.")
        query = request.scope["query_string"].decode("latin-1")
        return await _forward(request, name, upstreams[name].rstrip("/") + path + (f"?{query}" if query else ""))

    app = create_api("web", settings, lifespan)
    app.router.routes.insert(0, Route("/openapi.json", documents))  # instead of this process's own, which is empty
    app.router.routes.append(Route("/", start))
    app.router.routes.append(Route("/{path:path}", forward, methods=_METHODS))
    app.exception_handler(httpx.TransportError)(_unreachable)
    return app


async def _forward(request: Request, name: str, url: str) -> Response:
    client: httpx.AsyncClient = request.app.state.client
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    upstream_request = client.build_request(
        request.method,
        url,
        headers=[*_end_to_end(request.headers.raw, {"x-request-id"}), (b"x-request-id", get_correlation_id().encode())],
        content=request.stream() if has_body else None,
    )
    upstream_request.extensions["upstream"] = name
    answer = await client.send(upstream_request, stream=True)
    response = StreamingResponse(_body(answer), answer.status_code)
    response.raw_headers = _end_to_end(answer.headers.raw)
    return response


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    """As it comes, compressed or not; a reader who leaves must not keep the connection."""
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()


def _end_to_end(headers: Iterable[tuple[bytes, bytes]], dropped: Iterable[str] = ()) -> list[tuple[bytes, bytes]]:
    """The headers that travel on: neither those of one connection nor those that ``Connection`` names."""
    found = [(name.decode("latin-1").lower(), name, value) for name, value in headers]
    named = {
        word.strip().lower()
        for lower, _, value in found
        if lower == "connection"
        for word in value.decode("latin-1").split(",")
    }
    return [(name, value) for lower, name, value in found if lower not in _HOP_BY_HOP | named | set(dropped)]


async def _unreachable(_: Request, error: Exception) -> Response:
    assert isinstance(error, httpx.TransportError)  # noqa: S101 - registered for it alone
    name = error.request.extensions.get("upstream", "A service")
    _log.warning("upstream_unreachable", upstream=name, error=repr(error))
    return problem_response(
        ProblemBody(
            title=f"{name} does not answer",
            status=503,
            detail="It may be starting. Nothing is lost; try again in a moment.",
        )
    )


async def _problems(client: httpx.AsyncClient, services: dict[str, str]) -> list[str]:
    """What keeps each service from being ready."""

    async def ask(name: str, url: str) -> list[str]:
        try:
            answer = await client.get(f"{url}/readyz", timeout=_HEALTH_SECONDS)
            return [f"{name}: {problem}" for problem in answer.json()["problems"]]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            return [f"{name} does not answer: {error!r}."]

    return [problem for found in await asyncio.gather(*(ask(*one) for one in services.items())) for problem in found]
