"""Holds requests to a tracker to its OpenAPI document, of which ``openapi/`` has the operations that intake uses.

``jira.json`` is cut from Atlassian's document (Apache License 2.0). ``tempo.json`` has the facts of Tempo's. The other
trackers publish none under a licence.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator

_FOLDER = Path(__file__).parent / "openapi"


class RequestError(AssertionError):
    """A request that the tracker's document does not allow."""


def check_request(kind: str, request: httpx.Request) -> None:
    """Raise :class:`RequestError` unless the document of the tracker, if it has one, allows the request."""
    if kind not in ("jira", "tempo"):
        return
    # Tempo's issues are read from Jira.
    document = "jira" if request.url.path.startswith("/rest/") else kind
    problems = [*_find_problems(document, request)]
    if problems:
        raise RequestError(f"{request.method} {request.url}: {'; '.join(problems)}")


def _find_problems(document: str, request: httpx.Request) -> Iterator[str]:
    operation = _find_operation(document, request.method.lower(), request.url.path)
    if operation is None:
        yield "the document has no such operation"
        return
    parameters = {item["name"]: item for item in operation.get("parameters", ()) if item["in"] == "query"}
    for name, text in request.url.params.multi_items():
        if name not in parameters:
            yield f"the query has no parameter {name}"
        else:
            yield from _validate(document, parameters[name]["schema"], _parse(text, parameters[name]["schema"]), name)
    body = operation.get("requestBody")
    if body is None:
        if request.content:
            yield "the operation takes no body"
    elif request.headers.get("content-type") != "application/json":
        yield "the body is not JSON"
    else:
        yield from _validate(
            document, body["content"]["application/json"]["schema"], json.loads(request.content), "body"
        )


def _parse(text: str, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    return [text] if kind == "array" else text


def _validate(document: str, schema: Mapping[str, Any], value: Any, name: str) -> Iterator[str]:
    for error in _validator(document, json.dumps(schema)).iter_errors(value):
        yield f"{name}: {error.message[:200]}"


@cache
def _validator(document: str, schema: str) -> Draft202012Validator:
    components = _load(document).get("components", {})
    return Draft202012Validator({**json.loads(schema), "components": components})


@cache
def _load(document: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_FOLDER / f"{document}.json").read_text())
    return loaded


def _find_operation(document: str, method: str, path: str) -> Any:
    for template, operations in _load(document)["paths"].items():
        if method in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return operations[method]
    return None
