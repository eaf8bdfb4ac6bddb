"""Tokens made with the command line, and their effect at services that each have their own database."""

import asyncio
import json
import os
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Annotated

import asyncpg
import httpx
import jwt
import pytest
from databases import drop_database
from fastapi import APIRouter
from typer.testing import CliRunner

from tidemark.cli import app
from tidemark.stack.up import SERVICES
from tidemark_shared.database import connect_pool
from tidemark_shared.http.app import create_api
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.requests import ReadCall, TransactionRoute
from tidemark_shared.http.tokens import Actor, issue_token
from tidemark_shared.settings import Settings

SECRET = "a secret that is long enough for it"  # noqa: S105 - a secret of the tests


@pytest.fixture
async def settings(database, template, monkeypatch):
    """Settings with one database for each service."""
    for name in [name for name in os.environ if name.startswith("TIDEMARK_")]:
        monkeypatch.delenv(name)
    server = await asyncpg.connect(database)
    values = {"secret": SECRET}
    try:
        for service in SERVICES:
            url = f"{database}_{service}"
            await server.execute(f"CREATE DATABASE {url.rpartition('/')[2]} TEMPLATE {template}")
            values[f"{service}_database_url"] = url
        for name, value in values.items():
            monkeypatch.setenv(f"TIDEMARK_{name.upper()}", value)
        yield Settings(**values)
        for service in SERVICES:
            await drop_database(server, f"{database.rpartition('/')[2]}_{service}")
    finally:
        await server.close()


@pytest.fixture
async def services(settings):
    """A client of each service's application, whose pool has one connection."""
    async with AsyncExitStack() as stack:
        clients = {}
        for service in SERVICES:
            application = create_api(service, settings, None)
            application.state.pool = await connect_pool(settings.service_database_url(service), service, size=1)
            stack.callback(application.state.pool.terminate)
            application.include_router(create_router())
            transport = httpx.ASGITransport(application)
            clients[service] = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://test")
            )
        yield clients


def create_router():
    router = APIRouter(route_class=TransactionRoute)

    @router.get("/name")
    async def name(call: ReadCall, _: Annotated[Actor, require_role("viewer")]) -> str:
        return call.actor.name

    return router


@pytest.fixture
def tidemark(settings, tmp_path):  # noqa: ARG001 - the command reads the environment
    """The command `tidemark token`, as a function of its arguments."""

    async def run(*arguments, status=0):
        # The command has its own event loop.
        result = await asyncio.to_thread(
            CliRunner(env={"COLUMNS": "80"}).invoke, app, ["token", *arguments, "--data-dir", str(tmp_path)]
        )
        assert result.exit_code == status, result.output
        return result.output

    return run


async def create_token(tidemark, name, role="viewer", *options):
    return (await tidemark("create", name, "--role", role, *options)).strip()


async def request_all(services, token):
    """The response of each service to a request with the token."""
    headers = {"authorization": f"Bearer {token}"}
    return [await client.get("/name", headers=headers) for client in services.values()]


async def is_valid(services, token):
    texts = {response.status_code: response.text for response in await request_all(services, token)}
    assert list(texts) in ([200], [401]), texts
    return 200 in texts


def token_id(token):
    return jwt.decode(token, SECRET, ["HS256"])["jti"]


async def test_token_is_valid_at_every_service_until_it_is_revoked(services, tidemark):
    ann_token, bob_token = await create_token(tidemark, "ann"), await create_token(tidemark, "bob")
    assert [response.json() for response in await request_all(services, ann_token)] == ["ann"] * 3
    assert f"{token_id(ann_token)} (ann) is revoked." in await tidemark("revoke", "ann")
    for response in await request_all(services, ann_token):
        assert response.status_code == 401
        assert response.json()["detail"].startswith(f"The token was revoked on {datetime.now(UTC):%Y-%m-%d}.")
    assert await is_valid(services, bob_token)
    assert "had been revoked on" in await tidemark("revoke", "ann")


async def test_id_revokes_one_token_and_name_all_of_its_tokens(services, tidemark):
    tokens = [await create_token(tidemark, "ann") for _ in range(4)]
    await tidemark("revoke", token_id(tokens[0]))
    await tidemark("revoke", token_id(tokens[1])[:8])
    assert [await is_valid(services, token) for token in tokens] == [False, False, True, True]
    await tidemark("revoke", "ann")
    assert not any([await is_valid(services, token) for token in tokens])


async def test_unregistered_token_is_valid_until_its_id_is_revoked(services, tidemark):
    token = issue_token(SECRET, "local", "admin", now=datetime.now(UTC))
    assert await is_valid(services, token)
    assert "is revoked" in await tidemark("revoke", token_id(token))
    assert not await is_valid(services, token)


async def test_revoking_an_unknown_token_is_an_error(tidemark):
    assert "No token has the name or id 'ann'." in await tidemark("revoke", "ann", status=1)


async def test_token_claims_contain_name_role_and_expiry(tidemark):
    token = await create_token(tidemark, "jira", "publisher", "--expires", "2100-01-01")
    claims = jwt.decode(token, SECRET, ["HS256"])
    assert (claims["sub"], claims["role"], claims["exp"]) == ("jira", "publisher", 4_102_444_800)


async def test_token_is_rejected_from_its_expiry_date_on(services, tidemark):
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for response in await request_all(services, await create_token(tidemark, "ann", "viewer", "--expires", today)):
        assert (response.status_code, response.json()["detail"].split(".")[0]) == (401, "The token has expired")


async def test_list_shows_all_tokens_within_80_columns(tidemark):
    token = await create_token(tidemark, "ann", "publisher", "--expires", "2100-01-01")
    await create_token(tidemark, "somebody with a long name, such as a system has", "manager")
    await tidemark("revoke", "ann")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    output = await tidemark("list")
    assert max(map(len, output.splitlines())) <= 80
    assert output.split("\n")[3].split() == ["ann", "publisher", today, "2100-01-01", today, token_id(token)[:8]]
    first, second = json.loads(await tidemark("list", "--json"))
    assert (first["id"], first["name"], first["role"], first["expires_at"]) == (
        token_id(token), "ann", "publisher", "2100-01-01T00:00:00Z",
    )  # fmt: skip
    assert first["revoked_at"] >= first["created_at"] > today
    assert (second["role"], second["expires_at"], second["revoked_at"]) == ("manager", None, None)


async def test_revocation_missing_at_one_service_is_not_listed(services, tidemark):
    token = await create_token(tidemark, "ann")
    await tidemark("revoke", "ann")
    (listed_before,) = json.loads(await tidemark("list", "--json"))
    notifier = services["notifier"]._transport.app.state.pool
    for statement in ("UPDATE tokens SET revoked_at = NULL", "DELETE FROM tokens"):
        await notifier.execute(statement)
        assert [token["revoked_at"] for token in json.loads(await tidemark("list", "--json"))] == [None]
        assert "is revoked" in await tidemark("revoke", "ann")
        assert not await is_valid(services, token)
        # A service at which it was revoked keeps the time of the first revocation.
        assert json.loads(await tidemark("list", "--json")) == [listed_before]


async def test_database_without_tables_is_an_error_with_the_remedy(empty_database, tidemark, monkeypatch):
    monkeypatch.setenv("TIDEMARK_NOTIFIER_DATABASE_URL", empty_database)
    assert "tidemark migrate" in await tidemark("list", status=1)
