"""One contract: planned and executed at every level and period, and everything behind these figures."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import Response

from tidemark_shared.domain.calendar import public_holidays, to_local_day
from tidemark_shared.domain.reasons import REMEDIES
from tidemark_web.pages.charts import MAX_DAILY, Bar, Limit, build_bar, build_columns, build_curve
from tidemark_web.pages.client import Api, Json, contract_path, load_team_names, optional, require_contract
from tidemark_web.pages.contracts import REASONS, STATUSES, elapsed_percent, hour_style
from tidemark_web.pages.editor_contracts import list_actions, list_undo
from tidemark_web.pages.editor_offers import WAITING, list_offer_cards
from tidemark_web.pages.formatting import (
    Amounts,
    amounts_of,
    contract_page,
    format_month,
    format_period,
    name_statement,
)
from tidemark_web.pages.known import end_of_day, list_days, read_day
from tidemark_web.pages.rendering import render

WHOLE = "whole"
_DAYS_OF_WEEK = 7
_MAX_UNACCOUNTED = 20
_MAX_STATEMENTS = 200
REASON_LABELS = {
    "issue_not_linked": "Issue is not linked",
    "contract_unknown": "Contract is unknown",
    "account_unknown": "Account is unknown",
    "contract_draft": "Contract is a draft",
    "contract_inactive": "Contract is inactive",
    "outside_dates": "Outside the contract's dates",
    "issue_undated": "Issue has no creation date",
}


class Level(NamedTuple):
    """The figures of an account, or of a team in it."""

    name: str
    figures: Mapping[str, Any]
    bar: Bar
    link: str
    billable: bool
    slices: "list[Level]"


class PeriodColumn(NamedTuple):
    """A period in the picker."""

    label: str
    title: str
    start: str
    bar: Bar
    figures: Mapping[str, Any]
    link: str
    is_selected: bool
    is_current: bool


async def show_contract(request: Request, api: Api) -> Response:
    """The page of a contract, of the period that the address names or else the current one.

    With a day in ``as_of`` it has the figures as they were known at its end.
    """
    reference = request.path_params["reference"]
    known_on = moment = None
    if text := request.query_params.get("as_of"):
        # Only a day needs the time zone before everything else.
        zone = ZoneInfo((await _load_contract(api, reference))["timezone"])
        if known_on := read_day(text, to_local_day(datetime.now(UTC), zone)):
            moment = end_of_day(known_on, zone)
    contract, balance, curve, unaccounted, explain, history, statements, offers, organization, teams = await _load(
        api, reference, moment
    )
    zone = ZoneInfo(contract["timezone"])
    real_today = to_local_day(datetime.now(UTC), zone)
    today = known_on or real_today
    entries = history["items"] if history else []
    style = hour_style(request)
    amount = amounts_of(balance, style)
    selected = select_period(balance, request.query_params.get("period"), today)
    view = build_view(
        contract=contract,
        balance=balance,
        curve=curve["items"],
        selected=selected,
        today=today,
        amount=amount,
        teams=teams,
    )
    items = unaccounted["items"] if unaccounted else []
    return render(
        request,
        "contract.html",
        contract=contract,
        balance=balance,
        organization=organization,
        amount=amount,
        hours_of=Amounts(style),
        hours=style,
        today=today,
        unaccounted=items,
        unaccounted_reasons=Counter(item["reason"] for item in items),
        repairs=REMEDIES,
        repair_labels=REASON_LABELS,
        explained=explain["items"] if explain else None,
        history=list(reversed(entries)) if history else None,
        known_on=known_on,
        known_days=list_days(entries, today, real_today, zone),
        # Links on the page stay at this day.
        keep=f"&as_of={known_on}" if known_on else "",
        status_label=STATUSES[balance["status"]],
        reason_labels=REASONS,
        statements=list(reversed(statements["items"])) if statements else None,
        name_statement=name_statement,
        exact=lambda amount, currency: Amounts("minutes", currency)(amount),
        worklogs_path=contract_page(contract["code"], "/worklogs"),
        contract_path=contract_page(contract["code"]),
        actions=list_actions(contract),
        offers=[] if known_on else list_offer_cards(offers, contract, style),
        closing=next((entry for entry in reversed(entries) if entry["what"] == "closed"), None),
        undo={} if known_on else list_undo(contract, entries),
        now=datetime.now(UTC).astimezone(zone),
        **view,
    )


async def _load_contract(api: Api, reference: str) -> Json:
    return require_contract(await api.get(contract_path(reference)), "code")


async def _load(api: Api, reference: str, moment: datetime | None) -> tuple[Any, ...]:
    """All that the page shows, at a moment. The contract and its figures must be there; the rest may be missing."""
    as_of = moment and moment.isoformat()
    unaccounted = {"reason": "any", "limit": _MAX_UNACCOUNTED, "as_of": as_of}
    figures, others = await asyncio.gather(
        asyncio.gather(
            _load_contract(api, reference),
            api.get(contract_path(reference, "/balance"), {"as_of": as_of}),
            api.get(contract_path(reference, "/curve"), {"as_of": as_of}),
        ),
        asyncio.gather(
            optional(api.get(contract_path(reference, "/worklogs"), unaccounted)),
            optional(api.get(contract_path(reference, "/notifications/explain"))),
            optional(api.get(contract_path(reference, "/history"))),
            optional(api.get(contract_path(reference, "/statements"), {"limit": _MAX_STATEMENTS})),
            optional(api.get("/v1/offers", [("contract", reference), *(("status", status) for status in WAITING)])),
        ),
    )
    contract, balance, _ = figures
    ids = {slice_["team_id"] for account in balance["accounts"] for slice_ in account["slices"]} - {None}
    names = await asyncio.gather(
        optional(api.get(f"/v1/organizations/{contract['organization_id']}")), load_team_names(api, sorted(ids))
    )
    return *figures, *others, *names


def select_period(balance: Json, start: str | None, today: date) -> Json | None:
    """The period that begins on ``start``, or else the current one; None for the whole contract."""
    periods: list[Json] = balance["periods"]
    if start == WHOLE or (start is None and len(periods) == 1):
        return None
    chosen = [period for period in periods if period["start"] == start]
    current = [period for period in periods if period["end"] >= today.isoformat()]
    return (chosen or current or periods[-1:])[0]


def build_view(
    *,
    contract: Json,
    balance: Json,
    curve: Sequence[Json],
    selected: Json | None,
    today: date,
    amount: Amounts,
    teams: Mapping[str, str],
) -> dict[str, Any]:
    """What the page shows of a period, or of the whole contract."""
    code = contract["code"]
    figures = selected or whole_figures(balance)
    days = date.fromisoformat(figures["start"]), date.fromisoformat(figures["end"])
    points = _points(curve, selected)
    work = _daily_work(curve)
    limits = (
        [Limit(days[0], figures["available"])]
        if selected and figures["available"] is not None
        else contracted_limits(balance["periods"])
    )
    is_current = days[0] <= today <= days[1]
    elapsed = elapsed_percent(figures, today) if is_current else None
    forecast = balance["forecast"] if is_current and (selected or len(balance["periods"]) == 1) else None
    levels = [_level(account, selected, teams, code) for account in balance["accounts"]]
    years = range(days[0].year, days[1].year + 1)
    holidays = public_holidays(contract["holidays"], years) if contract["holidays"] else []
    return {
        "selected": selected,
        "figures": figures,
        "period_label": format_period(selected, recurrence=contract["recurrence"]) if selected else "Whole contract",
        "bar_of_figures": build_bar(figures["consumed"], figures["available"], elapsed),
        "elapsed": elapsed,
        "days_left": max((days[1] - today).days + 1, 0) if today >= days[0] else (days[1] - days[0]).days + 1,
        "hours_per_week": hours_per_week(figures, days, today),
        "forecast": forecast,
        "periods": list(_picker(balance, selected, today, contract["recurrence"], amount)),
        "curve": build_curve(
            points, limits=limits, days=days, today=today, forecast=forecast, amount=amount
        ),
        "curve_rows": list(curve_rows(points, limits, days)),
        "columns": build_columns(work, days, holidays, amount),
        "levels": levels,
        "teams": _by_team(levels),
        "figures_link": _worklogs_link(figures, code),
    }  # fmt: skip


def whole_figures(balance: Json) -> Json:
    """The figures of the whole contract in the form of a period's. Nothing is carried into a contract."""
    periods = balance["periods"]
    whole = {"start": periods[0]["start"], "end": periods[-1]["end"], "carried": 0}
    return {**balance["whole"], **whole, "available": balance["whole"]["planned"]}


