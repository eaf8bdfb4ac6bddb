"""The compressions of Kafka's record batches, decompressed in chunks: a bomb never unfolds in memory."""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam
import zstandard

# What is handed on at once at most.
MAX_BUFFER_BYTES = 16 * 1_048_576
_CHUNK_BYTES = 131_072
# The block sizes that the two block formats are read with: snappy names its own, lz4 has four.
_MAX_SNAPPY_BLOCK_BYTES = 64 * 1_048_576
_LZ4_BLOCK_BYTES = {4: 65_536, 5: 262_144, 6: 1_048_576, 7: 4_194_304}
_LZ4_MAGIC, _XERIAL_MAGIC = b"\x04\x22\x4d\x18", b"\x82SNAPPY\0"
_ZSTD_WINDOW_BYTES = 128 * 1_048_576


class MalformedError(Exception):
    """A record, or the rest of a batch, cannot be parsed."""


def decompress(codec: int, data: memoryview) -> Iterator[bytes]:
    """The records of a batch in chunks, none of them much larger than a block of the codec."""
    if codec not in _CODECS:
        raise MalformedError(f"its compression {codec} is unknown")
    return _CODECS[codec](data)


def _plain(data: memoryview) -> Iterator[bytes]:
    for start in range(0, len(data), MAX_BUFFER_BYTES):
        yield bytes(data[start : start + MAX_BUFFER_BYTES])


def _gzip(data: memoryview) -> Iterator[bytes]:
    rest = bytes(data)
    while rest:
        # 31 is a window of 32 KiB in the frame of gzip.
        stream = zlib.decompressobj(31)
        while not stream.eof:
            chunk = stream.decompress(rest, _CHUNK_BYTES)
            rest = stream.unconsumed_tail
            if not chunk and not rest and not stream.eof:
                raise MalformedError("its gzip stream ends early")
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
            raise MalformedError(f"a snappy block of {size} bytes exceeds it")
        yield _snappy_block(data[at + 4 : at + 4 + size])
        at += 4 + size


def _snappy_block(block: memoryview) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > _MAX_SNAPPY_BLOCK_BYTES:
        raise MalformedError(f"a snappy block has more than {_MAX_SNAPPY_BLOCK_BYTES} bytes")
    return bytes(cramjam.snappy.decompress_raw(block))


def _lz4(data: memoryview) -> Iterator[bytes]:
    """Frames of independent blocks, as Kafka demands; read block by block, for cramjam reads a frame only whole."""
    at = 0
    while at < len(data):
        if data[at : at + 4] != _LZ4_MAGIC or len(data) < at + 7:
            raise MalformedError("its lz4 frame does not begin as one")
        flags, block = data[at + 4], data[at + 5] >> 4 & 7
        if not flags & 0x20 or flags & 0x01 or block not in _LZ4_BLOCK_BYTES:
            raise MalformedError("its lz4 frame has linked blocks, a dictionary or an unknown block size")
        room = bytearray(_LZ4_BLOCK_BYTES[block])
        at += 7 + (8 if flags & 0x08 else 0)
        while True:
            (size,) = _unpack("<I", data, at)
            at += 4
            if size == 0:
                break
            stored, size = size & 0x80000000, size & 0x7FFFFFFF
            if size > len(data) - at:
                raise MalformedError("its lz4 frame ends early")
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
        raise MalformedError("a block ends early") from None


_CODECS: dict[int, Callable[[memoryview], Iterator[bytes]]] = {0: _plain, 1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
# What a damaged batch may raise while it is decompressed.
CORRUPTION_ERRORS = (MalformedError, zlib.error, zstandard.ZstdError, cramjam.DecompressionError)
