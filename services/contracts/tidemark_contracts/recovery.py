"""Take back what this service published and its database lacks, because it was restored to an earlier moment.

The service reads its own topics. What is lost waits in the table ``lost_events`` until the topics have been read to
their ends, and is then applied in one transaction. Until then nothing can be changed: a change would use a version that
readers already have, and they would ignore it.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, NoReturn, cast
from uuid import UUID

import asyncpg
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from fastapi import Request

from tidemark_contracts.contract.decider import Event, EventType
from tidemark_contracts.contract.rebuild import rebuild_read_model
from tidemark_contracts.contract.store import event_json
from tidemark_contracts.database.query_types import ContractsQueries
from tidemark_contracts.directory.resources import RESOURCES
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.domain.people import Pseudonyms
from tidemark_shared.http.problems import Problem
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.batches import (
    Batch,
    DeadLetter,
    Handler,
    ReceivedEvent,
    decode_batch,
    read_correlation_id,
    write_dead_letters,
)
from tidemark_shared.messaging.cloudevents import CloudEvent
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.events import (
    PERSON_FORGOTTEN,
    ContractChanged,
    OfferChanged,
    OfferState,
    PersonForgotten,
)
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, OFFERS, Topic
from tidemark_shared.people import identities, rewrite_rows, save_people

_log = get_logger()
_sql: ContractsQueries = queries("tidemark_contracts")
_shared_sql: SharedQueries = queries("tidemark_shared")

_PAUSE_SECONDS = 0.1
_POLL_SECONDS = 1.0
_START_WAIT_SECONDS = 2.0


class NotRecoveredError(TimeoutError):
    """What was published is still being read back. The caller retries."""


class Recovery:
    """Whether the database has everything that was published; until then, nothing can be changed."""

    def __init__(self) -> None:
        self._completed = asyncio.Event()
        self._completed.set()  # an application without Kafka has nothing to read
        self._problem = (
            "What contracts published is still being read back from Kafka. Nothing can be changed until then."
        )

    async def find_problems(self, _: Connection) -> list[str]:
        """Why nothing can be changed, for ``/readyz``."""
        return [] if self._completed.is_set() else [self._problem]

    def require_complete(self) -> None:
        """Raise a 503 as long as the database may lack events."""
        if not self._completed.is_set():
            raise Problem(503, "Contracts reads back what it published", self._problem)

    def require_recovery(self, handle: Handler) -> Handler:
        """``handle``, which changes something, once the recovery is complete. Before that, its batches are retried."""

        async def handle_recovered(connection: Connection, batch: Batch) -> None:
            if not self._completed.is_set():
                raise NotRecoveredError(self._problem)
            await handle(connection, batch)

        return handle_recovered

    def after(self, task: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
        """``task``, which changes something, once the recovery is complete."""

        async def run() -> None:
            await self._completed.wait()
            await task()

        return run

    def start(self) -> None:
        """Nothing can be changed from now on, until :meth:`run` has read what was published."""
        self._completed.clear()

    async def wait(self) -> None:
        """Wait a moment for the recovery: usually nothing is lost, and the first request need not be refused."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_WAIT_SECONDS):
                await self._completed.wait()

    async def run(self, pool: Pool, consumer: Consumer, topics: Sequence[str]) -> NoReturn:
        """Recover at the start, and whenever the database lacks events again. Runs until it is cancelled."""
        while True:
            await self.recover(pool, consumer, topics)
            await asyncio.sleep(_POLL_SECONDS)
            async with pool.acquire() as connection:
                if await _sql.has_lost_events(connection):
                    self.start()

    async def recover(self, pool: Pool, consumer: Consumer, topics: Sequence[str]) -> None:
        """Wait until ``topics`` have been read to where they end now, and apply what was lost."""
        ends: dict[TopicPartition, int] = {}
        while not self._completed.is_set():
            with suppress(KafkaError, TimeoutError):
                ends = ends or await consumer.fetch_ends(topics)
            stored = await consumer.load_offsets(list(ends))
            if (
                ends
                and all(stored.get(partition, 0) >= end for partition, end in ends.items())
                and await self._apply(pool)
            ):
                self._completed.set()
            else:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _apply(self, pool: Pool) -> bool:
        async with pool.acquire() as connection, connection.transaction():
            if missing := await _sql.missing_version(connection):
                self._problem = (
                    f"Version {missing['version']} of {missing['id']} is neither in the database of contracts nor in "
                    f"{missing['topic']}, which has the next one. Restore a later backup. Nothing can be changed until "
                    "then."
                )
                return False
            try:
                await apply_lost_events(connection)
            except asyncpg.IntegrityConstraintViolationError as error:
                self._problem = (
                    f"What contracts published does not fit its database ({error}). Restore a later backup. Nothing "
                    "can be changed until then."
                )
                raise
        return True


async def refuse_changes(request: Request) -> None:
    """A dependency: requests that change something wait for the recovery of the application."""
    if request.method not in ("GET", "HEAD"):
        recovery: Recovery = request.app.state.recovery
        recovery.require_complete()


async def apply_lost_events(connection: Connection) -> None:
    """Write what was lost, and everything that is derived from it."""
    await _sql.lock_events(connection)
    await _sql.lock_directory(connection)
    if not await _sql.has_lost_events(connection):
        return
    await _sql.delete_contracts(connection)  # with what they refer to, which may have been deleted
    await _sql.delete_lost_entities(connection, kinds=["rate_card"])
    # Rate cards name teams.
    for kinds in (["organization", "team"], ["rate_card"]):
        await _sql.restore_lost_entities(connection, kinds=kinds)
    await _sql.delete_lost_entities(connection, kinds=["organization", "team"])
    await _sql.restore_lost_events(connection)
    await _sql.restore_lost_offer_events(connection)
    await _sql.clear_lost_events(connection)
    await rebuild_read_model(connection)
    _log.warning("lost_events_restored")


