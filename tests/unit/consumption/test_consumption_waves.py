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


def test_no_backdated_facts_give_one_wave() -> None:
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
def test_facts_of_different_figures_share_a_wave(one: dict[str, Any], other: dict[str, Any]) -> None:
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
def test_facts_of_the_same_figure_are_in_different_waves(one: dict[str, Any], other: dict[str, Any]) -> None:
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
def test_waves_cover_the_log(facts: list[dict[str, Any]]) -> None:
    numbered = [{**fact, "batch": number // 3, "record_offset": 2 * (number % 3)} for number, fact in enumerate(facts)]
    wave_list = list(split_into_waves(numbered))
    assert wave_list[0].first == Position(0, 0)
    assert all(before.end == after.first for before, after in pairwise(wave_list))
    assert all(wave.first < wave.end for wave in wave_list[1:])


@given(st.lists(st.frozensets(st.sampled_from("abcd"), max_size=2), max_size=12))
def test_groups_share_no_key_and_keep_order(changes: list[frozenset[str]]) -> None:
    numbered = list(enumerate(changes))
    groups = independent_groups(numbered, lambda change: change[1])
    assert sorted(change for group in groups for change in group) == numbered
    for group in groups:
        keys = [key for _, change in group for key in change]
        assert len(keys) == len(set(keys))
    for key in "abcd":
        order = [number for group in groups for number, change in group if key in change]
        assert order == sorted(order)
