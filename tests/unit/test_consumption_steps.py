"""Facts that meddle with each other in a closed period are folded one after the other, all others at once."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark_consumption.steps import side_by_side, steps


def fact(offset: int, kind: str = "recorded", **changes: Any) -> dict[str, Any]:
    return {
        "record_offset": offset, "kind": kind, "source": "/t", "issue_id": "I1", "worklog_id": str(offset),
        "author_id": "ann", "stood_issue_id": None, "stood_author_id": None, "fixed": False, **changes,
    }  # fmt: skip


def begins(*late: dict[str, Any]) -> list[int]:
    """Where each step but the first begins."""
    return [first for first, _ in steps(late)][1:]


def test_where_nothing_is_late_all_is_one_step() -> None:
    assert len(list(steps([]))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (fact(3), fact(5)),
        (fact(3, author_id="bob", fixed=True), fact(5, fixed=True)),
        (fact(3, "linked", issue_id="I2"), fact(5)),
        (fact(3, "linked"), fact(5, "linked", issue_id="I2")),
        (fact(3), fact(5, worklog_id="3", source="/other")),
    ],
    ids=["other worklogs", "fixed price, other persons", "another issue's link", "two issues' links", "other sources"],
)
def test_what_does_not_meddle_goes_together(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert begins(one, other) == []
    assert begins({**other, "record_offset": 3}, {**one, "record_offset": 5}) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (fact(3, worklog_id="w"), fact(5, worklog_id="w")),
        (fact(3), fact(5, "linked")),
        (fact(3, issue_id="I2", stood_issue_id="I1"), fact(5, "linked")),
        (fact(3, "linked"), fact(5, "linked")),
        (fact(3, fixed=True), fact(5, fixed=True)),
        (fact(3, author_id="bob", stood_author_id="ann", fixed=True), fact(5, fixed=True)),
        (fact(3, "linked", fixed=True), fact(5, issue_id="I2")),
    ],
    ids=[
        "versions of one worklog", "work and its link", "work and the link of where it stood", "links of one issue",
        "one person's days", "a person's work that was another's", "a link of a fixed price and anything",
    ],
)  # fmt: skip
def test_what_meddles_goes_one_after_the_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert begins(one, other) == [5]
    assert begins({**other, "record_offset": 3}, {**one, "record_offset": 5}) == [5]


late = st.lists(
    st.builds(
        lambda kind, **members: fact(0, kind, **members),
        st.sampled_from(["recorded", "recorded", "deleted", "linked"]),
        worklog_id=st.sampled_from("abc"), issue_id=st.sampled_from("ij"), author_id=st.sampled_from("pq"),
        stood_issue_id=st.sampled_from(["i", None]), fixed=st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@given(late)
def test_steps_tile_the_offsets(facts: list[dict[str, Any]]) -> None:
    numbered = [{**one, "record_offset": 2 * number} for number, one in enumerate(facts)]
    found = list(steps(numbered))
    assert found[0][0] == 0
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(found))


@given(st.lists(st.frozensets(st.sampled_from("abcd"), max_size=2), max_size=12))
def test_changes_side_by_side_share_no_key_and_those_that_do_keep_their_order(changes: list[frozenset[str]]) -> None:
    numbered = list(enumerate(changes))
    found = side_by_side(numbered, lambda one: one[1])
    assert sorted(one for step in found for one in step) == numbered
    for step in found:
        keys = [key for _, one in step for key in one]
        assert len(keys) == len(set(keys))
    for key in "abcd":
        order = [number for step in found for number, one in step if key in one]
        assert order == sorted(order)
