"""Expiry of offers: those that nobody answered in time expire (SPEC 10)."""

import asyncio
from datetime import UTC, datetime
from typing import NoReturn
from uuid import UUID, uuid4

from tidemark_contracts.contract.decider import SYSTEM_ACTOR
from tidemark_contracts.database.query_types import ContractsQueries
from tidemark_contracts.offer import store
from tidemark_contracts.offer.decider import Expire
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.log import bound_contextvars, get_logger

_log = get_logger()
_sql: ContractsQueries = queries("tidemark_contracts")

_INTERVAL_SECONDS = 5


async def run(pool: Pool) -> NoReturn:
    """Check for ended offers every five seconds. The first check also expires those that ended during downtime."""
    while True:
        with bound_contextvars(correlation_id=str(uuid4())):
            await expire_offers(pool, datetime.now(UTC))
        await asyncio.sleep(_INTERVAL_SECONDS)


async def expire_offers(pool: Pool, now: datetime) -> int:
    """Expire every open offer that ended before ``now``. Return how many this call expired.

    Several instances can do this at the same time: the first to lock an offer expires it.
    """
    async with pool.acquire() as connection:
        offer_ids = [row["id"] async for row in _sql.list_ended_offers(connection, now=now)]
    count = 0
    for offer_id in offer_ids:
        try:
            async with pool.acquire() as connection, connection.transaction():
                count += await _expire(connection, offer_id, now)
        except Exception as error:  # noqa: BLE001 - one offer that fails must not block the others
            _log.error("offer_expiry_failed", offer_id=str(offer_id), exc_info=error)
    if count:
        _log.info("offers_expired", count=count)
    return count


async def _expire(connection: Connection, offer_id: UUID, now: datetime) -> bool:
    state = await store.lock_offer(connection, offer_id)
    if state is None:
        return False
    outcome = await store.change_offer(connection, offer_id, state, Expire(), now=now, actor=SYSTEM_ACTOR)
    return bool(outcome.decision.events)