class _Published(NamedTuple):
    """An event that was published, with the row that it is in the database."""

    id: UUID
    version: int
    occurred_at: datetime | None
    row: dict[str, Any]


async def handle_contracts(connection: Connection, batch: Batch) -> None:
    """Store the lost events of a batch of ``contracts.lifecycle``."""
    events = await decode_batch(connection, LIFECYCLE, batch)
    await _store_lost(connection, LIFECYCLE, batch, events, _read_contract_event)


async def handle_offers(connection: Connection, batch: Batch) -> None:
    """Store the lost events of a batch of ``contracts.offers``."""
    events = await decode_batch(connection, OFFERS, batch)
    await _store_lost(connection, OFFERS, batch, events, _read_offer_event)


async def handle_directory(connection: Connection, batch: Batch) -> None:
    """Store the lost versions of a batch of ``contracts.directory``, and forget again whom a restore brought back."""
    received = await decode_batch(connection, DIRECTORY, batch)
    entities = [item for item in received if item.event.type != PERSON_FORGOTTEN]
    await _store_lost(connection, DIRECTORY, batch, entities, _read_entity)
    if events := [event.data for _, event in received if event.type == PERSON_FORGOTTEN]:
        await _forget_again(connection, events)


async def _forget_again(connection: Connection, events: Sequence[PersonForgotten]) -> None:
    stored = {row["id"]: row["version"] async for row in _shared_sql.forgotten_people(connection)}
    if lost := [event for event in events if event.version > stored.get(event.id, 0)]:
        people = await save_people(connection, lost)
        rows = [row async for row in _sql.person_identities(connection)]
        await rewrite_rows(connection, Pseudonyms(people).with_identities(identities(rows)))


EVENT_HANDLERS: Mapping[str, Handler] = {
    LIFECYCLE.name: handle_contracts,
    OFFERS.name: handle_offers,
    DIRECTORY.name: handle_directory,
}
"""The handlers of the topics that the service publishes itself."""


async def _store_lost(
    connection: Connection,
    topic: Topic,
    batch: Batch,
    events: Sequence[ReceivedEvent],
    read: Callable[[CloudEvent], _Published],
) -> None:
    """Store what the database lacks. A version that it has from another moment is a dead letter."""
    received = [(record, read(event)) for record, event in events]
    dated = [event for _, event in received if event.occurred_at]
    rows = _sql.versions_decided_twice(
        connection,
        ids=[event.id for event in dated],
        versions=[event.version for event in dated],
        occurred_at=[event.occurred_at for event in dated],
    )
    decided_twice = {(row["id"], row["version"]): row async for row in rows}
    dead_letters = [
        DeadLetter(
            record,
            f"Version {event.version} of {event.id} was decided twice: here, and at {other['occurred_at'].isoformat()}."
            " The database of contracts was restored while the service ran. Readers keep the version that they read "
            f"first: change it until its version is above {other['newest']}.",
        )
        for record, event in received
        if (other := decided_twice.get((event.id, event.version)))
    ]
    await write_dead_letters(connection, batch, dead_letters)
    if lost := await _sql.store_lost_events(
        connection,
        topic=topic.name,
        ids=[event.id for _, event in received],
        versions=[event.version for _, event in received],
        data=[
            json.dumps({**event.row, "correlation_id": read_correlation_id(record.headers)})
            for record, event in received
        ],
    ):
        _log.warning("lost_events_read", topic=topic.name, count=lost)


def _read_contract_event(published: CloudEvent) -> _Published:
    data: ContractChanged = published.data
    type_ = cast("EventType", published.type.split(".")[2])
    event = Event(
        type_,
        data.status,
        data.terms,
        data.actor,
        data.reason,
        data.occurred_at,
        # Each is in every event from then on.
        renewed_from=data.renewed_from if type_ == "drafted" else None,
        renewed_as=data.renewed_as if type_ == "renewed" else None,
    )
    row = _event_row(type_, data.actor, data.occurred_at, json.loads(event_json(event)))
    row |= {"contract_id": str(data.contract_id), "version": data.stream_version, "reason": data.reason}
    return _Published(data.contract_id, data.stream_version, data.occurred_at, row)


def _read_offer_event(published: CloudEvent) -> _Published:
    data: OfferChanged = published.data
    offer = OfferState.model_validate(data.model_dump())
    row = _event_row(published.type.split(".")[2], data.actor, data.occurred_at, offer.model_dump(mode="json"))
    row |= {"offer_id": str(data.offer_id), "version": data.version}
    return _Published(data.offer_id, data.version, data.occurred_at, row)


def _event_row(type_: str, actor: str, occurred_at: datetime, data: Any) -> dict[str, Any]:
    return {"type": type_, "actor": actor, "occurred_at": occurred_at.isoformat(), "data": data}


def _read_entity(published: CloudEvent) -> _Published:
    data, resource = published.data, RESOURCES[published.type]
    body = data.model_dump(mode="json", exclude={"id", "version", "deleted"})
    row = {"kind": resource.kind, "name": resource.sort_key(data), "body": body, "deleted": data.deleted}
    return _Published(data.id, data.version, None, row)
