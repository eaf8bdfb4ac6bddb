"""The delivery report of a customer: the page, and the same figures as files (SPEC 7)."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tidemark_web.pages.charts import Bar, Curve, Limit, build_bar, build_curve
from tidemark_web.pages.client import Api, ApiError, Json, contract_path
from tidemark_web.pages.contracts import STATUSES, hour_style
from tidemark_web.pages.formatting import Amounts, HourStyle, amounts_of, contract_page, format_day, format_period
from tidemark_web.pages.rendering import render
from tidemark_web.pages.report_files import FORMATS, write_csv, write_xlsx
from tidemark_web.pages.report_pdf import Chart, write_pdf
from tidemark_web.pages.report_range import RANGES, Days, read_range
from tidemark_web.pages.report_tables import (
    NO_TEAM,
    Figure,
    Options,
    Row,
    Table,
    build_tables,
    is_number,
    name_period,
    show,
)
from tidemark_web.pages.saved_reports import show_start

_PARAMETERS = ("organization", "contract", "account", "range", "from", "to", "hours", "people", "internal", "as_of")
_REPEATED = ("contract", "account")
_MAX_ORGANIZATIONS = 200
_MAX_CONTRACTS = 100
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


async def show_report(request: Request, api: Api) -> Response:
    """The report that the address asks for: of a customer, or of the customer of a contract; else the choice of one."""
    if not request.query_params.get("organization") and (reference := request.query_params.get("contract")):
        contract = await api.get(contract_path(reference))
        query = [("organization", contract["organization_id"]), *request.query_params.multi_items()]
        return RedirectResponse(f"/reports?{urlencode(query)}", 303)
    organizations = (await api.get("/v1/organizations", {"limit": _MAX_ORGANIZATIONS}))["items"]
    if not request.query_params.get("organization"):
        return await show_start(request, api, organizations)
    selection = await read_selection(request, api)
    contracts, report = await asyncio.gather(
        api.get("/v1/balances", {"organization": selection.organization["id"], "limit": _MAX_CONTRACTS}),
        load_report(api, selection),
    )
    tables = build_tables(report, selection.options)
    amount = Amounts(selection.style)
    return render(
        request,
        "report.html",
        organizations=organizations,
        selection=selection,
        organization=selection.organization,
        days=selection.days,
        options=selection.options,
        ranges=RANGES,
        formats=FORMATS,
        choices=sorted(contracts["items"], key=lambda item: str(item["contract_code"])),
        chosen=selection.values("contract"),
        accounts=selection.values("account"),
        report=report,
        tables=tables,
        views=view_contracts(report, tables, selection),
        totals=sum_up(report),
        hours_of=amount,
        show=lambda cell, **more: show(cell, selection.style, **more),
        is_number=is_number,
        file_query=urlencode(selection.query),
        hours=selection.style,
        moment=datetime.fromisoformat(report["moment"]).astimezone(ZoneInfo(selection.organization["timezone"])),
    )


async def send_report(request: Request, api: Api) -> Response:
    """The report as a file. ``table`` chooses one table of a CSV file."""
    extension = request.path_params["extension"]
    if extension not in FORMATS:
        raise ApiError(404, "No such file", f"A report is a file of these kinds: {', '.join(FORMATS)}.")
    selection = await read_selection(request, api)
    report = await load_report(api, selection)
    tables = build_tables(report, selection.options)
    if name := request.query_params.get("table"):
        if name not in tables:
            raise ApiError(404, "No such table", f"This report has these tables: {', '.join(tables)}.")
        tables = {name: tables[name]}
    content = await asyncio.to_thread(_write_file, extension, report, tables, selection)
    days = selection.days
    file_name = f"{report['organization_name'] or 'report'} {days.first} {days.last}.{extension}"
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file_name)}",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return Response(content, headers=headers, media_type=FORMATS[extension].media_type)


def _write_file(extension: str, report: Json, tables: Mapping[str, Table], selection: Selection) -> bytes:
    if extension == "csv":
        return write_csv(tables)
    if extension == "xlsx":
        return write_xlsx(report, tables)
    charts = {
        view.contract["contract_code"]: Chart(view.contract["contract_name"], view.curve.since, view.curve.drawing)
        for view in view_contracts(report, tables, selection)
        if view.curve
    }
    return write_pdf(report, tables, charts, selection.style)


def read_style(request: Request) -> HourStyle:
    """How the address, or else the reader, likes to read hours."""
    style = request.query_params.get("hours")
    return "minutes" if style == "minutes" else "decimal" if style == "decimal" else hour_style(request)


async def read_selection(request: Request, api: Api) -> Selection:
    """What the address asks for. Days are those of the customer's time zone."""
    parameters = request.query_params
    organization = await api.get(f"/v1/organizations/{quote(parameters.get('organization', ''), safe='')}")
    zone = ZoneInfo(organization["timezone"])
    today = datetime.now(UTC).astimezone(zone).date()
    try:
        days = read_range(parameters.get("range", ""), parameters.get("from", ""), parameters.get("to", ""), today)
        as_of = read_moment(parameters.get("as_of", ""), zone)
    except ValueError as error:
        raise ApiError(422, "The report cannot be shown", str(error)) from None
    query = [(name, value) for name, value in parameters.multi_items() if name in _PARAMETERS and value]
    options = Options(names=parameters.get("people") != "no", internal=parameters.get("internal") != "no")
    return Selection(query, organization, days, options, read_style(request), as_of)


def read_moment(text: str, zone: ZoneInfo) -> str:
    """A moment for the API; without an offset it is one of the customer's time zone. Raises ValueError, in words."""
    if not text:
        return ""
    try:
        # A plus sign that was not escaped arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        message = f"A moment is written as 2026-03-31T18:00, not as {text[:40]!r}. Enter it again."
        raise ValueError(message) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()


async def load_report(api: Api, selection: Selection) -> Json:
    """The report from the API."""
    return await api.get(
        "/v1/reports/delivery",
        [
            ("organization", selection.organization["id"]),
            ("from", selection.days.first.isoformat()),
            ("to", selection.days.last.isoformat()),
            *((name, value) for name, value in selection.query if name in _REPEATED),
            ("people", "true" if selection.options.names else ""),
            ("as_of", selection.as_of),
        ],
    )


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
