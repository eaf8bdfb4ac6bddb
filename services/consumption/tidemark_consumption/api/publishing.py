"""From the body of ``POST /v1/worklogs`` to records of ``worklog.events``, by the rules of the consumer. Pure."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import ConsumerRecord
from pydantic import TypeAdapter, ValidationError

from tidemark_consumption.ingest.decode import decode_record
from tidemark_shared.http.problems import Problem, Violation, json_pointer
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
        raise _invalid([Violation(code="invalid", path="", message=f"The body is not JSON: {error}.")]) from None
    events = document if isinstance(document, list) else [document]
    if len(events) > MAX_EVENTS:
        message = f"The body has {len(events)} events. A request takes at most {MAX_EVENTS:,}."
        raise _invalid([Violation(code="invalid", path="", message=message)])
    records: list[OutboxRecord] = []
    violations: list[Violation] = []
    for index, event in enumerate(events):
        path = (index,) if isinstance(document, list) else ()
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


def body_schema() -> dict[str, Any]:
    """The JSON Schema of a body."""
    event_schemas = [
        {
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
