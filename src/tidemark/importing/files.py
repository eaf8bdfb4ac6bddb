"""Files as lines and lines as records: plain or compressed, whatever a program or a person made of them."""

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
    """A file that cannot be read as a whole; says how to mend it."""


class Record(NamedTuple):
    """A record of a CSV file: the line it begins at and its fields, or why it has none."""

    line: int
    fields: list[str]
    fault: str | None = None


@contextmanager
def open_text(path: Path, encoding: str = "utf-8") -> Iterator[Iterator[str]]:
    """The lines of a file, decompressed by what it holds (xz, gzip, zstd), not by its name.

    Bytes that are no text come as lone surrogates, so that one bad row does not cost the file.
    """
    try:
        with _open(path) as raw, TextIOWrapper(raw, encoding, errors="surrogateescape", newline="") as text:
            yield text
    except LookupError:
        raise FileError(f"{encoding!r} is no encoding that Python knows. Name one such as utf-8 or cp1252.") from None
    except (lzma.LZMAError, EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise FileError(f"{path} is damaged or ends too early: {error}. Fetch it again.") from None
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
        return cast("IO[bytes]", BufferedReader(_Zstd(path)))
    return path.open("rb")


class _Zstd(RawIOBase):
    """Zstandard frames, decompressed; the package's own reader takes a file cut short for a whole one."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._ready = memoryview(b"")

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            chunk = self._frame.unused_data or self._file.read(_CHUNK_BYTES)
            if not chunk:
                if not self._frame.eof:
                    raise EOFError("the last frame is not whole")
                return 0
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(chunk))
        taken = min(len(buffer), len(self._ready))
        buffer[:taken], self._ready = self._ready[:taken], self._ready[taken:]
        return taken


class _Lines:
    """Lines with their numbers, some of which are given once more."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._numbered = enumerate(lines, 1)
        self._again: deque[tuple[int, str]] = deque()
        self.given: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        while one := self._again.popleft() if self._again else next(self._numbered, None):
            self.given.append(one)
            yield one[1]

    def give_again_all_but_the_first(self) -> None:
        self._again.extendleft(reversed(self.given[1:]))


def records(text: Iterator[str], delimiter: str) -> Iterator[Record]:
    """The records of a CSV file, the header first; blank lines are none.

    Each stands for itself: a quote that is never closed costs its own line, not those that follow.
    """
    lines, width = _Lines(text), 0
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.given.clear()
        fields: list[str] | None
        try:
            fields, fault = next(reader, None), None
        except csv.Error as error:
            fields, fault = [], f"The line is not CSV: {error}."
        if fields is None:
            return
        width = width or len(fields)
        if not fault and fields and len(fields) != width:
            fault = f"The line has {len(fields)} columns, the header {width}. Is a delimiter or a quote missing?"
        if fault and len(lines.given) > 1:
            lines.give_again_all_but_the_first()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            fault = "A quote opens in this line and is not closed in it. Close it, or double it within a text."
        if fields or fault:
            yield Record(lines.given[0][0], fields, fault or _no_text(lines.given))


def _no_text(lines: list[tuple[int, str]]) -> str | None:
    """Why these lines are no text, where they are none."""
    for _, line in lines:
        if "\0" in line:
            return "The line holds a NUL character. Remove it."
        if not line.isascii() and any("\ud800" <= character <= "\udfff" for character in line):
            return "The line holds bytes that are no text in the file's encoding. Name the right one in the mapping."
    return None
