"""One assigned partition: reads and processes its records, one batch after another.

The offset is stored in the database, in the transaction that processes the records. After a crash, a rebalance or in
a second consumer, records may be read again: the row in ``consumer_offsets`` says which to skip.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import RecordTooLargeError

from tidemark_shared import metrics, tracing
from tidemark_shared.database import Connection, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.log import bound_contextvars, get_logger
from tidemark_shared.messaging.batches import Batch, DeadLetter, process_batch, read_correlation_id, write_dead_letters
from tidemark_shared.messaging.lag import ANSWER_TIMEOUT_SECONDS
from tidemark_shared.messaging.record_batches import (
    BatchBoundaryError,
    FetchedItem,
    RawBatch,
    SkippedOffsets,
    UndecodableRecord,
)

if TYPE_CHECKING:
    from tidemark_shared.messaging.consumer import Consumer

_log = get_logger()
_sql: SharedQueries = queries("tidemark_shared")

_CONSUMED = metrics.counter(
    "tidemark_consumed_records_total", "Records that were processed, dead letters included, by `topic`.", "topic"
)
_BATCH_SECONDS = metrics.histogram(
    "tidemark_consumer_batch_duration_seconds",
    "Time to process a batch of records of a `topic`, without the commit.",
    "topic",
    buckets=metrics.SECONDS,
)
_BACK_OFF_SECONDS = 0.5
_MAX_BACK_OFF_SECONDS = 8.0
_REREAD_PAUSE_SECONDS = 0.1
_POLL_MS = 200


class _PartitionStoppedError(Exception):
    """The partition cannot continue until an operator acts; the text says why and what to do."""


class _RereadError(Exception):
    """The fetched records do not follow the stored offset."""


class _GapError(_RereadError):
    """Offsets from ``start`` to before ``end`` are missing."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(f"offsets {start} to {end - 1} are missing")
        self.start, self.end = start, end


