"""Pages of lists, each with the cursor of the next page. SPEC 4."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, Protocol, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, TypeAdapter

from tidemark_shared.domain.bodies import Text
from tidemark_shared.http.problems import INVALID_REQUEST, Problem, Violation

_page_cursor = TypeAdapter(tuple[Text, UUID])
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list; ``next`` is the ``cursor`` of the next page, null on the last one."""

    items: list[Item]
    next: str | None


class _Identified(Protocol):
    @property
    def id(self) -> UUID: ...


Row = TypeVar("Row", bound=_Identified)
CursorParts = TypeVar("CursorParts")
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next` of the page before.")]


def build_page(
    rows: Sequence[Row], limit: int, sort_key: Callable[[Row], str] = lambda row: str(row.id)
) -> "Page[Row]":
    """A page of up to ``limit`` rows, sorted by ``sort_key`` and id. Pass one row more to announce a next page."""
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(items=list(rows[:limit]), next=encode_cursor(sort_key(last), str(last.id)) if last else None)


def decode_page_cursor(cursor: str | None) -> tuple[str, UUID] | None:
    """The sort key and id of the last row of the page before."""
    return decode_cursor(cursor, _page_cursor)


def encode_cursor(*parts: str) -> str:
    """The cursor of the page that follows the row with these values."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def decode_cursor(cursor: str | None, adapter: TypeAdapter[CursorParts]) -> CursorParts | None:
    """The values that :func:`encode_cursor` encoded. Raises a 422 for any other text."""
    if cursor is None:
        return None
    try:
        return adapter.validate_json(base64.urlsafe_b64decode(cursor))
    except ValueError:
        message = "This is not a cursor of this API. Send `next` of the page before."
        violation = Violation(code="invalid", path="/cursor", message=message)
        raise Problem(422, INVALID_REQUEST, message, [violation]) from None
