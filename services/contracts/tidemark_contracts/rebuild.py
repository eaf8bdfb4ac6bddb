"""The reading model anew from the events: where each contract stands, and what it refers to."""

from uuid import UUID

from tidemark_contracts import store
from tidemark_contracts.decider import State, evolve
from tidemark_shared.database import connect_pool, queries

_sql = queries("tidemark_contracts")

_AT_ONCE = 1000


async def rebuild(url: str) -> int:
    """Rebuild in one transaction; the number of contracts that there are.

    Commands wait until it ends; whoever reads sees the rows from before.
    """
    async with (
        await connect_pool(url, "contracts", size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        await _sql.hold_events(connection)
        await _sql.forget_all(connection)
        states: dict[UUID, State] = {}
        async for contract_id, event in store.every_event(connection):
            if len(states) == _AT_ONCE and contract_id not in states:
                await store.save(connection, states)
                states.clear()
            states[contract_id] = evolve(states.get(contract_id, State()), event)
        await store.save(connection, states)
        return int(await _sql.count_contracts(connection))
