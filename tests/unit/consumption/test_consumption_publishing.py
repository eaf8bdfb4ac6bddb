"""What is posted to /v1/worklogs: every violation at its place, and the records that come of it."""

import json
from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator

from tidemark_consumption.api.publishing import MAX_EVENTS, body_schema, build_records
from tidemark_consumption.ingest.decode import MAX_RECORD_BYTES
from tidemark_shared.domain.strict_input import MAX_UNKNOWN_FIELDS
from tidemark_shared.http.problems import Problem
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.topics import WORKLOGS

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
RECORDED, DELETED, LINKED = (f"tidemark.{name}.v1" for name in ("worklog.recorded", "worklog.deleted", "issue.linked"))
WORKLOG = {
    "worklog_id": "1", "issue_id": "I-1", "author_id": "ann", "started_at": "2026-03-02T09:00:00+01:00",
    "seconds": 3600, "description": "Grüße", "updated_at": "2026-03-03T10:00:00Z",
}  # fmt: skip
OF = {
    RECORDED: WORKLOG,
    DELETED: {"worklog_id": "1", "issue_id": "I-1", "deleted_at": "2026-03-03T10:00:00Z"},
    LINKED: {"issue_id": "I-1", "contract_id": "C", "account_id": "A", "updated_at": "2026-03-03T10:00:00Z"},
}


def event(type_=RECORDED, *, without=None, data=None, **changes):
    body = {
        "specversion": "1.0", "id": "e-1", "source": "/tracker", "type": type_, "time": "2026-03-03T10:00:01Z",
        "data": {**OF[type_], **(data or {})}, **changes,
    }  # fmt: skip
    return {name: value for name, value in body.items() if name != without}


def ask(body, now=NOW):
    return build_records(body if isinstance(body, bytes) else json.dumps(body).encode(), now, "this-request")


def refused(body):
    with pytest.raises(Problem) as caught:
        ask(body)
    assert caught.value.body.status == 422
    return caught.value.body.violations


def places(body):
    return [violation.path for violation in refused(body)]


@pytest.mark.parametrize("type_", OF)
def test_each_event_type_becomes_record_keyed_by_issue(type_):
    [publishing_records] = ask(event(type_))
    assert (publishing_records.topic, publishing_records.key) == (WORKLOGS.name, b"I-1")
    assert dict(publishing_records.headers) == {
        "ce_specversion": b"1.0", "ce_id": b"e-1", "ce_source": b"/tracker", "ce_type": type_.encode(),
        "ce_time": b"2026-03-03T10:00:01.000000Z", "ce_correlationid": b"this-request",
        "content-type": b"application/json",
    }  # fmt: skip
    assert json.loads(publishing_records.value) == OF[type_]
    assert decode_event(WORKLOGS, publishing_records.headers, publishing_records.value).id == "e-1"


def test_event_without_time_gets_request_time_and_keeps_correlation():
    [publishing_records] = ask(event(without="time", correlationid="mine"))
    assert dict(publishing_records.headers)["ce_time"] == b"2026-03-03T12:00:00.000000Z"
    assert dict(publishing_records.headers)["ce_correlationid"] == b"mine"
    for unfit in ("", "x" * 129, "a\0", 5):
        assert dict(ask(event(correlationid=unfit))[0].headers)["ce_correlationid"] == b"this-request"


def test_array_becomes_records_in_order():
    assert [dict(record.headers)["ce_id"] for record in ask([event(id=str(number)) for number in range(3)])] == [
        b"0",
        b"1",
        b"2",
    ]
    assert ask([]) == []


