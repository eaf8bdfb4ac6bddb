"""From a record of ``worklog.events`` to a row of the log, or the reason why it is rejected. Pure.

There are two paths. The slow path validates with pydantic, explains errors, and decides. The fast path decodes records
that are certainly valid at a fraction of the cost, and leaves all others to the slow path.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Annotated, Any, get_type_hints

import msgspec
from aiokafka import ConsumerRecord
from msgspec import Meta
from pydantic import BaseModel

from tidemark_consumption.ingest.fact_rows import ESCAPES, FactRow, copy_field, copy_line, read_author
from tidemark_shared.domain.people import Pseudonyms
from tidemark_shared.messaging.batches import DeadLetter
from tidemark_shared.messaging.cloudevents import MAX_ATTRIBUTE_BYTES, DecodeError, FieldError, decode_event
from tidemark_shared.messaging.events import (
    EVENT_TYPES,
    FIRST_YEAR,
    FUTURE_LIMIT,
    ISSUE_LINKED,
    LAST_YEAR,
    MAX_ID_BYTES,
    MAX_SECONDS,
    WORKLOG_DELETED,
    WORKLOG_RECORDED,
    EventText,
    EventTime,
    Id,
    WorklogSeconds,
    canonical_json,
    format_timestamp,
    plain_members,
)
from tidemark_shared.messaging.topics import WORKLOGS
from tidemark_shared.people import replace_record

MAX_RECORD_BYTES = 1024 * 1024


def decode(
    records: Iterable[ConsumerRecord], pseudonyms: Pseudonyms | None = None
) -> tuple[list[str], list[DeadLetter]]:
    """The rows of a batch as lines for :func:`copy_text`, and its dead letters; both in their order.

    Work of a person who was forgotten is decoded as if its source had sent the pseudonym, and no description.
    """
    lines: list[str] = []
    dead_letters: list[DeadLetter] = []
    for record in records:
        try:
            line = fast_line(record)
        except Exception:  # noqa: BLE001 - the slow path decides about every error of the fast path
            try:
                line = copy_line(decode_record(record))
            except DecodeError as error:
                kept = replace_record(record, pseudonyms) if pseudonyms else record
                dead_letters.append(DeadLetter(kept, str(error)))
                continue
        if pseudonyms and pseudonyms.find_person(read_author(line)):
            line = copy_line(decode_record(replace_record(record, pseudonyms)))
        lines.append(line)
    return lines, dead_letters


# The slow path.

_KINDS = {WORKLOG_RECORDED: "recorded", WORKLOG_DELETED: "deleted", ISSUE_LINKED: "linked"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode_record(record: ConsumerRecord) -> FactRow:
    """The row of a record. Raises :class:`DecodeError` with the reason why the record is rejected."""
    if record.value is not None and len(record.value) > MAX_RECORD_BYTES:
        raise DecodeError(f"The record has {len(record.value)} bytes. The maximum is 1 MiB ({MAX_RECORD_BYTES} bytes).")
    event = decode_event(WORKLOGS, record.headers, record.value)
    kind = _KINDS[event.type]
    changed_at = "deleted_at" if kind == "deleted" else "updated_at"
    _require_not_ahead(getattr(event.data, changed_at), record.timestamp, changed_at)
    members = plain_members(event.data)
    member = members.get
    return FactRow(
        record_offset=record.offset,
        kind=kind,
        source=event.source,
        issue_id=members["issue_id"],
        worklog_id=member("worklog_id"),
        author_id=member("author_id"),
        started_at=member("started_at"),
        seconds=member("seconds"),
        team_ref=member("team_id"),
        contract_ref=member("contract_id"),
        account_ref=member("account_id"),
        created_at=member("created_at"),
        changed_at=members[changed_at],
        issue_key=member("issue_key"),
        summary=member("summary"),
        description=member("description"),
        digest=sha256(canonical_json(members)).digest(),
    )


def _require_not_ahead(changed_at: datetime, record_timestamp: int, name: str) -> None:
    """Reject a time far in the future: every correction would be older, so none could replace it (SPEC 2)."""
    try:
        received = _EPOCH + timedelta(milliseconds=record_timestamp)
    except OverflowError:
        raise DecodeError(
            f"The record's own timestamp, {record_timestamp} ms since 1970, is not a valid time. "
            "Check the publisher's clock."
        ) from None
    if changed_at - received > FUTURE_LIMIT:
        reason = (
            f"{name} {format_timestamp(changed_at)} is more than 24 hours after the record was published "
            f"({format_timestamp(received)}). Check the publisher's clock and time zone, and publish it again."
        )
        raise DecodeError(reason, FieldError(reason, ("data", name)))


# The fast path.

_Decoder = Callable[[bytes], Any]
_Line = Callable[[int, str, Any, str], str]


class UncertainError(Exception):
    """The fast path leaves the record to the slow path."""


def fast_line(record: ConsumerRecord) -> str:
    """The line that the slow path would make of a record. Raises any exception where that is uncertain."""
    names, values = zip(*record.headers, strict=True)
    id_index, select = _layout(names)
    attributes = b"\n".join(values)
    if (
        not values[id_index]
        or not attributes.isascii()
        or b"\0" in attributes
        or len(attributes) > MAX_ATTRIBUTE_BYTES
        or len(record.value) > MAX_RECORD_BYTES
    ):
        raise UncertainError
    source, decode_data, line = _route(*select(values))
    return line(record.offset, source, decode_data(record.value), _latest_time(record.timestamp // _HOUR_MS))


@lru_cache
def _layout(names: tuple[str, ...]) -> tuple[int, Callable[[tuple[bytes, ...]], tuple[bytes, ...]]]:
    """The index of the id among headers of these names, and a getter of the arguments of :func:`_route`."""
    if len({name.lower() for name in names}) < len(names):
        raise UncertainError
    route_headers = ("ce_specversion", "content-type", "ce_type", "ce_source")
    return names.index("ce_id"), itemgetter(*map(names.index, route_headers))


@lru_cache
def _route(version: bytes, content_type: bytes, type_: bytes, source: bytes) -> tuple[str, _Decoder, _Line]:
    """The source for COPY, the decoder of the data, and the function that writes the line of an event."""
    if version != b"1.0" or content_type != b"application/json" or not source:
        raise UncertainError
    return copy_field(source.decode()), *_DECODERS[type_]


_HOUR_MS = 3_600_000


@lru_cache
def _latest_time(hour: int) -> str:
    """The latest time that is valid in every record published in this hour; the slow path decides later ones."""
    return format_timestamp(_EPOCH + timedelta(hours=hour) + FUTURE_LIMIT)


# Every type of a member, and its type for msgspec. An id of at most this many characters cannot exceed the limit in
# bytes.
_FAST_TYPES: tuple[tuple[Any, Any], ...] = (
    (Id, Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES // 4)]),
    (EventText, str),
    (EventTime, str),
    (WorklogSeconds, Annotated[int, Meta(ge=1, le=MAX_SECONDS)]),
)


def _fast_type(annotation: Any) -> Any:
    for declared, fast in _FAST_TYPES:
        if annotation == declared:
            return fast
        if annotation == declared | None:
            return fast | None
    raise TypeError(f"The fast path has no type for {annotation}. Add one.")


def _decoder(model: type[BaseModel]) -> _Decoder:
    """A decoder of the members of a model, in the order of canonical content.

    A record with an unknown member goes to the slow path: msgspec would skip its value without validating it, and so
    accept invalid JSON.
    """
    annotations = get_type_hints(model, include_extras=True)
    members = [
        (name, _fast_type(annotations[name]), *([] if field.is_required() else [field.default]))
        for name, field in sorted(model.model_fields.items())
    ]
    struct = msgspec.defstruct(model.__name__, members, kw_only=True, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(struct).decode


def _recorded_line(offset: int, source: str, data: Any, latest_time: str) -> str:
    data.started_at = _utc(data.started_at)
    data.updated_at = _utc(data.updated_at)
    if data.updated_at > latest_time:
        raise UncertainError
    digest = _digest_and_escape(data)
    team_id, description = data.team_id, data.description
    return (
        f"{offset}\trecorded\t{source}\t{data.issue_id}\t{data.worklog_id}\t{data.author_id}\t{data.started_at}\t"
        f"{data.seconds}\t{_NULL if team_id is None else team_id}\t\\N\t\\N\t\\N\t{data.updated_at}\t\\N\t\\N\t"
        f"{_NULL if description is None else description}\t\\\\x{digest}"
    )


def _deleted_line(offset: int, source: str, data: Any, latest_time: str) -> str:
    data.deleted_at = _utc(data.deleted_at)
    if data.deleted_at > latest_time:
        raise UncertainError
    digest = _digest_and_escape(data)
    return (
        f"{offset}\tdeleted\t{source}\t{data.issue_id}\t{data.worklog_id}\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t"
        f"{data.deleted_at}\t\\N\t\\N\t\\N\t\\\\x{digest}"
    )


def _linked_line(offset: int, source: str, data: Any, latest_time: str) -> str:
    if data.created_at is not None:
        data.created_at = _utc(data.created_at)
    data.updated_at = _utc(data.updated_at)
    if data.updated_at > latest_time:
        raise UncertainError
    digest = _digest_and_escape(data)
    contract_id, account_id, created_at, issue_key, summary = (
        _NULL if value is None else value
        for value in (data.contract_id, data.account_id, data.created_at, data.issue_key, data.summary)
    )
    return (
        f"{offset}\tlinked\t{source}\t{data.issue_id}\t\\N\t\\N\t\\N\t\\N\t\\N\t{contract_id}\t{account_id}\t"
        f"{created_at}\t{data.updated_at}\t{issue_key}\t{summary}\t\\N\t\\\\x{digest}"
    )


_NULL = "\\N"
_encode = msgspec.json.Encoder().encode


def _digest_and_escape(data: Any) -> str:
    """The digest of the canonical content, in hexadecimal. Then escapes the strings of ``data`` for COPY.

    The members are in canonical order, so msgspec writes exactly the canonical content. Every character that is special
    to COPY has a backslash in it.
    """
    content = _encode(data)
    if b"\\" in content:
        if b"\\u0000" in content:
            raise UncertainError
        for name in data.__struct_fields__:
            value = getattr(data, name)
            if type(value) is str:
                setattr(data, name, value.translate(ESCAPES))
    return sha256(content).hexdigest()


_DECODERS: dict[bytes, tuple[_Decoder, _Line]] = {
    type_.encode(): (_decoder(EVENT_TYPES[WORKLOGS][type_]), line)
    for type_, line in {
        WORKLOG_RECORDED: _recorded_line,
        WORKLOG_DELETED: _deleted_line,
        ISSUE_LINKED: _linked_line,
    }.items()
}


# Times repeat within a batch, and their minutes more so.
_CACHED_TIMES = 2**15
_match_seconds = re.compile(r":([0-5][0-9])(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-5][0-9])").fullmatch


@lru_cache(_CACHED_TIMES)
def _utc(text: str) -> str:
    """A time as a publisher writes it, in the format of :func:`~tidemark_shared.messaging.events.timestamp`."""
    match = _match_seconds(text, 16)
    if match is None:
        raise UncertainError
    second, fraction, offset = match.groups()
    return f"{_utc_minute(text[:16], offset)}:{second}.{fraction or '':0<6.6}Z"


@lru_cache(_CACHED_TIMES)
def _utc_minute(minute: str, offset: str) -> str:
    # With these separators in place, everything else must be a digit, or parsing fails.
    if minute[4::3] != "--T:":
        raise UncertainError
    instant = datetime.fromisoformat(minute + offset)
    utc = minute if instant.tzinfo is UTC else format_timestamp(instant)
    if not FIRST_YEAR <= int(utc[:4]) <= LAST_YEAR:
        raise UncertainError
    return utc[:16]
