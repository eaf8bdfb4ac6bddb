"""MAP.toml: templates, patterns, and errors that say what is wrong, where, and how to correct it."""

from pathlib import Path

import pytest

from tidemark.importing.mapping import MappingError, load_mapping, parse_mapping
from tidemark.importing.templates import build_matcher, compile_template, template_columns

CESAW = Path(__file__).parents[3] / "examples" / "cesaw.toml"


def test_example_mapping_is_valid() -> None:
    mapping = load_mapping(CESAW)
    assert len(mapping.account) <= 6
    assert mapping.account[-1].match == ("*",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'unit = "minutes"',
            'unit = "days"',
            "worklog/unit: Input should be 'seconds', 'minutes', 'hours', 'milliseconds' or 'clock'",
        ),
        ('id = "{plan_item_key}"', "", "issue/id: Field required"),
        ('id = "{plan_item_key}"', 'id = "{plan_item_key"', "issue/id: Write a column in braces"),
        ('id = "{plan_item_key}"', 'id = "{}"', "issue/id: Write a column in braces"),
        ('timezone = "UTC"', 'timezone = "Mars"', "timezone: 'Mars' is not an IANA time zone"),
        ('planned_hours = "1000"', "planned_hours = 1000.5", "contract/planned_hours: Hours are a decimal string"),
        ('planned_hours = "1000"', 'planned_hours = "0"', "contract/planned_hours: Input should be greater than 0"),
        ('match = ["*"]', 'match = ["other"]', "The last [[account]] must match all other rows"),
        ('name = "Design"', 'name = "Code"', "Two [[account]] have the same name"),
        ("share = 20", "shares = 20", "account/0/shares: Unknown field 'shares'. Did you mean 'share'?"),
        ("owner = {", "owner = { nam = 'x',", "contract/owner/nam: Unknown field 'nam'. Did you mean 'name'?"),
        ("[worklog]", "[worklogs]", "worklogs: Unknown field 'worklogs'. Did you mean 'worklog'?"),
        ("[worklog]", "[worklog", "The mapping is not TOML"),
        ('date_formats = ["%m/%d/%Y %H:%M"]', 'date_formats = ["TODO"]', "date_formats: Replace TODO with the format"),
    ],
)
def test_invalid_mapping_raises_the_error_with_its_location(old: str, new: str, message: str) -> None:
    with pytest.raises(MappingError) as error:
        parse_mapping(CESAW.read_text().replace(old, new, 1))
    assert message in str(error.value)


def test_missing_mapping_raises_mapping_error(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="cannot be read"):
        load_mapping(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("template", "fields", "text"),
    [
        ("{a}", ["x", "y"], "x"),
        ("{a}", [" x ", "y"], " x "),
        ("P-{a}", [" x ", "y"], "P-x"),
        ("{a}/{b}!", ["x", "y"], "x/y!"),
        ("{a}/{b}", ["x", "NULL"], ""),
        ("{a}", ["NULL", "y"], ""),
        ("constant", ["x", "y"], "constant"),
        ("{{a}}", ["x", "y"], "{a}"),
        ("", ["x", "y"], ""),
        (None, ["x", "y"], ""),
    ],
)
def test_template_is_filled_from_a_row(template: str | None, fields: list[str], text: str) -> None:
    assert compile_template(template, ["a", "b"], ["", "NULL"])(fields) == text


def test_template_columns_are_listed() -> None:
    assert template_columns("{a}-{b}", None, "", "{c}") == {"a", "b", "c"}


def test_first_matching_pattern_is_used_and_case_is_ignored() -> None:
    choose = build_matcher([("Test", ["*test*", "it"]), ("Design", ["*design*"]), ("Seven", ["[7]*"])])
    assert [choose(text) for text in ("Auto-Test Design", " IT ", "HL DESIGN", "70", "other", "")] == [
        "Test",
        "Test",
        "Design",
        "Seven",
        None,
        None,
    ]


PHASES = {
    "Test": [
        "Test",
        "Int Test Plan",
        "IT",
        "Accept Test",
        "Auto-Test Case Inspect",
        "Unit Test Devel",
        "Test Planning",
    ],
    "Requirements": ["Reqts", "Reqts Inspect", "Ident"],
    "Design": ["Design", "HLD Inspect", "Design Review"],
    "Code": ["Code", "Code Inspect", "Compile"],
    "Management": ["Planning", "Strategy", "Postmortem", "Product Life"],
    "Other work": ["Misc", "Work", "Documentation", "DOC-Draft", "", "a phase that nobody has seen"],
}


def test_phases_of_the_data_set_match_their_accounts() -> None:
    choose = build_matcher([(account.name, account.match) for account in load_mapping(CESAW).account])
    assert {name: [phase for phase in phases if choose(phase) != name] for name, phases in PHASES.items()} == {
        name: [] for name in PHASES
    }
