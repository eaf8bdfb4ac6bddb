"""Parse the records of a CSV file into rows, or into the reason why a row is refused. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tidemark.importing.files import CsvRecord, FileError
from tidemark.importing.mapping import CACHE_SIZE, Mapping, build_matcher, compile_template, template_columns
from tidemark_shared.messaging.events import FIRST_YEAR, FUTURE_LIMIT, LAST_YEAR, MAX_ID_BYTES

MAX_DURATION_SECONDS = 3_600_000
_SECONDS_BY_UNIT = {"seconds": 1, "minutes": 60, "hours": 3600}
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)


class Row(NamedTuple):
    """A valid row, in Tidemark's terms."""

    line: int
    worklog: str
    issue: str
    author: str
    started: datetime
    day: date
    seconds: int
    contract: str
    contract_name: str
    account: str
    team: str
    organization: str
    updated: datetime | None
    description: str | None
    issue_key: str | None
    summary: str | None
    created: datetime | None


class RefusedRow(NamedTuple):
    """A row that is not imported: its line, a reason for programs, a message for people."""

    line: int
    worklog: str
    reason: str
    message: str


class RowError(Exception):
    """A value is not valid, so its row is refused."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def parse_rows(records: Iterable[CsvRecord], mapping: Mapping, now: datetime) -> Iterator[Row | RefusedRow]:
    """Parse every record after the header, in the order of the file."""
    remaining = iter(records)
    header = read_header(remaining, _all_templates(mapping))
    parser = _RowParser(mapping, header, now)
    for line, fields, record_error in remaining:
        if record_error:
            yield RefusedRow(line, "", "unreadable_line", record_error)
            continue
        try:
            yield parser.parse(line, fields)
        except RowError as error:
            yield RefusedRow(line, parser.worklog(fields), error.reason, str(error))


def read_header(records: Iterator[CsvRecord], templates: Iterable[str | None]) -> list[str]:
    """The names of the columns. Raises :class:`FileError` if a column of a template is missing."""
    first = next(records, None)
    if first is None or first.error:
        raise FileError(f"The file has no header: {first.error if first else 'it is empty.'}")
    header = [first.fields[0].removeprefix("\ufeff"), *first.fields[1:]]
    if missing := sorted(template_columns(*templates) - set(header)):
        raise FileError(
            f"The mapping names the column {', '.join(map(repr, missing))}, which the file does not have. "
            f"The file has {', '.join(header)}. Correct the mapping, or its delimiter."
        )
    return header


def attribution_templates(mapping: Mapping) -> list[str | None]:
    """The templates for the contract, account and team of a row."""
    return [
        *(mapping.contract.code, mapping.account_by, mapping.team.name),
        mapping.worklog.author if mapping.team.split else None,
    ]


def _all_templates(mapping: Mapping) -> list[str | None]:
    worklog, issue = mapping.worklog, mapping.issue
    return [
        *(worklog.id, worklog.author, worklog.started, worklog.duration, worklog.updated, worklog.description),
        *(issue.id, issue.key, issue.summary, issue.created),
        *(mapping.organization.name, mapping.contract.name),
        *attribution_templates(mapping),
    ]


class _RowParser:
    """A mapping, compiled for one header."""

    def __init__(self, mapping: Mapping, header: Sequence[str], now: datetime) -> None:
        def compiled(template: str | None) -> Callable[[Sequence[str]], str]:
            return compile_template(template, header, mapping.no_value)

        self._mapping, self._zone = mapping, mapping.zone
        self._latest_update = now + FUTURE_LIMIT
        worklog, issue = mapping.worklog, mapping.issue
        self.worklog, self._issue, self._author = compiled(worklog.id), compiled(issue.id), compiled(worklog.author)
        self._started, self._duration = compiled(worklog.started), compiled(worklog.duration)
        self._updated, self._created = compiled(worklog.updated), compiled(issue.created)
        self._description = compiled(worklog.description)
        self._key, self._summary = compiled(issue.key), compiled(issue.summary)
        self._attribute = compile_attribution(mapping, header)
        self._organization = compiled(mapping.organization.name)
        self._contract_name = compiled(mapping.contract.name)
        self._seconds = lru_cache(CACHE_SIZE)(lambda duration: parse_duration(duration, worklog.unit))

    def parse(self, line: int, fields: Sequence[str]) -> Row:
        mapping = self._mapping
        worklog = _require_text(self.worklog(fields), "worklog", mapping.worklog.id)
        issue = _require_text(self._issue(fields), "issue", mapping.issue.id)
        author = _require_text(self._author(fields), "person", mapping.worklog.author)
        contract, account, team = self._attribute(fields)
        _require_text(contract, "contract", mapping.contract.code)
        seconds = self._seconds(self._duration(fields))
        started = self._parse_time(self._started(fields), "date of the work", mapping.worklog.started)
        updated, created = self._updated(fields), self._created(fields)
        row = Row(
            line=line,
            worklog=worklog,
            issue=issue,
            author=author,
            started=started,
            day=started.astimezone(self._zone).date(),
            seconds=seconds,
            contract=contract,
            contract_name=_check_length(self._contract_name(fields), "contract's name", mapping.contract.name),
            account=account,
            team=_check_length(team, "team", mapping.team.name),
            organization=_check_length(self._organization(fields), "organization", mapping.organization.name),
            updated=self._parse_time(updated, "update", mapping.worklog.updated) if updated else None,
            description=self._description(fields) or None,
            issue_key=self._key(fields) or None,
            summary=self._summary(fields) or None,
            created=self._parse_time(created, "issue's creation", mapping.issue.created) if created else None,
        )
        if row.updated and row.updated > self._latest_update:
            raise RowError("date_out_of_range", f"The row's update time {updated} is in the future. Correct the date.")
        return row

    def _parse_time(self, text: str, label: str, template: str | None) -> datetime:
        if not text:
            raise RowError("missing_value", f"The {label} is blank ({template}). Fill it in.")
        return parse_time(text, self._mapping.date_formats, self._zone, label)


def compile_attribution(mapping: Mapping, header: Sequence[str]) -> Callable[[Sequence[str]], tuple[str, str, str]]:
    """A function from a row's fields to its contract code, account and team."""
    contract, account_by, team, author = (
        compile_template(template, header, mapping.no_value) for template in attribution_templates(mapping)
    )
    match_account = build_matcher([(account.name, account.match) for account in mapping.account])
    match_team = build_matcher([(split.name, split.persons) for split in mapping.team.split])

    def attribute(fields: Sequence[str]) -> tuple[str, str, str]:
        # The pattern of the last account matches everything, so there is always an account.
        return contract(fields), match_account(account_by(fields)) or "", match_team(author(fields)) or team(fields)

    return attribute


