"""The types of the queries in ``queries/``. Generated (`make query-types`): do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Any, Protocol, TypedDict
from uuid import UUID

from asyncpg.cursor import CursorFactory

from tidemark_shared.database import Connection

# Postgres does not say whether a column of a result may be null, so its type is `T | Any`.


class DirectoryWithPersonRow(TypedDict):
    id: UUID | Any
    kind: str | Any
    version: int | Any
    body: str | Any


class FindContractRow(TypedDict):
    id: UUID | Any
    version: int | Any
    status: str | Any
    renewed_from: UUID | Any
    renewed_as: UUID | Any
    body: str | Any


class FindCustomerLinkRow(TypedDict):
    id: UUID | Any
    organization_id: UUID | Any
    organization_name: str | Any
    locale: str | Any
    issued_at: datetime | Any
    expires_at: datetime | Any
    password_hash: str | Any
    note: str | Any
    created_by: str | Any
    last_used_at: datetime | Any
    revoked_at: datetime | Any
    revoked_by: str | Any


class FindEntityRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any


class FindOfferRow(TypedDict):
    id: UUID | Any
    version: int | Any
    created_at: datetime | Any
    updated_at: datetime | Any
    body: str | Any


class ListAllEventsRow(TypedDict):
    contract_id: UUID | Any
    type: str | Any
    data: str | Any
    actor: str | Any
    reason: str | Any
    occurred_at: datetime | Any


class ListAllOfferEventsRow(TypedDict):
    offer_id: UUID | Any
    type: str | Any
    data: str | Any
    actor: str | Any
    occurred_at: datetime | Any


class ListContractOfferEventsRow(TypedDict):
    offer_id: UUID | Any
    type: str | Any
    data: str | Any
    actor: str | Any
    occurred_at: datetime | Any


class ListContractsRow(TypedDict):
    id: UUID | Any
    version: int | Any
    status: str | Any
    renewed_from: UUID | Any
    renewed_as: UUID | Any
    body: str | Any


class ListCustomerLinksRow(TypedDict):
    id: UUID | Any
    organization_id: UUID | Any
    organization_name: str | Any
    locale: str | Any
    issued_at: datetime | Any
    expires_at: datetime | Any
    password_hash: str | Any
    note: str | Any
    created_by: str | Any
    last_used_at: datetime | Any
    revoked_at: datetime | Any
    revoked_by: str | Any


class ListEndedContractsRow(TypedDict):
    id: UUID | Any


class ListEndedOffersRow(TypedDict):
    id: UUID | Any


class ListEntitiesRow(TypedDict):
    id: UUID | Any
    version: int | Any
    name: str | Any
    body: str | Any


class ListEventsRow(TypedDict):
    version: int | Any
    type: str | Any
    data: str | Any
    actor: str | Any
    reason: str | Any
    occurred_at: datetime | Any


class ListNamesRow(TypedDict):
    id: UUID | Any
    name: str | Any


class ListOfferEventsRow(TypedDict):
    type: str | Any
    data: str | Any
    actor: str | Any
    occurred_at: datetime | Any


class ListOffersRow(TypedDict):
    id: UUID | Any
    version: int | Any
    created_at: datetime | Any
    updated_at: datetime | Any
    body: str | Any


class ListPendingOffersRow(TypedDict):
    account_id: UUID | Any
    period_start: date | Any


class LockEndedOffersRow(TypedDict):
    id: UUID | Any


class LockEntitiesRow(TypedDict):
    id: UUID | Any
    kind: str | Any


class MissingVersionRow(TypedDict):
    topic: str | Any
    id: UUID | Any
    version: int | Any


class PersonIdentitiesRow(TypedDict):
    person_id: str | Any
    name: str | Any
    email: str | Any


class PersonObstaclesRow(TypedDict):
    description: str | Any


class TakenCodesRow(TypedDict):
    code: str | Any


class VersionsDecidedTwiceRow(TypedDict):
    id: UUID | Any
    version: int | Any
    occurred_at: datetime | Any
    newest: int | Any


class ContractsQueries(Protocol):
    async def add_customer_link(
        self,
        connection: Connection,
        /,
        *,
        id: UUID | None,
        issued_at: datetime | None,
        expires_at: datetime | None,
        password_hash: str | None,
        note: str | None,
        created_by: str | None,
        organization_id: UUID | None,
    ) -> None:
        """Changes nothing if the link exists, or its organization does not.

        customer_links.sql"""
        ...

    async def add_entity(
        self, connection: Connection, /, *, id: UUID | None, kind: str | None, name: str | None, body: str | None
    ) -> int | Any:
        """The version; null if the same rate card exists.

        directory.sql"""
        ...

    async def append_events(
        self,
        connection: Connection,
        /,
        *,
        correlation_id: str | None,
        contract_ids: Collection[UUID | None] | None,
        versions: Collection[int | None] | None,
        types: Collection[str | None] | None,
        data: Collection[str | None] | None,
        actors: Collection[str | None] | None,
        reasons: Collection[str | None] | None,
        occurred_at: Collection[datetime | None] | None,
    ) -> None:
        """contracts.sql"""
        ...

    async def append_offer_events(
        self,
        connection: Connection,
        /,
        *,
        offer_id: UUID | None,
        correlation_id: str | None,
        versions: Collection[int | None] | None,
        types: Collection[str | None] | None,
        data: Collection[str | None] | None,
        actors: Collection[str | None] | None,
        occurred_at: Collection[datetime | None] | None,
    ) -> None:
        """offers.sql"""
        ...

    async def change_entity(
        self, connection: Connection, /, *, name: str | None, body: str | None, id: UUID | None, version: int | None
    ) -> int | Any:
        """The new version; null if :version is not the current one.

        directory.sql"""
        ...

    async def clear_lost_events(self, connection: Connection, /) -> None:
        """recovery.sql"""
        ...

    async def count_contracts(self, connection: Connection, /) -> int | Any:
        """contracts.sql"""
        ...

    async def count_password_attempt(
        self, connection: Connection, /, *, window_start: datetime | None, now: datetime | None, id: UUID | None
    ) -> int | Any:
        """The attempts since the first one that is younger than :window_start. The row is locked, so guesses wait in line.

        customer_links.sql"""
        ...

    async def delete_contracts(self, connection: Connection, /) -> None:
        """contracts.sql"""
        ...

    async def delete_discarded(self, connection: Connection, /, *, ids: Collection[UUID | None] | None) -> None:
        """contracts.sql"""
        ...

    async def delete_entity(self, connection: Connection, /, *, id: UUID | None, version: int | None) -> int | Any:
        """The version of the deletion; null if :version is not the current one.

        directory.sql"""
        ...

    async def delete_lost_entities(self, connection: Connection, /, *, kinds: Collection[str | None] | None) -> None:
        """Entities whose deletion was lost.

        recovery.sql"""
        ...

    async def delete_offers(self, connection: Connection, /) -> None:
        """offers.sql"""
        ...

    def directory_with_person(
        self, connection: Connection, /, *, pseudonym: str | None
    ) -> AsyncIterator[DirectoryWithPersonRow]:
        """people.sql"""
        ...

    async def find_contract(
        self, connection: Connection, /, *, id: UUID | None, code: str | None
    ) -> FindContractRow | None:
        """A match by id comes before a match by code.

        contracts.sql"""
        ...

    async def find_customer_link(self, connection: Connection, /, *, id: UUID | None) -> FindCustomerLinkRow | None:
        """customer_links.sql"""
        ...

    async def find_entity(
        self, connection: Connection, /, *, kind: str | None, id: UUID | None
    ) -> FindEntityRow | None:
        """directory.sql"""
        ...

    async def find_offer(self, connection: Connection, /, *, id: UUID | None) -> FindOfferRow | None:
        """offers.sql"""
        ...

    async def find_rate_card(self, connection: Connection, /, *, body: str | None) -> UUID | Any:
        """The rate card with the same person, team, currency and first day.

        directory.sql"""
        ...

    async def has_lost_events(self, connection: Connection, /) -> bool | Any:
        """recovery.sql"""
        ...

    async def has_offer_of_notification(self, connection: Connection, /, *, notification_id: UUID | None) -> bool | Any:
        """offers.sql"""
        ...

    async def is_offer_link_revoked(
        self, connection: Connection, /, *, offer_id: UUID | None, organization_id: UUID | None
    ) -> bool | Any:
        """Whether all links of the organization were revoked since the offer was sent. Null if they never were.

        offers.sql"""
        ...

    def list_all_events(self, connection: Connection, /) -> AsyncIterator[ListAllEventsRow]:
        """contracts.sql"""
        ...

    def list_all_events_cursor(self, connection: Connection, /) -> AbstractAsyncContextManager[CursorFactory[Any]]: ...

    def list_all_offer_events(self, connection: Connection, /) -> AsyncIterator[ListAllOfferEventsRow]:
        """offers.sql"""
        ...

    def list_all_offer_events_cursor(
        self, connection: Connection, /
    ) -> AbstractAsyncContextManager[CursorFactory[Any]]: ...

    def list_contract_offer_events(
        self, connection: Connection, /, *, contract_id: UUID | None
    ) -> AsyncIterator[ListContractOfferEventsRow]:
        """Of all offers of a contract, in the order in which they happened.

        offers.sql"""
        ...

    def list_contracts(
        self,
        connection: Connection,
        /,
        *,
        statuses: Collection[str | None] | None,
        organization: UUID | None,
        owner: str | None,
        first_day: date | None,
        last_day: date | None,
        text: str | None,
        after_code: str | None,
        max_rows: int | None,
    ) -> AsyncIterator[ListContractsRow]:
        """contracts.sql"""
        ...

    def list_customer_links(
        self,
        connection: Connection,
        /,
        *,
        organization_id: UUID | None,
        before_time: datetime | None,
        before_id: UUID | None,
        max_rows: int | None,
    ) -> AsyncIterator[ListCustomerLinksRow]:
        """The newest first.

        customer_links.sql"""
        ...

    def list_ended_contracts(
        self, connection: Connection, /, *, now: datetime | None
    ) -> AsyncIterator[ListEndedContractsRow]:
        """contracts.sql"""
        ...

    def list_ended_offers(
        self, connection: Connection, /, *, now: datetime | None
    ) -> AsyncIterator[ListEndedOffersRow]:
        """offers.sql"""
        ...

    def list_entities(
        self,
        connection: Connection,
        /,
        *,
        kind: str | None,
        ids: Collection[UUID | None] | None,
        name: str | None,
        text: str | None,
        person: str | None,
        team: UUID | None,
        after_name: str | None,
        after_id: UUID | None,
        max_rows: int | None,
    ) -> AsyncIterator[ListEntitiesRow]:
        """directory.sql"""
        ...

    def list_events(self, connection: Connection, /, *, contract_id: UUID | None) -> AsyncIterator[ListEventsRow]:
        """contracts.sql"""
        ...

    def list_names(
        self, connection: Connection, /, *, ids: Collection[UUID | None] | None
    ) -> AsyncIterator[ListNamesRow]:
        """directory.sql"""
        ...

    def list_offer_events(
        self, connection: Connection, /, *, offer_id: UUID | None
    ) -> AsyncIterator[ListOfferEventsRow]:
        """offers.sql"""
        ...

    def list_offers(
        self,
        connection: Connection,
        /,
        *,
        contract_id: UUID | None,
        statuses: Collection[str | None] | None,
        before: UUID | None,
        max_rows: int | None,
    ) -> AsyncIterator[ListOffersRow]:
        """The newest first: ids grow with time.

        offers.sql"""
        ...

    def list_pending_offers(
        self, connection: Connection, /, *, contract_id: UUID | None
    ) -> AsyncIterator[ListPendingOffersRow]:
        """offers.sql"""
        ...

    async def lock_directory(self, connection: Connection, /) -> None:
        """recovery.sql"""
        ...

    def lock_ended_offers(
        self, connection: Connection, /, *, contract_id: UUID | None, now: datetime | None
    ) -> AsyncIterator[LockEndedOffersRow]:
        """Without waiting for those that are being answered.

        offers.sql"""
        ...

    def lock_entities(
        self, connection: Connection, /, *, ids: Collection[UUID | None] | None
    ) -> AsyncIterator[LockEntitiesRow]:
        """Locked until the transaction ends, so that no entity is deleted while a contract or rate card starts to refer to it.

        directory.sql"""
        ...

    async def lock_events(self, connection: Connection, /) -> None:
        """Wait for running appends, and block new ones until the transaction ends.

        contracts.sql"""
        ...

    async def lock_for_forgetting(self, connection: Connection, /) -> None:
        """Wait for running commands, and block new ones until the transaction ends.

        people.sql"""
        ...

    async def lock_offer(self, connection: Connection, /, *, id: UUID | None) -> UUID | Any:
        """Changes of an offer are made one after another. Null if there is no such offer.

        offers.sql"""
        ...

    async def lock_offers(self, connection: Connection, /) -> None:
        """Offers are made one after another, so that each sees those that wait for an answer.

        offers.sql"""
        ...

    async def missing_version(self, connection: Connection, /) -> MissingVersionRow | None:
        """The first version that neither the database nor Kafka has, although a later one was published.

        recovery.sql"""
        ...

    async def new_offer_id(self, connection: Connection, /) -> UUID | Any:
        """offers.sql"""
        ...

    def person_identities(self, connection: Connection, /) -> AsyncIterator[PersonIdentitiesRow]:
        """What teams, contacts, contracts and offers say of persons.

        people.sql"""
        ...

    def person_obstacles(
        self,
        connection: Connection,
        /,
        *,
        emails: Collection[str | None] | None,
        person_id: str | None,
        names: Collection[str | None] | None,
    ) -> AsyncIterator[PersonObstaclesRow]:
        """Where the person is still needed: owners and contacts receive mails, and a token signs in.

        people.sql"""
        ...

    async def rename_rate_cards(self, connection: Connection, /) -> None:
        """Lists of rate cards go by person and first day.

        people.sql"""
        ...

    async def restore_lost_entities(self, connection: Connection, /, *, kinds: Collection[str | None] | None) -> None:
        """recovery.sql"""
        ...

    async def restore_lost_events(self, connection: Connection, /) -> None:
        """recovery.sql"""
        ...

    async def restore_lost_offer_events(self, connection: Connection, /) -> None:
        """recovery.sql"""
        ...

    async def revoke_customer_link(
        self, connection: Connection, /, *, now: datetime | None, actor: str | None, id: UUID | None
    ) -> UUID | Any:
        """The link's id; null if there is none. One that was revoked keeps who revoked it first.

        customer_links.sql"""
        ...

    async def revoke_customer_links(
        self, connection: Connection, /, *, now: datetime | None, actor: str | None, organization_id: UUID | None
    ) -> UUID | Any:
        """The organization's id; null if there is none. Links that were revoked before keep who revoked them first.

        customer_links.sql"""
        ...

    async def save_contracts(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        versions: Collection[int | None] | None,
        statuses: Collection[str | None] | None,
        bodies: Collection[str | None] | None,
        ends_at: Collection[datetime | None] | None,
        renewed_from: Collection[UUID | None] | None,
        renewed_as: Collection[UUID | None] | None,
    ) -> None:
        """contracts.sql"""
        ...

    async def save_offers(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        versions: Collection[int | None] | None,
        created_at: Collection[datetime | None] | None,
        updated_at: Collection[datetime | None] | None,
        bodies: Collection[str | None] | None,
    ) -> None:
        """offers.sql"""
        ...

    async def save_references(
        self,
        connection: Connection,
        /,
        *,
        contract_ids: Collection[UUID | None] | None,
        entity_ids: Collection[UUID | None] | None,
    ) -> None:
        """Replace the references of these contracts: one row for each contract and entity.

        contracts.sql"""
        ...

    async def store_lost_events(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        topic: str | None,
        versions: Collection[int | None] | None,
        data: Collection[str | None] | None,
    ) -> int | Any:
        """Of these published events, those that the database lacks. Returns their number.

        recovery.sql"""
        ...

    def taken_codes(
        self, connection: Connection, /, *, codes: Collection[str | None] | None
    ) -> AsyncIterator[TakenCodesRow]:
        """contracts.sql"""
        ...

    async def use_customer_link(self, connection: Connection, /, *, now: datetime | None, id: UUID | None) -> None:
        """customer_links.sql"""
        ...

    def versions_decided_twice(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        versions: Collection[int | None] | None,
        occurred_at: Collection[datetime | None] | None,
    ) -> AsyncIterator[VersionsDecidedTwiceRow]:
        """Of these published events of contracts and offers, those whose version the database has from another moment.

        recovery.sql"""
        ...
