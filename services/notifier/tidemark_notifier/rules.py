"""The body of a notification rule (SPEC 4, 5) and its checks: pure.

What SPEC 5 has and this release does not take yet stands in :data:`_LATER`, and nowhere else: to widen a rule,
take the word out there and add it to the model that it belongs to.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, EmailStr, Field, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from tidemark_shared.bodies import Body, Name, Text
from tidemark_shared.quantities import format_hours

_LATER = {
    "remaining_hours", "remaining_amount", "overrun", "expires_in_days", "expired", "status_changed",
    "unaccounted_work", "forecast_exhausts", "slice", "team", "webhook",
}  # fmt: skip

PLACEHOLDERS = (
    "contract_code", "contract_name", "organization", "subject", "period",
    "threshold", "percent", "consumed", "planned", "remaining",
)  # fmt: skip

_PERCENT = re.compile(r"\d{1,6}(\.\d{1,4})?", re.ASCII)
_BRACED = re.compile(r"\{([^{}]*)\}")


def _not_later(value: Any) -> Any:
    """Refuse by name what is known and not built; what is not known at all falls to the model's own check."""
    word = value.get("kind") if isinstance(value, dict) else value
    if isinstance(word, str) and word in _LATER:
        raise PydanticCustomError("invalid", "{word} is not supported yet.", {"word": word})
    return value


def _nothing_yet(value: Any) -> Any:
    if value:
        raise PydanticCustomError("invalid", "This option is not supported yet. Leave it out.")
    return value


def _or(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


def _percent(text: str) -> str:
    if not _PERCENT.fullmatch(text) or not Decimal(text):
        raise PydanticCustomError(
            "invalid", 'A percentage is a decimal string above 0 such as "80" or "87.5", with at most four decimals.'
        )
    # One form, so that "80" and "80.0" are one threshold.
    return format_hours(Decimal(text))


def _some_distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    # Not by min_length, which also counts entries that have failed by themselves.
    if not values:
        raise PydanticCustomError("invalid", "Name at least one.")
    if len(set(values)) < len(values):
        raise PydanticCustomError("duplicate", "Each entry stands once.")
    return values


def _known_placeholders(text: str) -> str:
    unknown = [name for name in _BRACED.findall(text) if name not in PLACEHOLDERS]
    if unknown:
        raise PydanticCustomError(
            "invalid",
            "{unknown} is no placeholder. Take one of {known}.",
            {"unknown": "{" + unknown[0] + "}", "known": ", ".join(PLACEHOLDERS)},
        )
    return text


def fill(text: str, values: dict[str, str]) -> str:
    """A rule's own text with its placeholders replaced: names alone, no logic, nothing replaced twice."""
    return _BRACED.sub(lambda match: values[match[1]], text)


class _Tagged(Body):
    """A body whose ``kind`` decides which of its other members it has; those it has not are not written."""

    @model_serializer(mode="wrap")
    def _without_nulls(self, handler: Any) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class Scope(_Tagged):
    """Where a rule holds: everywhere, for one organization's contracts, for one contract."""

    kind: Literal["global", "organization", "contract"]
    id: UUID | None = None

    @model_validator(mode="after")
    def _names_its_id(self) -> "Scope":
        if (self.kind == "global") == (self.id is not None):
            raise PydanticCustomError(
                "invalid",
                "A global scope has no id."
                if self.kind == "global"
                else 'Name the id: {"kind": "organization" or "contract", "id": "…"}.',
            )
        return self


class Trigger(Body):
    """When a rule fires: at these percentages of what is planned."""

    kind: Literal["consumed_percent"]
    of: Annotated[Literal["contract", "account"], BeforeValidator(_not_later)]
    over: Literal["period", "whole"]
    at: Annotated[
        tuple[Annotated[str, AfterValidator(_percent)], ...],
        Field(max_length=20),
        AfterValidator(_some_distinct),
    ]


class Receiver(_Tagged):
    """Who is told."""

    kind: Literal["owner", "contacts", "address"]
    role: Name | None = None
    email: EmailStr | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "Receiver":
        needed = {"contacts": "role", "address": "email"}.get(self.kind)
        for name in ("role", "email"):
            if (name == needed) == (getattr(self, name) is None):
                raise PydanticCustomError(
                    "invalid",
                    "A receiver of kind {kind} {verb} {name}.",
                    {"kind": self.kind, "verb": "needs" if name == needed else "has no", "name": name},
                )
        return self


class Rule(Body):
    """A notification rule as a client sends it."""

    name: Name
    scope: Scope
    trigger: Annotated[Trigger, BeforeValidator(_not_later)]
    receivers: Annotated[
        tuple[Annotated[Receiver, BeforeValidator(_not_later)], ...],
        Field(max_length=50),
        AfterValidator(_some_distinct),
    ]
    channels: Annotated[
        tuple[Annotated[Literal["email"], BeforeValidator(_not_later)], ...],
        AfterValidator(_some_distinct),
    ]
    remind_every_days: Annotated[None, BeforeValidator(_nothing_yet)] = None
    tell_resolved: Annotated[Literal[False], _or(default=False), BeforeValidator(_nothing_yet)] = False
    existing: Annotated[Literal["tell", "skip"], _or("tell")] = "tell"
    subject: Annotated[Name, AfterValidator(_known_placeholders)] | None = None
    opening: Annotated[Text, AfterValidator(_known_placeholders)] | None = None
    enabled: Annotated[bool, _or(default=True), Field(strict=True)] = True


class StoredRule(Rule):
    """A rule as it is kept and answered."""

    id: UUID
    version: int
