"""A mapping that is proposed for a file that is not known, and the rows as a mapping reads them. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from tidemark.importing.detection import Sample
from tidemark.importing.rows import RefusedRow, Row
from tidemark.importing.values import RowError, parse_exact_seconds, parse_time

# Words that name the columns in exports, in English and German; the first that fits is taken.
_WORDS = {
    "started": ("started", "start", "begin", "from", "beginn", "von"),
    "ended": ("ended", "end", "stop", "to", "ende", "bis"),
    "day": ("date", "day", "datum", "tag"),
    "duration": (
        "duration",
        "hours",
        "minutes",
        "seconds",
        "time spent",
        "worked",
        "dauer",
        "stunden",
        "zeit",
        "time",
        "h",
    ),
    "author": ("person", "user", "employee", "author", "email", "worker", "who", "name", "mitarbeiter", "benutzer"),
    "project": ("contract", "project", "projekt", "vertrag"),
    "customer": ("customer", "client", "organization", "kunde", "auftraggeber"),
    "issue": ("issue", "ticket", "task", "activity", "job", "aufgabe", "tätigkeit", "vorgang"),
    "notes": ("notes", "description", "comment", "notiz", "beschreibung", "kommentar", "bemerkung"),
    "id": ("id", "worklog id", "entry id", "nr"),
}
_FORMATS = (
    "iso", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y",
    "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "unix", "unix_ms",
)  # fmt: skip
_UTC = ZoneInfo("UTC")
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d)?( ?[ap]m)?", re.IGNORECASE)


def propose_mapping(sample: Sample, source: str) -> str:
    """The text of a MAP.toml for the columns of a file; what cannot be told is marked with ``TODO``."""
    columns = _guess_columns(sample.header)
    times = _find_times(sample, columns)
    formats = _fit_formats(_values(sample, *times["started"])) if times["started"] else []
    unit, rounding = _guess_unit(sample, columns.get("duration"))

    def template(name: str, default: str | None = None) -> str:
        column = columns.get(name)
        if column is None:
            return json.dumps("TODO" if default is None else default, ensure_ascii=False)
        return json.dumps("{" + column + (f"|{default}" if default is not None else "") + "}", ensure_ascii=False)

    def time(name: str) -> str:
        return json.dumps(" ".join(f"{{{column}}}" for column in times[name]) or "TODO", ensure_ascii=False)

    issue = "/".join("{" + columns[name] + "|}" for name in ("customer", "project", "issue") if name in columns)
    lines = [
        "# What the columns of the file mean: docs/import.md explains every key. Complete the lines with TODO.",
        f"source = {json.dumps(source, ensure_ascii=False)}",
        '# Of local times, such as "Europe/Berlin". Without it, each contract\'s own.',
        '# timezone = "TODO"',
        f"date_formats = {json.dumps(formats or ['TODO'], ensure_ascii=False)}",
        *(["# Several formats fit the dates: keep the right one."] if len(formats) > 1 else []),
        f"account_by = {template('issue', '')}",
        "",
        "[worklog]",
        *([f"id = {template('id')}"] if "id" in columns else ["# Without an id, rows are known by their content."]),
        f"author = {template('author')}",
        f"started = {time('started')}",
        *([f"duration = {template('duration')}"] if "duration" in columns else [f"ended = {time('ended')}"]),
        f'unit = "{unit}"',
        f'rounding = "{rounding}"',
        "",
        "[issue]",
        f"id = {json.dumps(issue or 'TODO', ensure_ascii=False)}",
        "",
        "[organization]",
        f"name = {template('customer', '')}",
        "",
        "[contract]",
        "# The code of the contract. With owner and planned_hours, contracts that do not exist are created.",
        f"code = {template('project')}",
        f"name = {template('project')}",
    ]
    return "\n".join(lines) + "\n"


def _guess_columns(header: Sequence[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for name, words in _WORDS.items():
        for word in words:
            pattern = re.compile(rf"(^|[^a-zäöü]){re.escape(word)}([^a-zäöü]|$)", re.IGNORECASE)
            column = next((c for c in header if c not in columns.values() and pattern.search(c)), None)
            if column and not {"{", "}", "|"} & set(column):
                columns[name] = column
                break
    return columns


def _find_times(sample: Sample, columns: dict[str, str]) -> dict[str, list[str]]:
    """The columns of the start and end; two for each if a day has a column of its own."""
    times = {name: [columns[name]] if name in columns else [] for name in ("started", "ended")}
    if day := columns.get("day"):
        times["started"] = times["started"] or [day]
        for name, own in times.items():
            if own and own != [day] and all(map(_TIME_OF_DAY.fullmatch, _values(sample, *own))):
                times[name] = [day, *own]
    return times


def _values(sample: Sample, *columns: str) -> list[str]:
    """The texts of a column, or of several with a blank between."""
    indices = [sample.header.index(column) for column in columns]
    records = (record.fields for record in sample.rows if not record.error)
    return [text for fields in records if (text := " ".join(fields[index].strip() for index in indices).strip())]


def _fit_formats(texts: Sequence[str]) -> list[str]:
    """The formats that fit every text."""
    return [pattern for pattern in _FORMATS if texts and all(_fits(text, pattern) for text in texts)]


def _fits(text: str, pattern: str) -> bool:
    try:
        parse_time(text, [pattern], _UTC)
    except RowError:
        return False
    return True


def _guess_unit(sample: Sample, column: str | None) -> tuple[str, str]:
    """The unit of the durations, from the name of the column or the values, and the rounding that they need."""
    if column is None:
        return "clock", "none"
    texts = _values(sample, column)
    if any(":" in text or text[-1:].isalpha() for text in texts):
        return "clock", "none"
    name = column.casefold()
    unit = next((u for u, word in (("seconds", "sec"), ("minutes", "min")) if word in name), "hours")
    try:
        whole = all(parse_exact_seconds(text, unit).denominator == 1 for text in texts)  # type: ignore[arg-type]
    except RowError:
        whole = True
    return unit, "none" if whole else "nearest"


def describe_rows(rows: Sequence[Row | RefusedRow]) -> Iterator[tuple[str, ...]]:
    """The cells of each row as it would be imported."""
    for row in rows:
        if isinstance(row, RefusedRow):
            yield (str(row.line), row.reason, row.message, "", "", "")
        else:
            hours, rest = divmod(row.seconds, 3600)
            duration = f"{hours}:{rest // 60:02}:{rest % 60:02}"
            yield (str(row.line), f"{row.started:%Y-%m-%d %H:%M:%SZ}", duration, row.author, row.contract, row.account)
