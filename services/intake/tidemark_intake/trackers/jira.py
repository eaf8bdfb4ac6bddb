"""Jira Cloud and Data Center: worklog and issue webhooks, and the worklog feeds of the REST API.

https://developer.atlassian.com/cloud/jira/platform/webhooks/ and
https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-worklogs/
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tidemark_intake.client import TrackerClient
from tidemark_intake.configuration import Source
from tidemark_intake.facts import Batch, Deletion, Delivery, Hints, Issue, Page, Skipped, Worklog
from tidemark_intake.signatures import check_hmac, check_token, require_secret
from tidemark_intake.trackers import DeliveryError
from tidemark_intake.trackers.jira_issues import JiraIssues
from tidemark_intake.trackers.parsing import (
    EPOCH,
    OVERLAP,
    UNREADABLE,
    delivery_id,
    entity_id,
    find_member,
    find_time,
    from_milliseconds,
    is_number,
    list_items,
    member,
    parse_time,
    parse_whole,
    read_worklogs,
    to_milliseconds,
)
from tidemark_shared.chunks import chunks

_MAX_WORKLOGS = 1_000


class Jira:
    """A Jira site. Data Center has version 2 of the API and names people by their key."""

    def __init__(self, source: Source, client: TrackerClient, webhook_secret: str | None) -> None:
        self._source, self._client, self._webhook_secret = source, client, webhook_secret
        is_cloud = source.kind == "jira"
        self._api = "/rest/api/3" if is_cloud else "/rest/api/2"
        self._issues = JiraIssues(source, client, is_cloud=is_cloud)

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        secret = require_secret(self._webhook_secret)
        if signature := headers.get("x-hub-signature"):
            check_hmac(secret, body, signature)
        elif token := headers.get("authorization", "").removeprefix("Bearer "):
            check_token(secret, token)
        else:
            raise DeliveryError("The delivery has no signature.")
        return Delivery(delivery_id(body), find_time(find_member(body, "timestamp")))

    def read_delivery(self, body: bytes) -> Hints:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        try:
            delivery = json.loads(body)
            event = str(delivery["webhookEvent"])
            if event.startswith("worklog_"):
                return _read_worklog_event(event, delivery)
            if event.startswith("jira:"):
                return _read_issue_event(delivery)
        except UNREADABLE as error:
            raise DeliveryError(f"The delivery cannot be read: {error!r}") from None
        return Hints()

    async def fetch_worklogs(self, ids: Sequence[str]) -> Batch:
        """See :class:`~tidemark_intake.trackers.Tracker`. Work that the account cannot see is ``invisible``."""
        worklogs: list[Worklog] = []
        skipped: list[Skipped] = []
        for chunk in chunks([identifier for identifier in ids if is_number(identifier)], _MAX_WORKLOGS):
            answer = await self._client.post(f"{self._api}/worklog/list", {"ids": [int(number) for number in chunk]})
            items = list_items(answer)
            batch = read_worklogs(items, self._parse_worklog)
            worklogs += batch.worklogs
            present = {str(item.get("id")) for item in items}
            missing = [number for number in dict.fromkeys(chunk) if number not in present]
            skipped += [
                *batch.skipped,
                *(Skipped(number, "invisible", "The account of the source cannot see it.") for number in missing),
            ]
        return Batch(worklogs, skipped)

    def _parse_worklog(self, item: Any) -> Worklog:
        author = member(item, "author", "accountId") or member(item, "author", "key") or member(item, "author", "name")
        return Worklog(
            id=str(item["id"]),
            issue_id=str(item["issueId"]),
            author_id=str(author or ""),
            started_at=parse_time(item["started"]),
            seconds=parse_whole(item["timeSpentSeconds"]),
            updated_at=parse_time(item.get("updated") or item["started"]),
            description=_plain_text(item.get("comment")) if self._source.descriptions else None,
        )

    async def fetch_issues(self, ids: Sequence[str]) -> Sequence[Issue]:
        """See :class:`~tidemark_intake.trackers.Tracker`."""
        return await self._issues.fetch([identifier for identifier in ids if is_number(identifier)])

    async def read_changes(self, cursor: Mapping[str, str], now: datetime) -> AsyncIterator[Page]:
        """See :class:`~tidemark_intake.trackers.Tracker`. The cursor has a time in milliseconds for each feed."""
        state = dict(cursor)
        for feed in ("updated", "deleted"):
            since = max(int(state.get(feed, "0")) - to_milliseconds(EPOCH + OVERLAP), 0)
            while True:
                answer = await self._client.get(f"{self._api}/worklog/{feed}", since=since)
                values = list_items(answer, "values")
                # Entries of one instant come in one page. If Jira stays at that instant, the next one follows.
                until = max(int(answer.get("until") or since), since)
                state[feed] = str(max(until, int(state.get(feed, "0"))))
                if feed == "updated":
                    batch = await self.fetch_worklogs([str(value.get("worklogId")) for value in values])
                    yield Page(dict(state), worklogs=batch.worklogs, skipped=batch.skipped)
                else:
                    deletions = [
                        Deletion(identifier, find_time(value.get("updatedTime")) or now)
                        for value in values
                        if is_number(identifier := str(value.get("worklogId")))
                    ]
                    yield Page(dict(state), deletions=deletions)
                if answer.get("lastPage", True):
                    break
                since = max(until, since + 1)
        async for page in self._issues.read_changes(state, now):
            yield page


def _read_worklog_event(event: str, delivery: Any) -> Hints:
    worklog = delivery["worklog"]
    identifier, issue = entity_id(worklog["id"]), worklog.get("issueId")
    if event == "worklog_deleted":
        return Hints(deletions=[Deletion(identifier, from_milliseconds(delivery["timestamp"]))])
    return Hints(worklog_ids=[identifier], issue_ids=[entity_id(issue)] if issue else [])


def _read_issue_event(delivery: Any) -> Hints:
    """An event of an issue. In Data Center it also says which worklog was changed or, without ``to``, deleted."""
    issue = entity_id(delivery["issue"]["id"])
    ids, deletions = list(_embedded_worklogs(delivery)), []
    for item in member(delivery, "changelog", "items") or []:
        if item.get("field") == "WorklogId":
            if item.get("to"):
                ids.append(entity_id(item["to"]))
            elif item.get("from"):
                deletions.append(Deletion(entity_id(item["from"]), from_milliseconds(delivery["timestamp"])))
    deleted = {deletion.worklog_id for deletion in deletions}
    return Hints([number for number in dict.fromkeys(ids) if number not in deleted], [issue], deletions)


def _embedded_worklogs(delivery: Any) -> Iterator[str]:
    for worklog in member(delivery, "issue", "fields", "worklog", "worklogs") or []:
        yield entity_id(worklog["id"])


def _plain_text(comment: Any) -> str | None:
    """The text of a comment: plain in version 2 of the API, a document in version 3."""
    if isinstance(comment, dict):
        text = "\n".join(filter(None, (_inline_text(block) for block in comment.get("content") or [])))
    else:
        text = comment or ""
    return text.strip() or None


def _inline_text(node: Any) -> str:
    if node.get("type") == "text":
        return str(node.get("text", ""))
    return "".join(_inline_text(child) for child in node.get("content") or [])
