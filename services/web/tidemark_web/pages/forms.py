"""Forms as data: a form shows a JSON body of the API, and what a person sends becomes a body again. Pure.

The name of each control is the JSON Pointer of its value without the first slash, such as ``accounts/0/name``. So a
violation finds its control by its path, and ``build_body`` reverses ``build_form``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

from tidemark_shared.domain.bodies import minor_digits

Json = dict[str, Any]
Kind = Literal[
    "text", "paragraph", "email", "day", "hours", "money", "integer", "flag", "choice", "reference", "list", "lines",
    "hidden",
]  # fmt: skip
CHECKED = "on"
_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)
_AMOUNT = re.compile(r"-?\d{1,15}(\.\d{1,4})?", re.ASCII)
_INDEX = re.compile(r"\d{1,6}", re.ASCII)
# More parts than the name of any control has.
_MAX_PARTS = 8
_DEFAULT_DIGITS = 2


class Condition(NamedTuple):
    """A part is shown while ``member`` has one of ``values``. With a leading slash the member is one of the body."""

    member: str
    values: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One value. ``default`` is what an empty control means; ``source`` says where choices come from."""

    name: str
    label: str
    kind: Kind = "text"
    hint: str = ""
    default: Any = None
    choices: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    when: tuple[Condition, ...] = ()
    is_fixed: bool = False


@dataclass(frozen=True, kw_only=True)
class Group:
    """A list of items that can be added and removed. A single field without a name is the item itself."""

    name: str
    label: str
    item: str
    parts: tuple["Part", ...]
    hint: str = ""
    when: tuple[Condition, ...] = ()


Part: TypeAlias = Field | Group


class Section(NamedTuple):
    """Parts below one title."""

    title: str
    parts: tuple[Part, ...]
    hint: str = ""


Form = tuple[Section, ...]


class Context(NamedTuple):
    """What a form shows besides the body: names by id and ids by name of references, and choices by their source."""

    names: Mapping[str, str] = {}
    ids: Mapping[tuple[str, str], str] = {}
    choices: Mapping[str, Mapping[str, str]] = {}
    currency: str | None = None
    exists: bool = False


NO_CONTEXT = Context()


class Control(NamedTuple):
    """A field with its value as text."""

    field: Field
    name: str
    title: str
    value: str
    options: tuple[tuple[str, str], ...] = ()
    is_readonly: bool = False

    @property
    def controls(self) -> Iterator["Control"]:
        """Itself."""
        yield self


class Items(NamedTuple):
    """A group with the nodes of each of its items."""

    group: Group
    name: str
    items: tuple[tuple["Node", ...], ...]

    @property
    def controls(self) -> Iterator[Control]:
        """All controls in it, in the order of the page."""
        for item in self.items:
            for node in item:
                yield from node.controls


Node: TypeAlias = Control | Items


class ShownSection(NamedTuple):
    """A section with its nodes."""

    title: str
    hint: str
    nodes: tuple[Node, ...]


def build_form(form: Form, body: Json, context: Context = NO_CONTEXT) -> list[ShownSection]:
    """The form of a body."""
    shown = _Shown(body, context)
    sections = [ShownSection(section.title, section.hint, shown.nodes(section.parts, body)) for section in form]
    return [section for section in sections if section.nodes]


def list_controls(sections: Iterable[ShownSection]) -> list[Control]:
    """All controls of a form, in the order of the page."""
    return [control for section in sections for node in section.nodes for control in node.controls]


def list_values(sections: Iterable[ShownSection]) -> dict[str, str]:
    """What a browser sends: the value of each control, without flags that are off."""
    controls = list_controls(sections)
    return {control.name: control.value for control in controls if control.field.kind != "flag" or control.value}


class _Shown:
    """Builds the nodes of a body."""

    def __init__(self, body: Json, context: Context) -> None:
        self._body, self._context = body, context
        self._digits = _money_digits(context.currency or body.get("currency"))

    def nodes(self, parts: Iterable[Part], scope: Any, prefix: str = "", title: str = "") -> tuple[Node, ...]:
        return tuple(self._node(part, scope, prefix, title) for part in parts if is_shown(part.when, scope, self._body))

    def _node(self, part: Part, scope: Any, prefix: str, title: str) -> Node:
        name = f"{prefix}{part.name}".rstrip("/")
        value = _member(scope, part.name)
        if isinstance(part, Group):
            items = value if isinstance(value, list) else []
            return Items(
                part,
                name,
                tuple(
                    self.nodes(part.parts, item, f"{name}/{index}/", f"{title}{part.item} {index + 1}, ")
                    for index, item in enumerate(items)
                ),
            )
        text = self._text(part, part.default if value is None else value)
        options = part.choices or self._context.choices.get(part.source, {})
        if part.kind == "choice" and text not in options:
            options = {text: text and f"{text} (no longer available)", **options}
        label = f"{title}{part.label}"
        is_readonly = part.is_fixed and self._context.exists
        return Control(part, name, label[0].upper() + label[1:], text, tuple(options.items()), is_readonly)

    def _text(self, part: Field, value: Any) -> str:
        if part.kind == "flag":
            return CHECKED if value is True else ""
        if value is None or isinstance(value, dict):
            return ""
        if part.kind == "money" and isinstance(value, int):
            return f"{Decimal(value).scaleb(-self._digits):f}"
        if part.kind in ("list", "lines") and isinstance(value, list):
            return (", " if part.kind == "list" else "\n").join(map(str, value))
        return self._context.names.get(value, value) if part.kind == "reference" else str(value)


