"""Files become records: compressed or not, with errors that fail only their own row."""

import gzip
import lzma
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tidemark.importing.files import CsvRecord, FileError, open_text, parse_size, read_records, read_text
from tidemark.importing.rows import RefusedRow
from tidemark.importing.run import limit_refusals


def read(text: str, delimiter: str = ",") -> list[CsvRecord]:
    return list(read_records(iter(text.splitlines(keepends=True)), delimiter))


Compress = Callable[[bytes], bytes]
zstd: Compress = zstandard.ZstdCompressor().compress


def zstd_frames(content: bytes) -> bytes:
    half = len(content) // 2
    return zstd(content[:half]) + zstd(content[half:])


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, zstd, zstd_frames])
@pytest.mark.parametrize("text", ["", "id,text\n1,ä\n", "id\n" + "12345\n" * 100_000])
def test_compression_is_detected_from_the_content(tmp_path: Path, compress: Compress, text: str) -> None:
    file = tmp_path / "any.name"
    file.write_bytes(compress(text.encode()))
    with open_text(file) as lines:
        assert "".join(lines) == text


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, zstd, zstd_frames])
def test_truncated_file_raises_file_error(tmp_path: Path, compress: Compress) -> None:
    file = tmp_path / "cut"
    file.write_bytes(compress(b"id\n" + b"1\n" * 10_000)[:-7])
    with pytest.raises(FileError, match="ends too early"), open_text(file) as lines:
        list(lines)


def test_missing_file_raises_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file"), open_text(tmp_path / "none.csv") as lines:
        list(lines)


def test_invalid_bytes_fail_only_their_row(tmp_path: Path) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes(b"id,text\n1,good\n2,b\xe4d\n3,good\n")
    with open_text(file) as lines:
        records = list(read_records(lines, ","))
    assert [record.error is None for record in records] == [True, True, False, True]
    assert "encoding" in str(records[2].error)


def test_other_encoding_is_used(tmp_path: Path) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes("ä".encode("cp1252"))
    with open_text(file, "cp1252") as lines:
        assert list(lines) == ["ä"]


def test_unknown_encoding_raises_file_error(tmp_path: Path) -> None:
    file = tmp_path / "any.csv"
    file.write_bytes(b"")
    with pytest.raises(FileError, match="not an encoding"), open_text(file, "utf-99"):
        pass


def test_line_with_a_wrong_column_count_fails_alone() -> None:
    records = read("a,b\n1\n2,3\n4,5,6\n")
    assert [(record.line, record.error is None) for record in records] == [(1, True), (2, False), (3, True), (4, False)]
    assert "1 columns, the header 2" in str(records[1].error)


def test_unclosed_quote_fails_only_its_line() -> None:
    records = read('a,b\n"1,2\n3,4\n5,6\n')
    assert [(record.line, record.fields if not record.error else "error") for record in records] == [
        (1, ["a", "b"]),
        (2, "error"),
        (3, ["3", "4"]),
        (4, ["5", "6"]),
    ]


def test_lines_between_two_unclosed_quotes_are_kept() -> None:
    records = read('a,b\n"1,2\n3,4\n"5,6\n7,8\n')
    assert [record.line for record in records if not record.error] == [1, 3, 5]
    assert [record.line for record in records if record.error] == [2, 4]


def test_quoted_line_break_is_part_of_its_field() -> None:
    assert read('a,b\n1,"x\ny"\n2,z\n')[1:] == [CsvRecord(2, ["1", "x\ny"]), CsvRecord(4, ["2", "z"])]


def test_blank_lines_are_skipped() -> None:
    assert [record.line for record in read("\na,b\n\n1,2\n\n")] == [2, 4]


def test_oversized_field_fails_only_its_row() -> None:
    records = read(f"a,b\n1,{'x' * 200_000}\n2,3\n")
    assert [record.error is None for record in records] == [True, False, True]


def test_nul_character_fails_only_its_row() -> None:
    assert [record.error is None for record in read("a,b\n1,\0\n2,3\n")] == [True, False, True]


@given(st.lists(st.text(st.sampled_from('a1,"; \t'), max_size=8), max_size=12))
def test_every_line_is_in_exactly_one_record(lines: list[str]) -> None:
    # Given lines that a person may have made, under a header of two columns
    text = "".join(f"{line}\n" for line in ["h,k", *lines])
    # When they are read
    records = read(text)
    # Then each that has a text begins a record, or stands within the one before it, which has no fault
    begins = [record.line for record in records]
    assert begins == sorted(set(begins))
    ends = [*(begin - 1 for begin in begins[1:]), len(lines) + 1]
    for record, end in zip(records, ends, strict=True):
        within = [number for number in range(record.line + 1, end + 1) if lines[number - 2].strip(', \t"')]
        assert not record.error or not within


def lzma_bomb(content: bytes) -> bytes:
    return lzma.compress(content, preset=0)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma_bomb, zstd, zstd_frames])
def test_larger_file_is_refused_before_it_is_in_memory(tmp_path: Path, compress: Compress) -> None:
    """A file that unpacks to 64 MiB, of which no more than a few are in memory at once."""
    file = tmp_path / "bomb"
    file.write_bytes(compress((b"x" * 1_023 + b"\n") * (1 << 16)))
    tracemalloc.start()
    message = r"bomb has more than 16 MiB, unpacked\..*--max-size"
    with pytest.raises(FileError, match=message), open_text(file, max_size=16 << 20) as lines:
        deque(lines, maxlen=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 << 20


@pytest.mark.parametrize("compress", [bytes, lzma_bomb, zstd])
def test_endless_line_is_refused(tmp_path: Path, compress: Compress) -> None:
    file = tmp_path / "line"
    file.write_bytes(compress(b"id\n" + bytes(1 << 26)))
    with pytest.raises(FileError, match=r"line: line 2 has more than 4,194,304 characters"), open_text(file) as lines:
        list(lines)


def test_dictionary_of_xz_is_limited(tmp_path: Path) -> None:
    file = tmp_path / "file.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]
    file.write_bytes(lzma.compress(b"id\n", filters=filters))
    with pytest.raises(FileError, match="Memory usage limit"), open_text(file) as lines:
        list(lines)


def test_file_of_the_limit_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("12345\n")
    assert read_text(file, max_size=6) == "12345\n"
    with pytest.raises(FileError, match="5 bytes"):
        read_text(file, max_size=5)


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes("ä".encode("latin-1"))
    with pytest.raises(FileError, match="is not in UTF-8"):
        read_text(file, max_size=6)


@pytest.mark.parametrize(
    ("text", "size"), [("5", 5), ("2K", 2_048), ("500 MiB", 500 << 20), ("1g", 1 << 30), ("1GB", 1 << 30), ("7B", 7)]
)
def test_size_is_parsed(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1T", "1.5G", "G", "9" * 5_000])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


def test_file_of_refused_rows_is_refused() -> None:
    rows = [RefusedRow(number, None, "unreadable", "The line is not JSON.") for number in range(100_001)]
    assert list(limit_refusals(rows[:-1])) == rows[:-1]
    with pytest.raises(FileError, match="More than 100,000 rows are refused, the last one in line 100000"):
        list(limit_refusals(rows))
