"""Draft validation: every type error is reported, and the valid values are still checked."""

import pytest
from contract_builders import ACME, account, body, contract_input, decision_context, parse_contract, slice_, uid
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tidemark_contracts.contract.rules import contract_violations


def find_violations(value, *, complete=False):
    return {
        (violation.code, violation.path)
        for violation in contract_violations(parse_contract(value), decision_context(), complete=complete)
    }


def test_type_errors_and_rule_violations_are_reported_together():
    broken = body(
        end_date="2025-12-31",
        organization_id=str(uid("nobody")),
        contracted_hours="40.125",
        owner={"name": "Olga", "email": "no address"},
        accounts=[account(f"A{number}", hours=40) for number in range(7)],
    )
    del broken["name"]
    assert find_violations(broken) == {
        ("C4.dates", "/end_date"),
        ("C4.accounts", "/accounts"),
        ("C5.precision", "/contracted_hours"),
        ("unknown_reference", "/organization_id"),
        ("invalid", "/owner/email"),
        ("invalid", "/name"),
        *(("invalid", f"/accounts/{number}/planned_hours") for number in range(7)),
    }


def test_placeholders_violate_no_rule():
    broken = body(
        code=None, organization_id=7, type="barter", start_date="yesterday", end_date=20261231, timezone="Mars/Olympus",
        accounts=["x", account(name=""), account(slices=[slice_("nobody"), 5], teams=["z"], id="q")],
    )  # fmt: skip
    assert find_violations(broken, complete=True) == {
        ("invalid", path)
        for path in (
            "/code", "/organization_id", "/type", "/start_date", "/end_date", "/timezone", "/accounts/0",
            "/accounts/1/name", "/accounts/2/slices/0/team_id", "/accounts/2/slices/1", "/accounts/2/teams/0",
            "/accounts/2/id",
        )
    }  # fmt: skip


def test_sums_are_skipped_while_an_amount_has_a_type_error():
    assert find_violations(body(contracted_hours="40.001"), complete=True) == {("C5.precision", "/contracted_hours")}
    assert find_violations(body(name="", contracted_hours="41"), complete=True) == {
        ("invalid", "/name"),
        ("C2.sum", "/accounts"),
    }


@pytest.mark.parametrize("value", [None, 1, "text", [], [{}]])
def test_body_that_is_not_an_object_raises_validation_error(value):
    with pytest.raises(ValidationError):
        parse_contract(value)


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
    """A valid body with some values, at any depth, replaced or removed."""

    def damage(value):
        if draw(st.integers(0, 9)) == 0:
            return draw(_JSON)
        if isinstance(value, dict):
            return {name: damage(member) for name, member in value.items() if draw(st.integers(0, 9))}
        return [damage(item) for item in value] if isinstance(value, list) else value

    return {name: damage(value) for name, value in _WHOLE.items() if draw(st.integers(0, 19))}


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_each_damaged_value_is_reported_once(value):
    filled = parse_contract(value)
    all_violations = contract_violations(
        filled.with_account_ids(None, lambda: uid("new")), decision_context(), complete=True
    )
    type_errors, violations = all_violations[: len(filled.type_errors)], all_violations[len(filled.type_errors) :]
    assert type_errors == list(filled.type_errors)
    assert not [
        violation.path
        for violation in violations
        for error in type_errors
        if f"{violation.path}/".startswith(f"{error.path}/")
    ]


def test_accounts_keep_their_ids_by_id_or_name():
    before = contract_input(accounts=[account("A", "30"), account("B", "10")]).terms
    a, b = (account.id for account in before.accounts)
    sent = [account("B", "10"), account("Renamed", "20", id=str(a)), account("A", "10")]
    after = parse_contract(body(accounts=sent)).with_account_ids(before, lambda: uid("fresh")).terms
    assert [(account.name, account.id) for account in after.accounts] == [("B", b), ("Renamed", a), ("A", uid("fresh"))]
