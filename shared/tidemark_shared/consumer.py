"""A Kafka consumer whose offset lives in the database, in the transaction of what it made of the records.

FastStream polls and keeps the group; what a crash, a rebalance or a second consumer may repeat, the row in
``progress`` drops. Kafka's own committed offset is only a hint for those who watch lag.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.events import Headers, headers_as_json
from tidemark_shared.log import bound_contextvars, get_logger

_log = get_logger()
_sql = queries("tidemark_shared")

_WATCH_SECONDS = 1.0
_SILENT_SECONDS = 15
_BACK_OFF_SECONDS = 0.5
_MOST_BACK_OFF_SECONDS = 10.0
_STOP_SECONDS = 5
# How long records may wait, and none be taken, until the service is no longer ready.
_PATIENCE_SECONDS = 120.0
# How long a topic that was deleted, recreated or given partitions may go unnoticed.
_METADATA_MS = 5_000
_MOST_CORRELATION = 128
_MOST_REASON = 2_000
_PARTITION_FETCH_BYTES = 8 * 1024 * 1024

# What Postgres says of the data rather than of itself: retrying cannot mend it, so the record is singled out.
_BAD_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)


class Batch(NamedTuple):
    """Records of one partition that no transaction has taken yet, in the order of their offsets."""

    cluster: str
    topic: str
    partition: int
    records: Sequence[ConsumerRecord]
    prefix: str = ""
    """What the topic's name begins with here; the relay writes it before the names of the outbox."""
    learned_at: datetime | None = None
    """When it counts as learned; None for the time of the transaction."""


class DeadLetter(NamedTuple):
    """A record for the dead letters, and why: what, where, and how to mend it."""

    record: ConsumerRecord
    reason: str


Handle = Callable[[Connection, Batch], Awaitable[None]]


async def dead_letter(connection: Connection, batch: Batch, refusals: Sequence[DeadLetter]) -> None:
    """Write the dead letters of a batch, and their copies for the topic, in the batch's transaction."""
    if not refusals:
        return
    await _sql.write_dead_letters(
        connection,
        cluster=batch.cluster,
        topic=batch.topic,
        partition=batch.partition,
        copy_topic=f"{batch.topic.removeprefix(batch.prefix)}.dlq",
        offsets=[record.offset for record, _ in refusals],
        # A reason may quote the record, and Postgres takes no NUL.
        reasons=[reason[:_MOST_REASON].replace("\0", "\\0") for _, reason in refusals],
        keys=[record.key for record, _ in refusals],
        values=[record.value for record, _ in refusals],
        headers=[json.dumps(headers_as_json(record.headers)) for record, _ in refusals],
        timestamps=[record.timestamp for record, _ in refusals],
    )
    _log.warning("records_refused", topic=batch.topic, partition=batch.partition, count=len(refusals))


async def process_batch(connection: Connection, handle: Handle, batch: Batch) -> None:
    """Have a batch handled; where Postgres refuses its data, halve it until the bad record stands alone."""
    try:
        async with connection.transaction():
            await handle(connection, batch)
    except _BAD_DATA as error:
        if len(batch.records) == 1:
            await dead_letter(connection, batch, [DeadLetter(batch.records[0], f"The database refused it: {error}")])
            return
        half = len(batch.records) // 2
        for part in (batch.records[:half], batch.records[half:]):
            await process_batch(connection, handle, batch._replace(records=part))


