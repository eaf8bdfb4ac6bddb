"""The HTTP application: problems, tokens, health checks, correlation ids."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import structlog
from applications import build_app
from fastapi import APIRouter, FastAPI, Query
from httpx import Response
from pydantic import BaseModel

from tidemark_shared.domain.bodies import Contract
from tidemark_shared.http.app import create_api
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.problems import Problem, Violation
from tidemark_shared.http.tokens import ROLES, Actor, Role, issue_token
from tidemark_shared.log import get_correlation_id
from tidemark_shared.settings import Settings

SECRET = "a secret of at least thirty-two bytes"  # noqa: S105 - a secret of the tests
NOW = datetime.now(UTC)


class LineItem(BaseModel):
    """A body within a body."""

    hours: int


class Order(BaseModel):
    """A body."""

    name: str
    items: list[LineItem]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


class PoolWithoutRevokedTokens:
    """Replaces the pool; tests/integration/system/test_tokens.py tests revocation with a database."""

    async def fetchval(self, *_: Any) -> None:
        pass


router = APIRouter()


@router.post("/orders")
async def create_order(body: Order, limit: Annotated[int, Query(ge=1)] = 1) -> dict[str, Any]:
    return {"name": body.name, "limit": limit}


@router.post("/contracts")
async def contract(body: Contract) -> dict[str, str]:
    return {"code": body.code}


@router.get("/tags")
async def tags(tag: Annotated[list[str] | None, Query()] = None) -> list[str]:
    return tag or []


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError("The secret is 1234.")


@router.get("/problem")
async def problem() -> None:
    raise Problem(409, "Duplicate", "It exists already.", [Violation(code="duplicate", path="/a", message="b")])


@router.get("/correlation")
async def correlation() -> str:
    return get_correlation_id()


def add_route(role: Role) -> None:
    @router.get(f"/{role}", name=f"show_{role}")
    async def show_actor(actor: Annotated[Actor, require_role(role)]) -> list[str]:
        return [actor.name, actor.role]


for role in ROLES:
    add_route(role)


async def no_problems() -> list[str]:
    return []


def create_app(settings: Settings) -> FastAPI:
    app = create_api("test", settings, lifespan)
    app.state.problems, app.state.pool = no_problems, PoolWithoutRevokedTokens()
    app.include_router(router)
    return app


def application(**settings: Any) -> FastAPI:
    return build_app(create_app, Settings(**{"secret": SECRET, **settings}))


ADMIN = issue_token(SECRET, "ann", "admin", now=NOW)


async def send(
    app: FastAPI, method: str, path: str, *, token: str | None = ADMIN, headers: Any = None, **options: Any
) -> Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    all_headers = httpx.Headers(headers)
    if token:
        all_headers["authorization"] = f"Bearer {token}"
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, headers=all_headers, **options)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# Problems.


async def test_every_error_of_a_body_is_a_violation_with_a_json_pointer() -> None:
    response = await send(application(), "POST", "/orders?limit=0", json={"items": [{"hours": 1}, {"hours": "x"}, 7]})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["type"], body["status"]) == ("about:blank", 422)
    assert body["title"]
    assert [(violation["code"], violation["path"]) for violation in body["violations"]] == [
        ("invalid", "/limit"),
        ("invalid", "/name"),
        ("invalid", "/items/1/hours"),
        ("invalid", "/items/2"),
    ]
    assert all(violation["message"] for violation in body["violations"])


async def test_violation_code_is_that_of_the_rule_or_invalid() -> None:
    body = {"contracted_hours": "1.005", "rollover": {"lapse_after_periods": 0}, "timezone": "Mars/Olympus"}
    response = await send(application(), "POST", "/contracts", json=body)
    codes = {violation["path"]: violation["code"] for violation in response.json()["violations"]}
    assert codes["/contracted_hours"] == "C5.precision"
    assert codes["/rollover/lapse_after_periods"] == "invalid"
    assert codes["/timezone"] == "invalid"
    assert codes["/code"] == "invalid"


async def test_json_error_names_line_and_column() -> None:
    headers = {"content-type": "application/json"}
    content = b'{\n  "name": "A",\n  "items": [}\n}'
    response = await send(application(), "POST", "/orders", content=content, headers=headers)
    [violation] = response.json()["violations"]
    assert (violation["code"], violation["path"]) == ("invalid", "")
    assert violation["message"] == "The body is not JSON: line 3, column 13: Expecting value."


async def test_unknown_query_parameters_are_violations_with_the_nearest_name() -> None:
    response = await send(application(), "POST", "/orders?limits=2&limit=1&x~y=1", json={"name": "A", "items": []})
    assert response.status_code == 422
    assert response.json()["violations"] == [
        {
            "code": "unknown_field",
            "path": "/limits",
            "message": "Unknown query parameter 'limits'. Did you mean 'limit'?",
        },
        {"code": "unknown_field", "path": "/x~0y", "message": "Unknown query parameter 'x~y'. Leave it out."},
    ]


async def test_values_that_are_given_twice_are_violations() -> None:
    content = b'{"name": "A", "items": [{"hours": 1, "hours": 2}], "name": "B"}'
    headers = {"content-type": "application/json"}
    response = await send(application(), "POST", "/orders?limit=1&limit=2", content=content, headers=headers)
    assert response.status_code == 422
    assert [(violation["code"], violation["path"]) for violation in response.json()["violations"]] == [
        ("duplicate", "/limit"),
        ("duplicate", ""),
        ("duplicate", ""),
    ]
    assert ["'hours'" in response.text, "'name'" in response.text] == [True, True]


async def test_parameter_that_takes_a_list_may_be_given_twice() -> None:
    response = await send(application(), "GET", "/tags?tag=a&tag=b")
    assert response.json() == ["a", "b"]


@pytest.mark.parametrize("content", [b"{", b"", b'{"name": 1,', b"\xff"])
async def test_body_that_is_not_json_is_a_violation_of_the_whole_body(content: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = await send(application(), "POST", "/orders", content=content, headers=headers)
    assert response.status_code in {400, 422}
    assert response.headers["content-type"] == "application/problem+json"
    assert all(violation["path"] == "" for violation in response.json().get("violations", []))


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/orders", 405), ("GET", "/problem", 409)]
)
async def test_every_error_response_is_a_problem(method: str, path: str, status: int) -> None:
    response = await send(application(), method, path)
    assert (response.status_code, response.json()["status"]) == (status, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["title"]


async def test_internal_error_is_a_problem_without_details() -> None:
    with structlog.testing.capture_logs() as logs:
        response = await send(application(), "GET", "/broken", headers={"x-request-id": "r-1"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "1234" not in response.text
    assert "r-1" in response.json()["detail"]
    assert any(log["log_level"] == "error" for log in logs)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.AdminShutdownError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.TooManyConnectionsError(),
    ],
    ids=repr,
)
async def test_unavailable_database_is_a_503_with_retry_after(error: Exception) -> None:
    app = application()

    @app.get("/unavailable")
    async def unavailable() -> None:
        raise error

    with structlog.testing.capture_logs() as logs:
        response = await send(app, "GET", "/unavailable")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"]
    assert [log["log_level"] for log in logs if log["event"] == "database_unavailable"] == ["warning"]


# Tokens.


@pytest.mark.parametrize("required_role", ROLES)
@pytest.mark.parametrize("role", ROLES)
async def test_role_allows_lower_roles_and_403_names_the_required_role(role: Role, required_role: Role) -> None:
    organization_id = uuid4() if role == "customer" else None
    token = issue_token(SECRET, "ann", role, now=NOW, organization_id=organization_id)
    response = await send(application(), "GET", f"/{required_role}", token=token)
    if ROLES.index(role) >= ROLES.index(required_role):
        assert (response.status_code, response.json()) == (200, ["ann", role])
    else:
        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert required_role in response.json()["detail"]


EXPIRED = issue_token(SECRET, "ann", "admin", now=NOW - timedelta(days=2), expires=NOW - timedelta(days=1))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer"},
        bearer("nonsense"),
        bearer(EXPIRED),
        bearer(issue_token(SECRET[::-1], "ann", "admin", now=NOW)),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("path", ["/viewer", "/nowhere", "/orders"])
@pytest.mark.parametrize("settings", [{}, {"open": True, "host": "127.0.0.1"}], ids=str)
async def test_service_rejects_every_request_without_valid_token(
    headers: dict[str, str], settings: dict[str, Any], path: str
) -> None:
    response = await send(application(**settings), "GET", path, token=None, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


# Health and correlation.


async def test_healthz_needs_no_token() -> None:
    response = await send(application(), "GET", "/healthz", token=None)
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_readyz_is_503_with_the_problems_until_there_are_none() -> None:
    app = application()
    current_problems = ["worklog.events/0: the topic was recreated."]

    async def problems() -> list[str]:
        return current_problems

    app.state.problems = problems
    response = await send(app, "GET", "/readyz")
    assert (response.status_code, response.json()) == (503, {"ready": False, "problems": current_problems})
    current_problems = []
    response = await send(app, "GET", "/readyz")
    assert (response.status_code, response.json()) == (200, {"ready": True, "problems": []})


@pytest.mark.parametrize("request_id", ["r-1", "01HZ:a/b+c_d.e", "a" * 128])
async def test_request_id_is_echoed_and_becomes_the_correlation_id(request_id: str) -> None:
    response = await send(application(), "GET", "/correlation", headers={"x-request-id": request_id})
    assert (response.headers["x-request-id"], response.json()) == (request_id, request_id)


@pytest.mark.parametrize("request_id", [b"", b"a b", b"a" * 129, b"\xc3\xa9", b"<script>"])
async def test_invalid_request_id_is_replaced(request_id: bytes) -> None:
    response = await send(application(), "GET", "/correlation", headers=[(b"x-request-id", request_id)])
    assert len(response.headers["x-request-id"]) == 36
    assert response.json() == response.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/nowhere", "/viewer", "/broken", "/healthz"])
async def test_every_response_has_a_request_id(path: str) -> None:
    assert (await send(application(), "GET", path, headers={"x-request-id": "r-1"})).headers["x-request-id"] == "r-1"


async def test_path_with_a_slash_at_its_end_is_not_redirected() -> None:
    """The address of a service is nobody's business behind web."""
    response = await send(application(), "GET", "/viewer/")
    assert (response.status_code, "location" in response.headers) == (404, False)
