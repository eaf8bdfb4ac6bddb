"""Record batches that aiokafka must not see, parsed so that no record stops its partition or exhausts the memory.

Each record that can be read is read, and each other one is a :class:`UndecodableRecord` with a reason.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from aiokafka import ConsumerRecord

from tidemark_shared.messaging.codecs import CORRUPTION_ERRORS, MalformedError, decompress

MAX_VALUE_BYTES = 1_048_576
MAX_HEADERS = 1_000
HEAD_BYTES = 65_536
# On a dead letter that is not the whole record, so that nothing takes it for one: the size of the whole value.
INCOMPLETE_HEADER = "tidemark_dlq_incomplete"
_HEAD_HEADERS, _HEAD_HEADER_BYTES = 50, 1_024
# A record has a value of at most 1 MiB, and as much again for its key and headers.
_MAX_RECORD_BYTES = 2 * MAX_VALUE_BYTES
MAX_PART_RECORDS, _PART_BYTES = 5_000, 4 * 1_048_576

# Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and greatest timestamp.
BATCH_HEADER = struct.Struct(">qiibIhiqq")
COUNT_POSITION, RECORDS_POSITION = 57, 61
CODEC_MASK, _APPEND_TIME = 0x07, 0x08
MAX_VARINT_SHIFT = 63


class UndecodableRecord(NamedTuple):
    """Offsets that cannot be handed to a handler, with what can be read of them, and why."""

    record: ConsumerRecord
    reason: str
    following: int
    """The offset after the last of them: mostly one offset, or the rest of a batch."""

    @property
    def offset(self) -> int:
        """The first of them."""
        return int(self.record.offset)


class SkippedOffsets(NamedTuple):
    """Offsets without a record: a transaction's marker, or what compaction removed at the end of a batch."""

    offset: int
    following: int
    is_control: bool


class BatchBoundaryError(Exception):
    """The bytes at an offset are no record batch, so nobody knows where the next one begins."""


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

    def parts(self) -> Iterator[list["FetchedItem"]]:
        """Its records in parts of bounded size; each step may take long and belongs into a thread."""
        part: list[FetchedItem] = []
        size = 0
        for item in self._items():
            part.append(item)
            record = item if isinstance(item, ConsumerRecord) else getattr(item, "record", None)
            size += len(record.value or b"") + len(record.key or b"") if record else 0
            if len(part) >= MAX_PART_RECORDS or size >= _PART_BYTES:
                yield part
                part, size = [], 0
        yield part

    def _items(self) -> Iterator["FetchedItem"]:
        if not self.is_intact:
            yield self._rest(self.offset, "its checksum does not match its content")
            return
        base, _, _, _, _, attributes, _, first, greatest = BATCH_HEADER.unpack_from(self.data)
        (count,) = struct.unpack_from(">i", self.data, COUNT_POSITION)
        expected, read = base, 0
        try:
            stream = _Stream(decompress(attributes & CODEC_MASK, memoryview(self.data)[RECORDS_POSITION:]))
            # What the batch says of its number of records may be wrong; its bytes and its last offset decide.
            while expected < self.following and not stream.at_end():
                item = self._next(stream, expected, base, greatest if attributes & _APPEND_TIME else None, first)
                read += 1
                expected = item.following if isinstance(item, UndecodableRecord) else item.offset + 1
                if item.offset >= self.offset:
                    yield item
        except CORRUPTION_ERRORS as error:
            yield self._rest(max(expected, self.offset), str(error).rstrip("."))
            return
        expected = max(expected, self.offset)
        if expected < self.following:
            if read < count:
                yield self._rest(expected, f"it names {count} records and has {read}")
            else:
                yield SkippedOffsets(expected, self.following, is_control=False)

    def _next(
        self, stream: "_Stream", expected: int, base: int, append_time: int | None, first: int
    ) -> "ConsumerRecord | UndecodableRecord":
        length = stream.varint()
        if length < 0:
            raise MalformedError(f"offset {expected} has a record of {length} bytes")
        window = _Window(stream, length)
        record = _Record(offset=expected)
        problem = ""
        try:
            record.read(window, whole=length <= _MAX_RECORD_BYTES)
            problem = record.problem(length)
        except MalformedError as error:
            if window.cut_off:
                raise
            problem = f"The record is malformed: {error}."
        window.skip_rest()
        offset = expected if record.offset_delta is None else base + record.offset_delta
        if not expected <= offset < self.following:
            raise MalformedError(f"a record after offset {expected - 1} claims the offset {offset}")
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
        return UndecodableRecord(kept, f"{self.topic}/{self.partition}, offset {offset}: {problem}", offset + 1)

    def _rest(self, offset: int, why: str) -> UndecodableRecord:
        record = _consumer_record(self.topic, self.partition, offset, -1, 0, None, None, [(INCOMPLETE_HEADER, b"")])
        offsets = f"offsets {offset} to {self.following - 1}" if self.following - offset > 1 else f"offset {offset}"
        return UndecodableRecord(
            record,
            f"{self.topic}/{self.partition}, {offsets}: the record batch cannot be read, because {why}. "
            "Publish its events again.",
            self.following,
        )


FetchedItem: TypeAlias = "ConsumerRecord | UndecodableRecord | SkippedOffsets | RawBatch"


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
            raise MalformedError(f"it has {self.header_count} headers")
        whole = whole and self.header_count <= MAX_HEADERS
        kept, most = (MAX_HEADERS, most) if whole else (_HEAD_HEADERS, _HEAD_HEADER_BYTES)
        for _ in range(min(self.header_count, kept)):
            name, _size = window.field(most)
            if name is None:
                raise MalformedError("a header has no name")
            value, _size = window.field(most)
            try:
                self.headers.append((name.decode(), value))
            except UnicodeDecodeError:
                escaped = name.decode(errors="backslashreplace")
                self._bad_name = self._bad_name or escaped
                self.headers.append((escaped, value))
        if self.header_count <= kept and window.left:
            raise MalformedError(f"{window.left} bytes follow its last header")

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
                raise MalformedError(f"{size} bytes are missing at its end")
            part = self._chunk[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Pass ``size`` bytes."""
        while size:
            if self.at_end():
                raise MalformedError(f"{size} bytes are missing at its end")
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
            raise MalformedError(f"a field of {size} bytes exceeds the record")
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
        if shift > MAX_VARINT_SHIFT:
            raise MalformedError("a number has too many bytes")
