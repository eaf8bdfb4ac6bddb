"""Write what a tracker says: events to the outbox, and what was published, in one transaction."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

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
# Skipped for what they are, and not because they cannot be seen or read.
_RETRACTED = frozenset({"running", "invalid"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        attributes=[json.dumps(dict(change.attributes)) if change.attributes else None for change in changes],
        digests=[change.digest for change in changes],
        updated_at=[change.updated_at for change in changes],
    )


async def publish_worklogs(
    connection: Connection,
    source: Source,
    worklogs: Sequence[Worklog],
    deletions: Sequence[Deletion],
    skipped: Sequence[Skipped],
    *,
    now: datetime,
) -> int:
    """Publish the worklogs that have changed, and deletions. Returns their number.

    A worklog that is now in a state that cannot be published no longer counts as it was.
    """
    retracted = [Deletion(worklog.worklog_id, now) for worklog in skipped if worklog.reason in _RETRACTED]
    deletions = [*deletions, *retracted]
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
    await _save_skipped(connection, source, skipped, now)
    return len(changes)


async def find_missing(connection: Connection, source: Source, page: Page) -> list[str]:
    """The published worklogs that the tracker seems to have no longer: by its list of deletions, or by a range."""
    ids = [deletion.worklog_id for deletion in page.deletions]
    rows = [row async for row in _sql.load_worklogs(connection, source_id=source.id, ids=ids)]
    missing = [row["id"] for row in rows if row["digest"] is not None]
    if page.window:
        current = {worklog.id for worklog in page.worklogs}
        current |= {worklog.worklog_id for worklog in page.skipped}
        begins_at, ends_at = page.window
        in_window = _sql.load_window(connection, source_id=source.id, begins_at=begins_at, ends_at=ends_at)
        missing += [row["id"] async for row in in_window if row["id"] not in current]
    return list(dict.fromkeys(missing))


async def find_published_issues(connection: Connection, source: Source, ids: Sequence[str]) -> set[str]:
    """The issues among these whose link was published, and those of which these are the numbers."""
    return {row["id"] async for row in _sql.list_published_issues(connection, source_id=source.id, ids=list(ids))}


async def load_stored_issues(connection: Connection, source: Source, ids: Sequence[str]) -> list[Issue]:
    """The issues of time entries, with the attributes that they had last."""
    rows = _sql.load_attributes(connection, source_id=source.id, ids=list(ids))
    return [Issue(row["id"], None, None, None, _EPOCH, json.loads(row["attributes"])) async for row in rows]


async def _save_skipped(connection: Connection, source: Source, skipped: Sequence[Skipped], now: datetime) -> None:
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
