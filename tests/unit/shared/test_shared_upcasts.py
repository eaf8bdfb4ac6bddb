"""Old versions are upcast, and every published version is decoded as its fixture says."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevent_records import (
    ATTRIBUTES,
    WORKLOG,
    binary_record,
    rejection_reason,
    without,
)
from pydantic import BaseModel

from tidemark_shared.domain.balances import Balance
from tidemark_shared.messaging import upcasts
from tidemark_shared.messaging.cloudevents import CloudEvent, decode_event, outbox_record
from tidemark_shared.messaging.events import (
    EVENT_TYPES,
    WORKLOG_RECORDED,
)
from tidemark_shared.messaging.topics import TOPICS, WORKLOGS, Topic

FIXTURES = Path(__file__).parent / "fixtures" / "events"


def fixtures() -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(FIXTURES.glob("*.json"))]


def find_topic(type_: str) -> Topic:
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
    event = decode_event(WORKLOGS, *binary_record(old, {**ATTRIBUTES, "type": "tidemark.worklog.recorded.v0.1"}))
    assert event == decode_event(WORKLOGS, *binary_record(WORKLOG))


@pytest.mark.parametrize("path", fixtures())
def test_every_event_type_can_be_upcast(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old version with its data under another name is upcast, in both modes."""
    fixture = json.loads(path.read_text())
    envelope = fixture["event"]
    old = {**envelope, "type": envelope["type"].replace(".v1", ".v0"), "data": {"everything": envelope["data"]}}

    def unwrap(data: bytes) -> tuple[str, bytes]:
        return envelope["type"], json.dumps(json.loads(data)["everything"]).encode()

    monkeypatch.setitem(upcasts.UPCASTERS, old["type"], unwrap)
    attributes = {name: value for name, value in old.items() if name != "data"}
    topic = find_topic(envelope["type"])
    events = [
        decode_event(topic, *binary_record(old["data"], attributes)),
        decode_event(topic, [], json.dumps(old).encode()),
    ]
    assert [(event.type, event.data.model_dump(mode="json")) for event in events] == [
        (envelope["type"], fixture["read_as"])
    ] * 2


def test_newest_version_is_not_changed() -> None:
    assert upcasts.upcast(WORKLOG_RECORDED, b"{}") == (WORKLOG_RECORDED, b"{}")


@pytest.mark.parametrize(
    "failure", [KeyError("minutes"), ValueError("no JSON"), TypeError("no object"), RecursionError()], ids=repr
)
def test_upcaster_error_is_rejected_with_the_type(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bytes) -> tuple[str, bytes]:
        raise failure

    monkeypatch.setitem(upcasts.UPCASTERS, "tidemark.worklog.recorded.v0", fail)
    reason = rejection_reason(binary_record(b"{", {**ATTRIBUTES, "type": "tidemark.worklog.recorded.v0"}))
    assert reason.startswith("tidemark.worklog.recorded.v0: ")


@pytest.mark.parametrize("path", fixtures())
def test_published_version_is_decoded_as_its_fixture_says(path: Path) -> None:
    fixture = json.loads(path.read_text())
    envelope = fixture["event"]
    attributes = {name: value for name, value in envelope.items() if name != "data"}
    topic = find_topic(envelope["type"])
    events = [
        decode_event(topic, *binary_record(envelope["data"], attributes)),
        decode_event(topic, [], json.dumps(envelope).encode()),
    ]
    assert [event.data.model_dump(mode="json") for event in events] == [fixture["read_as"]] * 2


def test_every_event_type_has_a_fixture() -> None:
    types = {type_ for event_types in EVENT_TYPES.values() for type_ in event_types}
    assert {path.stem for path in FIXTURES.glob("*.json")} >= types


@pytest.mark.parametrize("path", fixtures())
def test_fixture_is_encoded_and_decoded_unchanged(path: Path) -> None:
    envelope = json.loads(path.read_text())["event"]
    topic = find_topic(envelope["type"])
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
