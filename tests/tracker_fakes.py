"""Small trackers with a memory, which answer as the products' published APIs do, faults included."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from timer_fakes import ClockifyFake, HarvestFake, KimaiFake, TogglFake
from tracker_state import SECRET, Fake, Work, iso, jira_time, milliseconds

from tidemark_intake.signatures import sign


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
            (milliseconds(time), work.id)
            for work in self.works.values()
            if (time := time_of(work)) and time <= limit and milliseconds(time) >= since
        )
        page = entries[: self.page_size]
        # Entries of one instant are never divided between two pages.
        page += [entry for entry in entries[len(page) :] if page and entry[0] == page[-1][0]]
        is_last = len(page) == len(entries)
        until = milliseconds(limit) if is_last else page[-1][0] + 1
        values = [{"worklogId": int(number), "updatedTime": time, "properties": []} for time, number in page]
        return {"values": values, "since": since, "until": until, "lastPage": is_last}

    def _worklog(self, work: Work) -> dict[str, Any]:
        return {
            "id": work.id, "issueId": work.project, "author": self.author(work),
            "started": jira_time(work.started), "timeSpentSeconds": work.seconds, "updated": jira_time(work.updated),
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
        delivery = {"timestamp": milliseconds(self.now), "webhookEvent": event}
        body = json.dumps({**delivery, "worklog": {"id": work.id, "issueId": work.project}}).encode()
        identifier = f"{work.id}-{milliseconds(self.now)}"
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
            "timestamp": milliseconds(self.now), "webhookEvent": "jira:worklog_updated",
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
            deleted = [work for work in self.works.values() if work.deleted and iso(work.deleted) >= body["from"][:19]]
            start = int(query.get("nextPageToken", "0"))
            part = deleted[start : start + self.page_size]
            rest = {"nextPageToken": str(start + len(part))} if start + len(part) < len(deleted) else {}
            results = [{"entityId": work.id, "timestamp": iso(work.deleted)} for work in part if work.deleted]
            return {"results": results, "metadata": {"limit": self.page_size, **rest}}
        if path == "/4/worklogs":
            works = sorted(
                (
                    work
                    for work in self.current()
                    if iso(work.updated) >= query.get("updatedFrom", "")[:19]
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
            "timeSpentSeconds": work.seconds, "startDateTimeUtc": iso(work.started), "updatedAt": iso(work.updated),
            "startDate": f"{work.started:%Y-%m-%d}", "startTime": f"{work.started:%H:%M:%S}", "description": "",
            "attributes": {"values": [{"key": "_Account_", "value": work.account}]},
        }  # fmt: skip

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        event = "worklog.deleted" if work.deleted else "worklog.updated"
        payload = {"tempoWorklogId": int(work.id), "updatedAt": iso(self.now)}
        delivery = {"eventId": f"{work.id}-{iso(self.now)}", "eventType": event, "payload": payload}
        body, sent_at = json.dumps(delivery).encode(), iso(self.now)
        return {"tempo-timestamp": sent_at, "tempo-signature": sign(SECRET, body + sent_at.encode())}, body


FAKES: tuple[type[Fake], ...] = (
    JiraFake,
    JiraDataCenterFake,
    TempoFake,
    ClockifyFake,
    TogglFake,
    HarvestFake,
    KimaiFake,
)
