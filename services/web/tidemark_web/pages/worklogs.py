"""The worklogs behind a figure."""

import asyncio
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from tidemark_web.pages.client import Api, Json, contract_path, load_team_names
from tidemark_web.pages.contract import REASON_LABELS
from tidemark_web.pages.contracts import hour_style
from tidemark_web.pages.formatting import Amounts, contract_page, format_day
from tidemark_web.pages.rendering import render

_FILTERS = ("account", "team", "period", "day", "billable", "reason", "as_of")
_PAGE_SIZE = 100


async def show_worklogs(request: Request, api: Api) -> Response:
    """The worklogs that the address selects, in the order of their start."""
    reference = request.path_params["reference"]
    query = {name: request.query_params[name] for name in _FILTERS if request.query_params.get(name)}
    contract, worklogs = await asyncio.gather(
        api.get(contract_path(reference)),
        api.get(
            contract_path(reference, "/worklogs"),
            {**query, "cursor": request.query_params.get("cursor"), "limit": _PAGE_SIZE},
        ),
    )
    team_ids = [query["team"]] if query.get("team", "unassigned") != "unassigned" else []
    teams = await load_team_names(api, team_ids)
    next_query = urlencode({**query, "cursor": worklogs["next"]}) if worklogs["next"] else ""
    hours = hour_style(request)
    return render(
        request,
        "worklogs.html",
        contract=contract,
        contract_path=contract_page(contract["code"]),
        selection=list(_describe(query, contract, teams)),
        worklogs=worklogs["items"],
        total=sum(worklog["seconds"] for worklog in worklogs["items"]),
        hours_of=Amounts(hours),
        hours=hours,
        next_page=f"?{next_query}" if next_query else "",
        is_first_page=not request.query_params.get("cursor"),
        reasons=REASON_LABELS,
    )


def _describe(query: Mapping[str, str], contract: Json, teams: Mapping[str, str]) -> Iterator[str]:
    """What is selected, in words."""
    if "reason" in query:
        yield "Not counted" if query["reason"] == "any" else REASON_LABELS.get(query["reason"], query["reason"])
    if "account" in query:
        names = {account["id"]: account["name"] for account in contract["accounts"]}
        yield f"Account {names.get(query['account'], 'unknown')}"
    if "team" in query:
        yield "No team" if query["team"] == "unassigned" else f"Team {teams.get(query['team'], 'unknown')}"
    if "billable" in query:
        yield "Billable accounts" if query["billable"] == "true" else "Accounts that are not billable"
    for name, label in (("period", "Period from"), ("day", "Day")):
        if name in query:
            yield f"{label} {_day(query[name])}"
    if "as_of" in query:
        yield f"As known at {query['as_of']}"


def _day(text: str) -> str:
    try:
        return format_day(text)
    except ValueError:
        return text
