"""aiokafka's fetcher, made safe against any bytes that a broker may send.

aiokafka decompresses a whole batch before anybody can look at its size, and a record that it cannot decode raises
for the whole batch. Here ordinary batches are decompressed up to a bound and go through aiokafka's parser, written
in C. Every other batch leaves as a :class:`RawBatch`, which the consumer parses at leisure.

Import activates it for consumers with ``value_deserializer=as_bytes``; others keep aiokafka's own reading.
"""

import struct
from itertools import chain
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from tidemark_shared.messaging.codecs import CORRUPTION_ERRORS, MAX_BUFFER_BYTES, decompress
from tidemark_shared.messaging.record_batches import (
    BATCH_HEADER,
    CODEC_MASK,
    COUNT_POSITION,
    MAX_HEADERS,
    MAX_PART_RECORDS,
    MAX_VALUE_BYTES,
    MAX_VARINT_SHIFT,
    RECORDS_POSITION,
    BatchBoundaryError,
    FetchedItem,
    RawBatch,
    SkippedOffsets,
)

# What one call returns at most, so that many batches that each fit do not add up.
_TAKE_BYTES = 16 * 1_048_576
_LENGTH_ENDS_AT = 12
_CONTROL = 0x20
_MAGIC = 2


def as_bytes(value: bytes | None) -> bytes | None:
    """The value as it is; as the ``value_deserializer`` it chooses the reading of this module."""
    return value


def _uncompressed(data: memoryview, codec: int) -> bytes | None:
    """The batch as its producer would have written it without compression; None where it is too large or damaged."""
    chunks = [bytes(data[:RECORDS_POSITION])]
    size = 0
    try:
        for chunk in decompress(codec, data[RECORDS_POSITION:]):
            size += len(chunk)
            if size > MAX_BUFFER_BYTES:
                return None
            chunks.append(chunk)
    except CORRUPTION_ERRORS:
        return None
    batch = bytearray(b"".join(chunks))
    struct.pack_into(">i", batch, 8, len(batch) - _LENGTH_ENDS_AT)
    batch[22] &= ~CODEC_MASK & 0xFF
    return bytes(batch)


