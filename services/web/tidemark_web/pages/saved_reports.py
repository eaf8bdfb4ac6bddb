"""Saved reports: what each is in words, the address of its report, its mails, and sending it now (SPEC 7)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import QueryParams

from tidemark_shared.domain.text import read_count
from tidemark_web.pages.client import Api, Json, optional
from tidemark_web.pages.contracts import hour_style
from tidemark_web.pages.form_definitions import MAIL_DAYS
from tidemark_web.pages.formatting import count, format_day
from tidemark_web.pages.rendering import render
from tidemark_web.pages.report_range import DEFAULT_RANGE, RANGES

_MAX_SHOWN = 200
_STATUSES = {"pending": "On its way", "delivered": "Sent", "failed": "Failed"}


def read_report(query: QueryParams) -> Json:
    """What a report is saved as: the one that this address shows."""
    days: Json = {"range": query.get("range") if query.get("range") in RANGES else DEFAULT_RANGE}
    if query.get("from") and query.get("to"):
        days = {"first_day": query["from"], "last_day": query["to"]}
    return {
        **days,
        "organization_id": query.get("organization", ""),
        "contracts": query.getlist("contract"),
        "accounts": query.getlist("account"),
        "hours": query.get("hours") or None,
        "people": query.get("people") != "no",
        "internal": query.get("internal") != "no",
    }


def complete_report(body: Json) -> Json:
    """A report as the API takes it: without a schedule it is never mailed, and a day of the month is a number."""
    schedule = body.get("schedule") or {}
    if not schedule.get("every"):
        return {name: value for name, value in body.items() if name != "schedule"}
    day = str(schedule.get("on", ""))
    number = read_count(day)
    return {**body, "schedule": {**schedule, "on": day if number is None else number}}


def report_page(report: Json) -> str:
    """The address of the report, whose days move with time where its range does."""
    days = [("range", report["range"])] if report["range"] else []
    days = days or [("from", report["first_day"]), ("to", report["last_day"])]
    options = [("hours", report["hours"] or "")]
    options += [(name, "no") for name in ("people", "internal") if not report[name]]
    names = [("contract", name) for name in report["contracts"]] + [("account", id_) for id_ in report["accounts"]]
    query = [("organization", report["organization_id"]), *names, *days, *options]
    return f"/reports?{urlencode([(name, value) for name, value in query if value])}"


def describe_days(report: Json) -> str:
    """Such as "Last month", or both days."""
    if report["range"]:
        return RANGES[report["range"]]
    return f"{format_day(report['first_day'])} \N{EN DASH} {format_day(report['last_day'])}"


def describe_schedule(report: Json) -> str:
    """When it is mailed, in words."""
    schedule = report["schedule"]
    if schedule is None:
        return "Never"
    if schedule["every"] == "week":
        return f"Every {schedule['on'].capitalize()}"
    day = MAIL_DAYS[str(schedule["on"])]
    return f"Every month, {day[0].lower()}{day[1:]}" if isinstance(schedule["on"], int) else f"Every month, {day}"


async def show_start(request: Request, api: Api, organizations: Sequence[Json]) -> Response:
    """Which report to show: that of a customer, or a saved one."""
    saved = await optional(api.get("/v1/saved-reports", {"limit": _MAX_SHOWN}))
    return render(
        request,
        "report_start.html",
        organizations=organizations,
        hours=hour_style(request),
        ranges=RANGES,
        saved=sorted(saved["items"], key=lambda report: str(report["name"])) if saved else None,
        names={organization["id"]: organization["name"] for organization in organizations},
        page_of=report_page,
        describe_days=describe_days,
        describe_schedule=describe_schedule,
    )


async def show_mails(request: Request, api: Api) -> Response:
    """The mails of a report, newest first, and a button that sends it now."""
    path = _api_path(request)
    report, mails = await asyncio.gather(api.get(path), api.get(f"{path}/mails", {"limit": 50}))
    organization = await api.get(f"/v1/organizations/{report['organization_id']}")
    zone = ZoneInfo(organization["timezone"])

    def moment(text: str | None) -> str:
        if text is None:
            return ""
        local = datetime.fromisoformat(text).astimezone(zone)
        return f"{format_day(local.date())}, {local:%H:%M}"

    rows: list[dict[str, Any]] = [
        {**mail, "status_label": _STATUSES[mail["status"]], "raised": moment(mail["raised_at"]),
         "delivered": moment(mail["delivered_at"]),
         "days": f"{format_day(mail['first_day'])} \N{EN DASH} {format_day(mail['last_day'])}"}
        for mail in mails["items"]
    ]  # fmt: skip
    return render(
        request,
        "report_mails.html",
        report=report,
        organization=organization,
        rows=rows,
        days=describe_days(report),
        schedule=describe_schedule(report),
        receivers=[
            receiver.get("email") or f"contacts ({receiver['role']})"
            for receiver in (report["schedule"] or {}).get("receivers", ())
        ],
        next_mail=report["next_mail_on"] and format_day(report["next_mail_on"]),
        page=report_page(report),
        sent=count(sent, "mail") if (sent := read_count(request.query_params.get("sent", ""))) is not None else "",
        may_change=request.state.actor.has_role("manager"),
        hours=hour_style(request),
    )


async def send_report(request: Request, api: Api) -> Response:
    """Mail a report now."""
    result = await api.post(f"{_api_path(request)}/send", {})
    id_ = quote(request.path_params["id"], safe="")
    return RedirectResponse(f"/saved-reports/{id_}/mails?sent={result['mails']}", 303)


def _api_path(request: Request) -> str:
    return f"/v1/saved-reports/{quote(request.path_params['id'], safe='')}"
