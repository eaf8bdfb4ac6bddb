"""A parser for record batches that aiokafka cannot handle: no record stops its partition or fills the memory.

It decodes every record that it can. Each other record becomes an :class:`UndecodableRecord` with a reason.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from aiokafka import ConsumerRecord

from tidemark_shared.messaging.codecs import CORRUPTION_ERRORS, MalformedError, decompress

MAX_VALUE_BYTES = 1_048_576
MAX_HEADERS = 1_000
KEPT_BYTES = 65_536
# Marks a dead letter that has only a part of its record. The value is the size of the record's value.
INCOMPLETE_HEADER = "tidemark_dlq_incomplete"
_KEPT_HEADERS, _KEPT_HEADER_BYTES = 50, 1_024
# A value has at most 1 MiB; key and headers together may have as much again.
_MAX_RECORD_BYTES = 2 * MAX_VALUE_BYTES
MAX_PART_RECORDS, _PART_BYTES = 5_000, 4 * 1_048_576

# Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and greatest timestamp.
BATCH_HEADER = struct.Struct(">qiibIhiqq")
COUNT_POSITION, RECORDS_POSITION = 57, 61
CODEC_MASK, _APPEND_TIME = 0x07, 0x08
MAX_VARINT_SHIFT = 63


class UndecodableRecord(NamedTuple):
    """A record, or the rest of a batch, that cannot be decoded: the parts that can be read, and the reason."""

    record: ConsumerRecord
    reason: str
    next_offset: int
    """The offset after the last one that this stands for."""

    @property
    def offset(self) -> int:
        """The first offset that this stands for."""
        return int(self.record.offset)


class SkippedOffsets(NamedTuple):
    """Offsets without a record: a transaction marker, or records that compaction removed at the end of a batch."""

    offset: int
    next_offset: int
    is_control: bool


class BatchBoundaryError(Exception):
    """The bytes at an offset are not a record batch, so the next batch cannot be found."""


class RawBatch(NamedTuple):
    """A batch that this module parses: too large, damaged, or with a record that aiokafka cannot decode."""

    topic: str
    partition: int
    data: bytes
    offset: int
    """The first offset that the consumer wants."""
    next_offset: int
    """The offset after the batch."""
    is_intact: bool
    """Whether the checksum is correct."""

    def parse(self) -> Iterator[list["FetchedItem"]]:
        """Yield its records in parts of bounded size. Each step may take long: run it in a thread."""
        part: list[FetchedItem] = []
        size = 0
        for item in self._items():
            part.append(item)
            if not isinstance(item, SkippedOffsets | RawBatch):
                record = item.record if isinstance(item, UndecodableRecord) else item
                size += len(record.value or b"") + len(record.key or b"")
            if len(part) >= MAX_PART_RECORDS or size >= _PART_BYTES:
                yield part
                part, size = [], 0
        yield part

    def _items(self) -> Iterator["FetchedItem"]:
        if not self.is_intact:
            yield self._undecodable_rest(self.offset, "its checksum does not match its content")
            return
        base, _, _, _, _, attributes, _, base_timestamp, max_timestamp = BATCH_HEADER.unpack_from(self.data)
        (count,) = struct.unpack_from(">i", self.data, COUNT_POSITION)
        expected, read_count = base, 0
        try:
            stream = _Stream(decompress(attributes & CODEC_MASK, memoryview(self.data)[RECORDS_POSITION:]))
            # The batch's record count may be wrong; its bytes and its last offset decide.
            while expected < self.next_offset and not stream.at_end():
                item = self._parse_record(
                    stream, expected, base, max_timestamp if attributes & _APPEND_TIME else None, base_timestamp
                )
                read_count += 1
                expected = item.next_offset if isinstance(item, UndecodableRecord) else item.offset + 1
                if item.offset >= self.offset:
                    yield item
        except CORRUPTION_ERRORS as error:
            yield self._undecodable_rest(max(expected, self.offset), str(error).rstrip("."))
            return
        expected = max(expected, self.offset)
        if expected < self.next_offset:
            if read_count < count:
                yield self._undecodable_rest(expected, f"it should have {count} records and has {read_count}")
            else:
                yield SkippedOffsets(expected, self.next_offset, is_control=False)

    def _parse_record(
        self, stream: "_Stream", expected: int, base: int, append_time: int | None, base_timestamp: int
    ) -> "ConsumerRecord | UndecodableRecord":
        length = stream.varint()
        if length < 0:
            raise MalformedError(f"offset {expected} has a record of {length} bytes")
        window = _Window(stream, length)
        record = _Record(offset=expected)
        problem = ""
        try:
            record.read(window, keep_all=length <= _MAX_RECORD_BYTES)
            problem = record.problem(length)
        except MalformedError as error:
            if window.is_truncated:
                raise
            problem = f"The record is malformed: {error}."
        window.skip_rest()
        offset = expected if record.offset_delta is None else base + record.offset_delta
        if not expected <= offset < self.next_offset:
            raise MalformedError(f"a record after offset {expected - 1} claims the offset {offset}")
        consumer_record = _consumer_record(
            self.topic,
            self.partition,
            offset,
            base_timestamp + record.timestamp_delta if append_time is None else append_time,
            int(append_time is not None),
            record.key,
            record.value,
            record.headers,
        )
        if not problem:
            return consumer_record
        return UndecodableRecord(
            consumer_record, f"{self.topic}/{self.partition}, offset {offset}: {problem}", offset + 1
        )

    def _undecodable_rest(self, offset: int, problem: str) -> UndecodableRecord:
        record = _consumer_record(self.topic, self.partition, offset, -1, 0, None, None, [(INCOMPLETE_HEADER, b"")])
        offsets = f"offsets {offset} to {self.next_offset - 1}" if self.next_offset - offset > 1 else f"offset {offset}"
        return UndecodableRecord(
            record,
            f"{self.topic}/{self.partition}, {offsets}: the record batch cannot be read, because {problem}. "
            "Publish its events again.",
            self.next_offset,
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
    """The fields of one record; of a large record only a part is kept."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self.offset_delta: int | None = None
        self.timestamp_delta = 0
        self.key: bytes | None = None
        self.value: bytes | None = None
        self.value_size = 0
        self.headers: list[tuple[str, bytes | None]] = []
        self.header_count = 0
        self._invalid_name = ""

    def read(self, window: "_Window", *, keep_all: bool) -> None:
        """Parse the record; unless ``keep_all``, keep only the first bytes of each field."""
        max_bytes = _MAX_RECORD_BYTES if keep_all else KEPT_BYTES
        window.read(1)
        self.timestamp_delta = window.varint()
        self.offset_delta = window.varint()
        self.key, _ = window.field(max_bytes)
        self.value, self.value_size = window.field(max_bytes)
        if self.value and self.value_size > MAX_VALUE_BYTES:
            self.value = self.value[:KEPT_BYTES]
        self.header_count = window.varint()
        if self.header_count < 0:
            raise MalformedError(f"it has {self.header_count} headers")
        keep_all = keep_all and self.header_count <= MAX_HEADERS
        max_headers, max_bytes = (MAX_HEADERS, max_bytes) if keep_all else (_KEPT_HEADERS, _KEPT_HEADER_BYTES)
        for _ in range(min(self.header_count, max_headers)):
            name, _size = window.field(max_bytes)
            if name is None:
                raise MalformedError("a header has no name")
            value, _size = window.field(max_bytes)
            try:
                self.headers.append((name.decode(), value))
            except UnicodeDecodeError:
                escaped = name.decode(errors="backslashreplace")
                self._invalid_name = self._invalid_name or escaped
                self.headers.append((escaped, value))
        if self.header_count <= max_headers and window.remaining:
            raise MalformedError(f"{window.remaining} bytes follow its last header")

    def problem(self, length: int) -> str:
        """Why a handler cannot process the record; empty if it can."""
        if self.value_size > MAX_VALUE_BYTES:
            self.headers.append((INCOMPLETE_HEADER, str(self.value_size).encode()))
            return (
                f"The record has {self.value_size} bytes. At most 1 MiB ({MAX_VALUE_BYTES}) is allowed; the first "
                f"{KEPT_BYTES} are kept."
            )
        if length > _MAX_RECORD_BYTES:
            self.headers.append((INCOMPLETE_HEADER, str(self.value_size).encode()))
            return (
                f"The record has {length} bytes with its key and headers. At most {_MAX_RECORD_BYTES} are allowed; the "
                f"first {KEPT_BYTES} bytes of each are kept."
            )
        if self.header_count > MAX_HEADERS:
            self.headers.append((INCOMPLETE_HEADER, str(self.value_size).encode()))
            return (
                f"The record has {self.header_count} headers. At most {MAX_HEADERS} are allowed; the first "
                f"{_KEPT_HEADERS} are kept."
            )
        if self._invalid_name:
            return f"The name of a header is not UTF-8: {self._invalid_name[:100]}."
        return ""


