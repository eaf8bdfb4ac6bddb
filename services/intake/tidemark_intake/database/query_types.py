"""The types of the queries in ``queries/``. Generated (`make query-types`): do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Any, Protocol, TypedDict


from tidemark_shared.database import Connection

# Postgres does not say whether a column of a result may be null, so its type is `T | Any`.


class ListConflictsRow(TypedDict):
    id: str | Any
    kind: str | Any
    event_source: str | Any


class ListCurrentRow(TypedDict):
    id: str | Any


class ListInvisibleRow(TypedDict):
    worklog_id: str | Any


class ListIssuesRow(TypedDict):
    id: str | Any


class ListProblemsRow(TypedDict):
    id: str | Any
    failure: str | Any
    failed_at: datetime | Any
    reconciled_at: datetime | Any


class ListPublishedIssuesRow(TypedDict):
    id: str | Any


class LoadAttributesRow(TypedDict):
    id: str | Any
    attributes: str | Any


class LoadDeliveriesRow(TypedDict):
    id: str | Any
    body: bytes | Any
    received_at: datetime | Any


class LoadIssuesRow(TypedDict):
    id: str | Any
    digest: bytes | Any
    updated_at: datetime | Any


class LoadPositionRow(TypedDict):
    cursor: str | Any


class LoadProgressRow(TypedDict):
    id: str | Any
    cursor: str | Any
    lag_seconds: int | Any
    last_delivery_at: datetime | Any
    found_by_reconciling: int | Any
    skipped: str | Any


class LoadWaitingBodiesRow(TypedDict):
    source_id: str | Any
    id: str | Any
    body: bytes | Any


class LoadWindowRow(TypedDict):
    id: str | Any


class LoadWorklogsRow(TypedDict):
    id: str | Any
    issue_id: str | Any
    digest: bytes | Any
    updated_at: datetime | Any


class QueuesRow(TypedDict):
    name: str | Any
    length: int | Any
    oldest_at: datetime | Any


class IntakeQueries(Protocol):
    async def count_refused(self, connection: Connection, /, *, source_id: str | None) -> None:
        """intake.sql"""
        ...

    async def delete_old_deliveries(self, connection: Connection, /, *, before: datetime | None) -> None:
        """intake.sql"""
        ...

    async def delete_skipped(
        self, connection: Connection, /, *, source_id: str | None, ids: Collection[str | None] | None
    ) -> None:
        """intake.sql"""
        ...

    async def find_event_source(self, connection: Connection, /, *, id: str | None) -> str | Any:
        """intake.sql"""
        ...

    def list_conflicts(
        self,
        connection: Connection,
        /,
        *,
        id: str | None,
        kind: str | None,
        event_source: str | None,
        site: str | None,
        replaces: str | None,
    ) -> AsyncIterator[ListConflictsRow]:
        """Sources with published work that would count twice: the source itself, as another kind or under another name, and
        another source of its site, unless it is replaced.

        intake.sql"""
        ...

    def list_current(
        self, connection: Connection, /, *, source_id: str | None, after_id: str | None, max_rows: int | None
    ) -> AsyncIterator[ListCurrentRow]:
        """Worklogs that were published and are not deleted.

        intake.sql"""
        ...

    def list_invisible(
        self, connection: Connection, /, *, source_id: str | None, seen_before: datetime | None, max_rows: int | None
    ) -> AsyncIterator[ListInvisibleRow]:
        """Worklogs that the account could not see: it may see them by now.

        intake.sql"""
        ...

    def list_issues(
        self, connection: Connection, /, *, source_id: str | None, after_id: str | None, max_rows: int | None
    ) -> AsyncIterator[ListIssuesRow]:
        """intake.sql"""
        ...

    def list_problems(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[str | None] | None,
        overdue_before: Collection[datetime | None] | None,
    ) -> AsyncIterator[ListProblemsRow]:
        """Sources that fail, or have not been read for too long; each has its own limit.

        intake.sql"""
        ...

    def list_published_issues(
        self, connection: Connection, /, *, source_id: str | None, ids: Collection[str | None] | None
    ) -> AsyncIterator[ListPublishedIssuesRow]:
        """Those among these, and those that these are the numbers of.

        intake.sql"""
        ...

    def load_attributes(
        self, connection: Connection, /, *, source_id: str | None, ids: Collection[str | None] | None
    ) -> AsyncIterator[LoadAttributesRow]:
        """intake.sql"""
        ...

    def load_deliveries(
        self, connection: Connection, /, *, source_id: str | None, max_rows: int | None
    ) -> AsyncIterator[LoadDeliveriesRow]:
        """intake.sql"""
        ...

    def load_issues(
        self, connection: Connection, /, *, source_id: str | None, ids: Collection[str | None] | None
    ) -> AsyncIterator[LoadIssuesRow]:
        """intake.sql"""
        ...

    async def load_links_digest(self, connection: Connection, /, *, id: str | None) -> str | Any:
        """intake.sql"""
        ...

    async def load_position(self, connection: Connection, /, *, id: str | None) -> LoadPositionRow | None:
        """intake.sql"""
        ...

    def load_progress(self, connection: Connection, /) -> AsyncIterator[LoadProgressRow]:
        """How far each source is read. Not the number of its worklogs: counting them takes long.

        intake.sql"""
        ...

    def load_waiting_bodies(self, connection: Connection, /) -> AsyncIterator[LoadWaitingBodiesRow]:
        """Locked until the transaction ends: they are rewritten.

        intake.sql"""
        ...

    def load_window(
        self, connection: Connection, /, *, source_id: str | None, begins_at: datetime | None, ends_at: datetime | None
    ) -> AsyncIterator[LoadWindowRow]:
        """The worklogs that started in a range and are not deleted.

        intake.sql"""
        ...

    def load_worklogs(
        self, connection: Connection, /, *, source_id: str | None, ids: Collection[str | None] | None
    ) -> AsyncIterator[LoadWorklogsRow]:
        """intake.sql"""
        ...

    async def mark_processed(
        self,
        connection: Connection,
        /,
        *,
        now: datetime | None,
        source_id: str | None,
        ids: Collection[str | None] | None,
        received_until: datetime | None,
    ) -> None:
        """Not those that have come again meanwhile.

        intake.sql"""
        ...

    def queues(self, connection: Connection, /) -> AsyncIterator[QueuesRow]:
        """intake.sql"""
        ...

    async def register_source(
        self, connection: Connection, /, *, id: str | None, kind: str | None, event_source: str | None, site: str | None
    ) -> None:
        """intake.sql"""
        ...

    async def rewrite_body(
        self, connection: Connection, /, *, body: bytes | None, source_id: str | None, id: str | None
    ) -> None:
        """intake.sql"""
        ...

    async def save_failure(
        self, connection: Connection, /, *, failure: str | None, now: datetime | None, id: str | None
    ) -> None:
        """intake.sql"""
        ...

    async def save_issues(
        self,
        connection: Connection,
        /,
        *,
        source_id: str | None,
        ids: Collection[str | None] | None,
        keys: Collection[str | None] | None,
        contracts: Collection[str | None] | None,
        accounts: Collection[str | None] | None,
        attributes: Collection[str | None] | None,
        digests: Collection[bytes | None] | None,
        updated_at: Collection[datetime | None] | None,
    ) -> None:
        """intake.sql"""
        ...

    async def save_links_digest(self, connection: Connection, /, *, links_digest: str | None, id: str | None) -> None:
        """intake.sql"""
        ...

    async def save_position(
        self, connection: Connection, /, *, cursor: str | None, count: int | None, id: str | None
    ) -> None:
        """intake.sql"""
        ...

    async def save_reconciled(self, connection: Connection, /, *, now: datetime | None, id: str | None) -> None:
        """intake.sql"""
        ...

    async def save_skipped(
        self,
        connection: Connection,
        /,
        *,
        source_id: str | None,
        now: datetime | None,
        ids: Collection[str | None] | None,
        reasons: Collection[str | None] | None,
        details: Collection[str | None] | None,
    ) -> None:
        """Not those that are deleted: nobody can see them.

        intake.sql"""
        ...

    async def save_worklogs(
        self,
        connection: Connection,
        /,
        *,
        source_id: str | None,
        ids: Collection[str | None] | None,
        issue_ids: Collection[str | None] | None,
        started_at: Collection[datetime | None] | None,
        digests: Collection[bytes | None] | None,
        updated_at: Collection[datetime | None] | None,
    ) -> None:
        """intake.sql"""
        ...

    async def store_delivery(
        self,
        connection: Connection,
        /,
        *,
        source_id: str | None,
        id: str | None,
        body: bytes | None,
        received_at: datetime | None,
        is_dated: bool | None,
    ) -> int | Any:
        """The number of new deliveries: 0 for one that has come before. One without a date can be another event, so it waits
        again.

        intake.sql"""
        ...
