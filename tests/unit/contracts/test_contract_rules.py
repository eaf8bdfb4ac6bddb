"""C1 to C5 and the rest of SPEC 1 and 9 that a body is measured by, one row a rule."""
# ruff: noqa: E501 - a table is read along its rows

from decimal import Decimal

import pytest
from given import ACME, BACK_OFFICE, SUPPORT, account, body, facts, form, read, slice_, uid
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemark_contracts import rules
from tidemark_contracts.forms import Form
from tidemark_shared.bodies import Team

TWO_SLICES = [slice_(SUPPORT, "25"), slice_(BACK_OFFICE, "15")]

DRAFTING = [
    # what is wrong                     the body                                                    code                 path
    ("seven accounts",                  {"accounts": [account(f"A{n}") for n in range(7)]},         "C4.accounts",       "/accounts"),
    ("no account",                      {"accounts": []},                                           "C4.accounts",       "/accounts"),
    ("accounts left out",               {"accounts": None},                                         "C4.accounts",       "/accounts"),
    ("five slices",                     {"accounts": [account(slices=[slice_(SUPPORT, "8")] * 5)]}, "C4.slices",         "/accounts/0/slices"),
    ("a team with two slices",          {"accounts": [account(slices=[TWO_SLICES[0]] * 2)]},        "C4.team_twice",     "/accounts/0/slices/1/team_id"),
    ("a team named twice",              {"accounts": [account(teams=[str(SUPPORT)] * 2)]},          "duplicate",         "/accounts/0/teams"),
    ("end before start",                {"end_date": "2025-12-31"},                                 "C4.dates",          "/end_date"),
    ("no end",                          {"end_date": None},                                         "C4.dates",          "/end_date"),
    ("three decimals",                  {"contracted_hours": "40.125"},                             "C5.precision",      "/contracted_hours"),
    ("three decimals in a slice",       {"accounts": [account(slices=[slice_(hours="0.001")])]},    "C5.precision",      "/accounts/0/slices/0/planned_hours"),
    ("hours as a number",               {"contracted_hours": 40},                                   "invalid",           "/contracted_hours"),
    ("a plan below zero",               {"accounts": [account(hours="-1")]},                        "invalid",           "/accounts/0/planned_hours"),
    ("an unknown organization",         {"organization_id": str(uid("nobody"))},                    "unknown_reference", "/organization_id"),
    ("a team as organization",          {"organization_id": str(SUPPORT)},                          "unknown_reference", "/organization_id"),
    ("an unknown team",                 {"accounts": [account(teams=[str(uid("x"))])]},             "unknown_reference", "/accounts/0/teams/0"),
    ("an unknown team in a slice",      {"accounts": [account(slices=[slice_(uid("x"))])]},         "unknown_reference", "/accounts/0/slices/0/team_id"),
    ("an organization as team",         {"accounts": [account(teams=[str(ACME)])]},                 "unknown_reference", "/accounts/0/teams/0"),
    ("two accounts of one name",        {"accounts": [account(), account()]},                       "duplicate",         "/accounts/1/name"),
    ("two accounts of one id",          {"accounts": [account(n, id=str(uid("a"))) for n in "AB"]}, "duplicate",         "/accounts/1/id"),
    ("a zone that is none",             {"timezone": "CEST"},                                       "invalid",           "/timezone"),
    ("a currency that is none",         {"currency": "euro"},                                       "invalid",           "/currency"),
    ("a limit without carrying",        {"rollover": {"cap_hours": "5"}},                           "invalid",           "/rollover/cap_hours"),
    ("fixed price, for now",            {"type": "fixed_price"},                                    "invalid",           "/type"),
    ("carrying, for now",               {"rollover": {"unused": "carry"}},                          "invalid",           "/rollover/unused"),
    ("deducting, for now",              {"rollover": {"overrun": "deduct"}},                        "invalid",           "/rollover/overrun"),
    ("adjustments, for now",            {"adjustments": [{"account_id": str(uid("a")), "period_start": "2026-01-01", "hours": "1", "reason": "r"}]}, "invalid", "/adjustments"),
]  # fmt: skip

COMPLETE = [
    ("nothing contracted",              {"contracted_hours": None},                                 "C1.amount",         "/contracted_hours"),
    ("zero contracted",                 {"contracted_hours": "0", "accounts": [account(hours="0")]}, "C1.amount",        "/contracted_hours"),
    ("accounts of less",                {"accounts": [account(hours="39.99")]},                     "C2.sum",            "/accounts"),
    ("accounts of more",                {"accounts": [account("A", "40"), account("B", "0.01")]},   "C2.sum",            "/accounts"),
    ("only what is not billable",       {"accounts": [account(billable=False)]},                    "C2.sum",            "/accounts"),
    ("an account without hours",        {"accounts": [account(hours=None)]},                        "C2.sum",            "/accounts"),
    ("slices of less",                  {"accounts": [account(slices=TWO_SLICES[:1])]},             "C3.sum",            "/accounts/0/slices"),
    ("slices without hours",            {"accounts": [account(slices=[slice_()])]},                 "C3.sum",            "/accounts/0/slices"),
    ("slices of what plans nothing",    {"accounts": [account(), account("I", None, billable=False, slices=TWO_SLICES)]}, "C3.sum", "/accounts/1/slices"),
]  # fmt: skip

SOUND = [
    ("the plainest", {}),
    ("six accounts of four slices", {"accounts": [account("A", "40", teams=[str(SUPPORT)]), *(account(n, None) for n in "BCDEF")]}),
    ("slices that add up", {"accounts": [account(slices=TWO_SLICES)]}),
    ("what is not billable beside", {"accounts": [account(), account("Internal", "1000", billable=False)]}),
    ("one day", {"end_date": "2026-01-01", "recurrence": None}),
    ("two decimals", {"contracted_hours": "0.01", "accounts": [account(hours="0.01")]}),
    ("rollover as it is without one", {"rollover": {"unused": None, "overrun": "absorb"}}),
]  # fmt: skip


