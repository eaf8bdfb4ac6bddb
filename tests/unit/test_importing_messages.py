"""What is published: events that their readers take, once, and again only when something changed."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tidemark.importing.memory import Memory, Sent, later
from tidemark.importing.messages import STRUCTURED, Message, Structured, of_events, of_plan, structured
from tidemark.importing.plan import Link, Plan
from tidemark.importing.rows import Refusal, Row
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


def messages(made: Plan, started_at: datetime = NOW, sent: Mapping[str, Sent] | None = None) -> list[Message]:
    return list(of_plan(made, {"T": TEAM}, "tracker", started_at, sent or {}))


def acknowledged(*sent: Message) -> dict[str, Sent]:
    return {one.receipt.key: one.receipt for one in sent}


def updated_at(message: Message) -> datetime:
    found: datetime = decode_event(WORKLOGS, message.headers, message.value).data.updated_at
    return found


def test_links_and_worklogs_are_events_that_their_readers_take() -> None:
    link, worklog = messages(plan())
    linked, recorded = (decode_event(WORKLOGS, one.headers, one.value) for one in (link, worklog))
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


def test_what_was_acknowledged_is_not_sent_again() -> None:
    assert messages(plan(), NOW + SECOND, acknowledged(*messages(plan()))) == []


def test_a_changed_row_is_sent_with_the_new_imports_time() -> None:
    (changed,) = messages(plan(61), NOW + SECOND, acknowledged(*messages(plan())))
    assert updated_at(changed) == NOW + SECOND


def test_a_changed_row_is_later_even_where_the_clock_is_not() -> None:
    (changed,) = messages(plan(61), NOW, acknowledged(*messages(plan())))
    assert updated_at(changed) == NOW + timedelta(microseconds=1)


def test_the_files_own_update_holds() -> None:
    before = messages(plan(60, NOW - SECOND))
    assert updated_at(before[1]) == NOW - SECOND
    # An older state of the row is sent as old as it is: it loses.
    (older,) = messages(plan(61, NOW - 2 * SECOND), NOW, acknowledged(*before))
    assert updated_at(older) == NOW - 2 * SECOND
    # Another state of the same time is a correction.
    (other,) = messages(plan(61, NOW - SECOND), NOW, acknowledged(*before))
    assert updated_at(other) == NOW - SECOND + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("own", "stated", "found"),
    [(1, False, 1), (0, False, 0.000001), (-1, False, 0.000001), (1, True, 1), (0, True, 0.000001), (-1, True, -1)],
)
def test_later_is_later_unless_the_source_says_otherwise(own: int, stated: bool, found: float) -> None:  # noqa: FBT001
    assert later(format_timestamp(NOW), NOW + own * SECOND, stated=stated) == format_timestamp(NOW + found * SECOND)


def event(**changes: object) -> str:
    data = {"worklog_id": "w", "issue_id": "i", "author_id": "p", "started_at": "2026-03-02T09:00:00Z"}
    data |= {"seconds": 60, "updated_at": "2026-03-02T10:00:00Z"} | changes  # type: ignore[operator]
    return json.dumps({"specversion": "1.0", "id": "1", "source": "t", "type": WORKLOG_RECORDED, "data": data})


def test_structured_events_are_published_as_they_came() -> None:
    line = "  " + event() + "\r\n"
    (read_line,) = structured([line], NOW)
    assert isinstance(read_line, Structured)
    (message,) = of_events([read_line], {})
    assert (message.value, message.headers, message.issue) == (event().encode(), STRUCTURED, "i")
    assert list(of_events([read_line, read_line], acknowledged(message))) == []


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
def test_what_readers_would_refuse_is_refused_with_its_line(line: str, sentence: str) -> None:
    (first, second) = structured(["\n", line, event()], NOW)
    assert isinstance(first, Refusal)
    assert first.line == 2
    assert sentence in first.sentence
    assert isinstance(second, Structured)


def test_an_unfinished_import_keeps_its_first_start(tmp_path: Path) -> None:
    with Memory(tmp_path, "cluster", "topic", "source") as memory:
        assert memory.begin("file", NOW) == NOW
        memory.remember([Sent("worklog/w", b"digest", format_timestamp(NOW))])
    with Memory(tmp_path, "cluster", "topic", "source") as memory:
        assert memory.begin("file", NOW + SECOND) == NOW
        assert memory.sent() == {"worklog/w": Sent("worklog/w", b"digest", format_timestamp(NOW))}
        memory.finish()
    with Memory(tmp_path, "cluster", "topic", "source") as memory:
        assert memory.begin("file", NOW + SECOND) == NOW + SECOND


def test_another_file_is_another_import_and_never_the_earlier_one(tmp_path: Path) -> None:
    with Memory(tmp_path, "source") as memory:
        memory.begin("file", NOW)
        assert memory.begin("other file", NOW - SECOND) == NOW + timedelta(microseconds=1)


def test_another_target_has_another_memory(tmp_path: Path) -> None:
    with Memory(tmp_path, "cluster", "source") as memory:
        memory.remember([Sent("worklog/w", b"digest", format_timestamp(NOW))])
    with Memory(tmp_path, "other", "source") as memory:
        assert memory.sent() == {}
