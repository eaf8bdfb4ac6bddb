"""Tempo Cloud, API v4: worklog webhooks, changes by ``updatedFrom``, and deletions from the audit trail.

https://apidocs.tempo.io/
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tidemark_intake.client import TrackerClient
from tidemark_intake.configuration import Source
from tidemark_intake.facts import Batch, Deletion, Delivery, Hints, Issue, Page, Skipped, Worklog
from tidemark_intake.signatures import check_hmac, require_secret
from tidemark_intake.trackers import DeliveryError
from tidemark_intake.trackers.entries import issue_of
from tidemark_intake.trackers.jira_issues import JiraIssues
from tidemark_intake.trackers.paging import Part, read_overlapping
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
# The first load: days of work in one window, after which it can go on.
_WINDOW = timedelta(days=28)
_BEFORE_LOAD = timedelta(days=30)


class Tempo:
    """The worklogs of a Jira site that Tempo keeps.

    Issues are known by their number in Jira; ``jira`` has the rest of them. A work attribute that names the contract
    or account (``_Account_``) is a part of the issue's id, because each worklog of an issue has its own.
    """

    def __init__(
        self, source: Source, client: TrackerClient, webhook_secret: str | None, jira: JiraIssues | None = None
    ) -> None:
        self._source, self._client, self._webhook_secret, self._jira = source, client, webhook_secret, jira
        self._attributes = [
            field for field in (source.contract_field, source.account_field) if field and field.startswith("_")
        ]

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """See :class:`~tidemark_intake.trackers.Tracker`. The signature covers the body and the time of sending."""
        sent_at = headers.get("tempo-timestamp", "")
        secret = require_secret(self._webhook_secret)
        check_hmac(secret, body + sent_at.encode(), headers.get("tempo-signature", ""))
        return Delivery(delivery_id(body), find_time(sent_at))

    def read_delivery(self, body: bytes) -> Hints:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        try:
            delivery = json.loads(body)
            event, worklog = str(delivery["eventType"]), entity_id(delivery["payload"]["tempoWorklogId"])
            if event == "worklog.deleted":
                time = find_time(delivery["payload"].get("updatedAt"))
                return Hints(deletions=[Deletion(worklog, time or datetime.now(UTC))])
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
        values = {value.get("key"): value.get("value") for value in member(item, "attributes", "values") or []}
        return Worklog(
            id=str(item["tempoWorklogId"]),
            issue_id=issue_of(item["issue"]["id"], *(values.get(field) for field in self._attributes)),
            author_id=str(member(item, "author", "accountId") or ""),
            started_at=parse_time(started),
            seconds=parse_whole(item["timeSpentSeconds"]),
            updated_at=parse_time(item["updatedAt"]),
            description=(item.get("description") or None) if self._source.descriptions else None,
        )

    async def fetch_issues(self, ids: Sequence[str]) -> Sequence[Issue]:
        """See :class:`~tidemark_intake.trackers.Tracker`. Without Jira, an issue is no more than its number."""
        numbers = {identifier: identifier.partition("/")[0] for identifier in ids}
        issues = {number: Issue(number, None, None, None, EPOCH, {}) for number in numbers.values()}
        if self._jira:
            known = [number for number in issues if is_number(number)]
            issues = {issue.id: issue for issue in await self._jira.fetch(known)}
        return [
            issues[number]._replace(id=identifier, attributes=self._add_attributes(issues[number], identifier))
            for identifier, number in numbers.items()
            if number in issues
        ]

    def _add_attributes(self, issue: Issue, identifier: str) -> Mapping[str, Sequence[str]]:
        number, *values = identifier.split("/", len(self._attributes))
        own = {field: [value] for field, value in zip(self._attributes, values, strict=False) if value != "-"}
        return {**issue.attributes, "issue": [number], **own}

    async def read_changes(self, cursor: Mapping[str, str], now: datetime) -> AsyncIterator[Page]:
        """See :class:`~tidemark_intake.trackers.Tracker`. The first load reads the days of work, in windows.

        Later, pages come newest first, so the cursor moves at the end.
        """
        state = dict(cursor)
        if "updated" not in state:
            # What is changed or deleted during the load is read after it, and what webhooks brought before it began.
            state.setdefault("began", (now - _BEFORE_LOAD).isoformat())
            async for page in self._load(state, now):
                yield page
            state = {"updated": state["began"]}
        since = (datetime.fromisoformat(state["updated"]) - OVERLAP).astimezone(UTC)
        async for items in self._read_pages(updatedFrom=f"{since:%Y-%m-%dT%H:%M:%SZ}"):
            batch = self._read_worklogs(items)
            yield Page(dict(state), worklogs=batch.worklogs, skipped=batch.skipped)
        async for deletions in self._read_deletions(since, now):
            yield Page(dict(state), deletions=deletions)
        state["updated"] = now.isoformat()
        yield Page(dict(state))
        if self._jira:
            async for page in self._jira.read_changes(state, now):
                yield page

    async def _load(self, state: dict[str, str], now: datetime) -> AsyncIterator[Page]:
        begin = date.fromisoformat(state.get("loaded_until") or self._source.first_day)
        # Work may be planned ahead.
        while begin <= now.date() + timedelta(days=366):
            last = begin + _WINDOW - timedelta(days=1)
            async for items in self._read_pages(**{"from": begin.isoformat(), "to": last.isoformat()}):
                batch = self._read_worklogs(items)
                yield Page(dict(state), worklogs=batch.worklogs, skipped=batch.skipped)
            begin += _WINDOW
            state["loaded_until"] = begin.isoformat()
            yield Page(dict(state))

    def _read_pages(self, **query: str) -> AsyncIterator[Sequence[Any]]:
        async def fetch(offset: int) -> Part:
            answer = await self._client.get("/4/worklogs", limit=_PAGE, offset=offset, orderBy="UPDATED", **query)
            items = list_items(answer, "results")
            has_more = bool(member(answer, "metadata", "next"))
            return Part(items, [item.get("tempoWorklogId") for item in items], has_more)

        return read_overlapping(fetch)

    async def _read_deletions(self, since: datetime, now: datetime) -> AsyncIterator[list[Deletion]]:
        body = {"from": f"{since:%Y-%m-%dT%H:%M:%SZ}", "entityType": ["worklog"], "action": ["Deleted"]}
        parameters: dict[str, Any] = {"limit": _PAGE}
        while True:
            answer = (await self._client.request("POST", "/4/papertrail/search", params=parameters, json=body)).content
            yield [
                Deletion(identifier, find_time(item.get("timestamp")) or now)
                for item in list_items(answer, "results")
                if is_number(identifier := str(item.get("entityId")))
            ]
            parameters["nextPageToken"] = member(answer, "metadata", "nextPageToken")
            if not parameters["nextPageToken"]:
                return
