"""A file becomes the body that the API takes."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidemark.cli.body_file import InputError, parse_body, replace_names, set_members
from tidemark_shared.domain.bodies import Contract

ID = "7d3c9a52-9d2b-4d9e-8f0e-0a6f3c1d2b4a"


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("contracted_hours: 40", {"contracted_hours": "40"}),
        ('contracted_hours: "37.50"', {"contracted_hours": "37.50"}),
        ("rollover: {cap_hours: 8}", {"rollover": {"cap_hours": "8"}}),
        ("accounts: [{slices: [{planned_hours: 7}]}]", {"accounts": [{"slices": [{"planned_hours": "7"}]}]}),
        ("contracted_value_minor: 120000", {"contracted_value_minor": 120_000}),
        ("settle_days: 5", {"settle_days": 5}),
        ("trigger: {kind: expires_in_days, at: [30, 7]}", {"trigger": {"kind": "expires_in_days", "at": ["30", "7"]}}),
        ("start_date: 2026-01-01", {"start_date": "2026-01-01"}),
        ("description:", {"description": None}),
        # YAML 1.1 would read these as other types.
        ("code: no", {"code": "no"}),
        ("holidays: NO", {"holidays": "NO"}),
        ("billable: false", {"billable": False}),
        ("name: 12:30", {"name": "12:30"}),
        (
            '{"contracted_hours": 40,\t"name": "\\ud83d\\ude00"}',
            {"contracted_hours": "40", "name": "\N{GRINNING FACE}"},
        ),
    ],
)
def test_values_are_parsed_as_the_api_takes_them(text: str, body: dict[str, Any]) -> None:
    assert parse_body(text) == body


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "contracted_hours: 37.5",
            '/contracted_hours: 37.5 without quotes is not an exact number. Write it in quotes: "37.5"',
        ),
        ('{"accounts": [{"planned_hours": 37.5}]}', "/accounts/0/planned_hours: 37.5 without quotes"),
        ("settle_days: .inf", "/settle_days: inf without quotes"),
        ("code: [", "neither YAML nor JSON: line"),
        ("a: 1\na: 2", "neither YAML nor JSON: line 2"),
        ("code: !!python/object:os.system x", "neither YAML nor JSON"),
        ("code: !!binary aGk=", "/code: a value of the type bytes is not possible"),
        ("code: \0", "neither YAML nor JSON"),
        ("- code", "The file has no members"),
        ("", "The file has no members"),
        ("ACME-SUP", "The file has no members"),
    ],
    ids=repr,
)
def test_invalid_file_raises_one_line_message(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_body(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_only_names_of_organizations_and_teams_become_ids() -> None:
    body = {
        "name": "Acme", "organization_id": "Acme",
        "accounts": [{"name": "A", "teams": ["Support", ID], "slices": [{"team_id": "Sales"}, {"team_id": ID}]}],
        "adjustments": [{"account_id": "A"}],
    }  # fmt: skip
    before = json.dumps(body)
    assert replace_names(body, lambda *arguments: " ".join(arguments)) == {
        "name": "Acme", "organization_id": "organizations Acme /organization_id",
        "accounts": [{
            "name": "A", "teams": ["teams Support /accounts/0/teams/0", ID],
            "slices": [{"team_id": "teams Sales /accounts/0/slices/0/team_id"}, {"team_id": ID}],
        }],
        "adjustments": [{"account_id": "A"}],
    }  # fmt: skip
    assert json.dumps(body) == before


def test_scope_and_receivers_of_a_rule_are_named() -> None:
    body = {
        "name": "Warn", "scope": {"kind": "contract", "id": "ACME-SUP"},
        "receivers": [{"kind": "team", "id": "Support"}, {"kind": "owner"}, {"kind": "address", "email": "x"}],
    }  # fmt: skip
    named = replace_names(body, lambda list_name, name, path: f"{list_name} {name} {path}")
    assert named["scope"]["id"] == "contracts ACME-SUP /scope/id"
    assert named["receivers"] == [{"kind": "team", "id": "teams Support /receivers/0/id"}, *body["receivers"][1:]]
    organization = {"scope": {"kind": "organization", "id": "Acme"}, "kind": ["no kind"]}
    assert replace_names(organization, lambda *_: ID)["scope"]["id"] == ID


def test_example_file_is_a_valid_contract() -> None:
    text = (Path(__file__).parents[3] / "examples" / "contract.yaml").read_text()
    terms = Contract.model_validate(replace_names(parse_body(text), lambda *_: ID))
    planned = [account.planned_hours for account in terms.accounts if account.billable]
    assert [terms.contracted_hours, *planned] == [40, Decimal("32.5"), Decimal("7.5")]


def test_number_of_any_length_is_left_to_the_api() -> None:
    assert set_members({"settle_days": 5}, [f"settle_days={'9' * 5_000}"]) == {"settle_days": "9" * 5_000}


def test_assignments_set_only_their_members() -> None:
    body = {"name": "A", "end_date": "2026-12-31", "contracted_hours": "40", "settle_days": 5, "holidays": "DE",
            "enabled": True}  # fmt: skip
    assignments = ["name=1: [x] = y", "contracted_hours=37.50", "settle_days=7", "holidays=null", "enabled=false"]
    assert set_members(body, assignments) == {
        "name": "1: [x] = y", "end_date": "2026-12-31", "contracted_hours": "37.50", "settle_days": 7, "holidays": None,
        "enabled": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("end_date", "is not NAME=VALUE"),
        ("end_dat=2026-12-31", "Did you mean 'end_date'"),
        ("owner=Olga", "more than one value"),
    ],
)
def test_invalid_assignment_raises_a_message(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        set_members({"end_date": "2026-12-31", "owner": {}}, [text])


@pytest.mark.parametrize("text", ['{"owner": {"name": "A", "name": "B"}}', "owner: {name: A, name: B}"])
def test_member_that_is_given_twice_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="name"):
        parse_body(text)


def test_syntax_error_names_line_and_column() -> None:
    with pytest.raises(InputError, match="line 2, column 14"):
        parse_body('{"code": "A",\n "name": "B" "C"}')


def test_aliases_are_refused() -> None:
    """Nine lines that would unpack to a billion values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    with pytest.raises(InputError, match=r"^line 2: \*a0 is an alias\. Write the value itself\.$"):
        parse_body("\n".join(lines))


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "[" * 5_000, '{"a":' * 100_000])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="nested too deeply"):
        parse_body(text)
