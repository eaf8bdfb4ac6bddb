"""Record batches with any content: valid records are read, the rest is reported, memory is bounded."""

import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer import consumer, fetcher
from batch_readers import TP, create_reader, read_items, records_of
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_batches import CODECS, RawRecord, build_batch, compress_snappy_block, encode_record, encode_varint

from tidemark_shared.messaging import fetching
from tidemark_shared.messaging.record_batches import BatchBoundaryError, RawBatch, SkippedOffsets, UndecodableRecord

MIB = 1_048_576


def summarize(result):
    """The offset of each item, with the value, the reason or the end of the range."""
    return [
        (item.offset, item.value)
        if isinstance(item, ConsumerRecord)
        else (item.offset, item.reason)
        if isinstance(item, UndecodableRecord)
        else (item.offset, item.next_offset)
        for item in result
    ]


def test_aiokafka_uses_the_patched_classes():
    """Fails if a new release of aiokafka no longer uses the patched classes."""
    assert fetcher.PartitionRecords is fetching._PartitionRecords
    source = Path(fetcher.__file__).read_text()
    for use in (
        "records = MemoryRecords(part_data[-1])",
        "if records.has_next():",
        "partition_records = PartitionRecords(",
        "self._records[tp] = FetchResult(",
        "if type(res_or_error) is FetchResult:",
        "records = res_or_error.getall(max_records)",
        "if not res_or_error.has_more():",
        "self._partition_records.next_fetch_offset",
    ):
        assert use in source, use
    assert "value_deserializer=self._value_deserializer" in Path(consumer.__file__).read_text()
    assert AIOKafkaConsumer.getmany


def test_other_consumers_keep_the_parser_of_aiokafka():
    data = build_batch([RawRecord(b"a"), RawRecord(b"b")])
    records = fetcher.PartitionRecords(TP, fetcher.MemoryRecords(data), None, 0, None, None, True, 0)  # noqa: FBT003
    assert [record.value for record in records] == [b"a", b"b"]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_ordinary_batches_are_read_from_any_offset_in_any_portion(codec):
    batches = [
        build_batch([RawRecord(b"%d" % (n + i)) for i in range(10)], base=n, codec=codec) for n in range(0, 50, 10)
    ]
    for first, max_items in ((0, 1), (0, 7), (13, 10), (49, 100)):
        result = read_items(*batches, first=first, max_items=max_items, allow_raw=False)
        assert [record.offset for record in result] == [*range(first, 50)]
        assert [record.value for record in result] == [b"%d" % n for n in range(first, 50)]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_invalid_header_name_affects_only_its_record(codec):
    bad = RawRecord(b"value", b"key", [(b"a", b"1"), (b"x\xff\xfe", b"2")], 5)
    result = read_items(
        build_batch([RawRecord(b"a"), bad, RawRecord(b"b")], codec=codec), build_batch([RawRecord(b"c")], base=3)
    )
    assert records_of(result) == [(0, b"a"), (2, b"b"), (3, b"c")]
    (item,) = (item for item in result if isinstance(item, UndecodableRecord))
    assert (item.offset, item.next_offset) == (1, 2)
    assert (item.record.key, item.record.value, item.record.timestamp) == (b"key", b"value", 5)
    assert item.record.headers == (("a", b"1"), (r"x\xff\xfe", b"2"))
    assert item.reason == r"topic/3, offset 1: The name of a header is not UTF-8: x\xff\xfe."


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("size", [MIB, MIB + 1, 3 * MIB])
def test_value_above_1_mib_is_truncated(codec, size):
    result = read_items(build_batch([RawRecord(b"a"), RawRecord(b"x" * size), RawRecord(b"b")], codec=codec))
    assert [item.offset for item in result] == [0, 1, 2]
    if size <= MIB:
        assert len(result[1].value) == size
    else:
        assert result[1].reason.startswith(f"topic/3, offset 1: The record has {size} bytes. At most 1 MiB (1048576)")
        assert result[1].record.value == b"x" * 65_536
        assert ("tidemark_dlq_incomplete", b"%d" % size) in result[1].record.headers


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_batch_larger_than_the_buffer_is_read_as_a_stream(codec):
    content = [RawRecord(b"%d" % n * (n % 3 * 100_000)) for n in range(300)]
    result = read_items(build_batch(content, codec=codec))
    assert [item.value for item in result] == [record.value for record in content]


def test_large_keys_and_headers_are_truncated():
    result = read_items(
        build_batch(
            [
                RawRecord(key=b"k" * 3 * MIB),
                RawRecord(headers=[(b"n" * 3 * MIB, b"v" * 3 * MIB)] * 3),
                RawRecord(headers=[(b"n", None)] * 100_000),
                RawRecord(headers=[(b"n", None)] * 1_000),
            ],
            codec=4,
        )
    )
    assert [type(item) for item in result] == [UndecodableRecord, UndecodableRecord, UndecodableRecord, ConsumerRecord]
    assert len(result[0].record.key) == 65_536
    assert all(len(name) <= 1_024 for name, _ in result[1].record.headers)
    assert len(result[2].record.headers) <= 51
    assert "100000 headers. At most 1000" in result[2].reason