class _Stream:
    """Reads bytes from an iterator of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._chunk, self._position = chunks, b"", 0

    def at_end(self) -> bool:
        """Whether all bytes were read."""
        while self._position == len(self._chunk):
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._chunk, self._position = chunk, 0
        return False

    def read(self, size: int) -> bytes:
        """Read exactly ``size`` bytes."""
        parts = []
        while size:
            if self.at_end():
                raise MalformedError(f"{size} bytes are missing at its end")
            part = self._chunk[self._position : self._position + size]
            self._position += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Skip ``size`` bytes."""
        while size:
            if self.at_end():
                raise MalformedError(f"{size} bytes are missing at its end")
            step = min(size, len(self._chunk) - self._position)
            self._position += step
            size -= step

    def varint(self) -> int:
        """Read a number in Kafka's encoding: zigzag, seven bits per byte."""
        return _varint(self.read)


class _Window:
    """The bytes of one record within a stream."""

    def __init__(self, stream: _Stream, length: int) -> None:
        self._stream, self.remaining = stream, length
        self.is_truncated = False

    def read(self, size: int) -> bytes:
        """Read exactly ``size`` bytes."""
        self._reserve(size)
        content: bytes = self._from_stream(self._stream.read, size)
        return content

    def varint(self) -> int:
        """Read a number."""
        return _varint(self.read)

    def field(self, max_bytes: int) -> tuple[bytes | None, int]:
        """Read a field after its length. Returns its first ``max_bytes`` bytes (None if it is null) and its length."""
        size = self.varint()
        if size < 0:
            return None, 0
        self._reserve(size)
        head = self._from_stream(self._stream.read, min(size, max_bytes))
        self._from_stream(self._stream.skip, size - len(head))
        return head, size

    def skip_rest(self) -> None:
        """Skip the rest of the record."""
        self._stream.skip(self.remaining)

    def _reserve(self, size: int) -> None:
        if size > self.remaining:
            raise MalformedError(f"a field of {size} bytes exceeds the record")
        self.remaining -= size

    def _from_stream(self, call: Callable[[int], Any], size: int) -> Any:
        try:
            return call(size)
        except Exception:
            # The batch ends or cannot be decompressed; the record itself may be well-formed.
            self.is_truncated = True
            raise


def _varint(read: Callable[[int], bytes]) -> int:
    value = shift = 0
    while True:
        (byte,) = read(1)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more bytes follow
            return (value >> 1) ^ -(value & 1)
        shift += 7
        if shift > MAX_VARINT_SHIFT:
            raise MalformedError("a number has too many bytes")
