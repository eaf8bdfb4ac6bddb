"""Balances wait until consumption has folded what Kafka had when the process started.

Filled again from Kafka (a restore to an earlier moment, an empty database), figures grow from zero. A balance of such a
moment would tell the notifier that a limit that was reached is no longer reached.
"""

import asyncio
from contextlib import suppress

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_shared.database import Pool, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.consumer import Consumer

_log = get_logger()
_sql: ConsumptionQueries = queries("tidemark_consumption")

_PAUSE_SECONDS = 0.2
# A partition or a batch that stands still must not keep the balances of all contracts back.
_MAX_STILL_SECONDS = 60.0


async def wait_until_caught_up(
    consumer: Consumer, pool: Pool, topics: list[str], *, max_still_seconds: float = _MAX_STILL_SECONDS
) -> None:
    """Wait until everything that is in ``topics`` now is folded, or until nothing has moved for a time."""
    ends: dict[TopicPartition, int] = {}
    # The last batch to wait for: the newest one when all records had been appended. Newer ones always come.
    last_batch: int | None = None
    position: object = None
    moved_at = asyncio.get_running_loop().time()
    while True:
        with suppress(KafkaError, TimeoutError):
            ends = ends or await consumer.fetch_ends(topics)
        stored = await consumer.load_offsets(list(ends))
        async with pool.acquire() as connection:
            if last_batch is None and ends and all(stored.get(partition, 0) >= end for partition, end in ends.items()):
                last_batch = await _sql.last_batch(connection) or 0
            if last_batch is not None and not await _sql.has_waiting_batches(connection, last_batch=last_batch):
                return
            current = stored, await _sql.last_fold(connection)
        now = asyncio.get_running_loop().time()
        if current != position:
            position, moved_at = current, now
        elif now - moved_at > max_still_seconds:
            _log.warning("balances_begin_behind", seconds=max_still_seconds)
            return
        await asyncio.sleep(_PAUSE_SECONDS)
