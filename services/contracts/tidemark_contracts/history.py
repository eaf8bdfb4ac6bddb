"""What changed from one state of a contract to the next: sentences for people, places for programs. Pure."""

from collections.abc import Iterator, Mapping
from textwrap import shorten
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_contracts.decider import State
from tidemark_shared.domain.bodies import Contract, format_money
from tidemark_shared.http.problems import json_pointer


class Change(NamedTuple):
    """What was at a place in the terms and what is there now; the path is empty where the status changed."""

    sentence: str
    path: str
    before: Any
    after: Any


# What people call a member, where that is not its name without underscores.
_WORDS = {
    "organization_id": "organization",
    "timezone": "time zone",
    "contracted_value_minor": "contracted value",
    "planned_value_minor": "planned value",
    "cap_value_minor": "cap value",
    "value_minor": "value",
    "lapse_after_periods": "periods until it lapses",
    "settle_days": "days until a period closes",
}
_LONGEST = 80


def tell(before: State, after: State, names: Mapping[UUID, str]) -> list[Change]:
    """What changed, down to the leaf; nothing where the contract is new.

    Accounts are the same by their id, slices by their team, adjustments by account, period and reason. The path
    leads into the terms after the change; for what was removed, into those before. ``names`` are those of
    organizations and teams; who has none is told by the id.
    """
    if before.terms is None or after.terms is None:
        return []
    found = list(_Comparison(before.terms, after.terms, names).changes())
    if before.status != after.status:
        status = Change(f"Status {before.status} → {after.status or 'discarded'}", "", before.status, after.status)
        found.insert(0, status)
    return found


class _Place(NamedTuple):
    """Where something stands in the terms before and after."""

    before: tuple[object, ...]
    after: tuple[object, ...]

    def inner(self, before: object, after: object) -> "_Place":
        return _Place((*self.before, before), (*self.after, after))


class _Comparison:
    def __init__(self, before: Contract, after: Contract, names: Mapping[UUID, str]) -> None:
        self._before, self._after = before.model_dump(mode="json"), after.model_dump(mode="json")
        self._names = {str(id_): name for id_, name in names.items()}
        self._names |= {one["id"]: one["name"] for terms in (self._after, self._before) for one in terms["accounts"]}

    def changes(self) -> Iterator[Change]:
        return self._members((), _Place((), ()), self._before, self._after)

    def _members(
        self, whose: tuple[str, ...], place: _Place, before: dict[str, Any], after: dict[str, Any]
    ) -> Iterator[Change]:
        for name, now in after.items():
            was, inner = before[name], place.inner(name, name)
            if isinstance(now, dict):
                yield from self._members((*whose, name), inner, was, now)
            elif isinstance(now, list):
                yield from self._items(whose, name, inner, was, now)
            elif was != now:
                word = _WORDS.get(name, name.replace("_", " "))
                shown = f"{self._shown(name, was, self._before)} → {self._shown(name, now, self._after)}"
                yield Change(_sentence(whose, f"{word} {shown}"), json_pointer(*inner.after), was, now)

    def _items(
        self, whose: tuple[str, ...], kind: str, place: _Place, before: list[Any], after: list[Any]
    ) -> Iterator[Change]:
        was, now = _by_key(kind, before), _by_key(kind, after)
        for key, (index, item) in was.items():
            if key not in now:
                sentence = _sentence(whose, f"{self._called(kind, item)} removed")
                yield Change(sentence, json_pointer(*place.before, index), item, None)
        for key, (index, item) in now.items():
            if key not in was:
                sentence = _sentence(whose, f"{self._called(kind, item)} added")
                yield Change(sentence, json_pointer(*place.after, index), None, item)
            elif isinstance(item, dict):
                old_index, old = was[key]
                inner = place.inner(old_index, index)
                yield from self._members((*whose, self._called(kind, old)), inner, old, item)
        orders = [[key for key in one if key in was and key in now] for one in (was, now)]
        if orders[0] != orders[1]:
            yield Change(_sentence(whose, f"{kind} in another order"), json_pointer(*place.after), before, after)

    def _called(self, kind: str, item: Any) -> str:
        match kind:
            case "accounts":
                return f"account {item['name']}"
            case "slices":
                return f"slice of {self._name(item['team_id'])}"
            case "adjustments":
                return f"adjustment of {self._name(item['account_id'])} from {item['period_start']} ({item['reason']})"
            case _:
                return f"team {self._name(item)}"

    def _name(self, id_: str) -> str:
        return self._names.get(id_, id_)

    def _shown(self, name: str, value: Any, terms: dict[str, Any]) -> str:
        if value in (None, ""):
            return "none"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if name.endswith("_minor"):
            return format_money(value, terms["currency"])
        return shorten(self._name(value) if name == "organization_id" else str(value), _LONGEST, placeholder="…")


def _by_key(kind: str, items: list[Any]) -> dict[object, tuple[int, Any]]:
    """Items with their places, by what makes them the same before and after; equal ones are told apart by number."""
    found: dict[object, tuple[int, Any]] = {}
    for index, item in enumerate(items):
        match kind:
            case "accounts":
                key: object = item["id"]
            case "slices":
                key = item["team_id"]
            case "adjustments":
                key = (item["account_id"], item["period_start"], item["reason"])
            case _:
                key = item
        number = 0
        while (key, number) in found:
            number += 1
        found[key, number] = (index, item)
    return found


def _sentence(whose: tuple[str, ...], what: str) -> str:
    text = f"{', '.join(whose)}: {what}" if whose else what
    return text[0].upper() + text[1:]
