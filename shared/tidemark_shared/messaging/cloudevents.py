"""CloudEvents 1.0 over the Kafka binding: binary mode is written, binary and structured mode are read.

Reading never guesses: what cannot be understood is a :class:`DecodeError` with a reason that a person can act on.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from tidemark_shared.messaging.events import EVENT_TYPES, format_timestamp
from tidemark_shared.messaging.topics import Topic
from tidemark_shared.messaging.upcasts import upcast

RecordHeaders = Sequence[tuple[str, bytes | None]]

# Ours to choose: a source is part of keys, which Postgres bounds.
MAX_ATTRIBUTE_BYTES = 1024
_MAX_SHOWN = 100
_JSON = "application/json"


class FieldError(NamedTuple):
    """One thing that is wrong with an event, and its place in the event as structured mode writes it."""

    message: str
    location: tuple[str | int, ...] = ()


class DecodeError(Exception):
    """A record that cannot be taken; its text is the reason in the dead letters, ``field_errors`` the same in parts."""

    def __init__(self, reason: str, *field_errors: FieldError) -> None:
        super().__init__(reason)
        self.field_errors = field_errors or (FieldError(reason),)


def _at(place: str, reason: str) -> DecodeError:
    return DecodeError(reason, FieldError(reason, (place,)))


class CloudEvent(NamedTuple):
    """A CloudEvent whose data has been read and checked."""

    id: str
    source: str
    type: str
    correlation_id: str
    data: Any


class OutboxRecord(NamedTuple):
    """A record to publish: what an outbox row holds."""

    topic: str
    key: bytes | None
    headers: list[tuple[str, bytes]]
    value: bytes | None


def outbox_record(
    topic: Topic, key: str, type_: str, data: BaseModel, *, source: str, time: datetime, correlation_id: str
) -> OutboxRecord:
    """An event in binary mode. ``source`` is the service's name as a URI reference, such as ``/contracts``."""
    headers = build_binary_headers(type_, id_=str(uuid4()), source=source, time=time, correlation_id=correlation_id)
    value = data.model_dump_json().encode()
    return OutboxRecord(topic.name, key.encode(), headers, value)


def build_binary_headers(
    type_: str, *, id_: str, source: str, time: datetime, correlation_id: str
) -> list[tuple[str, bytes]]:
    """The attributes of an event in binary mode."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": id_,
        "ce_source": source,
        "ce_type": type_,
        "ce_time": format_timestamp(time),
        "ce_correlationid": correlation_id,
        "content-type": "application/json",
    }
    return [(name, text.encode()) for name, text in attributes.items()]


def decode_event(topic: Topic, headers: RecordHeaders, value: bytes | None) -> CloudEvent:
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
        raise DecodeError(" ".join(map(str, wrong)), *(fault for one in wrong for fault in one.field_errors))
    correlation_id = attributes.get(f"{prefix}correlationid")
    return CloudEvent(id_, source, type_, correlation_id if isinstance(correlation_id, str) else id_, read_data)


def _data(topic: Topic, type_: str, data: bytes) -> tuple[str, BaseModel]:
    """The data, and the type that it has in its newest version."""
    try:
        type_, data = upcast(type_, data)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _at("data", f"{type_}: The data is not that of this version: {error!r}.") from None
    model = EVENT_TYPES[topic].get(type_)
    if model is None:
        known = ", ".join(EVENT_TYPES[topic])
        raise _at("type", f"Unknown event type {_shown(type_)}. {topic.name} takes {known}.")
    try:
        return type_, model.model_validate_json(data)
    except ValidationError as error:
        faults = (FieldError(one["msg"], ("data", *one["loc"])) for one in error.errors(include_url=False))
        raise DecodeError(f"{type_}: {describe_validation_error(error)}", *faults) from None


def describe_validation_error(error: ValidationError) -> str:
    """All that pydantic found, in one line for a person: ``seconds: Input should be …; updated_at: …``."""
    return "; ".join(
        f"{'/'.join(map(str, one['loc'])) or 'the data'}: {one['msg']}" for one in error.errors(include_url=False)
    )


def _envelope(headers: RecordHeaders, value: bytes | None) -> tuple[dict[str, Any], str, bytes]:
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
    attributes, data = parse_structured(value)
    return attributes, "", data


def parse_structured(value: bytes) -> tuple[dict[str, Any], bytes]:
    """The attributes and data of a CloudEvent in structured mode."""
    try:
        envelope = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"The value is not JSON: {error}.") from None
    return split_envelope(envelope)


def split_envelope(envelope: object) -> tuple[dict[str, Any], bytes]:
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
    return repr(value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}…")


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


def encode_headers(headers: Iterable[tuple[str, bytes | None]]) -> list[list[str | None]]:
    """Headers as they are kept in tables: ``[[name, hex of the value], …]``, which loses no byte of the values.

    Postgres takes no NUL, so one in a name is shown for what it is.
    """
    return [[name.replace("\0", "\\0"), None if raw is None else raw.hex()] for name, raw in headers]
