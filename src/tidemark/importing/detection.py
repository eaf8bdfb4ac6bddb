"""What a file is: events, the export of a product, or a table that nothing is known about."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tidemark.importing.files import CsvRecord, FileError, open_text
from tidemark.importing.mapping import MappingError
from tidemark.importing.presets import Preset, list_presets
from tidemark.importing.tables import Dialect, open_table
from tidemark.importing.templates import compile_template
from tidemark.importing.values import RowError, parse_time

_SAMPLE_ROWS = 10_000
_MAX_NAMES = 20


class Detected(NamedTuple):
    """The preset of a file, and the document of its mapping."""

    preset: Preset
    mapping: dict[str, Any]


class Sample(NamedTuple):
    """The dialect of a file, its columns, and its first rows."""

    dialect: Dialect
    header: Sequence[str]
    rows: Sequence[CsvRecord]


def is_event_file(path: Path, max_size: int) -> bool:
    """Whether the first line is a structured CloudEvent."""
    with open_text(path, max_size=max_size) as lines:
        first = next((line for line in lines if line.strip()), "")
    return first.lstrip("\ufeff \t").startswith("{") and '"specversion"' in first


def detect_preset(
    path: Path, product: str | None, max_size: int, *, date_formats: Sequence[str] | None = None
) -> Detected | None:
    """The preset whose columns the file has, of one product or of all; None if there is none.

    ``date_formats`` are those that a person chose. Raises :class:`MappingError` if the order of day, month and year
    cannot be told.
    """
    # JSON and workbooks are read whole, and alike by all presets with the same list.
    headers: dict[str, Sequence[str]] = {}
    for preset in list_presets():
        if product not in (None, preset.product):
            continue
        list_path = preset.mapping.get("list", "")
        header = headers.get(list_path)
        if header is None:
            try:
                dialect, header, _ = read_sample(path, preset, max_size, row_count=0)
            except FileError:
                # It is not the table that the preset describes. A file that nothing can read is reported in the end.
                continue
            if dialect.format != "csv":
                headers[list_path] = header
        if preset.columns <= set(header):
            mapping = preset.mapping
            if preset.date_formats and not date_formats:
                sample = read_sample(path, preset, max_size)
                mapping = {**mapping, "date_formats": choose_date_formats(sample, preset)}
            return Detected(preset, mapping)
    return None


def describe_unknown(path: Path, product: str | None, max_size: int) -> str:
    """Why no preset fits, and what to do."""
    header = read_sample(path, None, max_size, row_count=0).header
    names = ", ".join(header[:_MAX_NAMES])
    what = f"is not an export of {product or 'a known product'}"
    return (
        f"{path} {what}. Its columns are {names}. Run `tidemark import --explain {path} --write map.toml` for a "
        "mapping to complete, and import with --mapping map.toml."
    )


def read_sample(path: Path, preset: Preset | None, max_size: int, *, row_count: int = _SAMPLE_ROWS) -> Sample:
    """The first rows of a file, read as the preset says. Raises :class:`FileError`."""
    mapping = preset.mapping if preset else {}
    columns = preset.columns if preset else ()
    with open_table(
        path, columns, list_path=mapping.get("list", ""), split=mapping.get("split", ""), max_size=max_size
    ) as table:
        header = next(table.records, None)
        if header is None or header.error:
            raise FileError(f"{path} has no header: {header.error if header else 'it is empty.'}")
        return Sample(table.dialect, header.fields, list(islice(table.records, row_count)))


def choose_date_formats(sample: Sample, preset: Preset) -> list[str]:
    """The formats of the one order of day, month and year that fits every row.

    Raises :class:`MappingError` if two orders fit and mean different days: guessing could move work to another month.
    """
    template = preset.mapping["worklog"]["started"]
    started = compile_template(template, sample.header, [""])
    texts = [text for row in sample.rows if not row.error and (text := started(row.fields))]
    readings = {
        order: days
        for order, formats in preset.date_formats.items()
        if (days := _read_days(texts, formats)) is not None
    }
    if not readings:
        # The rows that do not fit the likeliest order are refused, each with its text.
        def count_fitting(formats: Sequence[str]) -> int:
            return sum(_read_days([text], formats) is not None for text in texts)

        return max(preset.date_formats.values(), key=count_fitting)
    if len(set(map(tuple, readings.values()))) > 1:
        options = " or ".join(f'--date-format "{preset.date_formats[order][0]}" ({order})' for order in readings)
        raise MappingError(f"The dates, such as {texts[0]!r}, can be read in several ways. Repeat with {options}.")
    return preset.date_formats[next(iter(readings))]


def _read_days(texts: Sequence[str], formats: Sequence[str]) -> list[str] | None:
    """The days of the texts; None if one has none of the formats."""
    zone = ZoneInfo("UTC")
    try:
        return [parse_time(text, formats, zone).time.date().isoformat() for text in texts]
    except RowError:
        return None
