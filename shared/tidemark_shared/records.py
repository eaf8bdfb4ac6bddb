"""Kafka record batches read so that no record can stop its partition or exhaust the memory.

aiokafka decompresses a whole batch before anybody can look at its size, and a record that it cannot decode raises
for the whole batch. Here ordinary batches are decompressed up to a bound and go through aiokafka's parser, written
in C. Every other batch leaves as a :class:`RawBatch`, which the consumer parses at leisure: each record that can be
read is read, and each other one is a :class:`BadRecord` with a reason.

Import activates it for consumers with ``value_deserializer=as_bytes``; others keep aiokafka's own reading.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import cramjam
import zstandard
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

MAX_VALUE_BYTES = 1_048_576
MAX_HEADERS = 1_000
HEAD_BYTES = 65_536
# On a dead letter that is not the whole record, so that nothing takes it for one: the size of the whole value.
INCOMPLETE_HEADER = "tidemark_dlq_incomplete"
_HEAD_HEADERS, _HEAD_HEADER_BYTES = 50, 1_024
# A record has a value of at most 1 MiB, and as much again for its key and headers.
_MAX_RECORD_BYTES = 2 * MAX_VALUE_BYTES
# Decompressed at once and parsed by aiokafka up to this size; beyond it as a stream.
_MAX_BUFFER_BYTES = 16 * 1_048_576
# What one call returns at most, so that many batches that each fit do not add up.
_TAKE_BYTES = 16 * 1_048_576
_PART_RECORDS, _PART_BYTES = 5_000, 4 * 1_048_576
_CHUNK_BYTES = 131_072
# The block sizes that the two block formats are read with: snappy names its own, lz4 has four.
_MAX_SNAPPY_BLOCK_BYTES = 64 * 1_048_576
_LZ4_BLOCK_BYTES = {4: 65_536, 5: 262_144, 6: 1_048_576, 7: 4_194_304}
_LZ4_MAGIC, _XERIAL_MAGIC = b"\x04\x22\x4d\x18", b"\x82SNAPPY\0"
_ZSTD_WINDOW_BYTES = 128 * 1_048_576

# Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and greatest timestamp.
_HEADER = struct.Struct(">qiibIhiqq")
_COUNT_AT, _RECORDS_AT, _LENGTH_ENDS_AT = 57, 61, 12
_CODEC, _APPEND_TIME, _CONTROL = 0x07, 0x08, 0x20
_MAGIC = 2
_MAX_VARINT_SHIFT = 63


class BadRecord(NamedTuple):
    """Offsets that cannot be handed to a handler, with what can be read of them, and why."""

    record: ConsumerRecord
    reason: str
    following: int
    """The offset after the last of them: mostly one offset, or the rest of a batch."""

    @property
    def offset(self) -> int:
        """The first of them."""
        return int(self.record.offset)


class Skipped(NamedTuple):
    """Offsets without a record: a transaction's marker, or what compaction removed at the end of a batch."""

    offset: int
    following: int
    is_control: bool


class BatchBoundaryError(Exception):
    """The bytes at an offset are no record batch, so nobody knows where the next one begins."""


class _MalformedError(Exception):
    """A record, or the rest of a batch, cannot be parsed."""


def as_bytes(value: bytes | None) -> bytes | None:
    """The value as it is; as the ``value_deserializer`` it chooses the reading of this module."""
    return value


