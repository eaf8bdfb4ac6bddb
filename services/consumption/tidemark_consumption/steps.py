"""In how many steps a batch is folded, so that each change of a closed period has one cause. Pure.

Each version of a fact that changes a closed period leaves one restatement, from what the version before it left
(SPEC 9). So versions that meddle with each other are folded one after the other; all others at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

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
        own |= {("person", fact[name]) for name in ("author_id", "stood_author_id")}
    return own, {_ALL, *(("issue", source, fact[name]) for name in ("issue_id", "stood_issue_id"))}
