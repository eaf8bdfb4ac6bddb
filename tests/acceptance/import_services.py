"""The two services that an import needs, and what they count."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, chdir
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
from api_tokens import SECRET, create_token
from click.testing import Result
from databases import drop_database
from processes import service_process
from typer.testing import CliRunner

from tidemark.cli import app
from tidemark.stack import ports
from tidemark_shared.messaging.kafka import create_topics


class Importing(NamedTuple):
    """Contracts and consumption, and how to reach them."""

    environment: dict[str, str]
    database: str
    folder: Path

    async def tidemark(self, *arguments: str | Path) -> Result:
        # In this process: another one would take seconds to start.
        with chdir(self.folder):
            return await asyncio.to_thread(CliRunner().invoke, app, [*map(str, arguments)], env=self.environment)

    async def run_import(self, file: Path, mapping: str, *options: str, status: int = 0) -> dict[str, Any]:
        map_file = self.folder / f"{uuid4()}.toml"
        map_file.write_text(mapping)
        arguments = ["import", file, "--format", "csv", "--mapping", map_file, "--json", *options]
        result = await self.tidemark(*arguments)
        assert result.exit_code == status, result.output
        summary: dict[str, Any] = json.loads(result.stdout)
        return summary

    async def rows(self, query: str, *arguments: object) -> list[Any]:
        connection = await asyncpg.connect(self.database)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()


@asynccontextmanager
async def run_services_of_import(
    postgres_url: str, template: str, kafka_bootstrap_servers: str, folder: Path
) -> AsyncIterator[Importing]:
    """The two services that an import needs, on a database and topics of their own."""
    name, prefix = f"import_{os.getpid()}", f"t{uuid4().hex[:8]}."
    database = f"{postgres_url.rpartition('/')[0]}/{name}"
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    await create_topics(kafka_bootstrap_servers, prefix=prefix)
    api_port = ports.find_free()
    environment = {
        **os.environ,
        "TIDEMARK_DATABASE_URL": database,
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "TIDEMARK_TOPIC_PREFIX": prefix,
        "TIDEMARK_SECRET": SECRET,
        "TIDEMARK_API_TOKEN": create_token(),
        "TIDEMARK_API_URL": f"http://127.0.0.1:{api_port}",
    }
    async with AsyncExitStack() as stack:
        for service, port in (("contracts", api_port), ("consumption", ports.find_free())):
            service_environment = {**environment, "TIDEMARK_PORT": str(port)}
            await stack.enter_async_context(service_process(service, service_environment, folder))
        yield Importing(environment, database, folder)
    await drop_database(server, name)
    await server.close()


async def account_totals(importing: Importing, prefix: str) -> dict[tuple[str, str], int]:
    rows = await importing.rows(
        "SELECT contract_code, account_name, consumed_seconds FROM reporting.account_totals "
        "WHERE starts_with(contract_code, $1) AND consumed_seconds > 0",
        prefix,
    )
    return {(contract, account): seconds for contract, account, seconds in rows}


async def slice_totals(importing: Importing, prefix: str) -> dict[tuple[str, str, str | None], int]:
    rows = await importing.rows(
        "SELECT contract_code, account_name, team_name, sum(consumed_seconds)::bigint FROM reporting.slice_consumption "
        "WHERE starts_with(contract_code, $1) GROUP BY 1, 2, 3 HAVING sum(consumed_seconds) > 0",
        prefix,
    )
    return {(contract, account, team): seconds for contract, account, team, seconds in rows}


async def unaccounted(importing: Importing, source: str) -> dict[str, str]:
    rows = await importing.rows(
        "SELECT worklog_id, reason FROM reporting.unaccounted_worklogs WHERE source = $1", source
    )
    assert len(dict(rows)) == len(rows)
    return dict(rows)
