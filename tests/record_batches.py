"""Record batches as bytes, also such as no producer writes."""

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
_COMPRESS = {
    0: bytes,
    1: gzip.compress,
    2: snappy_encode,
    3: lz4_encode,
    4: zstandard.ZstdCompressor().compress,
}


class Raw(NamedTuple):
    """A record; names of headers are bytes."""

    value: bytes | None = b"v"
    key: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp: int = 0


def varint(number: int) -> bytes:
    number = number << 1 ^ number >> 63
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def field(value: bytes | None) -> bytes:
    return varint(-1) if value is None else varint(len(value)) + value


def encoded(record: Raw, delta: int) -> bytes:
    body = b"".join(
        [
            b"\0",
            varint(record.timestamp),
            varint(delta),
            field(record.key),
            field(record.value),
            varint(len(record.headers)),
            *(field(name) + field(value) for name, value in record.headers),
        ]
    )
    return varint(len(body)) + body


def batch(
    records: Sequence[Raw | bytes] = (Raw(),),
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
    """A batch; bytes among the records stand as they are."""
    deltas = range(len(records)) if deltas is None else deltas
    body = b"".join(
        record if isinstance(record, bytes) else encoded(record, delta)
        for record, delta in zip(records, deltas, strict=True)
    )
    if payload is None:
        payload = _COMPRESS[codec](body)
    last_delta = deltas[-1] if last_delta is None else last_delta
    count = len(records) if count is None else count
    checked = struct.pack(">hiqqqhii", attributes | codec, last_delta, 0, 0, -1, -1, -1, count) + payload
    crc = calc_crc32c(checked) if crc is None else crc
    content = struct.pack(">ibI", 0, magic, crc) + checked
    return struct.pack(">qi", base, len(content) if length is None else length) + content


def snappy_raw(data: bytes) -> bytes:
    """One block without Java's frame, as librdkafka writes it."""
    return bytes(cramjam.snappy.compress_raw(data))


async def produce(bootstrap: str, topic: str, batches: Mapping[int, bytes]) -> None:
    """Have the leaders append batches, by partition, as they are. Raises what a broker refuses with."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
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
