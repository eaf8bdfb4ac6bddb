"""Read lines from plain or compressed files, and records from CSV lines with errors in them."""

import csv
import gzip
import lzma
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import zstandard

_CHUNK_BYTES = 1 << 16


class FileError(Exception):
    """A file cannot be read as a whole; the text says how to correct it."""


class CsvRecord(NamedTuple):
    """A record of a CSV file: its first line and its fields, or the reason why it has none."""

    line: int
    fields: list[str]
    error: str | None = None


@contextmanager
def open_text(path: Path, encoding: str = "utf-8") -> Iterator[Iterator[str]]:
    """The lines of a file. Compression (xz, gzip, zstd) is detected from the content, not from the name.

    Invalid bytes become lone surrogates, so that only their own row fails.
    """
    try:
        with _open(path) as file, TextIOWrapper(file, encoding, errors="surrogateescape", newline="") as text:
            yield text
    except LookupError:
        raise FileError(f"{encoding!r} is not an encoding. Use one such as utf-8 or cp1252.") from None
    except (lzma.LZMAError, EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise FileError(f"{path} is damaged or ends too early: {error}. Get a new copy of the file.") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from None


def _open(path: Path) -> IO[bytes]:
    if str(path) == "-":
        return sys.stdin.buffer
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\xfd7zXZ\0"):
        return cast("IO[bytes]", lzma.open(path))
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(path))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return cast("IO[bytes]", BufferedReader(_ZstdFile(path)))
    return path.open("rb")


class _ZstdFile(RawIOBase):
    """A decompressed Zstandard file. The package's own reader does not notice a truncated file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._buffer = memoryview(b"")

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._buffer:
            chunk = self._frame.unused_data or self._file.read(_CHUNK_BYTES)
            if not chunk:
                if not self._frame.eof:
                    raise EOFError("the last frame is incomplete")
                return 0
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._buffer = memoryview(self._frame.decompress(chunk))
        count = min(len(buffer), len(self._buffer))
        buffer[:count], self._buffer = self._buffer[:count], self._buffer[count:]
        return count


class _NumberedLines:
    """Lines with their numbers. Lines can be pushed back, to be read again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._numbered = enumerate(lines, 1)
        self._pushed_back: deque[tuple[int, str]] = deque()
        self.consumed: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        while line := self._pushed_back.popleft() if self._pushed_back else next(self._numbered, None):
            self.consumed.append(line)
            yield line[1]

    def push_back_all_but_first(self) -> None:
        self._pushed_back.extendleft(reversed(self.consumed[1:]))


def read_records(text: Iterator[str], delimiter: str) -> Iterator[CsvRecord]:
    """The records of a CSV file, the header first; blank lines are skipped.

    An unclosed quote makes only its own line invalid, not the lines that follow.
    """
    lines, width = _NumberedLines(text), 0
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.consumed.clear()
        fields: list[str] | None
        try:
            fields, error = next(reader, None), None
        except csv.Error as csv_error:
            fields, error = [], f"The line is not CSV: {csv_error}."
        if fields is None:
            return
        width = width or len(fields)
        if not error and fields and len(fields) != width:
            error = f"The line has {len(fields)} columns, the header {width}. Check its delimiters and quotes."
        if error and len(lines.consumed) > 1:
            lines.push_back_all_but_first()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            error = "A quote opens in this line and does not close. Close it, or double it within a text."
        if fields or error:
            yield CsvRecord(lines.consumed[0][0], fields, error or _find_invalid_text(lines.consumed))


def _find_invalid_text(lines: list[tuple[int, str]]) -> str | None:
    """The error of lines that are not valid text."""
    for _, line in lines:
        if "\0" in line:
            return "The line contains a NUL character. Remove it."
        if not line.isascii() and any("\ud800" <= character <= "\udfff" for character in line):
            return "The line contains bytes that are not valid in the file's encoding. Set encoding in the mapping."
    return None
