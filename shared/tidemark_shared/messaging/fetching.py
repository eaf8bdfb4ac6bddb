"""A patch of aiokafka's fetcher that makes it safe against any bytes that a broker may send.

aiokafka decompresses a whole batch before its size can be checked, and one record that it cannot decode raises for
the whole batch. With this patch, ordinary batches are decompressed up to a limit and parsed by aiokafka's parser,
which is written in C. Every other batch becomes a :class:`RawBatch`, which the partition worker parses in a thread.

Importing this module applies the patch, for consumers with ``value_deserializer=as_bytes`` only.
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

# The most that one call returns, so that many batches do not add up.
_MAX_FETCH_BYTES = 16 * 1_048_576
_LENGTH_END = 12
_CONTROL = 0x20
_MAGIC_POSITION, _MAGIC = 16, 2


def as_bytes(value: bytes | None) -> bytes | None:
    """Return the value unchanged; as a ``value_deserializer`` it enables the patch."""
    return value


def _decompress(data: memoryview, codec: int) -> bytes | None:
    """The batch as if its producer had not compressed it; None if it is too large or damaged."""
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
    struct.pack_into(">i", batch, 8, len(batch) - _LENGTH_END)
    batch[22] &= ~CODEC_MASK & 0xFF
    return bytes(batch)


def _has_large_record(batch: bytes, count: int) -> bool:
    """Whether a record of an uncompressed batch exceeds 1 MiB, or the lengths do not fit the batch."""
    position, end = RECORDS_POSITION, len(batch)
    for _ in range(count):
        value = shift = 0
        while True:
            if position >= end or shift > MAX_VARINT_SHIFT:
                return True
            byte = batch[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that more bytes follow
                break
            shift += 7
        # Zigzag: twice the length; an odd number is negative.
        if value & 1 or value > 2 * MAX_VALUE_BYTES:
            return True
        position += value >> 1
    return False


class _FetchedBytes:
    """The bytes of a fetch response. aiokafka's own class may raise where nothing catches the error."""

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
    """The fetched records of one partition; :meth:`take` decodes them batch by batch."""

    def __init__(self, tp: TopicPartition, records: _FetchedBytes, *rest: Any) -> None:
        super().__init__(tp, records, *rest)
        self.is_patched = self._value_deserializer is as_bytes
        self._data = memoryview(records.data)
        self._position = 0
        self._open_batch: tuple[Any, bytes, int] | None = None
        self._previous = -1
        self._failed = self.is_drained = False
        self.next_fetch_offset: int

    def take(self, max_items: int, high_water: int) -> list[FetchedItem]:
        """Return up to ``max_items`` items; ``next_fetch_offset`` is then the offset after them."""
        items: list[FetchedItem] = []
        size = 0
        while len(items) < max_items and size < _MAX_FETCH_BYTES:
            if self._open_batch is None:
                try:
                    self.is_drained = not self._open_next(items, high_water)
                except BatchBoundaryError:
                    if not items:
                        raise
                    break
                if self.is_drained or (items and type(items[-1]) is RawBatch):
                    break
                if self._open_batch is None:
                    continue
            batch, data, next_offset = self._open_batch
            size += len(data)
            if self._parse(batch, next_offset, items, max_items):
                continue
            self._open_batch = None
            if self._failed:
                items.append(self._raw_batch(data, next_offset, is_intact=True))
                break
            if self.next_fetch_offset < next_offset:
                items.append(SkippedOffsets(self.next_fetch_offset, next_offset, is_control=False))
                self.next_fetch_offset = next_offset
        return items

    def _open_next(self, items: list[FetchedItem], high_water: int) -> bool:
        """Open the next batch, or add an item for it. Returns False if there is none, or it is incomplete."""
        data, position = self._data, self._position
        remaining = len(data) - position
        length = struct.unpack_from(">i", data, position + 8)[0] if remaining >= _LENGTH_END else 0
        if remaining < _LENGTH_END or length > remaining - _LENGTH_END:
            # The broker truncates a response anywhere but within its first batch.
            if position == 0 and remaining:
                raise BatchBoundaryError("its length exceeds what the broker sends of it")
            return False
        end = position + _LENGTH_END + length
        if length < RECORDS_POSITION - _LENGTH_END or data[position + _MAGIC_POSITION] != _MAGIC:
            magic = data[position + _MAGIC_POSITION] if remaining > _MAGIC_POSITION else "?"
            raise BatchBoundaryError(f"it has {length} bytes of format {magic}")
        batch = bytes(data[position:end])
        base, _, _, _, _, attributes, last_delta, _, _ = BATCH_HEADER.unpack_from(batch)
        next_offset = base + last_delta + 1
        is_intact = DefaultRecordBatch(batch).validate_crc() if self._check_crcs else True
        next_base = struct.unpack_from(">q", data, end)[0] if len(data) - end >= _LENGTH_END else None
        # The end of a batch can be trusted only if its checksum is correct.
        max_next_offset = high_water if is_intact or next_base is None else next_base
        if not base < next_offset <= max_next_offset:
            raise BatchBoundaryError(f"it begins at offset {base} and ends at {next_offset - 1}")
        self._position = end
        if next_offset <= self.next_fetch_offset:
            return True
        if is_intact and attributes & _CONTROL:
            items.append(SkippedOffsets(max(base, self.next_fetch_offset), next_offset, is_control=True))
            self.next_fetch_offset = next_offset
            return True
        uncompressed = self._uncompressed(batch, attributes & CODEC_MASK) if is_intact else None
        if uncompressed is None:
            items.append(self._raw_batch(batch, next_offset, is_intact=is_intact))
        else:
            # aiokafka's iterator can be started only once; a `chain` can be continued.
            self._open_batch = chain(DefaultRecordBatch(uncompressed)), uncompressed, next_offset
            self._previous = base - 1
        return True

    def _uncompressed(self, batch: bytes, codec: int) -> bytes | None:
        """The uncompressed batch for aiokafka's parser; None if that cannot handle it."""
        uncompressed = _decompress(memoryview(batch), codec) if codec else batch
        if uncompressed is None or len(uncompressed) > MAX_BUFFER_BYTES + RECORDS_POSITION:
            return None
        if len(uncompressed) > MAX_VALUE_BYTES:
            (count,) = struct.unpack_from(">i", uncompressed, COUNT_POSITION)
            if _has_large_record(uncompressed, count):
                return None
        return uncompressed

    def _parse(self, batch: Any, next_offset: int, items: list[FetchedItem], max_items: int) -> bool:
        """Add records of the open batch. Returns True if it may have more."""
        topic, partition = self._tp
        first_offset, previous = self.next_fetch_offset, self._previous
        append, room = items.append, max_items - len(items)
        self._failed = False
        try:
            for record in batch:
                offset = record.offset
                key, value, headers = record.key, record.value, record.headers
                if not previous < offset < next_offset or len(headers) > MAX_HEADERS:
                    self._failed = True
                    break
                previous = offset
                if offset < first_offset:
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
        except Exception:  # noqa: BLE001 - whatever aiokafka's parser raises, the records before it are valid
            self._failed = True
        self._previous = previous
        self.next_fetch_offset = max(first_offset, previous + 1)
        return not room and not self._failed

    def _raw_batch(self, data: bytes, next_offset: int, *, is_intact: bool) -> RawBatch:
        (base,) = struct.unpack_from(">q", data)
        first_offset = max(base, self.next_fetch_offset)
        self.next_fetch_offset = next_offset
        return RawBatch(self._tp.topic, self._tp.partition, data, first_offset, next_offset, is_intact)


class _FetchResult(fetcher.FetchResult):  # type: ignore[misc]
    _partition_records: _PartitionRecords | None

    def getall(self, max_records: int | None = None) -> list[FetchedItem]:
        records = self._partition_records
        if records is None or not records.is_patched:
            return list(super().getall(max_records))
        if not self.check_assignment(self._topic_partition):
            return []
        high_water = self._assignment.state_value(self._topic_partition).highwater
        items: list[FetchedItem] = records.take(max_records or MAX_PART_RECORDS, high_water)
        self._update_position()
        if records.is_drained:
            self._partition_records = None
        return items


fetcher.MemoryRecords = _FetchedBytes
fetcher.PartitionRecords = _PartitionRecords
fetcher.FetchResult = _FetchResult
