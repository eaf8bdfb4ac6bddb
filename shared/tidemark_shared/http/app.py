"""The FastAPI application of a service: problem+json, health checks, correlation ids. SPEC 4."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any
from uuid import uuid4

import asyncpg
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from tidemark_shared import metrics, tracing
from tidemark_shared.domain.examples import OPERATIONS
from tidemark_shared.http.admission import Admission, Admit
from tidemark_shared.http.auth import admit_token
from tidemark_shared.http.openapi import VERSION, complete_document
from tidemark_shared.http.problems import (
    INVALID_REQUEST,
    Problem,
    ProblemBody,
    Violation,
    describe_json_error,
    problem_response,
    to_violations,
)
from tidemark_shared.http.strict_requests import refuse_unclear_requests
from tidemark_shared.log import bound_contextvars, get_correlation_id, get_logger
from tidemark_shared.settings import Settings

_log = get_logger()

# The database cannot be reached, shuts down or is out of resources: a retry can succeed.
_DATABASE_UNAVAILABLE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
)
# A process asks for these again and again, and none is part of what it does.
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CORRELATION_ID = re.compile(r"[\w.:/+-]{1,128}", re.ASCII)

CallNext = Callable[[Request], Awaitable[Response]]


class _Application(FastAPI):
    examples: Mapping[str, Any]

    def openapi(self) -> dict[str, Any]:
        """The completed document. Each request for it reads it."""
        if not self.openapi_schema:
            self.openapi_schema = complete_document(super().openapi(), self.examples)
        return self.openapi_schema


def create_api(
    name: str, settings: Settings, lifespan: Any, admit: Admit = admit_token, examples: Mapping[str, Any] | None = None
) -> FastAPI:
    """Create the application of a service, which then adds its routes. ``admit`` checks the caller of each request.

    The OpenAPI document shows the ``examples``, by the name of their schema.

    The lifespan sets ``app.state.pool``, which :func:`~tidemark_shared.http.auth.admit_token` uses, and
    ``app.state.problems``, which ``/readyz`` calls: it returns the reasons why the service makes no progress. It may
    set ``app.state.failures``, which ``/healthz`` calls: it returns the reasons why the process must be restarted;
    and ``app.state.progress``, which returns more members of the answer of ``/readyz``.
    """
    app = _Application(
        title=f"Tidemark {name}",
        version=VERSION,
        description=f"The part of Tidemark's API that the service {name} serves.",
        lifespan=lifespan,
        dependencies=[Depends(refuse_unclear_requests)],
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,
        redoc_url=None,
        # A redirect would name the address of the service behind web.
        redirect_slashes=False,
        # Declares the schema of problems; `complete_document` declares the problems themselves.
        responses={"default": {"model": ProblemBody}},
    )
    app.examples = OPERATIONS | dict(examples or {})
    app.state.settings, app.state.failures, app.state.progress = settings, _no_failures, _no_progress
    metrics.BUILD.labels(name, VERSION).set(1)
    app.add_middleware(Admission, admit=admit)
    app.middleware("http")(_correlate)  # around the admission: the last one added is the first one called
    app.exception_handler(Problem)(_problem)
    app.exception_handler(HTTPException)(_http_exception)
    app.exception_handler(RequestValidationError)(_invalid)

    @app.get("/healthz", include_in_schema=False)
    async def healthz(request: Request) -> JSONResponse:
        if failures := await request.app.state.failures():
            return JSONResponse({"status": "failed", "problems": failures}, 503)
        return JSONResponse({"status": "alive"})

    @app.get("/readyz", include_in_schema=False)
    async def readyz(request: Request) -> JSONResponse:
        problems = await request.app.state.problems()
        # Web answers strangers, and a problem can name a contract, a tracker or a receiver.
        if problems and not getattr(request.state, "sees_problems", True):
            problems = ["Something makes no progress. Ask with a token, or on the machine itself, for the reasons."]
        body = {"ready": not problems, "problems": problems, **await request.app.state.progress()}
        return JSONResponse(body, 503 if problems else 200)

    @app.get("/metrics", include_in_schema=False)
    async def read_metrics(request: Request) -> Response:
        text, content_type = await asyncio.to_thread(metrics.render, request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type})

    return app


async def _no_failures() -> list[str]:
    return []


async def _no_progress() -> dict[str, Any]:
    return {}


async def _correlate(request: Request, call_next: CallNext) -> Response:
    request_id = request.headers.get("x-request-id", "")
    correlation_id = request_id if _CORRELATION_ID.fullmatch(request_id) else str(uuid4())
    with bound_contextvars(correlation_id=correlation_id):
        handle = _answer if request.scope["path"] in _PROBES else _answer_and_measure
        response = await handle(request, call_next)
    response.headers["x-request-id"] = correlation_id
    return response


async def _answer_and_measure(request: Request, call_next: CallNext) -> Response:
    """Answer a request; log it, count it, and record its span."""
    method = request.method if request.method in _METHODS else "other"
    started = perf_counter()
    with tracing.span(method, "server", [request.headers.get("traceparent")], http__request__method=method) as span:
        response = await _answer(request, call_next)
        route = _route_path(request)
        metrics.HTTP_REQUESTS.labels(method, route, response.status_code).inc()
        metrics.HTTP_SECONDS.labels(method, route).observe(perf_counter() - started, tracing.exemplar())
        if span:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.response.status_code", response.status_code)
    _log.info("http", method=request.method, path=request.scope["path"], status=response.status_code)
    return response


def _route_path(request: Request) -> str:
    """The path of the route that was called. That of the request may name people, and there are any number of them."""
    route, endpoint = request.scope.get("route"), request.scope.get("endpoint")
    if route is None and endpoint:  # a route of Starlette sets its endpoint only
        route = next((route for route in request.app.routes if getattr(route, "endpoint", None) is endpoint), None)
    return getattr(route, "path", "none")


async def _answer(request: Request, call_next: CallNext) -> Response:
    try:
        return await call_next(request)
    except _DATABASE_UNAVAILABLE as error:
        _log.warning("database_unavailable", error=repr(error))
        return problem_response(
            ProblemBody(
                title="Database unavailable",
                status=503,
                detail="Try again in a moment. If you sent an Idempotency-Key, send the same one.",
            )
        )
    except Exception as error:  # noqa: BLE001 - an exception handler of FastAPI would run outside of the correlation id
        return _internal_error(error)


async def _problem(_: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)  # noqa: S101 - registered for this type only
    return problem_response(problem.body)


async def _http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    return problem_response(ProblemBody(title=str(error.detail), status=error.status_code, detail=""))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    return problem_response(
        ProblemBody(
            title=INVALID_REQUEST,
            status=422,
            detail="See `violations` for each error and its location.",
            violations=_violations(error),
        )
    )


def _violations(error: RequestValidationError) -> list[Violation]:
    errors = error.errors()
    if errors[0]["type"] == "json_invalid":
        syntax_error = json.JSONDecodeError(errors[0]["ctx"]["error"], error.body, errors[0]["loc"][-1])
        return [Violation(code="invalid", path="", message=describe_json_error(syntax_error))]
    return to_violations(errors, skip=1)


def _internal_error(error: Exception) -> JSONResponse:
    _log.error("request_failed", exc_info=error)
    return problem_response(
        ProblemBody(
            title="Internal error",
            status=500,
            detail=f"Reference: {get_correlation_id()}. The log of this service has the details under this id.",
        )
    )
