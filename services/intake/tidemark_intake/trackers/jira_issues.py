"""Issues of a Jira site: the attributes that rules look at, and which were changed. Jira and Tempo use it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from tidemark_intake.client import TrackerClient, TrackerError
from tidemark_intake.configuration import Source
from tidemark_intake.facts import Issue, Page
from tidemark_intake.trackers.paging import Part, read_overlapping
from tidemark_intake.trackers.parsing import (
    EPOCH,
    OVERLAP,
    UNREADABLE,
    clean_text,
    entity_id,
    find_time,
    is_number,
    list_items,
    member,
)
from tidemark_shared.chunks import chunks

_MAX_ISSUES = 100
_FIELDS = ("summary", "created", "updated", "project", "components", "labels", "parent", "issuetype")


class JiraIssues:
    """The issues of a site. Data Center has version 2 of the API, and older searches."""

    def __init__(self, source: Source, client: TrackerClient, *, is_cloud: bool) -> None:
        self._client, self._is_cloud = client, is_cloud
        self._api = "/rest/api/3" if is_cloud else "/rest/api/2"
        # A work attribute of Tempo is no field.
        fields = (source.contract_field, source.account_field)
        self._link_fields = [field for field in fields if field and not field.startswith("_")]
        self._queries = list(dict.fromkeys(rule.match["jql"] for rule in source.rule if "jql" in rule.match))

    async def fetch(self, ids: Sequence[str]) -> list[Issue]:
        """These issues, with their attributes; those that the account cannot see are missing."""
        issues: list[Issue] = []
        for chunk in chunks([identifier for identifier in ids if identifier], _MAX_ISSUES):
            issues += await self._add_queries(self._parse_all(await self._fetch(chunk)))
        return issues

    async def _fetch(self, ids: Sequence[str]) -> list[Any]:
        fields = [*_FIELDS, *self._link_fields]
        if self._is_cloud:
            body = {"issueIdsOrKeys": list(ids), "fields": fields}
            return list_items(await self._client.post(f"{self._api}/issue/bulkfetch", body), "issues")
        options = {"fields": ",".join(fields)}
        items = [await self._client.find(f"{self._api}/issue/{entity_id(number)}", **options) for number in ids]
        return [item for item in items if item is not None]

    def _parse_all(self, items: Sequence[Any]) -> list[Issue]:
        """The issues that can be read: one that cannot must not keep the others back."""
        issues = []
        for item in items:
            with suppress(*UNREADABLE):
                issues.append(self._parse(item))
        return issues

    def _parse(self, item: Any) -> Issue:
        fields = item["fields"]
        attributes = {
            "project": _texts(member(fields, "project", "key")),
            "component": _texts(fields.get("components")),
            "label": _texts(fields.get("labels")),
            "epic": _texts(member(fields, "parent", "key")),
            "type": _texts(member(fields, "issuetype", "name")),
        }
        attributes |= {field: _texts(fields.get(field)) for field in self._link_fields}
        return Issue(
            id=entity_id(item["id"]),
            key=clean_text(item.get("key")),
            summary=clean_text(fields.get("summary")),
            created_at=find_time(fields.get("created")),
            updated_at=find_time(fields.get("updated")) or EPOCH,
            attributes=attributes,
        )

    async def _add_queries(self, issues: list[Issue]) -> list[Issue]:
        """``issues`` with the attribute ``jql``: the queries of rules that each of them matches."""
        numbers = [int(issue.id) for issue in issues if is_number(issue.id)]
        if not self._queries or not numbers:
            return issues
        matched = await (self._match(numbers) if self._is_cloud else self._search_matches(numbers))
        return [
            issue._replace(
                attributes={**issue.attributes, "jql": [query for query in matched if issue.id in matched[query]]}
            )
            for issue in issues
        ]

    async def _match(self, numbers: Sequence[int]) -> dict[str, set[str]]:
        answer = await self._client.post(f"{self._api}/jql/match", {"issueIds": numbers, "jqls": self._queries})
        matches: dict[str, set[str]] = {}
        for query, match in zip(self._queries, list_items(answer, "matches"), strict=True):
            if match.get("errors"):
                raise TrackerError(f"Jira cannot read the jql of a rule, {query!r}: {match['errors']}. Correct it.")
            matches[query] = {str(number) for number in match.get("matchedIssues") or []}
        return matches

    async def _search_matches(self, numbers: Sequence[int]) -> dict[str, set[str]]:
        ids = ", ".join(map(str, numbers))
        matches: dict[str, set[str]] = {}
        for query in self._queries:
            body = {"jql": f"id in ({ids}) AND ({query})", "fields": ["id"], "maxResults": len(numbers)}
            items = list_items(await self._client.post(f"{self._api}/search", body), "issues")
            matches[query] = {str(item.get("id")) for item in items}
        return matches

    async def read_changes(self, state: Mapping[str, str], now: datetime) -> AsyncIterator[Page]:
        """The issues that were changed since ``state["issues"]``: their fields may name another contract."""
        last, done = state.get("issues"), {**state, "issues": now.isoformat()}
        if last is None:
            # The worklogs of the first load bring their issues with them.
            yield Page(done)
            return
        minutes = (now - datetime.fromisoformat(last) + OVERLAP) // timedelta(minutes=1)
        async for ids in self._search_changed(minutes):
            # The time of the last complete reading holds until all pages are read.
            yield Page(dict(state), issue_ids=ids)
        yield Page(done)

    async def _search_changed(self, minutes: int) -> AsyncIterator[list[str]]:
        query: dict[str, Any] = {"fields": ["updated"], "maxResults": _MAX_ISSUES}
        if self._is_cloud:
            query["jql"] = f"updated >= -{minutes}m ORDER BY updated"
            while True:
                answer = await self._client.post(f"{self._api}/search/jql", query)
                yield _ids(list_items(answer, "issues"))
                if not answer.get("nextPageToken"):
                    return
                query["nextPageToken"] = answer["nextPageToken"]

        async def fetch(offset: int) -> Part:
            answer = await self._client.post(f"{self._api}/search", {**query, "startAt": offset})
            items = list_items(answer, "issues")
            return Part(items, [item.get("id") for item in items], offset + len(items) < int(answer.get("total", 0)))

        query["jql"] = f"updated >= -{minutes}m ORDER BY created"
        async for items in read_overlapping(fetch):
            yield _ids(items)


def _ids(items: Sequence[Any]) -> list[str]:
    return [identifier for item in items if is_number(identifier := str(item.get("id")))]


def _texts(value: Any) -> list[str]:
    """The texts of a field: a text, an option with a value or name, or a list of these."""
    if isinstance(value, list):
        return [text for element in value for text in _texts(element)]
    if isinstance(value, dict):
        value = value.get("value") or value.get("name") or value.get("key")
    return [str(value).strip()] if value not in (None, "") else []
