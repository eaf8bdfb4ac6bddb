"""Write what a tracker says: events to the outbox, and what was published, in one transaction."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from tidemark_intake.changes import Published, find_deletions, find_issue_changes, find_worklog_changes
from tidemark_intake.configuration import Source
from tidemark_intake.database.query_types import IntakeQueries
from tidemark_intake.facts import Deletion, Issue, Page, Skipped, Worklog
from tidemark_intake.linking import Link
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.text import to_safe_line
from tidemark_shared.messaging.events import MAX_ID_BYTES
from tidemark_shared.messaging.outbox import write_outbox

_sql: IntakeQueries = queries("tidemark_intake")

_MAX_DETAIL_LENGTH = 500


async def publish_issues(
    connection: Connection, source: Source, issues: Sequence[tuple[Issue, Link]], now: datetime
) -> None:
    """Publish the links of issues that have changed."""
    ids = [issue.id for issue, _ in issues]
    rows = [row async for row in _sql.load_issues(connection, source_id=source.id, ids=ids)]
    published = {row["id"]: Published(row["digest"], row["updated_at"]) for row in rows}
    changes = find_issue_changes(issues, published, source, now)
    await write_outbox(connection, [change.record for change in changes])
    await _sql.save_issues(
        connection,
        source_id=source.id,
        ids=[change.id for change in changes],
        keys=[change.key for change in changes],
        contracts=[change.link.contract for change in changes],
        accounts=[change.link.account for change in changes],
        digests=[change.digest for change in changes],
        updated_at=[change.updated_at for change in changes],
    )


async def publish_worklogs(
    connection: Connection, source: Source, worklogs: Sequence[Worklog], deletions: Sequence[Deletion], now: datetime
) -> int:
    """Publish the worklogs that have changed, and deletions. Returns their number."""
    ids = [worklog.id for worklog in worklogs] + [deletion.worklog_id for deletion in deletions]
    rows = [row async for row in _sql.load_worklogs(connection, source_id=source.id, ids=ids)]
    published = {row["id"]: Published(row["digest"], row["updated_at"], row["issue_id"]) for row in rows}
    changes = find_worklog_changes(worklogs, published, source, now)
    changes += find_deletions(deletions, published, source, now)
    await write_outbox(connection, [change.record for change in changes])
    await _sql.save_worklogs(
        connection,
        source_id=source.id,
        ids=[change.id for change in changes],
        issue_ids=[change.issue_id for change in changes],
        started_at=[change.started_at for change in changes],
        digests=[change.digest for change in changes],
        updated_at=[change.updated_at for change in changes],
    )
    await _sql.delete_skipped(connection, source_id=source.id, ids=ids)
    return len(changes)


async def find_window_deletions(
    connection: Connection,
    source: Source,
    page: Page,
    window: tuple[datetime, datetime],
    *,
    now: datetime,
) -> list[Deletion]:
    """The worklogs that were published for a range of starts, and that the tracker no longer has.

    What the tracker has and Tidemark cannot read stays as it was published.
    """
    current = {worklog.id for worklog in page.worklogs}
    current |= {worklog.worklog_id for worklog in page.skipped if worklog.reason == "unreadable"}
    rows = _sql.load_window(connection, source_id=source.id, begins_at=window[0], ends_at=window[1])
    return [Deletion(row["id"], now) async for row in rows if row["id"] not in current]


async def list_published_issues(connection: Connection, source: Source, ids: Sequence[str]) -> set[str]:
    """The issues among these whose link was published."""
    return {row["id"] async for row in _sql.load_issues(connection, source_id=source.id, ids=list(ids))}


async def save_skipped(connection: Connection, source: Source, skipped: Sequence[Skipped], now: datetime) -> None:
    """Save which worklogs are not published, and why."""
    distinct = {to_safe_line(worklog.worklog_id)[:MAX_ID_BYTES]: worklog for worklog in skipped}
    await _sql.save_skipped(
        connection,
        source_id=source.id,
        ids=list(distinct),
        reasons=[worklog.reason for worklog in distinct.values()],
        details=[to_safe_line(worklog.detail)[:_MAX_DETAIL_LENGTH] for worklog in distinct.values()],
        now=now,
    )


async def save_cursor(connection: Connection, source: Source, cursor: Mapping[str, str], count: int) -> None:
    """Save from where to go on, and how many worklogs no webhook had brought."""
    await _sql.save_position(connection, id=source.id, cursor=json.dumps(cursor), count=count)
