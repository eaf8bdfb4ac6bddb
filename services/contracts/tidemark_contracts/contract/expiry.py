"""The expiry scheduler: contracts whose end date has passed expire (SPEC C7)."""

import asyncio
from datetime import UTC, datetime
from typing import NoReturn
from uuid import UUID, uuid4

from tidemark_contracts.contract import store
from tidemark_contracts.contract.decider import SYSTEM_ACTOR, Command, Rejection, decide
from tidemark_contracts.contract.rules import DecisionContext
from tidemark_contracts.database.query_types import ContractsQueries
from tidemark_shared.database import Pool, queries
from tidemark_shared.http.requests import VersionConflictError
from tidemark_shared.log import bound_contextvars, get_logger

_log = get_logger()
_sql: ContractsQueries = queries("tidemark_contracts")

_INTERVAL_SECONDS = 5


async def run(pool: Pool) -> NoReturn:
    """Check for ended contracts every five seconds. The first check also expires those that ended during downtime."""
    while True:
        with bound_contextvars(correlation_id=str(uuid4())):
            await expire_contracts(pool, datetime.now(UTC))
        await asyncio.sleep(_INTERVAL_SECONDS)


async def expire_contracts(pool: Pool, now: datetime) -> int:
    """Expire every ACTIVE contract that has ended by ``now``. Return how many this call expired.

    Several instances can do this at the same time: the first to append wins, and the others skip the contract.
    """
    async with pool.acquire() as connection:
        contract_ids = [row["id"] async for row in _sql.list_ended_contracts(connection, now=now)]
    count = 0
    for contract_id in contract_ids:
        try:
            count += await _expire(pool, contract_id, now)
        except VersionConflictError:
            # Another instance or a user changed the contract first. If it must still expire, the next check finds it.
            continue
        except Exception as error:  # noqa: BLE001 - one contract that fails must not block the others
            _log.error("contract_expiry_failed", contract_id=str(contract_id), exc_info=error)
    if count:
        _log.info("contracts_expired", count=count)
    return count


async def _expire(pool: Pool, contract_id: UUID, now: datetime) -> bool:
    async with pool.acquire() as connection, connection.transaction():
        state = await store.load_contract(connection, contract_id)
        decision = decide(Command("expired"), state, DecisionContext(now=now, actor=SYSTEM_ACTOR))
        if isinstance(decision, Rejection) or not decision:
            return False
        await store.append_events(connection, contract_id, state, decision)
        return True
