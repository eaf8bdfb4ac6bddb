"""Contracts from the API as tables for people. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from tidemark_shared.domain.bodies import minor_digits
from tidemark_shared.domain.calendar import to_local_day
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR

Json = dict[str, Any]


def build_contract_list(contracts: Iterable[Json]) -> Table:
    """One row for each contract, with its contracted amount (of one period, if it recurs)."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("Code", overflow="fold")
    table.add_column("Name", overflow="fold")
    for heading in ("Status", "From", "To"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Contracted", justify="right", no_wrap=True)
    for contract in contracts:
        members = (contract[name] for name in ("code", "name", "status", "start_date", "end_date"))
        table.add_row(*members, _contracted_amount(contract))
    return table


def build_contract_details(contract: Json, organization: str, balance: Json | None, now: datetime) -> RenderableType:
    """A contract's terms and, once consumption has the contract, its balance by account over all periods."""
    terms = Table.grid(padding=(0, 2))
    terms.add_column(style="bold", no_wrap=True)
    terms.add_column(overflow="fold")
    recurrence = "monthly" if contract["recurrence"] == "monthly" else "once"
    terms_text = [contract["type"].replace("_", " "), _contracted_amount(contract), recurrence]
    for label, text in {
        "Contract": f"{contract['code']} · {contract['name']}",
        "Status": f"{contract['status']}, version {contract['version']}",
        "Organization": organization,
        "Owner": f"{contract['owner']['name']} <{contract['owner']['email']}>",
        "Terms": ", ".join(filter(None, terms_text)),
        "Days": f"{contract['start_date']} to {contract['end_date']}, {contract['timezone']}",
        "Id": contract["id"],
    }.items():
        terms.add_row(label, text)
    return Group(terms, _build_balance(contract, balance, now) if balance else "No figures yet.")


def build_history(entries: Iterable[Json]) -> Table:
    """Who did what, when (UTC) and why; oldest first."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("When (UTC)", no_wrap=True)
    table.add_column("Who", overflow="fold", max_width=20)
    table.add_column("What", overflow="fold")
    for entry in entries:
        time = datetime.fromisoformat(entry["occurred_at"]).astimezone(UTC)
        description = "\n".join(_entry_lines(entry))
        table.add_row(str(entry["version"]), f"{time:%Y-%m-%d %H:%M}", entry["actor"], description)
    return table


def _entry_lines(entry: Json) -> Iterator[str]:
    yield f"{entry['what']}: {entry['reason']}" if entry["reason"] else entry["what"]
    yield from (f"  {line}" for line in entry.get("sentences") or (f"{name} changed" for name in entry["changes"]))


def _contracted_amount(contract: Json) -> str:
    if contract["contracted_hours"] is not None:
        return f"{contract['contracted_hours']} h"
    if contract["contracted_value_minor"] is not None and contract["currency"]:
        return _format_amount(contract["contracted_value_minor"], contract["currency"])
    return ""


def _build_balance(contract: Json, balance: Json, now: datetime) -> Table:
    currency = balance["currency"]
    unit = "h" if balance["unit"] == "seconds" else currency
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("Account", overflow="fold")
    for heading in (f"Planned {unit}", "Consumed", "Remaining", "%"):
        table.add_column(heading, justify="right", no_wrap=True)
    for account in balance["accounts"]:
        name = account["name"] + ("" if account["billable"] else " (not billed)")
        table.add_row(name, *_cells(account["whole"], currency))
    table.add_section()
    table.add_row("Contract", *_cells(balance["whole"], currency), style="bold")
    if contract["recurrence"] == "monthly":
        today = to_local_day(now, ZoneInfo(contract["timezone"])).isoformat()
        started = [period for period in balance["periods"] if period["start"] <= today]
        period = started[-1] if started else balance["periods"][0]
        figures = {**period, "planned": period["available"]}
        table.add_row(f"{period['start']} to {period['end']}", *_cells(figures, currency))
    return table


def _cells(figures: Json, currency: str | None) -> tuple[str, ...]:
    quantities = (figures[name] for name in ("planned", "consumed", "remaining"))
    percent = figures["percent"]
    percent_cell = "" if percent is None else f"{Decimal(percent):,}"
    return *(_format_quantity(quantity, currency) for quantity in quantities), percent_cell


def _format_quantity(quantity: int | None, currency: str | None) -> str:
    if quantity is None:
        return ""
    if currency:
        return _format_amount(quantity, currency).removesuffix(f" {currency}")
    return f"{(Decimal(quantity) / SECONDS_PER_HOUR).quantize(Decimal('0.01')):,}"


def _format_amount(amount_minor: int, currency: str) -> str:
    return f"{Decimal(amount_minor).scaleb(-(minor_digits(currency) or 0)):,} {currency}"
