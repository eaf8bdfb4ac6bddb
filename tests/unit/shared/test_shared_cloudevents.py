"""CloudEvents are decoded and encoded; an invalid envelope is rejected with its reason."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevent_records import (
    ATTRIBUTES,
    VALID,
    WORKLOG,
    WORKLOG_STRATEGY,
    Record,
    binary_record,
    rejection_reason,
    structured_record,
    without,
    worklog,
)
from hypothesis import given
from hypothesis import strategies as st

from tidemark_shared.messaging.cloudevents import DecodeError, decode_event, encode_headers, outbox_record
from tidemark_shared.messaging.events import (
    CONTRACT_BALANCE,
    ISSUE_LINKED,
    WORKLOG_DELETED,
    WORKLOG_RECORDED,
    WorklogDeleted,
    WorklogRecorded,
    canonical_content,
)
from tidemark_shared.messaging.topics import WORKLOGS


@given(WORKLOG_STRATEGY)
def test_binary_and_structured_mode_decode_to_the_same_event(data: dict[str, Any]) -> None:
    assert decode_event(WORKLOGS, *binary_record(data)) == decode_event(WORKLOGS, *structured_record(data))


@pytest.mark.parametrize("type_", VALID)
def test_examples_of_the_specification_are_decoded(type_: str) -> None:
    event = decode_event(WORKLOGS, *binary_record(VALID[type_], {**ATTRIBUTES, "type": type_}))
    assert (event.id, event.source, event.type) == ("e-1", "/jira/acme", type_)
    members = {name: value for name, value in VALID[type_].items() if not name.endswith("_at")}
    assert event.data.model_dump(include=set(members)) == members


def test_times_are_stored_in_utc_and_truncated_to_microseconds() -> None:
    data = decode_event(WORKLOGS, *binary_record(worklog(started_at="2026-03-02T09:00:00.1234569+01:00"))).data
    assert data.started_at == datetime(2026, 3, 2, 8, 0, 0, 123456, UTC)
    assert b'"started_at":"2026-03-02T08:00:00.123456Z"' in canonical_content(data)


@pytest.mark.parametrize("mode", [binary_record, structured_record])
def test_unknown_fields_and_attributes_are_ignored(mode: Callable[..., Record]) -> None:
    extended = mode(worklog(billable=True, nested={"a": [1, None]}), {**ATTRIBUTES, "subject": "x", "traceparent": "y"})
    assert decode_event(WORKLOGS, *extended) == decode_event(WORKLOGS, *mode(WORKLOG))


def test_structured_mode_ignores_attributes_repeated_as_headers() -> None:
    headers, value = structured_record(WORKLOG)
    assert decode_event(WORKLOGS, [*binary_record(WORKLOG)[0][:-1], *headers], value) == decode_event(
        WORKLOGS, *binary_record(WORKLOG)
    )


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Content-Type", b"Application/CloudEvents+JSON")],
        [("content-type", b"")],
    ],
)
def test_structured_mode_is_detected_by_content_type_or_its_absence(headers: list[tuple[str, bytes]]) -> None:
    assert decode_event(WORKLOGS, headers, structured_record(WORKLOG)[1]).data.seconds == 28800


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/x+json"]
)
def test_binary_mode_accepts_any_json_content_type(content_type: str) -> None:
    assert decode_event(WORKLOGS, *binary_record(WORKLOG, content_type=content_type)).data.seconds == 28800


def test_binary_mode_without_content_type_is_json() -> None:
    headers, value = binary_record(WORKLOG)
    assert decode_event(WORKLOGS, headers[:-1], value).data.seconds == 28800


def test_correlation_id_defaults_to_the_event_id() -> None:
    assert decode_event(WORKLOGS, *binary_record(WORKLOG)).correlation_id == "e-1"
    assert (
        decode_event(WORKLOGS, *binary_record(WORKLOG, {**ATTRIBUTES, "correlationid": "c-9"})).correlation_id == "c-9"
    )
    assert (
        decode_event(WORKLOGS, *structured_record(WORKLOG, {**ATTRIBUTES, "correlationid": 9})).correlation_id == "e-1"
    )


@pytest.mark.parametrize("name", ["id", "source", "type"])
@pytest.mark.parametrize("mode", [binary_record, structured_record])
def test_missing_attribute_is_rejected_with_its_name(mode: Callable[..., Record], name: str) -> None:
    assert rejection_reason(mode(WORKLOG, without(ATTRIBUTES, name))) == f"The CloudEvent has no {name}."
    assert rejection_reason(mode(WORKLOG, {**ATTRIBUTES, name: ""})) == f"The CloudEvent has no {name}."


@pytest.mark.parametrize("mode", [binary_record, structured_record])
def test_attribute_with_nul_or_too_many_bytes_is_rejected(mode: Callable[..., Record]) -> None:
    assert (
        rejection_reason(mode(WORKLOG, {**ATTRIBUTES, "source": "/a\0"}))
        == "The CloudEvent's source contains a NUL character."
    )
    decode_event(WORKLOGS, *mode(WORKLOG, {**ATTRIBUTES, "source": "é" * 512}))
    reason = rejection_reason(mode(WORKLOG, {**ATTRIBUTES, "source": "é" * 513}))
    assert reason == "The CloudEvent's source has 1026 bytes; at most 1024 are allowed."


@pytest.mark.parametrize("source", [7, None, ["/a"], "\ud800"], ids=repr)
def test_attribute_in_structured_mode_must_be_text(source: object) -> None:
    assert rejection_reason(structured_record(WORKLOG, {**ATTRIBUTES, "source": source})).startswith("The CloudEvent")


@pytest.mark.parametrize("version", ["0.3", "1.0.1", "2", ""])
@pytest.mark.parametrize("mode", [binary_record, structured_record])
def test_unsupported_specversion_is_rejected(mode: Callable[..., Record], version: str) -> None:
    reason = rejection_reason(mode(WORKLOG, {**ATTRIBUTES, "specversion": version}))
    assert reason == f"CloudEvents specversion {version!r} is not supported. Use 1.0."


def test_unknown_type_is_rejected_with_the_known_types() -> None:
    reason = rejection_reason(binary_record(WORKLOG, {**ATTRIBUTES, "type": "tidemark.worklog.recorded.v9"}))
    assert reason.startswith("Unknown event type 'tidemark.worklog.recorded.v9'. worklog.events takes ")
    assert all(type_ in reason for type_ in (WORKLOG_RECORDED, WORKLOG_DELETED, ISSUE_LINKED))


def test_type_of_another_topic_is_rejected() -> None:
    assert rejection_reason(binary_record({}, {**ATTRIBUTES, "type": CONTRACT_BALANCE})).startswith(
        "Unknown event type "
    )


def test_record_without_a_value_is_rejected() -> None:
    with pytest.raises(DecodeError, match=r"The record has no value\. Publish the event's data as JSON\."):
        decode_event(WORKLOGS, binary_record(WORKLOG)[0], None)


@pytest.mark.parametrize("content_type", ["text/plain", "application/avro", "jsonp"])
def test_unsupported_content_type_is_rejected(content_type: str) -> None:
    assert (
        rejection_reason(binary_record(WORKLOG, content_type=content_type))
        == f"The data is {content_type!r}. Use application/json."
    )
    reason = rejection_reason(structured_record(WORKLOG, {**ATTRIBUTES, "datacontenttype": content_type}))
    assert reason == f"The data is {content_type!r}. Use application/json."


@pytest.mark.parametrize("headers", [[("content-type", b"application/json")], [("content-type", b"text/plain")]])
def test_record_that_is_not_a_cloudevent_is_rejected_with_both_modes(headers: list[tuple[str, bytes]]) -> None:
    reason = rejection_reason((headers, json.dumps(WORKLOG).encode()))
    assert "ce_specversion" in reason
    assert "application/cloudevents+json" in reason


@pytest.mark.parametrize("value", [b"{}", b"[]", b"null", b"7", b'"1.0"'])
def test_value_that_is_not_an_envelope_is_rejected(value: bytes) -> None:
    assert rejection_reason(([], value)) == "The value is not a CloudEvent: it has no specversion."


def test_envelope_without_data_is_rejected() -> None:
    assert rejection_reason(([], json.dumps(ATTRIBUTES).encode())) == "The CloudEvent has no data."


INVALID_JSON = [b"", b"{", b"\xff\xfe\x00", b"{'a': 1}", b'"\xc3\x28"', b"nope", b'{"a": 1} x', b"[" * 100_000]


@pytest.mark.parametrize("value", INVALID_JSON, ids=lambda value: repr(value[:8]))
def test_invalid_json_is_rejected_in_both_modes(value: bytes) -> None:
    assert rejection_reason(binary_record(value)).startswith(f"{WORKLOG_RECORDED}: the data: Invalid JSON: ")
    assert rejection_reason(([], value)).startswith("The value is not JSON: ")


@pytest.mark.parametrize("data", [[], "worklog", 7, None], ids=repr)
@pytest.mark.parametrize("mode", [binary_record, structured_record])
def test_data_that_is_not_an_object_is_rejected(mode: Callable[..., Record], data: object) -> None:
    assert rejection_reason(mode(data)) == f"{WORKLOG_RECORDED}: the data: Input should be an object"


@pytest.mark.parametrize("value", [b'{"worklog_id": "\\ud800"}', b'{"worklog_id": "\\udc00\\ud800"}'])
def test_half_of_a_surrogate_pair_is_rejected_in_both_modes(value: bytes) -> None:
    assert "Invalid JSON: " in rejection_reason(binary_record(value))
    envelope = json.dumps({**ATTRIBUTES, "data": json.loads(value)}).encode()
    assert rejection_reason(([], envelope)) == "The data has half of a surrogate pair, which is not valid text."


@pytest.mark.parametrize("depth", [300, 900, 940, 950, 960, 970, 980, 990, 1_000, 5_000])
@pytest.mark.parametrize("member", ["data", "specversion", "datacontenttype", "extension"])
def test_deep_nesting_is_rejected_or_ignored(depth: int, member: str) -> None:
    nested = "[" * depth + "]" * depth
    members = {**{name: json.dumps(value) for name, value in ATTRIBUTES.items()}, "data": json.dumps(WORKLOG)}
    members[member] = nested
    value = "{" + ",".join(f'"{name}": {text}' for name, text in members.items()) + "}"
    try:
        decode_event(WORKLOGS, [], value.encode())
    except DecodeError as reason:
        assert len(str(reason)) < 300  # noqa: PT017 - both outcomes are correct
    else:
        assert member == "extension"


def test_header_that_is_not_utf8_is_rejected() -> None:
    headers, value = binary_record(WORKLOG)
    assert rejection_reason(([*headers, ("x-trace", b"\xff")], value)).startswith("A header is not UTF-8: ")


def test_header_without_a_value_is_empty() -> None:
    headers: list[tuple[str, bytes | None]] = [
        (name, raw) for name, raw in binary_record(WORKLOG)[0] if name != "ce_source"
    ]
    with pytest.raises(DecodeError, match=r"The CloudEvent has no source\."):
        decode_event(WORKLOGS, [*headers, ("ce_source", None)], b"{}")


def test_reason_is_short_for_long_values() -> None:
    long = "x" * 100_000
    for attributes in ({**ATTRIBUTES, "type": long}, {**ATTRIBUTES, "specversion": long}):
        assert len(rejection_reason(binary_record(WORKLOG, attributes))) < 300
    assert len(rejection_reason(binary_record(WORKLOG, content_type=long))) < 300


def test_encoded_headers_keep_every_byte_and_escape_nul_in_names() -> None:
    headers = [("a", b"\x00\xff"), ("b", None), ("a", b""), ("c\0d", b"e")]
    assert encode_headers(headers) == [["a", "00ff"], ["b", None], ["a", ""], ["c\\0d", "65"]]


@given(WORKLOG_STRATEGY, st.datetimes(timezones=st.just(UTC)))
def test_encoded_event_is_decoded_unchanged(data: dict[str, Any], moment: datetime) -> None:
    data_sent = WorklogRecorded.model_validate_json(json.dumps(data))
    record = outbox_record(
        WORKLOGS, "k", WORKLOG_RECORDED, data_sent, source="/contracts", time=moment, correlation_id="c-1"
    )
    assert (record.topic, record.key) == ("worklog.events", b"k")
    assert record.value is not None
    assert dict(record.headers)["content-type"] == b"application/json"
    assert decode_event(WORKLOGS, record.headers, record.value)[1:] == (
        "/contracts",
        WORKLOG_RECORDED,
        "c-1",
        data_sent,
    )


def test_event_is_encoded_in_binary_mode_with_all_attributes() -> None:
    data = WorklogDeleted(worklog_id="1", issue_id="2", deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    record = outbox_record(WORKLOGS, "2", WORKLOG_DELETED, data, source="/x", time=moment, correlation_id="c")
    headers = dict(record.headers)
    assert headers.pop("ce_id")
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_source": b"/x",
        "ce_type": WORKLOG_DELETED.encode(),
        "ce_time": b"2026-01-01T10:00:00.000000Z",
        "ce_correlationid": b"c",
        "content-type": b"application/json",
    }
    assert json.loads(record.value or b"") == {
        "worklog_id": "1",
        "issue_id": "2",
        "deleted_at": "2026-01-01T00:00:00.000000Z",
    }
