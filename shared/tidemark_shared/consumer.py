"""A Kafka consumer whose offset lives in the database, in the transaction of what it made of the records.

aiokafka fetches and keeps the group. Each assigned partition has a task of its own: it reads, handles and commits one
batch after another, and what fails in it waits in it alone. What a crash, a rebalance or a second consumer may
repeat, the row in ``progress`` drops. Kafka's own committed offset is only a hint for those who watch lag.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, NoReturn

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, RecordTooLargeError

from tidemark_shared import events, kafka
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.events import Headers, headers_as_json
from tidemark_shared.liveness import Health, background_tasks
from tidemark_shared.log import bound_contextvars, get_logger
from tidemark_shared.records import BadRecord, BatchBoundaryError, Item, RawBatch, Skipped, as_bytes

_log = get_logger()
_sql = queries("tidemark_shared")

_WATCH_SECONDS = 1.0
_HINT_SECONDS = 1.0
_SILENT_SECONDS = 15
_BACK_OFF_SECONDS = 0.5
_MOST_BACK_OFF_SECONDS = 8.0
_STOP_SECONDS = 5
_START_SECONDS = 30
# How long records may wait, and none be taken, until the service is no longer ready.
_PATIENCE_SECONDS = 120.0
_READ_AGAIN_SECONDS = 0.1
_ANSWER_SECONDS = 5.0
_POLL_MS = 200
# A partition that is not in the fetch under way waits for its end.
_FETCH_WAIT_MS = 25
# How long a topic that was deleted, recreated or given partitions may go unnoticed.
_METADATA_MS = 5_000
# A broker that is gone without closing its connections costs one of these.
_REQUEST_TIMEOUT_MS = 10_000
_MOST_CORRELATION = 128
_MOST_REASON = 2_000
_PARTITION_FETCH_BYTES = 8 * 1024 * 1024

# What passes by itself, or once an operator has acted: connections, locks, deadlocks, room, a missing migration.
TRANSIENT = (
    OSError,
    TimeoutError,
    MemoryError,
    KafkaError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PostgresSystemError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.TransactionRollbackError,
)


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
    """Have a batch handled; where its data make the handler fail, halve it until the bad record stands alone."""
    try:
        async with connection.transaction():
            await handle(connection, batch)
    except TRANSIENT:
        raise
    except Exception as error:  # noqa: BLE001 - whatever else a handler raises, it is the data that make it
        if len(batch.records) == 1:
            await dead_letter(connection, batch, [DeadLetter(batch.records[0], _reason(error, batch))])
            return
        half = len(batch.records) // 2
        for part in (batch.records[:half], batch.records[half:]):
            await process_batch(connection, handle, batch._replace(records=part))


def _reason(error: Exception, batch: Batch) -> str:
    if isinstance(error, asyncpg.PostgresError):
        return f"The database refused it: {error}"
    _log.error(
        "record_failed",
        topic=batch.topic,
        partition=batch.partition,
        offset=batch.records[0].offset,
        exc_info=error,
    )
    return f"Internal error: {type(error).__name__}: {error}. The log of this service has the details."


class ReceivedEvent(NamedTuple):
    """An event and the record that it came in."""

    record: ConsumerRecord
    event: events.Event


def read_events(
    topic: events.Topic, records: Collection[ConsumerRecord]
) -> tuple[list[ReceivedEvent], list[DeadLetter]]:
    """The events in records of ``topic``, and the dead letters; the same for every service."""
    received, dead_letters = [], []
    for record in records:
        if is_tombstone(topic, record):
            continue
        try:
            received.append(ReceivedEvent(record, events.read(topic, record.headers, record.value)))
        except events.DecodeError as error:
            dead_letters.append(DeadLetter(record, str(error)))
    return received, dead_letters


def is_tombstone(topic: events.Topic, record: ConsumerRecord) -> bool:
    """Whether the record only says that its key is gone, which compaction understands and nobody else needs to."""
    return record.value is None and topic.retention == "compacted"


class _StoppedError(Exception):
    """The partition cannot go on until somebody acts; the text says why and what to do."""


class _ReadAgainError(Exception):
    """What was read does not follow the stored offset."""


class _GapError(_ReadAgainError):
    """Offsets from ``start`` to before ``end`` are missing."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(f"offsets {start} to {end - 1} are missing")
        self.start, self.end = start, end


