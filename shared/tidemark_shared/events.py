"""The public events of SPEC 2: topics, types, data, and CloudEvents 1.0 over the Kafka binding.

Binary mode is written; binary and structured mode are read. Reading never guesses: what cannot be understood is
an :class:`DecodeError` with a reason that a person can act on.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from json.encoder import encode_basestring
from typing import Annotated, Any, Literal, NamedTuple, Self
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from tidemark_shared import bodies
from tidemark_shared.upcasts import upcast

Headers = Sequence[tuple[str, bytes | None]]

MAX_ID_BYTES = 255
# Of the attributes; ours to choose: a source is part of keys, which Postgres bounds.
MAX_ATTRIBUTE_BYTES = 1024
FIRST_YEAR, LAST_YEAR = 1970, 2100
MAX_SECONDS = 3_600_000


class Topic(NamedTuple):
    """A topic of the public surface. ``retention`` is ``forever``, ``compacted`` or ``long``."""

    name: str
    retention: Literal["forever", "compacted", "long"]
    key: str

    @property
    def dead_letters(self) -> str:
        """Where the copies of what was refused go."""
        return f"{self.name}.dlq"


WORKLOGS = Topic("worklog.events", "long", "issue id")
LIFECYCLE = Topic("contracts.lifecycle", "forever", "contract id")
DIRECTORY = Topic("contracts.directory", "compacted", "entity id")
BALANCES = Topic("consumption.balances", "compacted", "contract id")
NOTIFICATIONS = Topic("notifier.notifications", "long", "contract id")
TOPICS = (WORKLOGS, LIFECYCLE, DIRECTORY, BALANCES, NOTIFICATIONS)


class FieldError(NamedTuple):
    """One thing that is wrong with an event, and its place in the event as structured mode writes it."""

    message: str
    where: tuple[str | int, ...] = ()


class DecodeError(Exception):
    """A record that cannot be taken; its text is the reason in the dead letters, ``faults`` the same in parts."""

    def __init__(self, reason: str, *faults: FieldError) -> None:
        super().__init__(reason)
        self.faults = faults or (FieldError(reason),)


def _at(place: str, reason: str) -> DecodeError:
    return DecodeError(reason, FieldError(reason, (place,)))


def timestamp(instant: datetime) -> str:
    """UTC with six fraction digits and ``Z``: the form of canonical content (SPEC 9)."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat("T", "microseconds")[:-6] + "Z"


def _bounded_id(text: str) -> str:
    if len(text) > MAX_ID_BYTES // 4 and len(text.encode()) > MAX_ID_BYTES:
        raise PydanticCustomError("id_too_long", "An id has at most 255 bytes.")
    if "\0" in text:
        raise PydanticCustomError("nul", "The text holds a NUL character.")
    return text


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "The text holds a NUL character.")
    return text


def _written_out(value: object) -> object:
    # Left to itself, the parser takes digits for seconds since 1970: a time without an offset.
    if isinstance(value, datetime) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise PydanticCustomError("time", 'A time is a string with an offset, such as "2026-03-02T09:00:00+01:00".')


def _bounded_time(instant: datetime) -> datetime:
    # Near the ends of the calendar the shift to UTC overflows; the plain year settles those.
    if FIRST_YEAR - 1 <= instant.year <= LAST_YEAR + 1:
        instant = instant.astimezone(UTC)
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise PydanticCustomError("time_out_of_range", "A time lies from 1970 to 2100.")
    return instant


Id = Annotated[str, Field(min_length=1), AfterValidator(_bounded_id)]
Text = Annotated[str, AfterValidator(_without_nul)]
Time = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_written_out),
    AfterValidator(_bounded_time),
    PlainSerializer(timestamp, when_used="json"),
]
Seconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]


