"""Tokens from the command line, and what the services make of them, each with a database of its own."""

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

SECRET = "a secret that is long enough for it"  # noqa: S105 - it guards nothing


@pytest.fixture
async def settings(database, template, monkeypatch):
    """What the command line and the services are told: a database for each service."""
    for name in [name for name in os.environ if name.startswith("TIDEMARK_")]:
        monkeypatch.delenv(name)
    server = await asyncpg.connect(database)
    told = {"secret": SECRET}
    try:
        for service in SERVICES:
            own = f"{database}_{service}"
            await server.execute(f"CREATE DATABASE {own.rpartition('/')[2]} TEMPLATE {template}")
            told[f"{service}_database_url"] = own
        for name, value in told.items():
            monkeypatch.setenv(f"TIDEMARK_{name.upper()}", value)
        yield Settings(**told)
        for service in SERVICES:
            await server.execute(f"DROP DATABASE {database.rpartition('/')[2]}_{service} WITH (FORCE)")
    finally:
        await server.close()


@pytest.fixture
async def services(settings):
    """A client of each service's frame, whose pool has one connection."""
    async with AsyncExitStack() as stack:
        clients = {}
        for service in SERVICES:
            one = create_api(service, settings, None)
            one.state.pool = await connect_pool(settings.service_database_url(service), service, size=1)
            stack.callback(one.state.pool.terminate)
            one.include_router(routes())
            transport = httpx.ASGITransport(one)
            clients[service] = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://test")
            )
        yield clients


def routes():
    router = APIRouter(route_class=TransactionRoute)

    @router.get("/name")
    async def name(call: ReadCall, _: Annotated[Actor, require_role("viewer")]) -> str:
        return call.actor.name

    return router


@pytest.fixture
def tidemark(settings, tmp_path):  # noqa: ARG001 - it is told by the environment
    """The command line, as a function of its arguments."""

    async def run(*arguments, status=0):
        # It has an event loop of its own.
        answer = await asyncio.to_thread(
            CliRunner(env={"COLUMNS": "80"}).invoke, app, ["token", *arguments, "--data-dir", str(tmp_path)]
        )
        assert answer.exit_code == status, answer.output
        return answer.output

    return run


async def made(tidemark, name, role="viewer", *more):
    return (await tidemark("create", name, "--role", role, *more)).strip()


async def told(services, token):
    """What each service answers to the token."""
    headers = {"authorization": f"Bearer {token}"}
    return [await client.get("/name", headers=headers) for client in services.values()]


async def is_good(services, token):
    answers = {answer.status_code: answer.text for answer in await told(services, token)}
    assert list(answers) in ([200], [401]), answers
    return 200 in answers


def id_of(token):
    return jwt.decode(token, SECRET, ["HS256"])["jti"]


async def test_token_is_valid_at_every_service_until_it_is_revoked(services, tidemark):
    anns, bobs = await made(tidemark, "ann"), await made(tidemark, "bob")
    assert [answer.json() for answer in await told(services, anns)] == ["ann"] * 3
    assert f"{id_of(anns)} (ann) is revoked." in await tidemark("revoke", "ann")
    for answer in await told(services, anns):
        assert answer.status_code == 401
        assert answer.json()["detail"].startswith(f"The token was revoked on {datetime.now(UTC):%Y-%m-%d}.")
    assert await is_good(services, bobs)
    assert "had been revoked on" in await tidemark("revoke", "ann")


async def test_id_revokes_one_token_and_name_all_of_its_tokens(services, tidemark):
    tokens = [await made(tidemark, "ann") for _ in range(4)]
    await tidemark("revoke", id_of(tokens[0]))
    await tidemark("revoke", id_of(tokens[1])[:8])
    assert [await is_good(services, token) for token in tokens] == [False, False, True, True]
    await tidemark("revoke", "ann")
    assert not any([await is_good(services, token) for token in tokens])


async def test_unregistered_token_is_valid_until_its_id_is_revoked(services, tidemark):
    token = issue_token(SECRET, "local", "admin", now=datetime.now(UTC))
    assert await is_good(services, token)
    assert "is revoked" in await tidemark("revoke", id_of(token))
    assert not await is_good(services, token)


async def test_revoking_an_unknown_token_is_an_error(tidemark):
    assert "No token has the name or id 'ann'." in await tidemark("revoke", "ann", status=1)


async def test_token_claims_contain_name_role_and_expiry(tidemark):
    token = await made(tidemark, "jira", "publisher", "--expires", "2100-01-01")
    claims = jwt.decode(token, SECRET, ["HS256"])
    assert (claims["sub"], claims["role"], claims["exp"]) == ("jira", "publisher", 4_102_444_800)


async def test_token_is_rejected_from_its_expiry_date_on(services, tidemark):
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for answer in await told(services, await made(tidemark, "ann", "viewer", "--expires", today)):
        assert (answer.status_code, answer.json()["detail"].split(".")[0]) == (401, "The token has expired")


async def test_list_shows_all_tokens_within_80_columns(tidemark):
    token = await made(tidemark, "ann", "publisher", "--expires", "2100-01-01")
    await made(tidemark, "somebody with a long name, such as a system has", "manager")
    await tidemark("revoke", "ann")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    shown = await tidemark("list")
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.split("\n")[3].split() == ["ann", "publisher", today, "2100-01-01", today, id_of(token)[:8]]
    first, second = json.loads(await tidemark("list", "--json"))
    assert (first["id"], first["name"], first["role"], first["expires_at"]) == (
        id_of(token), "ann", "publisher", "2100-01-01T00:00:00Z",
    )  # fmt: skip
    assert first["revoked_at"] >= first["created_at"] > today
    assert (second["role"], second["expires_at"], second["revoked_at"]) == ("manager", None, None)


async def test_revocation_missing_at_one_service_is_not_listed(services, tidemark):
    token = await made(tidemark, "ann")
    await tidemark("revoke", "ann")
    (before,) = json.loads(await tidemark("list", "--json"))
    notifier = services["notifier"]._transport.app.state.pool
    for lacking in ("UPDATE tokens SET revoked_at = NULL", "DELETE FROM tokens"):
        await notifier.execute(lacking)
        assert [one["revoked_at"] for one in json.loads(await tidemark("list", "--json"))] == [None]
        assert "is revoked" in await tidemark("revoke", "ann")
        assert not await is_good(services, token)
        # Where it had been revoked, the time stays that of then.
        assert json.loads(await tidemark("list", "--json")) == [before]


async def test_database_without_tables_is_an_error_with_the_remedy(empty_database, tidemark, monkeypatch):
    monkeypatch.setenv("TIDEMARK_NOTIFIER_DATABASE_URL", empty_database)
    assert "tidemark migrate" in await tidemark("list", status=1)
