"""What Clockify, Toggl Track, Harvest and Kimai have in common: time entries that are read again for the last days.

They say little about deletions, so a range of days is read as a whole, and what it no longer has is deleted. A time
entry has no issue: the project and task, or activity, are in its place.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from tidemark_intake.client import TrackerClient
from tidemark_intake.configuration import Source
from tidemark_intake.facts import Batch, Delivery, Hints, Issue, Page, Skipped, Worklog
from tidemark_intake.signatures import require_secret
from tidemark_intake.trackers import DeliveryError
from tidemark_intake.trackers.parsing import EPOCH, OVERLAP, UNREADABLE, delivery_id, read_worklogs

_DAY = timedelta(days=1)
_FIRST_DAYS, _MOST_DAYS = 7, 364
# A range with fewer entries makes the next one longer, and one with more makes it shorter.
_FEW, _MANY = 1_000, 4_000


class Entry(NamedTuple):
    """A time entry in common terms. ``ended`` False: its timer runs."""

    worklog: Worklog
    ended: bool
    attributes: Mapping[str, Sequence[str]]
    """Ids and names of the project, task and client. Without names it does not replace what is known."""


class EntryTracker:
    """A tracker of time entries. A subclass reads a range of days, and one entry."""

    def __init__(self, source: Source, client: TrackerClient, webhook_secret: str | None) -> None:
        self._source, self._client, self._webhook_secret = source, client, webhook_secret
        self._attributes: dict[str, Mapping[str, Sequence[str]]] = {}
        self._range_days = _FIRST_DAYS

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        self._check_signature(require_secret(self._webhook_secret), headers, body)
        return Delivery(delivery_id(body), None)

    def read_delivery(self, body: bytes) -> Hints:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        try:
            return self._read_hints(json.loads(body))
        except UNREADABLE as error:
            raise DeliveryError(f"The delivery cannot be read: {error!r}") from None

    async def fetch_worklogs(self, ids: Sequence[str]) -> Batch:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        batch = self._read_worklogs(await self._fetch(ids))
        seen = {worklog.id for worklog in batch.worklogs} | {worklog.worklog_id for worklog in batch.skipped}
        missing = [
            Skipped(identifier, "invisible", "The tracker does not show it.")
            for identifier in ids
            if identifier not in seen
        ]
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
            end = min(begin + timedelta(days=self._range_days), last_day)
            window = datetime.combine(begin, time(), UTC), datetime.combine(end, time(), UTC)
            # A day more at each end: some products take the days of a person, not of UTC.
            items = await self._read_range(begin - _DAY, end + _DAY)
            loaded = max(loaded, min(end, now.date()))
            state = {"loaded_until": loaded.isoformat(), **({"updated": updated} if updated else {})}
            yield self._page(state, items, window)
            if len(items) < _FEW:
                self._range_days = min(self._range_days * 2, _MOST_DAYS)
            elif len(items) > _MANY:
                self._range_days = max(self._range_days // 2, 1)
            begin = end
        since = datetime.fromisoformat(updated) - OVERLAP if updated else None
        items = await self._read_updates(since) if since else []
        yield self._page({"loaded_until": loaded.isoformat(), "updated": now.isoformat()}, items, None)

    def _page(self, cursor: Mapping[str, str], items: Sequence[Any], window: tuple[datetime, datetime] | None) -> Page:
        batch = self._read_worklogs(items)
        worklogs = [
            worklog for worklog in batch.worklogs if window is None or window[0] <= worklog.started_at < window[1]
        ]
        # A renamed project has another link, perhaps.
        issues = {worklog.issue_id for worklog in worklogs}
        return Page(cursor, worklogs, issue_ids=sorted(issues), skipped=batch.skipped, window=window)

    def _read_worklogs(self, items: Sequence[Any]) -> Batch:
        return read_worklogs(items, self._parse_ended)

    def _parse_ended(self, item: Any) -> Worklog | Skipped:
        entry = self._parse(item)
        if not entry.ended:
            return Skipped(entry.worklog.id, "running")
        issue = entry.worklog.issue_id
        known = self._attributes.get(issue, {})
        if sum(map(len, entry.attributes.values())) >= sum(map(len, known.values())):
            self._attributes[issue] = entry.attributes
        return entry.worklog

    def _describe(self, text: Any) -> str | None:
        return (str(text) or None) if text and self._source.descriptions else None

    def _check_signature(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        raise NotImplementedError

    def _read_hints(self, delivery: Any) -> Hints:
        raise NotImplementedError

    async def _fetch(self, ids: Sequence[str]) -> list[Any]:
        """The entries with these ids; those that the tracker does not show are missing."""
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


def texts_of(*values: Any) -> list[str]:
    """The ids and names among these that are not empty."""
    return [str(value) for value in values if value not in (None, "")]
