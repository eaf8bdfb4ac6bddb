"""The editor of contracts: drafting, amending, adjusting, and a question before each step of a contract's life."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import httpx
from fastapi import Request
from fastapi.responses import Response

from tidemark_shared.domain.calendar import split_into_periods
from tidemark_shared.domain.text import read_count
from tidemark_web.pages import form_definitions as definitions
from tidemark_web.pages.client import Api, ApiError, Json, contract_path
from tidemark_web.pages.contracts import STATUSES
from tidemark_web.pages.editor import Editor, run_editor
from tidemark_web.pages.form_messages import attach_messages, describe_difference, describe_sums
from tidemark_web.pages.formatting import contract_page, format_day, format_period
from tidemark_web.pages.forms import Context, Form, Section, build_form, read_shown
from tidemark_web.pages.merging import Path, locate, merge

_ADJUSTABLE = ("ACTIVE", "INACTIVE", "EXPIRED")
_OPPOSITES = {"suspended": "/resume", "resumed": "/suspend"}
_WHY: Form = (Section("Why", (definitions.REASON,)),)
_NEW_CONTRACT: Json = {
    "type": "time_and_materials",
    "recurrence": "monthly",
    "settle_days": 5,
    "accounts": [{"billable": True}],
}


class Step(NamedTuple):
    """A step of a contract's life: in which statuses it is possible, and what it does."""

    label: str
    statuses: Sequence[str]
    sentences: Sequence[str]
    form: Form = _WHY
    method: str = "POST"
    is_severe: bool = False


STEPS = {
    "activate": Step(
        "Activate", ("DRAFT",),
        ("Work on its issues counts from now on, also what was logged before.",
         "After that the contract is changed by amendments, each with a reason.",
         "It cannot become a draft again. Suspend it to stop counting."), (),
    ),
    "suspend": Step(
        "Suspend", ("ACTIVE",),
        ("None of its work counts until it is resumed, earlier work included.", "Resume undoes this."),
    ),
    "resume": Step(
        "Resume", ("INACTIVE",), ("All its work counts again, also what was logged meanwhile.", "Suspend undoes this.")
    ),
    "renew": Step(
        "Renew", ("ACTIVE", "INACTIVE", "EXPIRED", "CLOSED"),
        ("A new draft starts the day after this contract ends, with the same length, accounts and amounts.",
         "This contract stays as it is. The draft counts nothing until you activate it."), definitions.RENEWAL,
    ),
    "close": Step(
        "Close", _ADJUSTABLE,
        ("Its work still counts, and no notification of limits is sent any more.",
         "A closed contract cannot be opened again."),
        is_severe=True,
    ),
    "discard": Step(
        "Discard", ("DRAFT",), ("The draft is deleted. This cannot be undone.",), (), "DELETE", is_severe=True
    ),
}  # fmt: skip


def list_actions(contract: Json) -> list[tuple[str, str]]:
    """What a manager can do with a contract in its status: the label and the page."""
    status, page = contract["status"], partial(contract_page, contract["code"])
    actions = [("Edit", page("/edit"))] if status == "DRAFT" else []
    if status in _ADJUSTABLE:
        actions = [("Amend", page("/edit")), ("Adjust", page("/adjust"))]
    if status == "ACTIVE":
        actions.append(("Offer", page("/offer")))
    return actions + [(step.label, page(f"/{name}")) for name, step in STEPS.items() if status in step.statuses]


async def new_contract(request: Request, api: Api) -> Response:
    """The form of a new draft."""
    editor = Editor(
        title="New contract",
        form=definitions.CONTRACT,
        save=partial(api.change, "POST", "/v1/contracts"),
        target=lambda contract: contract_page(contract["code"]),
        cancel="/",
        submit="Create draft",
        initial=_NEW_CONTRACT,
        crumbs=(("Contracts", "/"),),
        describe=describe_sums,
    )
    return await run_editor(request, api, editor)


