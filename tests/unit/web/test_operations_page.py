"""What the page of operations says of the services."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tidemark_web.pages.formatting import NOTHING, format_age
from tidemark_web.pages.operations import find_problems, list_waiting

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERIFICATION = {"started_at": "2026-03-01T03:00:00Z", "finished_at": "2026-03-01T03:00:42Z", "row_count": 10}


def status(**changes: Any) -> dict[str, Any]:
    return {"problems": [], "topics": [], "queues": [], "dead_letter_count": 0, "verification": None, **changes}


def test_nothing_is_wrong_where_every_service_makes_progress() -> None:
    verified = status(verification=VERIFICATION | {"difference_count": 0})
    assert list(find_problems({"contracts": status(), "consumption": verified})) == []


def test_what_is_most_severe_comes_first() -> None:
    problems = find_problems({
        "contracts": status(dead_letter_count=2),
        "consumption": status(problems=["It stands still."], verification=VERIFICATION | {"difference_count": 1}),
        "notifier": None,
    })  # fmt: skip
    assert [(problem.service, problem.text.replace("\N{NO-BREAK SPACE}", " ")) for problem in problems] == [
        ("notifier", "The service does not answer. Start it, or look at its log."),
        ("consumption", "It stands still."),
        ("consumption", "1 row differs from the facts. Run `tidemark rebuild` to repair them."),
        ("contracts", "2 dead letters wait. Read the reasons: correct the record at its publisher, or replay it."),
    ]


@pytest.mark.parametrize(
    ("lag", "seconds", "number", "is_slow"),
    [(0, 9_000, "0", False), (1_200, 59, "1,200", False), (1_200, 60, "1,200", True), (None, 60, NOTHING, False)],
)
def test_topic_is_slow_where_records_wait_and_none_is_read(
    lag: int | None,
    seconds: int,
    number: str,
    *,
    is_slow: bool,
) -> None:
    topic = {"topic": "worklog.events", "lag": lag, "seconds_since_progress": seconds}
    [waiting] = list_waiting(status(topics=[topic]), NOW)
    assert (waiting.number, waiting.is_slow) == (number, is_slow)


@pytest.mark.parametrize(
    ("oldest_at", "age", "is_slow"),
    [(None, NOTHING, False), ("2026-03-01T11:59:01Z", "oldest 59 s", False),
     ("2026-03-01T10:00:00Z", "oldest 2 h", True),
     ("2026-03-01T12:00:05Z", "oldest 0 s", False)],
)  # fmt: skip
def test_queue_is_slow_where_its_oldest_row_waits_for_a_minute(
    oldest_at: str | None, age: str, *, is_slow: bool
) -> None:
    queue = {"name": "outbox", "length": 3, "oldest_at": oldest_at}
    [waiting] = list_waiting(status(queues=[queue]), NOW)
    assert (waiting.what, waiting.number) == ("Events to publish", "3")
    assert (waiting.age.replace("\N{NO-BREAK SPACE}", " "), waiting.is_slow) == (age, is_slow)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "1 h"), (86_400, "1 day"), (200_000, "2 days")],
)
def test_age_is_as_coarse_as_a_glance(seconds: int, text: str) -> None:
    assert format_age(seconds) == text.replace(" ", "\N{NO-BREAK SPACE}")