class _Worker:
    """Takes the records of one assigned partition, one transaction after another, until it is revoked."""

    def __init__(
        self, consumer: "Consumer", client: AIOKafkaConsumer, tp: TopicPartition, predecessor: "_Worker | None"
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
                pause = min(pause * 2, _MOST_BACK_OFF_SECONDS) if self.offset == failed_at else _BACK_OFF_SECONDS
                failed_at = self.offset
                await self._pause(pause)
            finally:
                self.is_waiting = False

    async def _align(self) -> None:
        """Set the position to the database's offset; stop where the log does not hold it."""
        stored = (await self._consumer.stored([self._tp])).get(self._tp)
        # After the stored offset: the log may grow meanwhile, and must not look shorter than what was taken.
        async with asyncio.timeout(_ANSWER_SECONDS):
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
                "Publish what is missing again, then set the row's next_offset in reporting.progress to "
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
                "replica, or publish the lost events again and set the row's next_offset in reporting.progress to "
                "the first offset that can be read; then restart."
            ) from None
        finally:
            self.is_waiting = False
        items: list[Item] = fetched.get(self._tp, [])
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

    async def _take_all(self, items: list[Item]) -> None:
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

    async def _take_once_more_at_gaps(self, items: list[Item]) -> None:
        try:
            await self._take(items)
        except _GapError as gap:
            self._read_again_once(gap.start, str(gap))
            if not await self._consumer.is_compacted(self._tp.topic):
                raise _StoppedError(
                    f"{self._name}: {gap} from the log, read twice, and the topic is not compacted. Nothing more is "
                    "read. Find out what removed them, publish them again, then set the row's next_offset in "
                    f"reporting.progress to {gap.end} and restart."
                ) from None
            self._is_compacted = True
            raise

    def _read_again_once(self, offset: int, why: str) -> None:
        """Seek back to the stored offset, but not twice for the same offset."""
        if self._read_again_at != offset:
            self._read_again_at = offset
            raise _ReadAgainError(why)

    async def _take(self, items: list[Item]) -> None:
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

    def _check_for_gaps(self, items: list[Item], next_offset: int) -> None:
        """Raise where offsets are missing: all of them must be accounted for, but for what compaction removed.

        A lost batch leaves a gap as compaction does, so one at the front is read twice even there.
        """
        for start, end in _gaps(items, next_offset):
            if not self._is_compacted or (start == next_offset and self._read_again_at != start):
                raise _GapError(start, end)

    async def _handle(self, connection: Connection, items: list[Item]) -> None:
        records = [item for item in items if isinstance(item, ConsumerRecord)]
        bad = [DeadLetter(item.record, item.reason) for item in items if isinstance(item, BadRecord)]
        batch = Batch(self._consumer.cluster, self._tp.topic, self._tp.partition, records, self._consumer.prefix)
        correlation_id = correlation_of(records[0].headers) if records else ""
        with bound_contextvars(correlation_id=correlation_id):
            if records:
                await process_batch(connection, self._consumer.handlers[self._tp.topic], batch)
            await dead_letter(connection, batch, bad)


def _following(item: Item) -> int:
    return int(item.offset) + 1 if isinstance(item, ConsumerRecord) else item.following


def _gaps(items: list[Item], expected: int) -> Iterator[tuple[int, int]]:
    """The ranges of offsets, from ``expected`` on, that nothing accounts for."""
    if set(map(type, items)) == {ConsumerRecord} and int(items[-1].offset) - expected + 1 == len(items):
        return  # as many records as offsets, the usual case
    for item in items:
        if item.offset > expected:
            yield expected, item.offset
        if isinstance(item, Skipped) and not item.is_control:
            yield item.offset, item.following
        expected = _following(item)


