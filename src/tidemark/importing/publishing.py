"""Publish records to ``worklog.events``, with many requests in flight."""

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from tidemark.importing.events import OutgoingRecord
from tidemark.importing.import_state import Checkpoint

# Sending single records would take most of the time, so the publisher builds whole batches, one for each partition.
BATCH_BYTES = 256 * 1024


class Publisher:
    """Builds and sends batches, and reports the checkpoints that Kafka has acknowledged. End with :meth:`flush`."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partitions: Sequence[int],
        on_acknowledged: Callable[[list[Checkpoint]], None],
    ) -> None:
        self._producer, self._topic, self._on_acknowledged = producer, topic, on_acknowledged
        self._batches = {partition: producer.create_batch() for partition in partitions}
        self._checkpoints: dict[int, list[Checkpoint]] = {partition: [] for partition in partitions}
        self._requests: set[asyncio.Task[None]] = set()
        partitioner = DefaultPartitioner()
        all_partitions = sorted(partitions)
        # Kafka clients use the same partitioner, so an issue's records stay in one partition. It is slow, hence cached.
        self._partition = lru_cache(100_000)(lambda key: partitioner(key, all_partitions, all_partitions))

    async def publish(self, record: OutgoingRecord) -> None:
        """Add a record to its batch; a full batch is sent."""
        key = record.issue.encode()
        partition = self._partition(key)
        while (
            self._batches[partition].append(timestamp=None, key=key, value=record.value, headers=record.headers) is None
        ):
            await self._send(partition)
        self._checkpoints[partition].append(record.checkpoint)

    async def flush(self) -> None:
        """Send all batches and wait until Kafka has acknowledged everything. Raises Kafka's errors."""
        for partition in self._batches:
            if self._checkpoints[partition]:
                await self._send(partition)
        await asyncio.gather(*self._requests)

    async def _send(self, partition: int) -> None:
        batch, checkpoints = self._batches[partition], self._checkpoints[partition]
        self._batches[partition], self._checkpoints[partition] = self._producer.create_batch(), []
        batch.close()  # an open batch would wait for more records
        future = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._requests.add(asyncio.create_task(self._acknowledge(future, checkpoints)))
        for task in [task for task in self._requests if task.done()]:
            self._requests.remove(task)
            task.result()

    async def _acknowledge(self, future: asyncio.Future[object], checkpoints: list[Checkpoint]) -> None:
        await future
        self._on_acknowledged(checkpoints)
