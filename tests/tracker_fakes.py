"""Small trackers with a memory, which answer as the products' published APIs do, faults included."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
from tracker_requests import check_request

from tidemark_intake.signatures import sign

SECRET = "webhook-secret-of-the-test"  # noqa: S105 - a secret of the tests


@dataclass
class Work:
    """A worklog as the tracker has it. ``seconds`` of a running timer count from its end on."""

    id: str
    project: str
    person: str
    started: datetime
    seconds: int
    updated: datetime
    deleted: datetime | None = None
    running: bool = False
    hidden: bool = False
    account: str = "DEV"


@dataclass
class Fake:
    """The state of a tracker; ``now`` is its clock, and the next ``failures`` requests fail with these statuses."""

    kind: ClassVar[str] = ""
    page_size: int = 3
    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))
    works: dict[str, Work] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    before_answer: Callable[[], None] | None = None

    def fail_after(self, count: int) -> None:
        """Answer ``count`` requests, and fail from then on."""
        first = len(self.paths)

        def fail() -> None:
            if len(self.paths) > first + count:
                self.failures = [503]

        self.before_answer = fail

    def transport(self) -> httpx.MockTransport:
        """A transport that answers in place of the tracker."""
        return httpx.MockTransport(self._respond)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.raw_path.decode())
        check_request(self.kind, request)
        if self.before_answer:
            self.before_answer()
        if self.failures:
            return httpx.Response(self.failures.pop(0), headers={"retry-after": "0"}, text="try again")
        body = json.loads(request.content) if request.content else None
        self.headers = {}
        answer = self.answer(request.method, request.url.path, dict(request.url.params), body)
        return httpx.Response(404) if answer is None else httpx.Response(200, json=answer, headers=self.headers)

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """The JSON that answers a request; None for 404."""
        raise NotImplementedError

    def current(self) -> list[Work]:
        """The worklogs that are not deleted."""
        return [work for work in self.works.values() if work.deleted is None]

    def figures(self) -> dict[str, tuple[str, str, int, datetime]]:
        """What Tidemark must count: project, person, seconds and start by worklog."""
        return {
            work.id: (work.project, work.person, work.seconds, work.started)
            for work in self.current()
            if not work.running and not work.hidden
        }

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """The headers and body of the webhook about the last change of ``work``; None if the product sends none."""
        return None


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _jira_time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000%z")


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


class JiraFake(Fake):
    """Jira Cloud: feeds that leave out the last minute, worklogs by list, issues by bulkfetch."""

    kind = "jira"
    api = "/rest/api/3/"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:  # noqa: PLR0911 - routes
        """See :class:`Fake`."""
        match path.removeprefix(self.api):
            case "worklog/updated":
                return self._feed(query, lambda work: work.updated if work.deleted is None else None)
            case "worklog/deleted":
                return self._feed(query, lambda work: work.deleted)
            case "worklog/list":
                wanted = {str(number) for number in body["ids"]}
                return [self._worklog(work) for work in self.current() if work.id in wanted and not work.hidden]
            case "issue/bulkfetch":
                return {"issues": [self._issue(number) for number in body["issueIdsOrKeys"]], "issueErrors": []}
            case "jql/match":
                return {"matches": [{"matchedIssues": self.matching(jql), "errors": []} for jql in body["jqls"]]}
            case "search/jql" | "search":
                return self._search(body)
            case other if other.startswith("issue/"):
                return self._issue(other.removeprefix("issue/"))
        return None

    def matching(self, jql: str) -> list[int]:
        """The issues that match a query: ``key = K-7``."""
        return [
            number for number in sorted({int(work.project) for work in self.works.values()}) if f"K-{number}" in jql
        ]

    def _search(self, body: Any) -> dict[str, Any]:
        numbers = sorted({work.project for work in self.current()})
        if "AND (" in body["jql"]:
            numbers = [str(number) for number in self.matching(body["jql"].partition("AND (")[2])]
        start = int(body.get("nextPageToken") or body.get("startAt") or 0)
        part = numbers[start : start + self.page_size]
        rest = {"nextPageToken": str(start + len(part))} if start + len(part) < len(numbers) else {}
        issues = [{"id": number, "key": f"K-{number}", "fields": {}} for number in part]
        return {"issues": issues, "total": len(numbers), **(rest if self.kind == "jira" else {})}

    def _feed(self, query: Mapping[str, str], time_of: Callable[[Work], datetime | None]) -> dict[str, Any]:
        since, limit = int(query["since"]), self.now - timedelta(minutes=1)
        entries = sorted(
            (_milliseconds(time), work.id)
            for work in self.works.values()
            if (time := time_of(work)) and time <= limit and _milliseconds(time) >= since
        )
        page = entries[: self.page_size]
        # Entries of one instant are never divided between two pages.
        page += [entry for entry in entries[len(page) :] if page and entry[0] == page[-1][0]]
        is_last = len(page) == len(entries)
        until = _milliseconds(limit) if is_last else page[-1][0] + 1
        values = [{"worklogId": int(number), "updatedTime": time, "properties": []} for time, number in page]
        return {"values": values, "since": since, "until": until, "lastPage": is_last}

    def _worklog(self, work: Work) -> dict[str, Any]:
        return {
            "id": work.id, "issueId": work.project, "author": self.author(work),
            "started": _jira_time(work.started), "timeSpentSeconds": work.seconds, "updated": _jira_time(work.updated),
            "comment": {"type": "doc", "content": []},
        }  # fmt: skip

    def author(self, work: Work) -> dict[str, str]:
        """Who did the work."""
        return {"accountId": work.person}

    def _issue(self, number: str) -> dict[str, Any]:
        fields = {"summary": "x", "updated": "2026-01-01T00:00:00.000+0000", "created": "2026-01-01T00:00:00.000+0000"}
        return {"id": number, "key": f"K-{number}", "fields": {**fields, "project": {"key": "K"}}}

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        event = "worklog_deleted" if work.deleted else "worklog_updated"
        delivery = {"timestamp": _milliseconds(self.now), "webhookEvent": event}
        body = json.dumps({**delivery, "worklog": {"id": work.id, "issueId": work.project}}).encode()
        identifier = f"{work.id}-{_milliseconds(self.now)}"
        return {"x-hub-signature": f"sha256={sign(SECRET, body)}", "x-atlassian-webhook-identifier": identifier}, body


class JiraDataCenterFake(JiraFake):
    """Jira Data Center: version 2, and one event of the issue for a worklog that was changed or deleted."""

    kind = "jira_data_center"
    api = "/rest/api/2/"

    def author(self, work: Work) -> dict[str, str]:
        """See :class:`JiraFake`."""
        return {"key": work.person, "name": work.person}

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`. An app sends its token instead of a signature."""
        change = {"field": "WorklogId", "from": work.id, "to": None if work.deleted else work.id}
        delivery = {
            "timestamp": _milliseconds(self.now), "webhookEvent": "jira:worklog_updated",
            "issue": {"id": work.project}, "changelog": {"items": [change]},
        }  # fmt: skip
        return {"authorization": f"Bearer {SECRET}"}, json.dumps(delivery).encode()


