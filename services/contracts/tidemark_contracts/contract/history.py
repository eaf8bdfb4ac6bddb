"""The differences between two states of a contract: a description for people, a path for programs. Pure."""

from collections.abc import Iterator, Mapping
from datetime import date
from textwrap import shorten
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_contracts.contract.decider import State
from tidemark_shared.domain.bodies import Contract, format_money
from tidemark_shared.http.problems import json_pointer


class Change(NamedTuple):
    """The value at a path of the terms before and after; the path is empty for a change of status."""

    description: str
    path: str
    before: Any
    after: Any


# The labels of members, where the name without underscores does not read well.
_LABELS = {
    "organization_id": "organization",
    "timezone": "time zone",
    "contracted_value_minor": "contracted value",
    "planned_value_minor": "planned value",
    "cap_value_minor": "cap value",
    "value_minor": "value",
    "lapse_after_periods": "periods until it lapses",
    "settle_days": "days until a period closes",
}
_MAX_VALUE_LENGTH = 80


def diff(before: State, after: State, names: Mapping[UUID, str]) -> list[Change]:
    """The changes, each at the innermost member that changed; none for a new contract.

    Accounts are matched by id, slices by team, adjustments by account, period and reason. A path leads into the terms
    after the change, or before it for a removed item. ``names`` maps organizations and teams to their names; a
    missing name is replaced by the id.
    """
    if before.terms is None or after.terms is None:
        return []
    changes = list(_Comparison(before.terms, after.terms, names).changes())
    if before.status != after.status:
        description = f"Status {before.status} → {after.status or 'discarded'}"
        changes.insert(0, Change(description, "", before.status, after.status))
    return changes


def describe_adjustment(adjustment: Mapping[str, Any], account_name: str, currency: str | None) -> str:
    """An adjustment with its amount: ``+20 h for Help desk, March 2026 (mail)``. ``adjustment`` is JSON."""
    hours = adjustment["hours"]
    amount = f"{hours} h" if hours else format_money(adjustment["value_minor"], currency)
    sign = "" if amount.startswith("-") else "+"
    period = _describe_period(adjustment["period_start"])
    return f"{sign}{amount} for {account_name}, {period} ({adjustment['reason']})"


class _Location(NamedTuple):
    """The position of a member in the terms before and after."""

    before: tuple[object, ...]
    after: tuple[object, ...]

    def child(self, before: object, after: object) -> "_Location":
        return _Location((*self.before, before), (*self.after, after))


class _Comparison:
    def __init__(self, before: Contract, after: Contract, names: Mapping[UUID, str]) -> None:
        self._before, self._after = before.model_dump(mode="json"), after.model_dump(mode="json")
        accounts = [*self._after["accounts"], *self._before["accounts"]]
        self._names = {str(id_): name for id_, name in names.items()}
        self._names |= {account["id"]: account["name"] for account in accounts}

    def changes(self) -> Iterator[Change]:
        return self._member_changes((), _Location((), ()), self._before, self._after)

    def _member_changes(
        self, parents: tuple[str, ...], location: _Location, before: dict[str, Any], after: dict[str, Any]
    ) -> Iterator[Change]:
        for name, new_value in after.items():
            old_value, child = before[name], location.child(name, name)
            if isinstance(new_value, dict):
                yield from self._member_changes((*parents, name), child, old_value, new_value)
            elif isinstance(new_value, list):
                yield from self._item_changes(parents, name, child, old_value, new_value)
            elif old_value != new_value:
                label = _LABELS.get(name, name.replace("_", " "))
                old_text = self._format_value(name, old_value, self._before)
                new_text = self._format_value(name, new_value, self._after)
                description = _description(parents, f"{label} {old_text} → {new_text}")
                yield Change(description, json_pointer(*child.after), old_value, new_value)

    def _item_changes(
        self, parents: tuple[str, ...], member: str, location: _Location, before: list[Any], after: list[Any]
    ) -> Iterator[Change]:
        old_items, new_items = _by_key(member, before), _by_key(member, after)
        for key, (index, item) in old_items.items():
            if key not in new_items:
                description = _description(parents, f"{self._describe_item(member, item, self._before)} removed")
                yield Change(description, json_pointer(*location.before, index), item, None)
        for key, (index, item) in new_items.items():
            if key not in old_items:
                added = self._describe_item(member, item, self._after)
                description = _description(parents, added if member == "adjustments" else f"{added} added")
                yield Change(description, json_pointer(*location.after, index), None, item)
            elif isinstance(item, dict):
                old_index, old_item = old_items[key]
                child = location.child(old_index, index)
                yield from self._member_changes((*parents, self._label(member, old_item)), child, old_item, item)
        old_order, new_order = (
            [key for key in items if key in old_items and key in new_items] for items in (old_items, new_items)
        )
        if old_order != new_order:
            yield Change(_description(parents, f"{member} reordered"), json_pointer(*location.after), before, after)

    def _describe_item(self, member: str, item: Any, terms: dict[str, Any]) -> str:
        """An added or removed item."""
        if member != "adjustments":
            return self._label(member, item)
        return describe_adjustment(item, self._name(item["account_id"]), terms["currency"])

    def _label(self, member: str, item: Any) -> str:
        match member:
            case "accounts":
                return f"account {item['name']}"
            case "slices":
                return f"slice of {self._name(item['team_id'])}"
            case "adjustments":
                period = _describe_period(item["period_start"])
                return f"adjustment of {self._name(item['account_id'])}, {period} ({item['reason']})"
            case _:
                return f"team {self._name(item)}"

    def _name(self, id_: str) -> str:
        return self._names.get(id_, id_)

    def _format_value(self, name: str, value: Any, terms: dict[str, Any]) -> str:
        if value in (None, ""):
            return "none"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if name.endswith("_minor"):
            return format_money(value, terms["currency"])
        text = self._name(value) if name == "organization_id" else str(value)
        return shorten(text, _MAX_VALUE_LENGTH, placeholder="…")


def _by_key(member: str, items: list[Any]) -> dict[object, tuple[int, Any]]:
    """Items with their indexes, by what identifies them before and after; a number tells equal ones apart."""
    indexed: dict[object, tuple[int, Any]] = {}
    for index, item in enumerate(items):
        match member:
            case "accounts":
                key: object = item["id"]
            case "slices":
                key = item["team_id"]
            case "adjustments":
                key = (item["account_id"], item["period_start"], item["reason"])
            case _:
                key = item
        number = 0
        while (key, number) in indexed:
            number += 1
        indexed[key, number] = (index, item)
    return indexed


def _describe_period(start: str) -> str:
    """The month of a period that starts with it, otherwise the day of the start."""
    day = date.fromisoformat(start)
    return f"{day:%B %Y}" if day.day == 1 else f"period from {day.day} {day:%B %Y}"


def _description(parents: tuple[str, ...], change: str) -> str:
    text = f"{', '.join(parents)}: {change}" if parents else change
    return text[0].upper() + text[1:]
