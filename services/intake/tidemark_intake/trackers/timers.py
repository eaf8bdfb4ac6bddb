"""Clockify, Toggl Track, Harvest and Kimai."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tidemark_intake.facts import Batch, Deletion, Delivery, Hints, Worklog
from tidemark_intake.signatures import check_hmac, check_token
from tidemark_intake.trackers import DeliveryError
from tidemark_intake.trackers.entries import Entry, EntryTracker, issue_of, texts_of
from tidemark_intake.trackers.parsing import (
    delivery_id,
    entity_id,
    find_member,
    find_time,
    list_items,
    member,
    parse_time,
    parse_whole,
)

_DAY = timedelta(days=1)
_CLOCKIFY_PAGE = 200
_TOGGL_PAGE = 1_000
_KIMAI_PAGE = 500


class Clockify(EntryTracker):
    """Clockify, https://docs.clockify.me/: webhooks with a fixed token, which do not say what happened."""

    def _check_signature(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        check_token(secret, headers.get("clockify-signature", ""))

    def _read_hints(self, delivery: Any) -> Hints:
        return Hints(worklog_ids=[entity_id(delivery["id"])])

    async def fetch_worklogs(self, ids: Sequence[str]) -> Batch:
        """See :class:`~tidemark_intake.trackers.Tracker`. An entry that a readable workspace does not have is gone."""
        batch = await super().fetch_worklogs(ids)
        gone = [worklog.worklog_id for worklog in batch.skipped if worklog.reason == "invisible"]
        if gone:
            await self._read_users(1)
        return Batch(batch.worklogs, [worklog for worklog in batch.skipped if worklog.reason != "invisible"], gone)

    async def _fetch(self, ids: Sequence[str]) -> list[Any]:
        path = f"/api/v1/workspaces/{self._source.workspace}/time-entries"
        items = [await self._client.find(f"{path}/{identifier}", hydrated="true") for identifier in ids]
        return [item for item in items if item is not None]

    async def _read_range(self, begin: date, end: date) -> list[Any]:
        items: list[Any] = []
        page = 1
        while users := await self._read_users(page):
            for user in users:
                items += await self._read_entries(entity_id(user["id"]), begin, end)
            page += 1
        return items

    async def _read_users(self, page: int) -> list[Any]:
        path = f"/api/v1/workspaces/{self._source.workspace}/users"
        return list_items(await self._client.get(path, page=page, **{"page-size": _CLOCKIFY_PAGE}))

    async def _read_entries(self, user: str, begin: date, end: date) -> list[Any]:
        path = f"/api/v1/workspaces/{self._source.workspace}/user/{user}/time-entries"
        days = {"start": f"{begin}T00:00:00Z", "end": f"{end}T00:00:00Z", "hydrated": "true"}
        items: list[Any] = []
        page = 1
        while part := list_items(await self._client.get(path, page=page, **{"page-size": _CLOCKIFY_PAGE}, **days)):
            items += part
            page += 1
        return items

    def _parse(self, item: Any) -> Entry:
        started, ended = parse_time(item["timeInterval"]["start"]), item["timeInterval"].get("end")
        seconds = int((parse_time(ended) - started).total_seconds()) if ended else 0
        project = item.get("projectId") or member(item, "project", "id")
        task = item.get("taskId") or member(item, "task", "id")
        user = item.get("userId") or member(item, "user", "id")
        worklog = Worklog(
            str(item["id"]), issue_of(project, task), str(user or ""), started, seconds, started,
            self._describe(item.get("description")),
        )  # fmt: skip
        attributes = {
            "project": texts_of(project, member(item, "project", "name")),
            "task": texts_of(task, member(item, "task", "name")),
            "client": texts_of(member(item, "project", "clientId"), member(item, "project", "clientName")),
        }
        return Entry(worklog, bool(ended), attributes)


class Toggl(EntryTracker):
    """Toggl Track, https://engineering.toggl.com/docs/: the Reports API has the entries of the whole workspace."""

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """See :class:`~tidemark_intake.trackers.Tracker`. A new subscription is tested with a code to send back."""
        super().check_delivery(headers, body)
        code = find_member(body, "validation_code")
        answer = {"validation_code": code} if isinstance(code, str) else None
        return Delivery(delivery_id(body), find_time(find_member(body, "created_at")), answer)

    def _check_signature(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        check_hmac(secret, body, headers.get("x-webhook-signature-256", ""))

    def _read_hints(self, delivery: Any) -> Hints:
        payload = delivery.get("payload")
        if not isinstance(payload, dict):
            return Hints()
        identifier = entity_id(payload["id"])
        if member(delivery, "metadata", "action") == "deleted":
            return Hints(deletions=[Deletion(identifier, parse_time(delivery["created_at"]))])
        return Hints(worklog_ids=[identifier])

    async def _fetch(self, ids: Sequence[str]) -> list[Any]:
        numbers = [int(identifier) for identifier in ids if identifier.isascii() and identifier.isdigit()]
        return await self._search({"time_entry_ids": numbers}) if numbers else []

    async def _read_range(self, begin: date, end: date) -> list[Any]:
        return await self._search({"start_date": begin.isoformat(), "end_date": (end - _DAY).isoformat()})

    async def _search(self, query: Mapping[str, Any]) -> list[Any]:
        path = f"/reports/api/v3/workspace/{self._source.workspace}/search/time_entries"
        # Exact times, whatever rounding the account of the token has, and names.
        body: dict[str, Any] = {**query, "page_size": _TOGGL_PAGE, "rounding": 0, "enrich_response": True}
        items: list[Any] = []
        while True:
            answer = await self._client.request("POST", path, json=body)
            # An empty list may be null.
            for row in list_items(answer.content or []):
                items += [{**row, **entry} for entry in list_items(row, "time_entries")]
            following = answer.headers.get("x-next-row-number")
            if not following:
                return items
            body["first_row_number"] = int(following)

    def _parse(self, item: Any) -> Entry:
        project, task = item.get("project_id"), item.get("task_id")
        worklog = Worklog(
            str(item["id"]), issue_of(project, task), str(item["user_id"]), parse_time(item["start"]),
            parse_whole(item["seconds"]), parse_time(item["at"]), self._describe(item.get("description")),
        )  # fmt: skip
        attributes = {
            "project": texts_of(project, item.get("project_name")),
            "task": texts_of(task, item.get("task_name")),
            "client": texts_of(item.get("client_name")),
        }
        return Entry(worklog, bool(item.get("stop")) and worklog.seconds >= 0, attributes)


class Harvest(EntryTracker):
    """Harvest, https://help.getharvest.com/api-v2/: no webhooks. Hours are decimals, rounded to seconds."""

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """Harvest sends none."""
        raise DeliveryError("Harvest has no webhooks.")

    async def _fetch(self, ids: Sequence[str]) -> list[Any]:
        items = [await self._client.find(f"/v2/time_entries/{identifier}") for identifier in ids]
        return [item for item in items if item is not None]

    async def _read_range(self, begin: date, end: date) -> list[Any]:
        return await self._read_pages(**{"from": begin.isoformat(), "to": (end - _DAY).isoformat()})

    async def _read_updates(self, since: datetime) -> list[Any]:
        return await self._read_pages(updated_since=f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")

    async def _read_pages(self, **query: str) -> list[Any]:
        items: list[Any] = []
        page: int | None = 1
        while page:
            answer = await self._client.get("/v2/time_entries", **query, page=page, per_page=2000)
            items += list_items(answer, "time_entries")
            page = member(answer, "next_page")
        return items

    def _parse(self, item: Any) -> Entry:
        # A day without a time: at noon it is the same day in most time zones, those of contracts too.
        noon = datetime.combine(date.fromisoformat(item["spent_date"]), time(12), ZoneInfo(self._source.timezone))
        project, task = item["project"], item["task"]
        # From the shortest decimal text, so that no binary fraction gets in.
        seconds = round(Decimal(str(item["hours"])) * 3600)
        worklog = Worklog(
            str(item["id"]), issue_of(project["id"], task["id"]), str(item["user"]["id"]), noon.astimezone(UTC),
            seconds, parse_time(item["updated_at"]), self._describe(item.get("notes")),
        )  # fmt: skip
        attributes = {
            "project": texts_of(project["id"], project["name"], project.get("code")),
            "task": texts_of(task["id"], task["name"]),
            "client": texts_of(member(item, "client", "id"), member(item, "client", "name")),
        }
        return Entry(worklog, not item.get("is_running"), attributes)


class Kimai(EntryTracker):
    """Kimai, https://www.kimai.org/documentation/rest-api.html: no webhooks of its own."""

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """Kimai sends none."""
        raise DeliveryError("Kimai has no webhooks.")

    async def _fetch(self, ids: Sequence[str]) -> list[Any]:
        items = []
        for identifier in ids:
            short = await self._client.find(f"/api/timesheets/{identifier}")
            if short is not None:
                # In lists, the project, activity and person have names.
                day = parse_time(short["begin"]).date()
                same_day = await self._read_range(day - _DAY, day + 2 * _DAY)
                items += [item for item in same_day if str(item.get("id")) == identifier]
        return items

    async def _read_range(self, begin: date, end: date) -> list[Any]:
        return await self._read_pages(begin=f"{begin}T00:00:00", end=f"{end - _DAY}T23:59:59")

    async def _read_updates(self, since: datetime) -> list[Any]:
        # Kimai takes the time for one of the account's zone: a day more is before it in every zone.
        return await self._read_pages(modified_after=f"{since - _DAY:%Y-%m-%dT%H:%M:%S}")

    async def _read_pages(self, **query: str) -> list[Any]:
        items: list[Any] = []
        page = 1
        while True:
            parameters = {**query, "user": "all", "full": "true", "size": _KIMAI_PAGE, "page": page}
            answer = await self._client.request("GET", "/api/timesheets", params=parameters)
            part = list_items(answer.content)
            items += part
            # A page after the last is no empty list, but 404.
            pages = answer.headers.get("x-total-pages")
            if page >= int(pages) if pages else len(part) < _KIMAI_PAGE:
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
        attributes = {
            "project": texts_of(ids[0], names[0]),
            "task": texts_of(ids[1], names[1]),
            "client": texts_of(member(project, "customer", "id"), member(project, "customer", "name")),
        }
        return Entry(worklog, bool(ended), attributes)
