"""What a form says beside its fields: violations at their controls, what is left to distribute, differences. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from tidemark_shared.domain.bodies import format_money
from tidemark_shared.domain.quantities import MinorUnits, format_hours
from tidemark_web.pages.forms import CHECKED, Control, Items, Json, Node, ShownSection, list_controls

_PLAIN_MESSAGES = {"Field required": "This is required."}


class Message(NamedTuple):
    """What is wrong at a control or a group; without a name, with the whole form."""

    name: str
    title: str
    text: str


def place_messages(
    sections: Sequence[ShownSection], violations: Iterable[Mapping[str, str]], messages: Mapping[str, str]
) -> list[Message]:
    """Each violation at the control of its path, or else at the nearest one, in the order of the page.

    ``messages`` are those of controls that cannot be read. They replace the violations there.
    """
    anchors = dict(_anchors([node for section in sections for node in section.nodes]))
    order = {name: index for index, name in enumerate(anchors)}
    placed = [Message(name, anchors[name], text) for name, text in messages.items() if name in anchors]
    for violation in violations:
        name = _find_anchor(violation["path"].removeprefix("/"), anchors)
        if name not in messages:
            text = _PLAIN_MESSAGES.get(violation["message"], violation["message"])
            message = Message(name, anchors.get(name, ""), text)
            placed += [] if message in placed else [message]
    return sorted(placed, key=lambda message: order.get(message.name, -1))


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


def _find_anchor(path: str, anchors: Mapping[str, str]) -> str:
    if path in anchors:
        return path
    if path and (below := next((name for name in anchors if name.startswith(f"{path}/")), None)):
        return below
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
    """A control whose value differs between two versions of a form."""

    title: str
    stored: str
    mine: str


def list_differences(stored: Sequence[ShownSection], mine: Sequence[ShownSection]) -> list[Difference]:
    """The controls that differ, in the order of my form, then those that only the stored version has."""
    theirs, own = _shown_values(stored), _shown_values(mine)
    return [
        Difference(title, theirs.get(title, ""), own.get(title, ""))
        for title in {**own, **theirs}
        if theirs.get(title, "") != own.get(title, "")
    ]


def _shown_values(sections: Sequence[ShownSection]) -> dict[str, str]:
    controls = list_controls(sections)
    return {control.title: _shown_value(control) for control in controls if control.field.kind != "hidden"}


def _shown_value(control: Control) -> str:
    if control.field.kind == "flag":
        return "Yes" if control.value == CHECKED else "No"
    return dict(control.options).get(control.value, control.value) if control.options else control.value
