"""Read a body of the API (SPEC 4) from a file: a contract, an organization, a rule. Pure; the caller looks up names."""

import json
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from tidemark_shared.domain.strict_input import describe_unknown_field, list_repeated_names
from tidemark_shared.domain.text import read_count
from tidemark_shared.http.problems import json_pointer

Json = dict[str, Any]
FindId = Callable[[str, str, str], str]
"""Finds an id by a list of the API (``organizations``, ``teams``, ``contracts``), a name, and the name's path."""

_LIST_BY_MEMBER = {"organization_id": "organizations", "team_id": "teams", "teams": "teams"}
# The scope and the receivers of a rule have an id of this kind.
_LIST_BY_KIND = {"organization": "organizations", "contract": "contracts", "team": "teams"}
_MAX_DEPTH = 50
_NUMBER_SUFFIXES = ("_minor", "_days")
_THRESHOLDS = "/trigger/at/"


class InputError(Exception):
    """What a person typed or wrote in a file cannot be used; the text says where and how to correct it."""


def parse_body(text: str) -> Json:
    """Parse a body from JSON or YAML 1.2. Raises :class:`InputError`.

    Dates become ISO text, and whole hours become decimal strings, as the API takes them. Hours with decimals must be
    quoted: without quotes, YAML makes a float of them, which is not exact (SPEC C5). So must thresholds of rules.
    """
    try:
        body = _to_json(_load(text))
    except RecursionError:
        raise InputError("The file is nested too deeply. Check its brackets.") from None
    if not isinstance(body, dict):
        raise InputError("The file has no members. Write one on each line, such as `name: Acme`.")
    return body


def set_members(body: Json, assignments: Sequence[str]) -> Json:
    """Set single members, each as ``name=value``, with ``null`` for no value. Raises :class:`InputError`."""
    changed = dict(body)
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise InputError(f"{assignment!r} is not NAME=VALUE, such as end_date=2027-12-31.")
        if name not in body:
            raise InputError(describe_unknown_field(name, body))
        if isinstance(body[name], dict | list):
            raise InputError(f"{name} has more than one value. Give the whole body in a file.")
        changed[name] = _parse_value(value, body[name], is_number=name.endswith(_NUMBER_SUFFIXES))
    return changed


def _parse_value(text: str, current: Any, *, is_number: bool) -> Any:
    if text == "null":
        return None
    if isinstance(current, bool) and text in {"true", "false"}:
        return text == "true"
    number = read_count(text) if is_number else None
    return text if number is None else number


def replace_names(body: Any, find_id: FindId, *, list_name: str | None = None, path: str = "") -> Any:
    """Replace the names of organizations and teams, and the codes of contracts, with their ids. Ids stay."""
    match body:
        case dict():
            lists = {**_LIST_BY_MEMBER, "id": _LIST_BY_KIND.get(str(body.get("kind")))}
            return {
                member: replace_names(value, find_id, list_name=lists.get(member), path=path + json_pointer(member))
                for member, value in body.items()
            }
        case list():
            return [
                replace_names(item, find_id, list_name=list_name, path=path + json_pointer(index))
                for index, item in enumerate(body)
            ]
        case str() if list_name and not is_id(body):
            return find_id(list_name, body, path)
    return body


def _check_structure(text: str) -> None:
    """Refuse aliases, of which a few lines can unpack to gigabytes, and nesting that no body has."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, AliasEvent):
            line = event.start_mark.line + 1
            raise InputError(f"line {line}: *{event.anchor} is an alias. Write the value itself.")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise RecursionError


def load_json(text: str) -> Any:
    """Parse JSON. Raises :class:`InputError`, also for a member that is given twice."""
    try:
        return json.loads(text, object_pairs_hook=_to_object)
    except RecursionError:
        raise InputError("The file is nested too deeply.") from None
    except ValueError as error:
        raise InputError(f"The file is not JSON: {error}.") from None


def _load(text: str) -> Any:
    # JSON first: YAML rejects its tabs and surrogate pairs.
    try:
        return json.loads(text, object_pairs_hook=_to_object)
    except ValueError:
        pass
    try:
        _check_structure(text)
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        location = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InputError(f"The file is neither YAML nor JSON: {location}{error.problem}.") from None
    except (YAMLError, ValueError) as error:
        raise InputError(f"The file is neither YAML nor JSON: {str(error).splitlines()[0]}.") from None


def _to_object(members: list[tuple[str, Any]]) -> Json:
    if repeated := list_repeated_names(members):
        raise InputError(f"The member {repeated[0]!r} is given twice in one object. Keep one of them.")
    return dict(members)


def _to_json(value: Any, path: str = "") -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return str(value) if path.endswith("hours") or path.startswith(_THRESHOLDS) else value
        case float():
            raise InputError(f'{path}: {value} without quotes is not an exact number. Write it in quotes: "{value}".')
        case date():
            return value.isoformat()
        case list():
            return [_to_json(item, path + json_pointer(index)) for index, item in enumerate(value)]
        case dict():
            return {str(member): _to_json(item, path + json_pointer(member)) for member, item in value.items()}
    raise InputError(f"{path}: a value of the type {type(value).__name__} is not possible. Write it in quotes.")


def is_id(text: str) -> bool:
    """Whether a text is one of Tidemark's ids."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
