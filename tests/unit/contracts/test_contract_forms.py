"""Bodies as they come: every broken type is told, and what is whole is still checked."""

import pytest
from given import ACME, account, body, facts, form, read, slice_, uid
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tidemark_contracts.rules import violations


def said(value, *, complete=False):
    return {(one.code, one.path) for one in violations(read(value), facts(), complete=complete)}


def test_types_and_rules_are_told_together():
    broken = body(
        end_date="2025-12-31",
        organization_id=str(uid("nobody")),
        contracted_hours="40.125",
        owner={"name": "Olga", "email": "no address"},
        accounts=[account(f"A{number}", hours=40) for number in range(7)],
    )
    del broken["name"]
    assert said(broken) == {
        ("C4.dates", "/end_date"),
        ("C4.accounts", "/accounts"),
        ("C5.precision", "/contracted_hours"),
        ("unknown_reference", "/organization_id"),
        ("invalid", "/owner/email"),
        ("invalid", "/name"),
        *(("invalid", f"/accounts/{number}/planned_hours") for number in range(7)),
    }


def test_a_stand_in_is_never_complained_of():
    broken = body(
        code=None, organization_id=7, type="barter", start_date="yesterday", end_date=20261231, timezone="Mars/Olympus",
        accounts=["x", account(name=""), account(slices=[slice_("nobody"), 5], teams=["z"], id="q")],
    )  # fmt: skip
    assert said(broken, complete=True) == {
        ("invalid", path)
        for path in (
            "/code", "/organization_id", "/type", "/start_date", "/end_date", "/timezone", "/accounts/0",
            "/accounts/1/name", "/accounts/2/slices/0/team_id", "/accounts/2/slices/1", "/accounts/2/teams/0",
            "/accounts/2/id",
        )
    }  # fmt: skip


def test_sums_wait_for_sound_amounts():
    assert said(body(contracted_hours="40.001"), complete=True) == {("C5.precision", "/contracted_hours")}
    assert said(body(name="", contracted_hours="41"), complete=True) == {("invalid", "/name"), ("C2.sum", "/accounts")}


@pytest.mark.parametrize("value", [None, 1, "text", [], [{}]])
def test_what_is_no_object_is_refused_at_once(value):
    with pytest.raises(ValidationError):
        read(value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_WHOLE = body(
    description="", holidays="DE", contracted_value_minor=None, currency="EUR", settle_days=5,
    rollover={"unused": "expire", "cap_hours": None, "lapse_after_periods": None, "overrun": "absorb"},
    accounts=[account(id=str(uid("a")), teams=[str(ACME)], slices=[slice_(hours="1")])],
    adjustments=[{"account_id": str(uid("a")), "period_start": "2026-03-01", "hours": "20", "reason": "more"}],
)  # fmt: skip


@st.composite
def damaged(draw):
    """The whole body with some of its places, at any depth, overwritten or taken out."""

    def damage(value):
        if draw(st.integers(0, 9)) == 0:
            return draw(_JSON)
        if isinstance(value, dict):
            return {name: damage(one) for name, one in value.items() if draw(st.integers(0, 9))}
        return [damage(one) for one in value] if isinstance(value, list) else value

    return {name: damage(value) for name, value in _WHOLE.items() if draw(st.integers(0, 19))}


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_any_damage_is_told_and_nothing_beneath_it_twice(value):
    filled = read(value)
    found = violations(filled.with_ids(None, lambda: uid("new")), facts(), complete=True)
    told, others = found[: len(filled.broken)], found[len(filled.broken) :]
    assert told == list(filled.broken)
    assert not [one.path for one in others for place in told if f"{one.path}/".startswith(f"{place.path}/")]


def test_accounts_keep_their_ids_by_id_or_by_name():
    before = form(accounts=[account("A", "30"), account("B", "10")]).terms
    a, b = (one.id for one in before.accounts)
    sent = [account("B", "10"), account("Renamed", "20", id=str(a)), account("A", "10")]
    after = read(body(accounts=sent)).with_ids(before, lambda: uid("fresh")).terms
    assert [(one.name, one.id) for one in after.accounts] == [("B", b), ("Renamed", a), ("A", uid("fresh"))]