async def edit_contract(request: Request, api: Api) -> Response:
    """The form of a contract: a draft is replaced, any other is amended with a reason."""
    contract = await load_contract(request, api, ("DRAFT", *_ADJUSTABLE))
    is_draft, path = contract["status"] == "DRAFT", contract_path(contract["id"])
    form = (*definitions.CONTRACT, definitions.ADJUSTMENTS)
    initial: Json = contract
    sentences: Sequence[str] = ()
    if version := request.query_params.get("undo"):
        initial, sentences = await _undo(api, contract, form, version)
    editor = Editor(
        title=f"{'Edit' if is_draft else 'Amend'} {contract['name']}",
        form=form if is_draft else (*form, definitions.AMENDMENT),
        save=partial(api.change, "PUT", path) if is_draft else partial(api.change, "POST", f"{path}/amend"),
        submit="Save draft" if is_draft else "Amend",
        stored=contract,
        describe=describe_sums,
        notes=await _find_obstacles(api, contract) if is_draft and request.method == "GET" else (),
        initial=initial,
        sentences=sentences,
        **_common(api, contract),
    )
    return await run_editor(request, api, editor)


def list_undo(contract: Json, history: Sequence[Json]) -> dict[int, str]:
    """Which changes of a contract's history can be undone, by version: the page that proposes it."""
    page, status = partial(contract_page, contract["code"]), contract["status"]
    changes = {"DRAFT": "revised", **dict.fromkeys(_ADJUSTABLE, "amended")}
    links = {
        entry["version"]: page(f"/edit?undo={entry['version']}")
        for entry in history
        if entry["what"] == changes.get(status) and not entry["offer_id"]
    }
    if history and history[-1]["what"] in _OPPOSITES:
        links[history[-1]["version"]] = page(_OPPOSITES[history[-1]["what"]])
    return links


async def _undo(api: Api, contract: Json, form: Form, version: str) -> tuple[Json, Sequence[str]]:
    """The terms without one earlier change, with its reason, and what the page says of it.

    What was changed again since stays as it is.
    """
    events = (await api.get(contract_path(contract["id"], "/events")))["items"]
    states = {str(event["data"]["stream_version"]): event["data"] for event in events}
    number = read_count(version)
    changed, previous = states.get(str(number)), states.get(str(number - 1)) if number else None
    if changed is None or previous is None:
        raise ApiError(404, "No such change", "The history of the contract has the changes that can be undone.")
    after, before, now = (
        read_shown(form, body, _context(contract)) for body in (changed["terms"], previous["terms"], contract)
    )
    undone = merge(after, before, now)
    if undone.body == now:
        detail = "Each of its values has been changed again since. Amend the contract instead."
        raise ApiError(409, "Nothing is left to undo", detail)
    day = format_day(datetime.fromisoformat(changed["occurred_at"]).astimezone(ZoneInfo(contract["timezone"])).date())
    reason = f"Undo of the change of {day} by {changed['actor']}" + (
        f": {changed['reason']}" if changed["reason"] else ""
    )
    sentences = [f"This takes back the change of {day} by {changed['actor']}. Check it, then save it."]
    if kept := [_name_part(form, now, contract, conflict.path) for conflict in undone.conflicts]:
        sentences.append(f"Not taken back, because it has changed since: {', '.join(kept)}.")
    return {**undone.body, "reason": reason}, sentences


def _name_part(form: Form, body: Json, contract: Json, path: Path) -> str:
    sections, name = build_form(form, body, _context(contract)), locate(body, path)
    return describe_difference((sections, name), (sections, name)).title or path[-1]


async def adjust_contract(request: Request, api: Api) -> Response:
    """The form of one more adjustment, which is an amendment."""
    contract = await load_contract(request, api, _ADJUSTABLE)

    async def save(body: Json, **options: Any) -> Json:
        adjustment = {name: value for name, value in body.items() if name != "type"}
        number = len(contract["adjustments"])
        amended = {**contract, "adjustments": [*contract["adjustments"], adjustment], "reason": body.get("reason")}
        try:
            return await api.change("POST", f"{contract_path(contract['id'])}/amend", amended, **options)
        except ApiError as error:
            error.violations = [*_violations_of_adjustment(error.violations, f"/adjustments/{number}")]
            raise

    options = _common(api, contract)
    options["context"] = options["context"]._replace(currency=contract["currency"])
    editor = Editor(
        title=f"Adjust {contract['name']}",
        form=definitions.ADJUSTMENT,
        save=save,
        submit="Adjust",
        sentences=("One period gets more or less than its plan; everything else stays.",),
        initial={"type": contract["type"]},
        **options,
    )
    return await run_editor(request, api, editor)


