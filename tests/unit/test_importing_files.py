"""Files become records: compressed or not, with errors that fail only their own row."""

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tidemark.importing.files import CsvRecord, FileError, open_text, read_records


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
    # Then each that is not blank begins a record, or stands within the one before it, which has no fault
    begins = [record.line for record in records]
    assert begins == sorted(set(begins))
    ends = [*(begin - 1 for begin in begins[1:]), len(lines) + 1]
    for record, end in zip(records, ends, strict=True):
        within = [number for number in range(record.line + 1, end + 1) if lines[number - 2]]
        assert not record.error or not within
