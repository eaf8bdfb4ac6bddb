"""Forms as data: body → form → body, items, amounts, and each message at its field."""

from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark_notifier.rules.triggers import Trigger
from tidemark_web.pages import form_definitions as definitions
from tidemark_web.pages.editor_entities import complete_rule
from tidemark_web.pages.form_definitions import TRIGGERS
from tidemark_web.pages.form_messages import attach_messages, describe_difference, describe_sums
from tidemark_web.pages.forms import (
    Context,
    Field,
    Group,
    add_item,
    build_body,
    build_form,
    list_controls,
    list_values,
    remove_item,
)

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
HOURS = st.decimals(0, 10_000, places=2, allow_nan=False, allow_infinity=False).map(str)
MINOR = st.integers(-(10**12), 10**12)
DAY = st.dates(date(1970, 1, 1), date(2100, 12, 31)).map(str)
ID = st.uuids().map(str)
CONTRACT_FORM = (*definitions.CONTRACT, definitions.ADJUSTMENTS)


def optional(values):
    return st.none() | values


@st.composite
def contracts(draw):
    """Any terms that the API may answer: a member of the other type, or without its condition, is null."""
    is_fixed, is_monthly = draw(st.booleans()), draw(st.booleans())
    hours, minor = (st.none(), optional(MINOR)) if is_fixed else (optional(HOURS), st.none())
    unused = draw(st.sampled_from(["expire", "carry"])) if is_monthly else "expire"
    is_carried = unused == "carry"
    slices = st.fixed_dictionaries({"team_id": ID, "planned_hours": hours})
    account = st.fixed_dictionaries({
        "id": ID, "name": TEXT, "billable": st.booleans(), "planned_hours": hours, "planned_value_minor": minor,
        "teams": st.lists(ID, max_size=3), "slices": st.lists(slices, max_size=3),
    })  # fmt: skip
    adjustment = st.fixed_dictionaries(
        {"account_id": ID, "period_start": DAY, "hours": hours, "value_minor": minor, "reason": TEXT}
    )
    return {
        "code": draw(TEXT), "name": draw(TEXT), "description": draw(st.just("") | TEXT),
        "owner": {"name": draw(TEXT), "email": draw(TEXT).strip() or "a"}, "organization_id": draw(ID),
        "type": "fixed_price" if is_fixed else "time_and_materials", "recurrence": "monthly" if is_monthly else "none",
        "start_date": draw(DAY), "end_date": draw(DAY), "timezone": "Europe/Berlin",
        "holidays": draw(optional(st.just("DE-BE"))), "contracted_hours": draw(hours),
        "contracted_value_minor": draw(minor), "currency": draw(optional(st.sampled_from(["EUR", "JPY", "BHD"]))),
        "rollover": {
            "unused": unused, "overrun": draw(st.sampled_from(["absorb", "deduct"])) if is_monthly else "absorb",
            "cap_hours": draw(hours) if is_carried else None, "cap_value_minor": draw(minor) if is_carried else None,
            "lapse_after_periods": draw(optional(st.integers(1, 99))) if is_carried else None,
        },
        "accounts": draw(st.lists(account, max_size=6)), "adjustments": draw(st.lists(adjustment, max_size=3)),
        "settle_days": draw(st.integers(0, 3660)),
    }  # fmt: skip


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def send(form, body, context=Context()):  # noqa: B008 - immutable
    return build_body(form, list_values(build_form(form, body, context)), context)


@given(contracts())
def test_contract_comes_back_as_it_was(contract):
    body, messages = send(CONTRACT_FORM, contract)
    # What rolls over is asked of monthly contracts only; the API fills in the defaults.
    expected = without_nulls(contract)
    if contract["recurrence"] == "none":
        expected.pop("rollover")
    assert (body, messages) == (expected, {})


members = st.fixed_dictionaries(
    {"person_id": TEXT, "name": optional(TEXT), "email": st.none(), "from": DAY, "until": optional(DAY)}
)
contacts = st.fixed_dictionaries(
    {
        "name": TEXT,
        "email": st.just("a@b.example"),
        "roles": st.lists(TEXT.filter(str.strip).map(str.strip), max_size=3),
    }
)


@given(st.fixed_dictionaries({"name": TEXT, "members": st.lists(members, max_size=4)}))
def test_team_comes_back_as_it_was(team):
    assert send(definitions.TEAM, team) == (without_nulls(team), {})


