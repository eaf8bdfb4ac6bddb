"""Small trackers with a memory, which answer as the products' published APIs do, faults included."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx

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


@dataclass
class Fake:
    """The state of a tracker; ``now`` is its clock, and the next ``failures`` requests fail with these statuses."""

    kind: ClassVar[str] = ""
    page_size: int = 3
    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))
    works: dict[str, Work] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    requests: int = 0

    def transport(self) -> httpx.MockTransport:
        """A transport that answers in place of the tracker."""
        return httpx.MockTransport(self._respond)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.failures:
            return httpx.Response(self.failures.pop(0), headers={"retry-after": "0"}, text="try again")
        body = json.loads(request.content) if request.content else None
        answer = self.answer(request.method, request.url.path, dict(request.url.params), body)
        return httpx.Response(404) if answer is None else httpx.Response(200, json=answer)

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

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        match path.removeprefix("/rest/api/3/"):
            case "worklog/updated":
                return self._feed(query, lambda work: work.updated if work.deleted is None else None)
            case "worklog/deleted":
                return self._feed(query, lambda work: work.deleted)
            case "worklog/list":
                wanted = {str(number) for number in body["ids"]}
                return [self._worklog(work) for work in self.current() if work.id in wanted and not work.hidden]
            case "issue/bulkfetch":
                return {"issues": [self._issue(number) for number in body["issueIdsOrKeys"]], "issueErrors": []}
            case "search/jql":
                return {
                    "issues": [
                        {"id": work.project, "key": f"K-{work.project}", "fields": {}} for work in self.current()
                    ]
                }
        return None

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
            "id": work.id, "issueId": work.project, "author": {"accountId": work.person},
            "started": _jira_time(work.started), "timeSpentSeconds": work.seconds, "updated": _jira_time(work.updated),
            "comment": {"type": "doc", "content": []},
        }  # fmt: skip

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


class TempoFake(Fake):
    """Tempo Cloud, version 4: newest first by day of the update, deletions in the audit trail."""

    kind = "tempo"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        if path == "/4/papertrail/search":
            deleted = [work for work in self.works.values() if work.deleted and _iso(work.deleted) >= body["from"][:19]]
            return {
                "results": [{"entityId": work.id, "createdAt": _iso(work.deleted)} for work in deleted if work.deleted],
                "metadata": {},
            }
        if path == "/4/worklogs":
            works = sorted(
                (work for work in self.current() if work.updated.date().isoformat() >= query["updatedFrom"]),
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
        }  # fmt: skip

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        event = "worklog.deleted" if work.deleted else "worklog.updated"
        payload = {"tempoWorklogId": int(work.id), "updatedAt": _iso(self.now)}
        delivery = {"eventId": f"{work.id}-{_iso(self.now)}", "eventType": event, "payload": payload}
        body = json.dumps(delivery).encode()
        return {"tempo-signature": sign(SECRET, body)}, body


class ClockifyFake(Fake):
    """Clockify: the entries of each person in a range; no time of the last change."""

    kind = "clockify"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        parts = path.split("/")
        if parts[-1] == "users":
            people = sorted({work.person for work in self.works.values()})
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
            "id": work.id,
            "userId": work.person,
            "projectId": work.project,
            "taskId": None,
            "timeInterval": interval,
        }

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        return {"clockify-signature": SECRET}, json.dumps({**self._entry(work), "at": _iso(self.now)}).encode()


class TogglFake(Fake):
    """Toggl Track, version 9: a running timer has a negative duration."""

    kind = "toggl"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        if path.endswith("/time_entries"):
            return [
                self._entry(work)
                for work in self.current()
                if query["start_date"] <= f"{work.started:%Y-%m-%d}" < query["end_date"]
            ]
        work = self.works.get(path.rpartition("/")[2])
        return self._entry(work) if work and work.deleted is None else None

    def _entry(self, work: Work) -> dict[str, Any]:
        return {
            "id": int(work.id), "user_id": work.person, "project_id": work.project, "task_id": None,
            "start": _iso(work.started), "duration": -1 if work.running else work.seconds, "at": _iso(work.updated),
        }  # fmt: skip

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        delivery = {"event_id": 1, "created_at": _iso(self.now), "payload": self._entry(work)}
        body = json.dumps(delivery).encode()
        return {"x-webhook-signature-256": f"sha256={sign(SECRET, body)}"}, body


class HarvestFake(Fake):
    """Harvest: days without a time, decimal hours, no webhooks."""

    kind = "harvest"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
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

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """See :class:`Fake`."""
        if "modified_after" in query:
            since = datetime.fromisoformat(query["modified_after"]).replace(tzinfo=UTC)
            works = [work for work in self.current() if work.updated >= since]
        else:
            works = [
                work for work in self.current() if query["begin"] <= f"{work.started:%Y-%m-%dT%H:%M:%S}" <= query["end"]
            ]
        first = (int(query["page"]) - 1) * int(query["size"])
        return [self._entry(work) for work in works[first : first + int(query["size"])]]

    def _entry(self, work: Work) -> dict[str, Any]:
        end = None if work.running else _jira_time(work.started + timedelta(seconds=work.seconds))
        return {
            "id": int(work.id), "begin": _jira_time(work.started), "end": end, "duration": work.seconds,
            "user": {"username": work.person}, "project": {"id": work.project, "name": "P"},
            "activity": {"id": "", "name": "A"}, "description": None,
        }  # fmt: skip


FAKES: tuple[type[Fake], ...] = (JiraFake, TempoFake, ClockifyFake, TogglFake, HarvestFake, KimaiFake)
