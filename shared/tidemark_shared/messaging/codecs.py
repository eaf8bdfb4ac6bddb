"""Decompresses Kafka's record batches in chunks, so that a decompression bomb does not fill the memory."""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam
import zstandard

# The largest buffer that is passed on at once.
MAX_BUFFER_BYTES = 16 * 1_048_576
_CHUNK_BYTES = 131_072
# Block sizes of the two block formats: a snappy block states its own, lz4 has four.
_MAX_SNAPPY_BLOCK_BYTES = 64 * 1_048_576
_LZ4_BLOCK_BYTES = {4: 65_536, 5: 262_144, 6: 1_048_576, 7: 4_194_304}
_LZ4_MAGIC, _XERIAL_MAGIC = b"\x04\x22\x4d\x18", b"\x82SNAPPY\0"
_ZSTD_WINDOW_BYTES = 128 * 1_048_576


class MalformedError(Exception):
    """A record or the rest of a batch cannot be parsed."""


def decompress(codec: int, data: memoryview) -> Iterator[bytes]:
    """Decompress a batch in chunks, none much larger than a block of the codec."""
    if codec not in _CODECS:
        raise MalformedError(f"its compression {codec} is unknown")
    return _CODECS[codec](data)


def _plain(data: memoryview) -> Iterator[bytes]:
    for start in range(0, len(data), MAX_BUFFER_BYTES):
        yield bytes(data[start : start + MAX_BUFFER_BYTES])


def _gzip(data: memoryview) -> Iterator[bytes]:
    remaining = bytes(data)
    while remaining:
        # 31 means a window of 32 KiB in a gzip frame.
        stream = zlib.decompressobj(31)
        while not stream.eof:
            chunk = stream.decompress(remaining, _CHUNK_BYTES)
            remaining = stream.unconsumed_tail
            if not chunk and not remaining and not stream.eof:
                raise MalformedError("its gzip stream ends early")
            yield chunk
        remaining = stream.unused_data


def _zstd(data: memoryview) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    with decompressor.stream_reader(data, read_across_frames=True) as reader:
        while chunk := reader.read(_CHUNK_BYTES):
            yield chunk


def _snappy(data: memoryview) -> Iterator[bytes]:
    # Java clients write blocks, each after its length; other clients write a single block.
    if data[:8] != _XERIAL_MAGIC:
        yield _snappy_block(data)
        return
    position = 16
    while position < len(data):
        (size,) = _unpack(">i", data, position)
        if not 0 <= size <= len(data) - position - 4:
            raise MalformedError(f"a snappy block of {size} bytes exceeds it")
        yield _snappy_block(data[position + 4 : position + 4 + size])
        position += 4 + size


def _snappy_block(block: memoryview) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > _MAX_SNAPPY_BLOCK_BYTES:
        raise MalformedError(f"a snappy block has more than {_MAX_SNAPPY_BLOCK_BYTES} bytes")
    return bytes(cramjam.snappy.decompress_raw(block))


def _lz4(data: memoryview) -> Iterator[bytes]:
    """Frames of independent blocks, as Kafka requires. Read by block, because cramjam decodes only a whole frame."""
    position = 0
    while position < len(data):
        if data[position : position + 4] != _LZ4_MAGIC or len(data) < position + 7:
            raise MalformedError("its lz4 frame has a wrong header")
        flags, block_size = data[position + 4], data[position + 5] >> 4 & 7
        if not flags & 0x20 or flags & 0x01 or block_size not in _LZ4_BLOCK_BYTES:
            raise MalformedError("its lz4 frame has linked blocks, a dictionary or an unknown block size")
        buffer = bytearray(_LZ4_BLOCK_BYTES[block_size])
        position += 7 + (8 if flags & 0x08 else 0)
        while True:
            (size,) = _unpack("<I", data, position)
            position += 4
            if size == 0:
                break
            is_uncompressed, size = size & 0x80000000, size & 0x7FFFFFFF
            if size > len(data) - position:
                raise MalformedError("its lz4 frame ends early")
            content = data[position : position + size]
            if is_uncompressed:
                yield bytes(content)
            else:
                length = cramjam.lz4.decompress_block_into(content, buffer, output_len=len(buffer))
                yield bytes(memoryview(buffer)[:length])
            position += size + (4 if flags & 0x10 else 0)
        position += 4 if flags & 0x04 else 0


def _unpack(layout: str, data: memoryview, position: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, data, position)
    except struct.error:
        raise MalformedError("a block ends early") from None


_CODECS: dict[int, Callable[[memoryview], Iterator[bytes]]] = {0: _plain, 1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
# The errors of decompressing a damaged batch.
CORRUPTION_ERRORS = (MalformedError, zlib.error, zstandard.ZstdError, cramjam.DecompressionError)
