"""The editor: one way to show a form, check it, send it, and to show what went wrong or what others changed."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

import httpx
from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tidemark_web.pages.client import Api, ApiError, Json
from tidemark_web.pages.contracts import hour_style
from tidemark_web.pages.form_messages import Difference, Question, attach_messages, describe_difference, read_questions
from tidemark_web.pages.forms import (
    NO_CONTEXT,
    Context,
    Control,
    Form,
    ShownSection,
    add_item,
    build_body,
    build_form,
    list_controls,
    read_shown,
    remove_item,
)
from tidemark_web.pages.merging import locate, merge, replace
from tidemark_web.pages.references import find_ids, find_names, suggest
from tidemark_web.pages.rendering import render
from tidemark_web.pages.session import read_form

# What is suggested without a script.
_SUGGESTED = ("organizations", "teams", "contracts")
_MAX_ACTION_LENGTH = 100
# A team with four thousand members.
_MAX_FIELDS = 20_000
_HEADERS = {"version": re.compile(r"\d{1,18}", re.ASCII), "key": re.compile(r"[0-9a-f-]{36}")}
_Violations = Sequence[Mapping[str, str]]


class Save(Protocol):
    """Sends a body to the API."""

    async def __call__(self, body: Json, *, version: str | None, key: str | None, dry_run: bool) -> Json:
        """The answer of the API. Raises :class:`ApiError`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Editor:
    """A page with a form: what it shows at first, and how it is sent.

    ``stored`` is the body as it is stored now, None if there is none yet or nothing of it is edited.
    """

    title: str
    form: Form
    save: Save
    target: Callable[[Json], str]
    cancel: str
    submit: str = "Save"
    sentences: Sequence[str] = ()
    initial: Json = field(default_factory=dict)
    stored: Json | None = None
    version: int | None = None
    context: Context = NO_CONTEXT
    crumbs: Sequence[tuple[str, str]] = ()
    complete: Callable[[Json], Json] = lambda body: body
    describe: Callable[[Json], Mapping[str, str]] = lambda _: {}
    list_changes: Callable[[int], Awaitable[Sequence[Json]]] | None = None
    preview: Callable[[Json, str], Awaitable[Any]] | None = None
    notes: _Violations = ()
    obstacles: Sequence[tuple[str, str, str]] = ()
    delete: str = ""
    is_severe: bool = False


@dataclass(kw_only=True)
class _Outcome:
    """What a form was answered with."""

    body: Json
    version: str | None
    sent_version: str | None = None
    violations: _Violations = ()
    messages: Mapping[str, str] = field(default_factory=dict)
    is_conflict: bool = False
    is_merged: bool = False
    status: int = 200
    preview: Any = None
    base: str = ""
    """What was stored when the form was opened, as JSON: from there both changes lead."""
    taken: Sequence[Difference] = ()
    """What was taken over from the change of another person: before it, and after it."""
    questions: Sequence[Question] = ()
    is_unanswered: bool = False


async def run_editor(request: Request, api: Api, editor: Editor) -> Response:
    """Show the form, or do what a person sent it for: save, check, add or remove an item."""
    version = None if editor.version is None else str(editor.version)
    if request.method == "GET":
        outcome, contract = _Outcome(body=editor.initial, version=version), request.query_params.get("contract", "")
        outcome.base = json.dumps(editor.stored) if editor.stored else ""
        if editor.preview and editor.stored and contract:
            outcome.preview = await editor.preview(editor.stored, contract)
        return await _show(request, api, editor, outcome, {}, contract=contract)
    values = await _read_values(request)
    action, _, name = values.get("action", "save")[:_MAX_ACTION_LENGTH].partition(" ")
    body, messages, names = await _read_body(api, editor, values)
    version = values.get("version")
    outcome = _Outcome(body=body, version=version, sent_version=version, messages=messages, base=values.get("base", ""))
    outcome.questions = read_questions(values)
    if action == "add":
        outcome.body, outcome.messages = add_item(body, name), {}
    elif action == "remove":
        outcome.body, outcome.messages = remove_item(body, name), {}
    elif (response := await _save_or_check(api, editor, outcome, values, names)) is not None:
        return response
    return await _show(request, api, editor, outcome, names, contract=values.get("contract", ""))


async def _save_or_check(
    api: Api, editor: Editor, outcome: _Outcome, values: Mapping[str, str], names: Mapping[str, str]
) -> Response | None:
    """Send the form, and leave the page if it is saved; otherwise the outcome says what is to be done."""
    is_save = values.get("action", "save") == "save"
    outcome.is_unanswered = is_save and not all(question.answer for question in outcome.questions)
    is_saved = is_save and not outcome.messages and not outcome.is_unanswered
    if is_saved:
        outcome.body, outcome.questions = _answer(outcome.body, outcome.questions), ()
    answer = await _send(editor, outcome, values.get("key"), dry_run=not is_saved)
    if answer is not None and is_saved:
        return _redirect(editor, answer, values)
    if not is_saved:
        outcome.status = 422 if is_save else 200
    elif outcome.is_conflict and editor.stored:
        await _merge(api, editor, outcome, editor.stored, names)
        # What belongs to the change alone, such as its reason, is in no stored version.
        if outcome.body == read_shown(editor.form, {**outcome.body, **editor.stored}, editor.context):
            return _redirect(editor, editor.stored, values)  # sent twice
    if editor.preview and values.get("contract"):
        outcome.preview = await editor.preview(editor.complete(outcome.body), values["contract"])
    return None


def _answer(body: Json, questions: Iterable[Question]) -> Json:
    """The body with what the other change made of those values for which a person has chosen it."""
    for question in questions:
        if question.answer == "stored":
            body = replace(body, question.path, question.stored)
    return body


