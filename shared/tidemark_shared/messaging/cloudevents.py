"""CloudEvents 1.0 over the Kafka binding: writes binary mode, reads binary and structured mode.

Decoding never guesses: an invalid record raises a :class:`DecodeError` with a reason that a person can act on.
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

# Our own limit: the source is part of keys, and Postgres limits their size.
MAX_ATTRIBUTE_BYTES = 1024
_MAX_QUOTED_LENGTH = 100
_JSON = "application/json"


class FieldError(NamedTuple):
    """One error in an event, and its location in the event's structured form."""

    message: str
    location: tuple[str | int, ...] = ()


class DecodeError(Exception):
    """A record that cannot be decoded. Its text is the reason of the dead letter; ``field_errors`` has its parts."""

    def __init__(self, reason: str, *field_errors: FieldError) -> None:
        super().__init__(reason)
        self.field_errors = field_errors or (FieldError(reason),)


def _field_error(field: str, reason: str) -> DecodeError:
    return DecodeError(reason, FieldError(reason, (field,)))


class CloudEvent(NamedTuple):
    """A CloudEvent whose data has been decoded and validated."""

    id: str
    source: str
    type: str
    correlation_id: str
    data: Any


class OutboxRecord(NamedTuple):
    """A record to publish, as an outbox row stores it."""

    topic: str
    key: bytes | None
    headers: list[tuple[str, bytes]]
    value: bytes | None


def outbox_record(
    topic: Topic, key: str, type_: str, data: BaseModel, *, source: str, time: datetime, correlation_id: str
) -> OutboxRecord:
    """Build an event in binary mode. ``source`` is the service's name as a URI reference, such as ``/contracts``."""
    headers = build_binary_headers(type_, id_=str(uuid4()), source=source, time=time, correlation_id=correlation_id)
    value = data.model_dump_json().encode()
    return OutboxRecord(topic.name, key.encode(), headers, value)


def build_binary_headers(
    type_: str, *, id_: str, source: str, time: datetime, correlation_id: str
) -> list[tuple[str, bytes]]:
    """Build the headers with the attributes of an event in binary mode."""
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
    """Decode a record of ``topic`` and upcast old versions. Raises :class:`DecodeError`."""
    attributes, prefix, data = _envelope(headers, value)
    errors: list[DecodeError] = []
    values: list[str] = []
    for name in ("id", "source", "type"):
        try:
            values.append(_attribute(attributes, prefix, name))
        except DecodeError as error:
            errors.append(error)
            values.append("")
    id_, source, type_ = values
    decoded_data: Any = None
    try:
        if type_:
            type_, decoded_data = _decode_data(topic, type_, data)
    except DecodeError as error:
        errors.append(error)
    if errors:
        raise DecodeError(
            " ".join(map(str, errors)), *(field_error for error in errors for field_error in error.field_errors)
        )
    correlation_id = attributes.get(f"{prefix}correlationid")
    return CloudEvent(id_, source, type_, correlation_id if isinstance(correlation_id, str) else id_, decoded_data)


def _decode_data(topic: Topic, type_: str, data: bytes) -> tuple[str, BaseModel]:
    """Validate the data. Returns the type and the data in their newest version."""
    try:
        type_, data = upcast(type_, data)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _field_error("data", f"{type_}: The data does not match this version: {error!r}.") from None
    model = EVENT_TYPES[topic].get(type_)
    if model is None:
        types = ", ".join(EVENT_TYPES[topic])
        raise _field_error("type", f"Unknown event type {_quote(type_)}. {topic.name} takes {types}.")
    try:
        return type_, model.model_validate_json(data)
    except ValidationError as error:
        field_errors = (
            FieldError(detail["msg"], ("data", *detail["loc"])) for detail in error.errors(include_url=False)
        )
        raise DecodeError(f"{type_}: {describe_validation_error(error)}", *field_errors) from None


def describe_validation_error(error: ValidationError) -> str:
    """Pydantic's errors on one line, for people: ``seconds: Input should be …; updated_at: …``."""
    return "; ".join(
        f"{'/'.join(map(str, detail['loc'])) or 'the data'}: {detail['msg']}"
        for detail in error.errors(include_url=False)
    )


