"""The rules for a contract body (SPEC 1, 9): one row for each rule."""
# ruff: noqa: E501 - a table is read along its rows

from typing import get_args

import pytest
from contract_builders import (
    ACME,
    BACK_OFFICE,
    SUPPORT,
    account,
    body,
    contract_input,
    decision_context,
    find_violations,
    parse_contract,
    slice_,
    uid,
)
from pydantic import ValidationError

from tidemark_contracts.contract.draft import ContractInput
from tidemark_contracts.contract.rules import contract_violations, referenced_ids
from tidemark_shared.domain.violations import VIOLATION_CODES, ViolationCode
from tidemark_shared.http.problems import Violation

HELP_DESK = str(uid("help desk"))
FIXED = {"type": "fixed_price", "contracted_hours": None, "contracted_value_minor": 10_00, "currency": "EUR"}


def adjusted(*rest, **changes):
    """A contract with one account, Help desk with 40 h, and adjustments."""
    first = {"account_id": HELP_DESK, "period_start": "2026-03-01", "hours": "20", "reason": "mail of 4 March"}
    return {
        "accounts": [account(id=HELP_DESK)],
        "adjustments": [first | changes, *(first | changes_ for changes_ in rest)],
    }


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
    ("241 periods",                     {"end_date": "2046-01-01"},                                 "C4.dates",          "/end_date"),
    ("three decimals",                  {"contracted_hours": "40.125"},                             "C5.precision",      "/contracted_hours"),
    ("three decimals in a slice",       {"accounts": [account(slices=[slice_(hours="0.001")])]},    "C5.precision",      "/accounts/0/slices/0/planned_hours"),
    ("a misspelt member",               {"rollover": {"cap_hour": "1"}},                            "unknown_field",     "/rollover/cap_hour"),
    ("a misspelt member of a slice",    {"accounts": [account(slices=[slice_(SUPPORT, "1") | {"team": 1}])]}, "unknown_field", "/accounts/0/slices/0/team"),
    ("the zone of the machine",         {"timezone": "localtime"},                                  "invalid",           "/timezone"),
    ("the zone of no place",            {"timezone": "Factory"},                                    "invalid",           "/timezone"),
    ("a code that is a path",           {"code": ".."},                                             "invalid",           "/code"),
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
    ("a currency that has no money",    {"currency": "XXX"},                                        "invalid",           "/currency"),
    ("a calendar that is none",         {"holidays": "DE-XX"},                                      "invalid",           "/holidays"),
    ("a value in hours",                {"contracted_value_minor": 1},                              "invalid",           "/contracted_value_minor"),
    ("a value in an account",           {"accounts": [account(planned_value_minor=0)]},             "invalid",           "/accounts/0/planned_value_minor"),
    ("a value in a slice",              {"accounts": [account(slices=[slice_(planned_value_minor=1)])]}, "C3.planned_not_allowed", "/accounts/0/slices/0/planned_value_minor"),
    ("hours in a fixed price",          FIXED | {"contracted_hours": "1"},                          "invalid",           "/contracted_hours"),
    ("hours in its account",            FIXED | {"accounts": [account(hours="1")]},                 "invalid",           "/accounts/0/planned_hours"),
    ("a value in its slice",            FIXED | {"accounts": [account(hours=None, slices=[slice_(planned_value_minor=1)])]}, "C3.planned_not_allowed", "/accounts/0/slices/0/planned_value_minor"),
    ("a fraction of a cent",            FIXED | {"contracted_value_minor": 1000.5},                 "invalid",           "/contracted_value_minor"),
    ("money as a string",               FIXED | {"contracted_value_minor": "1000"},                 "invalid",           "/contracted_value_minor"),
    ("a cap without carrying",          {"rollover": {"cap_hours": "5"}},                           "invalid",           "/rollover/cap_hours"),
    ("a lapse without carrying",        {"rollover": {"lapse_after_periods": 2}},                   "invalid",           "/rollover/lapse_after_periods"),
    ("a lapse at once",                 {"rollover": {"unused": "carry", "lapse_after_periods": 0}}, "invalid",          "/rollover/lapse_after_periods"),
    ("a cap below zero",                {"rollover": {"unused": "carry", "cap_hours": "-1"}},       "invalid",           "/rollover/cap_hours"),
    ("a cap of money on hours",         {"rollover": {"unused": "carry", "cap_value_minor": 1}},    "invalid",           "/rollover/cap_value_minor"),
    ("a cap of hours on money",         FIXED | {"rollover": {"unused": "carry", "cap_hours": "1"}}, "invalid",          "/rollover/cap_hours"),
    ("carrying without months",         {"recurrence": "none", "rollover": {"unused": "carry"}},    "invalid",           "/rollover/unused"),
    ("deducting without months",        {"recurrence": None, "rollover": {"overrun": "deduct"}},    "invalid",           "/rollover/overrun"),
    ("an adjustment of nobody's",       adjusted(account_id=str(uid("x"))),                         "unknown_reference", "/adjustments/0/account_id"),
    ("an adjustment between periods",   adjusted(period_start="2026-03-02"),                        "unknown_reference", "/adjustments/0/period_start"),
    ("an adjustment after the end",     adjusted(period_start="2027-01-01"),                        "unknown_reference", "/adjustments/0/period_start"),
    ("an adjustment before the start",  adjusted(period_start="2025-12-01"),                        "unknown_reference", "/adjustments/0/period_start"),
    ("one within the only period",      adjusted(period_start="2026-02-01") | {"recurrence": "none"}, "unknown_reference", "/adjustments/0/period_start"),
    ("an adjustment by nothing",        adjusted(hours=None),                                       "invalid",           "/adjustments/0/hours"),
    ("an adjustment by money",          adjusted(value_minor=1),                                    "invalid",           "/adjustments/0/value_minor"),
    ("a fixed price's by hours",        FIXED | adjusted(),                                         "invalid",           "/adjustments/0/hours"),
    ("a fixed price's by nothing",      FIXED | adjusted(hours=None),                               "invalid",           "/adjustments/0/value_minor"),
    ("an adjustment without a reason",  adjusted(reason=""),                                        "invalid",           "/adjustments/0/reason"),
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
    ("more taken away than planned",    adjusted(hours="-40.01"),                                   "C2.adjustment",     "/adjustments/0/hours"),
    ("slices of what plans nothing",    {"accounts": [account(), account("I", None, billable=False, slices=TWO_SLICES)]}, "C3.sum", "/accounts/1/slices"),
]  # fmt: skip

