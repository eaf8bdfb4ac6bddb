"""The body of a notification rule (SPEC 4, 5) and its checks: pure.

What SPEC 5 has and this release does not take yet stands in :data:`_LATER`, and nowhere else: to widen a rule,
take the word out there and add it to the model that it belongs to.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, EmailStr, Field, ValidationInfo, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from tidemark_shared.bodies import Body, Currency, Name, Status, Text
from tidemark_shared.quantities import format_hours, parse_hours

_LATER = {"webhook"}

PLACEHOLDERS = (
    "contract_code", "contract_name", "organization", "subject", "period",
    "threshold", "percent", "consumed", "planned", "remaining",
)  # fmt: skip

_PERCENT = re.compile(r"\d{1,6}(\.\d{1,4})?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
_BRACED = re.compile(r"\{([^{}]*)\}")


def _not_later(value: Any) -> Any:
    """Refuse by name what is known and not built; what is not known at all falls to the model's own check."""
    word = value.get("kind") if isinstance(value, dict) else value
    if isinstance(word, str) and word in _LATER:
        raise PydanticCustomError("invalid", "{word} is not supported yet.", {"word": word})
    return value


def _or(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


def _percent(value: Any) -> str:
    if not isinstance(value, str) or not _PERCENT.fullmatch(value) or not Decimal(value):
        raise PydanticCustomError(
            "invalid", 'A percentage is a decimal string above 0 such as "80" or "87.5", with at most four decimals.'
        )
    # One form, so that "80" and "80.0" are one threshold.
    return format_hours(Decimal(value))


def _hours(value: Any) -> str:
    hours = parse_hours(value)
    if hours < 0:
        raise PydanticCustomError("invalid", "Hours are 0 or more.")
    return format_hours(hours)


def _count(what: str) -> Callable[[Any], int]:
    def whole(value: Any) -> int:
        # As a string too, like the other thresholds; a fraction or a sign is none of either.
        if isinstance(value, bool) or not _WHOLE_NUMBER.fullmatch(str(value)):
            raise PydanticCustomError("invalid", "{what}, 0 or more.", {"what": what})
        return int(value)

    return whole


_THRESHOLDS: dict[str, Callable[[Any], str | int]] = {
    "consumed_percent": _percent,
    "remaining_hours": _hours,
    "remaining_amount": _count("An amount is a whole number of minor units, such as 50000 for 500.00 EUR"),
    "expires_in_days": _count("Days are a whole number"),
    "unaccounted_work": _hours,
}


def _threshold(value: Any, info: ValidationInfo) -> str | int:
    read = _THRESHOLDS.get(info.data.get("kind", ""))
    return read(value) if read else value  # a trigger that has no thresholds says so itself


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


_LIMIT = ("of", "over", "at")
_MEMBERS = {
    "consumed_percent": _LIMIT,
    "remaining_hours": _LIMIT,
    "remaining_amount": _LIMIT,
    "overrun": ("of", "over"),
    "expires_in_days": ("at",),
    "expired": (),
    "status_changed": ("to",),
    "unaccounted_work": ("at",),
    "forecast_exhausts": (),
}
_OPTIONAL = {"remaining_amount": ("currency",), "forecast_exhausts": ("within_days", "before_end")}


class Trigger(_Tagged):
    """When a rule fires (SPEC 5); which members stand beside ``kind`` depends on it.

    ``at`` holds percentages (decimal strings), hours (decimal strings), minor units or days (whole numbers).
    ``currency`` limits an amount to contracts in it; without one the amount is in each contract's own.
    """

    kind: Literal[
        "consumed_percent", "remaining_hours", "remaining_amount", "overrun", "expires_in_days", "expired",
        "status_changed", "unaccounted_work", "forecast_exhausts",
    ]  # fmt: skip
    of: Literal["contract", "account", "slice"] | None = None
    over: Literal["period", "whole"] | None = None
    at: (
        Annotated[
            tuple[Annotated[str | int, BeforeValidator(_threshold)], ...],
            Field(max_length=20),
            AfterValidator(_some_distinct),
        ]
        | None
    ) = None
    currency: Currency | None = None
    to: Status | None = None
    within_days: Annotated[int, Field(strict=True, ge=0, le=36_500)] | None = None
    before_end: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "Trigger":
        needed, optional = _MEMBERS[self.kind], _OPTIONAL.get(self.kind, ())
        for name in Trigger.model_fields:
            given = getattr(self, name) is not None
            if name != "kind" and given != (name in needed) and not (given and name in optional):
                raise PydanticCustomError(
                    "invalid",
                    "A trigger of kind {kind} {verb} {name}.",
                    {"kind": self.kind, "verb": "has no" if given else "needs", "name": name},
                )
        if self.kind == "forecast_exhausts" and (self.within_days is None) == (not self.before_end):
            raise PydanticCustomError("invalid", 'Say either "within_days": 14 or "before_end": true.')
        return self


class Receiver(_Tagged):
    """Who is told."""

    kind: Literal["owner", "contacts", "team", "address"]
    role: Name | None = None
    id: UUID | None = None
    email: EmailStr | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "Receiver":
        needed = {"contacts": "role", "team": "id", "address": "email"}.get(self.kind)
        for name in ("role", "id", "email"):
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
    trigger: Trigger
    receivers: Annotated[
        tuple[Annotated[Receiver, BeforeValidator(_not_later)], ...],
        Field(max_length=50),
        AfterValidator(_some_distinct),
    ]
    channels: Annotated[
        tuple[Annotated[Literal["email"], BeforeValidator(_not_later)], ...],
        AfterValidator(_some_distinct),
    ]
    remind_every_days: Annotated[int, Field(strict=True, ge=1, le=366)] | None = None
    tell_resolved: Annotated[bool, _or(default=False), Field(strict=True)] = False
    existing: Annotated[Literal["tell", "skip"], _or("tell")] = "tell"
    subject: Annotated[Name, AfterValidator(_known_placeholders)] | None = None
    opening: Annotated[Text, AfterValidator(_known_placeholders)] | None = None
    enabled: Annotated[bool, _or(default=True), Field(strict=True)] = True


class StoredRule(Rule):
    """A rule as it is kept and answered."""

    id: UUID
    version: int