def _has_large_record(batch: bytes, count: int) -> bool:
    """Whether a record of an uncompressed batch exceeds 1 MiB, or their lengths do not fit the batch."""
    at, end = RECORDS_POSITION, len(batch)
    for _ in range(count):
        value = shift = 0
        while True:
            if at >= end or shift > MAX_VARINT_SHIFT:
                return True
            byte = batch[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
                break
            shift += 7
        # Zigzag: twice the length; an odd number is negative.
        if value & 1 or value > 2 * MAX_VALUE_BYTES:
            return True
        at += value >> 1
    return False


class _Batches:
    """The bytes of a fetch response. aiokafka's own class may raise on them where nobody catches it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._batches: Any = None

    def size_in_bytes(self) -> int:
        return len(self.data)

    def has_next(self) -> bool:
        return bool(self.data) if self._batches is None else bool(self._batches.has_next())

    def next_batch(self) -> Any:
        self._batches = self._batches or MemoryRecords(self.data)
        batch = self._batches.next_batch()
        if batch is None:
            raise CorruptRecordException("The first record batch is not complete.")
        return batch


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """What a fetch brought of one partition; :meth:`take` goes through it batch by batch."""

    def __init__(self, tp: TopicPartition, records: _Batches, *rest: Any) -> None:
        super().__init__(tp, records, *rest)
        self.takes = self._value_deserializer is as_bytes
        self._data = memoryview(records.data)
        self._at = 0
        self._open: tuple[Any, bytes, int] | None = None
        self._previous = -1
        self._failed = self.is_drained = False
        self.next_fetch_offset: int

    def take(self, most: int, high_water: int) -> list[FetchedItem]:
        """Up to ``most`` records and what stands for the others; ``next_fetch_offset`` is the offset after them."""
        items: list[FetchedItem] = []
        size = 0
        while len(items) < most and size < _TAKE_BYTES:
            if self._open is None:
                try:
                    self.is_drained = not self._begin(items, high_water)
                except BatchBoundaryError:
                    if not items:
                        raise
                    break
                if self.is_drained or (items and type(items[-1]) is RawBatch):
                    break
                if self._open is None:
                    continue
            batch, data, following = self._open
            size += len(data)
            if self._parse(batch, following, items, most):
                continue
            self._open = None
            if self._failed:
                items.append(self._raw(data, following, is_intact=True))
                break
            if self.next_fetch_offset < following:
                items.append(SkippedOffsets(self.next_fetch_offset, following, is_control=False))
                self.next_fetch_offset = following
        return items

    def _begin(self, items: list[FetchedItem], high_water: int) -> bool:
        """Open the next batch, or add what stands for it; False where there is none, or not all of it yet."""
        data, at = self._data, self._at
        left = len(data) - at
        length = struct.unpack_from(">i", data, at + 8)[0] if left >= _LENGTH_ENDS_AT else 0
        if left < _LENGTH_ENDS_AT or length > left - _LENGTH_ENDS_AT:
            # The broker cuts a response where it likes, but never within its first batch.
            if at == 0 and left:
                raise BatchBoundaryError("its length exceeds what the broker sends of it")
            return False
        end = at + _LENGTH_ENDS_AT + length
        if length < RECORDS_POSITION - _LENGTH_ENDS_AT or data[at + 16] != _MAGIC:
            raise BatchBoundaryError(f"it has {length} bytes of format {data[at + 16] if left > 16 else '?'}")  # noqa: PLR2004
        batch = bytes(data[at:end])
        base, _, _, _, _, attributes, last_delta, _, _ = BATCH_HEADER.unpack_from(batch)
        following = base + last_delta + 1
        is_intact = DefaultRecordBatch(batch).validate_crc() if self._check_crcs else True
        next_base = struct.unpack_from(">q", data, end)[0] if len(data) - end >= _LENGTH_ENDS_AT else None
        # Only a batch whose checksum holds may be trusted in where it ends.
        bound = high_water if is_intact or next_base is None else next_base
        if not base < following <= bound:
            raise BatchBoundaryError(f"it begins at offset {base} and ends at {following - 1}")
        self._at = end
        if following <= self.next_fetch_offset:
            return True
        if is_intact and attributes & _CONTROL:
            items.append(SkippedOffsets(max(base, self.next_fetch_offset), following, is_control=True))
            self.next_fetch_offset = following
            return True
        plain = self._plain(batch, attributes & CODEC_MASK) if is_intact else None
        if plain is None:
            items.append(self._raw(batch, following, is_intact=is_intact))
        else:
            # aiokafka's iterator lets itself be begun only once, and `chain` can be gone on with.
            self._open = chain(DefaultRecordBatch(plain)), plain, following
            self._previous = base - 1
        return True

    def _plain(self, batch: bytes, codec: int) -> bytes | None:
        """The batch for aiokafka's parser; None where that must not see it."""
        plain = _uncompressed(memoryview(batch), codec) if codec else batch
        if plain is None or len(plain) > MAX_BUFFER_BYTES + RECORDS_POSITION:
            return None
        if len(plain) > MAX_VALUE_BYTES:
            (count,) = struct.unpack_from(">i", plain, COUNT_POSITION)
            if _has_large_record(plain, count):
                return None
        return plain

    def _parse(self, batch: Any, following: int, items: list[FetchedItem], most: int) -> bool:
        """Add the records of an open batch; True where there may be more."""
        topic, partition = self._tp
        first, previous = self.next_fetch_offset, self._previous
        append, room = items.append, most - len(items)
        self._failed = False
        try:
            for record in batch:
                offset = record.offset
                key, value, headers = record.key, record.value, record.headers
                if not previous < offset < following or len(headers) > MAX_HEADERS:
                    self._failed = True
                    break
                previous = offset
                if offset < first:
                    continue
                append(
                    ConsumerRecord(
                        topic,
                        partition,
                        offset,
                        record.timestamp,
                        record.timestamp_type,
                        key,
                        value,
                        None,
                        -1 if key is None else len(key),
                        -1 if value is None else len(value),
                        tuple(headers),
                    )
                )
                room -= 1
                if not room:
                    break
        except Exception:  # noqa: BLE001 - whatever aiokafka's parser raises, the records before it are good
            self._failed = True
        self._previous = previous
        self.next_fetch_offset = max(first, previous + 1)
        return not room and not self._failed

    def _raw(self, data: bytes, following: int, *, is_intact: bool) -> RawBatch:
        (base,) = struct.unpack_from(">q", data)
        first = max(base, self.next_fetch_offset)
        self.next_fetch_offset = following
        return RawBatch(self._tp.topic, self._tp.partition, data, first, following, is_intact)


class _FetchResult(fetcher.FetchResult):  # type: ignore[misc]
    _partition_records: _PartitionRecords | None

    def getall(self, max_records: int | None = None) -> list[FetchedItem]:
        records = self._partition_records
        if records is None or not records.takes:
            return list(super().getall(max_records))
        if not self.check_assignment(self._topic_partition):
            return []
        high_water = self._assignment.state_value(self._topic_partition).highwater
        items: list[FetchedItem] = records.take(max_records or MAX_PART_RECORDS, high_water)
        self._update_position()
        if records.is_drained:
            self._partition_records = None
        return items


fetcher.MemoryRecords = _Batches
fetcher.PartitionRecords = _PartitionRecords
fetcher.FetchResult = _FetchResult