@given(st.fixed_dictionaries(
    {"name": TEXT, "timezone": st.just("UTC"), "locale": st.just("de"), "contacts": st.lists(contacts, max_size=4)}
))  # fmt: skip
def test_organization_comes_back_as_it_was(organization):
    assert send(definitions.ORGANIZATION, organization) == (organization, {})


@given(st.fixed_dictionaries({
    "person_id": TEXT, "team_id": optional(ID), "from": DAY, "currency": st.sampled_from(["EUR", "JPY", "KWD"]),
    "daily_workload_hours": st.just("7.5"),
    "per_hour_minor": st.fixed_dictionaries(dict.fromkeys(("normal", "extra_time", "weekend", "holiday"), MINOR)),
}))  # fmt: skip
def test_rate_card_comes_back_as_it_was(card):
    assert send(definitions.RATE_CARD, card) == (without_nulls(card), {})


@pytest.mark.parametrize(
    "trigger",
    [
        {"kind": "consumed_percent", "of": "account", "over": "whole", "at": ["80", "87.5"]},
        {"kind": "overrun", "of": "slice", "over": "period"},
        {"kind": "expired"},
        {"kind": "status_changed", "to": "CLOSED"},
        {"kind": "forecast_exhausts", "within_days": 14},
        {"kind": "forecast_exhausts", "before_end": True},
    ],
)
def test_rule_comes_back_as_it_was(trigger):
    receivers = [
        {"kind": "owner"}, {"kind": "contacts", "role": "billing"},
        {"kind": "team", "id": "3f0e4b86-6f0c-4f6e-9d0e-3c8e7d0f1a11"}, {"kind": "address", "email": "a@b.example"},
        {"kind": "webhook", "url": "https://hooks.example/x", "format": "standard", "secret": "whsec_********"},
    ]  # fmt: skip
    rule = {
        "name": "80 %", "enabled": False, "scope": {"kind": "contract", "id": "3f0e4b86-6f0c-4f6e-9d0e-3c8e7d0f1a11"},
        "trigger": trigger, "receivers": receivers, "channels": ["email", "webhook"], "remind_every_days": 3,
        "notify_resolved": True, "existing": "skip", "subject": "{percent}",
    }  # fmt: skip
    body, messages = send(definitions.RULE, rule, Context(choices={"statuses": {"CLOSED": "Closed"}}))
    assert (complete_rule(body), messages) == (rule, {})


def test_all_names_of_a_form_differ():
    for form in (CONTRACT_FORM, definitions.ORGANIZATION, definitions.TEAM, definitions.RATE_CARD, definitions.RULE):
        body = {}
        for section in form:
            for part in section.parts:
                if isinstance(part, Group):
                    body = add_item(add_item(body, part.name), part.name)
        names = [control.name for control in list_controls(build_form(form, body))]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("currency", "text", "minor"),
    [
        ("EUR", "1050", 105_000),
        ("EUR", "-10.50", -1050),
        ("JPY", "1050.00", 1050),
        ("KWD", "0.001", 1),
        (None, "1", 100),
    ],
)
def test_amount_is_read_exactly(currency, text, minor):
    values = {"type": "fixed_price", "currency": currency or "", "contracted_value_minor": text}
    body, messages = build_body(definitions.CONTRACT, values)
    assert (body["contracted_value_minor"], messages) == (minor, {})


@pytest.mark.parametrize("text", ["10,50", "1.005", "a", "1e9", "9" * 400, "NaN"])
def test_amount_that_cannot_be_read_stays_as_it_was_typed(text):
    values = {"type": "fixed_price", "currency": "EUR", "contracted_value_minor": text, "settle_days": "1.5"}
    body, messages = build_body(definitions.CONTRACT, values)
    assert messages == {
        "contracted_value_minor": "Enter an amount such as 1500.00.",
        "settle_days": "Enter a whole number.",
    }
    assert list_values(build_form(definitions.CONTRACT, body))["contracted_value_minor"] == text


def test_items_are_added_and_removed_anywhere():
    body = add_item(add_item({"accounts": [{"name": "A"}, {"name": "B"}]}, "accounts/1/slices"), "accounts")
    assert body == {"accounts": [{"name": "A"}, {"name": "B", "slices": [{}]}, {}]}
    body = remove_item(remove_item(body, "accounts/0"), "accounts/0/slices/0")
    assert body == {"accounts": [{"name": "B", "slices": []}, {}]}
    assert remove_item(body, "accounts/9") == body


