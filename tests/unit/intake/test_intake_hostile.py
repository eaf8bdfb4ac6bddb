"""Answers and webhooks of trackers that nobody expects: none stops the reading of a source, and none deletes work."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import tracker_site
from pydantic import ValidationError

from tidemark_intake.changes import Published, find_deletions, find_issue_changes, find_worklog_changes
from tidemark_intake.client import TrackerError
from tidemark_intake.configuration import Secret, Source, load_sources
from tidemark_intake.facts import Deletion, Page, Worklog
from tidemark_intake.linking import Link
from tidemark_intake.trackers import DeliveryError, Tracker
from tidemark_intake.trackers.registry import open_tracker
from tidemark_shared.messaging.events import WorklogRecorded
from tidemark_shared.settings import InvalidSettingError

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
KINDS = ["jira", "jira_data_center", "tempo", "clockify", "toggl", "harvest", "kimai"]
WITH_WEBHOOKS = ["jira", "tempo", "clockify", "toggl"]
SECRET = "secret"  # noqa: S105 - of a stand-in
Answer = Callable[[httpx.Request], Any]


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTILE_TOKEN", SECRET)


def source_of(kind: str) -> Source:
    secret = Secret(env="HOSTILE_TOKEN")
    return tracker_site.source_of(
        kind, url="https://tracker.example/base", token=secret, webhook_secret=secret, reread_days=35
    )


@asynccontextmanager
async def tracker_of(kind: str, answer: Answer) -> AsyncIterator[Tracker]:
    def respond(request: httpx.Request) -> httpx.Response:
        value = answer(request)
        return value if isinstance(value, httpx.Response) else httpx.Response(200, json=value)

    async with open_tracker(source_of(kind), transport=httpx.MockTransport(respond)) as tracker:
        yield tracker


async def read_all(tracker: Tracker) -> list[Page]:
    return [page async for page in tracker.read_changes({}, NOW)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "answer",
    [httpx.Response(404, json={}), httpx.Response(403, json={}), {"message": "maintenance"}, {"results": {}}, 7, ["x"]],
    ids=["404", "403", "object", "no-list", "number", "texts"],
)
async def test_answer_that_is_no_list_is_an_error_and_no_empty_list(kind: str, answer: Any) -> None:
    """Given a tracker that answers something else than a list (a workspace that is gone, a page of maintenance),
    when its changes are read, then that fails: an empty list would delete all the work of a range."""
    async with tracker_of(kind, lambda _: answer) as tracker:
        with pytest.raises(TrackerError):
            await read_all(tracker)


def jira_worklog(**members: Any) -> dict[str, Any]:
    return {
        "id": "1", "issueId": "10", "author": {"accountId": "p"}, "started": "2026-03-02T09:00:00.000+0000",
        "updated": "2026-03-02T10:00:00.000+0000", "timeSpentSeconds": 3600,
    } | members  # fmt: skip


@pytest.mark.parametrize(
    "members",
    [
        {"started": "0202-03-02T09:00:00.000+0000"},
        {"started": "9999-12-31T23:59:59.000-1200"},
        {"started": "0001-01-01T00:00:00.000+1400"},
        {"started": {"year": 2026}},
        {"timeSpentSeconds": 1.5},
        {"timeSpentSeconds": float("inf")},
        {"timeSpentSeconds": -5},
        {"timeSpentSeconds": "an hour"},
        {"timeSpentSeconds": True},
        {"author": {"accountId": "p" * 300}},
        {"author": {"accountId": "p\0"}},
        {"author": {"accountId": "\ud800"}},
        {"author": "p"},
        {"issueId": "1" * 300},
    ],
    ids=str,
)
async def test_worklog_that_no_event_can_carry_is_skipped(members: dict[str, Any]) -> None:
    """Given one worklog with impossible values beside a good one, then that one alone is skipped."""
    items = [jira_worklog(**members), jira_worklog(id="2")]
    answer = httpx.Response(200, content=json.dumps(items).encode())
    async with tracker_of("jira", lambda _: answer) as tracker:
        batch = await tracker.fetch_worklogs(["1", "2"])
    assert [worklog.id for worklog in batch.worklogs] == ["2"]
    assert [skipped.worklog_id for skipped in batch.skipped] == ["1"]
    assert find_worklog_changes(batch.worklogs, {}, source_of("jira"), NOW)


@pytest.mark.parametrize("hours", [float("inf"), float("nan"), "many", None, {}, True, 10**9], ids=str)
async def test_harvest_hours_that_are_no_number_are_skipped(hours: Any) -> None:
    entry = {
        "id": 1, "spent_date": "2026-03-02", "project": {"id": 1, "name": "P"}, "task": {"id": 2, "name": "T"},
        "user": {"id": 3}, "updated_at": "2026-03-02T10:00:00Z", "hours": hours,
    }  # fmt: skip
    answer = httpx.Response(200, content=json.dumps({"time_entries": [entry]}).encode())
    async with tracker_of("harvest", lambda _: answer) as tracker:
        pages = await read_all(tracker)
    assert not any(page.worklogs for page in pages) or hours is True
    assert all(skipped.reason in ("invalid", "unreadable") for page in pages for skipped in page.skipped)


async def test_issue_that_cannot_be_read_keeps_no_other_back() -> None:
    good = {"id": "3", "key": "A-3", "fields": {"summary": "s\0" + "x" * 100_000, "created": "0001-01-01"}}
    answer = {"issues": [{"id": "1"}, {"id": "2", "fields": 7}, good]}
    async with tracker_of("jira", lambda _: answer) as tracker:
        issues = await tracker.fetch_issues(["1", "2", "3"])
    assert [issue.id for issue in issues] == ["3"]
    links = [(issue, Link("ä" * 300, "a\0", "")) for issue in issues]
    (change,) = find_issue_changes(links, {}, source_of("jira"), NOW)
    assert len((change.link.contract or "").encode()) <= 255
    assert len(change.record.value or b"") < 100_000


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2027-04-01T00:00:00Z"])
def test_version_is_never_in_the_future_or_out_of_range(time: str) -> None:
    """Given a tracker that states a last change in the year 9999, then the event has a time that consumption takes."""
    stated = datetime.fromisoformat(time)
    worklog = Worklog("1", "2", "p", NOW, 60, stated)
    (change,) = find_worklog_changes([worklog], {}, source_of("jira"), NOW)
    assert WorklogRecorded.model_validate_json(change.record.value or b"").updated_at <= NOW
    published = {"1": Published(b"d", NOW - timedelta(days=1), "2")}
    (deletion,) = find_deletions([Deletion("1", stated)], published, source_of("jira"), NOW)
    assert NOW - timedelta(days=1) < deletion.updated_at <= NOW


@pytest.mark.parametrize(
    ("status", "header", "value"),
    [
        (429, "retry-after", "1800"),
        (503, "Retry-After", "Fri, 20 Mar 2099 12:00:00 GMT"),
        (402, "X-Toggl-Quota-Resets-In", "900"),
    ],
)
async def test_wait_that_a_tracker_asks_for_is_obeyed(
    status: int, header: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a tracker that asks to wait, for seconds, until a date, or for the next quota,
    then the request is repeated after that time, and not before."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    answers = [httpx.Response(status, headers={header: value}), httpx.Response(200, json=[])]
    async with tracker_of("toggl", lambda _: answers.pop(0)) as tracker:
        await tracker.fetch_worklogs(["1"])
    assert waits == [float(value) if value.isdigit() else 3_900.0]


async def test_tempo_signature_covers_the_time_of_sending() -> None:
    """Given a delivery as Tempo documents it, then it is taken, and refused with any other time."""
    body = b'{"eventId":"1","eventType":"worklog.created","payload":{"tempoWorklogId":37}}'
    sent_at = "2026-03-19T15:03:35.786Z"
    signature = hmac.new(SECRET.encode(), body + sent_at.encode(), hashlib.sha256).hexdigest()
    async with tracker_of("tempo", lambda _: None) as tracker:
        headers = {"tempo-timestamp": sent_at, "tempo-signature": signature}
        assert tracker.check_delivery(headers, body).sent_at == datetime(2026, 3, 19, 15, 3, 35, 786_000, tzinfo=UTC)
        for other in ("2026-03-19T15:03:36.786Z", ""):
            with pytest.raises(DeliveryError):
                tracker.check_delivery({**headers, "tempo-timestamp": other}, body)


async def test_toggl_gets_the_code_with_which_it_tests_an_address() -> None:
    body = b'{"payload":"ping","validation_code":"c0de","created_at":"2026-03-19T15:03:35Z"}'
    headers = {"x-webhook-signature-256": f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}"}
    async with tracker_of("toggl", lambda _: None) as tracker:
        assert tracker.check_delivery(headers, body).answer == {"validation_code": "c0de"}


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("jira", {"rule": [{"contract": "A", "account": "B", "match": {"projekt": "X"}}]}, "no projekt to match"),
        ("harvest", {"rule": [{"contract": "A", "account": "B", "match": {"jql": "x"}}]}, "no jql to match"),
        ("jira", {"rule": [{"contract": "A", "match": {"project": "X"}}]}, "account"),
        ("jira", {"rule": []}, "contract_field"),
        ("toggl", {"workspace": None}, "workspace"),
        ("tempo", {"site": None}, "site"),
        ("jira", {"first_day": "2026-02-31"}, "first_day"),
        ("harvest", {"timezone": "Mars/Olympus"}, "time zone"),
    ],
)
def test_source_that_cannot_work_is_refused_with_the_reason(kind: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        tracker_site.source_of(kind, **changes)


def test_site_is_read_from_jira_or_from_tempo(tmp_path: Path) -> None:
    rule = 'rule = [{ contract = "A", account = "B", match = { %s = "*" } }]\ntoken = { env = "T" }\n'
    jira = '[[source]]\nid = "j"\nkind = "jira"\nurl = "https://acme.atlassian.net/"\n' + rule % "project"
    tempo = (
        '[[source]]\nid = "t"\nkind = "tempo"\nurl = "https://api.tempo.io"\nsite = "https://ACME.atlassian.net"\n'
        + rule % "issue"
    )
    path = tmp_path / "intake.toml"
    path.write_text(jira + tempo)
    with pytest.raises(InvalidSettingError, match="same Jira site"):
        load_sources(str(path))


def delivery_of(kind: str, identifier: Any) -> Any:
    return {
        "jira": {"webhookEvent": "worklog_updated", "worklog": {"id": identifier}},
        "tempo": {"eventId": "e", "eventType": "worklog.updated", "payload": {"tempoWorklogId": identifier}},
        "clockify": {"id": identifier},
        "toggl": {"payload": {"id": identifier}},
    }[kind]


@pytest.mark.parametrize("kind", WITH_WEBHOOKS)
@pytest.mark.parametrize(
    "identifier",
    ["../../users", "1?all=true", "1/2", "a\0", "1" * 300, "\ud800", {}, [], 1.5, True, None, "."],
    ids=repr,
)
async def test_webhook_names_no_path(kind: str, identifier: Any) -> None:
    """Given an id that would change the path of a request, then the delivery is refused."""
    async with tracker_of(kind, lambda _: None) as tracker:
        with pytest.raises(DeliveryError):
            tracker.read_delivery(json.dumps(delivery_of(kind, identifier)).encode())


@pytest.mark.parametrize("kind", WITH_WEBHOOKS)
@pytest.mark.parametrize(
    "body",
    [b"[" * 1_000_000, b"\xff\xfe", b"", b"[]", b"7", b"null", b'"x"', b"1" * 5_000],
    ids=lambda body: repr(body[:10]),
)
async def test_body_that_cannot_be_read_is_a_delivery_error(kind: str, body: bytes) -> None:
    async with tracker_of(kind, lambda _: None) as tracker:
        with pytest.raises(DeliveryError):
            tracker.read_delivery(body)


async def test_id_of_a_delivery_is_of_its_body_alone() -> None:
    async with tracker_of("jira", lambda _: None) as tracker:
        headers = {"authorization": f"Bearer {SECRET}", "x-atlassian-webhook-identifier": "x" * 9_000}
        assert tracker.check_delivery(headers, b"{}").id == hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize("kind", ["jira", "tempo"])
async def test_ids_that_are_no_numbers_are_not_asked_for(kind: str) -> None:
    async with tracker_of(kind, lambda _: pytest.fail("asked")) as tracker:
        batch = await tracker.fetch_worklogs(["²", "9" * 5_000, "x"])
    assert not batch.worklogs


@pytest.mark.parametrize("kind", ["tempo", "harvest", "kimai"])
@pytest.mark.parametrize("status", [400, 403, 404, 410])
async def test_entry_that_is_refused_is_invisible(kind: str, status: int) -> None:
    """Given a webhook of an entry that the tracker refuses to show, then the other webhooks are not kept waiting."""
    async with tracker_of(kind, lambda _: httpx.Response(status, json={})) as tracker:
        batch = await tracker.fetch_worklogs(["1"])
    assert [(skipped.worklog_id, skipped.reason) for skipped in batch.skipped] == [("1", "invisible")]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b"no gzip", headers={"content-encoding": "identity"}),
        httpx.Response(302, headers={"location": "https://other.example"}),
    ],
    ids=["deep", "text", "redirect"],
)
async def test_answer_that_is_not_json_is_an_error_in_words(answer: httpx.Response) -> None:
    async with tracker_of("toggl", lambda _: answer) as tracker:
        with pytest.raises(TrackerError):
            await tracker.fetch_worklogs(["1"])


async def test_entries_at_the_ends_of_a_range_are_found_in_every_time_zone() -> None:
    """Given Kimai, which takes days in the person's time zone, west of UTC,
    when an entry starts in the evening, in UTC on the next day,
    then the range of UTC that has it also finds it, or it would be deleted."""
    local = datetime(2026, 3, 9, 21)  # noqa: DTZ001 - the person's time
    entry = {
        "id": 1, "begin": "2026-03-09T21:00:00-0500", "end": "2026-03-09T22:00:00-0500", "duration": 3600,
        "project": {"id": 1, "name": "P"}, "activity": {"id": 2, "name": "A"}, "user": {"username": "p"},
    }  # fmt: skip

    def answer(request: httpx.Request) -> Any:
        query = request.url.params
        begin, end = (datetime.fromisoformat(query[name]) for name in ("begin", "end"))
        return [entry] if begin <= local <= end else []

    async with tracker_of("kimai", answer) as tracker:
        pages = await read_all(tracker)
    start = datetime(2026, 3, 10, 2, tzinfo=UTC)
    for page in pages:
        has_entry = page.window is not None and page.window[0] <= start < page.window[1]
        assert [worklog.id for worklog in page.worklogs] == (["1"] if has_entry else [])
    # Whatever day the range begins with.
    assert {page.window[0].date() for page in pages if page.window} >= {date(2026, 2, 1)}