def test_unknown_codec_makes_the_batch_one_dead_letter():
    result = read_items(
        build_batch([RawRecord(b"a")]),
        build_batch([RawRecord()] * 5, base=1, codec=0, attributes=5),
        build_batch([RawRecord(b"b")], base=6),
    )
    assert records_of(result) == [(0, b"a"), (6, b"b")]
    assert (result[1].offset, result[1].next_offset) == (1, 6)
    assert result[1].reason == (
        "topic/3, offsets 1 to 5: the record batch cannot be read, because its compression 5 is unknown. "
        "Publish its events again."
    )


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_truncated_batch_is_read_up_to_its_end(codec):
    content = [RawRecord(random.Random(n).randbytes(1_000)) for n in range(200)]
    whole = build_batch(content, codec=codec)[61:]
    result = read_items(
        build_batch(content, codec=codec, payload=whole[: len(whole) * 3 // 4]),
        build_batch([RawRecord(b"z")], base=200),
    )
    assert len(records_of(result)) > (1 if codec in {1, 2} else 50) or codec == 3
    assert all(value == content[offset].value for offset, value in records_of(result)[:-1])
    assert result[-1].value == b"z"
    assert isinstance(result[-2], UndecodableRecord)
    assert (result[-2].offset, result[-2].next_offset) == (len(records_of(result)) - 1, 200)


def test_wrong_record_counts_lose_no_record():
    content = [RawRecord(b"a"), RawRecord(b"b"), RawRecord(b"c")]
    assert records_of(read_items(build_batch(content, count=1))) == [(0, b"a"), (1, b"b"), (2, b"c")]
    (*_, rest) = result = read_items(build_batch(content, count=9, last_delta=5))
    assert len(records_of(result)) == 3
    assert (rest.offset, rest.next_offset) == (3, 6)
    assert "it should have 9 records and has 3" in rest.reason
    assert len(records_of(read_items(build_batch(content, count=-1)))) == 3


def test_damage_inside_a_record_affects_only_that_record():
    negative = encode_varint(7) + b"\0" + encode_varint(0) + encode_varint(1) + encode_varint(99) + b"zz"
    result = read_items(build_batch([RawRecord(b"a"), negative, RawRecord(b"c")]))
    assert records_of(result) == [(0, b"a"), (2, b"c")]
    assert "malformed: a field of 99 bytes exceeds the record" in result[1].reason
    rest = read_items(build_batch([RawRecord(b"a"), encode_varint(-5), RawRecord(b"c")]))
    assert summarize(rest)[0] == (0, b"a")
    assert (rest[1].offset, rest[1].next_offset) == (1, 3)
    strange = read_items(
        build_batch([RawRecord(b"a"), RawRecord(b"b"), RawRecord(b"c")], deltas=[0, 7, 2], last_delta=2)
    )
    assert (strange[1].offset, strange[1].next_offset) == (1, 3)


def test_wrong_checksum_makes_the_whole_batch_undecodable():
    result = read_items(
        build_batch([RawRecord(b"a")]),
        build_batch([RawRecord(), RawRecord()], base=1, crc=7),
        build_batch([RawRecord(b"b")], base=3),
    )
    assert records_of(result) == [(0, b"a"), (3, b"b")]
    assert "checksum" in result[1].reason
    assert (result[1].offset, result[1].next_offset) == (1, 3)


@pytest.mark.parametrize(
    "data",
    [
        build_batch(base=1, length=-1),
        build_batch(base=1, length=10),
        build_batch(base=1, magic=1),
        build_batch(base=1, magic=3),
        build_batch(base=1, last_delta=-5),
        build_batch(base=1, last_delta=500),
        b"\0" * 100,
    ],
    ids=range(7),
)
def test_invalid_batch_raises_after_the_valid_batches_before_it(data):
    with pytest.raises(BatchBoundaryError):
        read_items(data, high_water=100)
    reader = create_reader(build_batch([RawRecord(b"a")]) + data)
    assert records_of(reader.take(10, 100)) == [(0, b"a")]
    with pytest.raises(BatchBoundaryError):
        reader.take(10, 100)


@pytest.mark.parametrize("data", [build_batch()[:40], build_batch()[:11], build_batch(length=5_000)])
def test_response_may_end_within_any_batch_but_the_first(data):
    with pytest.raises(BatchBoundaryError):
        read_items(data)
    assert len(read_items(build_batch([RawRecord(b"a")]), data)) == 1


def test_transaction_markers_and_compaction_are_distinguished():
    marker = build_batch([RawRecord(b"\0" * 6, b"\0\0\0\1")], base=2, attributes=0x30)
    compacted = build_batch([RawRecord(b"a"), RawRecord(b"b")], base=3, deltas=[1, 4], last_delta=6)
    emptied = build_batch([], base=10, deltas=[], last_delta=2, count=0)
    result = read_items(build_batch([RawRecord(), RawRecord()]), marker, compacted, emptied)
    assert result[2] == SkippedOffsets(2, 3, is_control=True)
    assert [item.offset for item in result] == [0, 1, 2, 4, 7, 8, 10]
    assert result[5:] == [SkippedOffsets(8, 10, is_control=False), SkippedOffsets(10, 13, is_control=False)]


fields = st.none() | st.binary(max_size=20)
raws = st.builds(
    RawRecord,
    fields,
    fields,
    st.lists(st.tuples(st.text(max_size=5).map(str.encode), fields), max_size=3),
    st.integers(0, 99),
)


@given(st.lists(raws, min_size=1, max_size=20), st.sampled_from([*CODECS.values()]))
def test_both_parsers_return_the_same_records(content, codec):
    data = build_batch(content, codec=codec)
    fast = create_reader(data).take(100, 100)
    (slow,) = RawBatch(TP.topic, TP.partition, data, 0, len(content), is_intact=True).parse()
    assert fast == slow


@settings(max_examples=300)
@given(
    st.lists(raws, min_size=1, max_size=20),
    st.sampled_from([*CODECS.values()]),
    st.data(),
)
def test_damaged_batch_with_valid_checksum_accounts_for_every_offset(content, codec, data):
    payload = bytearray(build_batch(content, codec=codec)[61:])
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    result = read_items(
        build_batch(content, codec=codec, payload=bytes(payload)), build_batch([RawRecord(b"z")], base=len(content))
    )
    expected = 0
    for item in result:
        assert item.offset >= expected
        expected = item.offset + 1 if isinstance(item, ConsumerRecord) else item.next_offset
    assert expected == len(content) + 1
    assert records_of(result)[-1] == (len(content), b"z")


def test_snappy_without_a_frame_and_gzip_with_several_members_are_read():
    body = encode_record(RawRecord(b"a"), 0) + encode_record(RawRecord(b"b"), 1)
    assert [
        value
        for _, value in records_of(read_items(build_batch([b"", b""], codec=2, payload=compress_snappy_block(body))))
    ] == [b"a", b"b"]
    members = b"".join(zlib.compress(part, wbits=31) for part in (body[:5], body[5:]))
    assert len(records_of(read_items(build_batch([b"", b""], codec=1, payload=members)))) == 2


def test_snappy_block_that_claims_gigabytes_is_rejected():
    (item,) = read_items(build_batch(codec=2, payload=b"\xff\xff\xff\xff\x0f" + b"\0" * 50))
    assert "a snappy block has more than" in item.reason


BOMB = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
import psutil, zlib, zstandard
from batch_readers import read_items, records_of
from raw_batches import RawRecord, build_batch, encode_record, encode_varint
size = {size}
body = bytearray(encode_record(RawRecord(b""), 0))
before = encode_varint(size + 20)  # the record's length, its fields, and the length of the value
fields = b"\\0" + encode_varint(0) + encode_varint(1) + encode_varint(-1) + encode_varint(size)
before = encode_varint(len(fields) + size + 1) + fields
compressor = zstandard.ZstdCompressor().compressobj() if {codec} == 4 else zlib.compressobj(1, wbits=31)
parts = [compressor.compress(bytes(body) + before)]
block = b" " * 1_000_000
for _ in range(size // len(block)):
    parts.append(compressor.compress(block))
parts += [compressor.compress(b"\\0" + encode_record(RawRecord(b"last"), 2)), compressor.flush()]
data = build_batch([b"", b"", b""], codec={codec}, payload=b"".join(parts))
del parts
before = psutil.Process().memory_info().rss // 1024
result = read_items(data)
# getrusage would include the memory of the parent process.
(after,) = [int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
assert [offset for offset, _ in records_of(result)] == [0, 2], result
assert len(result[1].record.value) == 65_536
assert f"{{size}} bytes" in result[1].reason
print(len(data), after - before)
"""


@pytest.mark.parametrize(("codec", "size"), [(4, 1_100_000_000), (1, 300_000_000)], ids=["zstd", "gzip"])
@pytest.mark.skipif(sys.platform != "linux", reason="Peak memory is read from /proc.")
def test_decompression_bomb_uses_little_memory(codec, size):
    """The peak memory of a separate process, above its memory before."""
    path = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    run = subprocess.run(
        [sys.executable, "-c", BOMB.format(path=path, codec=codec, size=size)],
        check=True,
        capture_output=True,
        text=True,
    )
    sent, kibibytes = map(int, run.stdout.split())
    print(f"{sent} bytes sent, {kibibytes} KiB more at most")
    assert kibibytes < 100_000
