"""The frame of a service's HTTP API: problem+json, bearer tokens, health, correlation ids. SPEC 4."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from tidemark_shared.database import queries
from tidemark_shared.log import bound_contextvars, get_logger
from tidemark_shared.settings import Settings, required
from tidemark_shared.tokens import Actor, InvalidTokenError, Role, check
from tidemark_shared.violations import CODES, Code

_log = get_logger()
_sql = queries("tidemark_shared")

# The database is away, stops, or has no room: that passes.
_DATABASE_AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
)
_HEADERS = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "2"}}
_JSON, _PROBLEM = "application/json", "application/problem+json"
_DECLARED: dict[int | str, str] = {
    "4XX": "A problem (RFC 9457)",
    "503": "Not ready, or the database does not answer: try again (RFC 9457)",
}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_CORRELATION = re.compile(r"[\w.:/+-]{1,128}", re.ASCII)


class Violation(BaseModel):
    """One thing that is wrong: a code for programs, a JSON Pointer to the place, a sentence for people."""

    code: Code
    path: str
    message: str


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    violations: list[Violation] = []


class Problem(Exception):  # noqa: N818 - the name of RFC 9457
    """An answer that is an error: raised anywhere below a route."""

    def __init__(self, status: int, title: str, detail: str = "", violations: Sequence[Violation] = ()) -> None:
        super().__init__(title)
        self.body = ProblemBody(title=title, status=status, detail=detail, violations=list(violations))


def pointer(*parts: object) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def violations_of(errors: Sequence[Any], *, skip: int = 0) -> list[Violation]:
    """What pydantic found, as violations. ``skip`` is the number of leading parts of its locations to leave out."""
    return [
        Violation(
            code=error["type"] if error["type"] in CODES else "invalid",
            # Where the text is no JSON, the location is a place in the text and none in the body.
            path="" if error["type"] == "json_invalid" else pointer(*error["loc"][skip:]),
            message=error["msg"],
        )
        for error in errors
    ]


_bearer = HTTPBearer(auto_error=False, description="A token made with `tidemark token create`.")


def require(role: Role) -> Any:
    """A dependency that gives the :class:`Actor` and refuses one whose role does not reach ``role``."""

    async def actor(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Actor:
        settings: Settings = request.app.state.settings
        if credentials is None:
            if settings.open and settings.host in _LOOPBACK:
                return Actor("anonymous", "admin")
            raise Problem(401, "A token is needed", "Send it as `Authorization: Bearer …`.")
        try:
            token = check(required(settings.secret, "secret"), credentials.credentials)
        except InvalidTokenError as error:
            raise Problem(401, "The token is refused", str(error)) from None
        # On the request's own connection where it has one: to want a second while holding one is how a pool runs dry.
        connection = getattr(request.state, "connection", request.app.state.pool)
        if revoked := await _sql.revoked_at(connection, id=token.id):
            why = f"It was revoked on {revoked:%Y-%m-%d}. Make a new one with `tidemark token create`."
            raise Problem(401, "The token is refused", why)
        if not token.actor.may(role):
            raise Problem(403, "The token's role does not allow this", f"It is {token.actor.role}; {role} is needed.")
        return token.actor

    return Depends(actor)


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The document of what is answered; a problem is `application/problem+json`, which FastAPI cannot be told."""
        document = super().openapi()
        for operations in document["paths"].values():
            for operation in operations.values():
                for status in _DECLARED:
                    content = operation["responses"][status]["content"]
                    if _JSON in content:
                        content[_PROBLEM] = content.pop(_JSON)
        return document


Problems = Callable[[], Awaitable[list[str]]]


def api(name: str, settings: Settings, lifespan: Any) -> FastAPI:
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
            response = answered(
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


def answered(body: ProblemBody) -> JSONResponse:
    """The response that a problem is; a 503 says when to try again."""
    return JSONResponse(body.model_dump(), body.status, _HEADERS.get(body.status), media_type=_PROBLEM)


async def _problem(_: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)  # noqa: S101 - registered for it alone
    return answered(problem.body)


async def _http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    return answered(ProblemBody(title=str(error.detail), status=error.status_code, detail=""))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    violations = violations_of(error.errors(), skip=1)
    return answered(
        ProblemBody(
            title="The request is not valid", status=422, detail="Each violation says where.", violations=violations
        )
    )


def _unforeseen(error: Exception, correlation_id: str) -> JSONResponse:
    _log.error("unforeseen", exc_info=error)
    return answered(
        ProblemBody(
            title="Tidemark failed",
            status=500,
            detail=f"This is a fault of ours; the log has it under {correlation_id}.",
        )
    )
