"""The one writer of a database's figures: woken when something was appended, it folds until nothing waits.

Every consumption process runs one. The row of ``projection`` lets one of them fold at a time; when that one dies, its
connection ends, Postgres rolls back, and the next to be woken or to look goes on.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

import asyncpg

from tidemark_consumption.ingest.append import CHANNEL
from tidemark_consumption.projection.fold import MAX_RECORDS, fold
from tidemark_consumption.replay import rebuild_if_due
from tidemark_shared.database import Pool, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.batches import TRANSIENT_ERRORS

_log = get_logger()
_sql = queries("tidemark_consumption")

# The safety net where a notification is missed.
_POLL_SECONDS = 0.25
# A fold of a few records costs nearly as much as one of a hundred: what comes within this time is folded together.
_GATHER_SECONDS = 0.02
_RETRY_SECONDS = 60.0
# How long a batch may wait until the service is no longer ready.
_MAX_WAIT_SECONDS = 120.0
_FIRST_ANALYZE_RECORDS = 20_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Projector:
    """Folds for ever; :meth:`run` is restarted by the runtime when it raises."""

    def __init__(self, pool: Pool, rebuilding: Pool, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._pool, self._rebuilding, self._clock = pool, rebuilding, clock
        self._woken = asyncio.Event()
        self._failing: dict[int, tuple[float, str]] = {}
        self._one_by_one = 0
        self._unanalyzed, self._analyze_after = 0, _FIRST_ANALYZE_RECORDS

    async def run(self) -> NoReturn:
        """Fold what waits, again and again."""
        async with self._rebuilding.acquire() as connection:
            if await rebuild_if_due(connection):
                _log.info("rebuilt", reason="a migration changed a rule")
        async with self._pool.acquire() as listening, self._pool.acquire() as connection:
            await listening.add_listener(CHANNEL, self._wake)
            try:
                while True:
                    self._woken.clear()
                    if not await self._fold(connection):
                        await self._wait()
            finally:
                with contextlib.suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
                    await listening.remove_listener(CHANNEL, self._wake)

    async def problems(self, connection: Any) -> list[str]:
        """Why what was appended is not counted; empty where it is, or soon will be."""
        # Another process may have folded it since.
        unfolded = {row["batch"] async for row in _sql.unfolded(connection, batches=list(self._failing))}
        self._failing = {batch: reason for batch, reason in self._failing.items() if batch in unfolded}
        failing = [
            f"Batch {batch} cannot be folded: {reason} Everything else is. The log of this service has the details."
            for batch, (_, reason) in self._failing.items()
        ]
        waiting = await _sql.oldest_waiting(connection, now=self._clock(), failing=list(self._failing))
        if waiting and waiting["seconds"] > _MAX_WAIT_SECONDS:
            failing.append(
                f"{waiting['records']} records wait to be counted, the oldest for {waiting['seconds']:.0f} s."
            )
        return failing

    def _wake(self, *_: Any) -> None:
        self._woken.set()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self._woken.wait()
        await asyncio.sleep(_GATHER_SECONDS)

    async def _fold(self, connection: Any) -> bool:
        """Whether something was folded, or may be at once."""
        time = asyncio.get_running_loop().time()
        held_back = [batch for batch, (retry_at, _) in self._failing.items() if retry_at > time]
        limit = 1 if self._one_by_one else MAX_RECORDS
        try:
            folded = await fold(connection, self._clock(), max_records=limit, held_back=held_back)
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - whatever else it is, it is one batch that makes it fail
            return await self._single_out(connection, error, held_back)
        if folded is None:
            return False
        for batch in folded.batches:
            self._failing.pop(batch, None)
        self._one_by_one = max(self._one_by_one - 1, 0)
        self._unanalyzed += folded.records
        if self._unanalyzed >= self._analyze_after:
            # Each time twice as rarely: statistics go stale by the share of the rows that changed.
            self._unanalyzed, self._analyze_after = 0, 2 * self._analyze_after
            await _sql.analyze_figures(connection)
        return True

    async def _single_out(self, connection: Any, error: Exception, held_back: list[int]) -> bool:
        """Fold batch by batch until the one that fails is found; it is held back, and tried again later."""
        waiting = [
            row["batch"] async for row in _sql.waiting_batches(connection, most=MAX_RECORDS, held_back=held_back)
        ]
        if not self._one_by_one and len(waiting) > 1:
            self._one_by_one = len(waiting)
        elif waiting:
            retry_at = asyncio.get_running_loop().time() + _RETRY_SECONDS
            self._failing[waiting[0]] = (retry_at, f"{type(error).__name__}: {error}.")
            _log.error("batch_not_folded", batch=waiting[0], exc_info=error)
        return bool(waiting)
