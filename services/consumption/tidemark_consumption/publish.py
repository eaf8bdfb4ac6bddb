"""What is posted to ``/v1/worklogs`` to records of ``worklog.events``, held to the consumer's own rules. Pure."""

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

MOST_EVENTS = 1_000
_MOST_CORRELATION = 128
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_time = TypeAdapter(EventTime)


def records(body: bytes, now: datetime, correlation_id: str) -> list[OutboxRecord]:
    """One structured CloudEvent, or an array of at most 1,000, as records in binary mode, keyed by issue.

    Each keeps its id, source and time, or has ``now``; and its ``correlationid``, or has this request's. Raises a
    :class:`Problem` with every violation of every event, at its path in ``body``.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _refused([Violation(code="invalid", path="", message=f"The body is not JSON: {error}.")]) from None
    events = said if isinstance(said, list) else [said]
    if len(events) > MOST_EVENTS:
        message = f"There are {len(events)} events. At most {MOST_EVENTS:,} are taken at once."
        raise _refused([Violation(code="invalid", path="", message=message)])
    found: list[OutboxRecord] = []
    violations: list[Violation] = []
    for index, event in enumerate(events):
        place = (index,) if isinstance(said, list) else ()
        try:
            found.append(_record(event, now, correlation_id))
        except DecodeError as error:
            violations += [
                Violation(code="invalid", path=json_pointer(*place, *field_error.location), message=field_error.message)
                for field_error in error.field_errors
            ]
    if violations:
        raise _refused(violations)
    return found


def schema() -> dict[str, Any]:
    """The JSON Schema of a body."""
    kinds = [
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
    return {"oneOf": [*kinds, {"type": "array", "maxItems": MOST_EVENTS, "items": {"oneOf": kinds}}]}


def _refused(violations: list[Violation]) -> Problem:
    return Problem(422, "The request is not valid", "Each violation says where. Nothing was taken.", violations)


def _record(event: object, now: datetime, correlation_id: str) -> OutboxRecord:
    attributes, data = split_envelope(event)
    given = attributes.get("correlationid")
    fits = isinstance(given, str) and 0 < len(given) <= _MOST_CORRELATION and "\0" not in given
    try:
        headers = build_binary_headers(
            _text(attributes.get("type")),
            id_=_text(attributes.get("id")),
            source=_text(attributes.get("source")),
            time=_time_of(attributes, now),
            correlation_id=_text(given) if fits else correlation_id,
        )
    except UnicodeEncodeError:
        raise DecodeError("An attribute holds half of a surrogate pair, which is no text.") from None
    # The very record that the consumer will read, by the consumer's own code.
    checked = decode_record(
        ConsumerRecord(
            topic=WORKLOGS.name, partition=0, offset=0, timestamp=(now - _EPOCH) // timedelta(milliseconds=1),
            timestamp_type=0, key=None, value=data, checksum=None, serialized_key_size=-1,
            serialized_value_size=len(data), headers=headers,
        )
    )  # fmt: skip
    return OutboxRecord(WORKLOGS.name, checked.issue_id.encode(), headers, data)


def _text(value: object) -> str:
    # What is no text is missing, as it is to the consumer.
    return value if isinstance(value, str) else ""


def _time_of(attributes: dict[str, Any], now: datetime) -> datetime:
    if attributes.get("time") is None:
        return now
    try:
        return _time.validate_python(attributes["time"])
    except ValidationError as error:
        faults = [FieldError(one["msg"], ("time",)) for one in error.errors(include_url=False)]
        raise DecodeError("The CloudEvent's time is none.", *faults) from None
