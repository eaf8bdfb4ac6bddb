"""From the body of ``POST /v1/worklogs`` to records of ``worklog.events``, by the rules of the consumer. Pure."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any

from aiokafka import ConsumerRecord
from pydantic import TypeAdapter, ValidationError

from tidemark_consumption.ingest.decode import decode_record
from tidemark_shared.domain.strict_input import MAX_UNKNOWN_FIELDS, describe_unknown_field
from tidemark_shared.http.problems import Problem, Violation, describe_json_error, json_pointer
from tidemark_shared.messaging.cloudevents import (
    DecodeError,
    FieldError,
    OutboxRecord,
    build_binary_headers,
    split_envelope,
)
from tidemark_shared.messaging.events import EVENT_TYPES, EventTime
from tidemark_shared.messaging.topics import WORKLOGS

MAX_EVENTS = 1_000
_MAX_CORRELATION_ID_LENGTH = 128
_ATTRIBUTES = ("specversion", "id", "source", "type", "time", "subject", "dataschema", "datacontenttype", "data")
_ATTRIBUTE_NAME = re.compile("[a-z0-9]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_time = TypeAdapter(EventTime)


def build_records(body: bytes, now: datetime, correlation_id: str) -> list[OutboxRecord]:
    """One structured CloudEvent, or an array of at most 1,000, as records in binary mode, keyed by issue.

    An event without a time gets ``now``, one without a valid ``correlationid`` gets ``correlation_id``. Raises a
    :class:`Problem` with every violation of every event, at its path in ``body``.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _invalid([Violation(code="invalid", path="", message=describe_json_error(error))]) from None
    events = document if isinstance(document, list) else [document]
    if len(events) > MAX_EVENTS:
        message = f"The body has {len(events)} events. A request takes at most {MAX_EVENTS:,}."
        raise _invalid([Violation(code="invalid", path="", message=message)])
    records: list[OutboxRecord] = []
    paths: list[tuple[int, ...]] = [(index,) if isinstance(document, list) else () for index in range(len(events))]
    unknown_fields = chain.from_iterable(map(_unknown_fields, events, paths))
    violations = list(islice(unknown_fields, MAX_UNKNOWN_FIELDS))
    for event, path in zip(events, paths, strict=True):
        try:
            records.append(_build_record(event, now, correlation_id))
        except DecodeError as error:
            violations += [
                Violation(code="invalid", path=json_pointer(*path, *field_error.location), message=field_error.message)
                for field_error in error.field_errors
            ]
    if violations:
        raise _invalid(violations)
    return records


def _unknown_fields(event: Any, path: tuple[int, ...]) -> Iterator[Violation]:
    """The unknown members of an event's data, and what cannot be the name of an extension attribute of CloudEvents."""
    if not isinstance(event, dict):
        return
    data, model = event.get("data"), EVENT_TYPES[WORKLOGS].get(_text(event.get("type")))
    names: list[tuple[tuple[str, ...], str, Iterable[str]]]
    names = [((), name, _ATTRIBUTES) for name in event if not _ATTRIBUTE_NAME.fullmatch(name)]
    if model and isinstance(data, dict):
        names += [(("data",), name, model.model_fields) for name in data if name not in model.model_fields]
    for parent, name, known in names:
        pointer = json_pointer(*path, *parent, name)
        yield Violation(code="unknown_field", path=pointer, message=describe_unknown_field(name, known))


def body_schema() -> dict[str, Any]:
    """The JSON Schema of a body."""
    event_schemas = [
        {
            "title": f"{model.__name__}Event",
            "description": "A CloudEvent 1.0 in structured mode.",
            "type": "object",
            "required": ["specversion", "id", "source", "type", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "minLength": 1},
                "source": {"type": "string", "minLength": 1},
                "type": {"const": type_},
                "time": {"type": ["string", "null"], "format": "date-time"},
                "data": model.model_json_schema(),
            },
        }
        for type_, model in EVENT_TYPES[WORKLOGS].items()
    ]
    return {"oneOf": [*event_schemas, {"type": "array", "maxItems": MAX_EVENTS, "items": {"oneOf": event_schemas}}]}


def _invalid(violations: list[Violation]) -> Problem:
    detail = "No event was published. See `violations` for each error and its location."
    return Problem(422, "The request is not valid", detail, violations)


def _build_record(event: object, now: datetime, correlation_id: str) -> OutboxRecord:
    attributes, data = split_envelope(event)
    event_correlation_id = _text(attributes.get("correlationid"))
    is_valid = 0 < len(event_correlation_id) <= _MAX_CORRELATION_ID_LENGTH and "\0" not in event_correlation_id
    try:
        headers = build_binary_headers(
            _text(attributes.get("type")),
            id_=_text(attributes.get("id")),
            source=_text(attributes.get("source")),
            time=_event_time(attributes, now),
            correlation_id=event_correlation_id if is_valid else correlation_id,
        )
    except UnicodeEncodeError:
        raise DecodeError("An attribute has half of a surrogate pair, which is not valid text.") from None
    # Exactly the record that the consumer will read, decoded by the code of the consumer.
    row = decode_record(
        ConsumerRecord(
            topic=WORKLOGS.name, partition=0, offset=0, timestamp=(now - _EPOCH) // timedelta(milliseconds=1),
            timestamp_type=0, key=None, value=data, checksum=None, serialized_key_size=-1,
            serialized_value_size=len(data), headers=headers,
        )
    )  # fmt: skip
    return OutboxRecord(WORKLOGS.name, row.issue_id.encode(), headers, data)


def _text(value: object) -> str:
    # A value that is not text is missing, as it is to the consumer.
    return value if isinstance(value, str) else ""


def _event_time(attributes: dict[str, Any], now: datetime) -> datetime:
    if attributes.get("time") is None:
        return now
    try:
        return _time.validate_python(attributes["time"])
    except ValidationError as error:
        field_errors = [FieldError(detail["msg"], ("time",)) for detail in error.errors(include_url=False)]
        raise DecodeError("The time of the CloudEvent is not a valid time.", *field_errors) from None
