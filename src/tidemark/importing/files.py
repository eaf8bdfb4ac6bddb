"""Read lines from plain or compressed files, and records from CSV lines with errors in them."""

import csv
import gzip
import lzma
import re
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import zstandard

DEFAULT_MAX_SIZE = 256 << 20
"""Of an import, unpacked."""
MAX_LINE_CHARACTERS = 4 << 20
HEAD_BYTES = 1 << 18
"""The beginning of a file, from which its format is detected."""
_CHUNK_BYTES = 1 << 16
# A block of four bytes can unpack to 128 KiB, and the package unpacks all that it is given at once.
_ZSTD_CHUNK_BYTES = 1 << 9
# What the highest level of each format needs.
_MAX_DICTIONARY_BYTES = 128 << 20
_SIZE = re.compile(r"(\d{1,15}) ?(?:([KMG])(?:i?B)?|B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class FileError(Exception):
    """A file cannot be read as a whole; the text says how to correct it."""


def parse_size(text: str) -> int:
    """The bytes of a size such as ``500M`` or ``2 GiB``; units are powers of 1024. Raises :class:`ValueError`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size. Write one such as 500M or 2G.")
    return int(match[1]) * _UNITS[(match[2] or "").upper()]


def format_size(size: int) -> str:
    """A size in the largest unit that leaves no rest."""
    unit = next(name for name in reversed(_UNITS) if size % _UNITS[name] == 0)
    return f"{size // _UNITS[unit]:,} {f'{unit}iB' if unit else 'bytes'}"


class CsvRecord(NamedTuple):
    """A record of a CSV file: its first line and its fields, or the reason why it has none."""

    line: int
    fields: list[str]
    error: str | None = None


@contextmanager
def open_bytes(path: Path, *, max_size: int = DEFAULT_MAX_SIZE) -> Iterator["BufferedReader[_LimitedFile]"]:
    """The content of a file. Compression (xz, gzip, zstd) is detected from the content, not from the name.

    Raises :class:`FileError` when the unpacked file is larger than ``max_size`` bytes, before more is in memory.
    """
    try:
        with _open(path) as file, BufferedReader(_LimitedFile(path, file, max_size), HEAD_BYTES) as limited:
            yield limited
    except (lzma.LZMAError, EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise FileError(f"{path} is damaged or ends too early: {error}. Get a new copy of the file.") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from None


@contextmanager
def open_text(path: Path, encoding: str = "utf-8", *, max_size: int = DEFAULT_MAX_SIZE) -> Iterator[Iterator[str]]:
    """The lines of a file: see :func:`open_bytes` and :func:`decode_lines`."""
    with open_bytes(path, max_size=max_size) as file:
        yield decode_lines(path, file, encoding)


def decode_lines(path: Path, file: IO[bytes], encoding: str) -> Iterator[str]:
    """The lines of a file. Invalid bytes become lone surrogates, so that only their own row fails."""
    try:
        text = TextIOWrapper(file, encoding, errors="surrogateescape", newline="")
    except LookupError:
        raise FileError(f"{encoding!r} is not an encoding. Use one such as utf-8 or cp1252.") from None
    return _limited_lines(path, text)


def read_text(path: Path, *, max_size: int) -> str:
    """The whole text of a file, which must be UTF-8. Raises :class:`FileError`."""
    with open_text(path, max_size=max_size) as lines:
        text = "".join(lines)
    if _has_invalid_bytes(text):
        raise FileError(f"{path} is not in UTF-8. Save it in UTF-8.")
    return text


def _limited_lines(path: Path, text: TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(MAX_LINE_CHARACTERS + 1):
        number += 1
        if len(line) > MAX_LINE_CHARACTERS:
            raise FileError(
                f"{path}: line {number} has more than {MAX_LINE_CHARACTERS:,} characters. Check that this is the right "
                "file, with one record on each line."
            )
        yield line


def _open(path: Path) -> IO[bytes]:
    if str(path) == "-":
        return sys.stdin.buffer
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\xfd7zXZ\0"):
        return cast("IO[bytes]", _UnpackedFile(path, _unpack_xz))
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(path))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return cast("IO[bytes]", _UnpackedFile(path, _unpack_zstd))
    return path.open("rb")


def _unpack_xz(file: IO[bytes]) -> Iterator[bytes]:
    """The content of an xz file. The standard library's reader has no limit for the dictionary of the file."""
    stream = lzma.LZMADecompressor(memlimit=_MAX_DICTIONARY_BYTES)
    while True:
        chunk = (stream.unused_data.lstrip(b"\0") if stream.eof else b"") or (
            file.read(_CHUNK_BYTES) if stream.needs_input or stream.eof else b""
        )
        if not chunk and stream.eof:
            return
        if not chunk and stream.needs_input:
            raise EOFError("the last stream is incomplete")
        if stream.eof:
            stream = lzma.LZMADecompressor(memlimit=_MAX_DICTIONARY_BYTES)
        yield stream.decompress(chunk, _CHUNK_BYTES)


def _unpack_zstd(file: IO[bytes]) -> Iterator[bytes]:
    """The content of a Zstandard file. The package's own reader does not notice a truncated file."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_DICTIONARY_BYTES)
    frame = decompressor.decompressobj()
    while chunk := frame.unused_data or file.read(_ZSTD_CHUNK_BYTES):
        if frame.eof:
            frame = decompressor.decompressobj()
        yield frame.decompress(chunk)
    if not frame.eof:
        raise EOFError("the last frame is incomplete")


class _UnpackedFile(RawIOBase):
    """The content of a compressed file, from a generator of its parts."""

    def __init__(self, path: Path, unpack: Callable[[IO[bytes]], Iterator[bytes]]) -> None:
        self._file = path.open("rb")
        self._parts = unpack(self._file)
        self._buffer = memoryview(b"")

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._buffer:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._buffer = memoryview(part)
        count = min(len(buffer), len(self._buffer))
        buffer[:count], self._buffer = self._buffer[:count], self._buffer[count:]
        return count


class _LimitedFile(RawIOBase):
    """A file that raises :class:`FileError` once more than ``max_size`` bytes were read."""

    def __init__(self, path: Path, file: IO[bytes], max_size: int) -> None:
        self._path, self._file = path, file
        self._max_size = self._left = max_size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._file.read(len(buffer))
        self._left -= len(chunk)
        if self._left < 0:
            raise FileError(
                f"{self._path} has more than {format_size(self._max_size)}, unpacked. If this is right, raise the "
                "limit with --max-size."
            )
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _NumberedLines:
    """Lines with their numbers. Lines can be pushed back, to be read again."""

    def __init__(self, lines: Iterator[str], first: int) -> None:
        self._numbered = enumerate(lines, first)
        self._pushed_back: deque[tuple[int, str]] = deque()
        self.consumed: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        while line := self._pushed_back.popleft() if self._pushed_back else next(self._numbered, None):
            self.consumed.append(line)
            yield line[1]

    def push_back_all_but_first(self) -> None:
        self._pushed_back.extendleft(reversed(self.consumed[1:]))


def read_records(text: Iterator[str], delimiter: str, first_line: int = 1) -> Iterator[CsvRecord]:
    """The records of a CSV file, the header first; lines without text are skipped.

    ``first_line`` is the header's number.
    An unclosed quote makes only its own line invalid, not the lines that follow.
    """
    lines, width = _NumberedLines(text, first_line), 0
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
        if not error and not any(map(str.strip, fields)):
            # Excel writes lines of delimiters below a table.
            continue
        width = width or len(fields)
        if not error and fields and len(fields) != width:
            error = f"The line has {len(fields)} columns, the header {width}. Check its delimiters and quotes."
        if error and len(lines.consumed) > 1:
            lines.push_back_all_but_first()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            error = "A quote opens in this line and does not close. Close it, or double it within a text."
        if fields or error:
            yield CsvRecord(lines.consumed[0][0], fields, error or _find_invalid_text(lines.consumed))


def _has_invalid_bytes(text: str) -> bool:
    """Whether bytes that the encoding does not have were read as lone surrogates."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _find_invalid_text(lines: list[tuple[int, str]]) -> str | None:
    """The error of lines that are not valid text."""
    for _, line in lines:
        if "\0" in line:
            return "The line contains a NUL character. Remove it."
        if _has_invalid_bytes(line):
            return "The line contains bytes that are not valid in the file's encoding. Set encoding in the mapping."
    return None
