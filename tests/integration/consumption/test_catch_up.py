"""Balances wait until consumption has folded what Kafka had at the start, but not for what stands still."""

import asyncio

from aiokafka import TopicPartition
from polling import wait_until

from tidemark_consumption.catch_up import wait_until_caught_up

PARTITION = TopicPartition("worklog.events", 0)


class StoppedConsumer:
    """A consumer that has appended records up to an offset of a partition with 2 records."""

    def __init__(self, offset):
        self.offset, self.loads = offset, 0

    async def fetch_ends(self, _topics):
        return {PARTITION: 2}

    async def load_offsets(self, _partitions):
        self.loads += 1
        return {PARTITION: self.offset}


async def test_balances_wait_for_what_kafka_has_to_be_appended_and_folded(pool):
    consumer = StoppedConsumer(1)
    waiting = asyncio.create_task(wait_until_caught_up(consumer, pool, ["worklog.events"]))

    async def wait_for_two_checks():
        loads = consumer.loads
        await wait_until(lambda: consumer.loads > loads + 3)

    # While a record is not appended, they wait
    await wait_for_two_checks()
    assert not waiting.done()
    # While it is not folded, they wait
    batch = await pool.fetchval(
        "INSERT INTO batches (cluster, topic, partition, first_offset, log, record_count, correlation_id, appended_at)"
        " VALUES ('c', 'worklog.events', 0, 0, 'facts', 1, 'test', now() - interval '1 minute') RETURNING batch"
    )
    consumer.offset = 2
    await wait_for_two_checks()
    assert not waiting.done()
    await pool.execute("UPDATE batches SET learned_at = now() WHERE batch = $1", batch)
    await wait_until(waiting.done)


async def test_partition_that_stands_still_holds_no_balance_back(pool):
    async with asyncio.timeout(30):
        await wait_until_caught_up(StoppedConsumer(1), pool, ["worklog.events"], max_still_seconds=0.3)
