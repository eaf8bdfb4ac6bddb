"""Stand-ins for Clockify, Toggl Track, Harvest and Kimai, which answer as their published APIs do."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from tracker_state import SECRET, Fake, Work, iso, jira_time

from tidemark_intake.signatures import sign


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
            works = [work for work in works if query["start"] <= iso(work.started) < query["end"]]
            first = (int(query["page"]) - 1) * self.page_size
            return [self._entry(work) for work in works[first : first + self.page_size]]
        work = self.works.get(parts[-1])
        return self._entry(work) if work and work.deleted is None else None

    def _entry(self, work: Work) -> dict[str, Any]:
        end = None if work.running else iso(work.started + timedelta(seconds=work.seconds))
        interval = {"start": iso(work.started), "end": end}
        return {
            "id": work.id, "userId": work.person, "projectId": work.project, "taskId": None, "timeInterval": interval,
            "project": {"id": work.project, "name": f"Project {work.project}", "clientName": "Client"},
        }  # fmt: skip

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        return {"clockify-signature": SECRET}, json.dumps({**self._entry(work), "at": iso(self.now)}).encode()


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
            "id": int(work.id), "seconds": work.seconds, "start": iso(work.started),
            "stop": iso(work.started + timedelta(seconds=work.seconds)), "at": iso(work.updated),
        }  # fmt: skip
        names = {"project_name": f"Project {work.project}", "client_name": "Client"}
        return {"user_id": work.person, "project_id": work.project, "task_id": None, "time_entries": [entry], **names}

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """See :class:`Fake`."""
        metadata = {"action": "deleted" if work.deleted else "updated", "model": "time_entry"}
        payload = {"id": int(work.id), "duration": -1 if work.running else work.seconds}
        delivery = {"event_id": 1, "created_at": iso(self.now), "metadata": metadata, "payload": payload}
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
            "is_running": work.running, "updated_at": iso(work.updated), "notes": None,
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
        end = None if work.running else jira_time(work.started + timedelta(seconds=work.seconds))
        return {
            "id": int(work.id), "begin": jira_time(work.started), "end": end, "duration": work.seconds,
            "user": {"username": work.person}, "project": {"id": work.project, "name": "P"},
            "activity": {"id": "", "name": "A"}, "description": None,
        }  # fmt: skip
