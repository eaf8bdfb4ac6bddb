"""Lists that change while they are read in pages by number."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple


class Part(NamedTuple):
    """The entries of a list from an offset on, and whether more follow. ``ids`` identify the entries."""

    items: Sequence[Any]
    ids: Sequence[Any]
    has_more: bool


async def read_overlapping(fetch: Callable[[int], Awaitable[Part]]) -> AsyncIterator[Sequence[Any]]:
    """All entries of a list, some of them twice.

    Each page begins with the last entry of the one before. If it does not, entries left the list meanwhile and the
    others moved up, so that one would be missed: then the reading steps back.
    """
    offset, previous = 0, frozenset[Any]()
    while True:
        part = await fetch(offset)
        if previous and (not part.ids or part.ids[0] not in previous):
            offset = max(offset - max(len(previous) // 2, 1), 0)
            previous = previous if offset else frozenset()
            continue
        yield part.items
        if not part.items or not part.has_more:
            return
        previous, offset = frozenset(part.ids), offset + max(len(part.ids) - 1, 1)
