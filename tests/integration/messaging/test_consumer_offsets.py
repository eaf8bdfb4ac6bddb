"""The consumer compares the log with the stored offset, so that no record is skipped silently."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from kafka_client import create_topic, publish, running_consumer
from ledger import Ledger, load_processed, wait_for_processed
from polling import wait_until

from tidemark_shared.messaging import partition_worker
from tidemark_shared.messaging.fetching import _PartitionRecords
from tidemark_shared.messaging.record_batches import BatchBoundaryError


@pytest.fixture
def aligned(monkeypatch):
    """An event that is set once the worker has seeked to the stored offset."""
    is_aligned = asyncio.Event()
    align = partition_worker.PartitionWorker._align

    async def align_and_signal(self):
        await align(self)
        is_aligned.set()

    monkeypatch.setattr(partition_worker.PartitionWorker, "_align", align_and_signal)
    return is_aligned


@pytest.fixture
def lost_batches(monkeypatch):
    """Loses the first batch after the fetch has moved the position, and before the worker gets it."""
    lost_batches = []
    process = partition_worker.PartitionWorker._process

    async def lose_first(self, items):
        if lost_batches:
            await process(self, items)
        else:
            lost_batches.append(items)

    monkeypatch.setattr(partition_worker.PartitionWorker, "_process", lose_first)
    return lost_batches


async def test_lost_batch_is_read_again_when_the_next_shows_a_gap(
    kafka_bootstrap_servers, pool, topic, lost_batches, aligned, monkeypatch
):
    monkeypatch.setattr(partition_worker.PartitionWorker, "_check_position", lambda _: asyncio.sleep(0))
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger(), is_watched=False):
        await aligned.wait()
        await publish(kafka_bootstrap_servers, topic, ["a"])
        await wait_until(lambda: lost_batches)
        await publish(kafka_bootstrap_servers, topic, ["b"])
        await wait_for_processed(pool, "a", "b")


async def test_lost_batch_is_read_again_when_none_follows(kafka_bootstrap_servers, pool, topic, lost_batches, aligned):
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger(), is_watched=False):
        await aligned.wait()
        await publish(kafka_bootstrap_servers, topic, ["a"])
        await wait_for_processed(pool, "a")
    assert lost_batches


async def test_recreated_topic_stops_its_partition_with_a_problem(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "b", "c"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()) as consumer:
        await wait_for_processed(pool, "a", "b", "c")
        await create_topic(kafka_bootstrap_servers, topic, recreate=True)
        await publish(kafka_bootstrap_servers, topic, ["d"])
        (problem,) = await wait_until(consumer.problems, timeout_seconds=40)
    assert "The topic was recreated" in problem
    assert "the next to read is 3" in problem
    assert await load_processed(pool) == ["a", "b", "c"]
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()) as restarted:
        await wait_until(restarted.problems, timeout_seconds=40)
    assert await load_processed(pool) == ["a", "b", "c"]


@pytest.fixture
def log_without_offset_1(monkeypatch):
    """The log has lost the record at offset 1."""
    take = _PartitionRecords.take

    def take_without_offset_1(self, max_items, high_water):
        return [item for item in take(self, max_items, high_water) if item.offset != 1]

    monkeypatch.setattr(_PartitionRecords, "take", take_without_offset_1)


@pytest.mark.usefixtures("log_without_offset_1")
async def test_gap_stops_its_partition_with_a_problem(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "b", "c"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()) as consumer:
        (problem,) = await wait_until(consumer.problems)
    assert problem.startswith(f"{topic}/0: offsets 1 to 1 are missing from the log, also when read again")
    assert "set next_offset of the row in reporting.consumer_offsets to 2" in problem
    assert await load_processed(pool) == []


@pytest.mark.usefixtures("log_without_offset_1")
async def test_gap_on_a_compacted_topic_is_skipped(kafka_bootstrap_servers, pool, topic_prefix):
    topic = f"{topic_prefix}compacted"
    await create_topic(kafka_bootstrap_servers, topic, config={"cleanup.policy": "compact"})
    for value in ("a", "b", "c"):
        await publish(kafka_bootstrap_servers, topic, [value], key=value.encode())
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()) as consumer:
        await wait_for_processed(pool, "a", "c")
        assert await consumer.has_caught_up([topic])
        assert consumer.problems() == []


async def test_transaction_markers_are_not_gaps(kafka_bootstrap_servers, pool, topic):
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap_servers, transactional_id=topic) as transactional:
        for value in (b"a", b"b"):
            async with transactional.transaction():
                await transactional.send_and_wait(topic, value)
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()) as consumer:
        await wait_until(lambda: consumer.has_caught_up([topic]))
        assert consumer.problems() == []
    assert await load_processed(pool) == ["a", "b"]


async def test_invalid_batch_stops_its_partition(kafka_bootstrap_servers, pool, topic, monkeypatch):
    open_next = _PartitionRecords._open_next

    def fail_at_second(self, items, high_water):
        if self.next_fetch_offset == 1 and self._position < len(self._data):
            raise BatchBoundaryError("it has 7 bytes of format 9")
        return open_next(self, items, high_water)

    monkeypatch.setattr(_PartitionRecords, "_open_next", fail_at_second)
    await publish(kafka_bootstrap_servers, topic, ["a", "b"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()) as consumer:
        await wait_for_processed(pool, "a")
        (problem,) = await wait_until(consumer.problems)
    assert f"{topic}/0: the broker sends no record batch at offset 1 (it has 7 bytes of format 9)" in problem


async def test_end_offsets_are_stored_for_the_lag(kafka_bootstrap_servers, pool, topic):
    await publish(kafka_bootstrap_servers, topic, ["a", "b", "c"])

    async def load_lag():
        row = await pool.fetchrow("SELECT next_offset, end_offset, lag FROM reporting.consumer_lag")
        return row and row["lag"] == 0 and tuple(row)

    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()):
        assert await wait_until(load_lag) == (3, 3, 0)


async def test_database_that_is_restored_while_the_consumer_runs_is_read_to_again(kafka_bootstrap_servers, pool, topic):
    """No record arrives that would show it."""
    await publish(kafka_bootstrap_servers, topic, ["a", "b"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()):
        await wait_for_processed(pool, "a", "b")
        await pool.execute(
            "WITH restored AS (DELETE FROM processed WHERE value = 'b') UPDATE consumer_offsets SET next_offset = 1"
        )
        assert await load_processed(pool) == ["a"]
        await wait_for_processed(pool, "a", "b")
