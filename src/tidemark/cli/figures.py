"""The figures of a contract, as `tidemark status` and `tidemark contract show` print them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType

from tidemark.cli.output import Column, Record, build_table
from tidemark_client import Client, Json, contract_path
from tidemark_shared.domain.bodies import minor_digits
from tidemark_shared.domain.calendar import to_local_day
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR

_WORKLOG_PAGE_SIZE = 1_000
_HUNDREDTH = Decimal("0.01")
MINOR_UNITS = "minor units"
"""The unit of a draft that states an amount before its currency: nothing says how many decimals it has."""
_REASONS = {
    "account_unknown": "the contract has no account of this name",
    "contract_draft": "the contract is a draft",
    "contract_inactive": "the contract is suspended",
    "issue_undated": "the link has no created_at",
    "outside_dates": "the day is outside the contract's dates",
}
_COLUMNS = (
    Column("Account and team", lambda record: _label(record)),  # noqa: PLW0108 - it is defined below
    Column("Planned", "planned", right=True, wrap=False),
    Column("Available", "available", right=True, wrap=False),
    Column("Consumed", "consumed", right=True, wrap=False),
    Column("Remaining", "remaining", right=True, wrap=False),
    Column("%", "percent", right=True, wrap=False),
)
FIELDS = (
    "contract", "status", "kind", "account", "billable", "team", "reason", "start", "end", "unit", "planned", "carried",
    "available", "consumed", "remaining", "percent",
)  # fmt: skip
"""The members of a record, and the headings of CSV."""
_STYLES = {"team": "dim", "period": "bold", "carried": "dim"}


class Figures(NamedTuple):
    """What the API says about a contract's figures."""

    contract: Json
    balance: Json
    team_names: Mapping[str, str]
    unaccounted: Mapping[str, int]
    """Seconds that do not count, by reason."""


def load_figures(api: Client, contract: Json) -> Figures | None:
    """The figures of a contract; None until consumption has them."""
    path = contract_path(contract["id"])
    balance = api.get(f"{path}/balance")
    if balance is None:
        return None
    has_teams = any(slice_["team_id"] for account in balance.body["accounts"] for slice_ in account["slices"])
    team_names = {team["id"]: team["name"] for team in api.list("teams")} if has_teams else {}
    unaccounted: dict[str, int] = {}
    if balance.body["unaccounted_seconds"]:
        for worklog in api.list(f"{path}/worklogs", reason="any", limit=_WORKLOG_PAGE_SIZE):
            unaccounted[worklog["reason"]] = unaccounted.get(worklog["reason"], 0) + worklog["seconds"]
    return Figures(contract, balance.body, team_names, unaccounted)


def list_figures(figures: Figures | None, now: datetime) -> list[Record]:
    """A record for each account and team in the current period, for the period, and for all periods.

    Work that does not count has a record for each reason; so has work of people without a rate. Hours have two
    decimals, money those of its currency.
    """
    if figures is None:
        return []
    balance = figures.balance
    unit = balance["currency"] or (MINOR_UNITS if balance["unit"] == "minor" else "h")
    records = [
        _record(
            figures,
            kind=kind,
            **names,
            start=row["start"],
            end=row["end"],
            unit=unit,
            planned=to_quantity(row["planned"], unit),
            carried=to_quantity(row.get("carried"), unit),
            available=to_quantity(row.get("available", row["planned"]), unit),
            consumed=to_quantity(row["consumed"], unit),
            remaining=to_quantity(row["remaining"], unit),
            percent=None if row["percent"] is None else Decimal(row["percent"]),
        )
        for kind, names, row in _rows(figures, _select_period(figures.contract, balance, now))
    ]
    for reason, seconds in sorted(figures.unaccounted.items()):
        records.append(
            _record(figures, kind="unaccounted", reason=reason, unit="h", consumed=to_quantity(seconds, "h"))
        )
    if unrated := balance["whole"]["unrated_seconds"]:
        records.append(_record(figures, kind="unrated", unit="h", consumed=to_quantity(unrated, "h")))
    return records


