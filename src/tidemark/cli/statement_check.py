"""A file with a statement, and what was changed in it. Pure."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tidemark.cli.body_file import InputError, load_json
from tidemark_client import Json
from tidemark_shared.domain.statements import statement_sha256
from tidemark_shared.http.problems import json_pointer

_MISSING = object()


class Change(NamedTuple):
    """A member that differs: a JSON Pointer, the value in the file and ours, as JSON; None where there is none."""

    path: str
    found: str | None
    ours: str | None


def read_statement(text: str) -> Json:
    """The statement in a file: as the API answers it, as the event's data, or as the whole event.

    Raises :class:`InputError` for anything else.
    """
    body = load_json(text)
    for member in ("data", "statement"):
        if isinstance(body, dict) and isinstance(body.get(member), dict):
            body = body[member]
    if not isinstance(body, dict) or not isinstance(_start(body), str) or not isinstance(body.get("contract_id"), str):
        raise InputError(
            "The file has no statement. Take the JSON of `tidemark statement show --json`, of the API, or the data of "
            "the event tidemark.period.closed.v1."
        )
    return body


def _start(statement: Json) -> object:
    figures = statement.get("figures")
    return figures.get("start") if isinstance(figures, dict) else None


def find_changes(statement: Json, ours: Json) -> list[Change]:
    """Every member of a statement that is not as Tidemark froze it; empty where its SHA-256 is that of ours.

    A file without a SHA-256 is as good as one with it.
    """
    if "sha256" not in statement:
        statement = {**statement, "sha256": statement_sha256(statement)}
    if statement["sha256"] == statement_sha256(statement) == ours["sha256"]:
        return []
    return list(_changes(statement, ours))


def _changes(found: object, ours: object, path: str = "") -> Iterator[Change]:
    if isinstance(found, dict) and isinstance(ours, dict):
        for member in sorted({*found, *ours}):
            pointer = path + json_pointer(member)
            yield from _changes(found.get(member, _MISSING), ours.get(member, _MISSING), pointer)
    elif isinstance(found, list) and isinstance(ours, list):
        for index in range(max(len(found), len(ours))):
            left, right = (items[index] if index < len(items) else _MISSING for items in (found, ours))
            yield from _changes(left, right, path + json_pointer(index))
    elif _to_text(found) != _to_text(ours):
        yield Change(path, _to_text(found), _to_text(ours))


def _to_text(value: Any) -> str | None:
    return None if value is _MISSING else json.dumps(value, ensure_ascii=False)
