"""``tidemark status``: a contract's hours in its current period, from `reporting`."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich import box
from rich.table import Table

from tidemark.cli.options import DEFAULT_DATA_DIR, DataDir, load_settings
from tidemark.cli.output import print_table, report_errors
from tidemark.database.query_types import CommandLineQueries
from tidemark_shared.database import open_connection, queries
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR
from tidemark_shared.settings import Settings

_sql: CommandLineQueries = queries("tidemark")


class UnknownContractError(Exception):
    """No contract has the id or code."""


def status(
    contract: Annotated[str, typer.Argument(help="A contract's code or id.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show a contract's planned and executed hours by account and team in its current period."""
    with report_errors(UnknownContractError):
        print_table(asyncio.run(build_status_table(load_settings(data_dir), contract, datetime.now(UTC))))


async def build_status_table(settings: Settings, reference: str, now: datetime) -> Table:
    """The planned and executed hours of a contract's current period. ``reference`` is the contract's id or code."""
    async with open_connection(settings.service_database_url("consumption")) as connection:
        contract = await anext(_sql.find_contract(connection, reference=reference), None)
        if contract is None:
            raise UnknownContractError(
                f"No contract with id or code {reference!r}. Run `tidemark contract list` to see the contracts."
            )
        today = now.astimezone(ZoneInfo(contract["timezone"])).date()
        period = await anext(_sql.current_period(connection, contract_id=contract["contract_id"], today=today))
        key: dict[str, Any] = {"contract_id": contract["contract_id"], "period_start": period["period_start"]}
        accounts = [row async for row in _sql.list_accounts(connection, **key)]
        slices = [row async for row in _sql.list_slices(connection, **key)]
    table = Table(
        title=f"{contract['contract_code']} · {contract['contract_name']} · {contract['status']}\n"
        f"{period['period_start']:%-d %B %Y} to {period['period_end']:%-d %B %Y}",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("Account and team", overflow="fold")
    for heading in ("Planned h", "Executed h", "%"):
        table.add_column(heading, justify="right", no_wrap=True)
    for account in accounts:
        table.add_row(account["account_name"] + ("" if account["billable"] else " (not billed)"), *_cells(account))
        for slice_ in slices:
            if slice_["account_id"] == account["account_id"]:
                table.add_row(f"  {slice_['team_name'] or 'unassigned'}", *_cells(slice_), style="dim")
    table.add_section()
    table.add_row("Contract", *_cells(period), style="bold")
    if contract["recurrence"] != "none":
        table.add_row("All periods", *_cells(contract))
    return table


def _cells(row: Any) -> tuple[str, str, str]:
    return (
        _hours(row["planned_seconds"]),
        _hours(row["consumed_seconds"]),
        "" if row["percent"] is None else f"{row['percent']:,}",
    )


def _hours(seconds: int | None) -> str:
    return "" if seconds is None else f"{(Decimal(seconds) / SECONDS_PER_HOUR).quantize(Decimal('0.01')):,}"