def test_removed_rows_close_up_and_foreign_names_are_ignored():
    values = {"members/2/person_id": "b", "members/10/person_id": "c", "members/x/person_id": "d", "other": "e"}
    values |= {f"members/{'9' * 5000}/person_id": "f"}
    body, _ = build_body(definitions.TEAM, values)
    assert body == {"members": [{"person_id": "b"}, {"person_id": "c"}]}


def test_reference_is_sent_as_id_and_shown_as_name():
    context = Context(names={"1": "Support"}, ids={("teams", "Support"): "1"})
    form = build_form(definitions.RATE_CARD, {"team_id": "1"}, context)
    assert list_values(form)["team_id"] == "Support"
    assert build_body(definitions.RATE_CARD, list_values(form), context)[0]["team_id"] == "1"


CONTRACT = {
    "type": "time_and_materials", "recurrence": "none", "contracted_hours": "40",
    "accounts": [{"name": "Desk", "planned_hours": "25", "slices": [{"planned_hours": "30"}]},
                 {"name": "Internal", "billable": False, "planned_hours": "9"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name", "title"),
    [
        ("/accounts/0/slices/0/team_id", "accounts/0/slices/0/team_id", "Account 1, slice 1, Team"),
        ("/accounts", "accounts", "Accounts"),
        ("/accounts/0/slices", "accounts/0/slices", "Slices"),
        ("/accounts/1", "accounts/1", "Account 2"),
        ("/accounts/1/id", "accounts/1", "Account 2"),
        ("/contracted_value_minor", "", ""),
        ("/owner", "owner/name", "Owner"),
        ("", "", ""),
    ],
)
def test_violation_is_placed_at_its_field_or_the_nearest(path, name, title):
    sections = build_form(definitions.CONTRACT, CONTRACT)
    [message] = attach_messages(sections, [{"path": path, "message": "No."}], {})
    assert message == (name, title, "No.")


def test_messages_are_in_the_order_of_the_page_and_ours_replace_those_of_the_api():
    violations = [{"path": f"/{name}", "message": "api"} for name in ("accounts", "end_date", "", "code")]
    messages = attach_messages(build_form(definitions.CONTRACT, CONTRACT), violations, {"end_date": "ours"})
    assert [(message.name, message.text) for message in messages] == [
        ("", "api"), ("code", "api"), ("end_date", "ours"), ("accounts", "api"),
    ]  # fmt: skip


def test_what_is_left_to_distribute():
    assert describe_sums(CONTRACT) == {
        "accounts": "Billable accounts: 25 h of 40 h, 15 h left to distribute.",
        "accounts/0/slices": "Slices: 30 h of 25 h, 5 h too much.",
    }
    fixed = {"type": "fixed_price", "currency": "EUR", "contracted_value_minor": 1050,
             "accounts": [{"planned_value_minor": 1050}, {"planned_value_minor": "nonsense"}]}  # fmt: skip
    assert describe_sums(fixed) == {"accounts": "Billable accounts: 10.50 EUR of 10.50 EUR, all distributed."}
    assert describe_sums({"accounts": [{}]}) == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("name", ("Name", "", "Mine")),
        ("accounts/1/planned_hours", ("Account 2, Planned hours", "9", "")),
        ("accounts/1", ("Account 2", "Internal, 9, No", "")),
        (None, ("", "", "")),
    ],
)
def test_difference_names_the_part_with_both_values(name, expected):
    mine = {**CONTRACT, "name": "Mine", "accounts": CONTRACT["accounts"][:1]}
    versions = [build_form(definitions.CONTRACT, body) for body in (CONTRACT, mine)]
    assert describe_difference(*((version, name) for version in versions)) == expected


def test_fixed_fields_are_read_only_once_it_exists():
    [control] = [
        c for c in list_controls(build_form(definitions.CONTRACT, {}, Context(exists=True))) if c.name == "code"
    ]
    assert control.is_readonly
    assert isinstance(control.field, Field)


def test_editor_of_rules_knows_every_trigger() -> None:
    assert TRIGGERS.keys() == set(get_args(Trigger.model_fields["kind"].annotation))
