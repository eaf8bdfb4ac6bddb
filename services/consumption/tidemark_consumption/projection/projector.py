"""The one writer of totals in a database: when a batch is appended, it folds until no batch waits.

Every consumption process runs a projector. The row lock of ``projection`` lets one of them fold at a time. When that
one dies, its connection ends, Postgres rolls back, and another projector continues.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, NamedTuple, NoReturn

from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_consumption.projection.fold import MAX_RECORDS, fold
from tidemark_consumption.projection.statements import settle
from tidemark_consumption.replay import rebuild
from tidemark_shared import metrics
from tidemark_shared.database import Pool, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.batches import TRANSIENT_ERRORS

_log = get_logger()
_sql: ConsumptionQueries = queries("tidemark_consumption")

_FOLD_SECONDS = metrics.histogram(
    "tidemark_fold_duration_seconds",
    "Time of a fold, from its first statement to its commit; it may have waited for the fold of another process.",
    buckets=(*metrics.SECONDS, 30.0, 60.0),
)
_FOLD_RECORDS = metrics.histogram(
    "tidemark_fold_size_records",
    "Records that were folded together, in one transaction.",
    buckets=(1.0, 10.0, 100.0, 1_000.0, 5_000.0, 20_000.0, 60_000.0, 120_000.0),
)
_PUBLISH_TO_FOLD_SECONDS = metrics.histogram(
    "tidemark_publish_to_fold_seconds",
    "Time from the first record of a batch in Kafka (by its own clock) to the moment when the batch counts.",
    buckets=metrics.DELAYS,
)
_FOLD_FAILURES = metrics.counter(
    "tidemark_fold_failures_total", "Folds that failed because of a batch, which is then held back and tried again."
)

# Finds batches of which this process was not notified: others append too.
_POLL_INTERVAL_SECONDS = 0.25
# A fold of a few records costs nearly as much as one of a hundred, so batches of this time are folded together.
_GATHER_SECONDS = 0.02
# How soon a period has its statement after time has settled it.
_SETTLE_INTERVAL_SECONDS = 5.0
_RETRY_SECONDS = 60.0
# A batch that waits longer makes the service not ready.
_MAX_WAIT_SECONDS = 120.0
_FIRST_ANALYZE_RECORDS = 20_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _Failure(NamedTuple):
    """Why a batch cannot be folded, and when it is tried again, in the time of the event loop."""

    retry_at_seconds: float
    reason: str


class Projector:
    """Folds until it is cancelled. The runtime restarts :meth:`run` when it raises."""

    def __init__(self, pool: Pool, rebuild_pool: Pool, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._pool, self._rebuild_pool, self._clock = pool, rebuild_pool, clock
        self._wake_event = asyncio.Event()
        self._failures: dict[int, _Failure] = {}
        # While this is positive, each fold takes one batch, to find the one that fails.
        self._single_folds = 0
        self._settle_at_seconds = 0.0
        self._settle_failure: str | None = None
        self._unanalyzed_records, self._analyze_threshold = 0, _FIRST_ANALYZE_RECORDS

    async def run(self) -> NoReturn:
        """Fold waiting batches, and freeze the statements of settled periods, until cancelled."""
        async with self._pool.acquire() as connection:
            if await _sql.is_rebuild_due(connection):
                async with self._rebuild_pool.acquire() as replaying:
                    await rebuild(replaying)
                _log.info("rebuilt", reason="a migration changed a rule")
            while True:
                self._wake_event.clear()
                await self._settle(connection)
                if not await self._fold(connection):
                    await self._wait()

    def wake(self) -> None:
        """Fold soon: this process has appended a batch."""
        self._wake_event.set()

    async def problems(self, connection: Any) -> list[str]:
        """Why appended records are not counted; empty where they are, or will be soon."""
        # Another process may have folded a failed batch since.
        rows = _sql.unfolded_batches(connection, batches=list(self._failures))
        unfolded = {row["batch"] async for row in rows}
        self._failures = {batch: failure for batch, failure in self._failures.items() if batch in unfolded}
        problems = [
            f"Batch {batch} cannot be folded: {failure.reason} All others are counted. See the log of this service."
            for batch, failure in self._failures.items()
        ]
        if self._settle_failure:
            problems.append(f"Statements cannot be frozen: {self._settle_failure} See the log of this service.")
        backlog = await _sql.backlog(connection, now=self._clock(), failing=list(self._failures))
        if backlog and backlog["seconds"] > _MAX_WAIT_SECONDS:
            problems.append(
                f"{backlog['records']} records wait to be counted, the oldest for {backlog['seconds']:.0f} s."
            )
        return problems

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_INTERVAL_SECONDS):
                await self._wake_event.wait()
        await asyncio.sleep(_GATHER_SECONDS)

    async def _settle(self, connection: Any) -> None:
        """Freeze the periods that time has settled, every few seconds; while more are due, in every round."""
        now_seconds = asyncio.get_running_loop().time()
        if now_seconds < self._settle_at_seconds:
            return
        try:
            is_more_due = await settle(connection, self._clock())
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - any other error must not keep work from being counted
            self._settle_at_seconds = now_seconds + _RETRY_SECONDS
            self._settle_failure = f"{type(error).__name__}: {error}."
            _log.error("statements_not_frozen", exc_info=error)
            return
        self._settle_failure = None
        if not is_more_due:
            self._settle_at_seconds = now_seconds + _SETTLE_INTERVAL_SECONDS

    async def _fold(self, connection: Any) -> bool:
        """Fold once. True if another batch may be ready at once."""
        now_seconds = asyncio.get_running_loop().time()
        held_back = [batch for batch, failure in self._failures.items() if failure.retry_at_seconds > now_seconds]
        max_records, started = 1 if self._single_folds else MAX_RECORDS, perf_counter()
        try:
            result = await fold(connection, self._clock(), max_records=max_records, held_back=held_back)
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - any other error is caused by one batch
            _FOLD_FAILURES.inc()
            return await self._isolate_failure(connection, error, held_back)
        if result is None:
            return False
        _FOLD_SECONDS.observe(perf_counter() - started)
        _FOLD_RECORDS.observe(result.record_count)
        for published_at in result.published_at:
            _PUBLISH_TO_FOLD_SECONDS.observe(max((self._clock() - published_at).total_seconds(), 0))
        for batch in result.batches:
            self._failures.pop(batch, None)
        self._single_folds = max(self._single_folds - 1, 0)
        self._unanalyzed_records += result.record_count
        if self._unanalyzed_records >= self._analyze_threshold:
            # Each interval is twice as long: statistics age with the share of rows that changed.
            self._unanalyzed_records, self._analyze_threshold = 0, 2 * self._analyze_threshold
            await _sql.analyze_figures(connection)
        return True

    async def _isolate_failure(self, connection: Any, error: Exception, held_back: list[int]) -> bool:
        """Switch to single batches to find the one that fails; hold that one back and retry it later."""
        rows = _sql.waiting_batches(connection, max_records=MAX_RECORDS, held_back=held_back)
        batches = [row["batch"] async for row in rows]
        if not self._single_folds and len(batches) > 1:
            self._single_folds = len(batches)
        elif batches:
            retry_at_seconds = asyncio.get_running_loop().time() + _RETRY_SECONDS
            self._failures[batches[0]] = _Failure(retry_at_seconds, f"{type(error).__name__}: {error}.")
            _log.error("batch_not_folded", batch=batches[0], exc_info=error)
        return bool(batches)
