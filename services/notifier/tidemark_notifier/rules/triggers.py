"""Triggers: when a rule fires (SPEC 5), and the checks of their members."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from tidemark_notifier.rules.body import TaggedBody, require_distinct
from tidemark_shared.domain.bodies import Currency, Status
from tidemark_shared.domain.quantities import format_hours, parse_hours

CALENDAR_TRIGGERS = ("expires_in_days", "expired", "status_changed")
"""The triggers that need no balance."""

LIMIT_TRIGGERS = ("consumed_percent", "remaining_hours", "remaining_amount", "overrun")

_PERCENT = re.compile(r"\d{1,6}(\.\d{1,4})?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


def _parse_percent(value: Any) -> str:
    if not isinstance(value, str) or not _PERCENT.fullmatch(value) or not Decimal(value):
        raise PydanticCustomError(
            "invalid",
            'A percentage must be a decimal string above 0 with at most four decimals, such as "80" or "87.5".',
        )
    # Normalized, so that "80" and "80.0" are the same threshold.
    return format_hours(Decimal(value))


def _parse_hours(value: Any) -> str:
    hours = parse_hours(value)
    if hours < 0:
        raise PydanticCustomError("invalid", "Hours must be 0 or more.")
    return format_hours(hours)


def _create_whole_number_parser(message: str) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        # Strings are accepted as for other thresholds. Fractions and signs are not.
        if isinstance(value, bool) or not _WHOLE_NUMBER.fullmatch(str(value)):
            raise PydanticCustomError("invalid", "{message}", {"message": message})
        return int(value)

    return parse


_THRESHOLD_PARSERS: dict[str, Callable[[Any], str | int]] = {
    "consumed_percent": _parse_percent,
    "remaining_hours": _parse_hours,
    "remaining_amount": _create_whole_number_parser(
        "An amount must be a whole number of minor units, 0 or more, such as 50000 for 500.00 EUR."
    ),
    "expires_in_days": _create_whole_number_parser("Days must be a whole number, 0 or more."),
    "unaccounted_work": _parse_hours,
}


def _parse_threshold(value: Any, info: ValidationInfo) -> str | int:
    parse = _THRESHOLD_PARSERS.get(info.data.get("kind", ""))
    # Triggers without thresholds are reported by _check_members.
    return parse(value) if parse else value


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


def parse_mail_day(value: Any, info: ValidationInfo) -> str | int:
    """A weekday or, where the member ``every`` before it is a month, a day of it; for Pydantic."""
    if isinstance(value, str) and value in WEEKDAYS:
        return value
    is_day = isinstance(value, int) and not isinstance(value, bool) and value in range(1, 32)
    if is_day and info.data.get("every") == "month":
        return int(value)
    raise PydanticCustomError("invalid", 'Give a weekday such as "monday" or, every month, a day from 1 to 31.')


_LIMIT_MEMBERS = ("of", "over", "at")
_REQUIRED_MEMBERS = {
    "consumed_percent": _LIMIT_MEMBERS,
    "remaining_hours": _LIMIT_MEMBERS,
    "remaining_amount": _LIMIT_MEMBERS,
    "overrun": ("of", "over"),
    "expires_in_days": ("at",),
    "expired": (),
    "status_changed": ("to",),
    "unaccounted_work": ("at",),
    "forecast_exhausts": (),
    "digest": ("every", "on"),
    "period_closed": (),
}
_OPTIONAL_MEMBERS = {"remaining_amount": ("currency",), "forecast_exhausts": ("within_days", "before_end")}


class Trigger(TaggedBody):
    """When a rule fires (SPEC 5). ``kind`` decides which other members are present.

    ``at`` holds percentages or hours (decimal strings), or minor units or days (whole numbers).
    ``currency`` limits an amount to contracts in that currency; without it, the amount is in each contract's own.
    A digest is ``on`` a weekday, every month on the first such day, or on a day of the month or its last one.
    """

    kind: Literal[
        "consumed_percent", "remaining_hours", "remaining_amount", "overrun", "expires_in_days", "expired",
        "status_changed", "unaccounted_work", "forecast_exhausts", "period_closed", "digest",
    ]  # fmt: skip
    of: Literal["contract", "account", "slice"] | None = None
    over: Literal["period", "whole"] | None = None
    at: (
        Annotated[
            tuple[Annotated[str | int, BeforeValidator(_parse_threshold)], ...],
            Field(max_length=20),
            AfterValidator(require_distinct),
        ]
        | None
    ) = None
    currency: Currency | None = None
    to: Status | None = None
    within_days: Annotated[int, Field(strict=True, ge=0, le=36_500)] | None = None
    before_end: Annotated[bool, Field(strict=True)] | None = None
    every: Literal["week", "month"] | None = None
    on: Annotated[Weekday | int, BeforeValidator(parse_mail_day)] | None = None

    @model_validator(mode="after")
    def _check_members(self) -> "Trigger":
        required, optional = _REQUIRED_MEMBERS[self.kind], _OPTIONAL_MEMBERS.get(self.kind, ())
        for name in Trigger.model_fields:
            is_present = getattr(self, name) is not None
            if name != "kind" and is_present != (name in required) and not (is_present and name in optional):
                raise PydanticCustomError(
                    "invalid",
                    "A trigger of kind {kind} {verb} {name}.",
                    {"kind": self.kind, "verb": "must not have" if is_present else "needs", "name": name},
                )
        if self.kind == "forecast_exhausts" and (self.within_days is None) == (not self.before_end):
            raise PydanticCustomError(
                "invalid", 'A forecast trigger needs either "within_days", such as 14, or "before_end": true.'
            )
        return self
