"""The services that an import needs, and what they count."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, chdir
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
from api_tokens import create_token
from cli_stack import run_services
from click.testing import Result
from typer.testing import CliRunner

from tidemark.cli import app


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
    database: str, kafka_bootstrap_servers: str, topic_prefix: str, folder: Path
) -> AsyncIterator[Importing]:
    """The services that an import needs, on a database and topics of their own."""
    parts = database, kafka_bootstrap_servers, topic_prefix, ("contracts", "consumption")
    async with run_services(*parts) as environment:
        yield Importing({**environment, "TIDEMARK_API_TOKEN": create_token()}, database, folder)


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
