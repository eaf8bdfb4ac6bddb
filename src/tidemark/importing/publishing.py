"""Records to ``worklog.events``, many on their way at once."""

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from tidemark.importing.memory import Sent
from tidemark_shared.messaging.cloudevents import RecordHeaders

# Sending each record by itself costs more than all else: whole batches are built here, one a partition at a time.
BATCH_BYTES = 256 * 1024


class Publisher:
    """Builds batches, sends them, and tells what Kafka has acknowledged. Close with :meth:`flush`."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partitions: Sequence[int],
        acknowledged: Callable[[list[Sent]], None],
    ) -> None:
        self._producer, self._topic, self._acknowledged = producer, topic, acknowledged
        self._batches = {partition: producer.create_batch() for partition in partitions}
        self._receipts: dict[int, list[Sent]] = {partition: [] for partition in partitions}
        self._under_way: set[asyncio.Task[None]] = set()
        partitioner = DefaultPartitioner()
        every = sorted(partitions)
        # The same as any Kafka client's, so an issue's records stay in one partition; remembered, for it is slow.
        self._partition = lru_cache(100_000)(lambda key: partitioner(key, every, every))

    async def put(self, key: str, headers: RecordHeaders, value: bytes, receipt: Sent) -> None:
        """Send a record, sooner or later."""
        raw = key.encode()
        partition = self._partition(raw)
        while self._batches[partition].append(timestamp=None, key=raw, value=value, headers=headers) is None:
            await self._send(partition)
        self._receipts[partition].append(receipt)

    async def flush(self) -> None:
        """Wait until Kafka has acknowledged everything. Raises what kept it from doing so."""
        for partition in self._batches:
            if self._receipts[partition]:
                await self._send(partition)
        await asyncio.gather(*self._under_way)

    async def _send(self, partition: int) -> None:
        batch, receipts = self._batches[partition], self._receipts[partition]
        self._batches[partition], self._receipts[partition] = self._producer.create_batch(), []
        batch.close()  # or it would linger for more
        future = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._under_way.add(asyncio.create_task(self._acknowledge(future, receipts)))
        for task in [task for task in self._under_way if task.done()]:
            self._under_way.remove(task)
            task.result()

    async def _acknowledge(self, future: asyncio.Future[object], receipts: list[Sent]) -> None:
        await future
        self._acknowledged(receipts)
