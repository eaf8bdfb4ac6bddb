"""Rows of ``fact_log``, and their text form for ``COPY``. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple


class FactRow(NamedTuple):
    """A version of a worklog or a link: the columns of ``fact_log`` after ``batch``. Times are text for Postgres."""

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
    issue_key: str | None
    summary: str | None
    description: str | None
    digest: bytes
    """SHA-256 of the canonical content: the greater one wins between facts of the same time."""


COLUMNS = FactRow._fields


def copy_text(batch: int, lines: Sequence[str]) -> bytes:
    """Rows for ``COPY fact_log (batch, …) FROM STDIN`` in text form; the columns after ``batch`` are ``COLUMNS``."""
    return "".join([f"{batch}\t{line}\n" for line in lines]).encode()


# Of the text form of COPY.
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_line(row: FactRow) -> str:
    """A row as a line for COPY."""
    return "\t".join(map(copy_field, row))


def copy_field(value: str | int | bytes | None) -> str:
    """A value in a line for COPY."""
    match value:
        case None:
            return "\\N"
        case str():
            return value.translate(ESCAPES)
        case bytes():
            return f"\\\\x{value.hex()}"
    return str(value)


_AUTHOR = COLUMNS.index("author_id")
_UNESCAPES = {
    escaped: character for character, escaped in [("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")]
}
_unescape = re.compile(r"\\[\\tnr]").sub


def read_author(line: str) -> str:
    """The author in a line of :func:`copy_line`; a deletion and a link have none."""
    return _unescape(lambda escaped: _UNESCAPES[escaped[0]], line.split("\t", _AUTHOR + 1)[_AUTHOR])
