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
    "started": ("started", "start", "begin", "from", "date", "day", "beginn", "datum", "tag", "von"),
    "ended": ("ended", "end", "stop", "to", "ende", "bis"),
    "duration": ("duration", "hours", "minutes", "seconds", "time spent", "worked", "dauer", "stunden", "zeit", "h"),
    "author": ("person", "user", "employee", "author", "email", "worker", "name", "mitarbeiter", "benutzer"),
    "project": ("contract", "project", "projekt", "vertrag"),
    "customer": ("customer", "client", "organization", "kunde", "auftraggeber"),
    "issue": ("issue", "ticket", "key", "task", "activity", "aufgabe", "tätigkeit", "vorgang"),
    "notes": ("notes", "description", "comment", "notiz", "beschreibung", "kommentar", "bemerkung"),
    "id": ("id", "worklog id", "entry id", "nr"),
}
_FORMATS = (
    "iso", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%y", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "unix", "unix_ms",
)  # fmt: skip
_UTC = ZoneInfo("UTC")


def propose_mapping(sample: Sample, source: str) -> str:
    """The text of a MAP.toml for the columns of a file; what cannot be told is marked with ``TODO``."""
    columns = _guess_columns(sample.header)
    started = columns.get("started")
    formats = _fit_formats(_values(sample, started)) if started else []
    unit, rounding = _guess_unit(sample, columns.get("duration"))

    def template(name: str, default: str | None = None) -> str:
        column = columns.get(name)
        if column is None:
            return json.dumps(default or "TODO", ensure_ascii=False)
        return json.dumps("{" + column + (f"|{default}" if default is not None else "") + "}", ensure_ascii=False)

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
        f"started = {template('started')}",
        *([f"duration = {template('duration')}"] if "duration" in columns else [f"ended = {template('ended')}"]),
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


def _values(sample: Sample, column: str) -> list[str]:
    index = sample.header.index(column)
    return [text for record in sample.rows if not record.error and (text := record.fields[index].strip())]


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
