"""Tempo Cloud, API v4: worklog webhooks, changes by ``updatedFrom``, and deletions from the audit trail.

https://apidocs.tempo.io/
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tidemark_intake.client import TrackerClient
from tidemark_intake.configuration import Source
from tidemark_intake.facts import Batch, Deletion, Hints, Issue, Page, Skipped, Worklog
from tidemark_intake.signatures import check_hmac, require_secret
from tidemark_intake.trackers import DeliveryError
from tidemark_intake.trackers.parsing import (
    EPOCH,
    OVERLAP,
    UNREADABLE,
    delivery_id,
    entity_id,
    find_time,
    is_number,
    list_items,
    member,
    parse_time,
    parse_whole,
    read_worklogs,
)

_PAGE = 1_000


class Tempo:
    """The worklogs of a Jira site that Tempo keeps. Issues are known by their number in Jira."""

    def __init__(self, source: Source, client: TrackerClient, webhook_secret: str | None) -> None:
        self._source, self._client, self._webhook_secret = source, client, webhook_secret

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        check_hmac(require_secret(self._webhook_secret), body, headers.get("tempo-signature", ""))
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
        items = {
            identifier: await self._client.find(f"/4/worklogs/{identifier}") if is_number(identifier) else None
            for identifier in ids
        }
        batch = self._read_worklogs([item for item in items.values() if item is not None])
        missing = [
            Skipped(identifier, "invisible", "The token of the source cannot see it.")
            for identifier, item in items.items()
            if item is None
        ]
        return Batch(batch.worklogs, [*batch.skipped, *missing])

    def _read_worklogs(self, items: Sequence[Any]) -> Batch:
        return read_worklogs(items, self._parse, id_member="tempoWorklogId")

    def _parse(self, item: Any) -> Worklog:
        # Local time of the person; startDateTimeUtc says the same in UTC.
        started = item.get("startDateTimeUtc") or f"{item['startDate']}T{item.get('startTime') or '00:00:00'}"
        return Worklog(
            id=str(item["tempoWorklogId"]),
            issue_id=str(item["issue"]["id"]),
            author_id=str(member(item, "author", "accountId") or ""),
            started_at=parse_time(started),
            seconds=parse_whole(item["timeSpentSeconds"]),
            updated_at=parse_time(item["updatedAt"]),
            description=(item.get("description") or None) if self._source.descriptions else None,
        )

    async def fetch_issues(self, ids: Sequence[str]) -> Sequence[Issue]:
        """See :class:`~tidemark_intake.trackers.Tracker`. Tempo has no issues: a link is by rules on the number."""
        return [Issue(identifier, None, None, None, EPOCH, {"issue": [identifier]}) for identifier in ids]

    async def read_changes(self, cursor: Mapping[str, str], now: datetime) -> AsyncIterator[Page]:
        """See :class:`~tidemark_intake.trackers.Tracker`. Pages come newest first, so the cursor moves at the end."""
        last = cursor.get("updated")
        since = datetime.fromisoformat(last) - OVERLAP if last else None
        offset, from_day = 0, (since.date().isoformat() if since else self._source.first_day)
        while True:
            answer = await self._client.get(
                "/4/worklogs", updatedFrom=from_day, limit=_PAGE, offset=offset, orderBy="UPDATED"
            )
            items = list_items(answer, "results")
            batch = self._read_worklogs(items)
            yield Page(dict(cursor), worklogs=batch.worklogs, skipped=batch.skipped)
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
