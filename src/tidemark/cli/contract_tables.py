"""Contracts from the API as tables for people. Pure."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table

from tidemark.cli.figures import MINOR_UNITS, Figures, build_figures, to_quantity
from tidemark.cli.output import Column, Record
from tidemark_client import Json


def build_contract_details(contract: Json, organization: str, figures: Figures | None, now: datetime) -> RenderableType:
    """A contract's terms and, once consumption has the contract, its figures as in `tidemark status`."""
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
    return Group(terms, build_figures(figures, now))


def _contracted_amount(contract: Record) -> str:
    """What is contracted (for one period, if the contract recurs); empty where a draft lacks it."""
    if contract["contracted_hours"] is not None:
        return f"{contract['contracted_hours']} h"
    if contract["contracted_value_minor"] is not None:
        unit = contract["currency"] or MINOR_UNITS
        return f"{to_quantity(contract['contracted_value_minor'], unit):,} {unit}"
    return ""


def _entry_lines(entry: Record) -> Iterator[str]:
    what = entry["what"].replace("_", " ")
    yield f"{what}: {entry['reason']}" if entry["reason"] else what
    yield from (f"  {line}" for line in entry.get("descriptions") or (f"{name} changed" for name in entry["changes"]))


CONTRACT_COLUMNS = (
    Column("Code", "code"),
    Column("Name", "name"),
    Column("Status", "status", wrap=False),
    Column("From", "start_date", wrap=False),
    Column("To", "end_date", wrap=False),
    Column("Contracted", _contracted_amount, right=True, wrap=False),
)
HISTORY_COLUMNS = (
    Column("No.", "version", right=True, wrap=False),
    Column("When (UTC)", lambda entry: datetime.fromisoformat(entry["occurred_at"]), wrap=False),
    Column("Who", "actor"),
    Column("What", lambda entry: "\n".join(_entry_lines(entry))),
)
