"""The types of the queries in ``queries/``. Generated (`make query-types`): do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol, TypedDict
from uuid import UUID


from tidemark_shared.database import Connection

# Postgres does not say whether a column of a result may be null, so its type is `T | Any`.


class CurrentPeriodRow(TypedDict):
    period_start: date | Any
    period_end: date | Any
    planned_seconds: int | Any
    consumed_seconds: int | Any
    percent: Decimal | Any


class FindContractRow(TypedDict):
    contract_id: UUID | Any
    contract_code: str | Any
    contract_name: str | Any
    status: str | Any
    timezone: str | Any
    recurrence: str | Any
    planned_seconds: int | Any
    consumed_seconds: int | Any
    percent: Decimal | Any


class ListAccountsRow(TypedDict):
    account_id: UUID | Any
    account_name: str | Any
    billable: bool | Any
    planned_seconds: int | Any
    consumed_seconds: int | Any
    percent: Decimal | Any


class ListDeliveriesRow(TypedDict):
    delivery_id: UUID | Any
    rule_name: str | Any
    threshold: str | Any
    raised_at: datetime | Any
    status: str | Any


class ListSchemasRow(TypedDict):
    schema: str | Any


class ListSlicesRow(TypedDict):
    account_id: UUID | Any
    team_name: str | Any
    planned_seconds: int | Any
    consumed_seconds: int | Any
    percent: Decimal | Any


class ListStatusesRow(TypedDict):
    contract_code: str | Any
    status: str | Any


class ListUnaccountedRow(TypedDict):
    source: str | Any
    worklog_id: str | Any
    reason: str | Any


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

    def current_period(
        self, connection: Connection, /, *, contract_id: UUID | None, today: date | None
    ) -> AsyncIterator[CurrentPeriodRow]:
        """The first period that has not ended, or the last period if all have ended.

        status.sql"""
        ...

    async def disconnect_others(self, connection: Connection, /) -> str:
        """Ends the other connections of this user to this database.

        backup.sql"""
        ...

    def find_contract(self, connection: Connection, /, *, reference: str | None) -> AsyncIterator[FindContractRow]:
        """A contract by its id or code; a match by id comes first.

        status.sql"""
        ...

    def list_accounts(
        self, connection: Connection, /, *, contract_id: UUID | None, period_start: date | None
    ) -> AsyncIterator[ListAccountsRow]:
        """status.sql"""
        ...

    def list_deliveries(
        self, connection: Connection, /, *, contract_code: str | None, receiver: str | None
    ) -> AsyncIterator[ListDeliveriesRow]:
        """The deliveries to a receiver for a contract, oldest first.

        demo.sql"""
        ...

    def list_schemas(
        self, connection: Connection, /, *, schemas: Collection[str | None] | None
    ) -> AsyncIterator[ListSchemasRow]:
        """backup.sql"""
        ...

    def list_slices(
        self, connection: Connection, /, *, contract_id: UUID | None, period_start: date | None
    ) -> AsyncIterator[ListSlicesRow]:
        """status.sql"""
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

    async def load_consumed_seconds(
        self, connection: Connection, /, *, contract_code: str | None, period_start: date | None
    ) -> int | Any:
        """demo.sql"""
        ...
