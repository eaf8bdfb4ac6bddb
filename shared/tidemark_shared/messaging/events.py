"""The public events of SPEC 2: their types, their data, and the canonical content."""

from datetime import UTC, datetime, timedelta
from json.encoder import encode_basestring
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from tidemark_shared.domain import bodies
from tidemark_shared.domain.balances import Balance
from tidemark_shared.domain.people import ForgottenPerson
from tidemark_shared.domain.statements import PeriodRestated, Statement
from tidemark_shared.messaging.topics import (
    BALANCES,
    DIRECTORY,
    LIFECYCLE,
    NOTIFICATIONS,
    OFFERS,
    PERIODS,
    WORKLOGS,
    Topic,
)

MAX_ID_BYTES = 255
FIRST_YEAR, LAST_YEAR = 1970, 2100
MAX_SECONDS = 3_600_000
FUTURE_LIMIT = timedelta(hours=24)


def format_timestamp(instant: datetime) -> str:
    """Format an instant for canonical content: UTC, six fraction digits, ``Z`` (SPEC 9)."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat("T", "microseconds")[:-6] + "Z"


def check_id(text: str) -> str:
    """Check what every id needs: at most 255 bytes, and no NUL. Raises pydantic's error."""
    if len(text) > MAX_ID_BYTES // 4 and len(text.encode()) > MAX_ID_BYTES:
        raise PydanticCustomError("id_too_long", "An id has at most 255 bytes.")
    if "\0" in text:
        raise PydanticCustomError("nul", "The text contains a NUL character.")
    return text


def _check_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "The text contains a NUL character.")
    return text


def _check_time_format(value: object) -> object:
    # Pydantic would accept digits as seconds since 1970, which is a time without an offset.
    if isinstance(value, datetime) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise PydanticCustomError("time", 'A time is a string with an offset, such as "2026-03-02T09:00:00+01:00".')


def _check_time_range(instant: datetime) -> datetime:
    # At the ends of the calendar the conversion to UTC overflows: check the local year first.
    if FIRST_YEAR - 1 <= instant.year <= LAST_YEAR + 1:
        instant = instant.astimezone(UTC)
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise PydanticCustomError("time_out_of_range", "A time must be between 1970 and 2100.")
    return instant


Id = Annotated[str, Field(min_length=1), AfterValidator(check_id)]
EventText = Annotated[str, AfterValidator(_check_nul)]
EventTime = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_check_time_format),
    AfterValidator(_check_time_range),
    PlainSerializer(format_timestamp, when_used="json"),
]
WorklogSeconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]


class EventData(BaseModel):
    """The data of an event: strict about types; unknown extra fields are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class WorklogRecorded(EventData):
    """The full state of a worklog; a correction is the same event with a later ``updated_at``."""

    worklog_id: Id
    issue_id: Id
    author_id: Id
    started_at: EventTime
    seconds: WorklogSeconds
    team_id: EventText | None = None
    description: EventText | None = None
    updated_at: EventTime


class WorklogDeleted(EventData):
    """A worklog was deleted, whatever issue the deletion names (SPEC 9)."""

    worklog_id: Id
    issue_id: Id
    deleted_at: EventTime


class IssueLinked(EventData):
    """An issue belongs to an account of a contract; ``contract_id`` null unlinks.

    ``contract_id`` is an id or a code, ``account_id`` an id or a name.
    """

    issue_id: Id
    issue_key: EventText | None = None
    summary: EventText | None = None
    contract_id: Id | None = None
    account_id: Id | None = None
    created_at: EventTime | None = None
    updated_at: EventTime


class ContractTerms(bodies.Contract):
    """The terms of a contract as events carry them: every account has an id."""


def _check_unique_ids(terms: ContractTerms) -> ContractTerms:
    """Check that accounts and slices are unique, because readers store them by their ids."""
    account_ids = [account.id for account in terms.accounts]
    if None in account_ids or len(set(account_ids)) < len(account_ids):
        raise PydanticCustomError("account_id", "In an event every account has an id of its own.")
    for account in terms.accounts:
        if len({slice_.team_id for slice_ in account.slices}) < len(account.slices):
            raise PydanticCustomError("team_twice", "An account has at most one slice for a team.")
    return terms


Version = Annotated[int, Field(ge=1, lt=2**31)]


Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ContractChanged(BaseModel):
    """Every ``tidemark.contract.*`` event: the contract's new state, who changed it and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    contract_id: UUID
    stream_version: Version
    status: bodies.Status | None = Field(description="null once a draft is discarded")
    previous_status: bodies.Status | None
    terms: Annotated[ContractTerms, AfterValidator(_check_unique_ids)]
    actor: str
    reason: str | None = None
    occurred_at: EventTime
    renewed_from: UUID | None = None
    renewed_as: UUID | None = None


