"""Builds record batches as bytes, including invalid ones that no producer writes."""

import asyncio
import gzip
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cramjam
import zstandard
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import lz4_encode, snappy_encode
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_COMPRESSORS = {
    0: bytes,
    1: gzip.compress,
    2: snappy_encode,
    3: lz4_encode,
    4: zstandard.ZstdCompressor().compress,
}


class RawRecord(NamedTuple):
    """A record whose header names are bytes."""

    value: bytes | None = b"v"
    key: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp: int = 0


def encode_varint(number: int) -> bytes:
    number = number << 1 ^ number >> 63
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def encode_field(value: bytes | None) -> bytes:
    return encode_varint(-1) if value is None else encode_varint(len(value)) + value


def encode_record(record: RawRecord, delta: int) -> bytes:
    body = b"".join(
        [
            b"\0",
            encode_varint(record.timestamp),
            encode_varint(delta),
            encode_field(record.key),
            encode_field(record.value),
            encode_varint(len(record.headers)),
            *(encode_field(name) + encode_field(value) for name, value in record.headers),
        ]
    )
    return encode_varint(len(body)) + body


def build_batch(
    records: Sequence[RawRecord | bytes] = (RawRecord(),),
    *,
    base: int = 0,
    codec: int = 0,
    deltas: Sequence[int] | None = None,
    last_delta: int | None = None,
    count: int | None = None,
    attributes: int = 0,
    payload: bytes | None = None,
    crc: int | None = None,
    magic: int = 2,
    length: int | None = None,
) -> bytes:
    """Build a batch; bytes among the records are copied unchanged."""
    deltas = range(len(records)) if deltas is None else deltas
    body = b"".join(
        record if isinstance(record, bytes) else encode_record(record, delta)
        for record, delta in zip(records, deltas, strict=True)
    )
    if payload is None:
        payload = _COMPRESSORS[codec](body)
    last_delta = deltas[-1] if last_delta is None else last_delta
    count = len(records) if count is None else count
    checked = struct.pack(">hiqqqhii", attributes | codec, last_delta, 0, 0, -1, -1, -1, count) + payload
    crc = calc_crc32c(checked) if crc is None else crc
    content = struct.pack(">ibI", 0, magic, crc) + checked
    return struct.pack(">qi", base, len(content) if length is None else length) + content


def compress_snappy_block(data: bytes) -> bytes:
    """Compress to one block without Java's frame, as librdkafka does."""
    return bytes(cramjam.snappy.compress_raw(data))


async def produce(bootstrap_servers: str, topic: str, batches: Mapping[int, bytes]) -> None:
    """Append batches, by partition, unchanged. Raises the error of a broker that rejects one."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        for partition, data in batches.items():
            async with asyncio.timeout(30):
                while code := await _append(client, topic, partition, data):
                    if not for_code(code).retriable:
                        raise for_code(code)
                    await client.force_metadata_update()
    finally:
        await client.close()


async def _append(client: AIOKafkaClient, topic: str, partition: int, data: bytes) -> int:
    leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
    response = await client.send(leader, ProduceRequest(None, -1, 30_000, [(topic, [(partition, data)])]))
    ((_, [(_, code, *_)]),) = response.topics
    return int(code)
