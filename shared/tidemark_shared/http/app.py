"""The FastAPI application of a service: problem+json, health checks, correlation ids. SPEC 4."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

import asyncpg
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

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
from tidemark_shared.log import bound_contextvars, get_logger
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
_CORRELATION_ID = re.compile(r"[\w.:/+-]{1,128}", re.ASCII)


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
    set ``app.state.failures``, which ``/healthz`` calls: it returns the reasons why the process must be restarted.
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
    app.state.settings, app.state.failures = settings, _no_failures
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
        return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)

    return app


async def _no_failures() -> list[str]:
    return []


async def _correlate(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    request_id = request.headers.get("x-request-id", "")
    correlation_id = request_id if _CORRELATION_ID.fullmatch(request_id) else str(uuid4())
    with bound_contextvars(correlation_id=correlation_id):
        try:
            response = await call_next(request)
        except _DATABASE_UNAVAILABLE as error:
            _log.warning("database_unavailable", error=repr(error))
            response = problem_response(
                ProblemBody(
                    title="Database unavailable",
                    status=503,
                    detail="Try again in a moment. If you sent an Idempotency-Key, send the same one.",
                )
            )
        except Exception as error:  # noqa: BLE001 - an exception handler of FastAPI would run outside of the correlation id
            response = _internal_error(error, correlation_id)
        if (path := request.scope["path"]) not in ("/healthz", "/readyz"):
            _log.info("http", method=request.method, path=path, status=response.status_code)
    response.headers["x-request-id"] = correlation_id
    return response


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


def _internal_error(error: Exception, correlation_id: str) -> JSONResponse:
    _log.error("request_failed", exc_info=error)
    return problem_response(
        ProblemBody(
            title="Internal error",
            status=500,
            detail=f"Reference: {correlation_id}. The log of this service has the details under this id.",
        )
    )
