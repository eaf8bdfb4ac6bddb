"""Refuse requests that would be obeyed in part only: unknown query parameters, and values that are given twice."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from fastapi import Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from tidemark_shared.domain.strict_input import MAX_UNKNOWN_FIELDS, describe_unknown_field, list_repeated_names
from tidemark_shared.http.openapi import Json, operations
from tidemark_shared.http.problems import INVALID_REQUEST, Problem, Violation, json_pointer

_parameters: dict[tuple[Callable[..., Any], str], dict[str, Json]] = {}

UNCHECKED = {"x-unchecked": True}
"""``openapi_extra`` of a route whose query and body come from another product."""


async def refuse_unclear_requests(request: Request) -> None:
    """Check the query parameters against the route's OpenAPI, and the body for repeated members. Raises a 422.

    Not for a route with :data:`UNCHECKED`: a tracker adds what it likes, and is known only once its signature is valid.
    """
    route: APIRoute = request.scope["route"]
    if UNCHECKED.items() <= (getattr(route, "openapi_extra", None) or {}).items():
        return
    violations = [
        *islice(_parameter_violations(request), MAX_UNKNOWN_FIELDS),
        *islice(_repeated_members(await request.body()), MAX_UNKNOWN_FIELDS),
    ]
    if violations:
        raise Problem(422, INVALID_REQUEST, violations[0].message, violations)


def _parameter_violations(request: Request) -> Iterator[Violation]:
    if not request.query_params:
        return
    parameters = _query_parameters(request.scope["route"])
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in parameters:
            message = describe_unknown_field(name, parameters, label="query parameter")
            yield Violation(code="unknown_field", path=json_pointer(name), message=message)
        elif count > 1 and not _is_list(parameters[name]):
            message = f"The query parameter {name!r} is given {count} times. Give it once."
            yield Violation(code="duplicate", path=json_pointer(name), message=message)


def _query_parameters(route: APIRoute) -> dict[str, Json]:
    """The schemas of the route's query parameters, by name."""
    key = (route.endpoint, route.path_format)
    if key not in _parameters:
        # The document of all routes would hold up the first request for a quarter of a second.
        document = get_openapi(title="", version="", routes=[route])
        items = [item for _, operation in operations(document) for item in operation.get("parameters", ())]
        _parameters[key] = {item["name"]: item["schema"] for item in items if item["in"] == "query"}
    return _parameters[key]


def _is_list(schema: Json) -> bool:
    return "array" in {schema.get("type"), *(option.get("type") for option in schema.get("anyOf", ()))}


def _repeated_members(body: bytes) -> Iterator[Violation]:
    repeated: list[str] = []
    # A body that is not JSON is reported when it is validated.
    with suppress(ValueError, RecursionError):
        json.loads(body or b"null", object_pairs_hook=lambda members: repeated.extend(list_repeated_names(members)))
    for name in repeated:
        message = f"The body has the member {name[:64]!r} twice in one object. Send it once."
        yield Violation(code="duplicate", path="", message=message)