class Data(BaseModel):
    """The data of an event: strict on types, unknown extra fields ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class WorklogRecorded(Data):
    """The full state of a worklog; a correction is the same event with a later ``updated_at``."""

    worklog_id: Id
    issue_id: Id
    author_id: Id
    started_at: Time
    seconds: Seconds
    team_id: Text | None = None
    description: Text | None = None
    updated_at: Time


class WorklogDeleted(Data):
    """A worklog is gone, whatever issue the deletion names (SPEC 9)."""

    worklog_id: Id
    issue_id: Id
    deleted_at: Time


class IssueLinked(Data):
    """An issue belongs to an account of a contract; ``contract_id`` null unlinks.

    ``contract_id`` takes an id or a code, ``account_id`` an id or a name.
    """

    issue_id: Id
    issue_key: Text | None = None
    summary: Text | None = None
    contract_id: Id | None = None
    account_id: Id | None = None
    created_at: Time | None = None
    updated_at: Time


class ContractTerms(bodies.Contract):
    """The terms with their ids, as events carry them."""

    id: UUID


def _identified(terms: bodies.Contract) -> bodies.Contract:
    """Terms whose accounts and slices can be told apart: a reader keeps them by their ids."""
    ids = [account.id for account in terms.accounts]
    if None in ids or len(set(ids)) < len(ids):
        raise PydanticCustomError("account_id", "In an event every account has an id of its own.")
    for account in terms.accounts:
        if len({item.team_id for item in account.slices}) < len(account.slices):
            raise PydanticCustomError("team_twice", "An account has at most one slice for a team.")
    return terms


Version = Annotated[int, Field(ge=1, lt=2**31)]


class ContractChanged(BaseModel):
    """Every ``tidemark.contract.*`` event: what the contract is from now on, who did it and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    contract_id: UUID
    stream_version: Version
    status: bodies.Status | None = Field(description="null once a draft is discarded")
    previous_status: bodies.Status | None
    terms: Annotated[bodies.Contract, AfterValidator(_identified)]
    actor: str
    reason: str | None = None
    occurred_at: Time
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
    def _one_membership_from_a_day(self) -> Self:
        begun = [(member.person_id, member.from_) for member in self.members]
        if len(set(begun)) < len(begun):
            raise PydanticCustomError("membership_twice", "A person has at most one membership from a day on.")
        return self


class RateCardChanged(_Entity, bodies.RateCard):
    """A rate card's full state."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class Notification(BaseModel):
    """``tidemark.notification.*``: what was told, about which contract, and how it went."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    notification_id: UUID
    contract_id: UUID
    contract_code: str
    rule_id: UUID
    rule_name: str
    subject: str
    subject_id: str
    threshold: str | None
    period_start: str | None
    raised_at: Time
    delivery_id: UUID | None = None
    channel: str | None = None
    receiver: str | None = None
    error: str | None = None


RECORDED = "tidemark.worklog.recorded.v1"
DELETED = "tidemark.worklog.deleted.v1"
LINKED = "tidemark.issue.linked.v1"
BALANCE = "tidemark.contract.balance.v1"
ORGANIZATION_CHANGED = "tidemark.organization.changed.v1"
TEAM_CHANGED = "tidemark.team.changed.v1"
RATE_CARD_CHANGED = "tidemark.rate_card.changed.v1"
CONTRACT_EVENTS = tuple(
    f"tidemark.contract.{name}.v1"
    for name in (
        "drafted", "revised", "activated", "amended", "suspended",
        "resumed", "expired", "closed", "renewed", "discarded",
    )
)  # fmt: skip
NOTIFICATION_EVENTS = tuple(
    f"tidemark.notification.{name}.v1" for name in ("raised", "delivered", "failed", "resolved")
)

TYPES: dict[Topic, dict[str, type[BaseModel]]] = {
    WORKLOGS: {RECORDED: WorklogRecorded, DELETED: WorklogDeleted, LINKED: IssueLinked},
    LIFECYCLE: dict.fromkeys(CONTRACT_EVENTS, ContractChanged),
    DIRECTORY: {
        ORGANIZATION_CHANGED: OrganizationChanged,
        TEAM_CHANGED: TeamChanged,
        RATE_CARD_CHANGED: RateCardChanged,
    },
    BALANCES: {BALANCE: bodies.Balance},
    NOTIFICATIONS: dict.fromkeys(NOTIFICATION_EVENTS, Notification),
}


