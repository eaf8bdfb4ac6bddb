"""The application of a service: problem+json, health, correlation ids. SPEC 4."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from tidemark_shared.http.problems import PROBLEM_MEDIA_TYPE, Problem, ProblemBody, problem_response, to_violations
from tidemark_shared.log import bound_contextvars, get_logger
from tidemark_shared.settings import Settings

_log = get_logger()

# The database is away, stops, or has no room: that passes.
_DATABASE_AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
)
_JSON = "application/json"
_DECLARED: dict[int | str, str] = {
    "4XX": "A problem (RFC 9457)",
    "503": "Not ready, or the database does not answer: try again (RFC 9457)",
}
_CORRELATION = re.compile(r"[\w.:/+-]{1,128}", re.ASCII)


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The document of what is answered; a problem is `application/problem+json`, which FastAPI cannot be told."""
        document = super().openapi()
        for operations in document["paths"].values():
            for operation in operations.values():
                for status in _DECLARED:
                    content = operation["responses"][status]["content"]
                    if _JSON in content:
                        content[PROBLEM_MEDIA_TYPE] = content.pop(_JSON)
        return document


Problems = Callable[[], Awaitable[list[str]]]


def create_api(name: str, settings: Settings, lifespan: Any) -> FastAPI:
    """The application of a service: its routes are added by the service.

    The lifespan sets ``app.state.problems``, which ``/readyz`` asks (a list of sentences, empty when the service makes
    progress), and ``app.state.pool``, where :func:`require` looks for revoked tokens. It may set
    ``app.state.failures``, which ``/healthz`` asks: sentences that say why the process must be restarted.
    """
    app = _Api(
        title=f"Tidemark {name}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses={status: {"model": ProblemBody, "description": about} for status, about in _DECLARED.items()},
    )
    app.state.settings, app.state.failures = settings, _no_failures
    app.middleware("http")(_correlate)
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


async def _correlate(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    given = request.headers.get("x-request-id", "")
    correlation_id = given if _CORRELATION.fullmatch(given) else str(uuid4())
    with bound_contextvars(correlation_id=correlation_id):
        try:
            response = await answer(request)
        except _DATABASE_AWAY as error:
            _log.warning("database_away", error=repr(error))
            response = problem_response(
                ProblemBody(
                    title="The database does not answer",
                    status=503,
                    detail="Try again in a moment, with the same Idempotency-Key where there was one.",
                )
            )
        except Exception as error:  # noqa: BLE001 - a handler of the application would answer outside of the correlation
            response = _unforeseen(error, correlation_id)
        if request.url.path not in ("/healthz", "/readyz"):
            _log.info("http", method=request.method, path=request.url.path, status=response.status_code)
    response.headers["x-request-id"] = correlation_id
    return response


async def _problem(_: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)  # noqa: S101 - registered for it alone
    return problem_response(problem.body)


async def _http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    return problem_response(ProblemBody(title=str(error.detail), status=error.status_code, detail=""))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    violations = to_violations(error.errors(), skip=1)
    return problem_response(
        ProblemBody(
            title="The request is not valid", status=422, detail="Each violation says where.", violations=violations
        )
    )


def _unforeseen(error: Exception, correlation_id: str) -> JSONResponse:
    _log.error("unforeseen", exc_info=error)
    return problem_response(
        ProblemBody(
            title="Tidemark failed",
            status=500,
            detail=f"This is a fault of ours; the log has it under {correlation_id}.",
        )
    )
