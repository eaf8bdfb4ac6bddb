"""The public JSON bodies of SPEC 4, in HTTP and in events.

Hours are decimal strings in JSON and :class:`~decimal.Decimal` here; money is in minor units. A missing key is null
(SPEC 9), so every default also replaces null.
"""

from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import iso4217
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.calendar import holiday_codes
from tidemark_shared.domain.locales import LOCALES
from tidemark_shared.domain.quantities import MinorUnits, format_hours, parse_hours
from tidemark_shared.domain.strict_input import INPUT

Status = Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
OfferStatus = Literal["requested", "open", "accepted", "declined", "withdrawn", "expired"]


def _default(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


def _check_text(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("invalid", "The text contains a NUL character. Remove it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("invalid", "The text contains half of a surrogate pair. Remove it.") from None
    return text


def _check_single_line(text: str, info: ValidationInfo) -> str:
    if any(character in text for character in "\r\n"):
        raise PydanticCustomError("invalid", "The text must be on one line.")
    # What was stored before this was checked can still be read.
    if info.context is INPUT and text != text.strip():
        raise PydanticCustomError("invalid", "The text begins or ends with a blank, which nobody sees. Remove it.")
    return text


@cache
def time_zones() -> frozenset[str]:
    """The names of all IANA time zones."""
    # Reading the folders of the tz database takes 20 ms, too long for every contract. Two of its files are not zones:
    # the zone of this machine, and a placeholder for a machine without one.
    return frozenset(available_timezones() - {"localtime", "Factory"})


def _check_zone(name: str) -> str:
    if name not in time_zones():
        raise PydanticCustomError(
            "invalid", "{name} is not an IANA time zone. Use a name such as Europe/Berlin.", {"name": repr(name)}
        )
    return name


@cache
def minor_digits(currency: str) -> int | None:
    """Decimals of an ISO 4217 currency: 2 for EUR, 0 for JPY; None if it is unknown or has no minor unit."""
    return _EXPONENTS.get(currency)


def format_money(minor: MinorUnits, currency: str | None) -> str:
    """Format an amount: 1050 in EUR is ``10.50 EUR``; without a known currency it is in minor units."""
    digits = minor_digits(currency) if currency else None
    return f"{minor} minor units" if digits is None else f"{Decimal(minor).scaleb(-digits):.{digits}f} {currency}"


_EXPONENTS = {currency.code: currency.exponent for currency in iso4217.Currency}
CURRENCIES = frozenset(code for code, exponent in _EXPONENTS.items() if exponent is not None)
"""The codes of currencies that have a minor unit."""


def _check_currency(code: str) -> str:
    if minor_digits(code) is None:
        raise PydanticCustomError(
            "invalid",
            "{code} is not an ISO 4217 currency with a minor unit. Use a code such as EUR.",
            {"code": repr(code)},
        )
    return code


def _check_calendar(code: str) -> str:
    if code not in holiday_codes():
        raise PydanticCustomError(
            "invalid",
            "{code} is not a holiday calendar. Use a country such as DE, or a subdivision such as DE-BE.",
            {"code": repr(code)},
        )
    return code


def _check_locale(tag: str) -> str:
    if tag not in LOCALES:
        raise PydanticCustomError(
            "invalid",
            "{tag} is not a supported locale. Use one of {locales}.",
            {"tag": repr(tag), "locales": ", ".join(LOCALES)},
        )
    return tag


def _check_day_format(value: object) -> object:
    if isinstance(value, str | date):
        return value
    raise PydanticCustomError("invalid", 'A day is a string such as "2026-03-01".')


Day = Annotated[
    date,
    BeforeValidator(_check_day_format),
    Field(ge=date(1970, 1, 1), le=date(2100, 12, 31)),
    # JSON Schema has no limits for days.
    WithJsonSchema({"type": "string", "format": "date"}),
]
Text = Annotated[str, AfterValidator(_check_text), Field(max_length=10_000)]
Name = Annotated[Text, AfterValidator(_check_single_line), Field(min_length=1, max_length=255)]
Zone = Annotated[str, AfterValidator(_check_zone)]
Locale = Annotated[str, AfterValidator(_check_locale), WithJsonSchema({"type": "string", "enum": list(LOCALES)})]
_HOURS_SCHEMA = WithJsonSchema({"type": "string", "pattern": r"^-?\d{1,9}(\.\d{1,2})?$", "examples": ["37.5"]})
Hours = Annotated[Decimal, BeforeValidator(parse_hours), PlainSerializer(format_hours, return_type=str), _HOURS_SCHEMA]
MinorAmount = Annotated[MinorUnits, Field(strict=True, ge=-(10**15), le=10**15)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$"), AfterValidator(_check_currency)]
Rate = Annotated[MinorUnits, Field(strict=True, ge=0, le=10**12)]


VERSIONED_MEMBERS = frozenset({"id", "version"})
"""What every answer adds to a stored body."""


class Body(BaseModel):
    """An immutable body. Unknown members are ignored in events (SPEC 2), and errors in requests (``Strict``)."""

    answer_members: ClassVar[frozenset[str]] = frozenset()
    """Members that an answer adds. A request may send them back; they are ignored (SPEC 4)."""

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_serialization_defaults_required=True)


class Contact(Body):
    """A person at the customer, with the roles that choose their notifications."""

    name: Name
    email: EmailStr
    roles: Annotated[tuple[Name, ...], _default(())] = ()


class Organization(Body):
    """The customer."""

    answer_members = VERSIONED_MEMBERS

    name: Name
    timezone: Zone
    locale: Annotated[Locale, _default("en"), Field(description="The language and the formats of mails.")] = "en"
    contacts: Annotated[tuple[Contact, ...], _default(())] = ()


class Member(Body):
    """A person's membership of a team; both days are inclusive."""

    person_id: Name
    name: Name | None = None
    email: EmailStr | None = None
    from_: Annotated[Day, Field(alias="from")]
    until: Day | None = None

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class Team(Body):
    """A team of people. Memberships of one person in one team do not overlap (SPEC 9)."""

    answer_members = VERSIONED_MEMBERS

    name: Name
    members: Annotated[tuple[Member, ...], _default(())] = ()


class HourlyRates(Body):
    """Hourly rates by kind of work, in minor units of the card's currency (SPEC 1)."""

    normal: Rate
    extra_time: Rate
    weekend: Rate
    holiday: Rate


class RateCard(Body):
    """A person's hourly rates from a day on, for all teams or one team (SPEC 1, 9).

    Work beyond ``daily_workload_hours`` per day is extra time.
    """

    answer_members = VERSIONED_MEMBERS

    person_id: Name
    team_id: UUID | None = None
    from_: Annotated[Day, Field(alias="from")]
    currency: Currency
    daily_workload_hours: Annotated[Hours, _default("8"), Field(ge=0, le=24), _HOURS_SCHEMA] = Decimal(8)
    per_hour_minor: HourlyRates

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class Owner(Body):
    """The person at the provider who is responsible for the contract."""

    name: Name
    email: EmailStr


class Person(Body):
    """A person at the customer who asks for an offer or answers it."""

    name: Name
    email: EmailStr | None = None


class Rollover(Body):
    """What happens to the unused and overrun time of a period (SPEC 1, 9)."""

    unused: Annotated[Literal["expire", "carry"], _default("expire")] = "expire"
    cap_hours: Hours | None = None
    cap_value_minor: MinorAmount | None = None
    lapse_after_periods: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None
    overrun: Annotated[Literal["absorb", "deduct"], _default("absorb")] = "absorb"


class Slice(Body):
    """An account's share for one team."""

    team_id: UUID
    planned_hours: Hours | None = None
    # Read only to report a violation: a slice has no value (SPEC C3).
    planned_value_minor: Annotated[MinorAmount | None, Field(exclude=True)] = None


class Account(Body):
    """An account classifies the service inside a contract. The client may choose the ``id`` (SPEC 4)."""

    id: UUID | None = None
    name: Name
    billable: Annotated[bool, _default(True), Field(strict=True)] = True  # noqa: FBT003
    planned_hours: Hours | None = None
    planned_value_minor: MinorAmount | None = None
    teams: Annotated[tuple[UUID, ...], _default(())] = ()
    slices: Annotated[tuple[Slice, ...], _default(())] = ()


class Adjustment(Body):
    """Additional hours (or value), positive or negative, for one account and one period."""

    account_id: UUID
    period_start: Day
    hours: Hours | None = None
    value_minor: MinorAmount | None = None
    reason: Name


class RuleOffer(Body):
    """The offer that a rule makes with its notification: for the notification's period, else the current one."""

    account: Annotated[Name, Field(description="The account's id or name.")]
    hours: Hours | None = None
    value_minor: MinorAmount | None = None
    price_minor: MinorAmount | None = None
    price_currency: Currency | None = None
    valid_days: Annotated[int, Field(strict=True, ge=1, le=366)] | None = None


class Contract(Body):
    """The terms of a contract: the body of ``POST /v1/contracts`` and ``terms`` of its events."""

    answer_members = VERSIONED_MEMBERS | {"status", "renewed_from", "renewed_as"}

    code: Name
    name: Name
    description: Annotated[Text, _default("")] = ""
    owner: Owner
    organization_id: UUID
    type: Literal["time_and_materials", "fixed_price"]
    recurrence: Annotated[Literal["none", "monthly"], _default("none")] = "none"
    start_date: Day
    end_date: Day
    timezone: Zone
    holidays: Annotated[Name, AfterValidator(_check_calendar)] | None = None
    contracted_hours: Hours | None = None
    contracted_value_minor: MinorAmount | None = None
    currency: Currency | None = None
    rollover: Annotated[Rollover, _default(Rollover())] = Rollover()
    accounts: Annotated[tuple[Account, ...], _default(())] = ()
    adjustments: Annotated[tuple[Adjustment, ...], _default(())] = ()
    settle_days: Annotated[int, Field(strict=True, ge=0, le=3660), _default(5)] = 5

    @property
    def zone(self) -> ZoneInfo:
        """The contract's time zone, which defines its days."""
        return ZoneInfo(self.timezone)
