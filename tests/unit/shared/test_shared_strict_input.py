"""Unknown members of input are errors, at any depth and together with all others."""

from typing import Any, Self

import pytest
from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.bodies import VERSIONED_MEMBERS, Body, Contract, Name, Organization
from tidemark_shared.domain.strict_input import MAX_UNKNOWN_FIELDS, Strict, StrictAdapter, describe_unknown_field


class Part(Body):
    """A body within a body."""

    hours: int
    notes: Name | None = None


class Whole(Body):
    """A body with parts in every kind of container."""

    answer_members = VERSIONED_MEMBERS

    name: Name
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.part is None and not self.parts:
            raise PydanticCustomError("invalid", "Send a part.")
        return self


def errors(value: object, annotation: Any = Whole) -> dict[tuple[int | str, ...], tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Strict[annotation]).validate_python(value)  # type: ignore[misc, name-defined]
    return {error["loc"]: (error["type"], error["msg"]) for error in caught.value.errors()}


def test_unknown_members_are_reported_at_every_depth_with_the_nearest_name() -> None:
    part = {"hours": 1, "hour": 2}
    assert errors({"name": "A", "part": part, "parts": [{"hours": 1}, part], "by_name": {"x": part}, "nam": 1}) == {
        ("part", "hour"): ("unknown_field", "Unknown field 'hour'. Did you mean 'hours'?"),
        ("parts", 1, "hour"): ("unknown_field", "Unknown field 'hour'. Did you mean 'hours'?"),
        ("by_name", "x", "hour"): ("unknown_field", "Unknown field 'hour'. Did you mean 'hours'?"),
        ("nam",): ("unknown_field", "Unknown field 'nam'. Did you mean 'name'?"),
    }


def test_missing_wrong_and_unknown_members_are_reported_together() -> None:
    assert {location: type_ for location, (type_, _) in errors({"part": {"hours": "x", "note": 1}}).items()} == {
        ("name",): "missing",
        ("part", "hours"): "int_parsing",
        ("part", "note"): "unknown_field",
    }


def test_unknown_member_does_not_hide_what_a_model_checks_as_a_whole() -> None:
    found = errors({"name": "A", "prts": []})
    assert found == {
        ("prts",): ("unknown_field", "Unknown field 'prts'. Did you mean 'parts'?"),
        (): ("invalid", "Send a part."),
    }


def test_members_that_an_answer_adds_are_ignored() -> None:
    value = {"name": "A", "part": {"hours": 1}, "id": "b2", "version": 4}
    assert StrictAdapter[Whole](Whole).validate(value) == Whole(name="A", part=Part(hours=1))
    assert list(errors({**value, "part": {"hours": 1, "version": 4}})) == [("part", "version")]


def test_the_models_of_events_ignore_unknown_members() -> None:
    assert Organization.model_validate({"name": "A", "timezone": "UTC", "colour": "red"}).name == "A"


def test_public_name_of_a_member_is_suggested() -> None:
    message = "Unknown field 'organisation_id'. Did you mean 'organization_id'?"
    assert errors({"organisation_id": "x"}, Contract)[("organisation_id",)] == ("unknown_field", message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("colour", "Unknown field 'colour'. Leave it out."),
        ("Status", "Unknown field 'Status'. Did you mean 'status'?"),
        ("\x1b[2J\ud800", "Unknown field '\\x1b[2J\\ud800'. Leave it out."),
        ("x" * 1000, f"Unknown field '{'x' * 64}'… Leave it out."),
    ],
)
def test_message_is_short_and_safe_to_print(name: str, message: str) -> None:
    assert describe_unknown_field(name, ["status"]) == message


def test_number_of_reported_unknown_members_is_bounded() -> None:
    found = errors({"name": "A", "part": {"hours": "x"}, **{f"member_{number}": 1 for number in range(1000)}})
    types = [type_ for type_, _ in found.values()]
    assert (types.count("unknown_field"), types.count("int_parsing")) == (MAX_UNKNOWN_FIELDS, 1)


def test_name_that_is_not_valid_text_is_an_error() -> None:
    assert errors({"name": "A", "part": {"hours": 1}, "\ud800": 1})
