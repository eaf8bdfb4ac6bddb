"""Rebuild the read model from the events: the state of each contract and offer, and what contracts refer to."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar
from uuid import UUID

from tidemark_contracts.contract import store
from tidemark_contracts.contract.decider import State, evolve
from tidemark_contracts.database.query_types import ContractsQueries
from tidemark_contracts.offer import decider as offers
from tidemark_contracts.offer import store as offer_store
from tidemark_shared.database import Connection, connect_pool, queries

_sql: ContractsQueries = queries("tidemark_contracts")

_BATCH_SIZE = 1000
StateType = TypeVar("StateType")
EventType = TypeVar("EventType")


async def rebuild(url: str) -> int:
    """Rebuild the read model in one transaction. Return the number of contracts.

    Commands wait until it ends. Readers see the previous rows until it commits.
    """
    async with (
        await connect_pool(url, "contracts", size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        await _sql.lock_events(connection)
        await rebuild_read_model(connection)
        return int(await _sql.count_contracts(connection))


async def rebuild_read_model(connection: Connection) -> None:
    """Derive contracts and offers from their events again, which nobody changes meanwhile."""
    await _sql.delete_contracts(connection)
    await _sql.delete_offers(connection)
    await _replay(connection, store.load_all_events(connection), State(), evolve, store.save_contracts)
    await _replay(
        connection, offer_store.load_all_events(connection), offers.State(), offers.evolve, offer_store.save_offers
    )


async def _replay(
    connection: Connection,
    events: AsyncIterator[tuple[UUID, EventType]],
    initial: StateType,
    evolve: Callable[[StateType, EventType], StateType],
    save: Callable[[Connection, Mapping[UUID, StateType]], Awaitable[None]],
) -> None:
    """Save the state of each stream. ``events`` are grouped by stream."""
    states: dict[UUID, StateType] = {}
    async for id_, event in events:
        if len(states) == _BATCH_SIZE and id_ not in states:
            await save(connection, states)
            states.clear()
        states[id_] = evolve(states.get(id_, initial), event)
    await save(connection, states)