class TempoFake(Fake):
    """Tempo Cloud, version 4: newest first by day of the update, deletions in the audit trail."""

    kind = "tempo"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        if path.startswith("/rest/"):
            return JiraFake(works=self.works).answer(method, path, query, body)
        if path == "/4/papertrail/search":
            deleted = [work for work in self.works.values() if work.deleted and _iso(work.deleted) >= body["from"][:19]]
            start = int(query.get("nextPageToken", "0"))
            part = deleted[start : start + self.page_size]
            rest = {"nextPageToken": str(start + len(part))} if start + len(part) < len(deleted) else {}
            results = [{"entityId": work.id, "timestamp": _iso(work.deleted)} for work in part if work.deleted]
            return {"results": results, "metadata": {"limit": self.page_size, **rest}}
        if path == "/4/worklogs":
            works = sorted(
                (
                    work
                    for work in self.current()
                    if _iso(work.updated) >= query.get("updatedFrom", "")[:19]
                    and query.get("from", "") <= f"{work.started:%Y-%m-%d}" <= query.get("to", "9999")
                ),
                key=lambda work: work.updated,
                reverse=True,
            )
            offset = int(query["offset"])
            part = works[offset : offset + self.page_size]
            metadata = {"next": "https://api.tempo.io/4/worklogs?…"} if len(works) > offset + len(part) else {}
            return {"results": [self._worklog(work) for work in part], "metadata": metadata}
        work = self.works.get(path.rpartition("/")[2])
        return self._worklog(work) if work and work.deleted is None else None

    def _worklog(self, work: Work) -> dict[str, Any]:
        return {
            "tempoWorklogId": int(work.id), "issue": {"id": int(work.project)}, "author": {"accountId": work.person},
            "timeSpentSeconds": work.seconds, "startDateTimeUtc": _iso(work.started), "updatedAt": _iso(work.updated),
            "startDate": f"{work.started:%Y-%m-%d}", "startTime": f"{work.started:%H:%M:%S}", "description": "",
            "attributes": {"values": [{"key": "_Account_", "value": work.account}]},
        }  # fmt: skip

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        event = "worklog.deleted" if work.deleted else "worklog.updated"
        payload = {"tempoWorklogId": int(work.id), "updatedAt": _iso(self.now)}
        delivery = {"eventId": f"{work.id}-{_iso(self.now)}", "eventType": event, "payload": payload}
        body, sent_at = json.dumps(delivery).encode(), _iso(self.now)
        return {"tempo-timestamp": sent_at, "tempo-signature": sign(SECRET, body + sent_at.encode())}, body


