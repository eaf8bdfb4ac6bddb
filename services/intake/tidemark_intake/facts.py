"""What a tracker says, in Tidemark's terms. Plain values."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple


class Worklog(NamedTuple):
    """The full state of a worklog that has ended."""

    id: str
    issue_id: str
    author_id: str
    started_at: datetime
    seconds: int
    updated_at: datetime
    description: str | None = None


class Deletion(NamedTuple):
    """A worklog that the tracker no longer has."""

    worklog_id: str
    deleted_at: datetime


class Issue(NamedTuple):
    """An issue with the attributes that rules look at: project, component, label, epic, and custom fields by id."""

    id: str
    key: str | None
    summary: str | None
    created_at: datetime | None
    updated_at: datetime
    attributes: Mapping[str, Sequence[str]]


class Skipped(NamedTuple):
    """A worklog that is not published, and why: ``running``, ``invisible``, ``invalid`` or ``unreadable``."""

    worklog_id: str
    reason: str
    detail: str = ""


class Hints(NamedTuple):
    """What a webhook says: which worklogs and issues to fetch, and what was deleted.

    The figures of a webhook are not used. The tracker's API has them in their newest state, so a delivery that is
    late, repeated, out of order or forged changes nothing.
    """

    worklog_ids: Sequence[str] = ()
    issue_ids: Sequence[str] = ()
    deletions: Sequence[Deletion] = ()


class Delivery(NamedTuple):
    """A webhook that a tracker has signed: its id, the same for each repetition, and when it was sent.

    ``sent_at`` is None where the tracker does not state it: then the same body can be another event.
    """

    id: str
    sent_at: datetime | None
    answer: Mapping[str, str] | None = None
    """What the tracker expects as JSON, where it tests an address."""


class Page(NamedTuple):
    """A part of what has changed in a tracker, and the cursor from which to go on after it."""

    cursor: Mapping[str, str]
    worklogs: Sequence[Worklog] = ()
    deletions: Sequence[Deletion] = ()
    issue_ids: Sequence[str] = ()
    """Issues that may have another link than before."""
    skipped: Sequence[Skipped] = ()
    window: tuple[datetime, datetime] | None = None
    """The worklogs that started in this range are all in the page: others of the range are gone."""


class Batch(NamedTuple):
    """Worklogs that were fetched by their ids, those that are not published, and the ids that do not exist."""

    worklogs: Sequence[Worklog] = ()
    skipped: Sequence[Skipped] = ()
    gone: Sequence[str] = ()
