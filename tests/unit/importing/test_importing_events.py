"""Published events: valid, sent once, and sent again only after a change."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tidemark.importing.events import (
    STRUCTURED_HEADERS,
    OutgoingRecord,
    StructuredEvent,
    build_event_records,
    build_plan_records,
    parse_structured_events,
)
from tidemark.importing.import_state import Checkpoint, ImportState, next_updated_at
from tidemark.importing.plan import Link, Plan
from tidemark.importing.rows import RefusedRow, Row
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.events import ISSUE_LINKED, WORKLOG_RECORDED, format_timestamp
from tidemark_shared.messaging.topics import WORKLOGS

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TEAM = "5b0c1c1e-0000-4000-8000-000000000000"


def plan(seconds: int = 60, updated: datetime | None = None) -> Plan:
    row = Row(
        2, "w", "i", "p", NOW, date(2026, 6, 1), seconds, "C", "C", "A", "T", "O", updated, "ä\n", "K-1", "s", None
    )
    return Plan([row], [], 0, [], {}, [], [Link("i", "K-1", "s", "C", "A", NOW)])


def build_records(
    plan_: Plan, started_at: datetime = NOW, checkpoints: Mapping[str, Checkpoint] | None = None
) -> list[OutgoingRecord]:
    return list(build_plan_records(plan_, {"T": TEAM}, "tracker", started_at, checkpoints or {}))


def checkpoints_of(*records: OutgoingRecord) -> dict[str, Checkpoint]:
    return {record.checkpoint.key: record.checkpoint for record in records}


def updated_at(record: OutgoingRecord) -> datetime:
    time: datetime = decode_event(WORKLOGS, record.headers, record.value).data.updated_at
    return time


def test_links_and_worklogs_become_valid_events() -> None:
    link, worklog = build_records(plan())
    linked, recorded = (decode_event(WORKLOGS, record.headers, record.value) for record in (link, worklog))
    assert (linked.type, linked.source, linked.data.contract_id, linked.data.account_id) == (
        ISSUE_LINKED,
        "tracker",
        "C",
        "A",
    )
    assert (recorded.type, recorded.data.worklog_id, recorded.data.seconds) == (WORKLOG_RECORDED, "w", 60)
    assert (recorded.data.team_id, recorded.data.description) == (TEAM, "ä\n")
    assert linked.data.updated_at == recorded.data.updated_at == NOW
    assert {link.issue, worklog.issue} == {"i"}


def test_acknowledged_records_are_not_sent_again() -> None:
    assert build_records(plan(), NOW + SECOND, checkpoints_of(*build_records(plan()))) == []


def test_changed_row_has_the_start_of_the_new_import() -> None:
    (changed,) = build_records(plan(61), NOW + SECOND, checkpoints_of(*build_records(plan())))
    assert updated_at(changed) == NOW + SECOND


def test_changed_row_is_later_even_if_the_clock_is_not() -> None:
    (changed,) = build_records(plan(61), NOW, checkpoints_of(*build_records(plan())))
    assert updated_at(changed) == NOW + timedelta(microseconds=1)


def test_update_time_of_the_file_is_used() -> None:
    before = build_records(plan(60, NOW - SECOND))
    assert updated_at(before[1]) == NOW - SECOND
    # An older state of the row is sent as old as it is: it loses.
    (older,) = build_records(plan(61, NOW - 2 * SECOND), NOW, checkpoints_of(*before))
    assert updated_at(older) == NOW - 2 * SECOND
    # Another state of the same time is a correction.
    (other,) = build_records(plan(61, NOW - SECOND), NOW, checkpoints_of(*before))
    assert updated_at(other) == NOW - SECOND + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("own", "stated", "expected"),
    [(1, False, 1), (0, False, 0.000001), (-1, False, 0.000001), (1, True, 1), (0, True, 0.000001), (-1, True, -1)],
)
def test_next_updated_at_is_later_unless_the_source_states_an_earlier_time(
    own: int,
    stated: bool,  # noqa: FBT001
    expected: float,
) -> None:
    assert next_updated_at(format_timestamp(NOW), NOW + own * SECOND, stated=stated) == format_timestamp(
        NOW + expected * SECOND
    )


def event(**changes: object) -> str:
    data = {"worklog_id": "w", "issue_id": "i", "author_id": "p", "started_at": "2026-03-02T09:00:00Z"}
    data |= {"seconds": 60, "updated_at": "2026-03-02T10:00:00Z"} | changes  # type: ignore[operator]
    return json.dumps({"specversion": "1.0", "id": "1", "source": "t", "type": WORKLOG_RECORDED, "data": data})


def test_structured_events_are_published_unchanged() -> None:
    line = "  " + event() + "\r\n"
    (read_line,) = parse_structured_events([line], NOW)
    assert isinstance(read_line, StructuredEvent)
    (record,) = build_event_records([read_line], {})
    assert (record.value, record.headers, record.issue) == (event().encode(), STRUCTURED_HEADERS, "i")
    assert list(build_event_records([read_line, read_line], checkpoints_of(record))) == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "not JSON"),
        ("[]", "no specversion"),
        (event(seconds=0), "seconds: Input should be greater than or equal to 1"),
        (event(updated_at="2026-06-03T12:00:00Z"), "in the future"),
        (event(description="x" * 1_100_000), "larger than 1 MiB"),
        ('"\udce4"', "not JSON"),
    ],
)
def test_invalid_event_is_refused_with_its_line(line: str, sentence: str) -> None:
    (first, second) = parse_structured_events(["\n", line, event()], NOW)
    assert isinstance(first, RefusedRow)
    assert first.line == 2
    assert sentence in first.message
    assert isinstance(second, StructuredEvent)


def test_unfinished_import_keeps_its_first_start(tmp_path: Path) -> None:
    with ImportState(tmp_path, "cluster", "topic", "source") as state:
        assert state.start("file", NOW) == NOW
        state.save_checkpoints([Checkpoint("worklog/w", b"digest", format_timestamp(NOW))])
    with ImportState(tmp_path, "cluster", "topic", "source") as state:
        assert state.start("file", NOW + SECOND) == NOW
        assert state.load_checkpoints() == {"worklog/w": Checkpoint("worklog/w", b"digest", format_timestamp(NOW))}
        state.finish()
    with ImportState(tmp_path, "cluster", "topic", "source") as state:
        assert state.start("file", NOW + SECOND) == NOW + SECOND


def test_import_of_another_file_starts_later(tmp_path: Path) -> None:
    with ImportState(tmp_path, "source") as state:
        state.start("file", NOW)
        assert state.start("other file", NOW - SECOND) == NOW + timedelta(microseconds=1)


def test_another_target_has_its_own_state(tmp_path: Path) -> None:
    with ImportState(tmp_path, "cluster", "source") as state:
        state.save_checkpoints([Checkpoint("worklog/w", b"digest", format_timestamp(NOW))])
    with ImportState(tmp_path, "other", "source") as state:
        assert state.load_checkpoints() == {}
