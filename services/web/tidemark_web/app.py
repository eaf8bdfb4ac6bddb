"""The public address: a reverse proxy that routes ``/v1`` to the services, and the pages."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from itertools import chain
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tidemark_shared import metrics, tracing
from tidemark_shared.http.admission import has_body
from tidemark_shared.http.app import create_api
from tidemark_shared.http.problems import Problem, ProblemBody, problem_response
from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_shared.settings import Settings
from tidemark_web.access import create_admission
from tidemark_web.checks import CHECK_PATH, add_crossings
from tidemark_web.documents import merge_documents
from tidemark_web.oidc import Client
from tidemark_web.pages.client import Api
from tidemark_web.pages.live import LiveRevisions
from tidemark_web.pages.routes import page_routes
from tidemark_web.pages.single_sign_on import Provider
from tidemark_web.shared_answer import SharedAnswer
from tidemark_web.upstreams import find_service

_log = get_logger()

_UNREACHABLE = metrics.counter(
    "tidemark_upstream_failures_total",
    "Requests that web could not pass on, because a `service` did not answer.",
    "service",
)

_TIMEOUT = httpx.Timeout(60, connect=2, pool=2)
_READINESS_TIMEOUT_SECONDS = 3
# Of the documents of the services, which change only with their release.
_DOCUMENT_SECONDS = 60
# Fewer for each service than web accepts in total, so a service that hangs never takes all of them.
_LIMITS = httpx.Limits(max_connections=150, max_keepalive_connections=50, keepalive_expiry=3)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

# Headers of a connection, not of the message (RFC 9110, 7.6.1); the upstream has its own host.
_HOP_BY_HOP_HEADERS = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade", "host",
}  # fmt: skip
# Headers of a request that web sets itself, whatever `Connection` lists.
_OWN_HEADERS = {"authorization", "content-length", "expect", "x-request-id"}


def create_app(settings: Settings) -> FastAPI:
    """Create the application of web, which has no data of its own."""
    services = {
        "contracts": settings.contracts_url,
        "consumption": settings.consumption_url,
        "notifier": settings.notifier_url,
    }
    optional = {"inbox": settings.inbox_url, "intake": settings.intake_url}
    upstreams = services | {name: url for name, url in optional.items() if url}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            # For all clients: each would read the certificate authorities again.
            tls = httpx.create_ssl_context(trust_env=False)
            # The services are local: ignore proxies from the environment.
            app.state.clients = clients = {
                name: await stack.enter_async_context(
                    httpx.AsyncClient(
                        base_url=url,
                        timeout=_TIMEOUT,
                        limits=_LIMITS,
                        verify=tls,
                        trust_env=False,
                        event_hooks={"request": [_continue_trace]},
                    )
                )
                for name, url in upstreams.items()
            }
            problems = SharedAnswer(lambda: _collect_problems({name: clients[name] for name in services}))
            app.state.problems = problems.get
            app.state.live = await stack.enter_async_context(aclosing(LiveRevisions(clients)))
            yield

    async def fetch_document() -> dict[str, Any]:
        clients: dict[str, httpx.AsyncClient] = app.state.clients
        responses = await asyncio.gather(*(clients[name].get("/openapi.json") for name in services))
        documents = dict(zip(services, (response.json() for response in responses), strict=True))
        return merge_documents(documents)

    document = SharedAnswer(fetch_document, _DOCUMENT_SECONDS)

    async def encode_document() -> bytes:
        return bytes(JSONResponse(await document.get()).body)

    encoded_document = SharedAnswer(encode_document, _DOCUMENT_SECONDS)

    async def show_document(_: Request) -> Response:
        return Response(await encoded_document.get(), media_type="application/json")

    async def forward(request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        name = find_service(path)
        if name not in upstreams:
            raise Problem(404, "Not found", f"There is no resource at {path}.")
        return _stream_response(await _send(request, name, path))

    async def check_worklog(request: Request) -> Response:
        upstream_response = await _send(request, "consumption", CHECK_PATH)
        if upstream_response.status_code != httpx.codes.OK:
            return _stream_response(upstream_response)
        try:
            answer = json.loads(await upstream_response.aread())
        finally:
            await upstream_response.aclose()
        return JSONResponse(await add_crossings(answer, Api(app.state.clients, request.state.token)))

    app = create_api("web", settings, lifespan, create_admission(settings))
    # Replaces FastAPI's own document, which is empty.
    app.router.routes.insert(0, Route("/openapi.json", show_document))
    app.state.fetch_document = document.get
    app.state.has_inbox = "inbox" in upstreams
    oidc_client = Client.from_settings(settings)
    app.state.provider = Provider(oidc_client) if oidc_client else None
    app.router.routes.extend(page_routes())
    app.router.routes.append(Route(CHECK_PATH, check_worklog, methods=["POST"]))
    app.router.routes.append(Route("/{path:path}", forward, methods=_METHODS))
    app.exception_handler(httpx.TransportError)(_report_unreachable)
    return app


async def _continue_trace(request: httpx.Request) -> None:
    """The service's span belongs to that of web; while nothing is traced, the header of the client passes as it is."""
    if traceparent := tracing.traceparent():
        request.headers["traceparent"] = traceparent


async def _send(request: Request, name: str, path: str) -> httpx.Response:
    """Send the request to a service. Its whole body has arrived: a slow client occupies no connection to a service."""
    client: httpx.AsyncClient = request.app.state.clients[name]
    headers = [
        *_end_to_end_headers(request.headers.raw, _OWN_HEADERS),
        (b"x-request-id", get_correlation_id().encode()),
    ]
    if token := getattr(request.state, "token", None):
        headers.append((b"authorization", f"Bearer {token}".encode()))
    elif path.startswith("/v1/intake/"):
        # The token of a tracker's webhook, which intake checks.
        headers += [item for item in request.headers.raw if item[0].lower() == b"authorization"]
    content = await request.body() if has_body(request) else None
    query = request.scope["query_string"].decode("latin-1")
    target = path + (f"?{query}" if query else "")
    upstream_request = client.build_request(request.method, target, headers=headers, content=content)
    upstream_request.extensions["upstream"] = name
    return await client.send(upstream_request, stream=True)


def _stream_response(upstream_response: httpx.Response) -> Response:
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
    _UNREACHABLE.labels(name).inc()
    _log.warning("upstream_unreachable", upstream=name, error=repr(error))
    return problem_response(
        ProblemBody(
            title=f"{name} unavailable",
            status=503,
            detail=f"Cannot reach {name}. It may be starting: try again in a moment.",
        )
    )


async def _collect_problems(clients: dict[str, httpx.AsyncClient]) -> list[str]:
    """The problems of all services, each with the name of its service."""

    async def fetch_problems(name: str, client: httpx.AsyncClient) -> list[str]:
        try:
            response = await client.get("/readyz", timeout=_READINESS_TIMEOUT_SECONDS)
            return [f"{name}: {problem}" for problem in response.json()["problems"]]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            return [f"Cannot reach {name}: {error!r}."]

    problems = await asyncio.gather(*(fetch_problems(name, client) for name, client in clients.items()))
    return [*chain.from_iterable(problems)]
