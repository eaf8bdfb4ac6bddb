"""In how many waves changes are applied, so that each change of a closed period has one cause. Pure.

Each version of a fact that changes a closed period leaves one restatement, from what the version before it left
(SPEC 9). So versions that affect the same figure are folded one after the other; all others at once.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

Key: TypeAlias = tuple[str | None, ...]
_ALL: Key = ("all",)
_LAST = 2**63 - 1


class Position(NamedTuple):
    """A place in the log: facts are learned in this order."""

    batch: int
    record_offset: int


START = Position(0, 0)


class Wave(NamedTuple):
    """Facts from a position up to, but not including, another."""

    first: Position
    end: Position


def waves(backdated: Iterable[Mapping[str, Any]]) -> Iterator[Wave]:
    """The waves in which facts are folded; together they hold the whole log.

    ``backdated`` are the facts that may change a closed period, in the order learned: rows of ``backdated_facts``.
    """
    facts = list(backdated)
    versions: defaultdict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    for fact in facts:
        versions[_worklog(fact)].append(fact)
    first = START
    exclusive: set[Key] = set()
    shared: set[Key] = set()
    for fact in facts:
        own, common = _keys(fact, versions[_worklog(fact)])
        if own & (exclusive | shared) or common & exclusive:
            position = Position(fact["batch"], fact["record_offset"])
            yield Wave(first, position)
            first = position
            exclusive, shared = set(), set()
        exclusive |= own
        shared |= common
    yield Wave(first, Position(_LAST, _LAST))


def _worklog(fact: Mapping[str, Any]) -> Key:
    return fact["source"], fact["worklog_id"]


def _keys(fact: Mapping[str, Any], versions: Sequence[Mapping[str, Any]]) -> tuple[set[Key], set[Key]]:
    """What no other fact of its wave may touch, and what others may touch too.

    ``versions`` are those of the same worklog: which one holds before a wave is known only once it comes.
    """
    source = fact["source"]
    if fact["kind"] == "linked":
        # With a fixed price the work of an issue is rated beside that of other issues.
        return {("issue", source, fact["issue_id"]), *({_ALL} if fact["fixed"] else ())}, {_ALL}
    own: set[Key] = {("worklog", source, fact["worklog_id"])}
    if fact["fixed"]:
        own |= {("person", version[name]) for version in versions for name in ("author_id", "former_author_id")}
        own -= {("person", None)}
    issues = {version[name] for version in versions for name in ("issue_id", "former_issue_id")}
    return own, {_ALL, *(("issue", source, issue) for issue in issues)}


Change = TypeVar("Change")


def independent_groups(changes: Iterable[Change], keys: Callable[[Change], Collection[Hashable]]) -> list[list[Change]]:
    """Changes that share no key in one group; those that do one after the other, in their order."""
    groups: list[list[Change]] = []
    latest: dict[Hashable, int] = {}
    for change in changes:
        number = 1 + max((latest.get(key, -1) for key in keys(change)), default=-1)
        if number == len(groups):
            groups.append([])
        groups[number].append(change)
        latest |= dict.fromkeys(keys(change), number)
    return groups
