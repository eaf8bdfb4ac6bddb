"""In how many steps changes are made, so that each change of a closed period has one cause. Pure.

Each version of a fact that changes a closed period leaves one restatement, from what the version before it left
(SPEC 9). So versions that meddle with each other are folded one after the other; all others at once.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

Key: TypeAlias = tuple[str | None, ...]
_ALL: Key = ("all",)
_EVER = 2**63 - 1


def steps(late: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """The first and the last offset of each step.

    ``late`` are the facts that may change a closed period, in the order learned: rows of the query ``late_facts``.
    """
    first = 0
    alone: set[Key] = set()
    shared: set[Key] = set()
    for fact in late:
        own, others = _keys(fact)
        if own & (alone | shared) or others & alone:
            yield first, fact["record_offset"] - 1
            first = fact["record_offset"]
            alone, shared = set(), set()
        alone |= own
        shared |= others
    yield first, _EVER


def _keys(fact: Mapping[str, Any]) -> tuple[set[Key], set[Key]]:
    """What a fact must have to itself in its step, and what it may share."""
    source = fact["source"]
    if fact["kind"] == "linked":
        # With a fixed price the work of an issue is rated beside that of other issues.
        return {("issue", source, fact["issue_id"]), *({_ALL} if fact["fixed"] else ())}, {_ALL}
    own: set[Key] = {("worklog", source, fact["worklog_id"])}
    if fact["fixed"]:
        own |= {("person", fact[name]) for name in ("author_id", "stood_author_id") if fact[name]}
    return own, {_ALL, *(("issue", source, fact[name]) for name in ("issue_id", "stood_issue_id"))}


Change = TypeVar("Change")


def side_by_side(changes: Iterable[Change], keys: Callable[[Change], Collection[Hashable]]) -> list[list[Change]]:
    """Changes that share no key in one step; those that do one after the other, in their order."""
    found: list[list[Change]] = []
    latest: dict[Hashable, int] = {}
    for change in changes:
        step = 1 + max((latest.get(key, -1) for key in keys(change)), default=-1)
        if step == len(found):
            found.append([])
        found[step].append(change)
        latest |= dict.fromkeys(keys(change), step)
    return found