class _Entity(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    version: Version
    deleted: bool = False


class OrganizationChanged(_Entity, bodies.Organization):
    """An organization's full state."""


class TeamChanged(_Entity, bodies.Team):
    """A team's full state."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)

    @model_validator(mode="after")
    def _check_memberships(self) -> Self:
        starts = [(member.person_id, member.from_) for member in self.members]
        if len(set(starts)) < len(starts):
            raise PydanticCustomError("membership_twice", "A person has at most one membership that starts on a day.")
        return self


class RateCardChanged(_Entity, bodies.RateCard):
    """A rate card's full state."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class PersonForgotten(BaseModel):
    """A person was forgotten: readers replace the texts with these digests by the pseudonym (SPEC W8)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID = Field(description="Random. The pseudonym is `forgotten-` and its first twelve digits.")
    version: Version = Field(description="Counts how often the person was forgotten; the digests grow.")
    key: Digest = Field(description="The key of the digests: HMAC-SHA-256, in hexadecimal.")
    person_digest: Digest = Field(description="Of the person's id.")
    digests: list[Digest] = Field(description="Of each name and mail address, in lower case.")
    forgotten_at: EventTime = Field(description="When it was asked for.")

    @property
    def person(self) -> ForgottenPerson:
        """The person, as stored values are compared with them."""
        digests = frozenset(map(bytes.fromhex, self.digests))
        return ForgottenPerson(self.id, bytes.fromhex(self.key), bytes.fromhex(self.person_digest), digests)


class OfferState(BaseModel):
    """A proposed adjustment of a contract, and what became of it (SPEC 10)."""

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_serialization_defaults_required=True)

    status: bodies.OfferStatus
    contract_id: UUID
    contract_code: str
    organization_id: UUID
    account_id: UUID
    account_name: str = Field(description="The account's name when the offer was made.")
    period_start: bodies.Day = Field(description="The first day of the period.")
    hours: bodies.Hours | None = None
    value_minor: bodies.MinorAmount | None = None
    currency: bodies.Currency | None = Field(default=None, description="The currency of `value_minor`.")
    reason: str = Field(description="Why it is offered; it becomes the reason of the adjustment.")
    price_minor: bodies.MinorAmount | None = None
    price_currency: bodies.Currency | None = None
    note: str | None = None
    valid_until: EventTime | None = Field(
        default=None, description="Until when it can be answered; null for a request that is not confirmed."
    )
    made_by: str | None = Field(
        default=None, description="The token, or the rule, that made it or confirmed the request; null before that."
    )
    notification_id: UUID | None = Field(default=None, description="The notification whose rule made it.")
    requested_by: bodies.Person | None = Field(default=None, description="Who asked for it at the customer.")
    answered_by: bodies.Person | None = Field(default=None, description="Who accepted or declined it.")
    remark: str | None = Field(default=None, description="Said with the answer, or why it was withdrawn.")
    refusal: str | None = Field(
        default=None, description="Why it could not be accepted when that was last tried; null once it is accepted."
    )
    stream_version: Version | None = Field(
        default=None, description="The version of the contract that has the accepted adjustment."
    )


class OfferChanged(OfferState):
    """Every ``tidemark.offer.*`` event: the offer's full state (SPEC 10).

    ``refused``: the customer accepted, but the adjustment no longer fits the contract. The offer stays open.
    """

    offer_id: UUID
    version: Version
    actor: str
    occurred_at: EventTime


class NotificationChanged(BaseModel):
    """``tidemark.notification.*``: a notification about a contract, and its delivery."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    notification_id: UUID
    contract_id: UUID
    contract_code: str
    rule_id: UUID | None = Field(description="Null for the mails of offers.")
    rule_name: str | None = Field(description="Null for the mails of offers.")
    subject: str
    subject_id: str
    threshold: str | None
    period_start: str | None
    raised_at: EventTime
    delivery_id: UUID | None = None
    channel: str | None = None
    receiver: str | None = None
    error: str | None = None
    offer: bodies.RuleOffer | None = Field(default=None, description="With `raised`: the offer to make, once.")
    offer_id: UUID | None = Field(default=None, description="Of the offer that a mail is about; null if a rule fired.")


WORKLOG_RECORDED = "tidemark.worklog.recorded.v1"
WORKLOG_DELETED = "tidemark.worklog.deleted.v1"
ISSUE_LINKED = "tidemark.issue.linked.v1"
CONTRACT_BALANCE = "tidemark.contract.balance.v1"
PERIOD_CLOSED = "tidemark.period.closed.v1"
PERIOD_RESTATED = "tidemark.period.restated.v1"
ORGANIZATION_CHANGED = "tidemark.organization.changed.v1"
TEAM_CHANGED = "tidemark.team.changed.v1"
RATE_CARD_CHANGED = "tidemark.rate_card.changed.v1"
PERSON_FORGOTTEN = "tidemark.person.forgotten.v1"
CONTRACT_EVENTS = tuple(
    f"tidemark.contract.{name}.v1"
    for name in (
        "drafted", "revised", "activated", "amended", "suspended",
        "resumed", "expired", "closed", "renewed", "discarded",
    )
)  # fmt: skip
OFFER_EVENTS = tuple(
    f"tidemark.offer.{name}.v1"
    for name in ("requested", "made", "accepted", "declined", "refused", "withdrawn", "expired")
)
NOTIFICATION_RAISED = "tidemark.notification.raised.v1"
NOTIFICATION_EVENTS = tuple(
    f"tidemark.notification.{name}.v1" for name in ("raised", "delivered", "failed", "resolved")
)

EVENT_TYPES: dict[Topic, dict[str, type[BaseModel]]] = {
    WORKLOGS: {WORKLOG_RECORDED: WorklogRecorded, WORKLOG_DELETED: WorklogDeleted, ISSUE_LINKED: IssueLinked},
    LIFECYCLE: dict.fromkeys(CONTRACT_EVENTS, ContractChanged),
    OFFERS: dict.fromkeys(OFFER_EVENTS, OfferChanged),
    DIRECTORY: {
        ORGANIZATION_CHANGED: OrganizationChanged,
        TEAM_CHANGED: TeamChanged,
        RATE_CARD_CHANGED: RateCardChanged,
        PERSON_FORGOTTEN: PersonForgotten,
    },
    BALANCES: {CONTRACT_BALANCE: Balance},
    PERIODS: {PERIOD_CLOSED: Statement, PERIOD_RESTATED: PeriodRestated},
    NOTIFICATIONS: dict.fromkeys(NOTIFICATION_EVENTS, NotificationChanged),
}


def canonical_content(data: EventData) -> bytes:
    """The canonical content (SPEC 9): RFC 8785 JSON, absent optional members null, times in UTC to the microsecond."""
    return canonical_json(plain_members(data))


def plain_members(data: EventData) -> dict[str, Any]:
    """The members of an event, with times as text (:func:`format_timestamp`)."""
    return {
        name: format_timestamp(value) if isinstance(value, datetime) else value for name, value in data.__dict__.items()
    }


def canonical_json(members: dict[str, Any]) -> bytes:
    """RFC 8785 JSON for ASCII names with strings, integers and null. Tests compare it with the `rfc8785` package."""
    return ("{" + ",".join([f'"{name}":{_literal(members[name])}' for name in sorted(members)]) + "}").encode()


def _literal(value: str | int | None) -> str:
    if value is None:
        return "null"
    # Escapes only what must be escaped.
    return encode_basestring(value) if isinstance(value, str) else str(value)