def found(changes, *, complete):
    return [(one.code, one.path) for one in rules.violations(read(body(**changes)), facts(), complete=complete)]


@pytest.mark.parametrize(("changes", "code", "path"), [row[1:] for row in DRAFTING], ids=[row[0] for row in DRAFTING])
def test_a_draft_is_refused(changes, code, path):
    assert (code, path) in found(changes, complete=False)


@pytest.mark.parametrize(("changes", "code", "path"), [row[1:] for row in COMPLETE], ids=[row[0] for row in COMPLETE])
def test_only_activation_is_refused(changes, code, path):
    assert found(changes, complete=False) == []
    assert found(changes, complete=True) == [(code, path)]


@pytest.mark.parametrize("changes", [row[1] for row in SOUND], ids=[row[0] for row in SOUND])
def test_nothing_is_wrong(changes):
    assert found(changes, complete=True) == []


def test_a_taken_code_is_a_duplicate():
    told = rules.violations(form(), facts(organizations=frozenset({ACME}), code_taken=True), complete=False)
    assert [(one.code, one.path) for one in told] == [("duplicate", "/code")]


FIXED_PRICE = {"type": "fixed_price", "contracted_hours": None, "contracted_value_minor": 10_00, "currency": "EUR"}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"accounts": [account(hours=None, planned_value_minor=10_00, slices=[slice_()])]}, []),
        ({"accounts": [account(hours=None, planned_value_minor=9_99)]}, [("C2.sum", "/accounts")]),
        ({"contracted_value_minor": 0, "accounts": [account(hours=None)]}, [("C1.amount", "/contracted_value_minor")]),
        (
            {"currency": None, "accounts": [account(hours=None, planned_value_minor=10_00)]},
            [("C1.amount", "/currency")],
        ),
        (
            {"accounts": [account(hours=None, planned_value_minor=10_00, slices=[slice_(hours="1")])]},
            [("C3.planned_not_allowed", "/accounts/0/slices/0/planned_hours")],
        ),
    ],
)
def test_fixed_price_has_its_own_sums(changes, wanted):
    assert found(FIXED_PRICE | changes, complete=True) == [("invalid", "/type"), *wanted]


hundredths = st.integers(0, 10**8).map(lambda amount: Decimal(amount) / 100)


@st.composite
def planned(draw):
    """Accounts with and without slices, and what the billable ones add up to."""
    accounts = []
    for number in range(draw(st.integers(1, 6))):
        shares = draw(st.lists(hundredths, max_size=2))
        hours = sum(shares) if shares else draw(hundredths)
        slices = [slice_(team, str(share)) for team, share in zip((SUPPORT, BACK_OFFICE), shares, strict=False)]
        accounts.append(account(f"A{number}", str(hours), billable=draw(st.booleans()), slices=slices))
    total = sum(Decimal(one["planned_hours"]) for one in accounts if one["billable"])
    return accounts, total


@settings(deadline=None)
@given(planned(), st.sampled_from([Decimal("-0.01"), Decimal("0.01")]))
def test_sums_are_exact_to_the_hundredth(plan, nudge):
    accounts, total = plan
    codes = [code for code, _ in found({"accounts": accounts, "contracted_hours": str(total)}, complete=True)]
    assert codes == ([] if total > 0 else ["C1.amount"])
    codes = [code for code, _ in found({"accounts": accounts, "contracted_hours": str(total + nudge)}, complete=True)]
    assert "C2.sum" in codes


@settings(deadline=None)
@given(planned(), st.data())
def test_no_slice_may_be_off_by_a_hundredth(plan, data):
    accounts, total = plan
    sliced = [index for index, one in enumerate(accounts) if one["slices"]]
    if sliced:
        index = data.draw(st.sampled_from(sliced))
        share = accounts[index]["slices"][0]
        share["planned_hours"] = str(Decimal(share["planned_hours"]) + Decimal("0.01"))
        told = found({"accounts": accounts, "contracted_hours": str(total)}, complete=True)
        assert ("C3.sum", f"/accounts/{index}/slices") in told


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ([("ann", "2026-01-01", "2026-01-31"), ("ann", "2026-02-01", None)], []),
        ([("ann", "2026-01-01", None), ("bob", "2026-01-01", None)], []),
        ([("ann", "2026-01-01", "2026-01-31"), ("ann", "2026-01-31", None)], [("duplicate", "/members/1")]),
        ([("ann", "2026-02-01", None), ("ann", "2026-01-01", None)], [("duplicate", "/members/0")]),
        (
            [("ann", "2026-01-01", None), ("ann", "2026-02-01", "2026-02-02"), ("ann", "2026-03-01", None)],
            [("duplicate", "/members/1"), ("duplicate", "/members/2")],
        ),
        ([("ann", "2026-01-02", "2026-01-01")], [("invalid", "/members/0/until")]),
    ],
)
def test_memberships_do_not_overlap(members, wanted):
    team = Team.model_validate(
        {"name": "T", "members": [{"person_id": p, "from": first, "until": last} for p, first, last in members]}
    )
    assert [(one.code, one.path) for one in rules.directory_violations(team)] == wanted


def test_what_the_terms_refer_to():
    terms = form(accounts=[account(teams=[str(BACK_OFFICE)]), account("B", slices=[slice_(SUPPORT)])]).terms
    assert rules.references(terms) == {ACME, BACK_OFFICE, SUPPORT}
    assert rules.violations(Form(terms), facts(), complete=False) == []
