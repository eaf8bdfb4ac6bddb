"""CloudEvents in and out: what is read, and the reason why something is not."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tidemark_shared.domain.bodies import Balance
from tidemark_shared.messaging import upcasts
from tidemark_shared.messaging.cloudevents import CloudEvent, DecodeError, decode_event, encode_headers, outbox_record
from tidemark_shared.messaging.events import (
    CONTRACT_BALANCE,
    EVENT_TYPES,
    ISSUE_LINKED,
    WORKLOG_DELETED,
    WORKLOG_RECORDED,
    IssueLinked,
    WorklogDeleted,
    WorklogRecorded,
    canonical_content,
)
from tidemark_shared.messaging.topics import TOPICS, WORKLOGS, Topic

FIXTURES = Path(__file__).parent / "fixtures" / "events"
Record = tuple[list[tuple[str, bytes]], bytes]

WORKLOG: dict[str, Any] = {
    "worklog_id": "10100",
    "issue_id": "10001",
    "author_id": "712020:ab",
    "started_at": "2026-03-02T09:00:00+01:00",
    "seconds": 28800,
    "team_id": None,
    "description": "Looked into it.",
    "updated_at": "2026-03-02T16:05:11.123Z",
}
DELETION = {"worklog_id": "10100", "issue_id": "10001", "deleted_at": "2026-03-03T08:00:00Z"}
LINK = {
    "issue_id": "10001",
    "issue_key": "SUP-7",
    "summary": "Printer on fire",
    "contract_id": "ACME-SUP",
    "account_id": "Help desk",
    "created_at": "2026-01-02T08:00:00Z",
    "updated_at": "2026-01-03T08:00:00Z",
}
VALID: dict[str, dict[str, Any]] = {WORKLOG_RECORDED: WORKLOG, WORKLOG_DELETED: DELETION, ISSUE_LINKED: LINK}
ATTRIBUTES = {"specversion": "1.0", "id": "e-1", "source": "/jira/acme", "type": WORKLOG_RECORDED}


def binary(data: object, attributes: Mapping[str, str] = ATTRIBUTES, content_type: str = "application/json") -> Record:
    headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
    value = data if isinstance(data, bytes) else json.dumps(data).encode()
    return [*headers, ("content-type", content_type.encode())], value


def structured(data: object, attributes: Mapping[str, object] = ATTRIBUTES) -> Record:
    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    return headers, json.dumps({**attributes, "data": data}).encode()


def without(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


def worklog(**changes: Any) -> dict[str, Any]:
    return {**WORKLOG, **changes}


def refusal(record: Record, topic: Topic = WORKLOGS) -> str:
    """The reason why a record cannot be read."""
    with pytest.raises(DecodeError) as raised:
        decode_event(topic, *record)
    return str(raised.value)


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ids = text.filter(lambda one: 1 <= len(one.encode()) <= 255)
offsets = st.integers(-18 * 60, 18 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1970, 1, 3), datetime(2100, 12, 29), timezones=offsets)  # noqa: DTZ001 - zones are drawn
WORKLOGS_DRAWN = st.fixed_dictionaries(
    {
        "worklog_id": ids,
        "issue_id": ids,
        "author_id": ids,
        "started_at": times.map(datetime.isoformat),
        "seconds": st.integers(1, 3_600_000),
        "updated_at": times.map(datetime.isoformat),
    },
    optional={"team_id": st.none() | text, "description": st.none() | text, "unheard_of": st.lists(text)},
)


# Reading.


@given(WORKLOGS_DRAWN)
def test_binary_and_structured_mode_decode_to_the_same_event(data: dict[str, Any]) -> None:
    assert decode_event(WORKLOGS, *binary(data)) == decode_event(WORKLOGS, *structured(data))


@pytest.mark.parametrize("type_", VALID)
def test_examples_of_the_specification_are_decoded(type_: str) -> None:
    event = decode_event(WORKLOGS, *binary(VALID[type_], {**ATTRIBUTES, "type": type_}))
    assert (event.id, event.source, event.type) == ("e-1", "/jira/acme", type_)
    given_members = {name: value for name, value in VALID[type_].items() if not name.endswith("_at")}
    assert event.data.model_dump(include=set(given_members)) == given_members


def test_times_are_stored_in_utc_and_truncated_to_microseconds() -> None:
    data = decode_event(WORKLOGS, *binary(worklog(started_at="2026-03-02T09:00:00.1234569+01:00"))).data
    assert data.started_at == datetime(2026, 3, 2, 8, 0, 0, 123456, UTC)
    assert b'"started_at":"2026-03-02T08:00:00.123456Z"' in canonical_content(data)


@pytest.mark.parametrize("mode", [binary, structured])
def test_unknown_fields_and_attributes_are_ignored(mode: Callable[..., Record]) -> None:
    more = mode(worklog(billable=True, nested={"a": [1, None]}), {**ATTRIBUTES, "subject": "x", "traceparent": "y"})
    assert decode_event(WORKLOGS, *more) == decode_event(WORKLOGS, *mode(WORKLOG))


def test_structured_mode_ignores_attributes_repeated_as_headers() -> None:
    headers, value = structured(WORKLOG)
    assert decode_event(WORKLOGS, [*binary(WORKLOG)[0][:-1], *headers], value) == decode_event(
        WORKLOGS, *binary(WORKLOG)
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
    assert decode_event(WORKLOGS, headers, structured(WORKLOG)[1]).data.seconds == 28800


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/x+json"]
)
def test_binary_mode_accepts_any_json_content_type(content_type: str) -> None:
    assert decode_event(WORKLOGS, *binary(WORKLOG, content_type=content_type)).data.seconds == 28800


def test_binary_mode_without_content_type_is_json() -> None:
    headers, value = binary(WORKLOG)
    assert decode_event(WORKLOGS, headers[:-1], value).data.seconds == 28800


def test_correlation_id_defaults_to_the_event_id() -> None:
    assert decode_event(WORKLOGS, *binary(WORKLOG)).correlation_id == "e-1"
    assert decode_event(WORKLOGS, *binary(WORKLOG, {**ATTRIBUTES, "correlationid": "c-9"})).correlation_id == "c-9"
    assert decode_event(WORKLOGS, *structured(WORKLOG, {**ATTRIBUTES, "correlationid": 9})).correlation_id == "e-1"


# Bounds. Each refusal names the field.


@pytest.mark.parametrize("seconds", [1, 60, 3_600_000])
def test_seconds_from_1_to_3600000_are_accepted(seconds: int) -> None:
    assert decode_event(WORKLOGS, *binary(worklog(seconds=seconds))).data.seconds == seconds


@pytest.mark.parametrize("mode", [binary, structured])
@pytest.mark.parametrize(
    "seconds",
    [0, -1, 3_600_001, 10**400, 1.0, 1.5, 1e3, float("nan"), float("inf"), True, False, "60", "", None, [60], {}],
    ids=str,
)
def test_invalid_seconds_are_rejected(mode: Callable[..., Record], seconds: object) -> None:
    assert refusal(mode(worklog(seconds=seconds))).startswith(f"{WORKLOG_RECORDED}: seconds: Input should be ")


@pytest.mark.parametrize("one", ["a", "a" * 255, "é" * 127, "日" * 85, "😀" * 63, "\x01", " ", "\\N", "\t\n\r"])
def test_ids_of_1_to_255_bytes_are_accepted_unchanged(one: str) -> None:
    data = decode_event(WORKLOGS, *binary(worklog(worklog_id=one, issue_id=one, author_id=one))).data
    assert (data.worklog_id, data.issue_id, data.author_id) == (one, one, one)


ID_FIELDS = [
    (WORKLOG_RECORDED, "worklog_id"),
    (WORKLOG_RECORDED, "issue_id"),
    (WORKLOG_RECORDED, "author_id"),
    (WORKLOG_DELETED, "worklog_id"),
    (WORKLOG_DELETED, "issue_id"),
    (ISSUE_LINKED, "issue_id"),
    (ISSUE_LINKED, "contract_id"),
    (ISSUE_LINKED, "account_id"),
]


@pytest.mark.parametrize(("type_", "field"), ID_FIELDS)
@pytest.mark.parametrize(
    "one", ["", "a" * 256, "é" * 128, "日" * 86, "😀" * 64, "\0", "a\0b", 7, True, ["a"]], ids=repr
)
def test_invalid_ids_are_rejected_with_the_field_name(type_: str, field: str, one: object) -> None:
    reason = refusal(binary({**VALID[type_], field: one}, {**ATTRIBUTES, "type": type_}))
    assert reason.startswith(f"{type_}: {field}: ")
    assert reason.removeprefix(f"{type_}: {field}: ") in {
        "String should have at least 1 character",
        "An id has at most 255 bytes.",
        "The text contains a NUL character.",
        "Input should be a valid string",
    }


@pytest.mark.parametrize(
    ("type_", "field"),
    [(type_, field) for type_, data in VALID.items() for field in data if field not in {"team_id", "description"}],
)
def test_missing_fields_are_rejected_or_null(type_: str, field: str) -> None:
    record = binary(without(VALID[type_], field), {**ATTRIBUTES, "type": type_})
    if (type_, field) in {
        (ISSUE_LINKED, one) for one in ("issue_key", "summary", "contract_id", "account_id", "created_at")
    }:
        assert getattr(decode_event(WORKLOGS, *record).data, field) is None
    else:
        assert refusal(record) == f"{type_}: {field}: Field required"


def test_all_errors_of_a_record_are_reported_together() -> None:
    reason = refusal(binary(worklog(seconds=0, author_id="", started_at="yesterday")))
    assert [part.split(":")[0] for part in reason.removeprefix(f"{WORKLOG_RECORDED}: ").split("; ")] == [
        "author_id",
        "started_at",
        "seconds",
    ]


@pytest.mark.parametrize(
    "moment",
    [
        "1970-01-01T00:00:00Z",
        "2100-12-31T23:59:59.999999Z",
        "2100-12-31T23:59:59.999999999Z",
        "2101-01-01T13:59:59+14:00",
        "1969-12-31T12:00:00-12:00",
        "2024-02-29T00:00:00Z",
        "2026-03-02T09:00:00.123+0100",
    ],
)
def test_times_from_1970_to_2100_are_accepted(moment: str) -> None:
    decode_event(WORKLOGS, *binary(worklog(started_at=moment)))


@pytest.mark.parametrize("mode", [binary, structured])
@pytest.mark.parametrize("field", ["started_at", "updated_at"])
@pytest.mark.parametrize(
    "moment",
    [
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:59:59+01:00",
        "2101-01-01T00:00:00Z",
        "2100-12-31T23:00:00-01:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-03-02T09:00:00",
        "2026-03-02",
        "2026-02-29T00:00:00Z",
        "2026-03-02T25:00:00Z",
        "2026-03-02T09:00:00+25:00",
        "2026-03-02T09:00:00 Europe/Berlin",
        "yesterday",
        "",
        "1772438400",
        "1772438400000",
        "1772438400.5",
        1772438400,
        1772438400.5,
        True,
        None,
        [],
    ],
    ids=repr,
)
def test_invalid_times_are_rejected_with_the_field_name(
    mode: Callable[..., Record], field: str, moment: object
) -> None:
    assert refusal(mode(worklog(**{field: moment}))).startswith(f"{WORKLOG_RECORDED}: {field}: ")


@pytest.mark.parametrize("field", ["team_id", "description"])
@pytest.mark.parametrize("one", ["\0", 7, {}], ids=repr)
def test_optional_texts_reject_nul_and_other_types(field: str, one: object) -> None:
    assert refusal(binary(worklog(**{field: one}))).startswith(f"{WORKLOG_RECORDED}: {field}: ")


# The envelope. Each refusal says what is wrong and, where there is one, the way out.


@pytest.mark.parametrize("name", ["id", "source", "type"])
@pytest.mark.parametrize("mode", [binary, structured])
def test_missing_attribute_is_rejected_with_its_name(mode: Callable[..., Record], name: str) -> None:
    assert refusal(mode(WORKLOG, without(ATTRIBUTES, name))) == f"The CloudEvent has no {name}."
    assert refusal(mode(WORKLOG, {**ATTRIBUTES, name: ""})) == f"The CloudEvent has no {name}."


@pytest.mark.parametrize("mode", [binary, structured])
def test_attribute_with_nul_or_too_many_bytes_is_rejected(mode: Callable[..., Record]) -> None:
    assert (
        refusal(mode(WORKLOG, {**ATTRIBUTES, "source": "/a\0"})) == "The CloudEvent's source contains a NUL character."
    )
    decode_event(WORKLOGS, *mode(WORKLOG, {**ATTRIBUTES, "source": "é" * 512}))
    reason = refusal(mode(WORKLOG, {**ATTRIBUTES, "source": "é" * 513}))
    assert reason == "The CloudEvent's source has 1026 bytes; at most 1024 are allowed."


@pytest.mark.parametrize("one", [7, None, ["/a"], "\ud800"], ids=repr)
def test_attribute_in_structured_mode_must_be_text(one: object) -> None:
    assert refusal(structured(WORKLOG, {**ATTRIBUTES, "source": one})).startswith("The CloudEvent")


@pytest.mark.parametrize("version", ["0.3", "1.0.1", "2", ""])
@pytest.mark.parametrize("mode", [binary, structured])
def test_unsupported_specversion_is_rejected(mode: Callable[..., Record], version: str) -> None:
    reason = refusal(mode(WORKLOG, {**ATTRIBUTES, "specversion": version}))
    assert reason == f"CloudEvents specversion {version!r} is not supported. Use 1.0."


def test_unknown_type_is_rejected_with_the_known_types() -> None:
    reason = refusal(binary(WORKLOG, {**ATTRIBUTES, "type": "tidemark.worklog.recorded.v9"}))
    assert reason.startswith("Unknown event type 'tidemark.worklog.recorded.v9'. worklog.events takes ")
    assert all(known in reason for known in (WORKLOG_RECORDED, WORKLOG_DELETED, ISSUE_LINKED))


def test_type_of_another_topic_is_rejected() -> None:
    assert refusal(binary({}, {**ATTRIBUTES, "type": CONTRACT_BALANCE})).startswith("Unknown event type ")


def test_record_without_a_value_is_rejected() -> None:
    with pytest.raises(DecodeError, match=r"The record has no value\. Publish the event's data as JSON\."):
        decode_event(WORKLOGS, binary(WORKLOG)[0], None)


@pytest.mark.parametrize("content_type", ["text/plain", "application/avro", "jsonp"])
def test_unsupported_content_type_is_rejected(content_type: str) -> None:
    assert refusal(binary(WORKLOG, content_type=content_type)) == f"The data is {content_type!r}. Use application/json."
    reason = refusal(structured(WORKLOG, {**ATTRIBUTES, "datacontenttype": content_type}))
    assert reason == f"The data is {content_type!r}. Use application/json."


@pytest.mark.parametrize("headers", [[("content-type", b"application/json")], [("content-type", b"text/plain")]])
def test_record_that_is_not_a_cloudevent_is_rejected_with_both_modes(headers: list[tuple[str, bytes]]) -> None:
    reason = refusal((headers, json.dumps(WORKLOG).encode()))
    assert "ce_specversion" in reason
    assert "application/cloudevents+json" in reason


@pytest.mark.parametrize("value", [b"{}", b"[]", b"null", b"7", b'"1.0"'])
def test_value_that_is_not_an_envelope_is_rejected(value: bytes) -> None:
    assert refusal(([], value)) == "The value is not a CloudEvent: it has no specversion."


def test_envelope_without_data_is_rejected() -> None:
    assert refusal(([], json.dumps(ATTRIBUTES).encode())) == "The CloudEvent has no data."


NO_JSON = [b"", b"{", b"\xff\xfe\x00", b"{'a': 1}", b'"\xc3\x28"', b"nope", b'{"a": 1} x', b"[" * 100_000]


@pytest.mark.parametrize("value", NO_JSON, ids=lambda value: repr(value[:8]))
def test_invalid_json_is_rejected_in_both_modes(value: bytes) -> None:
    assert refusal(binary(value)).startswith(f"{WORKLOG_RECORDED}: the data: Invalid JSON: ")
    assert refusal(([], value)).startswith("The value is not JSON: ")


@pytest.mark.parametrize("data", [[], "worklog", 7, None], ids=repr)
@pytest.mark.parametrize("mode", [binary, structured])
def test_data_that_is_not_an_object_is_rejected(mode: Callable[..., Record], data: object) -> None:
    assert refusal(mode(data)) == f"{WORKLOG_RECORDED}: the data: Input should be an object"


@pytest.mark.parametrize("value", [b'{"worklog_id": "\\ud800"}', b'{"worklog_id": "\\udc00\\ud800"}'])
def test_half_of_a_surrogate_pair_is_rejected_in_both_modes(value: bytes) -> None:
    assert "Invalid JSON: " in refusal(binary(value))
    envelope = json.dumps({**ATTRIBUTES, "data": json.loads(value)}).encode()
    assert refusal(([], envelope)) == "The data has half of a surrogate pair, which is not valid text."


@pytest.mark.parametrize("depth", [300, 900, 940, 950, 960, 970, 980, 990, 1_000, 5_000])
@pytest.mark.parametrize("place", ["data", "specversion", "datacontenttype", "extension"])
def test_deep_nesting_is_rejected_or_ignored(depth: int, place: str) -> None:
    deep = "[" * depth + "]" * depth
    members = {**{name: json.dumps(value) for name, value in ATTRIBUTES.items()}, "data": json.dumps(WORKLOG)}
    members[place] = deep
    value = "{" + ",".join(f'"{name}": {text}' for name, text in members.items()) + "}"
    try:
        decode_event(WORKLOGS, [], value.encode())
    except DecodeError as reason:
        assert len(str(reason)) < 300  # noqa: PT017 - both ends are right
    else:
        assert place == "extension"


def test_header_that_is_not_utf8_is_rejected() -> None:
    headers, value = binary(WORKLOG)
    assert refusal(([*headers, ("x-trace", b"\xff")], value)).startswith("A header is not UTF-8: ")


def test_header_without_a_value_is_empty() -> None:
    headers: list[tuple[str, bytes | None]] = [(name, raw) for name, raw in binary(WORKLOG)[0] if name != "ce_source"]
    with pytest.raises(DecodeError, match=r"The CloudEvent has no source\."):
        decode_event(WORKLOGS, [*headers, ("ce_source", None)], b"{}")


def test_reason_is_short_for_long_values() -> None:
    long = "x" * 100_000
    for attributes in ({**ATTRIBUTES, "type": long}, {**ATTRIBUTES, "specversion": long}):
        assert len(refusal(binary(WORKLOG, attributes))) < 300
    assert len(refusal(binary(WORKLOG, content_type=long))) < 300


def test_encoded_headers_keep_every_byte_and_escape_nul_in_names() -> None:
    headers = [("a", b"\x00\xff"), ("b", None), ("a", b""), ("c\0d", b"e")]
    assert encode_headers(headers) == [["a", "00ff"], ["b", None], ["a", ""], ["c\\0d", "65"]]


# Canonical content.


@given(WORKLOGS_DRAWN)
def test_canonical_content_is_rfc_8785_json(data: dict[str, Any]) -> None:
    moments = {
        name: datetime.fromisoformat(data[name]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for name in ("started_at", "updated_at")
    }
    known = {**dict.fromkeys(WORKLOG), **data, **moments}
    known.pop("unheard_of", None)
    assert canonical_content(decode_event(WORKLOGS, *binary(data)).data) == rfc8785.dumps(known)


@given(
    st.text(st.characters(max_codepoint=0x2FF, exclude_characters="\0") | st.sampled_from('"\\/\u2028\u2029\ufeff😀'))
)
def test_canonical_content_escapes_exactly_as_rfc_8785(one: str) -> None:
    link = IssueLinked(issue_id="1", summary=one, updated_at=datetime(2026, 1, 1, tzinfo=UTC))
    members = {**dict.fromkeys(LINK), "issue_id": "1", "summary": one, "updated_at": "2026-01-01T00:00:00.000000Z"}
    assert canonical_content(link) == rfc8785.dumps(members)


OPTIONAL = [
    *((WORKLOG_RECORDED, one) for one in ("team_id", "description")),
    *((ISSUE_LINKED, one) for one in ("issue_key", "summary", "contract_id", "account_id", "created_at")),
]


@pytest.mark.parametrize(("type_", "field"), OPTIONAL)
def test_absent_optional_member_equals_null(type_: str, field: str) -> None:
    attributes = {**ATTRIBUTES, "type": type_}
    absent = decode_event(WORKLOGS, *binary(without(VALID[type_], field), attributes))
    null = decode_event(WORKLOGS, *binary({**VALID[type_], field: None}, attributes))
    assert absent == null
    assert canonical_content(absent.data) == canonical_content(null.data)


def test_same_instant_in_other_notations_has_the_same_canonical_content() -> None:
    forms = ["2026-03-02T09:00:00+01:00", "2026-03-02T08:00:00Z", "2026-03-02T08:00:00.0000009Z", "2026-03-02 08:00Z"]
    assert (
        len({canonical_content(decode_event(WORKLOGS, *binary(worklog(started_at=form))).data) for form in forms}) == 1
    )


# Writing.


@given(WORKLOGS_DRAWN, st.datetimes(timezones=st.just(UTC)))
def test_encoded_event_is_decoded_unchanged(data: dict[str, Any], moment: datetime) -> None:
    written = WorklogRecorded.model_validate_json(json.dumps(data))
    record = outbox_record(
        WORKLOGS, "k", WORKLOG_RECORDED, written, source="/contracts", time=moment, correlation_id="c-1"
    )
    assert (record.topic, record.key) == ("worklog.events", b"k")
    assert record.value is not None
    assert dict(record.headers)["content-type"] == b"application/json"
    assert decode_event(WORKLOGS, record.headers, record.value)[1:] == ("/contracts", WORKLOG_RECORDED, "c-1", written)


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


# Old versions.


def golden() -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(FIXTURES.glob("*.json"))]


def topic_of(type_: str) -> Topic:
    return next(topic for topic in TOPICS if type_ in EVENT_TYPES[topic])


def test_old_version_is_upcast_step_by_step_to_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    def minutes_to_seconds(data: bytes) -> tuple[str, bytes]:
        members = json.loads(data)
        members["seconds"] = members.pop("minutes") * 60
        return "tidemark.worklog.recorded.v0.2", json.dumps(members).encode()

    def person_to_author(data: bytes) -> tuple[str, bytes]:
        members = json.loads(data)
        members["author_id"] = members.pop("person")
        return WORKLOG_RECORDED, json.dumps(members).encode()

    monkeypatch.setitem(upcasts.UPCASTERS, "tidemark.worklog.recorded.v0.1", minutes_to_seconds)
    monkeypatch.setitem(upcasts.UPCASTERS, "tidemark.worklog.recorded.v0.2", person_to_author)
    old = {**without(without(WORKLOG, "seconds"), "author_id"), "minutes": 480, "person": "712020:ab"}
    event = decode_event(WORKLOGS, *binary(old, {**ATTRIBUTES, "type": "tidemark.worklog.recorded.v0.1"}))
    assert event == decode_event(WORKLOGS, *binary(WORKLOG))


@pytest.mark.parametrize("path", golden())
def test_every_event_type_can_be_upcast(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that said all of it under another name is read as the newest, in both modes, through its upcaster."""
    fixture = json.loads(path.read_text())
    envelope = fixture["event"]
    old = {**envelope, "type": envelope["type"].replace(".v1", ".v0"), "data": {"everything": envelope["data"]}}

    def unwrapped(data: bytes) -> tuple[str, bytes]:
        return envelope["type"], json.dumps(json.loads(data)["everything"]).encode()

    monkeypatch.setitem(upcasts.UPCASTERS, old["type"], unwrapped)
    attributes = {name: value for name, value in old.items() if name != "data"}
    topic = topic_of(envelope["type"])
    found = [decode_event(topic, *binary(old["data"], attributes)), decode_event(topic, [], json.dumps(old).encode())]
    assert [(one.type, one.data.model_dump(mode="json")) for one in found] == [
        (envelope["type"], fixture["read_as"])
    ] * 2


