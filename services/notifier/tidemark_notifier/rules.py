"""The body of a notification rule (SPEC 4, 5) and its checks: pure."""

import base64
import binascii
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    EmailStr,
    Field,
    HttpUrl,
    PlainSerializer,
    SerializationInfo,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.bodies import Body, Currency, Name, Status, Text
from tidemark_shared.domain.quantities import format_hours, parse_hours

PLACEHOLDERS = (
    "contract_code", "contract_name", "organization", "account", "team", "subject", "period", "start_date", "end_date",
    "days_left", "status", "headline", "reason", "threshold", "percent", "consumed", "planned", "available",
    "remaining", "not_counted", "exhausts_on",
)  # fmt: skip

_PERCENT = re.compile(r"\d{1,6}(\.\d{1,4})?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
_BRACED = re.compile(r"\{([^{}]*)\}")


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


SECRET_PREFIX = "whsec_"  # noqa: S105 - not one
HIDDEN = SECRET_PREFIX + "********"
# The context of a serialization that may tell secrets: what is stored, never what is answered.
REVEALED = "revealed"
_KEY_BYTES = range(24, 65)  # Standard Webhooks
_url = TypeAdapter(HttpUrl)


def _secret(text: str) -> str:
    if text == HIDDEN:
        return text
    try:
        size = len(base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not text.startswith(SECRET_PREFIX) or size not in _KEY_BYTES:
        raise PydanticCustomError("invalid", "A secret is whsec_ and 24 to 64 random bytes in base64.")
    return text


def _hide(secret: str | None, info: SerializationInfo) -> str | None:
    return secret if secret is None or info.context == REVEALED else HIDDEN


def _leads_somewhere(text: str) -> str:
    if not text.isprintable() or " " in text:
        raise PydanticCustomError("invalid", "A URL has no blanks and no control characters.")
    try:
        url = _url.validate_python(text)
    except ValidationError:
        raise PydanticCustomError(
            "invalid", "A webhook has a URL such as https://hooks.example.com/tidemark."
        ) from None
    if url.username or url.password or url.fragment:
        raise PydanticCustomError("invalid", "The URL of a webhook has no user, no password and no fragment.")
    return text


Secret = Annotated[str, AfterValidator(_secret), PlainSerializer(_hide)]
"""A key that signs; answered as :data:`HIDDEN` wherever it stands, and written only with :data:`REVEALED`."""

Url = Annotated[str, Field(max_length=2048), AfterValidator(_leads_somewhere)]


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


Channel = Literal["email", "webhook"]


class Receiver(_Tagged):
    """Who is told: people by mail, a webhook by a signed request."""

    kind: Literal["owner", "contacts", "team", "address", "webhook"]
    role: Name | None = None
    id: UUID | None = None
    email: EmailStr | None = None
    url: Url | None = None
    secret: Annotated[Secret | None, Field(repr=False)] = None

    @property
    def channel(self) -> Channel:
        """The one by which it is told."""
        return "webhook" if self.kind == "webhook" else "email"

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "Receiver":
        needed = {"contacts": "role", "team": "id", "address": "email", "webhook": "url"}.get(self.kind)
        for name in ("role", "id", "email", "url"):
            if (name == needed) == (getattr(self, name) is None):
                raise PydanticCustomError(
                    "invalid",
                    "A receiver of kind {kind} {verb} {name}.",
                    {"kind": self.kind, "verb": "needs" if name == needed else "has no", "name": name},
                )
        if self.secret is not None and self.kind != "webhook":
            raise PydanticCustomError("invalid", "Only a webhook has a secret.")
        return self


class Rule(Body):
    """A notification rule as a client sends it."""

    name: Name
    scope: Scope
    trigger: Trigger
    receivers: Annotated[
        tuple[Receiver, ...],
        Field(max_length=50),
        AfterValidator(_some_distinct),
    ]
    channels: Annotated[
        tuple[Channel, ...],
        AfterValidator(_some_distinct),
    ]
    remind_every_days: Annotated[int, Field(strict=True, ge=1, le=366)] | None = None
    tell_resolved: Annotated[bool, _or(default=False), Field(strict=True)] = False
    existing: Annotated[Literal["tell", "skip"], _or("tell")] = "tell"
    subject: Annotated[Name, AfterValidator(_known_placeholders)] | None = None
    opening: Annotated[Text, AfterValidator(_known_placeholders)] | None = None
    enabled: Annotated[bool, _or(default=True), Field(strict=True)] = True

    @field_validator("channels")
    @classmethod
    def _tell_each_receiver(cls, channels: tuple[Channel, ...], info: ValidationInfo) -> tuple[Channel, ...]:
        used = {receiver.channel for receiver in info.data.get("receivers", ())}
        if used and used != set(channels):
            raise PydanticCustomError(
                "invalid",
                "The channels are those of the receivers, here {used}: webhooks by webhook, all others by email.",
                {"used": " and ".join(sorted(used))},
            )
        return channels

    def stored(self) -> str:
        """The rule as JSON with its secrets; for the database alone."""
        return self.model_dump_json(context=REVEALED)


def keep_secrets(rule: Rule, before: Rule | None = None) -> Rule:
    """The rule with the secrets that its sender left out, or sent back hidden: those of the same URL in ``before``.

    Where there is none it stays None.
    """
    known = {one.url: one.secret for one in before.receivers if one.url} if before else {}
    return rule.model_copy(
        update={
            "receivers": tuple(
                one.model_copy(update={"secret": known.get(one.url)})
                if one.secret in (None, HIDDEN) and one.url
                else one
                for one in rule.receivers
            )
        }
    )


class StoredRule(Rule):
    """A rule as it is kept and answered."""

    id: UUID
    version: int
