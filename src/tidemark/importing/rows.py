"""Parse the records of a CSV file into rows, or into the reason why a row is refused. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tidemark.importing.files import CsvRecord, FileError
from tidemark.importing.mapping import Mapping
from tidemark.importing.templates import CACHE_SIZE, build_matcher, compile_template, template_columns
from tidemark.importing.values import RowError, Time, check_seconds, parse_duration, parse_time
from tidemark_shared.messaging.events import FUTURE_LIMIT, MAX_ID_BYTES


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
    started_text: str = ""
    stated_day: date = date.min
    """The start and its day as the file states them: the identity of a row without an id, whatever its zone is."""


class RefusedRow(NamedTuple):
    """A row that is not imported: its line, a reason for programs, a message for people."""

    line: int
    worklog: str
    reason: str
    message: str


def parse_rows(
    records: Iterable[CsvRecord], mapping: Mapping, now: datetime, zones: Dictionary[str, ZoneInfo] | None = None
) -> Iterator[Row | RefusedRow]:
    """Parse every record after the header, in the order of the file. ``zones`` are those of existing contracts."""
    remaining = iter(records)
    header = read_header(remaining, mapping, row_templates(mapping))
    parser = _RowParser(mapping, header, now, zones or {})
    for line, fields, record_error in remaining:
        if record_error:
            yield RefusedRow(line, "", "unreadable_line", record_error)
            continue
        try:
            yield parser.parse(line, fields)
        except RowError as error:
            yield RefusedRow(line, parser.worklog(fields), error.reason, str(error))


def read_header(records: Iterator[CsvRecord], mapping: Mapping, templates: Iterable[str | None]) -> list[str]:
    """The names of the columns, or their short names. Raises :class:`FileError` if a template's column is missing."""
    first = next(records, None)
    if first is None or first.error:
        raise FileError(f"The file has no header: {first.error if first else 'it is empty.'}")
    short_names = {column: name for name, column in mapping.columns.items()}
    header = [short_names.get(column, column) for column in first.fields]
    if missing := sorted(template_columns(*templates) - set(header)):
        raise FileError(
            f"The mapping names the column {', '.join(map(repr, missing))}, which the file does not have. "
            f"The file has {', '.join(header)}. Correct the mapping, or its delimiter."
        )
    return header


def file_columns(mapping: Mapping, templates: Iterable[str | None]) -> set[str]:
    """The columns of templates, as the file names them."""
    return {mapping.columns.get(name, name) for name in template_columns(*templates)}


def attribution_templates(mapping: Mapping) -> list[str | None]:
    """The templates for the contract, account and team of a row."""
    return [
        *(mapping.contract.code, mapping.account_by, mapping.team.name),
        mapping.worklog.author if mapping.team.split else None,
    ]


def row_templates(mapping: Mapping) -> list[str | None]:
    """The templates of all values of a row."""
    worklog, issue = mapping.worklog, mapping.issue
    return [
        *(worklog.id, worklog.author, worklog.started, worklog.ended, worklog.duration),
        *(worklog.updated, worklog.description),
        *(issue.id, issue.key, issue.summary, issue.created),
        *(mapping.organization.name, mapping.contract.name),
        *attribution_templates(mapping),
    ]


