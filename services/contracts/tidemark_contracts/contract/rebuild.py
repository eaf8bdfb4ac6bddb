"""Rebuild the read model from the events: the state of each contract, and what it refers to."""

from uuid import UUID

from tidemark_contracts.contract import store
from tidemark_contracts.contract.decider import State, evolve
from tidemark_contracts.database.query_types import ContractsQueries
from tidemark_shared.database import connect_pool, queries

_sql: ContractsQueries = queries("tidemark_contracts")

_BATCH_SIZE = 1000


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
        await _sql.delete_contracts(connection)
        states: dict[UUID, State] = {}
        async for contract_id, event in store.load_all_events(connection):
            if len(states) == _BATCH_SIZE and contract_id not in states:
                await store.save_contracts(connection, states)
                states.clear()
            states[contract_id] = evolve(states.get(contract_id, State()), event)
        await store.save_contracts(connection, states)
        return int(await _sql.count_contracts(connection))