def test_newest_version_is_not_changed() -> None:
    assert upcasts.upcast(WORKLOG_RECORDED, b"{}") == (WORKLOG_RECORDED, b"{}")


@pytest.mark.parametrize(
    "failure", [KeyError("minutes"), ValueError("no JSON"), TypeError("no object"), RecursionError()], ids=repr
)
def test_upcaster_error_is_rejected_with_the_type(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: bytes) -> tuple[str, bytes]:
        raise failure

    monkeypatch.setitem(upcasts.UPCASTERS, "tidemark.worklog.recorded.v0", failing)
    reason = refusal(binary(b"{", {**ATTRIBUTES, "type": "tidemark.worklog.recorded.v0"}))
    assert reason.startswith("tidemark.worklog.recorded.v0: ")


# Golden fixtures: a version once published is read as it was then, for ever.


@pytest.mark.parametrize("path", golden())
def test_published_version_is_decoded_as_its_fixture_says(path: Path) -> None:
    fixture = json.loads(path.read_text())
    envelope = fixture["event"]
    attributes = {name: value for name, value in envelope.items() if name != "data"}
    topic = topic_of(envelope["type"])
    found = [
        decode_event(topic, *binary(envelope["data"], attributes)),
        decode_event(topic, [], json.dumps(envelope).encode()),
    ]
    assert [one.data.model_dump(mode="json") for one in found] == [fixture["read_as"]] * 2


def test_every_event_type_has_a_fixture() -> None:
    known = {type_ for types in EVENT_TYPES.values() for type_ in types}
    assert {path.stem for path in FIXTURES.glob("*.json")} >= known


@pytest.mark.parametrize("path", golden())
def test_fixture_is_encoded_and_decoded_unchanged(path: Path) -> None:
    envelope = json.loads(path.read_text())["event"]
    topic = topic_of(envelope["type"])
    first: CloudEvent = decode_event(topic, [], json.dumps(envelope).encode())
    model: BaseModel = first.data
    record = outbox_record(
        topic, "k", first.type, model, source="/x", time=datetime(2026, 1, 1, tzinfo=UTC), correlation_id="c"
    )
    assert decode_event(topic, record.headers, record.value).data == model


def test_balance_fixture_is_a_valid_balance_body() -> None:
    fixture = json.loads((FIXTURES / "tidemark.contract.balance.v1.json").read_text())
    balance = Balance.model_validate_json(json.dumps(fixture["event"]["data"]))
    assert balance.periods[0].percent == "80.00"