def _violations_of_adjustment(violations: Sequence[Mapping[str, str]], prefix: str) -> list[Mapping[str, str]]:
    """The paths of an amendment as those of its new adjustment, whose reason is that of the amendment too."""
    own = [violation for violation in violations if violation["path"] != "/reason"]
    return [{**violation, "path": violation["path"].removeprefix(prefix)} for violation in own or violations]


async def take_step(name: str, request: Request, api: Api) -> Response:
    """The question before a step, and the step."""
    step = STEPS[name]
    contract = await load_contract(request, api, step.statuses)
    path = contract_path(contract["id"])

    async def save(body: Json, **options: Any) -> Json:
        target = path if step.method == "DELETE" else f"{path}/{name}"
        return await api.change(step.method, target, body if step.form else None, **options)

    options = _common(api, contract)
    if name in ("renew", "discard"):
        options["target"] = lambda draft: contract_page(draft["code"], "/edit") if name == "renew" else "/"
    editor = Editor(
        title=f"{step.label} {contract['name']}?",
        form=step.form,
        save=save,
        submit=step.label,
        sentences=step.sentences,
        is_severe=step.is_severe,
        obstacles=_link_obstacles(contract, await _find_obstacles(api, contract)) if name == "activate" else (),
        **options,
    )
    return await run_editor(request, api, editor)


def _link_obstacles(contract: Json, violations: Sequence[Mapping[str, str]]) -> list[tuple[str, str, str]]:
    """Each violation with the title and the address of its field in the form of the contract."""
    sections = build_form((*definitions.CONTRACT, definitions.ADJUSTMENTS), contract, _context(contract))
    page = contract_page(contract["code"], "/edit")
    return [(message.title, f"{page}#{message.name}", message.text)
            for message in attach_messages(sections, violations, {})]  # fmt: skip


async def load_contract(request: Request, api: Api, statuses: Sequence[str]) -> Json:
    """The contract of the address. Raises a 409 in other statuses."""
    contract = await api.get(contract_path(request.path_params["reference"]))
    if contract["status"] not in statuses:
        allowed = " or ".join(STATUSES[status].lower() for status in statuses)
        detail = f"It is {STATUSES[contract['status']].lower()}. This is possible while it is {allowed}."
        raise ApiError(409, "Not possible in this status", detail)
    return contract


def _common(api: Api, contract: Json) -> dict[str, Any]:
    """What all forms of a contract that exists have in common."""

    async def list_changes(version: int) -> list[Json]:
        history = await api.get(contract_path(contract["id"], "/history"))
        return [entry for entry in history["items"] if entry["version"] > version]

    return {**build_common(contract), "version": contract["version"], "list_changes": list_changes}


def build_common(contract: Json) -> dict[str, Any]:
    """What all forms of a contract, and of its offers, have in common."""
    page = contract_page(contract["code"])
    return {
        "context": _context(contract),
        "target": lambda _: page,
        "cancel": page,
        "crumbs": (("Contracts", "/"), (contract["name"], page)),
    }


def _context(contract: Json) -> Context:
    days = date.fromisoformat(contract["start_date"]), date.fromisoformat(contract["end_date"])
    periods = {
        str(start): format_period({"start": str(start), "end": str(end)}, recurrence=contract["recurrence"])
        for start, end in split_into_periods(contract["recurrence"], *days)
    }
    accounts = {account["id"]: account["name"] for account in contract["accounts"]}
    choices = {"accounts": {"": "", **accounts}, "periods": {"": "", **periods}}
    return Context(choices=choices, exists=True)


async def _find_obstacles(api: Api, contract: Json) -> Sequence[Mapping[str, str]]:
    """What a draft violates that only activation requires."""
    path = contract_path(contract["id"], "/activate")
    try:
        await api.change("POST", path, None, version=str(contract["version"]), key=None, dry_run=True)
    except ApiError as error:
        if error.status != httpx.codes.UNPROCESSABLE_ENTITY:
            raise
        return error.violations
    return ()