class PartitionWorker:
    """Processes the records of one assigned partition, one transaction after another, until it is revoked."""

    def __init__(
        self, consumer: "Consumer", client: AIOKafkaConsumer, tp: TopicPartition, predecessor: "PartitionWorker | None"
    ) -> None:
        self._consumer, self._client, self._tp = consumer, client, tp
        self._name = f"{tp.topic}/{tp.partition}"
        self._topic = tp.topic.removeprefix(consumer.prefix)
        self._revoked = asyncio.Event()
        self.is_waiting = False
        """Whether it waits for records, rather than processes some or pauses."""
        self.offset = -1
        """The next offset that this worker expects."""
        self.is_ahead = False
        """Whether the stored offset was below :attr:`offset`: the database was restored while this worker ran."""
        self._reread_offset = -1
        self._is_compacted = False
        self._predecessor = predecessor
        self.task = asyncio.create_task(self._run(), name=f"partition {self._name}")

    @property
    def is_revoked(self) -> bool:
        """Whether the partition was taken from this member."""
        return self._revoked.is_set()

    def revoke(self) -> None:
        """Stop after the current batch."""
        self._revoked.set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._revoked.wait()

    async def _run(self) -> None:
        if self._predecessor:
            # It was revoked and may still commit: begin after that.
            await asyncio.wait({self._predecessor.task})
            self._predecessor = None
        pause, failed_at = _BACK_OFF_SECONDS, self.offset
        while not self.is_revoked:
            try:
                await self._align()
                while await self._step():
                    pass
            except _PartitionStoppedError as reason:
                if not self.is_revoked:
                    self._consumer.stop_partition(self._tp, str(reason))
                return
            except _RereadError as reason:
                _log.info("batch_reread", topic=self._tp.topic, partition=self._tp.partition, reason=str(reason))
                await self._pause(_REREAD_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - any failure is retried, never skipped
                _log.error(
                    "batch_failed",
                    topic=self._tp.topic,
                    partition=self._tp.partition,
                    offset=self.offset,
                    error=repr(error),
                )
                pause = min(pause * 2, _MAX_BACK_OFF_SECONDS) if self.offset == failed_at else _BACK_OFF_SECONDS
                failed_at = self.offset
                await self._pause(pause)
            finally:
                self.is_waiting = False

    async def _align(self) -> None:
        """Seek to the stored offset; stop the partition if the log does not have it."""
        stored = (await self._consumer.load_offsets([self._tp])).get(self._tp)
        # Fetch these after the stored offset: the log may grow in between, and must not look too short.
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            begin = (await self._client.beginning_offsets([self._tp]))[self._tp]
            end = (await self._client.end_offsets([self._tp]))[self._tp]
        if stored is None:
            stored = begin
            await self._consumer.insert_offset(self._tp, begin)
        if not begin <= stored <= end:
            self._reread_once(stored, f"the log has offsets {begin} to {end}, and the next to read is {stored}")
            raise _PartitionStoppedError(
                f"{self._name}: the log has offsets {begin} to {end}, but the next to read is {stored}. The topic was "
                "recreated, or retention has deleted records that this service has not read. Reading has stopped; no "
                "record was skipped. Publish the missing records again, then set next_offset of the row in "
                f"reporting.consumer_offsets to {begin} and restart."
            )
        self._client.seek(self._tp, stored)
        self.offset = stored

    async def _step(self) -> bool:
        """Wait a moment for records and process them. Returns False once the partition is revoked."""
        self.is_waiting = True
        try:
            fetched = await self._client.getmany(self._tp, timeout_ms=_POLL_MS, max_records=self._consumer.max_records)
        except (BatchBoundaryError, RecordTooLargeError) as error:
            self._reread_once(self.offset, f"the record batch at offset {self.offset}: {error}")
            raise _PartitionStoppedError(
                f"{self._name}: the broker sends no record batch at offset {self.offset} ({error}), so the next batch "
                "cannot be found. Reading has stopped; no record was skipped. Repair the partition from a replica, or "
                "publish the lost events again and set next_offset of the row in reporting.consumer_offsets to the "
                "first offset that can be read. Then restart."
            ) from None
        finally:
            self.is_waiting = False
        items: list[FetchedItem] = fetched.get(self._tp, [])
        if self.is_revoked:
            return False
        if items:
            await self._process_items(items)
        else:
            await self._check_position()
        return not self.is_revoked

    async def _check_position(self) -> None:
        """While no records arrive, the position must be the stored offset: else a batch was lost on the way."""
        if self.is_ahead:
            self.is_ahead = False
            raise _RereadError("the database has an earlier offset")
        if await self._client.position(self._tp) != self.offset:
            raise _RereadError(f"the position moved from offset {self.offset} without records")

    async def _process_items(self, items: list[FetchedItem]) -> None:
        raw_batch = items[-1] if isinstance(items[-1], RawBatch) else None
        if raw_batch:
            items = items[:-1]
        if items:
            await self._process_or_reread(items)
        if raw_batch is None:
            return
        if not raw_batch.is_intact:
            self._reread_once(raw_batch.offset, f"the record batch at offset {raw_batch.offset} has a wrong checksum")
        parts = raw_batch.parse()
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            if part:
                await self._process_or_reread(part)

    async def _process_or_reread(self, items: list[FetchedItem]) -> None:
        try:
            await self._process(items)
        except _GapError as gap:
            self._reread_once(gap.start, str(gap))
            if not await self._consumer.is_compacted(self._tp.topic):
                raise _PartitionStoppedError(
                    f"{self._name}: {gap} from the log, also when read again, and the topic is not compacted. Reading "
                    "has stopped. Find out why they are missing, publish their events again, then set next_offset of "
                    f"the row in reporting.consumer_offsets to {gap.end} and restart."
                ) from None
            self._is_compacted = True
            raise

    def _reread_once(self, offset: int, reason: str) -> None:
        """Raise, so that the worker seeks back to the stored offset; but not twice for the same offset."""
        if self._reread_offset != offset:
            self._reread_offset = offset
            raise _RereadError(reason)

    async def _process(self, items: list[FetchedItem]) -> None:
        """In one transaction: process the records that no other consumer has processed, and advance the offset."""
        partition = {"cluster": self._consumer.cluster, "topic": self._tp.topic, "partition": self._tp.partition}
        async with (
            self._consumer.transaction_slots,
            self._consumer.pool.acquire() as connection,
            connection.transaction(),
        ):
            next_offset: int | None = await _sql.lock_offset(connection, **partition)
            if next_offset is None:
                raise _RereadError("its row in consumer_offsets is missing")
            if items[0].offset < next_offset:
                # Another consumer of this partition has processed them.
                items = [item for item in items if _next_offset(item) > next_offset]
            if items:
                self._check_for_gaps(items, next_offset)
                await self._handle(connection, items)
                next_offset = _next_offset(items[-1])
                await _sql.advance_offset(connection, **partition, next_offset=next_offset)
        self.offset = next_offset
        _CONSUMED.labels(self._topic).inc(len(items))
        self._consumer.record_commit(self._tp, next_offset)
        if not items:
            raise _RereadError(f"offset {next_offset} is already stored")

    def _check_for_gaps(self, items: list[FetchedItem], next_offset: int) -> None:
        """Raise if offsets are missing that compaction has not removed.

        A lost batch leaves a gap like compaction does, so a gap at the front is read twice even in a compacted topic.
        """
        for start, end in _gaps(items, next_offset):
            if not self._is_compacted or (start == next_offset and self._reread_offset != start):
                raise _GapError(start, end)

    async def _handle(self, connection: Connection, items: list[FetchedItem]) -> None:
        records = [item for item in items if isinstance(item, ConsumerRecord)]
        undecodable = (item for item in items if isinstance(item, UndecodableRecord))
        dead_letters = [DeadLetter(item.record, item.reason, "unreadable") for item in undecodable]
        batch = Batch(self._consumer.cluster, self._tp.topic, self._tp.partition, records, self._consumer.prefix)
        correlation_id = read_correlation_id(batch.records[0].headers) if batch.records else ""
        causes = tracing.read_causes(records)
        with (
            _BATCH_SECONDS.labels(self._topic).time(),
            bound_contextvars(correlation_id=correlation_id),
            tracing.span(
                f"process {self._topic}",
                "consumer",
                causes,
                messaging__system="kafka",
                messaging__destination__name=self._tp.topic,
                messaging__destination__partition__id=str(self._tp.partition),
                messaging__batch__message_count=len(items),
            ),
        ):
            if records:
                await process_batch(connection, self._consumer.handlers[self._tp.topic], batch)
            await write_dead_letters(connection, batch, dead_letters)


def _next_offset(item: FetchedItem) -> int:
    return int(item.offset) + 1 if isinstance(item, ConsumerRecord) else item.next_offset


def _gaps(items: list[FetchedItem], expected: int) -> Iterator[tuple[int, int]]:
    """The ranges of offsets, from ``expected`` on, for which there is no item."""
    if set(map(type, items)) == {ConsumerRecord} and int(items[-1].offset) - expected + 1 == len(items):
        return  # as many records as offsets: the usual case
    for item in items:
        if item.offset > expected:
            yield expected, item.offset
        if isinstance(item, SkippedOffsets) and not item.is_control:
            yield item.offset, item.next_offset
        expected = _next_offset(item)