class ClockifyFake(Fake):
    """Clockify: the entries of each person in a range; no time of the last change."""

    kind = "clockify"

    def __init__(self) -> None:
        super().__init__()
        self.former: set[str] = set()

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        parts = path.split("/")
        if parts[-1] == "users":
            people = sorted({work.person for work in self.works.values()} - self.former)
            return [{"id": person} for person in people] if query["page"] == "1" else []
        if "user" in parts:
            works = [work for work in self.current() if work.person == parts[parts.index("user") + 1]]
            works = [work for work in works if query["start"] <= _iso(work.started) < query["end"]]
            first = (int(query["page"]) - 1) * self.page_size
            return [self._entry(work) for work in works[first : first + self.page_size]]
        work = self.works.get(parts[-1])
        return self._entry(work) if work and work.deleted is None else None

    def _entry(self, work: Work) -> dict[str, Any]:
        end = None if work.running else _iso(work.started + timedelta(seconds=work.seconds))
        interval = {"start": _iso(work.started), "end": end}
        return {
            "id": work.id, "userId": work.person, "projectId": work.project, "taskId": None, "timeInterval": interval,
            "project": {"id": work.project, "name": f"Project {work.project}", "clientName": "Client"},
        }  # fmt: skip

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        return {"clockify-signature": SECRET}, json.dumps({**self._entry(work), "at": _iso(self.now)}).encode()