class RawBatch(NamedTuple):
    """A batch to be parsed apart: too large, damaged, or with a record that aiokafka cannot decode."""

    topic: str
    partition: int
    data: bytes
    offset: int
    """The first offset that is asked for."""
    following: int
    """The offset after the batch."""
    is_intact: bool
    """Whether the checksum holds."""

    def parts(self) -> Iterator[list["Item"]]:
        """Its records in parts of bounded size; each step may take long and belongs into a thread."""
        part: list[Item] = []
        size = 0
        for item in self._items():
            part.append(item)
            record = item if isinstance(item, ConsumerRecord) else getattr(item, "record", None)
            size += len(record.value or b"") + len(record.key or b"") if record else 0
            if len(part) >= _PART_RECORDS or size >= _PART_BYTES:
                yield part
                part, size = [], 0
        yield part

    def _items(self) -> Iterator["Item"]:
        if not self.is_intact:
            yield self._rest(self.offset, "its checksum does not match its content")
            return
        base, _, _, _, _, attributes, _, first, greatest = _HEADER.unpack_from(self.data)
        (count,) = struct.unpack_from(">i", self.data, _COUNT_AT)
        expected, read = base, 0
        try:
            stream = _Stream(_decompressed(attributes & _CODEC, memoryview(self.data)[_RECORDS_AT:]))
            # What the batch says of its number of records may be wrong; its bytes and its last offset decide.
            while expected < self.following and not stream.at_end():
                item = self._next(stream, expected, base, greatest if attributes & _APPEND_TIME else None, first)
                read += 1
                expected = item.following if isinstance(item, BadRecord) else item.offset + 1
                if item.offset >= self.offset:
                    yield item
        except _DAMAGE as error:
            yield self._rest(max(expected, self.offset), str(error).rstrip("."))
            return
        expected = max(expected, self.offset)
        if expected < self.following:
            if read < count:
                yield self._rest(expected, f"it names {count} records and has {read}")
            else:
                yield Skipped(expected, self.following, is_control=False)

    def _next(
        self, stream: "_Stream", expected: int, base: int, append_time: int | None, first: int
    ) -> "ConsumerRecord | BadRecord":
        length = stream.varint()
        if length < 0:
            raise _MalformedError(f"offset {expected} has a record of {length} bytes")
        window = _Window(stream, length)
        record = _Record(offset=expected)
        problem = ""
        try:
            record.read(window, whole=length <= _MAX_RECORD_BYTES)
            problem = record.problem(length)
        except _MalformedError as error:
            if window.cut_off:
                raise
            problem = f"The record is malformed: {error}."
        window.skip_rest()
        offset = expected if record.offset_delta is None else base + record.offset_delta
        if not expected <= offset < self.following:
            raise _MalformedError(f"a record after offset {expected - 1} claims the offset {offset}")
        kept = _consumer_record(
            self.topic,
            self.partition,
            offset,
            first + record.timestamp_delta if append_time is None else append_time,
            int(append_time is not None),
            record.key,
            record.value,
            record.headers,
        )
        if not problem:
            return kept
        return BadRecord(kept, f"{self.topic}/{self.partition}, offset {offset}: {problem}", offset + 1)

    def _rest(self, offset: int, why: str) -> BadRecord:
        record = _consumer_record(self.topic, self.partition, offset, -1, 0, None, None, [(INCOMPLETE_HEADER, b"")])
        offsets = f"offsets {offset} to {self.following - 1}" if self.following - offset > 1 else f"offset {offset}"
        return BadRecord(
            record,
            f"{self.topic}/{self.partition}, {offsets}: the record batch cannot be read, because {why}. "
            "Publish its events again.",
            self.following,
        )


Item: TypeAlias = "ConsumerRecord | BadRecord | Skipped | RawBatch"


def _consumer_record(  # noqa: PLR0917 - in the order of the record's own fields
    topic: str,
    partition: int,
    offset: int,
    timestamp: int,
    timestamp_type: int,
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]],
) -> ConsumerRecord:
    return ConsumerRecord(
        topic,
        partition,
        offset,
        timestamp,
        timestamp_type,
        key,
        value,
        None,
        -1 if key is None else len(key),
        -1 if value is None else len(value),
        tuple(headers),
    )


