"""What a form says beside its fields: violations at their controls, what is left to distribute, differences. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from tidemark_shared.domain.bodies import format_money
from tidemark_shared.domain.quantities import MinorUnits, format_hours
from tidemark_web.pages.forms import CHECKED, Control, Items, Json, Node, ShownSection, list_controls
from tidemark_web.pages.merging import Path

_PLAIN_MESSAGES = {"Field required": "This is required."}
_MAX_QUESTIONS = 500


class Message(NamedTuple):
    """What is wrong at a control or a group; without a name, with the whole form."""

    name: str
    title: str
    text: str


def attach_messages(
    sections: Sequence[ShownSection], violations: Iterable[Mapping[str, str]], messages: Mapping[str, str]
) -> list[Message]:
    """Each violation at the control of its path, or else at the nearest one, in the order of the page.

    ``messages`` are those of controls that cannot be read. They replace the violations there.
    """
    anchors = dict(_anchors([node for section in sections for node in section.nodes]))
    order = {name: index for index, name in enumerate(anchors)}
    below = _first_below(anchors)
    attached = {Message(name, anchors[name], text): None for name, text in messages.items() if name in anchors}
    for violation in violations:
        name = _find_anchor(violation["path"].removeprefix("/"), anchors, below)
        if name not in messages:
            text = _PLAIN_MESSAGES.get(violation["message"], violation["message"])
            attached[Message(name, anchors.get(name, ""), text)] = None
    return sorted(attached, key=lambda message: order.get(message.name, -1))


def _anchors(nodes: Iterable[Node]) -> Iterator[tuple[str, str]]:
    """The name and title of all that a message can stand at."""
    for node in nodes:
        if isinstance(node, Items):
            yield node.name, node.group.label
            for index, item in enumerate(node.items):
                yield f"{node.name}/{index}", f"{node.group.item.capitalize()} {index + 1}"
                yield from _anchors(item)
        elif node.field.kind != "hidden":
            yield node.name, node.title


def _first_below(anchors: Iterable[str]) -> dict[str, str]:
    """The first anchor below each path that leads to one."""
    below: dict[str, str] = {}
    for name in anchors:
        path = name
        while path := path.rpartition("/")[0]:
            below.setdefault(path, name)
    return below


def _find_anchor(path: str, anchors: Mapping[str, str], below: Mapping[str, str]) -> str:
    if path in anchors:
        return path
    if path in below:
        return below[path]
    while path:
        path = path.rpartition("/")[0]
        if path in anchors:
            return path
    return ""


def describe_sums(body: Json) -> dict[str, str]:
    """What is left to distribute among the accounts of a contract, and among the slices of each: by group name."""
    is_fixed = body.get("type") == "fixed_price"
    member = "planned_value_minor" if is_fixed else "planned_hours"
    accounts = [account for account in body.get("accounts") or [] if isinstance(account, dict)]
    contracted = _amount(body.get("contracted_value_minor" if is_fixed else "contracted_hours"))
    billable = [_amount(account.get(member)) for account in accounts if account.get("billable") is not False]
    currency = body.get("currency") if is_fixed else None
    sums = {"accounts": _describe_rest("Billable accounts", billable, contracted, currency, is_fixed=is_fixed)}
    for index, account in enumerate(accounts):
        slices = [_amount(slice_.get("planned_hours")) for slice_ in account.get("slices") or []]
        if slices and not is_fixed:
            planned = _amount(account.get("planned_hours"))
            sums[f"accounts/{index}/slices"] = _describe_rest("Slices", slices, planned, None, is_fixed=False)
    return {name: text for name, text in sums.items() if text}


def _amount(value: Any) -> Decimal | None:
    try:
        amount = None if value is None else Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return amount if amount is not None and amount.is_finite() else None


def _describe_rest(
    label: str, parts: Sequence[Decimal | None], whole: Decimal | None, currency: str | None, *, is_fixed: bool
) -> str:
    if whole is None:
        return ""

    def show(amount: Decimal) -> str:
        return format_money(MinorUnits(int(amount)), currency) if is_fixed else f"{format_hours(amount)} h"

    total = sum((part for part in parts if part is not None), Decimal(0))
    rest = whole - total
    text = f"{label}: {show(total)} of {show(whole)}"
    if not rest:
        return f"{text}, all distributed."
    return f"{text}, {show(rest)} left to distribute." if rest > 0 else f"{text}, {show(-rest)} too much."


class Difference(NamedTuple):
    """A part of a form in two versions, as text; empty where it is missing."""

    title: str
    before: str
    after: str


class Question(NamedTuple):
    """A value that two people have changed: what the other one made of it, and which a person has chosen, if any."""

    path: Path
    stored: Any
    answer: str = ""

    @property
    def text(self) -> str:
        """The question as the form sends it back."""
        return json.dumps([self.path, self.stored])


def read_questions(values: Mapping[str, str]) -> list[Question]:
    """The questions that a form sends back, with their answers."""
    questions: list[Question] = []
    while (text := values.get(f"question/{len(questions)}")) and len(questions) < _MAX_QUESTIONS:
        answer = values.get(f"answer/{len(questions)}", "")
        try:
            path, stored = json.loads(text)
            questions.append(Question(tuple(map(str, path)), stored, answer if answer in ("stored", "mine") else ""))
        except (TypeError, ValueError, RecursionError):
            break  # no browser sends that
    return questions


def describe_difference(
    before: tuple[Sequence[ShownSection], str | None], after: tuple[Sequence[ShownSection], str | None]
) -> Difference:
    """The part with a name in one version of a form and in another; a name of None is of no part."""
    (title, old), (new_title, new) = _describe_part(*before), _describe_part(*after)
    return Difference(new_title or title, old, new)


def _describe_part(sections: Sequence[ShownSection], name: str | None) -> tuple[str, str]:
    """The title and the values of a control, or of all controls of a group or an item."""
    if name is None:
        return "", ""
    controls = [control for control in list_controls(sections) if control.field.kind != "hidden"]
    for control in controls:
        if control.name == name:
            return control.title, _shown_value(control)
    anchors = dict(_anchors([node for section in sections for node in section.nodes]))
    values = [_shown_value(control) for control in controls if control.name.startswith(f"{name}/")]
    return anchors.get(name, ""), ", ".join(filter(None, values))


def _shown_value(control: Control) -> str:
    if control.field.kind == "flag":
        return "Yes" if control.value == CHECKED else "No"
    return dict(control.options).get(control.value, control.value) if control.options else control.value
