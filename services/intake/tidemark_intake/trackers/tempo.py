"""Tempo Cloud, API v4: worklog webhooks, changes by ``updatedFrom``, and deletions from the audit trail.

https://apidocs.tempo.io/
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tidemark_intake.client import TrackerClient
from tidemark_intake.configuration import Source
from tidemark_intake.facts import Batch, Deletion, Hints, Issue, Page, Skipped, Worklog
from tidemark_intake.signatures import check_hmac
from tidemark_intake.trackers import DeliveryError
from tidemark_intake.trackers.parsing import (
    EPOCH,
    UNREADABLE,
    delivery_id,
    entity_id,
    find_time,
    is_number,
    list_items,
    member,
    parse_time,
    parse_whole,
    sort_worklog,
)

_PAGE = 1_000
_OVERLAP = timedelta(minutes=10)


class Tempo:
    """The worklogs of a Jira site that Tempo keeps. Issues are known by their number in Jira."""

    def __init__(self, source: Source, client: TrackerClient, webhook_secret: str | None) -> None:
        self._source, self._client, self._webhook_secret = source, client, webhook_secret

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        if self._webhook_secret is None:
            raise DeliveryError("The source has no webhook_secret, so no webhook can be trusted.")
        check_hmac(self._webhook_secret, body, headers.get("tempo-signature", ""))
        try:
            return delivery_id(json.loads(body)["eventId"], body)
        except UNREADABLE:
            raise DeliveryError("The delivery has no eventId.") from None

    def read_delivery(self, body: bytes) -> Hints:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        try:
            delivery = json.loads(body)
            event, worklog = str(delivery["eventType"]), entity_id(delivery["payload"]["tempoWorklogId"])
            if event == "worklog.deleted":
                time = delivery["payload"].get("updatedAt") or delivery.get("eventTime")
                return Hints(deletions=[Deletion(worklog, parse_time(time) if time else datetime.now(UTC))])
        except UNREADABLE as error:
            raise DeliveryError(f"The delivery cannot be read: {error!r}") from None
        return Hints(worklog_ids=[worklog])

    async def fetch_worklogs(self, ids: Sequence[str]) -> Batch:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        worklogs: list[Worklog] = []
        skipped: list[Skipped] = []
        for identifier in ids:
            item = await self._client.find(f"/4/worklogs/{identifier}") if is_number(identifier) else None
            if item is None:
                skipped.append(Skipped(identifier, "invisible", "The token of the source cannot see it."))
                continue
            self._sort(item, worklogs, skipped)
        return Batch(worklogs, skipped)

    def _sort(self, item: Any, worklogs: list[Worklog], skipped: list[Skipped]) -> None:
        result = self._parse(item)
        if isinstance(result, Worklog):
            worklogs.append(result)
        else:
            skipped.append(result)

    def _parse(self, item: Any) -> Worklog | Skipped:
        try:
            # Local time of the person; startDateTimeUtc says the same in UTC.
            started = item.get("startDateTimeUtc") or f"{item['startDate']}T{item.get('startTime') or '00:00:00'}"
            worklog = Worklog(
                id=str(item["tempoWorklogId"]),
                issue_id=str(item["issue"]["id"]),
                author_id=str(member(item, "author", "accountId") or ""),
                started_at=parse_time(started),
                seconds=parse_whole(item["timeSpentSeconds"]),
                updated_at=parse_time(item["updatedAt"]),
                description=(item.get("description") or None) if self._source.descriptions else None,
            )
        except UNREADABLE as error:
            return Skipped(str(member(item, "tempoWorklogId")), "unreadable", repr(error))
        return sort_worklog(worklog)

    async def fetch_issues(self, ids: Sequence[str]) -> Sequence[Issue]:
        """See :class:`~tidemark_intake.trackers.Tracker`. Tempo has no issues: a link is by rules on the number."""
        return [Issue(identifier, None, None, None, EPOCH, {"issue": [identifier]}) for identifier in ids]

    async def read_changes(self, cursor: Mapping[str, str], now: datetime) -> AsyncIterator[Page]:
        """See :class:`~tidemark_intake.trackers.Tracker`. Pages come newest first, so the cursor moves at the end."""
        last = cursor.get("updated")
        since = datetime.fromisoformat(last) - _OVERLAP if last else None
        offset, from_day = 0, (since.date().isoformat() if since else self._source.first_day)
        while True:
            answer = await self._client.get(
                "/4/worklogs", updatedFrom=from_day, limit=_PAGE, offset=offset, orderBy="UPDATED"
            )
            items = list_items(answer, "results")
            worklogs: list[Worklog] = []
            skipped: list[Skipped] = []
            for item in items:
                self._sort(item, worklogs, skipped)
            yield Page(dict(cursor), worklogs=worklogs, skipped=skipped)
            offset += len(items)
            if not member(answer, "metadata", "next") or not items:
                break
        async for page in self._read_deletions(since, cursor, now):
            yield page
        yield Page({"updated": now.isoformat()})

    async def _read_deletions(
        self, since: datetime | None, cursor: Mapping[str, str], now: datetime
    ) -> AsyncIterator[Page]:
        if since is None:
            return
        query: dict[str, Any] = {"from": since.isoformat(), "entityType": ["worklog"], "action": ["Deleted"]}
        while True:
            answer = await self._client.post("/4/papertrail/search", query)
            yield Page(
                dict(cursor),
                deletions=[
                    Deletion(identifier, find_time(item.get("createdAt")) or now)
                    for item in list_items(answer, "results")
                    if is_number(identifier := str(item.get("entityId")))
                ],
            )
            token = _next_token(answer)
            if not token:
                return
            query["nextPageToken"] = token


def _next_token(answer: Any) -> str | None:
    """The token of the next page: a member, or a parameter of the link."""
    following = member(answer, "metadata", "nextPageToken") or member(answer, "metadata", "next")
    if following and "nextPageToken=" in str(following):
        return parse_qs(urlsplit(str(following)).query)["nextPageToken"][0]
    return str(following) if following else None
