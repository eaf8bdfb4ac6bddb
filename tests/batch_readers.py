"""Reads record batches as the consumer's client does."""

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher

from tidemark_shared.messaging.fetching import as_bytes
from tidemark_shared.messaging.record_batches import RawBatch

TP = TopicPartition("topic", 3)


def create_reader(data, *, first=0):
    return fetcher.PartitionRecords(TP, fetcher.MemoryRecords(data), None, first, None, as_bytes, True, 0)  # noqa: FBT003


def read_items(*batches, first=0, max_items=1_000_000, high_water=10**9, allow_raw=True):
    """All items of the batches; those of raw batches too, if ``allow_raw``."""
    reader, result = create_reader(b"".join(batches), first=first), []
    while not reader.is_drained:
        for item in reader.take(max_items, high_water):
            if isinstance(item, RawBatch):
                assert allow_raw
                for part in item.parse():
                    result += part
            else:
                result.append(item)
    return result


def records_of(result):
    return [(item.offset, item.value) for item in result if isinstance(item, ConsumerRecord)]
