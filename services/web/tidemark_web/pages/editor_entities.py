"""The editor of all but contracts, from customers to saved reports: lists, forms, and how each is deleted."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import QueryParams

from tidemark_shared.domain.bodies import format_money
from tidemark_web.pages import form_definitions as definitions
from tidemark_web.pages.client import Api, ApiError, Json
from tidemark_web.pages.contracts import STATUSES, hour_style
from tidemark_web.pages.editor import Editor, run_editor
from tidemark_web.pages.formatting import count, format_day
from tidemark_web.pages.forms import Context, Form
from tidemark_web.pages.references import name_entities
from tidemark_web.pages.rendering import render
from tidemark_web.pages.saved_reports import (
    complete_report,
    describe_days,
    describe_schedule,
    read_report,
    report_page,
)

_PAGE_SIZE = 50


@dataclass(frozen=True, kw_only=True)
class Entity:
    """A kind of what the editor keeps. ``path`` is that of its pages, and below ``/v1`` of the API."""

    path: str
    label: str
    plural: str
    form: Form
    initial: Json
    headers: Sequence[str]
    columns: Callable[[Json, dict[str, str]], Sequence[str]]
    title: Callable[[Json, dict[str, str]], str]
    search: tuple[str, str] | None = None
    references: Callable[[Json], Sequence[tuple[str, str | None]]] = lambda _: ()
    intro: str = ""
    deletion: str = ""
    choices: dict[str, dict[str, str]] | None = None
    complete: Callable[[Json], Json] = lambda body: body
    keep: Callable[[Json, Json], Json] = lambda _, body: body
    """What is sent instead of a body of the form, so that it keeps what the form does not show of what is stored."""
    read_initial: Callable[[QueryParams], Json] = lambda _: {}
    """What the address of the form of a new one says about it."""
    links: Callable[[Json], Sequence[tuple[str, str]]] = lambda _: ()
    """Where else the list leads from one: labels and addresses."""


class Preview(NamedTuple):
    """When a rule would have fired on a contract, and of what it would notify at once if it were new."""

    contract: str
    notifications: Sequence[Json] = ()
    now: Sequence[str] | None = None
    problem: str = ""


def complete_rule(body: Json) -> Json:
    """A rule with the channels of its receivers. A format that is not chosen is left out."""
    receivers = [
        {name: value for name, value in receiver.items() if value != ""} for receiver in body.get("receivers", ())
    ]
    channels = {"webhook" if receiver.get("kind") == "webhook" else "email" for receiver in receivers}
    return {**body, "receivers": receivers, "channels": sorted(channels)}


def keep_unshown(stored: Json, body: Json) -> Json:
    """Keep what the form of a rule has no fields for: its offer, and the day of the month of its digest."""
    if stored.get("offer"):
        body = {"offer": stored["offer"], **body}
    trigger, before = body.get("trigger", {}), stored["trigger"]
    if trigger.get("kind") == "digest" and isinstance(before.get("on"), int):
        body = {**body, "trigger": {**trigger, "on": before["on"]}}
    return body


def _describe_scope(rule: Json, names: dict[str, str]) -> str:
    id_: str = rule["scope"].get("id", "")
    return names.get(id_, id_) if id_ else definitions.SCOPES["global"]


def _describe_trigger(rule: Json) -> str:
    trigger = rule["trigger"]
    thresholds = ", ".join(map(str, trigger.get("at", ())))
    return definitions.TRIGGERS[trigger["kind"]] + (f": {thresholds}" if thresholds else "")


ENTITIES = (
    Entity(
        path="organizations", label="customer", plural="Customers", form=definitions.ORGANIZATION,
        initial={"contacts": [{}]}, headers=("Name", "Time zone", "Contacts"), search=("text", "Name"),
        columns=lambda body, _: (body["timezone"], str(len(body["contacts"]))),
        title=lambda body, _: body["name"],
        deletion="Only a customer that no contract refers to can be deleted.",
    ),
    Entity(
        path="teams", label="team", plural="Teams", form=definitions.TEAM, initial={"members": [{}]},
        headers=("Name", "Members"), search=("text", "Name"),
        columns=lambda body, _: (str(len(body["members"])),), title=lambda body, _: body["name"],
        deletion="Only a team that no contract and no rate card refers to can be deleted.",
    ),
    Entity(
        path="rate-cards", label="rate card", plural="Rate cards", form=definitions.RATE_CARD, initial={},
        headers=("Person", "Team", "From", "Per hour"), search=("person", "Person id"),
        columns=lambda body, names: (
            names.get(body["team_id"], "Any team"), format_day(body["from"]),
            format_money(body["per_hour_minor"]["normal"], body["currency"]),
        ),
        title=lambda body, _: body["person_id"], references=lambda body: [("teams", body["team_id"])],
        deletion="Work that it priced takes the next card that fits, or counts as work without a rate.",
    ),
    Entity(
        path="rules", label="rule", plural="Rules", form=definitions.RULE,
        initial={"enabled": True, "scope": {"kind": "global"}, "receivers": [{"kind": "owner"}],
                 "trigger": {"kind": "consumed_percent", "of": "contract", "over": "period", "at": ["80", "100"]}},
        headers=("Name", "For", "When", "On"),
        columns=lambda body, names: (
            _describe_scope(body, names), _describe_trigger(body), "On" if body["enabled"] else "Off"),
        title=lambda body, _: body["name"],
        references=lambda body: [(f"{body['scope']['kind']}s", body["scope"].get("id"))],
        deletion="A wider rule with the same name then applies again. To prevent that, switch this one off instead.",
        choices={"statuses": STATUSES}, complete=complete_rule, keep=keep_unshown,
    ),
    Entity(
        path="saved-reports", label="saved report", plural="Saved reports", form=definitions.SAVED_REPORT,
        initial={"people": True, "internal": True},
        headers=("Name", "Customer", "Days", "Mailed", "Report"), read_initial=read_report,
        columns=lambda body, names: (
            names.get(body["organization_id"], ""), describe_days(body), describe_schedule(body)),
        title=lambda body, _: body["name"], links=lambda body: (
            ("Open", report_page(body)), ("Mails", f"/saved-reports/{body['id']}/mails")),
        references=lambda body: [("organizations", body["organization_id"])],
        deletion="Its mails that are not sent yet are discarded.", complete=complete_report,
    ),
)  # fmt: skip


async def show_entities(entity: Entity, request: Request, api: Api) -> Response:
    """The list of all customers, teams, rate cards, rules or saved reports."""
    query = request.query_params
    search = {entity.search[0]: query.get("search")} if entity.search else {}
    page = await api.get(f"/v1/{entity.path}", {**search, "cursor": query.get("cursor"), "limit": _PAGE_SIZE})
    names = await name_entities(api, [key for item in page["items"] for key in entity.references(item)])
    return render(
        request,
        "entities.html",
        entity=entity,
        entities=ENTITIES,
        rows=[
            (item["id"], entity.title(item, names), entity.columns(item, names), entity.links(item))
            for item in page["items"]
        ],
        search=query.get("search", ""),
        next_cursor=page["next"] or "",
        hours=hour_style(request),
    )


async def edit_entity(entity: Entity, request: Request, api: Api) -> Response:
    """The form of a new one, or of one that exists."""
    id_, path = request.path_params.get("id"), f"/{entity.path}"
    stored = await api.get(f"/v1{path}/{id_}") if id_ else None

    async def save(body: Json, *, version: str | None, key: str | None, dry_run: bool) -> Json:
        body = entity.keep(stored, body) if stored else body
        method, target = ("PUT", f"/v1{path}/{id_}") if id_ else ("POST", f"/v1{path}")
        return await api.change(method, target, body, version=version, key=key, dry_run=dry_run)

    editor = Editor(
        title=entity.title(stored, {}) if stored else f"New {entity.label}",
        form=entity.form,
        save=save,
        target=lambda _: path,
        cancel=path,
        submit="Save" if stored else f"Create {entity.label}",
        initial=stored or entity.initial | entity.read_initial(request.query_params),
        stored=stored,
        version=stored["version"] if stored else None,
        context=Context(choices=entity.choices or {}, exists=bool(stored)),
        crumbs=((entity.plural, path),),
        complete=entity.complete,
        preview=partial(_preview_rule, api, is_new=not stored) if entity.path == "rules" else None,
        delete=f"{path}/{id_}/delete" if stored else "",
    )
    return await run_editor(request, api, editor)


async def delete_entity(entity: Entity, request: Request, api: Api) -> Response:
    """The question whether one is to be deleted."""
    id_, path = request.path_params["id"], f"/{entity.path}"
    stored = await api.get(f"/v1{path}/{id_}")

    async def save(body: Json, *, version: str | None, key: str | None, dry_run: bool) -> Json:  # noqa: ARG001 - no body
        return await api.change("DELETE", f"/v1{path}/{id_}", None, version=version, key=key, dry_run=dry_run)

    editor = Editor(
        title=f"Delete {entity.title(stored, {})}?",
        form=(),
        save=save,
        target=lambda _: path,
        cancel=f"{path}/{id_}",
        submit="Delete",
        sentences=(entity.deletion, "This cannot be undone."),
        version=stored["version"],
        crumbs=((entity.plural, path),),
        is_severe=True,
    )
    return await run_editor(request, api, editor)


async def _preview_rule(api: Api, rule: Json, contract: str, *, is_new: bool) -> Preview:
    """When the rule would have fired on the contract's history. Problems of the rule itself are at its fields."""
    try:
        dry_run = partial(api.change, "POST", "/v1/rules", rule, version=None, key=None, dry_run=True)
        history, now = await asyncio.gather(
            api.post("/v1/rules/preview", {"rule": rule, "contract": contract}),
            dry_run() if is_new else _nothing(),
        )
    except ApiError as error:
        is_of_contract = error.status == 404 or any(item["path"] == "/contract" for item in error.violations)  # noqa: PLR2004
        return Preview(contract, problem=error.detail if is_of_contract else "Correct the rule first.")
    return Preview(contract, history["items"], _summarize(now) if now else None)


async def _nothing() -> Any:
    return None


def _summarize(now: Json) -> list[str]:
    codes = dict.fromkeys(item["contract_code"] for item in now["items"])
    texts = [f"{code}: {count(sum(item['contract_code'] == code for item in now['items']), 'notification')}"
             for code in codes]  # fmt: skip
    return texts if now["complete"] else [*texts, "and more"]