def _envelope(headers: RecordHeaders, value: bytes | None) -> tuple[dict[str, Any], str, bytes]:
    """The attributes, the prefix of their names, and the data as JSON text."""
    try:
        attributes = {name.lower(): (raw or b"").decode() for name, raw in headers}
    except UnicodeDecodeError as error:
        raise DecodeError(f"A header is not UTF-8: {error}.") from None
    if value is None:
        raise DecodeError("The record has no value. Publish the event's data as JSON.")
    content_type = attributes.get("content-type") or ""
    # Check the content type first: an event in structured mode may repeat its attributes as headers.
    if content_type != _JSON and _media_type(content_type) == "application/cloudevents+json":
        return _parse_structured(value)
    if "ce_specversion" in attributes:
        _check_version(attributes["ce_specversion"])
        _check_content_type(content_type or _JSON)
        return attributes, "ce_", value
    if content_type:
        raise DecodeError(
            "The record is not a CloudEvent: it has neither a header ce_specversion (binary mode) nor the content-type "
            "application/cloudevents+json (structured mode)."
        )
    return _parse_structured(value)


def _parse_structured(value: bytes) -> tuple[dict[str, Any], str, bytes]:
    try:
        envelope = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"The value is not JSON: {error}.") from None
    attributes, data = split_envelope(envelope)
    return attributes, "", data


def split_envelope(envelope: object) -> tuple[dict[str, Any], bytes]:
    """Split a CloudEvent in structured mode, already parsed from JSON, into its attributes and data."""
    if not isinstance(envelope, dict) or "specversion" not in envelope:
        raise DecodeError("The value is not a CloudEvent: it has no specversion.")
    _check_version(envelope["specversion"])
    _check_content_type(envelope.get("datacontenttype") or _JSON)
    if "data" not in envelope:
        raise _field_error("data", "The CloudEvent has no data.")
    try:
        return envelope, json.dumps(envelope["data"], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _field_error("data", "The data has half of a surrogate pair, which is not valid text.") from None
    except RecursionError:
        raise _field_error("data", "The data is nested too deeply.") from None


def _check_version(version: object) -> None:
    if version != "1.0":
        raise _field_error("specversion", f"CloudEvents specversion {_quote(version)} is not supported. Use 1.0.")


def _check_content_type(content_type: object) -> None:
    if content_type == _JSON:
        return
    media_type = _media_type(content_type) if isinstance(content_type, str) else ""
    if media_type != _JSON and not media_type.endswith("+json"):
        raise _field_error("datacontenttype", f"The data is {_quote(content_type)}. Use application/json.")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _quote(value: object) -> str:
    """Quote a value of the publisher in a reason, shortened."""
    if not isinstance(value, str):
        return f"of type {type(value).__name__}"
    return repr(value if len(value) <= _MAX_QUOTED_LENGTH else f"{value[:_MAX_QUOTED_LENGTH]}…")


def _attribute(attributes: dict[str, Any], prefix: str, name: str) -> str:
    text = attributes.get(prefix + name)
    if not isinstance(text, str) or not text:
        raise _field_error(name, f"The CloudEvent has no {name}.")
    if "\0" in text:
        raise _field_error(name, f"The CloudEvent's {name} contains a NUL character.")
    try:
        size = len(text if text.isascii() else text.encode())
    except UnicodeEncodeError:
        raise _field_error(name, f"The CloudEvent's {name} contains half of a surrogate pair.") from None
    if size > MAX_ATTRIBUTE_BYTES:
        raise _field_error(
            name, f"The CloudEvent's {name} has {size} bytes; at most {MAX_ATTRIBUTE_BYTES} are allowed."
        )
    return text


def encode_headers(headers: Iterable[tuple[str, bytes | None]]) -> list[list[str | None]]:
    """Encode headers for a table: ``[[name, hex of the value], …]``, which keeps every byte of the values.

    Postgres rejects NUL, so a NUL in a name is escaped.
    """
    return [[name.replace("\0", "\\0"), None if raw is None else raw.hex()] for name, raw in headers]
