"""The expiry scheduler: contracts whose end date has passed expire (SPEC C7)."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from uuid import UUID, uuid4

from tidemark_contracts.contract import store
from tidemark_contracts.contract.decider import SYSTEM_ACTOR, Command, Rejection, decide
from tidemark_contracts.contract.rules import DecisionContext
from tidemark_contracts.database.query_types import ContractsQueries
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.http.requests import VersionConflictError
from tidemark_shared.log import bound_contextvars, get_logger

_log = get_logger()
_sql: ContractsQueries = queries("tidemark_contracts")

_INTERVAL_SECONDS = 5
# A contract that is not expired for longer makes the service not ready.
_MAX_DELAY = timedelta(minutes=1)


async def run(pool: Pool, failures: dict[UUID, str]) -> NoReturn:
    """Check for ended contracts every five seconds. The first check also expires those that ended during downtime.

    ``failures`` has the reasons why contracts could not be expired.
    """
    while True:
        with bound_contextvars(correlation_id=str(uuid4())):
            await expire_contracts(pool, datetime.now(UTC), failures)
        await asyncio.sleep(_INTERVAL_SECONDS)


async def expire_contracts(pool: Pool, now: datetime, failures: dict[UUID, str] | None = None) -> int:
    """Expire every ACTIVE contract that has ended by ``now``. Return how many this call expired.

    ``failures`` receives the reasons why contracts could not be expired.
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
            if failures is not None:
                failures[contract_id] = f"{type(error).__name__}: {error}."
    if count:
        _log.info("contracts_expired", count=count)
    return count


async def find_problems(connection: Connection, now: datetime, failures: Mapping[UUID, str]) -> list[str]:
    """The contract that should have expired first, if that was more than a minute ago."""
    rows = [row async for row in _sql.list_ended_contracts(connection, now=now - _MAX_DELAY)]
    if not rows:
        return []
    id_ = rows[0]["id"]
    reason = failures.get(id_, "The log of this service has the reason.")
    problem = f"Ended contracts that are still ACTIVE: {len(rows)}. The first is {id_}. {reason}"
    return [f"{problem} The contract expires when the cause is removed."]


async def _expire(pool: Pool, contract_id: UUID, now: datetime) -> bool:
    async with pool.acquire() as connection, connection.transaction():
        state = await store.load_contract(connection, contract_id)
        decision = decide(Command("expired"), state, DecisionContext(now=now, actor=SYSTEM_ACTOR))
        if isinstance(decision, Rejection) or not decision:
            return False
        await store.append_events(connection, contract_id, state, decision)
        return True
