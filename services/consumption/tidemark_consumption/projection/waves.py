"""Splits changes into waves, so that each change of a closed period has one cause. Pure.

Each version of a fact that changes a closed period leaves one restatement, which begins where the version before it
ended (SPEC 9). So versions that affect the same figure are folded one after another; all others at once.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

Key: TypeAlias = tuple[str | None, ...]
_ALL: Key = ("all",)
_LAST = 2**63 - 1


class Position(NamedTuple):
    """A position in the log. Facts are learned in this order."""

    batch: int
    record_offset: int


START = Position(0, 0)


class Wave(NamedTuple):
    """Facts from a position up to, but not including, another."""

    first: Position
    end: Position


def split_into_waves(backdated_facts: Iterable[Mapping[str, Any]]) -> Iterator[Wave]:
    """The waves in which facts are folded; together they cover the whole log.

    ``backdated_facts`` are the facts that may change a closed period, in the order learned.
    """
    facts = list(backdated_facts)
    versions: defaultdict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    for fact in facts:
        versions[_worklog_key(fact)].append(fact)
    first = START
    exclusive: set[Key] = set()
    shared: set[Key] = set()
    for fact in facts:
        fact_exclusive, fact_shared = _keys(fact, versions[_worklog_key(fact)])
        if fact_exclusive & (exclusive | shared) or fact_shared & exclusive:
            position = Position(fact["batch"], fact["record_offset"])
            yield Wave(first, position)
            first = position
            exclusive, shared = set(), set()
        exclusive |= fact_exclusive
        shared |= fact_shared
    yield Wave(first, Position(_LAST, _LAST))


def _worklog_key(fact: Mapping[str, Any]) -> Key:
    return fact["source"], fact["worklog_id"]


def _keys(fact: Mapping[str, Any], versions: Sequence[Mapping[str, Any]]) -> tuple[set[Key], set[Key]]:
    """The keys that no other fact of the wave may have, and those that other facts may share.

    ``versions`` are all versions of the same worklog: only the fold of the waves before decides which one holds.
    """
    source = fact["source"]
    if fact["kind"] == "linked":
        # With a fixed price the work of an issue is rated together with that of other issues.
        return {("issue", source, fact["issue_id"]), *({_ALL} if fact["is_fixed_price"] else ())}, {_ALL}
    exclusive: set[Key] = {("worklog", source, fact["worklog_id"])}
    if fact["is_fixed_price"]:
        exclusive |= {("person", version[name]) for version in versions for name in ("author_id", "former_author_id")}
        exclusive -= {("person", None)}
    issues = {version[name] for version in versions for name in ("issue_id", "former_issue_id")}
    return exclusive, {_ALL, *(("issue", source, issue) for issue in issues)}


Change = TypeVar("Change")


def independent_groups(changes: Iterable[Change], keys: Callable[[Change], Collection[Hashable]]) -> list[list[Change]]:
    """Groups of changes that share no key. Changes that share one are in consecutive groups, in their order."""
    groups: list[list[Change]] = []
    latest: dict[Hashable, int] = {}
    for change in changes:
        number = 1 + max((latest.get(key, -1) for key in keys(change)), default=-1)
        if number == len(groups):
            groups.append([])
        groups[number].append(change)
        latest |= dict.fromkeys(keys(change), number)
    return groups
