"""Tables as people export them: CSV of any dialect, JSON, and workbooks, read into records with the header first."""

import csv
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import dropwhile, islice
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile, ZipFile

from tidemark.importing.files import (
    DEFAULT_MAX_SIZE,
    HEAD_BYTES,
    CsvRecord,
    FileError,
    decode_lines,
    format_size,
    open_bytes,
    read_records,
)
from tidemark.importing.workbook import WorkbookError, read_first_sheet

_DELIMITERS = ",;\t|"
_MAX_TITLE_LINES = 50
_MAX_TITLES = 5
_WORKBOOK = b"PK\x03\x04"
# A cell of a workbook takes more memory than its text in the file.
_WORKBOOK_SIZE_DIVISOR = 4
_CHUNK_BYTES = 1 << 16
_SAMPLE_BYTES = 16
_WORKLOG_FIELDS = ("notes", "time", "person", "seconds")
_CONSISTENT = 0.9


class Dialect(NamedTuple):
    """What a file is: ``csv``, ``json`` or ``workbook``; and for CSV its encoding, delimiter and line of the header."""

    format: str
    encoding: str = "utf-8"
    delimiter: str = ","
    header_line: int = 1


class Table(NamedTuple):
    """The records of a file, the header first, and what the file is."""

    records: Iterator[CsvRecord]
    dialect: Dialect


@contextmanager
def open_table(
    path: Path,
    columns: Collection[str] = (),
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    list_path: str = "",
    split: str = "",
    max_size: int = DEFAULT_MAX_SIZE,
) -> Iterator[Table]:
    """Read a file. What is not given is detected; ``columns`` are names that the header has.

    ``list_path`` leads to a list inside each item of a JSON file (``time_entries``): each of its items is a record.
    ``split`` is a column of a CSV file, possibly repeated, with a worklog in each field: see :func:`_split_worklogs`.
    Raises :class:`FileError`.
    """
    columns = {name for name in columns if not (split and name.startswith(f"{split}."))} | ({split} if split else set())
    with open_bytes(path, max_size=max_size) as file:
        head = file.peek(HEAD_BYTES)
        if head.startswith(_WORKBOOK):
            yield Table(_read_workbook(path, file.read(), max_size), Dialect("workbook"))
            return
        encoding = encoding or detect_encoding(head)
        start = head.decode(encoding, "replace").lstrip("\ufeff \t\r\n")[:1]
        if start in ("[", "{"):
            text = "".join(decode_lines(path, file, encoding)).removeprefix("\ufeff")
            yield Table(_read_json(path, text, list_path), Dialect("json", encoding))
            return
        dialect = detect_dialect(head, encoding, columns, delimiter)
        lines = decode_lines(path, file, encoding)
        for _ in islice(lines, dialect.header_line - 1):
            pass
        records = _name_columns(read_records(lines, dialect.delimiter, dialect.header_line))
        yield Table(_split_worklogs(records, split) if split else records, dialect)


def detect_encoding(head: bytes) -> str:
    """The encoding by its mark, else UTF-8 if the text is mostly valid in it, else cp1252 (Western Windows)."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if 0 in head[:_CHUNK_BYTES]:
        # Without a mark, every other byte of most texts is zero.
        if not any(head[:_SAMPLE_BYTES:2]):
            return "utf-16-be"
        if not any(head[1:_SAMPLE_BYTES:2]):
            return "utf-16-le"
    text = head.decode("utf-8", "surrogateescape")
    if len(head) == HEAD_BYTES:
        text = text[:-4]  # A character may be cut.
    invalid = sum("\ud800" <= character <= "\udfff" for character in text)
    valid = sum(not character.isascii() for character in text) - invalid
    return "cp1252" if invalid > valid else "utf-8"


def detect_dialect(head: bytes, encoding: str, columns: Collection[str] = (), delimiter: str | None = None) -> Dialect:
    """The delimiter, and the line of the header: the first that has ``columns``, else the first of the usual width."""
    lines = head.decode(encoding, "replace").removeprefix("\ufeff").splitlines()
    skipped = 0
    if lines and lines[0].lower().startswith("sep=") and len(lines[0]) == len("sep=;"):
        delimiter, skipped = delimiter or lines[0][-1], 1
    delimiters = [delimiter] if delimiter else list(_DELIMITERS)
    parsed = {option: _parse_lines(lines[skipped : skipped + _MAX_TITLE_LINES], option) for option in delimiters}
    if columns:
        for option, rows in parsed.items():
            for number, row in enumerate(rows):
                if set(columns) <= set(_unique_names(row)):
                    return Dialect("csv", encoding, option, skipped + number + 1)
    best = max(delimiters, key=lambda option: _rate_delimiter(parsed[option]))
    width = _usual_width(parsed[best])
    header = next((number for number, row in enumerate(parsed[best]) if len(row) == width), 0)
    return Dialect("csv", encoding, best, skipped + header + 1)


def _parse_lines(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The fields of each line; a field with a line break is cut, which does not matter for a header."""
    rows = []
    for line in lines:
        try:
            rows.append(next(csv.reader([line], delimiter=delimiter), []))
        except csv.Error:  # With the wrong delimiter, a long line is one field that is too long.
            rows.append([])
    return rows


def _usual_width(rows: Sequence[Sequence[str]]) -> int:
    widths = Counter(len(row) for row in rows if row)
    return max(widths, key=lambda width: (widths[width] * min(width, 2), width), default=0)