def _points(curve: Sequence[Json], selected: Json | None) -> list[tuple[date, int]]:
    """What was consumed by the end of each day, of the selected period or the whole contract."""
    if selected is None:
        return [(date.fromisoformat(day["day"]), day["whole"]["consumed"]) for day in curve]
    return [
        (date.fromisoformat(day["day"]), day["period"]["consumed"])
        for day in curve
        if day["period"] and day["period"]["start"] == selected["start"]
    ]


def _daily_work(curve: Sequence[Json]) -> dict[date, int]:
    totals = [0, *(day["whole"]["consumed"] for day in curve)]
    return {date.fromisoformat(day["day"]): total - before
            for day, before, total in zip(curve, totals, totals[1:], strict=False)}  # fmt: skip


def contracted_limits(periods: Sequence[Json]) -> list[Limit]:
    """What is contracted from the start, period by period."""
    limits, total = [], 0
    for period in periods:
        total += period["planned"] or 0
        limits.append(Limit(date.fromisoformat(period["start"]), total))
    return limits


def hours_per_week(figures: Json, days: tuple[date, date], today: date) -> int | None:
    """How much of what remains may be used in each week until the end."""
    first = max(today, days[0])
    if figures["remaining"] is None or figures["remaining"] <= 0 or first > days[1]:
        return None
    days_left = (days[1] - first).days + 1
    return int(figures["remaining"] * _DAYS_OF_WEEK // max(days_left, _DAYS_OF_WEEK))


def _picker(
    balance: Json, selected: Json | None, today: date, recurrence: str, amount: Amounts
) -> Iterator[PeriodColumn]:
    periods = balance["periods"]
    if len(periods) == 1:
        return
    for period in periods:
        start = date.fromisoformat(period["start"])
        is_current = period["start"] <= today.isoformat() <= period["end"]
        yield PeriodColumn(
            label=format_month(start),
            title=f"{format_period(period, recurrence=recurrence)}: {amount(period['consumed'])} of "
            f"{amount(period['available'])}",
            start=period["start"],
            bar=build_bar(period["consumed"], period["available"]),
            figures=period,
            link=f"?period={period['start']}",
            is_selected=bool(selected) and selected is not None and selected["start"] == period["start"],
            is_current=is_current,
        )


def _level(account: Json, selected: Json | None, teams: Mapping[str, str], code: str) -> Level:
    slices = [
        _build_level(_team_name(slice_["team_id"], teams), slice_, selected, code, billable=account["billable"])
        for slice_ in account["slices"]
    ]
    level = _build_level(account["name"], account, selected, code, billable=account["billable"])
    # An account that one team works on alone needs no second line.
    shown = [slice_ for slice_ in slices if slice_.figures["consumed"] or slice_.figures["planned"]]
    return level._replace(slices=shown)


def _build_level(name: str, part: Json, selected: Json | None, code: str, *, billable: bool) -> Level:
    figures = part["whole"] if selected is None else figures_of_period(part, selected["start"])
    return Level(
        name, figures, build_bar(figures["consumed"], figures["planned"]), _worklogs_link(figures, code), billable, []
    )


def figures_of_period(part: Json, start: str) -> Json:
    """The figures of an account or team in the period that begins on ``start``."""
    empty = {"planned": None, "consumed": 0, "remaining": None, "percent": None, "worklogs": 0, "links": None}
    return next((period for period in part["periods"] if period["start"] == start), empty)


def _by_team(levels: Iterable[Level]) -> list[tuple[str, int, Bar]]:
    """What each team executed, the most first, on one scale."""
    totals: Counter[str] = Counter()
    for level in levels:
        for slice_ in level.slices:
            totals[slice_.name] += slice_.figures["consumed"]
    everything = max(totals.values(), default=0)
    return [(name, total, build_bar(total, everything)) for name, total in totals.most_common() if total]


def _team_name(team_id: str | None, teams: Mapping[str, str]) -> str:
    return "No team" if team_id is None else teams.get(team_id, "Deleted team")


def _worklogs_link(figures: Json, code: str) -> str:
    """The page of the worklogs behind a figure, from the API's own link."""
    if not figures.get("links"):
        return ""
    return contract_page(code, f"/worklogs?{urlsplit(figures['links']['worklogs']).query}")


def curve_rows(
    points: Sequence[tuple[date, int]], limits: Sequence[Limit], days: tuple[date, date]
) -> Iterator[tuple[date, int, int | None]]:
    """The table behind the curve: each day, or in a long chart the last day of each week."""
    is_daily = (days[1] - days[0]).days < MAX_DAILY
    for index, (day, total) in enumerate(points):
        if is_daily or index == len(points) - 1 or day.weekday() == _DAYS_OF_WEEK - 1:
            available = [limit.amount for limit in limits if limit.start <= day]
            yield day, total, available[-1] if available else None
