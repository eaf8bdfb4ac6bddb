"""Lists in pages, each with the cursor of the next. SPEC 4."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, Protocol, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, TypeAdapter

from tidemark_shared.domain.bodies import Text
from tidemark_shared.http.problems import Problem, Violation

_after = TypeAdapter(tuple[Text, UUID])
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A part of a list; ``next`` is the ``cursor`` of the part that follows, null at the end."""

    items: list[Item]
    next: str | None


class _Identified(Protocol):
    @property
    def id(self) -> UUID: ...


Kept = TypeVar("Kept", bound=_Identified)
Parts = TypeVar("Parts")
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next` of the page before.")]


def build_page(
    found: Sequence[Kept], limit: int, order: Callable[[Kept], str] = lambda one: str(one.id)
) -> "Page[Kept]":
    """A page of what was ``found`` where one more than ``limit`` was asked for, by ``order`` and id."""
    last = found[limit - 1] if len(found) > limit else None
    return Page(items=list(found[:limit]), next=last and encode_cursor(order(last), str(last.id)))


def decode_page_cursor(cursor: str | None) -> tuple[str, UUID] | None:
    """What the page before ended with."""
    return decode_cursor(cursor, _after)


def encode_cursor(*parts: str) -> str:
    """The cursor of a page that ended with what these parts tell."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def decode_cursor(cursor: str | None, adapter: TypeAdapter[Parts]) -> Parts | None:
    """What the page before ended with. Raises a 422 where the cursor is none that was given out."""
    if cursor is None:
        return None
    try:
        return adapter.validate_json(base64.urlsafe_b64decode(cursor))
    except ValueError:
        violation = Violation(code="invalid", path="/cursor", message="The cursor is not one that was given out.")
        raise Problem(422, "The request is not valid", violation.message, [violation]) from None
