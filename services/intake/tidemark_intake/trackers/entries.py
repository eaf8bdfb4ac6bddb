"""Clockify, Toggl Track, Harvest and Kimai: time entries that are read again for the last days.

They say little about deletions, so a range of days is read as a whole, and what it no longer has is deleted. A time
entry has no issue: the project and task, or activity, are in its place.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from tidemark_intake.client import TrackerClient
from tidemark_intake.configuration import Source
from tidemark_intake.facts import Batch, Hints, Issue, Page, Skipped, Worklog
from tidemark_intake.signatures import check_hmac, check_token, require_secret
from tidemark_intake.trackers import DeliveryError
from tidemark_intake.trackers.parsing import (
    EPOCH,
    OVERLAP,
    UNREADABLE,
    delivery_id,
    entity_id,
    list_items,
    member,
    parse_time,
    parse_whole,
    read_worklogs,
)

_DAY = timedelta(days=1)
_WINDOW = timedelta(days=7)
_KIMAI_PAGE = 500


class Entry(NamedTuple):
    """A time entry in common terms. ``ended`` False: its timer runs."""

    worklog: Worklog
    ended: bool
    attributes: Mapping[str, Sequence[str]]


class EntryTracker:
    """What the four trackers have in common. A subclass reads one page of a range, and one entry."""

    def __init__(self, source: Source, client: TrackerClient, webhook_secret: str | None) -> None:
        self._source, self._client, self._webhook_secret = source, client, webhook_secret
        self._attributes: dict[str, Mapping[str, Sequence[str]]] = {}

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        self._check_signature(require_secret(self._webhook_secret), headers, body)
        return delivery_id(None, body)

    def read_delivery(self, body: bytes) -> Hints:
        """See :class:`~tidemark_intake.trackers.Tracker`. A deletion is found when the range is read again."""
        try:
            identifier = self._identify(json.loads(body))
        except UNREADABLE as error:
            raise DeliveryError(f"The delivery cannot be read: {error!r}") from None
        return Hints(worklog_ids=[identifier] if identifier else [])

    async def fetch_worklogs(self, ids: Sequence[str]) -> Batch:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        items = [(identifier, await self._fetch(identifier)) for identifier in ids]
        batch = self._read_worklogs([item for _, item in items if item is not None])
        missing = [Skipped(identifier, "invisible", "It is gone.") for identifier, item in items if item is None]
        return Batch(batch.worklogs, [*batch.skipped, *missing])

    async def fetch_issues(self, ids: Sequence[str]) -> Sequence[Issue]:
        """See :class:`~tidemark_intake.trackers.Tracker`. The attributes come with the entries."""
        return [
            Issue(identifier, None, None, None, EPOCH, self._attributes[identifier])
            for identifier in ids
            if identifier in self._attributes
        ]

    async def read_changes(self, cursor: Mapping[str, str], now: datetime) -> AsyncIterator[Page]:
        """See :class:`~tidemark_intake.trackers.Tracker`. The first load goes on where it stopped.

        Older entries that were changed are read where the product can list them; older deletions are not seen.
        """
        updated = cursor.get("updated")
        last_day = now.date() + timedelta(days=2)
        reread_from = now.date() - timedelta(days=self._source.reread_days)
        loaded = date.fromisoformat(cursor.get("loaded_until") or self._source.first_day)
        begin = min(loaded, reread_from)
        while begin < last_day:
            end = min(begin + _WINDOW, last_day)
            window = datetime.combine(begin, time(), UTC), datetime.combine(end, time(), UTC)
            # A day more at each end: some products take the days of a person, not of UTC.
            batch = self._read_worklogs(await self._read_range(begin - _DAY, end + _DAY))
            loaded = max(loaded, min(end, now.date()))
            yield Page(
                {"loaded_until": loaded.isoformat(), **({"updated": updated} if updated else {})},
                worklogs=[worklog for worklog in batch.worklogs if window[0] <= worklog.started_at < window[1]],
                skipped=batch.skipped,
                window=window,
            )
            begin = end
        since = datetime.fromisoformat(updated) - OVERLAP if updated else None
        batch = self._read_worklogs(await self._read_updates(since)) if since else Batch()
        state = {"loaded_until": loaded.isoformat(), "updated": now.isoformat()}
        yield Page(state, worklogs=batch.worklogs, skipped=batch.skipped)

    def _read_worklogs(self, items: Sequence[Any]) -> Batch:
        return read_worklogs(items, self._parse_ended)

    def _parse_ended(self, item: Any) -> Worklog | Skipped:
        entry = self._parse(item)
        if not entry.ended:
            return Skipped(entry.worklog.id, "running")
        self._attributes[entry.worklog.issue_id] = entry.attributes
        return entry.worklog

    def _describe(self, text: Any) -> str | None:
        return (str(text) or None) if text and self._source.descriptions else None

    def _check_signature(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        raise NotImplementedError

    def _identify(self, delivery: Any) -> str:
        raise NotImplementedError

    async def _fetch(self, identifier: str) -> Any:
        raise NotImplementedError

    async def _read_range(self, begin: date, end: date) -> list[Any]:
        """All entries that start from ``begin`` to the day before ``end``."""
        raise NotImplementedError

    async def _read_updates(self, since: datetime) -> list[Any]:
        """The entries that were changed since then, of any age."""
        return []

    def _parse(self, item: Any) -> Entry:
        raise NotImplementedError


def issue_of(*parts: Any) -> str:
    """The id that stands for an issue: project and task."""
    return "/".join(str(part) if part not in (None, "") else "-" for part in parts)


class Clockify(EntryTracker):
    """Clockify: https://docs.clockify.me/."""

    def _check_signature(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        check_token(secret, headers.get("clockify-signature", ""))

    def _identify(self, delivery: Any) -> str:
        return entity_id(delivery["id"])

    async def _fetch(self, identifier: str) -> Any:
        return await self._client.find(f"/api/v1/workspaces/{self._source.workspace}/time-entries/{identifier}")

    async def _read_range(self, begin: date, end: date) -> list[Any]:
        users = await self._read_pages(f"/api/v1/workspaces/{self._source.workspace}/users")
        items: list[Any] = []
        for user in users:
            path = f"/api/v1/workspaces/{self._source.workspace}/user/{entity_id(user['id'])}/time-entries"
            items += await self._read_pages(path, start=f"{begin}T00:00:00Z", end=f"{end}T00:00:00Z")
        return items

    async def _read_pages(self, path: str, **parameters: Any) -> list[Any]:
        items: list[Any] = []
        page = 1
        while part := list_items(await self._client.get(path, page=page, **{"page-size": 200}, **parameters)):
            items += part
            page += 1
        return items

    def _parse(self, item: Any) -> Entry:
        started, ended = parse_time(item["timeInterval"]["start"]), item["timeInterval"].get("end")
        seconds = int((parse_time(ended) - started).total_seconds()) if ended else 0
        project, task = item.get("projectId"), item.get("taskId")
        worklog = Worklog(
            str(item["id"]), issue_of(project, task), str(item["userId"]), started, seconds, started,
            self._describe(item.get("description")),
        )  # fmt: skip
        return Entry(worklog, bool(ended), {"project": [str(project)], "task": [str(task)]})


class Toggl(EntryTracker):
    """Toggl Track: https://engineering.toggl.com/docs/."""

    def _check_signature(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        check_hmac(secret, body, headers.get("x-webhook-signature-256", ""))

    def _identify(self, delivery: Any) -> str:
        payload = delivery.get("payload")
        return entity_id(payload["id"]) if isinstance(payload, dict) else ""

    async def _fetch(self, identifier: str) -> Any:
        return await self._client.find(f"/api/v9/me/time_entries/{identifier}")

    async def _read_range(self, begin: date, end: date) -> list[Any]:
        days = {"start_date": begin.isoformat(), "end_date": end.isoformat()}
        # An empty list may be null.
        return list_items(await self._client.get("/api/v9/me/time_entries", **days) or [])

    def _parse(self, item: Any) -> Entry:
        started, project, task = parse_time(item["start"]), item.get("project_id"), item.get("task_id")
        worklog = Worklog(
            str(item["id"]), issue_of(project, task), str(item["user_id"]), started, parse_whole(item["duration"]),
            parse_time(item["at"]), self._describe(item.get("description")),
        )  # fmt: skip
        return Entry(worklog, int(item["duration"]) >= 0, {"project": [str(project)], "task": [str(task)]})


class Harvest(EntryTracker):
    """Harvest, https://help.getharvest.com/api-v2/: no webhooks. Hours are decimals, rounded to seconds."""

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """Harvest sends none."""
        raise DeliveryError("Harvest has no webhooks.")

    async def _fetch(self, identifier: str) -> Any:
        return await self._client.find(f"/v2/time_entries/{identifier}")

    async def _read_range(self, begin: date, end: date) -> list[Any]:
        until = end - timedelta(days=1)
        return await self._read_pages(**{"from": begin.isoformat(), "to": until.isoformat()})

    async def _read_updates(self, since: datetime) -> list[Any]:
        return await self._read_pages(updated_since=since.isoformat())

    async def _read_pages(self, **query: str) -> list[Any]:
        items: list[Any] = []
        page: int | None = 1
        while page:
            answer = await self._client.get("/v2/time_entries", **query, page=page, per_page=2000)
            items += list_items(answer, "time_entries")
            page = member(answer, "next_page")
        return items

    def _parse(self, item: Any) -> Entry:
        started = datetime.combine(date.fromisoformat(item["spent_date"]), time(), UTC)
        project, task = item["project"], item["task"]
        # From the shortest decimal text, so that no binary fraction gets in.
        seconds = round(Decimal(str(item["hours"])) * 3600)
        worklog = Worklog(
            str(item["id"]), issue_of(project["id"], task["id"]), str(item["user"]["id"]), started, seconds,
            parse_time(item["updated_at"]), self._describe(item.get("notes")),
        )  # fmt: skip
        attributes = {
            "project": [project["name"]],
            "task": [task["name"]],
            "client": [member(item, "client", "name") or ""],
        }
        return Entry(worklog, not item.get("is_running"), attributes)


class Kimai(EntryTracker):
    """Kimai, https://www.kimai.org/documentation/rest-api.html: no webhooks of its own."""

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """Kimai sends none."""
        raise DeliveryError("Kimai has no webhooks.")

    async def _fetch(self, identifier: str) -> Any:
        return await self._client.find(f"/api/timesheets/{identifier}", full="true")

    async def _read_range(self, begin: date, end: date) -> list[Any]:
        return await self._read_pages(begin=f"{begin}T00:00:00", end=f"{end - timedelta(days=1)}T23:59:59")

    async def _read_updates(self, since: datetime) -> list[Any]:
        return await self._read_pages(modified_after=f"{since:%Y-%m-%dT%H:%M:%S}")

    async def _read_pages(self, **query: str) -> list[Any]:
        items: list[Any] = []
        page = 1
        while True:
            part = list_items(
                await self._client.get("/api/timesheets", **query, user="all", full="true", size=_KIMAI_PAGE, page=page)
            )
            items += part
            if len(part) < _KIMAI_PAGE:
                return items
            page += 1

    def _parse(self, item: Any) -> Entry:
        started, ended = parse_time(item["begin"]), item.get("end")
        project, activity, user = item["project"], item["activity"], item["user"]
        names = [
            value.get("name") or value.get("username") if isinstance(value, dict) else value
            for value in (project, activity, user)
        ]
        ids = [value["id"] if isinstance(value, dict) else value for value in (project, activity)]
        worklog = Worklog(
            str(item["id"]), issue_of(*ids), str(names[2]), started, parse_whole(item.get("duration") or 0), started,
            self._describe(item.get("description")),
        )  # fmt: skip
        return Entry(worklog, bool(ended), {"project": [str(names[0])], "task": [str(names[1])]})
