"""Input of people and programs: an unknown field is an error (SPEC 4). Pure.

The same models read events and stored bodies, where unknown members are ignored (SPEC 2). So the validation refuses
them, not the model.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

# A body can have 100,000 unknown members, and the search for a similar name is slow.
MAX_UNKNOWN_FIELDS = 50
_MAX_NAME_LENGTH = 64

Input = TypeVar("Input")

INPUT: Mapping[str, bool] = {"is_input": True}
"""The context of validation for input: some checks are for it alone, because what is stored must stay readable."""


def describe_unknown_field(name: str, known: Iterable[str], *, label: str = "field") -> str:
    """The message for an unknown name; it suggests the most similar known one."""
    if len(name) > _MAX_NAME_LENGTH:
        return f"Unknown {label} {name[:_MAX_NAME_LENGTH]!r}… Leave it out."
    similar = get_close_matches(name.lower(), list(known), n=1)
    return f"Unknown {label} {name!r}. {f'Did you mean {similar[0]!r}?' if similar else 'Leave it out.'}"


def list_repeated_names(members: Sequence[tuple[str, object]]) -> list[str]:
    """The names that occur more than once among the members of a JSON object: all but one value would be dropped."""
    # A body has thousands of objects, and counting takes ten times as long.
    if len(dict(members)) == len(members):
        return []
    return [name for name, count in Counter(name for name, _ in members).items() if count > 1]


class StrictAdapter(Generic[Input]):
    """Validates input, and reports its unknown members at any depth together with all other errors."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self._adapter: TypeAdapter[Input] = TypeAdapter(annotation)

    def validate(self, value: object) -> Input:
        """Validate. Members that an answer adds (``answer_members`` of a model) are ignored."""
        try:
            return self._adapter.validate_python(value, extra="forbid", context=INPUT)
        except ValidationError as error:
            strict_errors = _list_errors(error)
        unknown_fields = list(islice(self._describe(strict_errors), MAX_UNKNOWN_FIELDS))
        try:
            valid = self.validate_known(value)
        except ValidationError as error:
            # Pydantic checks a model as a whole only if its members are valid and known, so these can be more.
            other_errors = _list_errors(error)
        else:
            other_errors = [error for error in strict_errors if error["type"] != "extra_forbidden"]
            if not unknown_fields and not other_errors:
                return valid
        others = [_error_detail(error["type"], error["loc"], error["msg"]) for error in other_errors]
        raise ValidationError.from_exception_data("input", [*unknown_fields, *others])

    def validate_known(self, value: object) -> Input:
        """Validate, and ignore unknown members."""
        return self._adapter.validate_python(value, context=INPUT)

    def _describe(self, errors: Iterable[ErrorDetails]) -> Iterator[InitErrorDetails]:
        for error in errors:
            if error["type"] == "extra_forbidden":
                *parents, name = map(str, error["loc"])
                models = list(_models_at(self._annotation, tuple(parents)))
                if not any(name in getattr(model, "answer_members", ()) for model in models):
                    message = describe_unknown_field(name, {field for model in models for field in _fields(model)})
                    yield _error_detail("unknown_field", error["loc"], message)


def _list_errors(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=False, include_input=False)


# `type_` is Any because pydantic declares a literal string and takes any.
def _error_detail(type_: Any, location: tuple[int | str, ...], message: str) -> InitErrorDetails:
    # A custom error can have the type and message of any other.
    custom_error = PydanticCustomError(type_, "{message}", {"message": message})
    return InitErrorDetails(type=custom_error, loc=location, input=None)


class _Strict:
    """Makes pydantic validate a type with a :class:`StrictAdapter`."""

    def __get_pydantic_core_schema__(self, annotation: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        adapter: StrictAdapter[Any] = StrictAdapter(annotation)
        return core_schema.no_info_wrap_validator_function(
            lambda value, _: adapter.validate(value), handler(annotation)
        )


Strict = Annotated[Input, _Strict()]
"""The body of a request: ``Strict[Rule]`` is a ``Rule`` without unknown members."""


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """The annotation of each field, by its public name."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _models_at(annotation: Any, location: tuple[str, ...]) -> Iterator[type[BaseModel]]:
    """The models of a type that are at a location in its values."""
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, BaseModel):
        if location:
            yield from _models_at(_fields(origin).get(location[0]), location[1:])
        else:
            yield origin
    else:
        is_container = isinstance(origin, type) and issubclass(origin, list | tuple | Mapping)
        for part in get_args(annotation):
            yield from _models_at(part, location[1:] if is_container else location)
