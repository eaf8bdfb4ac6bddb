"""Two changes of one body: what only one touched is taken over, and what both touched is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark_web.pages.merging import Conflict, locate, merge, replace

BASE = {
    "name": "Support", "hours": "40",
    "accounts": [{"id": "a", "name": "Desk", "hours": "30"}, {"id": "b", "name": "Changes", "hours": "10"}],
}  # fmt: skip
DESK = ("accounts", "id=a")


def change(path, value):
    return replace(BASE, path, value)


@pytest.mark.parametrize(
    ("stored", "mine", "expected", "taken"),
    [
        (change(("name",), "Theirs"), change(("hours",), "50"), {"name": "Theirs", "hours": "50"}, [("name",)]),
        (change(("name",), "Same"), change(("name",), "Same"), {"name": "Same"}, []),
        (BASE, change(("name",), "Mine"), {"name": "Mine"}, []),
    ],
)
def test_what_one_changed_is_taken_over(stored, mine, expected, taken):
    merged = merge(BASE, stored, mine)
    assert merged.body == {**BASE, **expected}
    assert (list(merged.taken), list(merged.conflicts)) == (taken, [])


def test_items_are_matched_by_what_identifies_them():
    """They removed the second account and renamed the first; I put a new one in front."""
    stored = replace(change(("accounts", "id=b"), None), (*DESK, "name"), "Help desk")
    new = {"name": "New", "hours": "5"}
    merged = merge(BASE, stored, {**BASE, "accounts": [new, *BASE["accounts"]]})
    assert merged.body["accounts"] == [new, {"id": "a", "name": "Help desk", "hours": "30"}]
    assert sorted(merged.taken) == [(*DESK, "name"), ("accounts", "id=b")]
    assert locate(merged.body, (*DESK, "name")) == "accounts/1/name"
    assert locate(merged.body, ("accounts", "id=b")) is None


def test_what_both_changed_is_asked_and_mine_until_then():
    merged = merge(BASE, change((*DESK, "hours"), "20"), change((*DESK, "hours"), "35"))
    assert merged.body == change((*DESK, "hours"), "35")
    [conflict] = merged.conflicts
    assert conflict == Conflict((*DESK, "hours"), "20")
    assert replace(merged.body, *conflict) == change((*DESK, "hours"), "20")


@pytest.mark.parametrize("is_removed_by_me", [True, False])
def test_an_item_that_one_removed_and_the_other_changed_is_asked(is_removed_by_me):
    removed, changed = change(DESK, None), change((*DESK, "hours"), "35")
    mine, stored = (removed, changed) if is_removed_by_me else (changed, removed)
    merged = merge(BASE, stored, mine)
    assert merged.body == mine
    [conflict] = merged.conflicts
    answered = replace(merged.body, *conflict)
    assert sorted(map(str, answered["accounts"])) == sorted(map(str, stored["accounts"]))


BODIES = st.fixed_dictionaries(
    {"name": st.sampled_from("xyz"), "tags": st.lists(st.sampled_from("xyz"), max_size=2)},
    optional={
        "accounts": st.lists(
            st.fixed_dictionaries({"id": st.sampled_from("abc"), "hours": st.sampled_from("123")}),
            max_size=3, unique_by=lambda item: item["id"],
        )
    },
)  # fmt: skip


@given(BODIES, BODIES, BODIES)
def test_nothing_is_lost_silently(base, stored, mine):
    """With the answer "theirs" to each question, every value is one of the two, and what nobody changed stays."""
    merged = merge(base, stored, mine)
    body = merged.body
    for conflict in merged.conflicts:
        body = replace(body, *conflict)
    assert body["name"] == (stored["name"] if stored["name"] != base["name"] else mine["name"])
    assert body["tags"] == (stored["tags"] if stored["tags"] != base["tags"] else mine["tags"])
    versions = [{item["id"]: item for item in version.get("accounts", [])} for version in (base, stored, mine, body)]
    for id_ in "abc":
        was, theirs, own, result = (version.get(id_) for version in versions)
        assert result == (own if theirs == was else theirs)


@given(BODIES, BODIES)
def test_my_change_alone_is_mine(base, mine):
    assert merge(base, base, mine).body == mine
    assert merge(base, mine, mine).body == mine
