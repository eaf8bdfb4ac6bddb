"""Operations: what is wrong and what waits in each service, its dead letters, and the last verification (SPEC 7)."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tidemark_shared.domain.text import escape_invisible, read_count
from tidemark_web.pages.client import Api, ApiError, Json, optional
from tidemark_web.pages.contracts import hour_style
from tidemark_web.pages.formatting import NOTHING, count, format_age
from tidemark_web.pages.rendering import render
from tidemark_web.pages.session import read_form

_SERVICES = ("contracts", "consumption", "notifier", "intake")
_FILTERS = ("service", "topic", "reason", "include_replayed")
_SELECTIONS = ("service", "topic", "reason")
_PAGE_SIZE, _MAX_REPLAYED = 20, 500
# A page answers before its reader gives up; what is left over waits.
_MAX_REPLAY_SECONDS = 10
_MAX_SHOWN_CHARACTERS = 20_000
# Queues that move have rows of a moment ago; a row of this age needs a look.
_SLOW = timedelta(minutes=1)
_QUEUES = {
    "outbox": "Events to publish",
    "unfolded_records": "Records to count",
    "unpublished_balances": "Balances to publish",
    "pending_deliveries": "Mails and webhooks to send",
    "pending_report_mails": "Reports to mail",
    "pending_webhooks": "Webhooks to process",
}


class Problem(NamedTuple):
    """What is wrong, in a sentence with its remedy, and the service that it concerns."""

    service: str
    text: str
    link: str = ""


class Waiting(NamedTuple):
    """What waits in a service: a topic to read, or a queue. ``age`` is that of the oldest, or of the last progress."""

    what: str
    number: str
    age: str
    is_slow: bool


Statuses = Mapping[str, Json | None]
"""The status of each service; None for one that does not answer."""


def find_problems(statuses: Statuses) -> Iterator[Problem]:
    """What a person has to act on, the most severe first."""
    for service, status in statuses.items():
        if status is None:
            yield Problem(service, "The service does not answer. Start it, or look at its log.")
    for service, status in statuses.items():
        for text in status["problems"] if status else ():
            yield Problem(service, text)
    for service, status in statuses.items():
        verification = status and status["verification"]
        if verification and verification["difference_count"]:
            rows = count(verification["difference_count"], "row differs", "rows differ")
            yield Problem(service, f"{rows} from the facts. Run `tidemark rebuild` to repair them.", "#verification")
    for service, status in statuses.items():
        if status and (number := status["dead_letter_count"]):
            letters = count(number, "dead letter waits", "dead letters wait")
            text = f"{letters}. Read the reasons: correct the record at its publisher, or replay it."
            yield Problem(service, text, "#dead-letters")


def list_waiting(status: Json, now: datetime) -> Iterator[Waiting]:
    """What a service has to read, then what waits inside of it."""
    for topic in status["topics"]:
        lag, seconds = topic["lag"], topic["seconds_since_progress"]
        yield Waiting(
            f"To read: {topic['topic']}",
            NOTHING if lag is None else f"{lag:,}",
            f"last {format_age(seconds)} ago",
            bool(lag) and seconds >= _SLOW.total_seconds(),
        )
    for queue in status["queues"]:
        age = now - datetime.fromisoformat(queue["oldest_at"]) if queue["oldest_at"] else None
        yield Waiting(
            _QUEUES[queue["name"]],
            f"{queue['length']:,}",
            NOTHING if age is None else f"oldest {format_age(max(int(age.total_seconds()), 0))}",
            age is not None and age >= _SLOW,
        )


async def show_operations(request: Request, api: Api) -> Response:
    """The page. A service that does not answer is shown as such, and hides no other."""
    now = datetime.now(UTC)
    services, query = _services(request), request.query_params
    filters = {name: query[name] for name in _FILTERS if query.get(name)}
    selected = [name for name in services if filters.get("service", name) == name]
    answers, letters = await asyncio.gather(
        asyncio.gather(*(optional(api.get(f"/v1/services/{name}/status")) for name in services)),
        asyncio.gather(*(_load_page(api, name, filters, query.get("cursor")) for name in selected)),
    )
    statuses: Statuses = dict(zip(services, answers, strict=True))
    consumption = statuses["consumption"]
    return render(
        request,
        "operations.html",
        problems=list(find_problems(statuses)),
        statuses=[(name, status and list(list_waiting(status, now))) for name, status in statuses.items()],
        letters=[
            (name, page["items"], _link(filters | {"service": name, "cursor": page["next"]}) if page["next"] else "")
            for name, page in zip(selected, letters, strict=True)
            if page and page["items"]
        ],
        filters={name: filters.get(name, "") for name in _FILTERS},
        is_filtered=bool(filters),
        services=services,
        topics=sorted({topic["topic"] for status in answers if status for topic in status["topics"]}),
        replay_link="/operations/replay?" + urlencode({name: filters.get(name, "") for name in _SELECTIONS}),
        result=_describe_result(query),
        verification=consumption["verification"] if consumption else None,
        verified_in=_duration(consumption["verification"]) if consumption and consumption["verification"] else "",
        is_complete=consumption is not None,
        is_admin=request.state.actor.has_role("admin"),
        now=now,
        hours=hour_style(request),
    )


async def show_dead_letter(request: Request, api: Api) -> Response:
    """A dead letter with its record."""
    service, id_ = _parse_dead_letter_path(request)
    letter = await api.get(f"/v1/services/{service}/dead-letters/{id_}")
    return render(
        request,
        "dead_letter.html",
        letter=letter,
        key=_readable(letter["key"]),
        value=_readable(letter["value"]),
        headers=[(escape_invisible(header["name"]), _readable(header["content"])) for header in letter["headers"]],
        is_result="replayed" in request.query_params,
        is_admin=request.state.actor.has_role("admin"),
        hours=hour_style(request),
    )


async def replay_dead_letter(request: Request, api: Api) -> Response:
    """Replay a dead letter, then show what came of it."""
    service, id_ = _parse_dead_letter_path(request)
    await api.post(f"/v1/services/{service}/dead-letters/{id_}/replay", {})
    return RedirectResponse(f"/operations/dead-letters/{service}/{id_}?replayed=1", 303)


async def replay_selection(request: Request, api: Api) -> Response:
    """Ask whether to replay all dead letters that match; the answer of the form replays them."""
    if request.method == "GET":
        selection = {name: request.query_params.get(name, "") for name in _SELECTIONS}
        dead_letters = await _find_waiting(request, api, selection)
        return render(
            request,
            "replay.html",
            selection=selection,
            dead_letters=dead_letters,
            is_partial=len(dead_letters) == _MAX_REPLAYED,
            hours=hour_style(request),
        )
    form = await read_form(request)
    dead_letters = await _find_waiting(request, api, form)
    loop = asyncio.get_running_loop()
    end_seconds, processed, refused = loop.time() + _MAX_REPLAY_SECONDS, 0, 0
    for letter in dead_letters:
        if loop.time() > end_seconds:
            break
        path = f"/v1/services/{letter['service']}/dead-letters/{letter['id']}/replay"
        is_processed = (await api.post(path, {}))["replayed_at"] is not None
        processed, refused = processed + is_processed, refused + (not is_processed)
    left = len(dead_letters) - processed - refused
    return RedirectResponse(_link({"processed": str(processed), "refused": str(refused), "left": str(left)}), 303)


async def _find_waiting(request: Request, api: Api, selection: Mapping[str, str]) -> list[Json]:
    """The dead letters that match, the oldest of each service first, up to a number."""
    dead_letters: list[Json] = []
    for service in _services(request):
        if selection.get("service") in ("", None, service):
            query = {name: selection.get(name, "") for name in ("topic", "reason")}
            cursor = None
            while len(dead_letters) < _MAX_REPLAYED:
                page = await api.get(f"/v1/services/{service}/dead-letters", {**query, "cursor": cursor, "limit": 200})
                dead_letters += page["items"]
                cursor = page["next"]
                if cursor is None:
                    break
    return dead_letters[:_MAX_REPLAYED]


async def _load_page(api: Api, service: str, filters: Mapping[str, str], cursor: str | None) -> Json | None:
    query = {
        "topic": filters.get("topic"),
        "reason": filters.get("reason"),
        "include_replayed": "true" if "include_replayed" in filters else None,
        # A cursor is of one service.
        "cursor": cursor if "service" in filters else None,
        "limit": _PAGE_SIZE,
    }
    return await optional(api.get(f"/v1/services/{service}/dead-letters", query))


def _services(request: Request) -> list[str]:
    """The services that run here: intake is optional."""
    return [name for name in _SERVICES if name in request.app.state.clients]


def _parse_dead_letter_path(request: Request) -> tuple[str, int]:
    service, id_ = request.path_params["service"], read_count(request.path_params["id"])
    if service not in _services(request):
        raise ApiError(404, "No such service", f"The services are {', '.join(_services(request))}.")
    if id_ is None:
        raise ApiError(404, "No such dead letter", "The number of a dead letter is an integer.")
    return service, id_


def _readable(content: Json | None) -> str | None:
    """The text of a part of a record, without characters that could change the page around it; None if it has none."""
    if content is None:
        return None
    text = content["text"] if content["text"] is not None else f"hex {content['hex']}"
    rest = len(text) - _MAX_SHOWN_CHARACTERS
    return escape_invisible(text[:_MAX_SHOWN_CHARACTERS]) + (f" … and {rest:,} more characters" if rest > 0 else "")


def _describe_result(query: Mapping[str, str]) -> str:
    """What a replay of several came to, from the address."""
    processed, refused, left = (read_count(query.get(name, "")) for name in ("processed", "refused", "left"))
    if processed is None or refused is None or left is None:
        return ""
    rest = f" {left:,} not tried yet: replay again." if left else ""
    return f"{processed:,} processed, {refused:,} refused again.{rest}"


def _duration(verification: Mapping[str, Any]) -> str:
    started, finished = (datetime.fromisoformat(verification[name]) for name in ("started_at", "finished_at"))
    return format_age(int((finished - started).total_seconds()))


def _link(values: Mapping[str, str]) -> str:
    return f"/operations?{urlencode({name: value for name, value in values.items() if value})}"
