"""The differences between two states of a contract: descriptions and paths."""
# ruff: noqa: E501 - a table is read along its rows

import pytest
from contract_builders import ACME, BACK_OFFICE, SUPPORT, account, contract_input, slice_, uid
from hypothesis import given
from hypothesis import strategies as st

from tidemark_contracts.contract.decider import State
from tidemark_contracts.contract.history import diff

NAMES = {ACME: "Acme", SUPPORT: "Support", BACK_OFFICE: "Back office"}
HELP, TRAVEL = str(uid("help desk")), str(uid("travel"))
MORE = {"account_id": HELP, "period_start": "2026-03-01", "hours": "20", "reason": "mail"}
FIXED = {"type": "fixed_price", "contracted_hours": None, "currency": "EUR"}


def state(status="ACTIVE", **changes):
    changes.setdefault("accounts", [account(id=HELP)])
    return State(1, status, contract_input(**changes).terms)


def describe_changes(before, after):
    return [(change.description, change.path) for change in diff(state(**before), state(**after), NAMES)]


def desk(**changes):
    return {"accounts": [account(id=HELP, **changes)]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({}, {"status": "INACTIVE"}, [("Status ACTIVE → INACTIVE", "")]),
        ({}, {"end_date": "2027-03-31"}, [("End date 2026-12-31 → 2027-03-31", "/end_date")]),
        ({}, desk(hours="60"), [("Account Help desk: planned hours 40 → 60", "/accounts/0/planned_hours")]),
        ({}, desk(name="Desk"), [("Account Help desk: name Help desk → Desk", "/accounts/0/name")]),
        ({}, desk(billable=False), [("Account Help desk: billable yes → no", "/accounts/0/billable")]),
        (
            {},
            {"accounts": [account("Travel", None, id=TRAVEL), account(id=HELP)]},
            [("Account Travel added", "/accounts/0")],
        ),
        (
            {"accounts": [account("Travel", None, id=TRAVEL), account(id=HELP, hours="40")]},
            desk(hours="41"),
            [("Account Travel removed", "/accounts/0"), ("Account Help desk: planned hours 40 → 41", "/accounts/0/planned_hours")],
        ),
        (
            {"accounts": [account(id=HELP), account("Travel", id=TRAVEL)]},
            {"accounts": [account("Travel", id=TRAVEL), account(id=HELP)]},
            [("Accounts reordered", "/accounts")],
        ),
        (
            desk(slices=[slice_(SUPPORT, "40")]),
            desk(slices=[slice_(BACK_OFFICE, "15"), slice_(SUPPORT, "25")]),
            [
                ("Account Help desk: slice of Back office added", "/accounts/0/slices/0"),
                ("Account Help desk, slice of Support: planned hours 40 → 25", "/accounts/0/slices/1/planned_hours"),
            ],
        ),
        (
            desk(teams=[str(SUPPORT)]),
            desk(teams=[str(uid("gone"))]),
            [
                ("Account Help desk: team Support removed", "/accounts/0/teams/0"),
                (f"Account Help desk: team {uid('gone')} added", "/accounts/0/teams/0"),
            ],
        ),
        ({}, {"owner": {"name": "Ann", "email": "olga@provider.example"}}, [("Owner: name Olga → Ann", "/owner/name")]),
        (
            {},
            {"rollover": {"unused": "carry", "cap_hours": "5", "lapse_after_periods": 2}},
            [
                ("Rollover: unused expire → carry", "/rollover/unused"),
                ("Rollover: cap hours none → 5", "/rollover/cap_hours"),
                ("Rollover: periods until it lapses none → 2", "/rollover/lapse_after_periods"),
            ],
        ),
        ({}, {"timezone": "UTC"}, [("Time zone Europe/Berlin → UTC", "/timezone")]),
        ({}, {"organization_id": str(uid("x"))}, [(f"Organization Acme → {uid('x')}", "/organization_id")]),
        (
            FIXED | {"contracted_value_minor": 1000_50},
            FIXED | {"contracted_value_minor": 2000_00, "currency": "JPY"},
            [("Contracted value 1000.50 EUR → 200000 JPY", "/contracted_value_minor"), ("Currency EUR → JPY", "/currency")],
        ),
        ({}, {"adjustments": [MORE]}, [("+20 h for Help desk, March 2026 (mail)", "/adjustments/0")]),
        (
            {"adjustments": [MORE | {"hours": "-4.5", "period_start": "2026-03-06"}]},
            {"adjustments": []},
            [("-4.5 h for Help desk, period from 6 March 2026 (mail) removed", "/adjustments/0")],
        ),
        (
            FIXED | {"contracted_value_minor": 1000_00},
            FIXED | {"contracted_value_minor": 1000_00, "adjustments": [MORE | {"hours": None, "value_minor": 500_50}]},
            [("+500.50 EUR for Help desk, March 2026 (mail)", "/adjustments/0")],
        ),
        (
            {"adjustments": [MORE, MORE]},
            {"adjustments": [MORE, MORE | {"hours": "10"}]},
            [("Adjustment of Help desk, March 2026 (mail): hours 20 → 10", "/adjustments/1/hours")],
        ),
        ({}, {"description": "word " * 100}, [("Description none → " + "word " * 15 + "word…", "/description")]),
    ],
)  # fmt: skip
def test_diff_describes_each_changed_member(before, after, expected):
    assert describe_changes(before, after) == expected


def test_new_contract_has_no_changes():
    assert diff(State(), state(), NAMES) == []


def test_discarded_draft_has_a_status_change():
    assert [change.description for change in diff(state("DRAFT"), State(2, None, state().terms), NAMES)] == [
        "Status DRAFT → discarded"
    ]


hours = st.integers(0, 3).map(str)
accounts = st.lists(
    st.tuples(st.sampled_from("ABC"), hours, st.lists(st.tuples(st.sampled_from([SUPPORT, BACK_OFFICE]), hours), max_size=2, unique_by=lambda drawn: drawn[0])),
    min_size=1, max_size=3, unique_by=lambda drawn: drawn[0],
).map(lambda drawn: [account(n, h, id=str(uid(n)), slices=[slice_(*drawn_slice) for drawn_slice in slices]) for n, h, slices in drawn])  # fmt: skip


@given(accounts, accounts)
def test_each_change_has_the_path_of_its_value(before, after):
    was, now = state(accounts=before), state(accounts=after)
    changes = diff(was, now, NAMES)
    assert bool(changes) == (was.terms != now.terms)
    for change in changes:
        assert change.before != change.after
        terms, value = (was.terms, change.before) if change.after is None else (now.terms, change.after)
        whole = terms.model_dump(mode="json")
        for part in change.path.split("/")[1:]:
            whole = whole[int(part)] if isinstance(whole, list) else whole[part]
        assert whole == value
