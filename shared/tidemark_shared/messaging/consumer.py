"""A Kafka consumer that stores its offsets in the database; aiokafka fetches records and manages the group.

Each assigned partition has its own worker, so a failure in one partition blocks only that partition. The offsets
committed to Kafka are only for lag monitoring.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NoReturn

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from tidemark_shared.database import Pool, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.batches import TRANSIENT_ERRORS, Handler, count_dead_letters_from_zero
from tidemark_shared.messaging.fetching import as_bytes
from tidemark_shared.messaging.lag import LagClock, fetch_end_offsets, show_lag
from tidemark_shared.messaging.liveness import ClientHealth, background_tasks
from tidemark_shared.messaging.partition_worker import PartitionWorker
from tidemark_shared.tasks import cancel_tasks

_log = get_logger()
_sql: SharedQueries = queries("tidemark_shared")

_WATCH_INTERVAL_SECONDS = 1.0
_COMMIT_INTERVAL_SECONDS = 1.0
_SILENCE_LIMIT_SECONDS = 15
_STOP_TIMEOUT_SECONDS = 5
_START_TIMEOUT_SECONDS = 30
# The service is not ready if records wait this long in a partition and none is processed.
_STALL_LIMIT_SECONDS = 120.0
# A partition that is not part of the current fetch waits until that fetch ends.
_FETCH_WAIT_MS = 25
# How soon the client notices that a topic was deleted, recreated or got more partitions.
_METADATA_MAX_AGE_MS = 5_000
# How soon a request to a broker that has gone without closing its connections fails.
_REQUEST_TIMEOUT_MS = 10_000
_PARTITION_FETCH_BYTES = 8 * 1024 * 1024


class Consumer:
    """Reads topics as one member of a group; passes each handler a transaction and a batch of one partition.

    After a transient error the batch is rolled back and read again, until it succeeds. If the data make a handler
    fail, the bad record becomes a dead letter.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        pool: Pool,
        *,
        cluster: str,
        group: str,
        handlers: Mapping[str, Handler],
        after_commit: Callable[[], None] = lambda: None,
        max_records: int = 5_000,
        prefix: str = "",
    ) -> None:
        self.pool, self.handlers, self.cluster, self.prefix = pool, handlers, cluster, prefix
        self.max_records = max_records
        count_dead_letters_from_zero([topic.removeprefix(prefix) for topic in handlers])
        # Half of the pool, so that requests and the watch always find a connection.
        self.transaction_slots = asyncio.Semaphore(max(1, pool.get_max_size() // 2))
        self._bootstrap_servers, self._group = bootstrap_servers, group
        self._client: AIOKafkaConsumer | None = None
        # Locked while the client is created or closed: the watch and `stop` must not do so at the same time.
        self._client_lock = asyncio.Lock()
        self._is_closed = False
        self._workers: dict[TopicPartition, PartitionWorker] = {}
        self._stop_reasons: dict[TopicPartition, str] = {}
        self._compacted: dict[str, bool] = {}
        self._after_commit = after_commit
        self._uncommitted: dict[TopicPartition, int] = {}
        self._commit_task: asyncio.Task[NoReturn] | None = None
        self._health = ClientHealth()
        self._progress: dict[TopicPartition, tuple[int, float]] = {}
        self._stall_problems: list[str] = []
        self._lag_clock = LagClock()
        self._committed_at = time.monotonic()

    async def start(self) -> None:
        """Join the group and start to read."""
        self._health, self._is_closed = ClientHealth(), False
        async with self._client_lock:
            await self._connect()
        self._commit_task = asyncio.create_task(self._commit_periodically(), name="offset commits")

    async def stop(self) -> None:
        """Leave the group; give up after a few seconds, because it would wait for a broker that is gone."""
        if self._commit_task:
            await cancel_tasks({self._commit_task})
        self._is_closed = True
        async with self._client_lock:
            await self._disconnect()

    def problems(self) -> list[str]:
        """Reasons why this consumer makes no progress."""
        problems = [*self._stop_reasons.values(), *self._stall_problems]
        # A batch that was processed has come from Kafka and is in the database, whatever the checks say.
        silence = time.monotonic() - max(self._health.checked_at, self._committed_at)
        if silence > _SILENCE_LIMIT_SECONDS:
            problems.append(f"Kafka or the database has not answered the consumer for {silence:.0f} s.")
        return problems

    def failures(self) -> list[str]:
        """Reasons to restart this process: its client makes no progress, and a new client did not help."""
        return self._health.failures()

    async def has_caught_up(self, topics: Collection[str]) -> bool:
        """Whether the group has processed all records that are in ``topics`` now."""
        ends = await self.fetch_ends(topics)
        stored = await self.load_offsets(list(ends))
        return bool(ends) and all(stored.get(tp, 0) >= end for tp, end in ends.items())

    async def fetch_ends(self, topics: Collection[str]) -> dict[TopicPartition, int]:
        """Where the partitions of ``topics`` end now; empty while the client is not connected."""
        if self._client is None:
            return {}
        ends: dict[TopicPartition, int] = await self._client.end_offsets(self._partitions(topics))
        return ends

    async def watch(self) -> None:
        """Check the client until it is stopped: replace one that makes no progress, and report stalled partitions."""
        while not self._is_closed:
            with contextlib.suppress(*TRANSIENT_ERRORS):
                await self._check_client(await self._connected_client())
            if reason := self._health.reason_to_replace():
                _log.error("client_replaced", reason=reason)
                async with self._client_lock:
                    await self._disconnect()
                self._health.record_replacement()
            await asyncio.sleep(_WATCH_INTERVAL_SECONDS)

    async def load_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of each partition that has one."""
        async with self.pool.acquire() as connection:
            rows = _sql.load_offsets(
                connection,
                cluster=self.cluster,
                topics=[tp.topic for tp in partitions],
                partitions=[tp.partition for tp in partitions],
            )
            return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] async for row in rows}

    async def insert_offset(self, tp: TopicPartition, offset: int) -> None:
        """Store the first offset of a partition that was never read."""
        async with self.pool.acquire() as connection:
            await _sql.insert_offset(
                connection, cluster=self.cluster, topic=tp.topic, partition=tp.partition, next_offset=offset
            )

    async def is_compacted(self, topic: str) -> bool:
        """Whether the topic's configuration enables compaction; fetched once."""
        if topic not in self._compacted:
            self._compacted[topic] = await kafka.is_compacted(self._bootstrap_servers, topic)
        return self._compacted[topic]

    def record_commit(self, tp: TopicPartition, offset: int) -> None:
        """Note that the database has an offset. It is committed to Kafka in the background."""
        self._uncommitted[tp] = offset
        self._committed_at = time.monotonic()
        self._after_commit()

    def stop_partition(self, tp: TopicPartition, reason: str) -> None:
        """Stop to fetch a partition until an operator acts, and report it."""
        self._stop_reasons[tp] = reason
        if self._client:
            with contextlib.suppress(KafkaError):
                self._client.pause(tp)
        _log.error("partition_stopped", topic=tp.topic, partition=tp.partition, reason=reason)

    def revoke(self, partitions: Collection[TopicPartition]) -> None:
        """Stop the workers of partitions after their current batch."""
        for tp in partitions:
            self._stop_reasons.pop(tp, None)
            if worker := self._workers.get(tp):
                worker.revoke()

    def assign(self, client: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """Start a worker for each partition; none for a client that is being closed, since nothing would stop them."""
        for tp in partitions if client is self._client else ():
            self._workers[tp] = PartitionWorker(self, client, tp, self._workers.get(tp))

    async def _connect(self) -> AIOKafkaConsumer:
        client = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            group_id=self._group,
            enable_auto_commit=False,
            # Workers seek to the stored offsets, and check an offset that the log does not have.
            auto_offset_reset="none",
            value_deserializer=as_bytes,
            max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            metadata_max_age_ms=_METADATA_MAX_AGE_MS,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            # A killed member keeps its partitions until its session ends.
            session_timeout_ms=6_000,
            # Members learn from the answer to a heartbeat that another one joins or leaves.
            heartbeat_interval_ms=500,
            **kafka.client_options(),
        )
        self._client = client
        client.subscribe([*self.handlers], listener=_Listener(self, client))
        try:
            async with asyncio.timeout(_START_TIMEOUT_SECONDS):
                await client.start()
        except BaseException:
            await self._disconnect()
            raise
        return client

    async def _connected_client(self) -> AIOKafkaConsumer | None:
        """The client, or a new one if the last was closed."""
        async with self._client_lock:
            if self._client or self._is_closed:
                return self._client
            try:
                return await self._connect()
            except TRANSIENT_ERRORS as error:
                _log.warning("kafka_connection_failed", error=repr(error))
                self._health.record_unreachable()
                raise

    async def _disconnect(self) -> None:
        """Stop the workers and the client, in any state."""
        client, self._client = self._client, None
        workers, self._workers = self._workers, {}
        self._stop_reasons.clear()
        for worker in workers.values():
            worker.revoke()
        tasks = {worker.task for worker in workers.values()}
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=_STOP_TIMEOUT_SECONDS)
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished, timeout=_STOP_TIMEOUT_SECONDS)
        if client is None:
            return
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
                with contextlib.suppress(KafkaError, TimeoutError):
                    await self._commit(client, 1)
                await client.stop()
        except Exception as error:  # noqa: BLE001 - the client may be in any state
            _log.warning("client_abandoned", error=repr(error))
            for task in background_tasks(client):
                task.cancel()

    async def _commit_periodically(self) -> NoReturn:
        while True:
            await asyncio.sleep(_COMMIT_INTERVAL_SECONDS)
            try:
                if self._client:
                    await self._commit(self._client, _STOP_TIMEOUT_SECONDS)
            except Exception as error:  # noqa: BLE001 - the next commit follows in a moment
                _log.info("commit_failed", error=repr(error))

    async def _commit(self, client: AIOKafkaConsumer, timeout_seconds: float) -> None:
        uncommitted, self._uncommitted = self._uncommitted, {}
        assigned = client.assignment()
        offsets = {tp: offset for tp, offset in uncommitted.items() if tp in assigned}
        if offsets:
            async with asyncio.timeout(timeout_seconds):
                await client.commit(offsets)

    def _partitions(self, topics: Collection[str]) -> list[TopicPartition]:
        client = self._client
        return [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in sorted((client and client.partitions_for_topic(topic)) or ())
        ]

    async def _check_client(self, client: AIOKafkaConsumer | None) -> None:
        """Compare the end offsets in Kafka with the stored offsets."""
        if client is None:
            return
        workers = {tp: worker for tp, worker in self._workers.items() if not worker.is_revoked}
        has_dead_worker = any(worker.task.done() and tp not in self._stop_reasons for tp, worker in workers.items())
        if has_dead_worker or any(task.done() for task in background_tasks(client)):
            self._health.record_dead_task()
            return
        ends = await fetch_end_offsets(client, self._partitions(self.handlers))
        self._health.record_answer(
            {
                tp: worker.offset
                for tp, worker in workers.items()
                if worker.is_waiting and worker.offset < ends.get(tp, 0)
            },
            workers.keys() - ends.keys(),
        )
        await self._save_end_offsets(ends)
        positions = {tp: worker.offset for tp, worker in workers.items()}
        stored = await self.load_offsets(sorted(ends.keys() | workers.keys()))
        show_lag(self._lag_clock, self.prefix, ends, stored)
        for tp, worker in workers.items():
            # Offsets that were stored only grow, unless the database is restored to an earlier moment.
            worker.is_ahead = stored.get(tp, 0) < positions[tp]
        self._note_stalls(workers, ends, stored)
        self._health.record_offsets(stored)

    async def _save_end_offsets(self, ends: Mapping[TopicPartition, int]) -> None:
        """Store them for ``reporting.consumer_lag``. In order, so that two members never wait for each other."""
        partitions = sorted(ends)
        async with self.pool.acquire() as connection:
            await _sql.save_end_offsets(
                connection,
                cluster=self.cluster,
                topics=[tp.topic for tp in partitions],
                partitions=[tp.partition for tp in partitions],
                end_offsets=[ends[tp] for tp in partitions],
            )

    def _note_stalls(
        self,
        assigned: Collection[TopicPartition],
        ends: Mapping[TopicPartition, int],
        stored: Mapping[TopicPartition, int],
    ) -> None:
        """Report the partitions in which records wait and none is processed, for any reason."""
        now, problems = time.monotonic(), []
        for tp in sorted(assigned):
            next_offset = stored.get(tp, 0)
            last_offset, since = self._progress.get(tp, (None, now))
            if last_offset != next_offset or next_offset >= ends.get(tp, next_offset + 1):
                self._progress[tp] = (next_offset, now)
            elif now - since > _STALL_LIMIT_SECONDS:
                problems.append(
                    f"{tp.topic}/{tp.partition}: the record at offset {next_offset} waits, and none was processed for "
                    f"{now - since:.0f} s. The log of this service has the reason."
                )
        self._stall_problems = problems


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer, client: AIOKafkaConsumer) -> None:
        self._consumer, self._client = consumer, client

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._consumer.revoke(revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._consumer.assign(self._client, assigned)
