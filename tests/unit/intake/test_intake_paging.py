"""A list that changes while it is read in pages hides no entry that stays in it."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from tidemark_intake.trackers.paging import Part, read_overlapping


async def read(entries: Sequence[int], page_size: int, leaving: Mapping[int, set[int]]) -> set[int]:
    """What is read of a list. Before its nth page, the entries ``leaving[n]`` leave it."""
    remaining, pages = list(entries), 0

    async def fetch(offset: int) -> Part:
        nonlocal remaining, pages
        remaining = [entry for entry in remaining if entry not in leaving.get(pages, ())]
        pages += 1
        part = remaining[offset : offset + page_size]
        return Part(part, part, has_more=offset + page_size < len(remaining))

    return {entry async for items in read_overlapping(fetch) for entry in items}


@given(
    st.integers(0, 30),
    st.integers(2, 6),
    st.dictionaries(st.integers(1, 8), st.sets(st.integers(0, 29), max_size=4), max_size=4),
)
async def test_every_entry_that_stays_is_read(length: int, page_size: int, leaving: dict[int, set[int]]) -> None:
    entries = range(length)
    stays = set(entries).difference(*leaving.values())
    assert stays <= await read(entries, page_size, leaving)


async def test_entries_that_move_up_are_read_by_a_step_back() -> None:
    assert await read(range(12), 4, {1: {0, 1, 2}}) == set(range(12))
