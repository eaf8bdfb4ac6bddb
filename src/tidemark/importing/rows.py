"""Pure: the records of a CSV file to rows that Tidemark can take, or the reason why not."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tidemark.importing.files import FileError, Record
from tidemark.importing.mapping import REMEMBERED, Mapping, chooser, columns, render
from tidemark_shared.messaging.events import FIRST_YEAR, FUTURE_LIMIT, LAST_YEAR, MAX_ID_BYTES

MAX_SECONDS = 3_600_000
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)


class Row(NamedTuple):
    """A row that can be counted: what it says, in Tidemark's terms."""

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


class Refusal(NamedTuple):
    """A row that is not taken: where it stands, a word for programs, a sentence for people."""

    line: int
    worklog: str
    reason: str
    sentence: str


class Refused(Exception):  # noqa: N818 - it names what becomes of the row
    """A value that is not taken."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def read(records: Iterable[Record], mapping: Mapping, now: datetime) -> Iterator[Row | Refusal]:
    """Every record but the header as a row or a refusal, in the order of the file."""
    found = iter(records)
    header = read_header(found, _templates(mapping))
    reader = _Reader(mapping, header, now)
    for record in found:
        line, fields, fault = record
        if fault:
            yield Refusal(line, "", "unreadable_line", fault)
            continue
        try:
            yield reader.row(line, fields)
        except Refused as refused:
            yield Refusal(line, reader.worklog(fields), refused.reason, str(refused))


def read_header(records: Iterator[Record], templates: Iterable[str | None]) -> list[str]:
    """The names of the columns. Raises :class:`FileError` where one that a template names is not there."""
    first = next(records, None)
    if first is None or first.fault:
        raise FileError(f"The file has no header: {first.fault if first else 'it is empty.'}")
    header = [first.fields[0].removeprefix("\ufeff"), *first.fields[1:]]
    if missing := sorted(columns(*templates) - set(header)):
        raise FileError(
            f"The file has no column {', '.join(map(repr, missing))}, which the mapping names. "
            f"It has {', '.join(header)}. Correct the mapping, or its delimiter."
        )
    return header


def placing(mapping: Mapping) -> list[str | None]:
    """The templates that say where a row belongs."""
    return [
        *(mapping.contract.code, mapping.account_by, mapping.team.name),
        mapping.worklog.author if mapping.team.split else None,
    ]


def _templates(mapping: Mapping) -> list[str | None]:
    log, issue = mapping.worklog, mapping.issue
    return [
        *(log.id, log.author, log.started, log.duration, log.updated, log.description),
        *(issue.id, issue.key, issue.summary, issue.created),
        *(mapping.organization.name, mapping.contract.name),
        *placing(mapping),
    ]


class _Reader:
    """The mapping, worked out once for one header."""

    def __init__(self, mapping: Mapping, header: Sequence[str], now: datetime) -> None:
        def text(template: str | None) -> Callable[[Sequence[str]], str]:
            return render(template, header, mapping.no_value)

        self._mapping, self._zone = mapping, mapping.zone
        self._latest_update = now + FUTURE_LIMIT
        log, issue = mapping.worklog, mapping.issue
        self.worklog, self._issue, self._author = text(log.id), text(issue.id), text(log.author)
        self._started, self._duration = text(log.started), text(log.duration)
        self._updated, self._created = text(log.updated), text(issue.created)
        self._description, self._key, self._summary = text(log.description), text(issue.key), text(issue.summary)
        self._place = place(mapping, header)
        self._organization = text(mapping.organization.name)
        self._contract_name = text(mapping.contract.name)
        self._seconds = lru_cache(REMEMBERED)(lambda duration: whole_seconds(duration, log.unit))

    def row(self, line: int, fields: Sequence[str]) -> Row:
        mapping = self._mapping
        worklog = _required(self.worklog(fields), "worklog", mapping.worklog.id)
        issue = _required(self._issue(fields), "issue", mapping.issue.id)
        author = _required(self._author(fields), "person", mapping.worklog.author)
        contract, account, team = self._place(fields)
        _required(contract, "contract", mapping.contract.code)
        seconds = self._seconds(self._duration(fields))
        started = self._time(self._started(fields), "date of the work", mapping.worklog.started)
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
            contract_name=_short(self._contract_name(fields), "contract's name", mapping.contract.name),
            account=account,
            team=_short(team, "team", mapping.team.name),
            organization=_short(self._organization(fields), "organization", mapping.organization.name),
            updated=self._time(updated, "update", mapping.worklog.updated) if updated else None,
            description=self._description(fields) or None,
            issue_key=self._key(fields) or None,
            summary=self._summary(fields) or None,
            created=self._time(created, "issue's creation", mapping.issue.created) if created else None,
        )
        if row.updated and row.updated > self._latest_update:
            raise Refused("date_out_of_range", f"The row was updated in the future ({updated}). Correct the date.")
        return row

    def _time(self, text: str, what: str, template: str | None) -> datetime:
        if not text:
            raise Refused("missing_value", f"The {what} is blank ({template}). Fill it in.")
        return instant(text, self._mapping.date_formats, self._zone, what)


def place(mapping: Mapping, header: Sequence[str]) -> Callable[[Sequence[str]], tuple[str, str, str]]:
    """The contract code, account and team that a row says, as a function of its fields."""
    contract, account_by, team, author = (render(one, header, mapping.no_value) for one in placing(mapping))
    account = chooser([(one.name, one.match) for one in mapping.account])
    split = chooser([(one.name, one.persons) for one in mapping.team.split])

    def placed(fields: Sequence[str]) -> tuple[str, str, str]:
        # The last account's pattern takes everything, so one is always found.
        return contract(fields), account(account_by(fields)) or "", split(author(fields)) or team(fields)

    return placed


def _required(text: str, what: str, template: str) -> str:
    if not text:
        raise Refused("missing_value", f"The {what} is blank ({template}). Fill it in.")
    return _short(text, what, template)


def _short(text: str, what: str, template: str) -> str:
    """What Tidemark takes as an id or a name."""
    if len(text) * 4 <= MAX_ID_BYTES and text.isprintable():
        return text
    if len(text.encode()) > MAX_ID_BYTES or "\n" in text or "\r" in text:
        raise Refused("invalid_id", f"The {what} ({template}) is longer than 255 bytes or one line. Shorten it.")
    return text


def whole_seconds(text: str, unit: str) -> int:
    """A duration. Raises :class:`Refused` for what is no number, or no time that Tidemark counts."""
    exact, said = exact_seconds(text, unit), f"{text.strip()} {unit}"
    if exact == 0:
        raise Refused("no_time", f"The row logs no time ({said}). Nothing to mend, unless time is missing.")
    if exact < 0:
        raise Refused("negative_duration", f"The duration of {said} is negative. Correct or delete the log.")
    if exact > MAX_SECONDS:
        raise Refused("duration_too_long", f"{said} are more than 1000 hours. Correct it, or split the log.")
    if exact.denominator != 1:
        raise Refused("unreadable_duration", f"{said} are no whole seconds. Round the duration.")
    return int(exact)


def exact_seconds(text: str, unit: str) -> Fraction:
    """A decimal number of ``unit``, which no float has touched."""
    number = text.strip()
    if not number:
        raise Refused("missing_value", "The duration is blank. Fill it in.")
    if not _NUMBER.fullmatch(number):
        raise Refused("unreadable_duration", f"The duration {text!r} is no number of {unit}. Correct it.")
    return Fraction(number) * _SECONDS[unit]


def instant(text: str, formats: Sequence[str], zone: ZoneInfo, what: str = "date") -> datetime:
    """A local time in the first format that fits, in ``zone`` unless it brings its own offset; in UTC.

    A time in a gap moves forward by the gap, of two the first holds: both are what fold 0 means.
    """
    for pattern in formats:
        try:
            found = datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - the zone follows
        except ValueError:
            continue
        placed = found if found.tzinfo else found.replace(tzinfo=zone)
        # The plain year settles dates that the shift to UTC would carry out of the calendar.
        if FIRST_YEAR <= found.year <= LAST_YEAR and FIRST_YEAR <= (utc := placed.astimezone(UTC)).year <= LAST_YEAR:
            return utc
        raise Refused("date_out_of_range", f"The {what} {text!r} lies outside {FIRST_YEAR} to {LAST_YEAR}. Correct it.")
    shapes = " or ".join(formats)
    raise Refused("unreadable_date", f"The {what} {text!r} is not written as {shapes}. Correct it, or add its format.")
