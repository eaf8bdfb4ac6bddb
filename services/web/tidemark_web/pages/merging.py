"""Put two changes of one body together, member by member; what both changed differently is a conflict. Pure.

A path leads through members of objects and keys of items, such as ``("accounts", "id=…", "name")``, so it holds in
every version of a body. Items of a list are matched by what identifies them; any other list is one value.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

Path = tuple[str, ...]

_KEYS = (("id",), ("team_id",), ("account_id", "period_start", "reason"), ("person_id", "from"), ("email",))


class Conflict(NamedTuple):
    """A value that both have changed: what the other change made of it, None where it was removed."""

    path: Path
    stored: Any


class Merge(NamedTuple):
    """My body with what only the other change touched, the paths of that, and what is to be asked."""

    body: Any
    taken: Sequence[Path]
    conflicts: Sequence[Conflict]


def merge(base: Any, stored: Any, mine: Any) -> Merge:
    """Merge the changes that lead from ``base`` to ``stored`` and to ``mine``. Mine stays where both touch a value."""
    merger = _Merger()
    return Merge(merger.value((), base, stored, mine), merger.taken, merger.conflicts)


class _Merger:
    def __init__(self) -> None:
        self.taken: list[Path] = []
        self.conflicts: list[Conflict] = []

    def value(self, path: Path, base: Any, stored: Any, mine: Any) -> Any:
        if stored in (base, mine):
            return mine
        if isinstance(stored, dict) and isinstance(mine, dict):
            return self._members(path, base if isinstance(base, dict) else {}, stored, mine)
        if isinstance(stored, list) or isinstance(mine, list):
            items = [_by_key(value or []) for value in (base, stored, mine)]
            keyed = [item for item in items if item is not None]
            if len(keyed) == len(items):
                return [*self._members(path, *keyed).values()]
        if mine == base:
            self.taken.append(path)
            return stored
        self.conflicts.append(Conflict(path, stored))
        return mine

    def _members(
        self, path: Path, base: dict[str, Any], stored: dict[str, Any], mine: dict[str, Any]
    ) -> dict[str, Any]:
        merged = {
            name: self.value((*path, name), base.get(name), stored.get(name), mine.get(name))
            for name in {**mine, **stored, **base}
        }
        return {name: value for name, value in merged.items() if value is not None}


def locate(body: Any, path: Path) -> str | None:
    """The name of the control at a path; None if the body has no such item."""
    names: list[str] = []
    for key in path:
        if isinstance(body, list):
            index = next((index for index, item in enumerate(body) if _key(item) == key), None)
            if index is None:
                return None
            names.append(str(index))
            body = body[index]
        else:
            names.append(key)
            body = body.get(key) if isinstance(body, dict) else None
    return "/".join(names)


def replace(body: Any, path: Path, value: Any) -> Any:
    """The body with this value at a path; with None it is removed, and an item that is missing is added."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(body, list):
        items = [replace(item, rest, value) if _key(item) == key else item for item in body]
        if not rest and all(_key(item) != key for item in body):
            items.append(value)
        return [item for item in items if item is not None]
    members = {**(body or {}), key: replace((body or {}).get(key), rest, value)}
    return {name: member for name, member in members.items() if member is not None}


def _by_key(value: Any) -> dict[str, Any] | None:
    """The items of a list of objects by their keys; None if it is another value, or has a key twice."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    items = {_key(item): item for item in value}
    return items if len(items) == len(value) else None


def _key(item: Any) -> str:
    if isinstance(item, dict):
        for names in _KEYS:
            if all(item.get(name) for name in names):
                return ",".join(f"{name}={item[name]}" for name in names)
    return json.dumps(item, sort_keys=True)
