"""The summary of an import: what happened to each row. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tidemark.importing.delivery import Delivery
from tidemark.importing.mapping import Mapping
from tidemark.importing.rows import RefusedRow
from tidemark.importing.tables import Dialect
from tidemark_shared.messaging.events import format_timestamp

RUNNING = "running"
"""The reason of rows that are no worklogs yet. They do not make an import fail."""


class ImportSummary(NamedTuple):
    """The result for every row: ``rows == taken + repeated + sum(refused)``. The names are those of `--json`."""

    file: str
    started_at: str
    rows: int
    taken: int
    repeated: int
    refused: dict[str, int]
    refusals: list[RefusedRow]
    sent: int
    unchanged: int
    unaccounted: dict[str, int] | None
    """By reason, of the rows taken; None if the import did not wait, or not long enough, until they were counted."""
    problems: list[str]
    read_as: str = ""
    """What the file was taken for: format, encoding, delimiter."""
    created: Sequence[str] = ()
    deleted: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether rows were refused, nothing counts, or something could not be done."""
        refused = sum(count for reason, count in self.refused.items() if reason != RUNNING)
        counts_nothing = self.taken and self.unaccounted is not None and sum(self.unaccounted.values()) >= self.taken
        return bool(self.problems or refused or counts_nothing)


def summarize(
    file: Path,
    started_at: datetime,
    delivery: Delivery,
    *,
    taken: int,
    fact_count: int,
    repeated: int,
    refused_rows: Sequence[RefusedRow],
    problems: Sequence[str] = (),
) -> ImportSummary:
    """The summary of a file."""
    problems = [*problems, *filter(None, [delivery.problem])]
    reconciliation = delivery.reconciliation
    if reconciliation and reconciliation.dead_letters:
        problems.append(
            f"{reconciliation.dead_letters} records since the start of the import are dead letters. "
            "Run `tidemark dlq list` to see them."
        )
    return ImportSummary(
        file=str(file),
        started_at=format_timestamp(started_at),
        rows=taken + repeated + len(refused_rows),
        taken=taken,
        repeated=repeated,
        refused=dict(Counter(row.reason for row in refused_rows).most_common()),
        refusals=list(refused_rows),
        sent=delivery.sent,
        unchanged=fact_count - delivery.sent,
        unaccounted=reconciliation.unaccounted if reconciliation else None,
        problems=problems,
    )


def describe_dialect(dialect: Dialect, mapping: Mapping) -> str:
    """What the file was read as, in one line."""
    parts = [dialect.format]
    if dialect.format == "csv":
        header = f", header in line {dialect.header_line}" if dialect.header_line > 1 else ""
        parts = [f"csv, {dialect.encoding}, delimiter {dialect.delimiter!r}{header}"]
    if mapping.timezone is None:
        parts.append("local times in the zone of each contract")
    if mapping.worklog.rounding != "none":
        parts.append(f"durations rounded to seconds ({mapping.worklog.rounding})")
    return "; ".join(parts)
