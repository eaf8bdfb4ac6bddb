"""The event store of offers. The read model, the outbox and an amendment are written in the events' transaction."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import reduce
from typing import NamedTuple, cast
from uuid import UUID

import asyncpg

from tidemark_contracts.contract import store as contract_store
from tidemark_contracts.contract.decider import SYSTEM_ACTOR
from tidemark_contracts.database.query_types import (
    ContractsQueries,
    FindOfferRow,
    ListContractOfferEventsRow,
    ListOfferEventsRow,
    ListOffersRow,
)
from tidemark_contracts.events import event_record
from tidemark_contracts.offer.decider import (
    Command,
    Decision,
    Event,
    EventType,
    Expire,
    Make,
    OfferContext,
    State,
    decide,
    evolve,
)
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import OfferStatus
from tidemark_shared.http.requests import VersionConflictError
from tidemark_shared.log import get_correlation_id
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.events import OfferChanged, OfferState
from tidemark_shared.messaging.topics import OFFERS

_sql: ContractsQueries = queries("tidemark_contracts")


class Outcome(NamedTuple):
    """An offer after a command, and what was decided. The id is None for an offer that was not made."""

    offer_id: UUID | None
    state: State
    decision: Decision


async def is_link_revoked(connection: Connection, offer_id: UUID, organization_id: UUID) -> bool:
    """Whether the link of an offer went with all links of its organization."""
    revoked = await _sql.is_offer_link_revoked(connection, offer_id=offer_id, organization_id=organization_id)
    return bool(revoked)


async def make_offer(connection: Connection, contract_id: UUID, command: Make, *, now: datetime, actor: str) -> Outcome:
    """Make an offer for a contract, or record a request. Offers that have ended there expire first."""
    await _sql.lock_offers(connection)
    ended = [row["id"] async for row in _sql.lock_ended_offers(connection, contract_id=contract_id, now=now)]
    for ended_id in ended:
        if state := await lock_offer(connection, ended_id):
            await change_offer(connection, ended_id, state, Expire(), now=now, actor=SYSTEM_ACTOR)
    context = replace(
        await _load_context(connection, contract_id, now=now, actor=actor),
        is_repeated=await _sql.has_offer_of_notification(connection, notification_id=command.notification_id),
    )
    decision = decide(command, State(), context)
    if not decision.events:
        return Outcome(None, State(), decision)
    offer_id: UUID = await _sql.new_offer_id(connection)
    return Outcome(offer_id, await _append(connection, offer_id, State(), decision, context), decision)


async def change_offer(
    connection: Connection, offer_id: UUID, state: State, command: Command, *, now: datetime, actor: str
) -> Outcome:
    """Run a command on an offer that :func:`lock_offer` returned.

    Raises :class:`VersionConflictError` if the contract that it amends has changed in the meantime.
    """
    if state.offer is None:
        raise AssertionError("An offer that is locked has been made.")
    context = await _load_context(connection, state.offer.contract_id, now=now, actor=actor)
    decision = decide(command, state, context)
    if not decision.events:
        return Outcome(offer_id, state, decision)
    return Outcome(offer_id, await _append(connection, offer_id, state, decision, context), decision)


async def lock_offer(connection: Connection, offer_id: UUID) -> State | None:
    """An offer's state from its events, locked until the transaction ends; None if there is no such offer."""
    if await _sql.lock_offer(connection, id=offer_id) is None:
        return None
    return reduce(evolve, [_event(row) async for row in _sql.list_offer_events(connection, offer_id=offer_id)], State())


async def find_offer(connection: Connection, offer_id: UUID) -> State | None:
    """Find an offer in the read model."""
    row = await _sql.find_offer(connection, id=offer_id)
    return _state(row) if row else None


async def list_offers(
    connection: Connection,
    *,
    contract_id: UUID | None,
    statuses: Sequence[OfferStatus] | None,
    before: UUID | None,
    max_rows: int,
) -> list[tuple[UUID, State]]:
    """List offers from the read model, newest first, starting behind ``before``."""
    rows = _sql.list_offers(connection, contract_id=contract_id, statuses=statuses, before=before, max_rows=max_rows)
    return [(row["id"], _state(row)) async for row in rows]


async def load_contract_events(connection: Connection, contract_id: UUID) -> list[tuple[UUID, Event]]:
    """The events of all offers of a contract, oldest first."""
    rows = _sql.list_contract_offer_events(connection, contract_id=contract_id)
    return [(row["offer_id"], _event(row)) async for row in rows]


async def load_all_events(connection: Connection) -> AsyncIterator[tuple[UUID, Event]]:
    """The events of all offers, grouped by offer, oldest first."""
    async with _sql.list_all_offer_events_cursor(connection) as cursor:
        async for row in cursor:
            yield row["offer_id"], _event(row)


async def save_offers(connection: Connection, states: Mapping[UUID, State]) -> None:
    """Write offers to the read model."""
    rows = [(id_, state, state.offer) for id_, state in states.items() if state.offer]
    await _sql.save_offers(
        connection,
        ids=[id_ for id_, _, _ in rows],
        versions=[state.version for _, state, _ in rows],
        created_at=[state.created_at for _, state, _ in rows],
        updated_at=[state.updated_at for _, state, _ in rows],
        bodies=[offer.model_dump_json() for _, _, offer in rows],
    )


async def _load_context(connection: Connection, contract_id: UUID, *, now: datetime, actor: str) -> OfferContext:
    contract = await contract_store.load_contract(connection, contract_id)
    decision = await contract_store.load_context(connection, contract.terms, now=now, actor=actor, new=False)
    rows = _sql.list_pending_offers(connection, contract_id=contract_id)
    pending = frozenset([(row["account_id"], row["period_start"]) async for row in rows])
    return OfferContext(contract_id, contract, decision, pending)


async def _append(
    connection: Connection, offer_id: UUID, state: State, decision: Decision, context: OfferContext
) -> State:
    """Append the events of a decision, of the offer and of its contract. Return the offer's new state."""
    records, new_state = [], state
    for event in decision.events:
        new_state = evolve(new_state, event)
        data = OfferChanged(
            **dict(event.offer),
            offer_id=offer_id,
            version=new_state.version,
            actor=event.actor,
            occurred_at=event.occurred_at,
        )
        records.append(
            event_record(OFFERS, context.contract_id, f"tidemark.offer.{event.type}.v1", data, event.occurred_at)
        )
    try:
        await _sql.append_offer_events(
            connection,
            offer_id=offer_id,
            versions=list(range(state.version + 1, new_state.version + 1)),
            types=[event.type for event in decision.events],
            data=[event.offer.model_dump_json() for event in decision.events],
            actors=[event.actor for event in decision.events],
            occurred_at=[event.occurred_at for event in decision.events],
            correlation_id=get_correlation_id(),
        )
    except asyncpg.UniqueViolationError:
        raise VersionConflictError from None
    await save_offers(connection, {offer_id: new_state})
    await outbox.write_outbox(connection, records)
    if decision.contract_events:
        await contract_store.append_events(connection, context.contract_id, context.contract, decision.contract_events)
    return new_state


def _state(row: FindOfferRow | ListOffersRow) -> State:
    offer = OfferState.model_validate_json(row["body"])
    return State(row["version"], offer, row["created_at"], row["updated_at"])


def _event(row: ListOfferEventsRow | ListContractOfferEventsRow) -> Event:
    offer = OfferState.model_validate_json(row["data"])
    return Event(cast("EventType", row["type"]), offer, row["actor"], row["occurred_at"])
