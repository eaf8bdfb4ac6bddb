"""What the address of a delivery report asks for, and what its page shows of each contract. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from tidemark_web.pages.charts import Bar, Curve, Limit, build_bar, build_curve
from tidemark_web.pages.client import Json
from tidemark_web.pages.contracts import STATUSES
from tidemark_web.pages.formatting import Amounts, HourStyle, amounts_of, contract_page, format_day, format_period
from tidemark_web.pages.report_range import Days
from tidemark_web.pages.report_tables import NO_TEAM, Figure, Options, Row, Table, name_period

_MAX_OPEN_PERIODS = 3


class Selection(NamedTuple):
    """What the address asks for."""

    query: Sequence[tuple[str, str]]
    organization: Json
    days: Days
    options: Options
    style: HourStyle
    as_of: str

    def link(self, **changes: str | None) -> str:
        """The address of the same report with some parameters changed, or left out where they are None."""
        kept = [(name, value) for name, value in self.query if name not in changes]
        return f"?{urlencode([*kept, *((name, value) for name, value in changes.items() if value)])}"

    def values(self, name: str) -> list[str]:
        """All values of a parameter."""
        return [value for key, value in self.query if key == name]


class PeriodView(NamedTuple):
    """A period of a contract: its own row, and those of its accounts and teams."""

    title: str
    total: Row
    rows: list[tuple[Row, Bar]]
    bar: Bar
    is_open: bool


class CurveView(NamedTuple):
    """The curve of a contract, since when it counts, and the table behind it."""

    drawing: Curve
    since: str
    rows: list[Row]


class ContractView(NamedTuple):
    """A contract in the report."""

    contract: Json
    amount: Amounts
    status: str
    path: str
    periods: list[PeriodView]
    curve: CurveView | None
    teams: list[tuple[str, Figure, Bar]]
    people: list[Row]
    unaccounted: list[Row]
    restatements: list[Row]
    outlook: list[tuple[str, Row, Bar]]


class ContractLine(NamedTuple):
    """A contract in a report of many: the sums of its periods that overlap the range."""

    contract: Json
    link: str
    executed: Figure
    planned: Figure
    left: Figure
    bar: Bar
    unaccounted: Figure


def sum_up(report: Json) -> dict[str, Any]:
    """What all contracts of the report executed: time, and money by currency."""
    money: dict[str, int] = {}
    for contract in report["contracts"]:
        if contract["currency"]:
            currency = contract["currency"]
            money[currency] = money.get(currency, 0) + contract["billable"]["consumed"]
    return {
        "time": Figure(sum(contract["billable"]["seconds"] for contract in report["contracts"])),
        "non_billable": Figure(sum(contract["non_billable"]["seconds"] for contract in report["contracts"])),
        "money": [Figure(amount, currency) for currency, amount in sorted(money.items())],
    }


def build_line(contract: Json, selection: Selection) -> ContractLine:
    """A contract in a report of many. What is left is of what was planned for the days of the report."""
    planned, executed = (sum(period[name] or 0 for period in contract["periods"]) for name in ("planned", "consumed"))
    currency = contract["currency"]
    return ContractLine(
        contract=contract,
        link=selection.link(contract=contract["contract_code"]),
        executed=Figure(executed, currency),
        planned=Figure(planned, currency),
        left=Figure(planned - executed, currency),
        bar=build_bar(executed, planned),
        unaccounted=Figure(sum(work["seconds"] for work in contract["unaccounted"])),
    )


def view_contracts(report: Json, tables: Mapping[str, Table], selection: Selection) -> list[ContractView]:
    """Each contract with its rows of the tables, and with its drawings."""
    moment = datetime.fromisoformat(report["moment"])
    return [_view(contract, tables, selection, moment) for contract in report["contracts"]]


def _view(contract: Json, tables: Mapping[str, Table], selection: Selection, moment: datetime) -> ContractView:
    code = contract["contract_code"]
    rows = {name: table.of(code) for name, table in tables.items() if "contract" in table.columns}
    amount = amounts_of(contract, selection.style)
    return ContractView(
        contract=contract,
        amount=amount,
        status=STATUSES[contract["status"]],
        path=contract_page(code),
        periods=_periods(contract, rows.get("planned", [])),
        curve=_curve(contract, rows.get("days", []), amount, selection.days, moment),
        teams=_teams(contract, is_internal=selection.options.internal),
        people=rows.get("people", []),
        unaccounted=rows.get("unaccounted", []),
        restatements=rows.get("restatements", []),
        outlook=[(name_period(row, "monthly"), row, build_bar(_value(row["expected"]) or 0, _value(row["contracted"])))
                 for row in rows.get("outlook", [])],
    )  # fmt: skip


def _value(cell: object) -> int | None:
    return cell.amount if isinstance(cell, Figure) else None


def _periods(contract: Json, rows: Sequence[Row]) -> list[PeriodView]:
    views = []
    for period in contract["periods"]:
        own = [row for row in rows if row["period_start"] == date.fromisoformat(period["start"])]
        if not own:
            continue
        views.append(
            PeriodView(
                title=format_period(period, recurrence=contract["recurrence"]),
                total=own[0],
                rows=[(row, build_bar(_value(row["executed"]) or 0, _value(row["planned"]))) for row in own[1:]],
                bar=build_bar(period["consumed"], period["available"]),
                is_open=len(contract["periods"]) <= _MAX_OPEN_PERIODS,
            )
        )
    return views


def _curve(contract: Json, rows: Sequence[Row], amount: Amounts, days: Days, moment: datetime) -> CurveView | None:
    """What was executed against what is contracted, as long as the range has days of the contract.

    Both count from the first day of the range if a period begins with it, or else from the start of the contract.
    """
    first = max(days.first, date.fromisoformat(contract["start_date"]))
    last = min(days.last, date.fromisoformat(contract["end_date"]))
    periods = contract["periods"]
    if first > last or not periods:
        return None
    before, planned_before = 0, 0
    is_relative = date.fromisoformat(periods[0]["start"]) == first
    if is_relative:
        before = contract["consumed_before"]
        # What the first period has available includes what is carried into it.
        if periods[0]["planned_to_date"] is not None and periods[0]["available"] is not None:
            planned_before = periods[0]["planned_to_date"] - periods[0]["available"]
    limits = [
        Limit(date.fromisoformat(period["start"]), period["planned_to_date"] - planned_before)
        for period in periods
        if period["planned_to_date"] is not None
    ]
    points = [(date.fromisoformat(day["day"]), day["cumulative"] - before) for day in contract["days"]]
    today = moment.astimezone(ZoneInfo(contract["timezone"])).date()
    # The line goes on to the last day that is over, with work or without.
    end = min(last, today)
    start = contract["consumed_before"] - before
    if first <= end and (not points or points[-1][0] < end):
        points.append((end, points[-1][1] if points else start))
    curve = build_curve(
        points,
        limits=limits,
        days=(first, last),
        today=today,
        forecast=None,
        amount=amount,
        before=start,
        period=(date.fromisoformat(periods[0]["start"]), date.fromisoformat(periods[-1]["end"])),
    )
    table: list[Row] = []
    for row, (day, value) in zip(rows, points, strict=False):
        contracted = [limit.amount for limit in limits if limit.start <= day]
        total = Figure(value, contract["currency"])
        available = Figure(contracted[-1] if contracted else None, contract["currency"])
        table.append({"day": day, "executed": row["executed"], "cumulative": total, "contracted_to_date": available})
    return CurveView(curve, format_day(first) if is_relative else "the contract began", table)


def _teams(contract: Json, *, is_internal: bool) -> list[tuple[str, Figure, Bar]]:
    """The time of each team, its work that is not billable at the end of its bar, on one scale."""
    totals = []
    for team in contract["teams"]:
        billable = team["billable"]["seconds"]
        total = billable + (team["non_billable"]["seconds"] if is_internal else 0)
        if total:
            totals.append((team["team_name"] or NO_TEAM, total, billable))
    scale = max((total for _, total, _ in totals), default=0)
    return [(name, Figure(total), build_bar(total, scale)) for name, total, _ in totals]