def build_figures(figures: Figures | None, now: datetime) -> RenderableType:
    """The table for people, with the work that does not count below."""
    if figures is None:
        return "No figures yet."
    records = list_figures(figures, now)
    rows = [record for record in records if record["kind"] not in {"unaccounted", "unrated"}]
    (period,) = (record for record in rows if record["kind"] == "period")
    if period["carried"]:
        rows.insert(rows.index(period) + 1, _record(figures, kind="carried", available=period["carried"]))
    unit = "hours" if period["unit"] == "h" else period["unit"]
    title = f"{_day(period['start'])} to {_day(period['end'])}, in {unit}"
    table = build_table(rows, _COLUMNS, title=title)
    for row, record, following in zip(table.rows, rows, [*rows[1:], period], strict=True):
        row.style = _STYLES.get(record["kind"], "")
        row.end_section = following is period
    return Group(table, *_notes(records))


def build_status(contract: Json, figures: Figures | None, now: datetime) -> RenderableType:
    """The figures below the name and status of the contract."""
    return Group(f"{contract['code']} · {contract['name']} · {contract['status']}", build_figures(figures, now))


def _record(figures: Figures, **values: object) -> Record:
    contract = figures.contract
    return {**dict.fromkeys(FIELDS), "contract": contract["code"], "status": contract["status"], **values}


def _select_period(contract: Json, balance: Json, now: datetime) -> Json:
    """The current period: today's; before the start the first, after the end the last."""
    today = to_local_day(now, ZoneInfo(contract["timezone"])).isoformat()
    started = [period for period in balance["periods"] if period["start"] <= today]
    selected: Json = started[-1] if started else balance["periods"][0]
    return selected


def _rows(figures: Figures, period: Json) -> Iterator[tuple[str, dict[str, Any], Json]]:
    """The kind, the names and the figures of each row."""
    balance = figures.balance
    for account in sorted(balance["accounts"], key=lambda account: not account["billable"]):
        names = {"account": account["name"], "billable": account["billable"]}
        yield "account", names, _of_period(account, period)
        for slice_ in account["slices"]:
            team_id = slice_["team_id"]
            team = figures.team_names.get(team_id, team_id) if team_id else "unassigned"
            yield "team", {**names, "team": team}, _of_period(slice_, period)
    yield "period", {}, period
    if figures.contract["recurrence"] == "monthly":
        days = {"start": balance["periods"][0]["start"], "end": balance["periods"][-1]["end"]}
        yield "contract", {}, {**balance["whole"], **days}


def _of_period(item: Json, period: Json) -> Json:
    zero = {"planned": None, "consumed": 0, "remaining": None, "percent": None}
    days = {"start": period["start"], "end": period["end"]}
    return next((row for row in item["periods"] if row["start"] == period["start"]), {**zero, **days})


def _notes(records: Iterable[Record]) -> Iterator[str]:
    """The work that does not count, of all periods."""
    for record in records:
        hours = f"{record['consumed']} h"
        if record["kind"] == "unaccounted":
            explanation = _REASONS.get(record["reason"], "")
            yield f"Not counted: {hours}, {record['reason']}{explanation and f' ({explanation})'}"
        elif record["kind"] == "unrated":
            yield f"Not rated: {hours} of people without a rate, which add nothing to the amount"


def _label(record: Record) -> str:
    match record["kind"]:
        case "account":
            return str(record["account"]) + ("" if record["billable"] else " (not billed)")
        case "team":
            return f"  {record['team']}"
        case "carried":
            return "  carried in"
        case "contract":
            return "All periods"
    return "Contract"


def to_quantity(value: int | None, unit: str) -> Decimal | None:
    """Seconds as hours with two decimals (``h``), or minor units: of a currency as an amount, else as they are."""
    if value is None:
        return None
    if unit == "h":
        return (Decimal(value) / SECONDS_PER_HOUR).quantize(_HUNDREDTH)
    return Decimal(value).scaleb(-(minor_digits(unit) or 0))


def _day(day: str) -> str:
    return f"{date.fromisoformat(day):%-d %B %Y}"
