"""A tracker, the reader of it, and the webhooks between them."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from timer_fakes import HarvestFake
from tracker_state import SECRET, Fake, Work

from tidemark_intake.app import register
from tidemark_intake.configuration import LinkRule, Secret, Source
from tidemark_intake.database.query_types import IntakeQueries
from tidemark_intake.reader import Reader
from tidemark_intake.signatures import check_age
from tidemark_intake.trackers import Tracker
from tidemark_intake.trackers.registry import open_tracker
from tidemark_shared.database import Pool, queries
from tidemark_shared.messaging.events import IssueLinked, WorklogDeleted, WorklogRecorded
from tidemark_shared.messaging.outbox import RECORD_OUTBOX

_sql: IntakeQueries = queries("tidemark_intake")
Figures = dict[str, tuple[str, str, int, datetime]]

# The variables with the secrets of a site.
ENVIRONMENT = {"SITE_TOKEN": "token", "SITE_WEBHOOK": SECRET}
TABLES = ("outbox", "skipped", "worklogs", "issues", "deliveries", "sources")


def source_of(kind: str, **values: Any) -> Source:
    """The source of a tracker whose work belongs to one contract."""
    settings: dict[str, Any] = {
        "id": "site", "kind": kind, "url": "https://tracker.example", "user": "bot", "token": Secret(env="SITE_TOKEN"),
        "webhook_secret": Secret(env="SITE_WEBHOOK"), "workspace": "w", "first_day": "2026-02-01", "reread_days": 90,
        "site": "https://jira.example" if kind == "tempo" else None,
        "rule": (LinkRule(contract="ACME", account="Help", match={"issue" if kind == "tempo" else "project": "*"}),),
    }  # fmt: skip
    return Source(**settings | values)


class Site:
    """A tracker, the reader of it, and the webhooks between them. ``skew`` is how far our clock is ahead."""

    def __init__(self, fake: Fake, pool: Pool, tracker: Tracker, source: Source, skew: timedelta = timedelta()) -> None:
        self.fake, self.pool, self.tracker, self.source, self.skew = fake, pool, tracker, source, skew
        self._events: list[tuple[str, bytes]] = []
        self.restart()

    def now(self) -> datetime:
        """Our clock."""
        return self.fake.now + self.skew

    def restart(self) -> None:
        """Begin again with what is in the database."""
        self.reader = Reader(self.pool, self.source, self.tracker, now=self.now)

    async def receive(self, delivery: tuple[dict[str, str], bytes]) -> None:
        """What the webhook's route does."""
        headers, body = delivery
        checked = self.tracker.check_delivery(headers, body)
        check_age(checked, self.now())
        self.tracker.read_delivery(body)
        async with self.pool.acquire() as connection:
            await _sql.store_delivery(
                connection,
                source_id=self.source.id,
                id=checked.id,
                body=body,
                received_at=self.now(),
                is_dated=checked.sent_at is not None,
            )

    async def settle(self) -> None:
        """Let the tracker's delays pass, and read it to the end."""
        self.fake.now += timedelta(minutes=2)
        await self.reader.process_deliveries()
        await self.reader.reconcile()

    async def published(self) -> Figures:
        """The worklogs that consumption counts: the latest event of each, unless that is a deletion."""
        latest: dict[str, tuple[Any, ...]] = {}
        for type_, data in await self.events():
            if "worklog" not in type_:
                continue
            parsed: Any = (WorklogDeleted if "deleted" in type_ else WorklogRecorded).model_validate_json(data)
            is_deletion = isinstance(parsed, WorklogDeleted)
            time = parsed.deleted_at if is_deletion else parsed.updated_at
            if parsed.worklog_id not in latest or (time, is_deletion) > latest[parsed.worklog_id][:2]:
                latest[parsed.worklog_id] = time, is_deletion, parsed
        return {
            worklog: (data.issue_id, data.author_id, data.seconds, data.started_at)
            for worklog, (_, is_deletion, data) in latest.items()
            if not is_deletion
        }

    async def links(self) -> dict[str, tuple[str | None, str | None]]:
        """The contract and account of each issue, by its latest event."""
        latest: dict[str, IssueLinked] = {}
        for type_, data in await self.events():
            if "issue" in type_:
                parsed = IssueLinked.model_validate_json(data)
                if parsed.issue_id not in latest or parsed.updated_at > latest[parsed.issue_id].updated_at:
                    latest[parsed.issue_id] = parsed
        return {issue: (link.contract_id, link.account_id) for issue, link in latest.items()}

    async def events(self) -> list[tuple[str, bytes]]:
        """The type and data of each event so far; they are taken from the outbox, as the relay does."""
        async with self.pool.acquire() as connection:
            while rows := await RECORD_OUTBOX.load_rows(connection):
                await connection.execute("DELETE FROM outbox WHERE id <= $1", rows[-1].id)
                records = [row.record for row in rows]
                self._events += [(dict(record.headers)["ce_type"].decode(), record.value or b"") for record in records]
        return self._events


@asynccontextmanager
async def open_site(fake: Fake, pool: Pool, skew: timedelta = timedelta(), **values: Any) -> AsyncIterator[Site]:
    """A site in empty tables. ``values`` change its source."""
    source = source_of(fake.kind, **values)
    async with AsyncExitStack() as stack:
        # Faster than TRUNCATE, which syncs files.
        for table in TABLES:
            await pool.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant
        with patch.dict(os.environ, ENVIRONMENT):
            tracker = await stack.enter_async_context(open_tracker(source, transport=fake.transport()))
        await register(pool, source)
        yield Site(fake, pool, tracker, source, skew)


def expected(fake: Fake) -> Figures:
    """The figures of the tracker, with issues as the adapter names them."""
    has_issues = fake.kind in ("jira", "jira_data_center", "tempo")
    return {
        worklog: (
            project if has_issues else f"{project}/-",
            person,
            seconds,
            started.replace(hour=12, minute=0, second=0, microsecond=0) if isinstance(fake, HarvestFake) else started,
        )
        for worklog, (project, person, seconds, started) in fake.figures().items()
    }


def add(fake: Fake, number: int, **values: Any) -> Work:
    """Log work in a tracker."""
    start = datetime(2026, 3, 1, 9, tzinfo=UTC)
    settings = {"id": str(number), "project": "7", "person": "p", "started": start, "seconds": 3600}
    work = Work(**{**settings, "updated": fake.now, **values})
    fake.works[work.id] = work
    return work
