"""The first page: all contracts by status, those that need attention first."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tidemark_web.pages.charts import Bar, build_bar
from tidemark_web.pages.client import Api, optional
from tidemark_web.pages.formatting import (
    Amounts,
    HourStyle,
    amounts_of,
    count,
    format_day,
    format_percent,
    format_period,
)
from tidemark_web.pages.rendering import render
from tidemark_web.pages.session import set_cookie

STATUSES = {"ACTIVE": "Active", "EXPIRED": "Expired", "DRAFT": "Draft", "INACTIVE": "Inactive", "CLOSED": "Closed"}
_GROUPS = {"ACTIVE": "On track", "EXPIRED": "Expired", "DRAFT": "Drafts", "INACTIVE": "Inactive", "CLOSED": "Closed"}
REASONS = {
    "over": "Over",
    "runs_out": "Runs out early",
    "account_over": "Account over",
    "nearly_used": "80 % used",
    "unaccounted": "Unaccounted work",
    "ended": "Ended, still open",
    "ends_soon": "Ends within 30 days",
}
_SEVERE = ("over", "account_over")
_FILTERS = ("text", "status", "attention", "organization", "owner", "from", "to")
_COOKIE = "tidemark_contracts"
_REMEMBERED = timedelta(days=365)
_MAX_ORGANIZATIONS = 200
_PAGE_SIZE = 25


class Flag(NamedTuple):
    """A reason why a contract needs attention, in words; ``tone`` chooses its colour."""

    text: str
    tone: str


class Row(NamedTuple):
    """A contract in the list."""

    item: Mapping[str, Any]
    amount: Amounts
    bar: Bar
    period: str
    used: str
    rest: str
    flags: list[Flag]
    pace: str
    ends: str


async def show_contracts(request: Request, api: Api) -> Response:
    """The list, with the filters of the address or, without any, those of the last visit."""
    query = request.query_params
    if "clear" in query:
        response: Response = RedirectResponse("/", 303)
        response.delete_cookie(_COOKIE)
        return response
    filters = {name: query[name] for name in _FILTERS if query.get(name)}
    if not query and (remembered := _read_filters(request.cookies.get(_COOKIE, ""))):
        return RedirectResponse(f"/?{urlencode(remembered)}", 303)
    parameters = {**filters, "cursor": query.get("cursor"), "limit": _PAGE_SIZE}
    page, organizations = await asyncio.gather(
        api.get("/v1/balances", parameters),
        optional(api.get("/v1/organizations", {"limit": _MAX_ORGANIZATIONS})),
    )
    now = datetime.now(UTC)
    style = hour_style(request)
    response = render(
        request,
        "contracts.html",
        groups=[(title, list(rows)) for title, rows in groupby(_rows(page["items"], now, style), key=_group)],
        filters={name: filters.get(name, "") for name in _FILTERS},
        is_filtered=bool(filters),
        statuses=[(status, label, page["statuses"].get(status, 0)) for status, label in STATUSES.items()],
        total=sum(page["statuses"].values()),
        reasons=[(reason, label, page["attention"][reason]) for reason, label in REASONS.items()
                 if page["attention"].get(reason)],
        organizations=organizations["items"] if organizations else [],
        link=lambda **changes: _link(filters, changes),
        next_page=_link(filters, {"cursor": page["next"]}) if page["next"] else "",
        is_first_page=not query.get("cursor"),
        status_labels=STATUSES,
        reason_labels=REASONS,
        hours=style,
    )  # fmt: skip
    set_cookie(request, response, _COOKIE, urlencode(filters), now + _REMEMBERED)
    return response


def _rows(items: Iterable[Mapping[str, Any]], now: datetime, style: HourStyle) -> Iterator[Row]:
    for item in items:
        yield build_row(item, now.astimezone(ZoneInfo(item["timezone"])).date(), style)


def _group(row: Row) -> str:
    return "Needs attention" if row.flags else _GROUPS[row.item["status"]]


def hour_style(request: Request) -> HourStyle:
    """How this person likes to read hours."""
    return "minutes" if request.cookies.get("tidemark_hours") == "minutes" else "decimal"


def build_row(item: Mapping[str, Any], today: date, style: HourStyle) -> Row:
    """A contract in the list, with the figures of its current period. ``today`` is a day in its zone."""
    amount, period = amounts_of(item, style), item["period"]
    available, consumed = period["available"], period["consumed"]
    remaining = period["remaining"]
    if remaining is None:
        rest = ""
    elif remaining < 0:
        rest = f"{amount(-remaining)} over"
    else:
        rest = f"{amount(remaining)} left"
    return Row(
        item=item,
        amount=amount,
        bar=build_bar(consumed, available, elapsed_percent(period, today) if item["status"] == "ACTIVE" else None),
        period="whole contract" if item["recurrence"] == "none" else format_period(period, recurrence="monthly"),
        used=format_percent(period["percent"]),
        rest=rest,
        flags=list(_flags(item, today, amount)),
        pace=_describe_pace(item, today),
        ends=_describe_end(item, today),
    )


def elapsed_percent(period: Mapping[str, Any], today: date) -> int:
    """How much of a period has passed when ``today`` is over, from 0 to 100."""
    start, end = date.fromisoformat(period["start"]), date.fromisoformat(period["end"])
    days, passed = (end - start).days + 1, (today - start).days + 1
    return min(max(100 * passed // days, 0), 100)


def _flags(item: Mapping[str, Any], today: date, amount: Amounts) -> Iterator[Flag]:
    for reason in item["attention"]:
        text = REASONS[reason] if reason in REASONS else str(reason)
        if reason == "runs_out" and item["forecast"]:
            text = f"Runs out {format_day(item['forecast']['exhausts_on'], year=False)}"
        elif reason == "nearly_used":
            text = f"{format_percent(item['period']['percent'])} used"
        elif reason == "unaccounted":
            text = f"{Amounts(amount.style)(item['unaccounted_seconds'])} unaccounted"
        elif reason == "ends_soon":
            text = f"Ends in {count(max((date.fromisoformat(item['end_date']) - today).days, 0), 'day')}"
        yield Flag(text, "over" if reason in _SEVERE else "warn")


def _describe_pace(item: Mapping[str, Any], today: date) -> str:
    forecast, period = item["forecast"], item["period"]
    if item["status"] != "ACTIVE":
        return ""
    if forecast is None:
        return "No forecast yet"
    day = forecast["exhausts_on"]
    if period["remaining"] is not None and period["remaining"] <= 0 and day:
        return f"Used up on {format_day(day, year=False)}"
    if day:
        return f"Runs out {format_day(day, year=date.fromisoformat(day).year != today.year)}"
    return "Lasts to the end" if item["recurrence"] == "none" else "Lasts the period"


def _describe_end(item: Mapping[str, Any], today: date) -> str:
    start, end = date.fromisoformat(item["start_date"]), date.fromisoformat(item["end_date"])
    if today < start:
        return f"Starts in {count((start - today).days, 'day')}"
    days = (end - today).days
    if days > 0:
        return f"{count(days, 'day')} left"
    return "Last day" if days == 0 else f"Ended {count(-days, 'day')} ago"


def _link(filters: Mapping[str, str], changes: Mapping[str, str | None]) -> str:
    query = {name: value for name, value in {**filters, **changes}.items() if value}
    return f"/?{urlencode(query)}" if query else "/?clear=1"


def _read_filters(text: str) -> dict[str, str]:
    return {name: value for name, value in parse_qsl(text) if name in _FILTERS and value}