def _rate_delimiter(rows: Sequence[Sequence[str]]) -> tuple[bool, int]:
    """A delimiter fits if it divides most lines into the same number of fields; of those, the most fields."""
    width, filled = _usual_width(rows), [row for row in rows if row]
    fitting = sum(len(row) == width for row in filled)
    return bool(filled) and fitting >= _CONSISTENT * max(len(filled) - _MAX_TITLES, 1), width


def _unique_names(header: Sequence[str]) -> list[str]:
    """The names of columns without blanks around them; the second of one name gets `` (2)``."""
    counts = Counter[str]()
    names = []
    for field in header:
        name = field.strip().removeprefix("\ufeff").strip().removeprefix('"').removesuffix('"')
        counts[name] += 1
        names.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return names


def _name_columns(records: Iterator[CsvRecord]) -> Iterator[CsvRecord]:
    header = next(records, None)
    if header is not None:
        yield header if header.error else header._replace(fields=_unique_names(header.fields))
        yield from records


def _split_worklogs(records: Iterator[CsvRecord], column: str) -> Iterator[CsvRecord]:
    """One record for each field ``notes;time;person;seconds`` of the columns with this name, as Jira exports them."""
    header = next(records, None)
    if header is None:
        return
    indices = [
        index
        for index, name in enumerate(header.fields)
        if name == column or (name.startswith(f"{column} (") and name.endswith(")"))
    ]
    yield header._replace(fields=[*header.fields, *(f"{column}.{name}" for name in _WORKLOG_FIELDS)])
    for record in records:
        if record.error:
            yield record
        for index in indices if not record.error else ():
            if record.fields[index].strip():
                fields = record.fields[index].rsplit(";", len(_WORKLOG_FIELDS) - 1)
                error = None if len(fields) == len(_WORKLOG_FIELDS) else f"{column} is not notes;time;person;seconds."
                yield CsvRecord(record.line, [*record.fields, *fields], error)


def _read_json(path: Path, text: str, list_path: str) -> Iterator[CsvRecord]:
    """One record for each item of the file's list. Members of objects inside have names such as ``user.name``."""
    try:
        document = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is not JSON: {error}.") from None
    rows = [row for item in _find_list(path, document, list_path) for row in _flatten(item, list_path)]
    header = list(dict.fromkeys(name for row in rows for name in row))
    yield CsvRecord(1, header)
    for number, row in enumerate(rows, 1):
        yield CsvRecord(number, [row.get(name, "") for name in header])


def _find_list(path: Path, document: Any, list_path: str) -> list[Any]:
    """The items: the file's array, or the only array of its object, unless ``list_path`` begins at that object."""
    if isinstance(document, dict) and list_path.partition(".")[0] in document:
        document = [document]
    elif isinstance(document, dict):
        lists = [member for member in document.values() if isinstance(member, list)]
        document = lists[0] if len(lists) == 1 else [document] if not lists else document
    if isinstance(document, list) and all(isinstance(item, dict) for item in document):
        return document
    raise FileError(f"{path} has no list of worklogs. Export a JSON array of objects, or an object with one array.")


def _flatten(item: dict[str, Any], list_path: str) -> Iterator[dict[str, str]]:
    """The members of an item by dotted names, once for each item of the list at ``list_path``."""
    name, _, rest = list_path.partition(".")
    nested = item.get(name)
    if name and isinstance(nested, dict):
        inner: list[dict[str, str]] = list(_flatten(nested, rest))
    elif name and isinstance(nested, list):
        inner = [row for element in nested for row in _flatten(element, rest)]
    else:
        yield _scalars(item)
        return
    others = _scalars({key: value for key, value in item.items() if key != name})
    for row in inner:
        yield {**others, **{f"{name}.{key}": value for key, value in row.items()}}


def _scalars(item: dict[str, Any], prefix: str = "") -> dict[str, str]:
    row: dict[str, str] = {}
    for key, value in item.items():
        if isinstance(value, dict):
            row.update(_scalars(value, f"{prefix}{key}."))
        else:
            row[prefix + key] = _format_scalar(value)
    return row


def _format_scalar(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_format_scalar(element) for element in value if not isinstance(element, dict | list))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _read_workbook(path: Path, content: bytes, max_size: int) -> Iterator[CsvRecord]:
    """The first sheet of an .xlsx or .ods file. Empty rows at its beginning are no header."""
    try:
        _check_unpacked_size(path, BytesIO(content), max_size // _WORKBOOK_SIZE_DIVISOR)
        rows = read_first_sheet(content)
    except (WorkbookError, BadZipFile, ValueError) as error:
        raise FileError(f"{path} is not a workbook that can be read: {error}. Save it as CSV.") from None
    width = _usual_width([list(filter(None, row)) for row in rows[:_MAX_TITLE_LINES]])
    # Titles above the header have fewer cells.
    table = dropwhile(lambda numbered: sum(map(bool, numbered[1])) < width, enumerate(rows, 1))
    yield from _name_columns(CsvRecord(number, fields) for number, fields in table if any(fields))


def _check_unpacked_size(path: Path, file: IO[bytes], max_size: int) -> None:
    """Raise :class:`FileError` if the workbook unpacks to more, whatever it says about its size."""
    total = 0
    with ZipFile(file) as archive:
        for entry in archive.infolist():
            entry.file_size = max_size + 2 * _CHUNK_BYTES
            with archive.open(entry) as content:
                while chunk := content.read(_CHUNK_BYTES):
                    total += len(chunk)
                    if total > max_size:
                        raise FileError(
                            f"{path} has more than {format_size(max_size)}, unpacked. If this is right, raise the "
                            "limit with --max-size, or save the sheet as CSV."
                        )