class Consumer:
    """Reads topics as one member of a group; each handler is given a transaction and a batch of one partition.

    A handler that raises is rolled back and its batch read again after a pause, until it succeeds: only the
    handler itself, or a complaint of Postgres about the data, sends a record to the dead letters.
    """

    def __init__(
        self,
        bootstrap: str,
        pool: Pool,
        *,
        cluster: str,
        group: str,
        handlers: Mapping[str, Handle],
        most_records: int = 20_000,
        prefix: str = "",
    ) -> None:
        self._pool = pool
        self._handlers = handlers
        self._cluster, self._prefix = cluster, prefix
        self._stopped: dict[TopicPartition, str] = {}
        self._sought: dict[TopicPartition, int] = {}
        self._watched_at = time.monotonic()
        self._progress: dict[TopicPartition, tuple[int, float]] = {}
        self._waiting: list[str] = []
        self._back_off = _BACK_OFF_SECONDS
        self._busy = False
        self._broker = KafkaBroker(bootstrap, metadata_max_age_ms=_METADATA_MS, logger=None, apply_types=False)
        self._subscriber = self._broker.subscriber(
            *handlers,
            group_id=group,
            batch=True,
            max_records=most_records,
            batch_timeout_ms=50,
            max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
            # With "none" the race between the first assignment and `align` costs a pause of five seconds. A
            # recreated topic is then read from 0: what lies below the stored offset is looked into, not just dropped.
            auto_offset_reset="earliest",
            # A member that was killed keeps its partitions until its session ends.
            session_timeout_ms=6_000,
            heartbeat_interval_ms=2_000,
            ack_policy=AckPolicy.MANUAL,
            listener=_Align(self),
            no_reply=True,
        )
        # The library's own parser decodes every header: one that is not UTF-8 would lose the whole batch.
        self._subscriber(self._on_batch, parser=_raw, decoder=_as_it_is)

    async def start(self) -> None:
        """Join the group and read."""
        await self._broker.start()

    async def stop(self) -> None:
        """Leave the group; bounded, because a farewell to a broker that is gone would wait for it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._broker.stop(), _STOP_SECONDS)

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        consumer = self._subscriber.consumer
        if consumer is None:
            raise RuntimeError("The consumer is not started.")
        return consumer

    def problems(self) -> list[str]:
        """Why this consumer makes no progress; empty when it does."""
        found = [*self._stopped.values(), *self._waiting]
        silent = time.monotonic() - self._watched_at
        if silent > _SILENT_SECONDS:
            found.append(f"Kafka or the database has not answered the consumer for {silent:.0f} s.")
        return found

    async def caught_up(self, topics: Collection[str]) -> bool:
        """Whether everything that is in ``topics`` now has been taken, by this member of the group or another."""
        consumer = self._consumer
        partitions = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in consumer.partitions_for_topic(topic) or ()
        ]
        ends = await consumer.end_offsets(partitions)
        stored = await self._stored(partitions)
        return bool(partitions) and all(stored.get(one, 0) >= end for one, end in ends.items())

    async def watch(self) -> None:
        """Look after the assignment for ever: a log that does not hold the stored offset stops its partition."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            consumer = self._subscriber.consumer
            if consumer is None:
                continue
            with contextlib.suppress(KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                assigned = set(consumer.assignment()) - set(self._stopped)
                await self._check(assigned, seek=False)
                await self._read_again_what_was_lost(assigned)
                await self._look_for_progress(assigned)
                self._watched_at = time.monotonic()

    async def align(self, partitions: set[TopicPartition]) -> None:
        """Set the position of newly assigned partitions to the database's offsets."""
        async for attempt in AsyncRetrying(
            wait=wait_random_exponential(multiplier=0.2, max=5),
            retry=retry_if_exception_type((KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)),
            before_sleep=lambda state: _log.warning(
                "align_failed", error=repr(state.outcome and state.outcome.exception())
            ),
        ):
            with attempt:
                await self._check(partitions, seek=True)

    async def _read_again_what_was_lost(self, assigned: set[TopicPartition]) -> None:
        """Go back where the position stands beyond the stored offset and nobody is at work between the two.

        The batch was lost on the way here, or there is nothing to read in between.
        """
        stored = await self._stored(sorted(assigned))
        for one, next_offset in stored.items():
            position = await self._consumer.position(one)
            if not self._busy and position > next_offset and self._sought.get(one) != next_offset:
                self._read_again(one, next_offset)

    async def _look_for_progress(self, assigned: set[TopicPartition]) -> None:
        """Note the partitions in which records wait and none is taken, whatever keeps them from it."""
        stored, ends = await self._stored(sorted(assigned)), await self._consumer.end_offsets(sorted(assigned))
        now, waiting = asyncio.get_running_loop().time(), []
        for one, end in ends.items():
            next_offset = stored.get(one, 0)
            idle = not self._busy and await self._consumer.position(one) >= end
            last, since = self._progress.get(one, (None, now))
            if idle or last != next_offset:
                self._progress[one] = (next_offset, now)
            elif now - since > _PATIENCE_SECONDS:
                waiting.append(
                    f"{one.topic}/{one.partition}: offset {next_offset} waits, and nothing was taken for "
                    f"{now - since:.0f} s. The log of this service says why."
                )
        self._waiting = waiting

    async def _stored(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        async with self._pool.acquire() as connection:
            rows = _sql.stored_offsets(
                connection,
                cluster=self._cluster,
                topics=[one.topic for one in partitions],
                partitions=[one.partition for one in partitions],
            )
            return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] async for row in rows}

    async def _check(self, partitions: set[TopicPartition], *, seek: bool) -> None:
        if not partitions:
            return
        consumer, found = self._consumer, sorted(partitions)
        # Stored before ends: the log may grow between the two, and must not look shorter than what was taken.
        stored = await self._stored(found)
        begins, ends = await consumer.beginning_offsets(found), await consumer.end_offsets(found)
        for one in found:
            if one not in stored:
                await self._seed(one, begins[one])
            next_offset = stored.get(one, begins[one])
            if begins[one] <= next_offset <= ends[one]:
                if seek:
                    self._stopped.pop(one, None)
                    self._seek(one, next_offset)
                continue
            self._stop(one, next_offset, begins[one], ends[one])

    async def _seed(self, one: TopicPartition, begin: int) -> None:
        async with self._pool.acquire() as connection:
            await _sql.seed_offset(
                connection, cluster=self._cluster, topic=one.topic, partition=one.partition, next_offset=begin
            )

    def _seek(self, one: TopicPartition, offset: int) -> None:
        # A partition that has gone to another member meanwhile is that member's to read.
        with contextlib.suppress(KafkaError):
            self._consumer.seek(one, offset)

    def _read_again(self, one: TopicPartition, offset: int) -> None:
        """Go back once: compaction and transaction markers leave gaps as a lost batch does, but they stay."""
        self._seek(one, offset)
        self._sought[one] = offset

    def _stop(self, one: TopicPartition, stored: int, begin: int, end: int) -> None:
        self._stopped[one] = (
            f"{one.topic}/{one.partition}: the log holds offsets {begin} to {end}, but {stored} is the next to read: "
            "the topic was recreated, or retention overtook this service. Nothing was dropped and nothing more is "
            "read. Publish what is missing again, then set the row's next_offset in reporting.progress to "
            f"{begin} and restart."
        )
        with contextlib.suppress(KafkaError):
            self._consumer.pause(one)
        _log.error("partition_stopped", topic=one.topic, partition=one.partition, reason=self._stopped[one])

    async def _on_batch(self, message: KafkaMessage) -> None:
        """Nothing may escape: FastStream swallows it, and the position would have moved past the batch."""
        self._busy = True
        try:
            await self._take_all(message.raw_message)
        finally:
            self._busy = False

    async def _take_all(self, records: Sequence[ConsumerRecord]) -> None:
        failed = False
        for (topic, partition), group in groupby(records, key=lambda record: (record.topic, record.partition)):
            one, batch = TopicPartition(topic, partition), tuple(group)
            if one in self._stopped:
                continue
            try:
                next_offset = await self._take(one, batch)
            except Exception as error:  # noqa: BLE001 - a failure of any kind is retried, never skipped
                _log.error("batch_failed", topic=topic, partition=partition, offset=batch[0].offset, error=repr(error))
                self._seek(one, batch[0].offset)
                failed = True
                continue
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(self._consumer.commit({one: next_offset}), timeout=5)
        if failed:
            await asyncio.sleep(self._back_off)
            self._back_off = min(self._back_off * 2, _MOST_BACK_OFF_SECONDS)
        else:
            self._back_off = _BACK_OFF_SECONDS

    async def _take(self, one: TopicPartition, records: Sequence[ConsumerRecord]) -> int:
        """One transaction: what no other has taken yet, and the offset after it. Returns that offset."""
        place = {"cluster": self._cluster, "topic": one.topic, "partition": one.partition}
        async with self._pool.acquire() as connection, connection.transaction():
            next_offset: int | None = await _sql.lock_offset(connection, **place)
            if next_offset is None:
                raise NotAlignedError(one)
            if records[0].offset < next_offset:
                # Read twice, or the first records of a topic that was recreated.
                await self._check({one}, seek=False)
                if one in self._stopped:
                    return next_offset
            fresh = [record for record in records if record.offset >= next_offset]
            if not fresh:
                return next_offset
            if fresh[0].offset > next_offset and self._sought.get(one) != next_offset:
                self._read_again(one, next_offset)
                return next_offset
            batch = Batch(self._cluster, one.topic, one.partition, fresh, self._prefix)
            with bound_contextvars(correlation_id=correlation_of(fresh[0].headers)):
                await process_batch(connection, self._handlers[batch.topic], batch)
            following: int = fresh[-1].offset + 1
            await _sql.advance_offset(connection, **place, next_offset=following)
            return following


class NotAlignedError(Exception):
    """The first records of a partition came before :meth:`Consumer.align` had looked at it."""


class _Align(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        pass

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._consumer.align(set(assigned))


async def _raw(message: Any) -> KafkaMessage:
    return KafkaMessage(body=b"", headers={}, raw_message=message, consumer=FAKE_CONSUMER)


async def _as_it_is(message: Any) -> Any:
    return message


def correlation_of(headers: Headers) -> str:
    """The id as its publisher wrote it, made fit for logs, tables and headers whatever was written."""
    named = dict(headers)
    text = (named.get("ce_correlationid") or named.get("ce_id") or b"").decode(errors="replace")
    return text[:_MOST_CORRELATION].replace("\0", "\N{REPLACEMENT CHARACTER}")
