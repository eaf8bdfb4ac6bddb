"""A Kafka consumer whose offsets live in the database; aiokafka fetches and keeps the group.

Each assigned partition has a worker of its own, so what fails in one waits in it alone. Kafka's own committed offset
is only a hint for those who watch lag.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from tidemark_shared.database import Pool, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.batches import TRANSIENT_ERRORS, Handler
from tidemark_shared.messaging.fetching import as_bytes
from tidemark_shared.messaging.liveness import ClientHealth, background_tasks
from tidemark_shared.messaging.partition_worker import ANSWER_TIMEOUT_SECONDS, PartitionWorker

_log = get_logger()
_sql = queries("tidemark_shared")

_WATCH_SECONDS = 1.0
_HINT_SECONDS = 1.0
_SILENT_SECONDS = 15
_STOP_SECONDS = 5
_START_SECONDS = 30
# How long records may wait, and none be taken, until the service is no longer ready.
_PATIENCE_SECONDS = 120.0
# A partition that is not in the fetch under way waits for its end.
_FETCH_WAIT_MS = 25
# How long a topic that was deleted, recreated or given partitions may go unnoticed.
_METADATA_MS = 5_000
# A broker that is gone without closing its connections costs one of these.
_REQUEST_TIMEOUT_MS = 10_000
_PARTITION_FETCH_BYTES = 8 * 1024 * 1024


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
        handlers: Mapping[str, Handler],
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
        self._workers: dict[TopicPartition, PartitionWorker] = {}
        self._stopped: dict[TopicPartition, str] = {}
        self._compacted: dict[str, bool] = {}
        self._hints: dict[TopicPartition, int] = {}
        self._hinting: asyncio.Task[NoReturn] | None = None
        self._health = ClientHealth()
        self._progress: dict[TopicPartition, tuple[int, float]] = {}
        self._waiting: list[str] = []

    async def start(self) -> None:
        """Join the group and read."""
        self._health, self._is_closed = ClientHealth(), False
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
            with contextlib.suppress(*TRANSIENT_ERRORS):
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
            self._workers[tp] = PartitionWorker(self, client, tp, self._workers.get(tp))

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
            except TRANSIENT_ERRORS as error:
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
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
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
