"""The types of the queries in ``queries/``. Generated (`make query-types`): do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import date, datetime
from typing import Any, Protocol, TypedDict
from uuid import UUID


from tidemark_shared.database import Connection

# Postgres does not say whether a column of a result may be null, so its type is `T | Any`.


class ListDeliveriesRow(TypedDict):
    message_id: UUID | Any
    rule_name: str | Any
    offer_id: UUID | Any
    raised_at: datetime | Any
    status: str | Any


class ListRecordedRow(TypedDict):
    worklog_id: str | Any
    author_id: str | Any
    seconds: int | Any


class ListSchemasRow(TypedDict):
    schema: str | Any


class ListStatusesRow(TypedDict):
    contract_code: str | Any
    status: str | Any


class ListUnaccountedRow(TypedDict):
    source: str | Any
    worklog_id: str | Any
    reason: str | Any


class LoadSecondsRow(TypedDict):
    consumed_seconds: int | Any
    available_seconds: int | Any


class OrganizationFiguresRow(TypedDict):
    view_name: str | Any
    content: str | Any


class OrganizationNotificationsRow(TypedDict):
    view_name: str | Any
    content: str | Any


class OrganizationOffersRow(TypedDict):
    view_name: str | Any
    content: str | Any


class PersonContactsRow(TypedDict):
    view_name: str | Any
    content: str | Any


class PersonContractsRow(TypedDict):
    view_name: str | Any
    content: str | Any


class PersonDeliveriesRow(TypedDict):
    view_name: str | Any
    content: str | Any


class PersonMembershipsRow(TypedDict):
    view_name: str | Any
    content: str | Any


class PersonWorkRow(TypedDict):
    view_name: str | Any
    content: str | Any


class CommandLineQueries(Protocol):
    async def count_dead_letters(
        self,
        connection: Connection,
        /,
        *,
        topics: Collection[str | None] | None,
        partitions: Collection[int | None] | None,
        begins: Collection[int | None] | None,
        ends: Collection[int | None] | None,
        service: str | None,
        cluster: str | None,
    ) -> int | Any:
        """The number of dead letters of a service in these offset ranges.

        reconciliation.sql"""
        ...

    async def count_unfolded_records(
        self,
        connection: Connection,
        /,
        *,
        topics: Collection[str | None] | None,
        partitions: Collection[int | None] | None,
        ends: Collection[int | None] | None,
        service: str | None,
        cluster: str | None,
    ) -> int | Any:
        """The number of records of these partitions that a service has not folded yet.

        reconciliation.sql"""
        ...

    async def disconnect_others(self, connection: Connection, /) -> None:
        """Ends the other connections of this user to this database.

        backup.sql"""
        ...

    def list_deliveries(
        self, connection: Connection, /, *, contract_code: str | None, receiver: str | None
    ) -> AsyncIterator[ListDeliveriesRow]:
        """The deliveries to a receiver for a contract, oldest first.

        demo.sql"""
        ...

    def list_recorded(
        self, connection: Connection, /, *, source: str | None, worklog_ids: Collection[str | None] | None
    ) -> AsyncIterator[ListRecordedRow]:
        """The person and duration of worklogs, whether they count or not.

        reconciliation.sql"""
        ...

    def list_schemas(
        self, connection: Connection, /, *, schemas: Collection[str | None] | None
    ) -> AsyncIterator[ListSchemasRow]:
        """backup.sql"""
        ...

    def list_statuses(
        self, connection: Connection, /, *, codes: Collection[str | None] | None
    ) -> AsyncIterator[ListStatusesRow]:
        """The statuses of contracts in consumption.

        reconciliation.sql"""
        ...

    def list_unaccounted(
        self, connection: Connection, /, *, sources: Collection[str | None] | None
    ) -> AsyncIterator[ListUnaccountedRow]:
        """The worklogs of these sources that do not count, with the reason.

        reconciliation.sql"""
        ...

    async def load_seconds(
        self, connection: Connection, /, *, contract_code: str | None, period_start: date | None
    ) -> LoadSecondsRow | None:
        """demo.sql"""
        ...

    def organization_figures(
        self, connection: Connection, /, *, organization_id: UUID | None
    ) -> AsyncIterator[OrganizationFiguresRow]:
        """export.sql"""
        ...

    def organization_notifications(
        self, connection: Connection, /, *, contract_ids: Collection[UUID | None] | None
    ) -> AsyncIterator[OrganizationNotificationsRow]:
        """export.sql"""
        ...

    def organization_offers(
        self, connection: Connection, /, *, contract_ids: Collection[UUID | None] | None
    ) -> AsyncIterator[OrganizationOffersRow]:
        """export.sql"""
        ...

    def person_contacts(
        self, connection: Connection, /, *, emails: Collection[str | None] | None
    ) -> AsyncIterator[PersonContactsRow]:
        """export.sql"""
        ...

    def person_contracts(
        self, connection: Connection, /, *, emails: Collection[str | None] | None
    ) -> AsyncIterator[PersonContractsRow]:
        """export.sql"""
        ...

    def person_deliveries(
        self, connection: Connection, /, *, emails: Collection[str | None] | None
    ) -> AsyncIterator[PersonDeliveriesRow]:
        """export.sql"""
        ...

    def person_memberships(
        self, connection: Connection, /, *, person_id: str | None
    ) -> AsyncIterator[PersonMembershipsRow]:
        """export.sql"""
        ...

    def person_work(self, connection: Connection, /, *, person_id: str | None) -> AsyncIterator[PersonWorkRow]:
        """export.sql"""
        ...
