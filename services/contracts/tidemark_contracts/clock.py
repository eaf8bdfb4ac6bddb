"""Time passes: contracts whose end has come expire (SPEC C7)."""

import asyncio
from datetime import UTC, datetime
from typing import NoReturn
from uuid import UUID, uuid4

from tidemark_contracts import store
from tidemark_contracts.decider import SYSTEM, Command, Refusal, decide
from tidemark_contracts.rules import Facts
from tidemark_shared.database import Pool, queries
from tidemark_shared.http.requests import VersionConflictError
from tidemark_shared.log import bound_contextvars, get_logger

_log = get_logger()
_sql = queries("tidemark_contracts")

_ROUND_SECONDS = 5


async def run(pool: Pool) -> NoReturn:
    """Expire what is due, again and again: also what came due while nothing ran."""
    while True:
        with bound_contextvars(correlation_id=str(uuid4())):
            await expire_due(pool, datetime.now(UTC))
        await asyncio.sleep(_ROUND_SECONDS)


async def expire_due(pool: Pool, now: datetime) -> int:
    """Expire every contract whose end has passed by ``now``; the number of those that this call expired.

    Any number of instances may do so at once: the first to append decides, the others leave it at that.
    """
    async with pool.acquire() as connection:
        due = [row["id"] async for row in _sql.due(connection, now=now)]
    expired = 0
    for contract_id in due:
        try:
            expired += await _expire(pool, contract_id, now)
        except VersionConflictError:
            # Another instance was first, or somebody changed it: if it is still due, the next round sees it.
            continue
        except Exception as error:  # noqa: BLE001 - one contract that fails does not hold up the others
            _log.error("not_expired", contract_id=str(contract_id), exc_info=error)
    if expired:
        _log.info("expired", count=expired)
    return expired


async def _expire(pool: Pool, contract_id: UUID, now: datetime) -> bool:
    async with pool.acquire() as connection, connection.transaction():
        state = await store.load(connection, contract_id)
        decided = decide(Command("expired"), state, Facts(now=now, actor=SYSTEM))
        if isinstance(decided, Refusal) or not decided:
            return False
        await store.append(connection, contract_id, state, decided)
        return True
