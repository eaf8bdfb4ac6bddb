"""Which facts of a tracker are new, and the events that publish them. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel

from tidemark_intake.configuration import Source
from tidemark_intake.facts import Deletion, Issue, Worklog
from tidemark_intake.linking import Link
from tidemark_shared.messaging.cloudevents import OutboxRecord, build_binary_headers
from tidemark_shared.messaging.events import (
    ISSUE_LINKED,
    MAX_ID_BYTES,
    WORKLOG_DELETED,
    WORKLOG_RECORDED,
    IssueLinked,
    WorklogDeleted,
    WorklogRecorded,
    format_timestamp,
)
from tidemark_shared.messaging.topics import WORKLOGS

_TICK = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Published(NamedTuple):
    """What was published of a worklog or issue: its digest (None: deleted), its time, and its issue."""

    digest: bytes | None
    updated_at: datetime
    issue_id: str = ""


class WorklogChange(NamedTuple):
    """A worklog as it is now published, with the event; ``digest`` None is a deletion."""

    id: str
    issue_id: str
    started_at: datetime | None
    digest: bytes | None
    updated_at: datetime
    record: OutboxRecord


class IssueChange(NamedTuple):
    """An issue's link as it is now published, with the event.

    ``attributes`` are kept of an issue without a key: a time entry has them, and nothing else of its tracker.
    """

    id: str
    key: str | None
    attributes: Mapping[str, Sequence[str]] | None
    link: Link
    digest: bytes
    updated_at: datetime
    record: OutboxRecord


def find_worklog_changes(
    worklogs: Sequence[Worklog], published: Mapping[str, Published], source: Source, now: datetime
) -> list[WorklogChange]:
    """The worklogs that differ from what was published, each with a later time than that.

    What was fetched last is the tracker's current state, whatever time it states: Clockify and Kimai state none.
    """
    newest = {worklog.id: worklog for worklog in sorted(worklogs, key=lambda worklog: worklog.updated_at)}
    changes = []
    for worklog in newest.values():
        digest, previous = _digest(worklog), published.get(worklog.id)
        if previous and previous.digest == digest:
            continue
        updated_at = _after(previous, worklog.updated_at, now)
        data = WorklogRecorded(
            worklog_id=worklog.id,
            issue_id=worklog.issue_id,
            author_id=worklog.author_id,
            started_at=worklog.started_at,
            seconds=worklog.seconds,
            description=worklog.description,
            updated_at=updated_at,
        )
        record = _record(source, WORKLOG_RECORDED, worklog.issue_id, f"worklog/{worklog.id}", data, updated_at, now)
        changes.append(WorklogChange(worklog.id, worklog.issue_id, worklog.started_at, digest, updated_at, record))
    return changes


def find_deletions(
    deletions: Sequence[Deletion], published: Mapping[str, Published], source: Source, now: datetime
) -> list[WorklogChange]:
    """The deletions that were not published. A worklog that was never published needs none."""
    changes = []
    for deletion in {deletion.worklog_id: deletion for deletion in deletions}.values():
        previous = published.get(deletion.worklog_id)
        if previous is None or previous.digest is None:
            continue
        deleted_at = _after(previous, deletion.deleted_at, now)
        data = WorklogDeleted(worklog_id=deletion.worklog_id, issue_id=previous.issue_id, deleted_at=deleted_at)
        key = f"worklog/{deletion.worklog_id}"
        record = _record(source, WORKLOG_DELETED, previous.issue_id, key, data, deleted_at, now)
        changes.append(WorklogChange(deletion.worklog_id, previous.issue_id, None, None, deleted_at, record))
    return changes


def find_issue_changes(
    issues: Sequence[tuple[Issue, Link]], published: Mapping[str, Published], source: Source, now: datetime
) -> list[IssueChange]:
    """The issues whose link differs from what was published, each with a later time than that."""
    changes = []
    for issue, raw_link in {issue.id: (issue, link) for issue, link in issues}.values():
        link = raw_link._replace(
            contract=_clean_reference(raw_link.contract), account=_clean_reference(raw_link.account)
        )
        attributes = None if issue.key else issue.attributes
        content: list[object] = [issue.key, issue.summary, link.contract, link.account, str(issue.created_at)]
        content += [sorted(attributes.items())] if attributes else []
        digest, previous = _hash(content), published.get(issue.id)
        if previous and previous.digest == digest:
            continue
        updated_at = _after(previous, issue.updated_at, now)
        data = IssueLinked(
            issue_id=issue.id,
            issue_key=issue.key,
            summary=issue.summary,
            contract_id=link.contract,
            account_id=link.account,
            created_at=issue.created_at,
            updated_at=updated_at,
        )
        record = _record(source, ISSUE_LINKED, issue.id, f"issue/{issue.id}", data, updated_at, now)
        changes.append(IssueChange(issue.id, issue.key, attributes, link, digest, updated_at, record))
    return changes


def _after(previous: Published | None, time: datetime, now: datetime) -> datetime:
    """``time``, or the moment after what was published: the later version wins (SPEC W6).

    Never in the future, whatever a tracker states: consumption rejects such an event, so its work would not count.
    """
    time = max(min(time, now), _EPOCH)
    return max(time, previous.updated_at + _TICK) if previous else time


def _clean_reference(text: str | None) -> str | None:
    """A contract or account as an event can carry it. One that is too long is the name of none, cut or not."""
    cut = (text or "").replace("\0", " ").encode("utf-8", "replace")[:MAX_ID_BYTES]
    return cut.decode("utf-8", "ignore") or None


def _digest(worklog: Worklog) -> bytes:
    started_at = format_timestamp(worklog.started_at)
    return _hash([worklog.issue_id, worklog.author_id, started_at, worklog.seconds, worklog.description])


def _hash(content: object) -> bytes:
    return hashlib.sha256(json.dumps(content).encode()).digest()


def _record(  # noqa: PLR0917 - the parts of an event
    source: Source, type_: str, issue_id: str, key: str, data: BaseModel, version: datetime, now: datetime
) -> OutboxRecord:
    # The same version of the same fact has the same id.
    event_id = f"{key}@{format_timestamp(version)}"
    headers = build_binary_headers(type_, id_=event_id, source=source.event_source, time=now, correlation_id=event_id)
    return OutboxRecord(WORKLOGS.name, issue_id.encode(), headers, data.model_dump_json().encode())
