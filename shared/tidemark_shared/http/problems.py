"""Problems (RFC 9457): the responses to requests that fail. SPEC 4."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from tidemark_shared.domain.violations import VIOLATION_CODES, ViolationCode

PROBLEM_MEDIA_TYPE = "application/problem+json"
INVALID_REQUEST = "Invalid request"
_HEADERS = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "60"}, 503: {"retry-after": "2"}}


class Violation(BaseModel):
    """One error in a request: a code for programs, a JSON Pointer to its location, a message for people."""

    code: ViolationCode
    path: str
    message: str


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    violations: list[Violation] = []


class Problem(Exception):  # noqa: N818 - the name of RFC 9457
    """An error response; any code below a route may raise it."""

    def __init__(self, status: int, title: str, detail: str = "", violations: Sequence[Violation] = ()) -> None:
        super().__init__(title)
        self.body = ProblemBody(title=title, status=status, detail=detail, violations=list(violations))


def json_pointer(*parts: object) -> str:
    """Build a JSON Pointer (RFC 6901). Half of a surrogate pair in a name, which is not valid text, is escaped."""
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return pointer.encode(errors="backslashreplace").decode()


def describe_json_error(error: Exception) -> str:
    """What makes a text invalid as JSON, and where."""
    if isinstance(error, json.JSONDecodeError):
        return f"The body is not JSON: line {error.lineno}, column {error.colno}: {error.msg}."
    return f"The body is not JSON: {error}."


def to_violations(errors: Sequence[Any], *, skip: int = 0) -> list[Violation]:
    """Pydantic's errors as violations. ``skip`` is the number of leading parts to drop from each location."""
    return [
        Violation(
            code=error["type"] if error["type"] in VIOLATION_CODES else "invalid",
            path=json_pointer(*error["loc"][skip:]),
            message=error["msg"],
        )
        for error in errors
    ]


def problem_response(body: ProblemBody) -> JSONResponse:
    """The response of a problem; a 503 says when to retry."""
    return JSONResponse(body.model_dump(), body.status, _HEADERS.get(body.status), media_type=PROBLEM_MEDIA_TYPE)
