"""Names in the place of ids: what a person types becomes the id of a customer, team or contract, and back."""

import asyncio
import re
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import httpx
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from tidemark_shared.domain.bodies import CURRENCIES, time_zones
from tidemark_shared.domain.calendar import holiday_codes
from tidemark_web.pages.client import Api, ApiError, Json, contract_path
from tidemark_web.pages.forms import Control

Result = TypeVar("Result")

_ID = re.compile(r"(?:.* \()?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\)?", re.DOTALL)
_LABELS = {"organizations": "customer", "teams": "team", "contracts": "contract"}
_NAMED = ("organizations", "teams")
_MAX_SUGGESTIONS, _MAX_READ, _MAX_NAME_LENGTH = 20, 200, 255
# Of one page, and how many at once: others need the connections, too.
_MAX_REFERENCES, _MAX_REQUESTS = 500, 8


async def find_ids(api: Api, controls: Iterable[Control]) -> tuple[dict[tuple[str, str], str], dict[str, str]]:
    """The ids of what the controls name, by source and text, and a message for each control that names nothing."""
    references = [control for control in controls if control.field.kind == "reference" and control.value]
    wanted = list(dict.fromkeys((control.field.source, control.value) for control in references))
    if len(wanted) > _MAX_REFERENCES:
        detail = (
            f"This form has {len(wanted):,} names. Up to {_MAX_REFERENCES} can be looked up at once: save it in parts."
        )
        raise ApiError(413, "Too many names", detail)
    matches = dict(zip(wanted, await _gather(_find(api, *key) for key in wanted), strict=True))
    ids = {key: ids[0] for key, ids in matches.items() if len(ids) == 1}
    messages = {
        control.name: _describe_failure(
            control.field.source, control.value, matches[control.field.source, control.value]
        )
        for control in references
        if (control.field.source, control.value) not in ids
    }
    return ids, messages


async def find_names(api: Api, controls: Iterable[Control]) -> dict[str, str]:
    """The names of what the controls refer to, by id."""
    references = [control for control in controls if control.field.kind == "reference"]
    return await name_entities(api, [(control.field.source, control.value) for control in references])


async def name_entities(api: Api, keys: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """The names of entities by their ids; each key is a source and an id, which may be None."""
    sources = {id_: source for source, id_ in keys if id_}
    names = await _gather(_find_name(api, source, id_) for id_, source in sources.items())
    return dict(zip(sources, names, strict=True))


async def _gather(calls: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """The results of all calls, of which few run at once."""
    free = asyncio.Semaphore(_MAX_REQUESTS)

    async def wait(call: Coroutine[Any, Any, Result]) -> Result:
        async with free:
            return await call

    return await asyncio.gather(*map(wait, calls))


async def _find(api: Api, source: str, text: str) -> list[str]:
    """The ids of all that have this name."""
    if match := _ID.fullmatch(text):
        return [match[1]]
    if len(text) > _MAX_NAME_LENGTH or not text.isprintable():
        return []
    if source in _NAMED:
        found = await api.get(f"/v1/{source}", {"name": text, "limit": 2})
        return [item["id"] for item in found["items"]]
    contract = await _optional(api, contract_path(text))
    return [contract["id"]] if contract else []


async def _find_name(api: Api, source: str, id_: str) -> str:
    """A name, with the id where several have it; the id of what does not exist."""
    if not _ID.fullmatch(id_):
        return id_
    if source not in _NAMED:
        contract = await _optional(api, contract_path(id_))
        return str(contract["code"]) if contract else id_
    entity = await _optional(api, f"/v1/{source}/{id_}")
    if entity is None:
        return id_
    return entity["name"] if len(await _find(api, source, entity["name"])) == 1 else f"{entity['name']} ({id_})"


async def _optional(api: Api, path: str) -> Json | None:
    try:
        return await api.get(path)
    except ApiError as error:
        if error.status != httpx.codes.NOT_FOUND:
            raise
        return None


def _describe_failure(source: str, text: str, ids: Sequence[str]) -> str:
    label = _LABELS[source]
    if not ids:
        return f"There is no {label} with {'the code' if source == 'contracts' else 'the name'} {text}. Choose one."
    return f"Several {label}s have this name. Add the id of the one you mean: {text} ({ids[0]})."


async def send_suggestions(request: Request, api: Api) -> Response:
    """What a person may mean by the text typed so far, as JSON."""
    return JSONResponse(await suggest(api, request.path_params["source"], request.query_params.get("text", "")))


async def suggest(api: Api, source: str, text: str) -> list[str]:
    """Up to 20 names that contain a text."""
    match source:
        case "organizations" | "teams":
            page = await api.get(f"/v1/{source}", {"text": text, "limit": _MAX_SUGGESTIONS})
            names = [item["name"] for item in page["items"]]
            found = [f"{item['name']} ({item['id']})" if names.count(item["name"]) > 1 else item["name"]
                     for item in page["items"]]  # fmt: skip
        case "contracts":
            page = await api.get("/v1/contracts", {"text": text, "limit": _MAX_SUGGESTIONS})
            found = [contract["code"] for contract in page["items"]]
        case "owners" | "owner-emails":
            page = await api.get("/v1/contracts", {"owner": text, "limit": _MAX_READ})
            member = "name" if source == "owners" else "email"
            found = sorted({contract["owner"][member] for contract in page["items"]})
        case "people":
            page = await api.get("/v1/teams", {"limit": _MAX_READ})
            found = _filter({member["person_id"] for team in page["items"] for member in team["members"]}, text)
        case "zones":
            found = _filter(time_zones(), text)
        case "holidays":
            found = _filter(holiday_codes(), text)
        case "currencies":
            found = _filter(CURRENCIES, text)
        case _:
            raise ApiError(404, "Not found", f"There are no suggestions of {source}.")
    return found[:_MAX_SUGGESTIONS]


def _filter(names: Iterable[str], text: str) -> list[str]:
    return sorted(name for name in names if text.casefold() in name.casefold())
