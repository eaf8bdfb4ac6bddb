"""``tidemark export``: everything that is stored of a customer or a person, as files."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from tidemark.cli.connection import connect
from tidemark.cli.options import DEFAULT_DATA_DIR, DataDir, load_settings
from tidemark.cli.output import print_line, report_errors, write_csv
from tidemark.cli.references import ORGANIZATIONS, find_entity
from tidemark.database.query_types import CommandLineQueries
from tidemark_client import Client, Json, contract_path
from tidemark_shared.database import Workload, open_connection, queries, server_settings
from tidemark_shared.settings import Settings

app = typer.Typer(help="Export all data of a customer or a person.", no_args_is_help=True)
_sql: CommandLineQueries = queries("tidemark")

Tables = dict[str, list[Json]]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="The file to write: .zip with a CSV file for each table, else JSON lines."),
]


class ExportError(Exception):
    """The file cannot be written; the text says why."""


@app.command()
def organization(
    organization: Annotated[str, typer.Argument(help="The organization's name or id.")],
    *,
    output: Output,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Export an organization: its contacts, contracts with their history, figures, worklogs, offers, notifications."""
    with report_errors(ExportError), connect(data_dir) as api:
        entity = find_entity(api, ORGANIZATIONS, organization)
        tables: Tables = {"organizations": [entity.body]}
        tables |= _load_contracts(api, entity.id)
        contract_ids = [UUID(contract["id"]) for contract in tables["contract_terms"]]
        rows = asyncio.run(_read_organization(load_settings(data_dir), UUID(entity.id), contract_ids))
        _write(output, tables | rows)


@app.command()
def person(
    person: Annotated[str, typer.Argument(help="The person's id, as the source of worklogs has it.")],
    *,
    email: Annotated[list[str] | None, typer.Option(help="A mail address of the person beside those of teams.")] = None,
    output: Output,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Export a person: teams, rate cards, worklogs; and by address what they own, are a contact of, and were sent."""
    with report_errors(ExportError), connect(data_dir) as api:
        tables: Tables = {"rate_cards": list(api.list("rate-cards", person=person))}
        rows = asyncio.run(_read_person(load_settings(data_dir), person, email or []))
        _write(output, tables | rows)


def _load_contracts(api: Client, organization_id: str) -> Tables:
    contracts = list(api.list("contracts", organization=organization_id))
    history = [
        {"contract_code": contract["code"], **entry}
        for contract in contracts
        for entry in api.list(f"{contract_path(contract['id'])}/history", limit=None)
    ]
    return {"contract_terms": contracts, "contract_history": history}


async def _read_organization(settings: Settings, organization_id: UUID, contract_ids: Sequence[UUID]) -> Tables:
    tables: Tables = {}
    async with _connect(settings, "consumption") as connection:
        await _collect(tables, _sql.organization_figures(connection, organization_id=organization_id))
    async with _connect(settings, "contracts") as connection:
        await _collect(tables, _sql.organization_offers(connection, contract_ids=contract_ids))
    async with _connect(settings, "notifier") as connection:
        await _collect(tables, _sql.organization_notifications(connection, contract_ids=contract_ids))
    return tables


async def _read_person(settings: Settings, person_id: str, emails: Sequence[str]) -> Tables:
    tables: Tables = {}
    async with _connect(settings, "contracts") as connection:
        await _collect(tables, _sql.person_memberships(connection, person_id=person_id))
        members = tables.get("team_members", [])
        lowered = sorted({email.lower() for email in (*emails, *(row["email"] for row in members)) if email})
        await _collect(tables, _sql.person_contacts(connection, emails=lowered))
    async with _connect(settings, "consumption") as connection:
        await _collect(tables, _sql.person_work(connection, person_id=person_id))
        await _collect(tables, _sql.person_contracts(connection, emails=lowered))
    async with _connect(settings, "notifier") as connection:
        await _collect(tables, _sql.person_deliveries(connection, emails=lowered))
    return tables


def _connect(settings: Settings, service: str) -> Any:
    return open_connection(settings.service_database_url(service), **server_settings("reporting", Workload.FOLD))


async def _collect(tables: Tables, rows: AsyncIterator[Mapping[str, Any]]) -> None:
    async for row in rows:
        tables.setdefault(row["view_name"], []).append(json.loads(row["content"]))


def _write(output: Path, tables: Tables) -> None:
    """Write the file for its owner alone. It must not exist."""
    try:
        with output.open("xb") as file:
            output.chmod(0o600)
            file.write(_build_zip(tables) if output.suffix == ".zip" else _build_lines(tables))
    except FileExistsError:
        raise ExportError(f"{output} exists. Name a file that does not.") from None
    counts = ", ".join(f"{len(rows):,} {name}" for name, rows in tables.items() if rows)
    print_line(f"{output}: {counts or 'nothing is stored'}.")


def _build_lines(tables: Tables) -> bytes:
    rows: Iterable[Json] = ({"table": name, **row} for name, rows in tables.items() for row in rows)
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _build_zip(tables: Tables) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in tables.items():
            if rows:
                text = io.StringIO()
                write_csv(text, rows)
                archive.writestr(f"{name}.csv", text.getvalue())
    return content.getvalue()
