"""Read a contract's body (SPEC 4) from a file. Pure; the caller looks up names."""

import json
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from tidemark_shared.domain.strict_input import describe_unknown_field, list_repeated_names
from tidemark_shared.http.problems import json_pointer

Json = dict[str, Any]
FindId = Callable[[str, str, str], str]
"""Finds an id by a list of the API (``organizations``, ``teams``), a name, and the path of the name in the body."""

_LIST_BY_MEMBER = {"organization_id": "organizations", "team_id": "teams", "teams": "teams"}
_MAX_DEPTH = 50
_NUMBER_SUFFIXES = ("_minor", "_days")


class ContractFileError(Exception):
    """The file is not a contract's body; the text says where and how to correct it."""


def parse_body(text: str) -> Json:
    """Parse a body from JSON or YAML 1.2. Raises :class:`ContractFileError`.

    Dates become ISO text, and whole hours become decimal strings, as the API takes them. Hours with decimals must be
    quoted: without quotes, YAML makes a float of them, which is not exact (SPEC C5).
    """
    try:
        body = _to_json(_load(text))
    except RecursionError:
        raise ContractFileError("The file is nested too deeply for a contract. Check its brackets.") from None
    if not isinstance(body, dict):
        raise ContractFileError("The file is not a contract. It needs members such as `code: ACME-SUP`.")
    return body


def set_members(body: Json, assignments: Sequence[str]) -> Json:
    """Set single members, each as ``name=value``, with ``null`` for no value. Raises :class:`ContractFileError`."""
    changed = dict(body)
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise ContractFileError(f"{assignment!r} is not NAME=VALUE, such as end_date=2027-12-31.")
        if name not in body:
            raise ContractFileError(describe_unknown_field(name, body))
        if isinstance(body[name], dict | list):
            raise ContractFileError(f"{name} has more than one value. Give the whole contract in a file.")
        is_number = name.endswith(_NUMBER_SUFFIXES) and value.isdecimal()
        changed[name] = None if value == "null" else int(value) if is_number else value
    return changed


def replace_names(body: Any, find_id: FindId, *, list_name: str | None = None, path: str = "") -> Any:
    """Replace the names of organizations and teams with their ids. Ids stay."""
    match body:
        case dict():
            return {
                member: replace_names(
                    value, find_id, list_name=_LIST_BY_MEMBER.get(member), path=path + json_pointer(member)
                )
                for member, value in body.items()
            }
        case list():
            return [
                replace_names(item, find_id, list_name=list_name, path=path + json_pointer(index))
                for index, item in enumerate(body)
            ]
        case str() if list_name and not _is_id(body):
            return find_id(list_name, body, path)
    return body


def _check_structure(text: str) -> None:
    """Refuse aliases, of which a few lines can unpack to gigabytes, and nesting that no contract has."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, AliasEvent):
            line = event.start_mark.line + 1
            raise ContractFileError(f"line {line}: *{event.anchor} is an alias. Write the value itself.")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise RecursionError


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
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ContractFileError(f"The file is neither YAML nor JSON: {place}{error.problem}.") from None
    except (YAMLError, ValueError) as error:
        raise ContractFileError(f"The file is neither YAML nor JSON: {str(error).splitlines()[0]}.") from None


def _to_object(members: list[tuple[str, Any]]) -> Json:
    if repeated := list_repeated_names(members):
        raise ContractFileError(f"The member {repeated[0]!r} is given twice in one object. Keep one of them.")
    return dict(members)


def _to_json(value: Any, path: str = "") -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return str(value) if path.endswith("hours") else value
        case float():
            raise ContractFileError(
                f'{path}: {value} without quotes is not an exact number. Write it in quotes: "{value}".'
            )
        case date():
            return value.isoformat()
        case list():
            return [_to_json(item, path + json_pointer(index)) for index, item in enumerate(value)]
        case dict():
            return {str(member): _to_json(item, path + json_pointer(member)) for member, item in value.items()}
    raise ContractFileError(
        f"{path}: a contract cannot contain a value of the type {type(value).__name__}. Write it in quotes."
    )


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
