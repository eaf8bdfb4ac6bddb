"""A record of ``worklog.events`` to a row of the log, or the reason why not. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aiokafka import ConsumerRecord

from tidemark_shared.consumer import DeadLetter
from tidemark_shared.events import (
    FUTURE_LIMIT,
    WORKLOGS,
    DecodeError,
    FieldError,
    IssueLinked,
    WorklogDeleted,
    WorklogRecorded,
    canonical_json,
    plain,
    read,
    timestamp,
)


class Fact(NamedTuple):
    """A version of a worklog or a link, as ``fact_log`` keeps it: the order is that of its columns."""

    record_offset: int
    kind: str
    source: str
    issue_id: str
    worklog_id: str | None
    author_id: str | None
    started_at: str | None
    seconds: int | None
    team_ref: str | None
    contract_ref: str | None
    account_ref: str | None
    created_at: str | None
    changed_at: str
    content: bytes


COLUMNS = Fact._fields
MAX_RECORD_BYTES = 1024 * 1024


def fact(record: ConsumerRecord) -> Fact:
    """The fact in a record. Raises :class:`~tidemark_shared.events.DecodeError` with what is wrong with it."""
    if record.value is not None and len(record.value) > MAX_RECORD_BYTES:
        raise DecodeError(f"The record has {len(record.value)} bytes. At most 1 MiB ({MAX_RECORD_BYTES}) is taken.")
    event = read(WORKLOGS, record.headers, record.value)
    data, source, members = event.data, event.source, plain(event.data)
    content = canonical_json(members)
    match data:
        case WorklogRecorded():
            _expect_not_ahead(data.updated_at, record.timestamp, "updated_at")
            return Fact(
                record.offset, "recorded", source, data.issue_id, data.worklog_id, data.author_id,
                members["started_at"], data.seconds, data.team_id, None, None, None, members["updated_at"], content,
            )  # fmt: skip
        case WorklogDeleted():
            _expect_not_ahead(data.deleted_at, record.timestamp, "deleted_at")
            return Fact(
                record.offset, "deleted", source, data.issue_id, data.worklog_id,
                None, None, None, None, None, None, None, members["deleted_at"], content,
            )  # fmt: skip
        case IssueLinked():
            _expect_not_ahead(data.updated_at, record.timestamp, "updated_at")
            return Fact(
                record.offset, "linked", source, data.issue_id, None, None, None, None, None,
                data.contract_id, data.account_id, members["created_at"], members["updated_at"], content,
            )  # fmt: skip
    raise AssertionError(data)


def read_all(records: Iterable[ConsumerRecord]) -> tuple[list[Fact], list[DeadLetter]]:
    """The facts of a batch, and what is none; in the order of the records."""
    facts: list[Fact] = []
    refusals: list[DeadLetter] = []
    for record in records:
        try:
            facts.append(fact(record))
        except DecodeError as reason:
            refusals.append(DeadLetter(record, str(reason)))
    return facts, refusals


def copy_text(batch: int, facts: Sequence[Fact]) -> bytes:
    """Rows for ``COPY fact_log FROM STDIN`` in text form.

    Text, because Postgres reads times faster from it than Python makes them.
    """
    return "".join(f"{batch}\t" + "\t".join(map(_field, row)) + "\n" for row in facts).encode()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_is_special = re.compile(r"[\\\t\n\r]").search


def _field(value: str | int | bytes | None) -> str:
    match value:
        case None:
            return "\\N"
        case str():
            return value.translate(_ESCAPES) if _is_special(value) else value
        case bytes():
            return f"\\\\x{value.hex()}"
    return str(value)


def _expect_not_ahead(changed_at: datetime, record_timestamp: int, name: str) -> None:
    """SPEC 2: a time far ahead could never be corrected, for every correction would be older."""
    try:
        received = _EPOCH + timedelta(milliseconds=record_timestamp)
    except OverflowError:
        raise DecodeError(
            f"The record's own timestamp, {record_timestamp} ms since 1970, is no time. Check the publisher's clock."
        ) from None
    if changed_at - received > FUTURE_LIMIT:
        reason = (
            f"{name} {timestamp(changed_at)} lies more than 24 hours after the record was published "
            f"({timestamp(received)}). Check the publisher's clock and time zone, and publish it again."
        )
        raise DecodeError(reason, FieldError(reason, ("data", name)))
