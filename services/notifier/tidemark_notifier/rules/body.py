"""What the parts of a rule's body share."""

from typing import Any

from pydantic import model_serializer
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.bodies import Body


class TaggedBody(Body):
    """A body whose ``kind`` decides which other members it has; absent members are not serialized."""

    @model_serializer(mode="wrap")
    def _without_nulls(self, handler: Any) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


def require_distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Check that a list has entries and no duplicates.

    Pydantic's ``min_length`` would also count entries that have failed their own check.
    """
    if not values:
        raise PydanticCustomError("invalid", "List at least one entry.")
    if len(set(values)) < len(values):
        raise PydanticCustomError("duplicate", "The list contains the same entry twice. Remove one.")
    return values