class Consumer:
    """Reads topics as one member of a group; each handler is given a transaction and a batch of one partition.

    What passes by itself is rolled back and read again after a pause, until it succeeds; what the data make a handler
    raise sends the record at fault to the dead letters.
    """

    def __init__(
        self,
        bootstrap: str,
        pool: Pool,
        *,
        cluster: str,
        group: str,
        handlers: Mapping[str, Handle],
        max_records: int = 20_000,
        prefix: str = "",
    ) -> None:
        self.pool, self.handlers, self.cluster, self.prefix = pool, handlers, cluster, prefix
        self.max_records = max_records
        # Half of the pool: requests and the watch find a connection whatever the partitions do.
        self.slots = asyncio.Semaphore(max(1, pool.get_max_size() // 2))
        self._bootstrap, self._group = bootstrap, group
        self._client: AIOKafkaConsumer | None = None
        # Held while a client is made or given up: the watch and `stop` must not do so at once.
        self._changing = asyncio.Lock()
        self._is_closed = False
        self._workers: dict[TopicPartition, _Worker] = {}
        self._stopped: dict[TopicPartition, str] = {}
        self._compacted: dict[str, bool] = {}
        self._hints: dict[TopicPartition, int] = {}
        self._hinting: asyncio.Task[NoReturn] | None = None
        self._health = Health()
        self._progress: dict[TopicPartition, tuple[int, float]] = {}
        self._waiting: list[str] = []

    async def start(self) -> None:
        """Join the group and read."""
        self._health, self._is_closed = Health(), False
        async with self._changing:
            await self._connect()
        self._hinting = asyncio.create_task(self._commit_hints(), name="hints")

    async def stop(self) -> None:
        """Leave the group; bounded, because a farewell to a broker that is gone would wait for it."""
        if self._hinting:
            self._hinting.cancel()
            await asyncio.wait({self._hinting})
        self._is_closed = True
        async with self._changing:
            await self._disconnect()

    def problems(self) -> list[str]:
        """Why this consumer makes no progress; empty when it does."""
        problems = [*self._stopped.values(), *self._waiting]
        silent = time.monotonic() - self._health.looked_at
        if silent > _SILENT_SECONDS:
            problems.append(f"Kafka or the database has not answered the consumer for {silent:.0f} s.")
        return problems

    def failures(self) -> list[str]:
        """Why this process should be restarted: its client makes no progress, and replacing it did not help."""
        return self._health.failures()

    async def caught_up(self, topics: Collection[str]) -> bool:
        """Whether everything that is in ``topics`` now has been taken, by this member of the group or another."""
        if self._client is None:
            return False
        partitions = self._partitions(topics)
        ends = await self._client.end_offsets(partitions)
        stored = await self.stored(partitions)
        return bool(partitions) and all(stored.get(tp, 0) >= end for tp, end in ends.items())

    async def watch(self) -> None:
        """Look after the client until it is stopped: replace one that makes no progress, and note what waits."""
        while not self._is_closed:
            with contextlib.suppress(*TRANSIENT):
                await self._look(await self._connected())
            if reason := self._health.reason_to_replace():
                _log.error("client_replaced", reason=reason)
                async with self._changing:
                    await self._disconnect()
                self._health.replaced()
            await asyncio.sleep(_WATCH_SECONDS)

    async def stored(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of each partition that has one."""
        async with self.pool.acquire() as connection:
            rows = _sql.stored_offsets(
                connection,
                cluster=self.cluster,
                topics=[tp.topic for tp in partitions],
                partitions=[tp.partition for tp in partitions],
            )
            return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] async for row in rows}

    async def seed(self, tp: TopicPartition, offset: int) -> None:
        """Begin a partition that was never read."""
        async with self.pool.acquire() as connection:
            await _sql.seed_offset(
                connection, cluster=self.cluster, topic=tp.topic, partition=tp.partition, next_offset=offset
            )

    async def is_compacted(self, topic: str) -> bool:
        """Whether the topic's configuration says so; asked once."""
        if topic not in self._compacted:
            self._compacted[topic] = await kafka.is_compacted(self._bootstrap, topic)
        return self._compacted[topic]

    def hint(self, tp: TopicPartition, offset: int) -> None:
        """Have an offset committed to Kafka in the background."""
        self._hints[tp] = offset

    def stop_partition(self, tp: TopicPartition, reason: str) -> None:
        """Note that a partition waits for somebody to act, and fetch no more of it."""
        self._stopped[tp] = reason
        if self._client:
            with contextlib.suppress(KafkaError):
                self._client.pause(tp)
        _log.error("partition_stopped", topic=tp.topic, partition=tp.partition, reason=reason)

    def revoke(self, partitions: Collection[TopicPartition]) -> None:
        """Have the workers of partitions end after what they are at."""
        for tp in partitions:
            self._stopped.pop(tp, None)
            if worker := self._workers.get(tp):
                worker.revoke()

    def assign(self, client: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """Begin a worker for each partition."""
        for tp in partitions:
            self._workers[tp] = _Worker(self, client, tp, self._workers.get(tp))

    async def _connect(self) -> AIOKafkaConsumer:
        client = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            enable_auto_commit=False,
            # Workers seek to the database's offsets; a position that the log does not hold is looked into.
            auto_offset_reset="none",
            value_deserializer=as_bytes,
            max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            metadata_max_age_ms=_METADATA_MS,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            # A member that was killed keeps its partitions until its session ends.
            session_timeout_ms=6_000,
            heartbeat_interval_ms=2_000,
        )
        self._client = client
        client.subscribe([*self.handlers], listener=_Listener(self, client))
        try:
            async with asyncio.timeout(_START_SECONDS):
                await client.start()
        except BaseException:
            await self._disconnect()
            raise
        return client

    async def _connected(self) -> AIOKafkaConsumer | None:
        """The client, or a new one where the last was given up."""
        async with self._changing:
            if self._client or self._is_closed:
                return self._client
            try:
                return await self._connect()
            except TRANSIENT as error:
                _log.warning("connect_failed", error=repr(error))
                self._health.unreachable()
                raise

    async def _disconnect(self) -> None:
        """End the workers and the client, whatever state they are in."""
        client, self._client = self._client, None
        workers, self._workers = self._workers, {}
        self._stopped.clear()
        for worker in workers.values():
            worker.revoke()
        tasks = {worker.task for worker in workers.values()}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_STOP_SECONDS)
        if client is None:
            return
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                with contextlib.suppress(KafkaError, TimeoutError):
                    await self._commit(client, 1)
                await client.stop()
        except Exception as error:  # noqa: BLE001 - a client that is given up may be in any state
            _log.warning("client_abandoned", error=repr(error))
            for task in background_tasks(client):
                task.cancel()

    async def _commit_hints(self) -> NoReturn:
        while True:
            await asyncio.sleep(_HINT_SECONDS)
            try:
                if self._client:
                    await self._commit(self._client, _STOP_SECONDS)
            except Exception as error:  # noqa: BLE001 - it is only a hint, and the next one comes in a moment
                _log.info("hint_failed", error=repr(error))

    async def _commit(self, client: AIOKafkaConsumer, seconds: float) -> None:
        hints, self._hints = self._hints, {}
        assigned = client.assignment()
        hints = {tp: offset for tp, offset in hints.items() if tp in assigned}
        if hints:
            async with asyncio.timeout(seconds):
                await client.commit(hints)

    def _partitions(self, topics: Collection[str]) -> list[TopicPartition]:
        client = self._client
        return [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in sorted((client and client.partitions_for_topic(topic)) or ())
        ]

    async def _look(self, client: AIOKafkaConsumer | None) -> None:
        """Compare what Kafka has with what was taken."""
        if client is None:
            return
        workers = {tp: worker for tp, worker in self._workers.items() if not worker.is_revoked}
        ended = [worker.task for tp, worker in workers.items() if worker.task.done() and tp not in self._stopped]
        if ended or any(task.done() for task in background_tasks(client)):
            self._health.died()
            return
        ends = await _end_offsets(client, self._partitions(self.handlers))
        self._health.answered(
            {
                tp: worker.offset
                for tp, worker in workers.items()
                if worker.is_waiting and worker.offset < ends.get(tp, 0)
            },
            workers.keys() - ends.keys(),
        )
        stored = await self.stored(sorted(ends.keys() | workers.keys()))
        self._note_waiting(workers, ends, stored)
        self._health.moved(stored)

    def _note_waiting(
        self,
        assigned: Collection[TopicPartition],
        ends: Mapping[TopicPartition, int],
        stored: Mapping[TopicPartition, int],
    ) -> None:
        """Note the partitions in which records wait and none is taken, whatever keeps them from it."""
        now, waiting = time.monotonic(), []
        for tp in sorted(assigned):
            next_offset = stored.get(tp, 0)
            last, since = self._progress.get(tp, (None, now))
            if last != next_offset or next_offset >= ends.get(tp, next_offset + 1):
                self._progress[tp] = (next_offset, now)
            elif now - since > _PATIENCE_SECONDS:
                waiting.append(
                    f"{tp.topic}/{tp.partition}: offset {next_offset} waits, and nothing was taken for "
                    f"{now - since:.0f} s. The log of this service says why."
                )
        self._waiting = waiting


async def _end_offsets(client: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The end offsets of those partitions whose leaders answer; one that is away must not hide the others."""

    async def end_of(tp: TopicPartition) -> int:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return int((await client.end_offsets([tp]))[tp])

    answers = await asyncio.gather(*map(end_of, partitions), return_exceptions=True)
    ends = {tp: end for tp, end in zip(partitions, answers, strict=True) if isinstance(end, int)}
    if not ends:
        raise TimeoutError("No leader of a partition answers.")
    return ends


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer, client: AIOKafkaConsumer) -> None:
        self._consumer, self._client = consumer, client

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._consumer.revoke(revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._consumer.assign(self._client, assigned)


def correlation_of(headers: Headers) -> str:
    """The id as its publisher wrote it, made fit for logs, tables and headers whatever was written."""
    named = dict(headers)
    text = (named.get("ce_correlationid") or named.get("ce_id") or b"").decode(errors="replace")
    return text[:_MOST_CORRELATION].replace("\0", "\N{REPLACEMENT CHARACTER}")