class _RowParser:
    """A mapping, compiled for one header."""

    def __init__(
        self, mapping: Mapping, header: Sequence[str], now: datetime, zones: Dictionary[str, ZoneInfo]
    ) -> None:
        def compiled(template: str | None) -> Callable[[Sequence[str]], str]:
            return compile_template(template, header, mapping.no_value)

        self._mapping, self._zone, self._contract_zones = mapping, mapping.zone, zones
        self._latest_update = now + FUTURE_LIMIT
        worklog, issue = mapping.worklog, mapping.issue
        self.worklog, self._issue, self._author = compiled(worklog.id), compiled(issue.id), compiled(worklog.author)
        self._started, self._ended = compiled(worklog.started), compiled(worklog.ended)
        self._duration = compiled(worklog.duration)
        self._updated, self._created = compiled(worklog.updated), compiled(issue.created)
        self._description = compiled(worklog.description)
        self._key, self._summary = compiled(issue.key), compiled(issue.summary)
        self._attribute = compile_attribution(mapping, header)
        self._organization = compiled(mapping.organization.name)
        self._contract_name = compiled(mapping.contract.name)
        self._seconds = lru_cache(CACHE_SIZE)(lambda text: parse_duration(text, worklog.unit, worklog.rounding))

    def parse(self, line: int, fields: Sequence[str]) -> Row:
        mapping = self._mapping
        template = mapping.worklog.id
        # Without an id, the plan identifies the row by its content.
        worklog = _require_text(self.worklog(fields), "worklog", template) if template else ""
        issue = _require_text(self._issue(fields), "issue", mapping.issue.id)
        author = mapping.merge(_require_text(self._author(fields), "person", mapping.worklog.author))
        contract, account, team = self._attribute(fields)
        _require_text(contract, "contract", mapping.contract.code)
        zone = self._find_zone(contract)
        started = self._parse_started(fields, zone, contract)
        seconds = self._parse_seconds(fields, started, zone)
        updated, created = self._updated(fields), self._created(fields)
        row = Row(
            line=line,
            worklog=worklog,
            issue=issue,
            author=author,
            started=started.time,
            day=started.day if started.is_day else started.time.astimezone(zone).date(),
            seconds=seconds,
            contract=contract,
            contract_name=_check_length(self._contract_name(fields), "contract's name", mapping.contract.name),
            account=account,
            team=_check_length(team, "team", mapping.team.name),
            organization=_check_length(self._name_organization(fields), "organization", mapping.organization.name),
            updated=self._parse_time(updated, "update", zone).time if updated else None,
            description=self._description(fields) or None,
            issue_key=self._key(fields) or None,
            summary=self._summary(fields) or None,
            created=self._parse_time(created, "issue's creation", zone).time if created else None,
            started_text=self._started(fields).strip(),
            stated_day=started.day,
        )
        if row.updated and row.updated > self._latest_update:
            raise RowError("date_out_of_range", f"The row's update time {updated} is in the future. Correct the date.")
        return row

    def _name_organization(self, fields: Sequence[str]) -> str:
        return self._mapping.merge(self._organization(fields))

    def _find_zone(self, contract: str) -> ZoneInfo:
        """The zone of local times: the mapping's, else the contract's."""
        if self._mapping.timezone:
            return self._zone
        return self._contract_zones.get(contract, self._zone)

    def _parse_started(self, fields: Sequence[str], zone: ZoneInfo, contract: str) -> Time:
        text = _require_value(self._started(fields), "date of the work", self._mapping.worklog.started)
        started = self._parse_time(text, "date of the work", zone)
        if not started.is_day:
            return started
        # A day is the day of the contract, wherever the mapping's zone is.
        return self._parse_time(text, "date of the work", self._contract_zones.get(contract, zone))

    def _parse_seconds(self, fields: Sequence[str], started: Time, zone: ZoneInfo) -> int:
        worklog = self._mapping.worklog
        duration, ended = self._duration(fields), self._ended(fields)
        if worklog.ended and not ended:
            raise RowError(
                "running", f"The timer is still running ({worklog.ended} is blank). Stop it, and import again."
            )
        if worklog.duration is not None:
            return self._seconds(duration)
        end = self._parse_time(ended, "end of the work", zone).time
        if end < started.time:
            # The file states the time of day alone, and the work goes on after midnight.
            local = end.astimezone(zone)
            end = (local.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC)
        elapsed = end - started.time
        return check_seconds(
            Fraction(elapsed // timedelta(microseconds=1), 1_000_000), f"from {started.time} to {end}", worklog.rounding
        )

    def _parse_time(self, text: str, label: str, zone: ZoneInfo) -> Time:
        return parse_time(text, self._mapping.date_formats, zone, label)


def compile_attribution(mapping: Mapping, header: Sequence[str]) -> Callable[[Sequence[str]], tuple[str, str, str]]:
    """A function from a row's fields to its contract code, account and team."""
    contract, account_by, team, author = (
        compile_template(template, header, mapping.no_value) for template in attribution_templates(mapping)
    )
    match_account = build_matcher([(account.name, account.match) for account in mapping.account])
    merge = mapping.merge
    match_team = build_matcher([(split.name, split.persons) for split in mapping.team.split])

    def attribute(fields: Sequence[str]) -> tuple[str, str, str]:
        # The pattern of the last account matches everything, so a mapping with accounts always has one for a row.
        account = merge(account_by(fields))
        code, team_name = contract(fields), match_team(author(fields)) or team(fields)
        return merge(code), match_account(account) or account, merge(team_name)

    return attribute


def _require_text(text: str, label: str, template: str) -> str:
    return _check_length(_require_value(text, label, template), label, template)


def _require_value(text: str, label: str, template: str) -> str:
    if not text:
        raise RowError("missing_value", f"The {label} is blank ({template}). Fill it in.")
    return text


def _check_length(text: str, label: str, template: str) -> str:
    """The text, if it is valid as an id or a name."""
    if len(text) * 4 <= MAX_ID_BYTES and text.isprintable():
        return text
    if len(text.encode()) > MAX_ID_BYTES or "\n" in text or "\r" in text:
        raise RowError("invalid_id", f"The {label} ({template}) is longer than 255 bytes or one line. Shorten it.")
    return text
