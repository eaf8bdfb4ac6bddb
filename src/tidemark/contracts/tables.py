"""What the API answers about contracts, as tables for people. Pure."""

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


def overview(contracts: Iterable[Json]) -> Table:
    """One row a contract, with what was contracted (a period's, where it recurs)."""
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("Code", overflow="fold")
    shown.add_column("Name", overflow="fold")
    for heading in ("Status", "From", "To"):
        shown.add_column(heading, no_wrap=True)
    shown.add_column("Contracted", justify="right", no_wrap=True)
    for one in contracts:
        terms = one["code"], one["name"], one["status"], one["start_date"], one["end_date"], _contracted(one)
        shown.add_row(*terms)
    return shown


def details(contract: Json, organization: str, balance: Json | None, now: datetime) -> RenderableType:
    """A contract's terms and, once consumption has heard of it, its balance by account over all periods."""
    terms = Table.grid(padding=(0, 2))
    terms.add_column(style="bold", no_wrap=True)
    terms.add_column(overflow="fold")
    recurs = "monthly" if contract["recurrence"] == "monthly" else "once"
    for label, value in {
        "Contract": f"{contract['code']} · {contract['name']}",
        "Status": f"{contract['status']}, version {contract['version']}",
        "Organization": organization,
        "Owner": f"{contract['owner']['name']} <{contract['owner']['email']}>",
        "Terms": ", ".join(filter(None, [contract["type"].replace("_", " "), _contracted(contract), recurs])),
        "Days": f"{contract['start_date']} to {contract['end_date']}, {contract['timezone']}",
        "Id": contract["id"],
    }.items():
        terms.add_row(label, value)
    return Group(terms, _balance(contract, balance, now) if balance else "No figures yet.")


def history(items: Iterable[Json]) -> Table:
    """Who did what, when (UTC) and why, the oldest first."""
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("", justify="right", no_wrap=True)
    shown.add_column("When (UTC)", no_wrap=True)
    shown.add_column("Who", overflow="fold", max_width=20)
    shown.add_column("What", overflow="fold")
    for one in items:
        when = datetime.fromisoformat(one["occurred_at"]).astimezone(UTC)
        shown.add_row(str(one["version"]), f"{when:%Y-%m-%d %H:%M}", one["actor"], "\n".join(_told(one)))
    return shown


def _told(item: Json) -> Iterator[str]:
    yield f"{item['what']}: {item['reason']}" if item["reason"] else item["what"]
    yield from (f"  {line}" for line in item.get("sentences") or (f"{name} changed" for name in item["changes"]))


def _contracted(contract: Json) -> str:
    if contract["contracted_hours"] is not None:
        return f"{contract['contracted_hours']} h"
    if contract["contracted_value_minor"] is not None and contract["currency"]:
        return _amount(contract["contracted_value_minor"], contract["currency"])
    return ""


def _balance(contract: Json, balance: Json, now: datetime) -> Table:
    unit = "h" if balance["unit"] == "seconds" else balance["currency"]
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("Account", overflow="fold")
    for heading in (f"Planned {unit}", "Consumed", "Remaining", "%"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for account in balance["accounts"]:
        name = account["name"] + ("" if account["billable"] else " (not billed)")
        shown.add_row(name, *_figures(account["whole"], balance["currency"]))
    shown.add_section()
    shown.add_row("Contract", *_figures(balance["whole"], balance["currency"]), style="bold")
    if contract["recurrence"] == "monthly":
        today = to_local_day(now, ZoneInfo(contract["timezone"])).isoformat()
        begun = [period for period in balance["periods"] if period["start"] <= today]
        period = begun[-1] if begun else balance["periods"][0]
        of_period = {**period, "planned": period["available"]}
        shown.add_row(f"{period['start']} to {period['end']}", *_figures(of_period, balance["currency"]))
    return shown


def _figures(figures: Json, currency: str | None) -> tuple[str, ...]:
    quantities = (figures[name] for name in ("planned", "consumed", "remaining"))
    percent = figures["percent"]
    return *(_quantity(one, currency) for one in quantities), "" if percent is None else f"{Decimal(percent):,}"


def _quantity(value: int | None, currency: str | None) -> str:
    if value is None:
        return ""
    if currency:
        return _amount(value, currency).removesuffix(f" {currency}")
    return f"{(Decimal(value) / SECONDS_PER_HOUR).quantize(Decimal('0.01')):,}"


def _amount(minor: int, currency: str) -> str:
    return f"{Decimal(minor).scaleb(-(minor_digits(currency) or 0)):,} {currency}"