class _Record:
    """The fields of one record, of which a large one is kept only in part."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self.offset_delta: int | None = None
        self.timestamp_delta = 0
        self.key: bytes | None = None
        self.value: bytes | None = None
        self.value_size = 0
        self.headers: list[tuple[str, bytes | None]] = []
        self.header_count = 0
        self._bad_name = ""

    def read(self, window: "_Window", *, whole: bool) -> None:
        """Parse; where not ``whole``, keep the first bytes of each field."""
        most = _MAX_RECORD_BYTES if whole else HEAD_BYTES
        window.read(1)
        self.timestamp_delta = window.varint()
        self.offset_delta = window.varint()
        self.key, _ = window.field(most)
        self.value, self.value_size = window.field(most)
        if self.value and self.value_size > MAX_VALUE_BYTES:
            self.value = self.value[:HEAD_BYTES]
        self.header_count = window.varint()
        if self.header_count < 0:
            raise _MalformedError(f"it has {self.header_count} headers")
        whole = whole and self.header_count <= MAX_HEADERS
        kept, most = (MAX_HEADERS, most) if whole else (_HEAD_HEADERS, _HEAD_HEADER_BYTES)
        for _ in range(min(self.header_count, kept)):
            name, _size = window.field(most)
            if name is None:
                raise _MalformedError("a header has no name")
            value, _size = window.field(most)
            try:
                self.headers.append((name.decode(), value))
            except UnicodeDecodeError:
                escaped = name.decode(errors="backslashreplace")
                self._bad_name = self._bad_name or escaped
                self.headers.append((escaped, value))
        if self.header_count <= kept and window.left:
            raise _MalformedError(f"{window.left} bytes follow its last header")

    def problem(self, length: int) -> str:
        """Why the record is no record for a handler; empty where it is one."""
        if self.value_size > MAX_VALUE_BYTES:
            self.headers.append((INCOMPLETE_HEADER, str(self.value_size).encode()))
            return (
                f"The record has {self.value_size} bytes. At most 1 MiB ({MAX_VALUE_BYTES}) is taken; the first "
                f"{HEAD_BYTES} are kept."
            )
        if length > _MAX_RECORD_BYTES:
            self.headers.append((INCOMPLETE_HEADER, str(self.value_size).encode()))
            return (
                f"The record has {length} bytes with its key and headers. At most {_MAX_RECORD_BYTES} are taken; the "
                f"first {HEAD_BYTES} bytes of each are kept."
            )
        if self.header_count > MAX_HEADERS:
            self.headers.append((INCOMPLETE_HEADER, str(self.value_size).encode()))
            return (
                f"The record has {self.header_count} headers. At most {MAX_HEADERS} are taken; the first "
                f"{_HEAD_HEADERS} are kept."
            )
        if self._bad_name:
            return f"The name of a header is not UTF-8: {self._bad_name[:100]}."
        return ""


class _Stream:
    """Chunks of bytes, read one after another."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._chunk, self._at = chunks, b"", 0

    def at_end(self) -> bool:
        """Whether no byte is left."""
        while self._at == len(self._chunk):
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._chunk, self._at = chunk, 0
        return False

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        parts = []
        while size:
            if self.at_end():
                raise _MalformedError(f"{size} bytes are missing at its end")
            part = self._chunk[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Pass ``size`` bytes."""
        while size:
            if self.at_end():
                raise _MalformedError(f"{size} bytes are missing at its end")
            step = min(size, len(self._chunk) - self._at)
            self._at += step
            size -= step

    def varint(self) -> int:
        """A number as Kafka writes them: zigzag, seven bits a byte."""
        return _varint(self.read)


class _Window:
    """The bytes of one record in a stream."""

    def __init__(self, stream: _Stream, length: int) -> None:
        self._stream, self.left = stream, length
        self.cut_off = False

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        self._take(size)
        taken: bytes = self._from_stream(self._stream.read, size)
        return taken

    def varint(self) -> int:
        """A number."""
        return _varint(self.read)

    def field(self, most: int) -> tuple[bytes | None, int]:
        """A field with its length before it: its first ``most`` bytes, None where it is null; and its length."""
        size = self.varint()
        if size < 0:
            return None, 0
        self._take(size)
        head = self._from_stream(self._stream.read, min(size, most))
        self._from_stream(self._stream.skip, size - len(head))
        return head, size

    def skip_rest(self) -> None:
        """Pass what is left of the record."""
        self._stream.skip(self.left)

    def _take(self, size: int) -> None:
        if size > self.left:
            raise _MalformedError(f"a field of {size} bytes exceeds the record")
        self.left -= size

    def _from_stream(self, call: Callable[[int], Any], size: int) -> Any:
        try:
            return call(size)
        except Exception:
            # It is the batch that ends or cannot be decompressed, not the record that is malformed.
            self.cut_off = True
            raise


def _varint(read: Callable[[int], bytes]) -> int:
    value = shift = 0
    while True:
        (byte,) = read(1)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            return (value >> 1) ^ -(value & 1)
        shift += 7
        if shift > _MAX_VARINT_SHIFT:
            raise _MalformedError("a number has too many bytes")


def _decompressed(codec: int, data: memoryview) -> Iterator[bytes]:
    """The records of a batch in chunks, none of them much larger than a block of the codec."""
    if codec not in _CODECS:
        raise _MalformedError(f"its compression {codec} is unknown")
    return _CODECS[codec](data)


def _plain(data: memoryview) -> Iterator[bytes]:
    for start in range(0, len(data), _MAX_BUFFER_BYTES):
        yield bytes(data[start : start + _MAX_BUFFER_BYTES])


def _gzip(data: memoryview) -> Iterator[bytes]:
    rest = bytes(data)
    while rest:
        # 31 is a window of 32 KiB in the frame of gzip.
        stream = zlib.decompressobj(31)
        while not stream.eof:
            chunk = stream.decompress(rest, _CHUNK_BYTES)
            rest = stream.unconsumed_tail
            if not chunk and not rest and not stream.eof:
                raise _MalformedError("its gzip stream ends early")
            yield chunk
        rest = stream.unused_data


def _zstd(data: memoryview) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    with decompressor.stream_reader(data, read_across_frames=True) as reader:
        while chunk := reader.read(_CHUNK_BYTES):
            yield chunk


def _snappy(data: memoryview) -> Iterator[bytes]:
    # Java writes blocks, each with its length before it; others write one block and nothing else.
    if data[:8] != _XERIAL_MAGIC:
        yield _snappy_block(data)
        return
    at = 16
    while at < len(data):
        (size,) = _unpack(">i", data, at)
        if not 0 <= size <= len(data) - at - 4:
            raise _MalformedError(f"a snappy block of {size} bytes exceeds it")
        yield _snappy_block(data[at + 4 : at + 4 + size])
        at += 4 + size


def _snappy_block(block: memoryview) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > _MAX_SNAPPY_BLOCK_BYTES:
        raise _MalformedError(f"a snappy block has more than {_MAX_SNAPPY_BLOCK_BYTES} bytes")
    return bytes(cramjam.snappy.decompress_raw(block))


def _lz4(data: memoryview) -> Iterator[bytes]:
    """Frames of independent blocks, as Kafka demands; read block by block, for cramjam reads a frame only whole."""
    at = 0
    while at < len(data):
        if data[at : at + 4] != _LZ4_MAGIC or len(data) < at + 7:
            raise _MalformedError("its lz4 frame does not begin as one")
        flags, block = data[at + 4], data[at + 5] >> 4 & 7
        if not flags & 0x20 or flags & 0x01 or block not in _LZ4_BLOCK_BYTES:
            raise _MalformedError("its lz4 frame has linked blocks, a dictionary or an unknown block size")
        room = bytearray(_LZ4_BLOCK_BYTES[block])
        at += 7 + (8 if flags & 0x08 else 0)
        while True:
            (size,) = _unpack("<I", data, at)
            at += 4
            if size == 0:
                break
            stored, size = size & 0x80000000, size & 0x7FFFFFFF
            if size > len(data) - at:
                raise _MalformedError("its lz4 frame ends early")
            content = data[at : at + size]
            if stored:
                yield bytes(content)
            else:
                length = cramjam.lz4.decompress_block_into(content, room, output_len=len(room))
                yield bytes(memoryview(room)[:length])
            at += size + (4 if flags & 0x10 else 0)
        at += 4 if flags & 0x04 else 0


def _unpack(form: str, data: memoryview, at: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(form, data, at)
    except struct.error:
        raise _MalformedError("a block ends early") from None


_CODECS: dict[int, Callable[[memoryview], Iterator[bytes]]] = {0: _plain, 1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
# What a damaged batch may raise while it is decompressed.
_DAMAGE = (_MalformedError, zlib.error, zstandard.ZstdError, cramjam.DecompressionError)


def _uncompressed(data: memoryview, codec: int) -> bytes | None:
    """The batch as its producer would have written it without compression; None where it is too large or damaged."""
    chunks = [bytes(data[:_RECORDS_AT])]
    size = 0
    try:
        for chunk in _decompressed(codec, data[_RECORDS_AT:]):
            size += len(chunk)
            if size > _MAX_BUFFER_BYTES:
                return None
            chunks.append(chunk)
    except _DAMAGE:
        return None
    batch = bytearray(b"".join(chunks))
    struct.pack_into(">i", batch, 8, len(batch) - _LENGTH_ENDS_AT)
    batch[22] &= ~_CODEC & 0xFF
    return bytes(batch)


def _has_large_record(batch: bytes, count: int) -> bool:
    """Whether a record of an uncompressed batch exceeds 1 MiB, or their lengths do not fit the batch."""
    at, end = _RECORDS_AT, len(batch)
    for _ in range(count):
        value = shift = 0
        while True:
            if at >= end or shift > _MAX_VARINT_SHIFT:
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

    def take(self, most: int, high_water: int) -> list[Item]:
        """Up to ``most`` records and what stands for the others; ``next_fetch_offset`` is the offset after them."""
        items: list[Item] = []
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
                items.append(Skipped(self.next_fetch_offset, following, is_control=False))
                self.next_fetch_offset = following
        return items

    def _begin(self, items: list[Item], high_water: int) -> bool:
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
        if length < _RECORDS_AT - _LENGTH_ENDS_AT or data[at + 16] != _MAGIC:
            raise BatchBoundaryError(f"it has {length} bytes of format {data[at + 16] if left > 16 else '?'}")  # noqa: PLR2004
        batch = bytes(data[at:end])
        base, _, _, _, _, attributes, last_delta, _, _ = _HEADER.unpack_from(batch)
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
            items.append(Skipped(max(base, self.next_fetch_offset), following, is_control=True))
            self.next_fetch_offset = following
            return True
        plain = self._plain(batch, attributes & _CODEC) if is_intact else None
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
        if plain is None or len(plain) > _MAX_BUFFER_BYTES + _RECORDS_AT:
            return None
        if len(plain) > MAX_VALUE_BYTES:
            (count,) = struct.unpack_from(">i", plain, _COUNT_AT)
            if _has_large_record(plain, count):
                return None
        return plain

    def _parse(self, batch: Any, following: int, items: list[Item], most: int) -> bool:
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

    def getall(self, max_records: int | None = None) -> list[Item]:
        records = self._partition_records
        if records is None or not records.takes:
            return list(super().getall(max_records))
        if not self.check_assignment(self._topic_partition):
            return []
        high_water = self._assignment.state_value(self._topic_partition).highwater
        items: list[Item] = records.take(max_records or _PART_RECORDS, high_water)
        self._update_position()
        if records.is_drained:
            self._partition_records = None
        return items


fetcher.MemoryRecords = _Batches
fetcher.PartitionRecords = _PartitionRecords
fetcher.FetchResult = _FetchResult
