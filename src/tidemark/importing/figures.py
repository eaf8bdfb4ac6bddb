"""A contract's hours as a table for people, from `reporting`."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from rich import box
from rich.table import Table

from tidemark_shared.database import queries
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR
from tidemark_shared.settings import Settings

_sql = queries("tidemark")


class UnknownContractError(Exception):
    """No contract is called so."""


async def table(settings: Settings, reference: str, now: datetime) -> Table:
    """Planned and executed hours of a contract's current period by account and team; ``reference``: an id or code."""
    connection = await asyncpg.connect(settings.service_database_url("consumption"))
    try:
        contract = await anext(_sql.contract(connection, reference=reference), None)
        if contract is None:
            raise UnknownContractError(f"No contract has the id or code {reference!r}. `GET /v1/contracts` lists them.")
        today = now.astimezone(ZoneInfo(contract["timezone"])).date()
        period = await anext(_sql.period(connection, contract_id=contract["contract_id"], today=today))
        of = {"contract_id": contract["contract_id"], "period_start": period["period_start"]}
        accounts = [row async for row in _sql.accounts(connection, **of)]
        slices = [row async for row in _sql.slices(connection, **of)]
    finally:
        await connection.close()
    shown = Table(
        title=f"{contract['contract_code']} · {contract['contract_name']} · {contract['status']}\n"
        f"{period['period_start']:%-d %B %Y} to {period['period_end']:%-d %B %Y}",
        box=box.SIMPLE_HEAD,
    )
    shown.add_column("Account and team", overflow="fold")
    for heading in ("Planned h", "Executed h", "%"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for account in accounts:
        shown.add_row(account["account_name"] + ("" if account["billable"] else " (not billed)"), *_figures(account))
        for one in slices:
            if one["account_id"] == account["account_id"]:
                shown.add_row(f"  {one['team_name'] or 'unassigned'}", *_figures(one), style="dim")
    shown.add_section()
    shown.add_row("Contract", *_figures(period), style="bold")
    if contract["recurrence"] != "none":
        shown.add_row("All periods", *_figures(contract))
    return shown


def _figures(row: Any) -> tuple[str, str, str]:
    return (
        _hours(row["planned_seconds"]),
        _hours(row["consumed_seconds"]),
        "" if row["percent"] is None else f"{row['percent']:,}",
    )


def _hours(seconds: int | None) -> str:
    return "" if seconds is None else f"{(Decimal(seconds) / SECONDS_PER_HOUR).quantize(Decimal('0.01')):,}"
