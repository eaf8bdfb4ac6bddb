"""Read one tracker: process its webhooks at once, and its changes again and again. One process reads at a time."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from tidemark_intake import store
from tidemark_intake.client import TrackerError
from tidemark_intake.configuration import Source
from tidemark_intake.database.query_types import IntakeQueries, LoadDeliveriesRow
from tidemark_intake.facts import Batch, Deletion, Page, Skipped, Worklog
from tidemark_intake.linking import digest_links, link_issue
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
_MAX_ISSUES = 500
_MAX_WITHDRAWN = 1_000
# Some trackers answer for one worklog at a time.
_MAX_INVISIBLE = 100
_INVISIBLE_PAUSE = timedelta(hours=1)
# Longer than the age from which on a delivery is refused, so that none is taken twice.
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
        deletions += [Deletion(identifier, self._now()) for identifier in batch.gone]
        # What is there again, or still, was not deleted: deliveries come in any order, and repeated.
        present = _find_present(batch)
        await self._publish(
            batch.worklogs,
            [deletion for deletion in deletions if deletion.worklog_id not in present],
            [worklog for worklog in batch.skipped if worklog.worklog_id in present | worklog_ids.keys() - deleted],
            issue_ids=list(issue_ids),
            deliveries=rows,
        )
        return True

    async def reconcile(self) -> None:
        """Read the changes since the last time, page by page; each page is saved with its cursor.

        Webhooks go on meanwhile: the first reading of a large tracker takes long.
        """
        source = self._source
        await self._withdraw_replaced()
        await self._link_again()
        async with self._pool.acquire() as connection:
            row = await _sql.load_position(connection, id=source.id)
            cursor = json.loads(row["cursor"]) if row else {}
        async for page in self._tracker.read_changes(cursor, self._now()):
            await self._publish_page(page)
            await self.process_deliveries()
        await self._read_invisible()
        async with self._pool.acquire() as connection:
            await _sql.save_reconciled(connection, id=source.id, now=self._now())
            await _sql.delete_old_deliveries(connection, before=self._now() - _DELIVERIES_KEPT)

    async def _publish_page(self, page: Page) -> None:
        """Publish a page. A deletion counts if the tracker does not show the worklog, asked for by its id."""
        async with self._pool.acquire() as connection:
            missing = await store.find_missing(connection, self._source, page)
        batch = await self._tracker.fetch_worklogs(missing) if missing else Batch()
        present = _find_present(batch)
        times = {deletion.worklog_id: deletion.deleted_at for deletion in page.deletions}
        deletions = [
            Deletion(identifier, times.get(identifier, self._now()))
            for identifier in missing
            if identifier not in present
        ]
        skipped = [worklog for worklog in batch.skipped if worklog.worklog_id in present]
        await self._publish(
            [*page.worklogs, *batch.worklogs],
            deletions,
            [*page.skipped, *skipped],
            issue_ids=page.issue_ids,
            cursor=page.cursor,
        )

    async def _link_again(self) -> None:
        """Link all issues by the rules as they are now, if they have changed."""
        source, digest, after = self._source, digest_links(self._source), ""
        async with self._pool.acquire() as connection:
            if await _sql.load_links_digest(connection, id=source.id) == digest:
                return
        while True:
            async with self._pool.acquire() as connection:
                rows = _sql.list_issues(connection, source_id=source.id, after_id=after, max_rows=_MAX_ISSUES)
                ids = [row["id"] async for row in rows]
            if not ids:
                break
            await self._publish((), (), (), issue_ids=ids)
            after = ids[-1]
        async with self._pool.acquire() as connection:
            await _sql.save_links_digest(connection, id=source.id, links_digest=digest)

    async def _withdraw_replaced(self) -> None:
        """Delete what the replaced source has published, before anything is read: it would count twice."""
        async with self._pool.acquire() as connection:
            event_source = await _sql.find_event_source(connection, id=self._source.replaces or "")
        if event_source is None:
            return
        replaced = self._source.model_copy(update={"id": self._source.replaces, "source": event_source})
        after = ""
        while True:
            async with self._pool.acquire() as connection, connection.transaction():
                rows = _sql.list_current(connection, source_id=replaced.id, after_id=after, max_rows=_MAX_WITHDRAWN)
                deletions = [Deletion(row["id"], self._now()) async for row in rows]
                if not deletions:
                    return
                after = deletions[-1].worklog_id
                await store.publish_worklogs(connection, replaced, (), deletions, (), now=self._now())

    async def _read_invisible(self) -> None:
        """Read some of the worklogs that the account could not see: a permission may have been given."""
        async with self._pool.acquire() as connection:
            before = self._now() - _INVISIBLE_PAUSE
            rows = _sql.list_invisible(
                connection, source_id=self._source.id, seen_before=before, max_rows=_MAX_INVISIBLE
            )
            ids = [row["worklog_id"] async for row in rows]
        if ids:
            batch = await self._tracker.fetch_worklogs(ids)
            gone = [Deletion(identifier, self._now()) for identifier in batch.gone]
            await self._publish(batch.worklogs, gone, batch.skipped, issue_ids=())

    async def _publish(
        self,
        worklogs: Sequence[Worklog],
        deletions: Sequence[Deletion],
        skipped: Sequence[Skipped],
        *,
        issue_ids: Sequence[str],
        cursor: Mapping[str, str] | None = None,
        deliveries: Sequence[LoadDeliveriesRow] = (),
    ) -> None:
        """Publish in one transaction, with the cursor after a page, or the deliveries that are done."""
        source, now = self._source, self._now()
        async with self._pool.acquire() as connection:
            worked_on = {worklog.issue_id for worklog in worklogs}
            published = await store.find_published_issues(connection, source, [*worked_on, *issue_ids])
            # The links that are missing, and those that may have changed: other issues have no work.
            named = set(issue_ids)
            changed = {issue for issue in published if issue in named or issue.partition("/")[0] in named}
            wanted = sorted((worked_on - published) | changed)
        issues = list(await self._tracker.fetch_issues(wanted)) if wanted else []
        async with self._pool.acquire() as connection, connection.transaction():
            unknown = set(wanted) - {issue.id for issue in issues}
            issues += await store.load_stored_issues(connection, source, sorted(unknown)) if unknown else []
            await store.publish_issues(
                connection, source, [(issue, link_issue(issue, source)) for issue in issues], now
            )
            count = await store.publish_worklogs(connection, source, worklogs, deletions, skipped, now=now)
            if cursor is not None:
                await store.save_cursor(connection, source, cursor, count)
            if deliveries:
                await _sql.mark_processed(
                    connection,
                    source_id=source.id,
                    ids=[row["id"] for row in deliveries],
                    received_until=max(row["received_at"] for row in deliveries),
                    now=now,
                )

    async def _save_failure(self, failure: str) -> None:
        async with self._pool.acquire() as connection:
            await _sql.save_failure(
                connection, id=self._source.id, failure=to_safe_line(failure)[:_MAX_FAILURE_LENGTH], now=self._now()
            )


def _find_present(batch: Batch) -> set[str]:
    """The worklogs of a batch that the tracker has, published or not."""
    present = {worklog.id for worklog in batch.worklogs}
    return present | {worklog.worklog_id for worklog in batch.skipped if worklog.reason != "invisible"}