class Event(NamedTuple):
    """A CloudEvent whose data has been read and checked."""

    id: str
    source: str
    type: str
    correlation_id: str
    data: Any


class Outgoing(NamedTuple):
    """A record to publish: what an outbox row holds."""

    topic: str
    key: bytes | None
    headers: list[tuple[str, bytes]]
    value: bytes | None


def outgoing(
    topic: Topic, key: str, type_: str, data: BaseModel, *, source: str, time: datetime, correlation_id: str
) -> Outgoing:
    """An event in binary mode. ``source`` is the service's name as a URI reference, such as ``/contracts``."""
    headers = binary_headers(type_, id_=str(uuid4()), source=source, time=time, correlation_id=correlation_id)
    value = data.model_dump_json().encode()
    return Outgoing(topic.name, key.encode(), headers, value)


def binary_headers(
    type_: str, *, id_: str, source: str, time: datetime, correlation_id: str
) -> list[tuple[str, bytes]]:
    """The attributes of an event in binary mode."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": id_,
        "ce_source": source,
        "ce_type": type_,
        "ce_time": timestamp(time),
        "ce_correlationid": correlation_id,
        "content-type": "application/json",
    }
    return [(name, text.encode()) for name, text in attributes.items()]


def read(topic: Topic, headers: Headers, value: bytes | None) -> Event:
    """The event in a record of ``topic``, old versions upcast. Raises :class:`DecodeError`."""
    attributes, prefix, data = _envelope(headers, value)
    wrong: list[DecodeError] = []
    named: list[str] = []
    for name in ("id", "source", "type"):
        try:
            named.append(_attribute(attributes, prefix, name))
        except DecodeError as error:
            wrong.append(error)
            named.append("")
    id_, source, type_ = named
    try:
        type_, read_data = _data(topic, type_, data) if type_ else (type_, None)
    except DecodeError as error:
        wrong.append(error)
    if wrong:
        raise DecodeError(" ".join(map(str, wrong)), *(fault for one in wrong for fault in one.faults))
    correlation_id = attributes.get(f"{prefix}correlationid")
    return Event(id_, source, type_, correlation_id if isinstance(correlation_id, str) else id_, read_data)


def _data(topic: Topic, type_: str, data: bytes) -> tuple[str, BaseModel]:
    """The data, and the type that it has in its newest version."""
    try:
        type_, data = upcast(type_, data)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _at("data", f"{type_}: The data is not that of this version: {error!r}.") from None
    model = TYPES[topic].get(type_)
    if model is None:
        known = ", ".join(TYPES[topic])
        raise _at("type", f"Unknown event type {_shown(type_)}. {topic.name} takes {known}.")
    try:
        return type_, model.model_validate_json(data)
    except ValidationError as error:
        faults = (FieldError(one["msg"], ("data", *one["loc"])) for one in error.errors(include_url=False))
        raise DecodeError(f"{type_}: {explain(error)}", *faults) from None


def explain(error: ValidationError) -> str:
    """All that pydantic found, in one line for a person: ``seconds: Input should be …; updated_at: …``."""
    return "; ".join(
        f"{'/'.join(map(str, one['loc'])) or 'the data'}: {one['msg']}" for one in error.errors(include_url=False)
    )


def _envelope(headers: Headers, value: bytes | None) -> tuple[dict[str, Any], str, bytes]:
    """The attributes, what stands before their names, and the data as JSON text."""
    try:
        named = {name.lower(): (raw or b"").decode() for name, raw in headers}
    except UnicodeDecodeError as error:
        raise DecodeError(f"A header is not UTF-8: {error}.") from None
    if value is None:
        raise DecodeError("The record has no value. Publish the event's data as JSON.")
    content_type = named.get("content-type") or ""
    # The content-type comes first: an event in structured mode may repeat its attributes as headers.
    if content_type != _JSON and _kind(content_type) == "application/cloudevents+json":
        return _structured(value)
    if "ce_specversion" in named:
        _expect_version(named["ce_specversion"])
        _expect_json(content_type or _JSON)
        return named, "ce_", value
    if content_type:
        raise DecodeError(
            "The record is no CloudEvent: neither a header ce_specversion (binary mode) nor the content-type "
            "application/cloudevents+json (structured mode)."
        )
    return _structured(value)


def _structured(value: bytes) -> tuple[dict[str, Any], str, bytes]:
    attributes, data = structured(value)
    return attributes, "", data


def structured(value: bytes) -> tuple[dict[str, Any], bytes]:
    """The attributes and data of a CloudEvent in structured mode."""
    try:
        envelope = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"The value is not JSON: {error}.") from None
    return parts(envelope)


def parts(envelope: object) -> tuple[dict[str, Any], bytes]:
    """The same of one whose JSON has been read."""
    if not isinstance(envelope, dict) or "specversion" not in envelope:
        raise DecodeError("The value is no CloudEvent: it has no specversion.")
    _expect_version(envelope["specversion"])
    _expect_json(envelope.get("datacontenttype") or _JSON)
    if "data" not in envelope:
        raise _at("data", "The CloudEvent has no data.")
    try:
        return envelope, json.dumps(envelope["data"], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _at("data", "The data holds half of a surrogate pair, which is no text.") from None
    except RecursionError:
        raise _at("data", "The data is nested too deeply.") from None


def _expect_version(version: object) -> None:
    if version != "1.0":
        raise _at("specversion", f"CloudEvents specversion {_shown(version)} is not known. Use 1.0.")


def _expect_json(content_type: object) -> None:
    if content_type == _JSON:
        return
    kind = _kind(content_type) if isinstance(content_type, str) else ""
    if kind != _JSON and not kind.endswith("+json"):
        raise _at("datacontenttype", f"The data is {_shown(content_type)}. Use application/json.")


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _shown(value: object) -> str:
    """What the publisher wrote, for a reason: short, whatever its size and depth."""
    if not isinstance(value, str):
        return f"of type {type(value).__name__}"
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")


def _attribute(attributes: dict[str, Any], prefix: str, name: str) -> str:
    text = attributes.get(prefix + name)
    if not isinstance(text, str) or not text:
        raise _at(name, f"The CloudEvent has no {name}.")
    if "\0" in text:
        raise _at(name, f"The CloudEvent's {name} holds a NUL character.")
    try:
        size = len(text if text.isascii() else text.encode())
    except UnicodeEncodeError:
        raise _at(name, f"The CloudEvent's {name} holds half of a surrogate pair.") from None
    if size > MAX_ATTRIBUTE_BYTES:
        raise _at(name, f"The CloudEvent's {name} has {size} bytes; at most {MAX_ATTRIBUTE_BYTES} are taken.")
    return text


def canonical(data: Data) -> bytes:
    """Canonical content (SPEC 9): RFC 8785 JSON, absent optional members null, times in UTC to the microsecond."""
    return canonical_json(plain(data))


def plain(data: Data) -> dict[str, Any]:
    """The members of an event, its times as :func:`timestamp` writes them."""
    return {name: timestamp(value) if isinstance(value, datetime) else value for name, value in data.__dict__.items()}


def canonical_json(members: dict[str, Any]) -> bytes:
    """RFC 8785 for members such as ours: ASCII names; strings, integers, null. Held against the `rfc8785` package."""
    return ("{" + ",".join([f'"{name}":{_literal(members[name])}' for name in sorted(members)]) + "}").encode()


def _literal(value: str | int | None) -> str:
    if value is None:
        return "null"
    # The mandatory escapes and no others.
    return encode_basestring(value) if isinstance(value, str) else str(value)


FUTURE_LIMIT = timedelta(hours=24)
_SHOWN = 100
_JSON = "application/json"


def headers_as_json(headers: Iterable[tuple[str, bytes | None]]) -> list[list[str | None]]:
    """Headers as they are kept in tables: ``[[name, hex of the value], …]``, which loses no byte of the values.

    Postgres takes no NUL, so one in a name is shown for what it is.
    """
    return [[name.replace("\0", "\\0"), None if raw is None else raw.hex()] for name, raw in headers]