def test_array_of_more_than_a_thousand_is_rejected():
    assert len(ask([event()] * MAX_EVENTS)) == MAX_EVENTS
    [violation] = refused([event()] * (MAX_EVENTS + 1))
    assert (violation.path, "1001" in violation.message) == ("", True)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", ""),
        (b"[" * 100_000, ""),
        (b"\xff", ""),
        (5, ""),
        ({}, ""),
        (event(specversion="0.3"), "/specversion"),
        (event(without="id"), "/id"),
        (event(id=5), "/id"),
        (event(source="a\0"), "/source"),
        (event(source="s" * 1_025), "/source"),
        (event(type="unknown"), "/type"),
        (event(time="yesterday"), "/time"),
        (event(time=1_700_000_000), "/time"),
        (event(datacontenttype="text/plain"), "/datacontenttype"),
        (event(without="data"), "/data"),
        (event(id="\ud800"), ""),
        (event(data={"description": "\ud800"}), "/data"),
        (event(data={"seconds": 0}), "/data/seconds"),
        (event(data={"seconds": 3_600_001}), "/data/seconds"),
        (event(data={"seconds": 3600.0}), "/data/seconds"),
        (event(data={"issue_id": "i" * 256}), "/data/issue_id"),
        (event(data={"author_id": "a\0"}), "/data/author_id"),
        (event(data={"started_at": "2026-03-02T09:00:00"}), "/data/started_at"),
        (event(data={"updated_at": "2026-03-04T12:00:00.000001Z"}), "/data/updated_at"),
        (event(DELETED, data={"deleted_at": "2026-03-04T12:00:00.000001Z"}), "/data/deleted_at"),
        (event(LINKED, data={"updated_at": "2026-03-04T12:00:00.000001Z"}), "/data/updated_at"),
        (event(data={"description": "x" * MAX_RECORD_BYTES}), ""),
    ],
)
def test_invalid_event_is_a_violation_at_its_path(body, where):
    assert places(body) == [where]
    if not isinstance(body, bytes):
        assert places([event(), body]) == [f"/1{where}"]


def test_unknown_members_are_refused_with_all_other_errors():
    body = event(data={"second": 60, "seconds": 0, "teamId": "a"}, Time="2026-03-03T10:00:01Z")
    assert [(violation.code, violation.path, violation.message) for violation in refused([event(), body])[:3]] == [
        ("unknown_field", "/1/Time", "Unknown field 'Time'. Did you mean 'time'?"),
        ("unknown_field", "/1/data/second", "Unknown field 'second'. Did you mean 'seconds'?"),
        ("unknown_field", "/1/data/teamId", "Unknown field 'teamId'. Did you mean 'team_id'?"),
    ]
    assert places([event(), body])[3:] == ["/1/data/seconds"]


def test_number_of_unknown_members_of_all_events_is_bounded():
    assert len(places([event(data={f"member{number}": 1 for number in range(20)})] * 100)) == MAX_UNKNOWN_FIELDS


def test_extension_attributes_are_accepted():
    [record] = ask(event(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", subject="I-1"))
    assert record.key == b"I-1"


def test_kafka_records_may_have_unknown_members():
    [record] = ask(event())
    value = json.dumps({**json.loads(record.value), "colour": "red"}).encode()
    assert decode_event(WORKLOGS, record.headers, value).data.worklog_id == "1"


def test_json_error_names_line_and_column():
    [violation] = refused(b'[\n  {"id": 1,}\n]')
    assert "line 2, column 12" in violation.message


def test_time_exactly_24_hours_ahead_is_accepted():
    assert ask(event(data={"updated_at": "2026-03-04T12:00:00Z"}))


def test_every_violation_of_every_event_is_reported():
    bad = event(without="source", data={"seconds": 0, "author_id": ""})
    body = [event(), bad, event(), event(type="unknown")]
    assert places(body) == ["/1/source", "/1/data/author_id", "/1/data/seconds", "/3/type"]


def test_record_of_one_mebibyte_is_accepted():
    [publishing_records] = ask(event(data={"description": ""}))
    fits = "x" * (MAX_RECORD_BYTES - len(publishing_records.value))
    assert len(ask(event(data={"description": fits}))[0].value) == MAX_RECORD_BYTES
    assert places(event(data={"description": f"{fits}x"})) == [""]


def test_body_schema_agrees_with_validation():
    validator = Draft202012Validator(body_schema())
    for body in (event(), event(DELETED), [event(LINKED), event()], [], event(without="time")):
        assert validator.is_valid(body), body
    for body in (event(type="unknown"), event(data={"seconds": 0}), [event(without="id")], [event()] * 1_001, 5):
        assert not validator.is_valid(body), body