def _require_text(text: str, label: str, template: str) -> str:
    if not text:
        raise RowError("missing_value", f"The {label} is blank ({template}). Fill it in.")
    return _check_length(text, label, template)


def _check_length(text: str, label: str, template: str) -> str:
    """The text, if it is valid as an id or a name."""
    if len(text) * 4 <= MAX_ID_BYTES and text.isprintable():
        return text
    if len(text.encode()) > MAX_ID_BYTES or "\n" in text or "\r" in text:
        raise RowError("invalid_id", f"The {label} ({template}) is longer than 255 bytes or one line. Shorten it.")
    return text


def parse_duration(text: str, unit: str) -> int:
    """A duration in whole seconds. Raises :class:`RowError`."""
    seconds, shown = parse_exact_seconds(text, unit), f"{text.strip()} {unit}"
    if seconds == 0:
        raise RowError("no_time", f"The row logs no time ({shown}). If time is missing, add it; else ignore this.")
    if seconds < 0:
        raise RowError("negative_duration", f"The duration {shown} is negative. Correct or delete the log.")
    if seconds > MAX_DURATION_SECONDS:
        raise RowError("duration_too_long", f"{shown} is more than 1000 hours. Correct it, or split the log.")
    if seconds.denominator != 1:
        raise RowError("unreadable_duration", f"{shown} is not a whole number of seconds. Round the duration.")
    return int(seconds)


def parse_exact_seconds(text: str, unit: str) -> Fraction:
    """A decimal number of ``unit`` in seconds, computed without a float."""
    number = text.strip()
    if not number:
        raise RowError("missing_value", "The duration is blank. Fill it in.")
    if not _NUMBER.fullmatch(number):
        raise RowError("unreadable_duration", f"The duration {text!r} is not a number of {unit}. Correct it.")
    return Fraction(number) * _SECONDS_BY_UNIT[unit]


def parse_time(text: str, formats: Sequence[str], zone: ZoneInfo, label: str = "date") -> datetime:
    """A time in UTC, read with the first format that fits. Without an offset it is local time in ``zone``.

    A time in a gap moves forward by the gap, and of two equal local times the first is used: both are fold 0.
    """
    for pattern in formats:
        try:
            parsed = datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - the zone follows
        except ValueError:
            continue
        zoned = parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)
        # The local year comes first: the conversion to UTC fails for dates at the end of the calendar.
        if FIRST_YEAR <= parsed.year <= LAST_YEAR and FIRST_YEAR <= (utc := zoned.astimezone(UTC)).year <= LAST_YEAR:
            return utc
        raise RowError(
            "date_out_of_range", f"The {label} {text!r} is not between {FIRST_YEAR} and {LAST_YEAR}. Correct it."
        )
    format_list = " or ".join(formats)
    raise RowError(
        "unreadable_date",
        f"The {label} {text!r} does not have the format {format_list}. Correct it, or add its format.",
    )
