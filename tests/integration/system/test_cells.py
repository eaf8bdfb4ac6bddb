"""Two providers on one broker and one Postgres server, each with a database and topics of its own: a cell."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import httpx
from applications import build_app
from fastapi import FastAPI
from polling import wait_until
from typer.testing import CliRunner
from worklog_service import event

from tidemark.cli import app as command_line
from tidemark_consumption.app import create_app
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.settings import Settings


@asynccontextmanager
async def cell(url: str, bootstrap: str, prefix: str, secret: str) -> AsyncIterator[FastAPI]:
    """A cell as docs/scale.md makes it, and its consumption service."""
    environment = {
        "TIDEMARK_DATABASE_URL": url, "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "TIDEMARK_TOPIC_PREFIX": prefix,
    }  # fmt: skip
    for command in ("migrate", "topics"):
        result = await asyncio.to_thread(CliRunner().invoke, command_line, [command], env=environment)
        assert result.exit_code == 0, result.output
    settings = Settings(database_url=url, kafka_bootstrap_servers=bootstrap, topic_prefix=prefix, secret=secret)
    app = build_app(create_app, settings)
    async with app.router.lifespan_context(app):
        yield app


async def post(app: FastAPI, number: int, secret: str) -> int:
    headers = {"authorization": f"Bearer {issue_token(secret, 'tracker', 'publisher', now=datetime.now(UTC))}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cell", headers=headers) as client:
        return (await client.post("/v1/worklogs", json=event(number))).status_code


async def worklogs(app: FastAPI) -> set[str]:
    return {row["worklog_id"] for row in await app.state.pool.fetch("SELECT worklog_id FROM worklogs")}


async def test_cells_do_not_see_each_other(
    empty_database: str, database: str, kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    secrets = ["a" * 32, "b" * 32]
    async with (
        cell(empty_database, kafka_bootstrap_servers, f"{topic_prefix}acme.", secrets[0]) as acme,
        cell(database, kafka_bootstrap_servers, f"{topic_prefix}nord.", secrets[1]) as nord,
    ):
        for number in (1, 2, 3):
            assert await post(acme, number, secrets[0]) == 202
        assert await post(nord, 9, secrets[1]) == 202
        await wait_until(lambda: _has(acme, {"1", "2", "3"}), timeout_seconds=30)
        await wait_until(lambda: _has(nord, {"9"}), timeout_seconds=30)
        # A token of one cell is none in the other.
        assert await post(nord, 4, secrets[0]) == 401
    for url, count in ((empty_database, 3), (database, 1)):
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT count(*) FROM consumption.fact_log") == count
        await connection.close()


async def _has(app: FastAPI, expected: set[str]) -> bool:
    return await worklogs(app) == expected