SOUND = [
    ("the plainest", {}),
    ("six accounts of four slices", {"accounts": [account("A", "40", teams=[str(SUPPORT)]), *(account(n, None) for n in "BCDEF")]}),
    ("slices that add up", {"accounts": [account(slices=TWO_SLICES)]}),
    ("what is not billable beside", {"accounts": [account(), account("Internal", "1000", billable=False)]}),
    ("one day", {"end_date": "2026-01-01", "recurrence": None}),
    ("240 periods", {"end_date": "2045-12-31"}),
    ("many months in one period", {"end_date": "2100-12-31", "recurrence": None}),
    ("two decimals", {"contracted_hours": "0.01", "accounts": [account(hours="0.01")]}),
    ("carrying with limits", {"rollover": {"unused": "carry", "cap_hours": "0", "lapse_after_periods": 1, "overrun": "deduct"}}),
    ("fixed price", FIXED | {"accounts": [account(hours=None, planned_value_minor=10_00, slices=[slice_()])]}),
    ("fixed price that carries", FIXED | {"accounts": [account(hours=None, planned_value_minor=10_00)], "rollover": {"unused": "carry", "cap_value_minor": 5}}),
    ("adjustments", adjusted({"period_start": "2026-12-01", "hours": "-40"})),
    ("an adjustment of the only period", adjusted(period_start="2026-01-01") | {"recurrence": "none"}),
    ("a currency that says nothing", {"currency": "EUR"}),
    ("rollover as it is without one", {"rollover": {"unused": None, "overrun": "absorb"}}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code", "path"), [row[1:] for row in DRAFTING], ids=[row[0] for row in DRAFTING])
def test_invalid_draft_has_a_violation(changes, code, path):
    assert (code, path) in find_violations(changes, complete=False)


@pytest.mark.parametrize(("changes", "code", "path"), [row[1:] for row in COMPLETE], ids=[row[0] for row in COMPLETE])
def test_incomplete_draft_cannot_be_activated(changes, code, path):
    assert find_violations(changes, complete=False) == []
    assert find_violations(changes, complete=True) == [(code, path)]


@pytest.mark.parametrize("changes", [row[1] for row in SOUND], ids=[row[0] for row in SOUND])
def test_valid_contract_has_no_violations(changes):
    assert find_violations(changes, complete=True) == []


def test_taken_code_is_a_duplicate():
    violations = contract_violations(
        contract_input(), decision_context(organizations=frozenset({ACME}), code_taken=True), complete=False
    )
    assert [(violation.code, violation.path) for violation in violations] == [("duplicate", "/code")]


@pytest.mark.parametrize(
    ("changes", "expected"),
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
def test_fixed_price_sums_are_checked_in_money(changes, expected):
    assert find_violations(FIXED | changes, complete=True) == expected


ADJUSTED = [
    ("to zero", [{"hours": "-40"}], []),
    ("together below zero", [{"hours": "-30"}, {"hours": "-10.01"}], ["/adjustments/1/hours"]),
    ("the last that takes away is reported", [{"hours": "-50"}, {"hours": "9"}], ["/adjustments/0/hours"]),
    ("what is added first may be taken away", [{"hours": "10"}, {"hours": "-50"}], []),
    ("what is added later too", [{"hours": "-50"}, {"hours": "10"}], []),
    ("each period for itself", [{"hours": "-30"}, {"hours": "-30", "period_start": "2026-04-01"}], []),
    (
        "each period is reported",
        [{"hours": "-41"}, {"hours": "-41", "period_start": "2026-04-01"}],
        ["/adjustments/0/hours", "/adjustments/1/hours"],
    ),
]


@pytest.mark.parametrize(("adjustments", "expected"), [row[1:] for row in ADJUSTED], ids=[row[0] for row in ADJUSTED])
def test_adjustments_of_one_account_and_period_are_summed(adjustments, expected):
    first, *rest = adjustments
    changes = adjusted(*rest, **first)
    assert find_violations(changes, complete=True) == [("C2.adjustment", path) for path in expected]
    assert find_violations(changes, complete=False) == []


def test_positive_adjustment_of_a_negative_plan_is_not_a_violation():
    changes = adjusted(hours="1") | {"accounts": [account(id=HELP_DESK, hours="-5")]}
    assert ("invalid", "/accounts/0/planned_hours") in find_violations(changes, complete=True)
    assert "C2.adjustment" not in [code for code, _ in find_violations(changes, complete=True)]


def test_fixed_price_adjustment_message_shows_the_currency():
    changes = FIXED | adjusted(hours=None, value_minor=-10_01)
    changes["accounts"] = [account(id=HELP_DESK, hours=None, planned_value_minor=10_00)]
    (violation,) = contract_violations(parse_contract(body(**changes)), decision_context(), complete=True)
    assert (violation.code, violation.path) == ("C2.adjustment", "/adjustments/0/value_minor")
    assert violation.message == (
        "With its adjustments, Help desk plans -0.01 EUR in the period from 2026-03-01. Deduct at most 10.00 EUR."
    )


@pytest.mark.parametrize(
    ("changes", "silent"),
    [
        ({"accounts": ["x"]}, "/adjustments/0/account_id"),
        ({"accounts": "x"}, "/adjustments/0/account_id"),
        ({"accounts": [account(id="x")]}, "/adjustments/0/account_id"),
        ({"end_date": None}, "/adjustments/0/period_start"),
        ({"end_date": "2025-01-01"}, "/adjustments/0/period_start"),
        ({"start_date": "soon"}, "/adjustments/0/period_start"),
        ({"recurrence": "weekly"}, "/adjustments/0/period_start"),
        ({"type": "barter"}, "/adjustments/0/hours"),
        ({"recurrence": "weekly", "rollover": {"unused": "carry"}}, "/rollover/unused"),
        ({"rollover": {"unused": "hoard", "cap_hours": "5"}}, "/rollover/cap_hours"),
    ],
)
def test_rules_that_need_a_value_with_a_type_error_are_skipped(changes, silent):
    violations = find_violations(adjusted() | changes, complete=True)
    assert violations
    assert silent not in [path for _, path in violations]


def test_all_violations_are_reported_at_once():
    changes = adjusted({"account_id": str(uid("x"))}, hours="-41") | {
        "contracted_hours": "39", "contracted_value_minor": 1, "rollover": {"cap_value_minor": 1},
        "organization_id": str(uid("nobody")),
    }  # fmt: skip
    changes["accounts"][0]["slices"] = [slice_(hours="1"), slice_()]
    assert sorted(find_violations(changes, complete=True)) == [
        ("C2.adjustment", "/adjustments/0/hours"),
        ("C2.sum", "/accounts"),
        ("C3.sum", "/accounts/0/slices"),
        ("C4.team_twice", "/accounts/0/slices/1/team_id"),
        ("invalid", "/contracted_value_minor"),
        ("invalid", "/rollover/cap_value_minor"),
        ("invalid", "/rollover/cap_value_minor"),
        ("unknown_reference", "/adjustments/1/account_id"),
        ("unknown_reference", "/organization_id"),
    ]


def test_each_violation_code_has_an_example_that_occurs():
    examples = {
        (violation.code, violation.message)
        for _, changes, *_ in (*DRAFTING, *COMPLETE, ("", adjusted(hours="-41")))
        for violation in contract_violations(parse_contract(body(**changes)), decision_context(), complete=True)
    }
    examples |= {
        (violation.code, violation.message)
        for violation in contract_violations(
            parse_contract(body(**FIXED, accounts=[account(slices=[slice_(hours="1")])])),
            decision_context(),
            complete=True,
        )
    }
    assert {(code, meaning.example) for code, meaning in VIOLATION_CODES.items()} <= examples
    assert {code for code, _ in examples} == set(VIOLATION_CODES) == set(get_args(ViolationCode))


def test_unknown_violation_code_raises_validation_error():
    with pytest.raises(ValidationError):
        Violation(code="C9.nonsense", path="", message="")


def test_referenced_ids_are_the_organization_and_the_teams():
    terms = contract_input(accounts=[account(teams=[str(BACK_OFFICE)]), account("B", slices=[slice_(SUPPORT)])]).terms
    assert referenced_ids(terms) == {ACME, BACK_OFFICE, SUPPORT}
    assert contract_violations(ContractInput(terms), decision_context(), complete=False) == []
