"""The delivery report of a customer: the page, and the same figures as files (SPEC 7)."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tidemark_web.pages.client import Api, ApiError, Json, contract_path
from tidemark_web.pages.contracts import hour_style
from tidemark_web.pages.formatting import Amounts, HourStyle
from tidemark_web.pages.rendering import render
from tidemark_web.pages.report_files import FORMATS, write_csv, write_xlsx
from tidemark_web.pages.report_pdf import Chart, write_pdf
from tidemark_web.pages.report_range import RANGES, read_range
from tidemark_web.pages.report_tables import Options, Table, build_tables, is_number, show
from tidemark_web.pages.report_view import Selection, build_line, sum_up, view_contracts
from tidemark_web.pages.saved_reports import show_start

_PARAMETERS = ("organization", "contract", "account", "range", "from", "to", "hours", "people", "internal", "as_of")
_REPEATED = ("contract", "account")
_MAX_ORGANIZATIONS = 200
_MAX_CONTRACTS = 100
# More than these are a list, each with a link to its own report: nobody reads so many in full on a screen.
MAX_DETAILED = 6


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
    of_customer = {"organization": selection.organization["id"], "limit": _MAX_CONTRACTS}
    choices = (await api.get("/v1/balances", of_customer))["items"]
    is_detailed = _count_contracts(choices, selection) <= MAX_DETAILED
    report = await load_report(api, selection, details=is_detailed)
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
        choices=sorted(choices, key=lambda item: str(item["contract_code"])),
        chosen=selection.values("contract"),
        accounts=selection.values("account"),
        report=report,
        tables=tables,
        views=view_contracts(report, tables, selection) if is_detailed else [],
        lines=[] if is_detailed else [build_line(contract, selection) for contract in report["contracts"]],
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
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file_name, safe='')}",
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


def _count_contracts(choices: Sequence[Json], selection: Selection) -> int:
    """About how many contracts the report has: those chosen, or those that run in its days."""
    first, last = selection.days.first.isoformat(), selection.days.last.isoformat()
    running = [item for item in choices if item["start_date"] <= last and item["end_date"] >= first]
    return len(selection.values("contract")) or len(running)


async def load_report(api: Api, selection: Selection, *, details: bool = True) -> Json:
    """The report from the API."""
    return await api.get(
        "/v1/reports/delivery",
        [
            ("organization", selection.organization["id"]),
            ("from", selection.days.first.isoformat()),
            ("to", selection.days.last.isoformat()),
            *((name, value) for name, value in selection.query if name in _REPEATED),
            ("people", "true" if selection.options.names else ""),
            ("details", "" if details else "false"),
            ("as_of", selection.as_of),
        ],
    )
