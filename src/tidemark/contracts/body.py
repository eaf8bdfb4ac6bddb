"""A file of a person to the body of a contract (SPEC 4). Pure: names are looked up by who calls."""

import json
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tidemark_shared.http.problems import json_pointer

Json = dict[str, Any]
IdOf = Callable[[str, str, str], str]
"""The id of what the API lists under a path (``organizations``, ``teams``) by this name; and where the name stands."""

_NAMED = {"organization_id": "organizations", "team_id": "teams", "teams": "teams"}
_NUMBERS = ("_minor", "_days")


class BodyError(Exception):
    """A text is no body; says where and how to mend it."""


def read_body(text: str) -> Json:
    """A body from JSON or YAML 1.2. Raises :class:`BodyError`.

    What YAML makes more of than the API takes becomes text again: a day is ISO, and whole hours are a decimal string.
    Hours with decimals have to be quoted: unquoted, a float has touched them (SPEC C5).
    """
    found = _plain(_load(text))
    if not isinstance(found, dict):
        raise BodyError("This is no contract: its members, such as `code: ACME-SUP`, are missing.")
    return found


def assigned(body: Json, assignments: Sequence[str]) -> Json:
    """The body with other leaves, each ``name=value``, with ``null`` for none. Raises :class:`BodyError`."""
    changed = dict(body)
    for one in assignments:
        name, equals, value = one.partition("=")
        if not equals or name not in body:
            raise BodyError(f"{one!r} is not NAME=VALUE with the name of a contract's member, such as end_date.")
        if isinstance(body[name], dict | list):
            raise BodyError(f"{name} is more than one value. Give the whole contract in a file.")
        is_number = name.endswith(_NUMBERS) and value.isdecimal()
        changed[name] = None if value == "null" else int(value) if is_number else value
    return changed


def with_ids(body: Any, id_of: IdOf, *, of: str | None = None, path: str = "") -> Any:
    """The body with ids where organizations and teams were named. What is an id already stays."""
    match body:
        case dict():
            return {
                key: with_ids(value, id_of, of=_NAMED.get(key), path=path + json_pointer(key))
                for key, value in body.items()
            }
        case list():
            return [with_ids(value, id_of, of=of, path=path + json_pointer(index)) for index, value in enumerate(body)]
        case str() if of and not _is_id(body):
            return id_of(of, body, path)
    return body


def _load(text: str) -> Any:
    # What is JSON is read as JSON: YAML takes it, but for tabs and surrogate pairs.
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BodyError(f"This is neither YAML nor JSON: {place}{error.problem}.") from None
    except (YAMLError, ValueError) as error:
        raise BodyError(f"This is neither YAML nor JSON: {str(error).splitlines()[0]}.") from None


def _plain(value: Any, path: str = "") -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return str(value) if path.endswith("hours") else value
        case float():
            raise BodyError(f'{path}: {value} without quotes is no exact number. Write it in quotes: "{value}".')
        case date():
            return value.isoformat()
        case list():
            return [_plain(one, path + json_pointer(index)) for index, one in enumerate(value)]
        case dict():
            return {str(key): _plain(one, path + json_pointer(key)) for key, one in value.items()}
    raise BodyError(f"{path}: a {type(value).__name__} is nothing that a contract holds. Write it in quotes.")


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
