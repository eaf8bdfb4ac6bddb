"""The types of the queries in ``queries/``. Generated (`make query-types`): do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Any, Protocol, TypedDict
from uuid import UUID


from tidemark_shared.database import Connection, JsonRows

# Postgres does not say whether a column of a result may be null, so its type is `T | Any`.


class TokensTableRow(TypedDict):
    id: Any
    name: Any
    role: Any
    created_at: Any
    expires_at: Any
    revoked_at: Any


class BeginReplayRow(TypedDict):
    id: int | Any
    service: str | Any
    cluster: str | Any
    topic: str | Any
    partition: int | Any
    record_offset: int | Any
    reason: str | Any
    key: bytes | Any
    value: bytes | Any
    headers: str | Any
    record_timestamp: int | Any
    received_at: datetime | Any
    replayed_at: datetime | Any


class FindDeadLetterRow(TypedDict):
    id: int | Any
    service: str | Any
    cluster: str | Any
    topic: str | Any
    partition: int | Any
    record_offset: int | Any
    reason: str | Any
    key: bytes | Any
    value: bytes | Any
    headers: str | Any
    record_timestamp: int | Any
    received_at: datetime | Any
    replayed_at: datetime | Any


class ForgottenPeopleRow(TypedDict):
    id: UUID | Any
    version: int | Any
    key: bytes | Any
    person_digest: bytes | Any
    digests: list[bytes | Any] | Any
    forgotten_at: datetime | Any
    forgotten_by: str | Any


class LagByTopicRow(TypedDict):
    topic: str | Any
    partitions: int | Any
    lag: int | Any
    seconds_since_progress: int | Any
    checked_at: datetime | Any


class ListDeadLettersRow(TypedDict):
    id: int | Any
    service: str | Any
    topic: str | Any
    partition: int | Any
    record_offset: int | Any
    reason: str | Any
    received_at: datetime | Any
    replayed_at: datetime | Any


class ListTokensRow(TypedDict):
    id: str | Any
    name: str | Any
    role: str | Any
    created_at: datetime | Any
    expires_at: datetime | Any
    revoked_at: datetime | Any


class LoadOffsetsRow(TypedDict):
    topic: str | Any
    partition: int | Any
    next_offset: int | Any


class LoadOutboxRowsRow(TypedDict):
    id: int | Any
    topic: str | Any
    key: bytes | Any
    headers: str | Any
    value: bytes | Any


class LoadResponseRow(TypedDict):
    request: bytes | Any
    status: int | Any
    headers: str | Any
    body: bytes | Any


class OldestOutboxRowRow(TypedDict):
    name: str | Any
    seconds: float | Any


class OutboxQueueRow(TypedDict):
    name: str | Any
    length: int | Any
    oldest_at: datetime | Any


class RowsWithTextsRow(TypedDict):
    relation: str | Any
    row_id: str | Any
    content: str | Any


class SharedQueries(Protocol):
    async def advance_offset(
        self,
        connection: Connection,
        /,
        *,
        next_offset: int | None,
        cluster: str | None,
        topic: str | None,
        partition: int | None,
    ) -> None:
        """consumer_offsets.sql"""
        ...

    async def begin_replay(self, connection: Connection, /, *, id: int | None) -> BeginReplayRow | None:
        """Locked to the end of the transaction, so that two replays of one record run one after the other.

        dead_letters.sql"""
        ...

    async def begin_rewriting(self, connection: Connection, /) -> None:
        """Lets the append-only tables be rewritten until the transaction ends.

        forgotten_people.sql"""
        ...

    async def cancel_replay(self, connection: Connection, /, *, id: int | None) -> str | Any:
        """The row waits as before.

        dead_letters.sql"""
        ...

    async def claim_idempotency_key(
        self, connection: Connection, /, *, actor: str | None, key: str | None, request: bytes | None
    ) -> bool | Any:
        """True if the key is new. Of two requests with one key, the second waits for the first and finds its response.

        idempotency_keys.sql"""
        ...

    async def count_waiting_dead_letters(self, connection: Connection, /) -> int | Any:
        """dead_letters.sql"""
        ...

    async def delete_expired_keys(self, connection: Connection, /, *, before: datetime | None) -> None:
        """idempotency_keys.sql"""
        ...

    async def delete_outbox_rows(self, connection: Connection, /, *, ids: Collection[int | None] | None) -> None:
        """outbox.sql"""
        ...

    async def find_dead_letter(self, connection: Connection, /, *, id: int | None) -> FindDeadLetterRow | None:
        """dead_letters.sql"""
        ...

    async def find_unreplayed_reason(self, connection: Connection, /, *, id: int | None) -> str | Any:
        """The reason, if the replay failed.

        dead_letters.sql"""
        ...

    def forgotten_people(self, connection: Connection, /) -> AsyncIterator[ForgottenPeopleRow]:
        """forgotten_people.sql"""
        ...

    async def insert_offset(
        self,
        connection: Connection,
        /,
        *,
        cluster: str | None,
        topic: str | None,
        partition: int | None,
        next_offset: int | None,
    ) -> None:
        """consumer_offsets.sql"""
        ...

    async def insert_outbox_records(
        self,
        connection: Connection,
        /,
        *,
        topics: Collection[str | None] | None,
        keys: Collection[bytes | None] | None,
        headers: Collection[str | None] | None,
        values: Collection[bytes | None] | None,
    ) -> None:
        """outbox.sql"""
        ...

    def lag_by_topic(self, connection: Connection, /) -> AsyncIterator[LagByTopicRow]:
        """The topics of the cluster that was read last; offsets of an earlier cluster are kept. The lag is null where that of a
        partition is unknown. As in `reporting.consumer_lag`, which shows the partitions of all services.

        consumer_offsets.sql"""
        ...

    async def limit_forgetting_wait(self, connection: Connection, /) -> None:
        """While it waits for the lock, others wait for it.

        forgotten_people.sql"""
        ...

    def list_dead_letters(
        self,
        connection: Connection,
        /,
        *,
        include_replayed: bool | None,
        topic: str | None,
        reason: str | None,
        after: int | None,
        max_rows: int | None,
    ) -> AsyncIterator[ListDeadLettersRow]:
        """Oldest first, after a number; all where `max_rows` is null.

        dead_letters.sql"""
        ...

    def list_tokens(self, connection: Connection, /) -> AsyncIterator[ListTokensRow]:
        """tokens.sql"""
        ...

    def load_offsets(
        self,
        connection: Connection,
        /,
        *,
        cluster: str | None,
        topics: Collection[str | None] | None,
        partitions: Collection[int | None] | None,
    ) -> AsyncIterator[LoadOffsetsRow]:
        """The next offset of each partition that has one.

        consumer_offsets.sql"""
        ...

    def load_outbox_rows(self, connection: Connection, /, *, max_rows: int | None) -> AsyncIterator[LoadOutboxRowsRow]:
        """outbox.sql"""
        ...

    async def load_response(
        self, connection: Connection, /, *, actor: str | None, key: str | None
    ) -> LoadResponseRow | None:
        """idempotency_keys.sql"""
        ...

    async def load_revoked_at(self, connection: Connection, /, *, id: str | None) -> datetime | Any:
        """tokens.sql"""
        ...

    async def lock_forgotten_people(self, connection: Connection, /) -> None:
        """Wait until no transaction writes texts that it has read before the person was forgotten.

        forgotten_people.sql"""
        ...

    async def lock_forgotten_people_shared(self, connection: Connection, /) -> None:
        """Nobody is forgotten until the transaction ends.

        forgotten_people.sql"""
        ...

    async def lock_offset(
        self, connection: Connection, /, *, cluster: str | None, topic: str | None, partition: int | None
    ) -> int | Any:
        """Locked to the end of the transaction: of two consumers of one partition, the second waits and then skips the
        records that the first has processed.

        consumer_offsets.sql"""
        ...

    async def oldest_outbox_row(self, connection: Connection, /) -> OldestOutboxRowRow | None:
        """The record that waits longest, and for how many seconds.

        outbox.sql"""
        ...

    def outbox_queue(self, connection: Connection, /) -> AsyncIterator[OutboxQueueRow]:
        """outbox.sql"""
        ...

    async def release_idempotency_key(self, connection: Connection, /, *, actor: str | None, key: str | None) -> None:
        """idempotency_keys.sql"""
        ...

    async def rewrite_row(
        self, connection: Connection, /, *, relation: str | None, row_id: str | None, content: str | None
    ) -> None:
        """forgotten_people.sql"""
        ...

    def rows_with_texts(
        self, connection: Connection, /, *, texts: Collection[str | None] | None
    ) -> AsyncIterator[RowsWithTextsRow]:
        """forgotten_people.sql"""
        ...

    async def save_end_offsets(
        self,
        connection: Connection,
        /,
        *,
        cluster: str | None,
        topics: Collection[str | None] | None,
        partitions: Collection[int | None] | None,
        end_offsets: Collection[int | None] | None,
    ) -> None:
        """Writes a row only where the end has moved, and otherwise every ten seconds.

        consumer_offsets.sql"""
        ...

    async def save_forgotten_person(
        self,
        connection: Connection,
        /,
        *,
        id: UUID | None,
        version: int | None,
        key: bytes | None,
        person_digest: bytes | None,
        digests: Collection[bytes | None] | None,
        forgotten_at: datetime | None,
        forgotten_by: str | None,
    ) -> None:
        """forgotten_people.sql"""
        ...

    async def store_response(
        self,
        connection: Connection,
        /,
        *,
        status: int | None,
        headers: str | None,
        body: bytes | None,
        actor: str | None,
        key: str | None,
    ) -> None:
        """idempotency_keys.sql"""
        ...

    async def upsert_tokens(self, connection: Connection, /, *, tokens: JsonRows[TokensTableRow]) -> None:
        """A revoked token stays revoked.

        tokens.sql"""
        ...

    async def write_dead_letters(
        self,
        connection: Connection,
        /,
        *,
        cluster: str | None,
        topic: str | None,
        partition: int | None,
        offsets: Collection[int | None] | None,
        reasons: Collection[str | None] | None,
        keys: Collection[bytes | None] | None,
        values: Collection[bytes | None] | None,
        headers: Collection[str | None] | None,
        timestamps: Collection[int | None] | None,
        copy_topic: str | None,
    ) -> None:
        """A record that fails again, after a redelivery or a replay, keeps its one row. The outbox publishes a copy to the
        dead-letter topic. A record may be too large for that topic (compressed, any size can arrive): then the copy has
        the reason only, and this table has the record.

        dead_letters.sql"""
        ...