def build_body(form: Form, values: Mapping[str, str], context: Context = NO_CONTEXT) -> tuple[Json, dict[str, str]]:
    """The body that a person has sent, without null members, and a message for each control that cannot be read.

    Such a control keeps its text in the body, so that it is shown as it was typed.
    """
    parts = [*chain.from_iterable(section.parts for section in form)]
    read = _Reader(parts, values, context)
    body: Json = {}
    read.members(parts, body)
    return body, read.messages


def read_shown(form: Form, body: Json, context: Context = NO_CONTEXT) -> Json:
    """A body as its form sends it: without what the form does not show."""
    return build_body(form, list_values(build_form(form, body, context)), context)[0]


class _Reader:
    """Reads the members of a body from the values of controls."""

    def __init__(self, parts: Sequence[Part], values: Mapping[str, str], context: Context) -> None:
        self._values, self._context = values, context
        self._indexes = _find_indexes(values)
        self.messages: dict[str, str] = {}
        self._root: Json = {}
        # Conditions and amounts refer to members that may come later in the form.
        for part in parts:
            if isinstance(part, Field) and part.kind != "money":
                _set_member(self._root, part.name, self._value(part, part.name))
        currency = context.currency or self._root.get("currency")
        self._digits = _money_digits(currency if isinstance(currency, str) else None)
        self.messages.clear()

    def members(self, parts: Iterable[Part], body: Json, prefix: str = "") -> None:
        parts = tuple(parts)
        scope: Json = {}
        for part in parts:
            if isinstance(part, Field) and part.kind == "choice":
                _set_member(scope, part.name, self._value(part, prefix + part.name))
        for part in parts:
            if not is_shown(part.when, scope, self._root):
                continue
            name = prefix + part.name
            if isinstance(part, Field):
                _set_member(body, part.name, self._value(part, name))
            else:
                _set_member(
                    body, part.name, [self._item(part, f"{name}/{index}") for index in self._indexes.get(name, ())]
                )

    def _item(self, group: Group, name: str) -> Any:
        first = group.parts[0]
        if isinstance(first, Field) and not first.name:
            return self._value(first, name)
        item: Json = {}
        self.members(group.parts, item, f"{name}/")
        return item

    def _value(self, part: Field, name: str) -> Any:
        text = self._values.get(name, "").replace("\r\n", "\n")
        if part.kind == "flag":
            return True if name in self._values else None if part.default is None else False
        if part.kind in ("text", "paragraph"):
            return text or part.default
        text = text.strip()
        value: Any = text or part.default
        if text and part.kind == "integer":
            value = int(text) if _INTEGER.fullmatch(text) else self._refuse(name, text, "Enter a whole number.")
        elif text and part.kind == "money":
            value = self._money(name, text)
        elif text and part.kind in ("list", "lines"):
            items = text.split("," if part.kind == "list" else "\n")
            value = [item.strip() for item in items if item.strip()]
        elif text and part.kind == "reference":
            value = self._context.ids.get((part.source, text), text)
        return value

    def _money(self, name: str, text: str) -> Any:
        minor = Decimal(text).scaleb(self._digits) if _AMOUNT.fullmatch(text) else None
        if minor is None or minor != minor.to_integral_value():
            return self._refuse(name, text, f"Enter an amount such as {Decimal(150000).scaleb(-self._digits):f}.")
        return int(minor)

    def _refuse(self, name: str, text: str, message: str) -> str:
        self.messages[name] = message
        return text


def _find_indexes(names: Iterable[str]) -> dict[str, list[str]]:
    """The indexes of the items of each group, in order: a person may have removed any of them."""
    indexes: dict[str, set[str]] = {}
    for name in names:
        parts = name.split("/", _MAX_PARTS)[:_MAX_PARTS]
        for position, part in enumerate(parts):
            if position and _INDEX.fullmatch(part):
                indexes.setdefault("/".join(parts[:position]), set()).add(part)
    return {group: sorted(items, key=int) for group, items in indexes.items()}


def is_shown(conditions: Iterable[Condition], scope: Any, body: Json) -> bool:
    """Whether a part of ``scope``, which may be an item of the body, is shown."""
    return all(
        str(_member(body if member.startswith("/") else scope, member.lstrip("/"))) in values
        for member, values in conditions
    )


def add_item(body: Json, name: str) -> Json:
    """The body with one more item in the group ``name``, such as ``accounts/0/slices``."""
    changed: Json = _change_items(body, name.split("/"), lambda items: [*items, {}])
    return changed


def remove_item(body: Json, name: str) -> Json:
    """The body without the item ``name``, such as ``accounts/0``."""
    group, _, index = name.rpartition("/")
    changed: Json = _change_items(
        body, group.split("/"), lambda items: [item for position, item in enumerate(items) if str(position) != index]
    )
    return changed


def _change_items(value: Any, path: Sequence[str], change: Any) -> Any:
    if not path:
        return change(value if isinstance(value, list) else [])
    key, *rest = path
    if isinstance(value, list):
        return [_change_items(item, rest, change) if str(index) == key else item for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {**value, key: _change_items(value.get(key), rest, change)}
    return value


def _member(scope: Any, name: str) -> Any:
    if not name:
        return scope
    for key in name.split("/"):
        scope = scope.get(key) if isinstance(scope, dict) else None
    return scope


def _set_member(body: Json, name: str, value: Any) -> None:
    """Set a member; null is left out, but the objects above it are there: so each missing member is named."""
    *parents, key = name.split("/")
    for parent in parents:
        body = body.setdefault(parent, {})
    if value is not None:
        body[key] = value


def _money_digits(currency: str | None) -> int:
    digits = minor_digits(currency) if currency else None
    return _DEFAULT_DIGITS if digits is None else digits