class TogglFake(Fake):
    """Toggl Track: the Reports API, version 3, groups entries in rows, and leaves out running timers."""

    kind = "toggl"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        works = [work for work in self.current() if not work.running]
        if "time_entry_ids" in body:
            works = [work for work in works if int(work.id) in body["time_entry_ids"]]
        else:
            works = [work for work in works if body["start_date"] <= f"{work.started:%Y-%m-%d}" <= body["end_date"]]
        first = int(body.get("first_row_number", 1))
        part = works[first - 1 : first - 1 + self.page_size]
        if len(works) > first - 1 + len(part):
            self.headers["X-Next-Row-Number"] = str(first + len(part))
        return [self._row(work) for work in part]

    def _row(self, work: Work) -> dict[str, Any]:
        entry = {
            "id": int(work.id), "seconds": work.seconds, "start": _iso(work.started),
            "stop": _iso(work.started + timedelta(seconds=work.seconds)), "at": _iso(work.updated),
        }  # fmt: skip
        names = {"project_name": f"Project {work.project}", "client_name": "Client"}
        return {"user_id": work.person, "project_id": work.project, "task_id": None, "time_entries": [entry], **names}

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        metadata = {"action": "deleted" if work.deleted else "updated", "model": "time_entry"}
        payload = {"id": int(work.id), "duration": -1 if work.running else work.seconds}
        delivery = {"event_id": 1, "created_at": _iso(self.now), "metadata": metadata, "payload": payload}
        body = json.dumps(delivery).encode()
        return {"x-webhook-signature-256": f"sha256={sign(SECRET, body)}"}, body


class HarvestFake(Fake):
    """Harvest: days without a time, decimal hours, no webhooks."""

    kind = "harvest"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        if (identifier := path.rpartition("/")[2]) != "time_entries":
            work = self.works.get(identifier)
            return self._entry(work) if work and work.deleted is None else None
        if "updated_since" in query:
            since = datetime.fromisoformat(query["updated_since"])
            works = [work for work in self.current() if work.updated >= since]
        else:
            works = [work for work in self.current() if query["from"] <= f"{work.started:%Y-%m-%d}" <= query["to"]]
        first = (int(query["page"]) - 1) * self.page_size
        part = works[first : first + self.page_size]
        following = int(query["page"]) + 1 if len(works) > first + len(part) else None
        return {"time_entries": [self._entry(work) for work in part], "next_page": following}

    def _entry(self, work: Work) -> dict[str, Any]:
        return {
            "id": int(work.id), "spent_date": f"{work.started:%Y-%m-%d}", "hours": work.seconds / 3600,
            "user": {"id": work.person}, "project": {"id": work.project, "name": "P"}, "task": {"id": "", "name": "T"},
            "is_running": work.running, "updated_at": _iso(work.updated), "notes": None,
        }  # fmt: skip


class KimaiFake(Fake):
    """Kimai: timesheets by pages, times with an offset, no webhooks."""

    kind = "kimai"
    kimai_page: ClassVar[int] = 500

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        if (identifier := path.rpartition("/")[2]) != "timesheets":
            work = self.works.get(identifier)
            return {**self._entry(work), "user": 5, "project": 7, "activity": 1} if work and not work.deleted else None
        if "modified_after" in query:
            since = datetime.fromisoformat(query["modified_after"]).replace(tzinfo=UTC)
            works = [work for work in self.current() if work.updated >= since]
        else:
            works = [
                work for work in self.current() if query["begin"] <= f"{work.started:%Y-%m-%dT%H:%M:%S}" <= query["end"]
            ]
        size = min(int(query["size"]), self.kimai_page)
        first = (int(query["page"]) - 1) * size
        self.headers["X-Total-Pages"] = str(max(-(-len(works) // size), 1))
        # A page after the last is 404.
        return [self._entry(work) for work in works[first : first + size]] if first < len(works) or not first else None

    def _entry(self, work: Work) -> dict[str, Any]:
        end = None if work.running else _jira_time(work.started + timedelta(seconds=work.seconds))
        return {
            "id": int(work.id), "begin": _jira_time(work.started), "end": end, "duration": work.seconds,
            "user": {"username": work.person}, "project": {"id": work.project, "name": "P"},
            "activity": {"id": "", "name": "A"}, "description": None,
        }  # fmt: skip


FAKES: tuple[type[Fake], ...] = (
    JiraFake,
    JiraDataCenterFake,
    TempoFake,
    ClockifyFake,
    TogglFake,
    HarvestFake,
    KimaiFake,
)
