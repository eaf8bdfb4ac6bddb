"""Read one tracker: process its webhooks at once, and its changes again and again. One process reads at a time."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from tidemark_intake import store
from tidemark_intake.client import TrackerError
from tidemark_intake.configuration import Source
from tidemark_intake.database.query_types import IntakeQueries
from tidemark_intake.facts import Deletion, Page, Skipped, Worklog
from tidemark_intake.linking import link_issue
from tidemark_intake.trackers import DeliveryError, Tracker
from tidemark_shared import metrics
from tidemark_shared.database import Pool, queries
from tidemark_shared.domain.text import to_safe_line
from tidemark_shared.log import get_logger

_log = get_logger()
_sql: IntakeQueries = queries("tidemark_intake")

_READS = metrics.counter(
    "tidemark_tracker_reads_total",
    "Readings of a tracker, by `source` and `outcome` (`read`, `failed`).",
    "source",
    "outcome",
)
_READ_AT = metrics.gauge(
    "tidemark_tracker_read_timestamp_seconds",
    "When this process last read all changes of a `source`, in seconds since 1970. One process reads it at a time.",
    "source",
)

_PAUSE_SECONDS = 0.2
_MAX_DELIVERIES = 500
_MAX_FAILURE_LENGTH = 1_000
# Atlassian repeats a webhook for about an hour; a replayed one is refused for longer.
_DELIVERIES_KEPT = timedelta(days=8)


class Reader:
    """Reads one source. Only the leading process runs it; :meth:`run` is restarted when it raises."""

    def __init__(
        self, pool: Pool, source: Source, tracker: Tracker, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._pool, self._source, self._tracker, self._now = pool, source, tracker, now

    async def run(self) -> NoReturn:
        """Read the source until something fails."""
        due_at = self._now()
        while True:
            try:
                is_busy = await self.process_deliveries()
                if self._now() >= due_at:
                    await self.reconcile()
                    _READS.labels(self._source.id, "read").inc()
                    _READ_AT.labels(self._source.id).set_to_current_time()
                    due_at = self._now() + timedelta(seconds=self._source.reconcile_seconds)
            except Exception as error:
                failure = str(error) if isinstance(error, TrackerError) else repr(error)
                _READS.labels(self._source.id, "failed").inc()
                await self._save_failure(failure)
                raise
            if not is_busy:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def process_deliveries(self) -> bool:
        """Fetch and publish what the webhooks that wait name. Returns whether there were any."""
        async with self._pool.acquire() as connection:
            rows = [
                row
                async for row in _sql.load_deliveries(connection, source_id=self._source.id, max_rows=_MAX_DELIVERIES)
            ]
        if not rows:
            return False
        worklog_ids: dict[str, None] = {}
        issue_ids: dict[str, None] = {}
        deletions: list[Deletion] = []
        for row in rows:
            try:
                hints = self._tracker.read_delivery(row["body"])
            except DeliveryError as error:
                _log.warning("delivery_not_read", source=self._source.id, delivery=row["id"], error=str(error))
                continue
            worklog_ids.update(dict.fromkeys(hints.worklog_ids))
            issue_ids.update(dict.fromkeys(hints.issue_ids))
            deletions += hints.deletions
        deleted = {deletion.worklog_id for deletion in deletions}
        batch = await self._tracker.fetch_worklogs(list(worklog_ids | dict.fromkeys(deleted)))
        # What is there again, or still, was not deleted: deliveries come in any order, and repeated.
        present = {worklog.id for worklog in batch.worklogs}
        present |= {worklog.worklog_id for worklog in batch.skipped if worklog.reason != "invisible"}
        remaining = [deletion for deletion in deletions if deletion.worklog_id not in present]
        await self._publish(
            batch.worklogs,
            remaining,
            [worklog for worklog in batch.skipped if worklog.worklog_id in present | worklog_ids.keys() - deleted],
            issue_ids=list(issue_ids),
            delivery_ids=[row["id"] for row in rows],
        )
        return True

    async def reconcile(self) -> None:
        """Read the changes since the last time, page by page; each page is saved with its cursor."""
        async with self._pool.acquire() as connection:
            row = await _sql.load_position(connection, id=self._source.id)
            cursor = json.loads(row["cursor"]) if row else {}
        async for page in self._tracker.read_changes(cursor, self._now()):
            await self._publish(page.worklogs, page.deletions, page.skipped, issue_ids=page.issue_ids, page=page)
        async with self._pool.acquire() as connection:
            await _sql.save_reconciled(connection, id=self._source.id, now=self._now())
            await _sql.delete_old_deliveries(connection, before=self._now() - _DELIVERIES_KEPT)

    async def _publish(
        self,
        worklogs: Sequence[Worklog],
        deletions: Sequence[Deletion],
        skipped: Sequence[Skipped],
        *,
        issue_ids: Sequence[str],
        page: Page | None = None,
        delivery_ids: Sequence[str] = (),
    ) -> None:
        """Publish in one transaction, with the page's cursor or the deliveries that are done."""
        source, now = self._source, self._now()
        async with self._pool.acquire() as connection:
            worked_on = {worklog.issue_id for worklog in worklogs}
            published = await store.list_published_issues(connection, source, [*worked_on, *issue_ids])
        # The links that are missing, and those that may have changed: other issues have no work.
        issues = await self._tracker.fetch_issues(sorted((worked_on - published) | (published & set(issue_ids))))
        links = [(issue, link_issue(issue, source)) for issue in issues]
        async with self._pool.acquire() as connection, connection.transaction():
            await store.publish_issues(connection, source, links, now)
            if page and page.window:
                missing = await store.find_window_deletions(connection, source, page, page.window, now=now)
                deletions = [*deletions, *missing]
            count = await store.publish_worklogs(connection, source, worklogs, deletions, now)
            await store.save_skipped(connection, source, skipped, now)
            if page:
                await store.save_cursor(connection, source, page.cursor, count)
            if delivery_ids:
                await _sql.mark_processed(connection, source_id=source.id, ids=list(delivery_ids), now=now)

    async def _save_failure(self, failure: str) -> None:
        async with self._pool.acquire() as connection:
            await _sql.save_failure(
                connection, id=self._source.id, failure=to_safe_line(failure)[:_MAX_FAILURE_LENGTH], now=self._now()
            )
