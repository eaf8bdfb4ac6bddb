"""Facts that affect the same figure of a closed period are folded one after the other, all others at once."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark_consumption.projection.waves import Position, independent_groups, split_into_waves


def fact(offset: int, kind: str = "recorded", **changes: Any) -> dict[str, Any]:
    return {
        "batch": 1, "record_offset": offset, "kind": kind, "source": "/t", "issue_id": "I1", "worklog_id": str(offset),
        "author_id": "ann", "former_issue_id": None, "former_author_id": None, "is_fixed_price": False, **changes,
    }  # fmt: skip


def begins(*backdated: dict[str, Any]) -> list[int]:
    """Where each wave but the first begins."""
    return [wave.first.record_offset for wave in split_into_waves(backdated)][1:]


def test_where_nothing_is_backdated_all_is_one_wave() -> None:
    assert len(list(split_into_waves([]))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (fact(3), fact(5)),
        (fact(3, author_id="bob", is_fixed_price=True), fact(5, is_fixed_price=True)),
        (fact(3, "linked", issue_id="I2"), fact(5)),
        (fact(3, "linked"), fact(5, "linked", issue_id="I2")),
        (fact(3), fact(5, worklog_id="3", source="/other")),
    ],
    ids=["other worklogs", "fixed price, other persons", "another issue's link", "two issues' links", "other sources"],
)
def test_what_affects_different_figures_goes_together(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert begins(one, other) == []
    assert begins({**other, "record_offset": 3}, {**one, "record_offset": 5}) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (fact(3, worklog_id="w"), fact(5, worklog_id="w")),
        (fact(3), fact(5, "linked")),
        (fact(3, issue_id="I2", former_issue_id="I1"), fact(5, "linked")),
        (fact(3, "linked"), fact(5, "linked")),
        (fact(3, is_fixed_price=True), fact(5, is_fixed_price=True)),
        (fact(3, author_id="bob", former_author_id="ann", is_fixed_price=True), fact(5, is_fixed_price=True)),
        (fact(3, "linked", is_fixed_price=True), fact(5, issue_id="I2")),
    ],
    ids=[
        "versions of one worklog", "work and its link", "work and the link of where it was", "links of one issue",
        "one person's days", "a person's work that was another's", "a link of a fixed price and anything",
    ],
)  # fmt: skip
def test_what_affects_the_same_figure_goes_one_after_the_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert begins(one, other) == [5]
    assert begins({**other, "record_offset": 3}, {**one, "record_offset": 5}) == [5]


backdated = st.lists(
    st.builds(
        lambda kind, **members: fact(0, kind, **members),
        st.sampled_from(["recorded", "recorded", "deleted", "linked"]),
        worklog_id=st.sampled_from("abc"), issue_id=st.sampled_from("ij"), author_id=st.sampled_from("pq"),
        former_issue_id=st.sampled_from(["i", None]), is_fixed_price=st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@given(backdated)
def test_waves_tile_the_log(facts: list[dict[str, Any]]) -> None:
    numbered = [{**fact, "batch": number // 3, "record_offset": 2 * (number % 3)} for number, fact in enumerate(facts)]
    found = list(split_into_waves(numbered))
    assert found[0].first == Position(0, 0)
    assert all(before.end == after.first for before, after in pairwise(found))
    assert all(wave.first < wave.end for wave in found[1:])


@given(st.lists(st.frozensets(st.sampled_from("abcd"), max_size=2), max_size=12))
def test_changes_of_one_group_share_no_key_and_those_that_do_keep_their_order(changes: list[frozenset[str]]) -> None:
    numbered = list(enumerate(changes))
    found = independent_groups(numbered, lambda one: one[1])
    assert sorted(one for group in found for one in group) == numbered
    for group in found:
        keys = [key for _, one in group for key in one]
        assert len(keys) == len(set(keys))
    for key in "abcd":
        order = [number for group in found for number, one in group if key in one]
        assert order == sorted(order)