async def _merge(api: Api, editor: Editor, outcome: _Outcome, stored: Json, names: Mapping[str, str]) -> None:
    """Put my change and the other one together; from now on the form is sent knowing what is stored."""
    try:
        base = read_shown(editor.form, json.loads(outcome.base), editor.context)
    except (ValueError, TypeError, AttributeError, RecursionError):
        base = {}  # each difference is asked about
    theirs = read_shown(editor.form, stored, editor.context)
    merged = merge(base, theirs, outcome.body)
    before, after = await _shown(api, editor, base, names), await _shown(api, editor, theirs, names)
    outcome.taken = [
        describe_difference((before, locate(base, path)), (after, locate(theirs, path))) for path in merged.taken
    ]
    outcome.questions = [Question(*conflict) for conflict in merged.conflicts]
    outcome.body, outcome.version, outcome.base = merged.body, str(editor.version), json.dumps(stored)
    outcome.is_merged = True


async def _shown(api: Api, editor: Editor, body: Json, names: Mapping[str, str]) -> list[ShownSection]:
    known = {**await _load_names(api, editor, body, names), **names}
    return build_form(editor.form, body, editor.context._replace(names=known))


async def _read_values(request: Request) -> dict[str, str]:
    """The values that were sent. A version and a key that are not ours are left out: they become headers."""
    values = await read_form(request, _MAX_FIELDS)
    return {name: value for name, value in values.items() if name not in _HEADERS or _HEADERS[name].fullmatch(value)}


async def _read_body(
    api: Api, editor: Editor, values: Mapping[str, str]
) -> tuple[Json, dict[str, str], dict[str, str]]:
    """The body that was sent, a message for each control that cannot be read, and the names behind the ids."""
    typed, _ = build_body(editor.form, values, editor.context)
    controls = list_controls(build_form(editor.form, typed, editor.context))
    ids, unknown = await find_ids(api, controls)
    body, messages = build_body(editor.form, values, editor.context._replace(ids=ids))
    return body, messages | unknown, {id_: text for (_, text), id_ in ids.items()}


def _redirect(editor: Editor, answer: Json, values: Mapping[str, str]) -> Response:
    # The script forgets the draft that it has kept under this key.
    return RedirectResponse(f"{editor.target(answer)}#saved-{values.get('key', '')}", 303)


async def _send(editor: Editor, outcome: _Outcome, key: str | None, *, dry_run: bool) -> Json | None:
    """The answer of the API; None if it refuses, and the outcome says why."""
    try:
        body = editor.complete(outcome.body)
        return await editor.save(body, version=outcome.version, key=key, dry_run=dry_run)
    except ApiError as error:
        if error.status == httpx.codes.PRECONDITION_FAILED:
            outcome.is_conflict = True
        elif error.violations:
            outcome.violations = error.violations
        elif error.status == httpx.codes.CONFLICT:
            outcome.violations = [{"path": "", "message": f"{error.title}. {error.detail}"}]
        else:
            raise
        outcome.status = error.status
        return None


async def _show(
    request: Request, api: Api, editor: Editor, outcome: _Outcome, names: Mapping[str, str], *, contract: str = ""
) -> Response:
    body = outcome.body
    known = {**await _load_names(api, editor, body, names), **names}
    sections = build_form(editor.form, body, editor.context._replace(names=known))
    messages = attach_messages(sections, outcome.violations, outcome.messages)
    notes = attach_messages(sections, editor.notes, {}) if request.method == "GET" else []
    changes: Sequence[Json] = ()
    conflicts: list[tuple[Question, Difference]] = []
    if outcome.is_conflict and editor.list_changes:
        changes = await editor.list_changes(int(outcome.sent_version or 0))
    if outcome.questions and editor.stored:
        stored = read_shown(editor.form, editor.stored, editor.context)
        theirs = await _shown(api, editor, stored, known)
        for question in outcome.questions:
            controls = (theirs, locate(stored, question.path)), (sections, locate(body, question.path))
            conflicts.append((question, describe_difference(*controls)))
    return render(
        request,
        "editor.html",
        outcome.status,
        editor=editor,
        sections=sections,
        messages=messages,
        errors=_by_name(messages),
        notes=notes,
        hints=_by_name(notes),
        figures=editor.describe(body),
        suggestions=await _suggest(api, list_controls(sections)),
        is_conflict=outcome.is_conflict,
        is_merged=outcome.is_merged,
        is_unanswered=outcome.is_unanswered,
        taken=outcome.taken,
        conflicts=conflicts,
        changes=changes,
        base=outcome.base,
        # Without a body that is stored there is nothing to merge.
        version=editor.version if outcome.is_conflict and not editor.stored else outcome.version,
        key=str(uuid4()),
        is_focused=bool(messages) and request.method == "POST",
        preview=outcome.preview,
        contract=contract,
        hours=hour_style(request),
    )


async def _load_names(api: Api, editor: Editor, body: Json, names: Mapping[str, str]) -> dict[str, str]:
    controls = list_controls(build_form(editor.form, body, editor.context))
    return await find_names(api, (control for control in controls if control.value not in names))


def _by_name(messages: Iterable[Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for message in messages:
        texts[message.name] = f"{texts[message.name]} {message.text}" if message.name in texts else message.text
    return texts


async def _suggest(api: Api, controls: Sequence[Control]) -> dict[str, list[str]]:
    """The suggestions of each source of the form. Without a script a person has the first of those with names."""
    sources = list(dict.fromkeys(
        control.field.source for control in controls if control.field.source and control.field.kind != "choice"
    ))  # fmt: skip
    known = [source for source in sources if source in _SUGGESTED]
    answers = dict(zip(known, await asyncio.gather(*(suggest(api, source, "") for source in known)), strict=True))
    return {source: answers.get(source, []) for source in sources}
