"""One assigned partition: its records are read, handled and committed one batch after another.

The offset lives in the database, in the transaction of what was made of the records. What a crash, a rebalance or a
second consumer may repeat, the row in ``consumer_offsets`` drops.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import RecordTooLargeError

from tidemark_shared.database import Connection, queries
from tidemark_shared.log import bound_contextvars, get_logger
from tidemark_shared.messaging.batches import Batch, DeadLetter, dead_letter, process_batch, read_correlation_id
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
_sql = queries("tidemark_shared")

ANSWER_TIMEOUT_SECONDS = 5.0
_BACK_OFF_SECONDS = 0.5
_MAX_BACK_OFF_SECONDS = 8.0
_READ_AGAIN_SECONDS = 0.1
_POLL_MS = 200


class _StoppedError(Exception):
    """The partition cannot go on until somebody acts; the text says why and what to do."""


class _ReadAgainError(Exception):
    """What was read does not follow the stored offset."""


class _GapError(_ReadAgainError):
    """Offsets from ``start`` to before ``end`` are missing."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(f"offsets {start} to {end - 1} are missing")
        self.start, self.end = start, end


class PartitionWorker:
    """Takes the records of one assigned partition, one transaction after another, until it is revoked."""

    def __init__(
        self, consumer: "Consumer", client: AIOKafkaConsumer, tp: TopicPartition, predecessor: "PartitionWorker | None"
    ) -> None:
        self._consumer, self._client, self._tp = consumer, client, tp
        self._name = f"{tp.topic}/{tp.partition}"
        self._revoked = asyncio.Event()
        self.is_waiting = False
        """Whether it waits for records: neither handles any nor backs off."""
        self.offset = -1
        """The next offset, as far as this worker knows."""
        self._read_again_at = -1
        self._is_compacted = False
        self._predecessor = predecessor
        self.task = asyncio.create_task(self._run(), name=f"partition {self._name}")

    @property
    def is_revoked(self) -> bool:
        """Whether the partition is this member's no longer."""
        return self._revoked.is_set()

    def revoke(self) -> None:
        """End after what is under way."""
        self._revoked.set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._revoked.wait()

    async def _run(self) -> None:
        if self._predecessor:
            # One that was revoked a moment ago may still commit, and this one begins after it.
            await asyncio.wait({self._predecessor.task})
            self._predecessor = None
        pause, failed_at = _BACK_OFF_SECONDS, self.offset
        while not self.is_revoked:
            try:
                await self._align()
                while await self._step():
                    pass
            except _StoppedError as reason:
                if not self.is_revoked:
                    self._consumer.stop_partition(self._tp, str(reason))
                return
            except _ReadAgainError as reason:
                _log.info("reads_again", topic=self._tp.topic, partition=self._tp.partition, reason=str(reason))
                await self._pause(_READ_AGAIN_SECONDS)
            except Exception as error:  # noqa: BLE001 - a failure of any kind is retried, never skipped
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
        """Set the position to the database's offset; stop where the log does not hold it."""
        stored = (await self._consumer.stored([self._tp])).get(self._tp)
        # After the stored offset: the log may grow meanwhile, and must not look shorter than what was taken.
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            begin = (await self._client.beginning_offsets([self._tp]))[self._tp]
            end = (await self._client.end_offsets([self._tp]))[self._tp]
        if stored is None:
            stored = begin
            await self._consumer.seed(self._tp, begin)
        if not begin <= stored <= end:
            self._read_again_once(stored, f"the log holds offsets {begin} to {end}, and {stored} is the next to read")
            raise _StoppedError(
                f"{self._name}: the log holds offsets {begin} to {end}, but {stored} is the next to read: the topic "
                "was recreated, or retention overtook this service. Nothing was dropped and nothing more is read. "
                "Publish what is missing again, then set the row's next_offset in reporting.consumer_offsets to "
                f"{begin} and restart."
            )
        self._client.seek(self._tp, stored)
        self.offset = stored

    async def _step(self) -> bool:
        """Wait a moment for records and take them; False once the partition is revoked."""
        self.is_waiting = True
        try:
            fetched = await self._client.getmany(self._tp, timeout_ms=_POLL_MS, max_records=self._consumer.max_records)
        except (BatchBoundaryError, RecordTooLargeError) as error:
            self._read_again_once(self.offset, f"the record batch at offset {self.offset}: {error}")
            raise _StoppedError(
                f"{self._name}: what the broker sends at offset {self.offset} is no record batch ({error}), so the "
                "next one cannot be found. Nothing was dropped and nothing more is read. Repair the partition from a "
                "replica, or publish the lost events again and set the row's next_offset in "
                "reporting.consumer_offsets to the first offset that can be read; then restart."
            ) from None
        finally:
            self.is_waiting = False
        items: list[FetchedItem] = fetched.get(self._tp, [])
        if self.is_revoked:
            return False
        if items:
            await self._take_all(items)
        else:
            await self._check_position()
        return not self.is_revoked

    async def _check_position(self) -> None:
        """While nothing comes, the position must be the stored offset: else a batch was lost on the way."""
        if await self._client.position(self._tp) != self.offset:
            raise _ReadAgainError(f"the position left offset {self.offset}, and no records came")

    async def _take_all(self, items: list[FetchedItem]) -> None:
        last = items[-1]
        raw = last if isinstance(last, RawBatch) else None
        if raw:
            items = items[:-1]
        if items:
            await self._take_once_more_at_gaps(items)
        if raw is None:
            return
        if not raw.is_intact:
            self._read_again_once(raw.offset, f"the record batch at offset {raw.offset} has a wrong checksum")
        parts = raw.parts()
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            if part:
                await self._take_once_more_at_gaps(part)

    async def _take_once_more_at_gaps(self, items: list[FetchedItem]) -> None:
        try:
            await self._take(items)
        except _GapError as gap:
            self._read_again_once(gap.start, str(gap))
            if not await self._consumer.is_compacted(self._tp.topic):
                raise _StoppedError(
                    f"{self._name}: {gap} from the log, read twice, and the topic is not compacted. Nothing more is "
                    "read. Find out what removed them, publish them again, then set the row's next_offset in "
                    f"reporting.consumer_offsets to {gap.end} and restart."
                ) from None
            self._is_compacted = True
            raise

    def _read_again_once(self, offset: int, why: str) -> None:
        """Seek back to the stored offset, but not twice for the same offset."""
        if self._read_again_at != offset:
            self._read_again_at = offset
            raise _ReadAgainError(why)

    async def _take(self, items: list[FetchedItem]) -> None:
        """One transaction: what no other has taken yet, and the offset after it."""
        place = {"cluster": self._consumer.cluster, "topic": self._tp.topic, "partition": self._tp.partition}
        async with (
            self._consumer.slots,
            self._consumer.pool.acquire() as connection,
            connection.transaction(),
        ):
            next_offset: int | None = await _sql.lock_offset(connection, **place)
            if next_offset is None:
                raise _ReadAgainError("the row of its offset is gone")
            if items[0].offset < next_offset:
                # Another consumer of this partition has taken them.
                items = [item for item in items if _following(item) > next_offset]
            if items:
                self._check_for_gaps(items, next_offset)
                await self._handle(connection, items)
                next_offset = _following(items[-1])
                await _sql.advance_offset(connection, **place, next_offset=next_offset)
        self.offset = next_offset
        self._consumer.hint(self._tp, next_offset)
        if not items:
            raise _ReadAgainError(f"offset {next_offset} is stored already")

    def _check_for_gaps(self, items: list[FetchedItem], next_offset: int) -> None:
        """Raise where offsets are missing: all of them must be accounted for, but for what compaction removed.

        A lost batch leaves a gap as compaction does, so one at the front is read twice even there.
        """
        for start, end in _gaps(items, next_offset):
            if not self._is_compacted or (start == next_offset and self._read_again_at != start):
                raise _GapError(start, end)

    async def _handle(self, connection: Connection, items: list[FetchedItem]) -> None:
        records = [item for item in items if isinstance(item, ConsumerRecord)]
        bad = [DeadLetter(item.record, item.reason) for item in items if isinstance(item, UndecodableRecord)]
        batch = Batch(self._consumer.cluster, self._tp.topic, self._tp.partition, records, self._consumer.prefix)
        correlation_id = read_correlation_id(records[0].headers) if records else ""
        with bound_contextvars(correlation_id=correlation_id):
            if records:
                await process_batch(connection, self._consumer.handlers[self._tp.topic], batch)
            await dead_letter(connection, batch, bad)


def _following(item: FetchedItem) -> int:
    return int(item.offset) + 1 if isinstance(item, ConsumerRecord) else item.following


def _gaps(items: list[FetchedItem], expected: int) -> Iterator[tuple[int, int]]:
    """The ranges of offsets, from ``expected`` on, that nothing accounts for."""
    if set(map(type, items)) == {ConsumerRecord} and int(items[-1].offset) - expected + 1 == len(items):
        return  # as many records as offsets, the usual case
    for item in items:
        if item.offset > expected:
            yield expected, item.offset
        if isinstance(item, SkippedOffsets) and not item.is_control:
            yield item.offset, item.following
        expected = _following(item)
