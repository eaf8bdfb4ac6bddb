"""The public JSON bodies of SPEC 4: what HTTP takes and answers, and what events carry.

Hours are decimal strings in JSON and :class:`~decimal.Decimal` here; money is integer minor units. A key that
is missing is null (SPEC 9), so every default is written for null.
"""

from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal
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
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.calendar import holiday_codes
from tidemark_shared.domain.quantities import format_hours, parse_hours

Status = Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]


def _or(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("invalid", "The text holds a NUL character. Remove it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("invalid", "The text holds half of a surrogate pair. Remove it.") from None
    return text


def _no_line_break(text: str) -> str:
    if any(character in text for character in "\r\n"):
        raise PydanticCustomError("invalid", "The text must stand on one line.")
    return text


@cache
def _zones() -> set[str]:
    # It walks the folders of the tz database: 20 ms, too long for every contract that is read.
    return available_timezones()


def _zone(name: str) -> str:
    if name not in _zones():
        raise PydanticCustomError(
            "invalid", "{name} is no IANA time zone. Take a name such as Europe/Berlin.", {"name": repr(name)}
        )
    return name


@cache
def minor_digits(currency: str) -> int | None:
    """Decimals of a currency of ISO 4217: 2 for EUR, 0 for JPY; None for what is none, or has no minor unit."""
    return _EXPONENTS.get(currency)


def format_money(minor: int, currency: str | None) -> str:
    """An amount as people write it: ``1050 of EUR`` is ``10.50 EUR``; without a known currency, minor units."""
    digits = minor_digits(currency) if currency else None
    return f"{minor} minor units" if digits is None else f"{Decimal(minor).scaleb(-digits):.{digits}f} {currency}"


_EXPONENTS = {one.code: one.exponent for one in iso4217.Currency}


def _currency(code: str) -> str:
    if minor_digits(code) is None:
        raise PydanticCustomError(
            "invalid",
            "{code} is no currency of ISO 4217 with a minor unit. Take a code such as EUR.",
            {"code": repr(code)},
        )
    return code


def _calendar(code: str) -> str:
    if code not in holiday_codes():
        raise PydanticCustomError(
            "invalid",
            "{code} is no calendar of public holidays. Take a country such as DE, or a part such as DE-BE.",
            {"code": repr(code)},
        )
    return code


def _day(value: object) -> object:
    if isinstance(value, str | date):
        return value
    raise PydanticCustomError("invalid", 'A day is a string such as "2026-03-01".')


Day = Annotated[date, BeforeValidator(_day), Field(ge=date(1970, 1, 1), le=date(2100, 12, 31))]
Text = Annotated[str, AfterValidator(_no_nul), Field(max_length=10_000)]
Name = Annotated[Text, AfterValidator(_no_line_break), Field(min_length=1, max_length=255)]
Zone = Annotated[str, AfterValidator(_zone)]
Hours = Annotated[
    Decimal,
    BeforeValidator(parse_hours),
    PlainSerializer(format_hours, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d{1,9}(\.\d{1,2})?$", "examples": ["37.5"]}),
]
MinorAmount = Annotated[int, Field(strict=True, ge=-(10**15), le=10**15)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$"), AfterValidator(_currency)]
Rate = Annotated[int, Field(strict=True, ge=0, le=10**12)]


class Body(BaseModel):
    """Immutable; unknown extra fields are ignored on reading (SPEC 2)."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Contact(Body):
    """A person at the customer, and what they are told about."""

    name: Name
    email: EmailStr
    roles: Annotated[tuple[Name, ...], _or(())] = ()


class Organization(Body):
    """The customer."""

    name: Name
    timezone: Zone
    contacts: Annotated[tuple[Contact, ...], _or(())] = ()


class Member(Body):
    """A person's membership of a team, from the first to the last day, both inclusive."""

    person_id: Name
    name: Name | None = None
    email: EmailStr | None = None
    from_: Annotated[Day, Field(alias="from")]
    until: Day | None = None

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class Team(Body):
    """People who do work. Memberships of one person in one team do not overlap (SPEC 9)."""

    name: Name
    members: Annotated[tuple[Member, ...], _or(())] = ()


class HourlyRates(Body):
    """Money per hour of work, in minor units of the card's currency, by kind (SPEC 1)."""

    normal: Rate
    extra_time: Rate
    weekend: Rate
    holiday: Rate


class RateCard(Body):
    """What an hour of a person costs from a day on, in one team alone where it names one (SPEC 1, 9).

    Beyond ``daily_workload_hours`` a day is extra time.
    """

    person_id: Name
    team_id: UUID | None = None
    from_: Annotated[Day, Field(alias="from")]
    currency: Currency
    daily_workload_hours: Annotated[Hours, _or("8"), Field(ge=0, le=24)] = Decimal(8)
    per_hour_minor: HourlyRates

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class Owner(Body):
    """Who answers for the contract at the provider."""

    name: Name
    email: EmailStr


class Rollover(Body):
    """What becomes of a period's unused and overrun time (SPEC 1, 9)."""

    unused: Annotated[Literal["expire", "carry"], _or("expire")] = "expire"
    cap_hours: Hours | None = None
    cap_value_minor: MinorAmount | None = None
    lapse_after_periods: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None
    overrun: Annotated[Literal["absorb", "deduct"], _or("absorb")] = "absorb"


class Slice(Body):
    """An account's share for one team."""

    team_id: UUID
    planned_hours: Hours | None = None
    # Read only to be refused: no slice carries a value (SPEC C3).
    planned_value_minor: Annotated[MinorAmount | None, Field(exclude=True)] = None


class Account(Body):
    """Classifies the service inside a contract. ``id`` may be the client's own (SPEC 4)."""

    id: UUID | None = None
    name: Name
    billable: Annotated[bool, _or(True), Field(strict=True)] = True  # noqa: FBT003
    planned_hours: Hours | None = None
    planned_value_minor: MinorAmount | None = None
    teams: Annotated[tuple[UUID, ...], _or(())] = ()
    slices: Annotated[tuple[Slice, ...], _or(())] = ()


class Adjustment(Body):
    """Hours (or value) more or less for one account and one period."""

    account_id: UUID
    period_start: Day
    hours: Hours | None = None
    value_minor: MinorAmount | None = None
    reason: Name


class Contract(Body):
    """The terms of a contract: the body of ``POST /v1/contracts`` and ``terms`` of its events."""

    code: Name
    name: Name
    description: Annotated[Text, _or("")] = ""
    owner: Owner
    organization_id: UUID
    type: Literal["time_and_materials", "fixed_price"]
    recurrence: Annotated[Literal["none", "monthly"], _or("none")] = "none"
    start_date: Day
    end_date: Day
    timezone: Zone
    holidays: Annotated[Name, AfterValidator(_calendar)] | None = None
    contracted_hours: Hours | None = None
    contracted_value_minor: MinorAmount | None = None
    currency: Currency | None = None
    rollover: Annotated[Rollover, _or(Rollover())] = Rollover()
    accounts: Annotated[tuple[Account, ...], _or(())] = ()
    adjustments: Annotated[tuple[Adjustment, ...], _or(())] = ()
    settle_days: Annotated[int, _or(5), Field(strict=True, ge=0, le=3660)] = 5

    @property
    def zone(self) -> ZoneInfo:
        """The contract's own time zone: its days begin and end there."""
        return ZoneInfo(self.timezone)


class Figures(Body):
    """Planned against executed, in the unit of the balance (seconds, or minor units of a currency)."""

    planned: int | None
    consumed: int
    remaining: int | None
    percent: str | None
    worklogs: int
    unrated_seconds: int | None


class PeriodFigures(Figures):
    """The figures of one period; both days inclusive."""

    start: Day
    end: Day


class ContractPeriodFigures(PeriodFigures):
    """The figures of a contract's period, with what is carried into it."""

    carried: int
    available: int | None


class SliceBalance(Body):
    """A team's share of an account; ``team_id`` is null for the unassigned share."""

    team_id: UUID | None
    whole: Figures
    periods: tuple[PeriodFigures, ...]


class AccountBalance(Body):
    """An account's figures."""

    account_id: UUID
    name: str
    billable: bool
    whole: Figures
    periods: tuple[PeriodFigures, ...]
    slices: tuple[SliceBalance, ...]


class Forecast(Body):
    """The day the contract runs out at the current pace, with a low and a high estimate."""

    exhausts_on: date | None
    low: date | None
    high: date | None


class Balance(Body):
    """A contract's full state: the event ``tidemark.contract.balance.v1`` and the HTTP answer are one body."""

    contract_id: UUID
    contract_code: str
    status: Status
    stream_version: int
    revision: int
    unit: Literal["seconds", "minor"]
    currency: str | None
    unaccounted_seconds: int
    forecast: Forecast | None
    whole: Figures
    periods: tuple[ContractPeriodFigures, ...]
    accounts: tuple[AccountBalance, ...]
