"""Identities of rows without an id, and names that are nearly equal. Pure."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from tidemark.importing.import_state import DELETED, Checkpoint
from tidemark.importing.mapping import MappingError
from tidemark.importing.rows import Row

_ROW_KEY = re.compile(r"worklog/row-(\d{4}-\d\d-\d\d)-[0-9a-f]{20}-\d+")
_MAX_EXAMPLES = 10


def identify_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows, those without an id with one of their content: person, time, duration and issue, but not the notes.

    Equal rows are numbered in the order of the file, so each counts.
    """
    counts = Counter[str]()
    return [row if row.worklog else row._replace(worklog=_identify(row, counts)) for row in rows]


def _identify(row: Row, counts: Counter[str]) -> str:
    content = json.dumps([row.author, row.started_text, row.seconds, row.issue])
    digest = hashlib.sha256(content.encode()).hexdigest()[:20]
    counts[digest] += 1
    return f"row-{row.stated_day}-{digest}-{counts[digest]}"


class MissingRowsError(Exception):
    """An earlier import brought rows that the file no longer has, and nobody said what becomes of them."""


def find_day(worklog: str) -> str | None:
    """The day in the id of a worklog that was identified by its content; None for another id."""
    match = _ROW_KEY.fullmatch(f"worklog/{worklog}")
    return match[1] if match else None


def find_missing(rows: Sequence[Row], checkpoints: Mapping[str, Checkpoint]) -> list[str]:
    """The worklogs that an earlier import has sent for the days of these rows, and that are no longer among them.

    Only worklogs that were identified by their content: a file without ids replaces what it brought before.
    """
    current = {f"worklog/{row.worklog}" for row in rows}
    days = [row.stated_day for row in rows if find_day(row.worklog)]
    if not days:
        return []
    first, last = min(days), max(days)
    return sorted(
        key.removeprefix("worklog/")
        for key, checkpoint in checkpoints.items()
        if (match := _ROW_KEY.fullmatch(key)) and first <= date.fromisoformat(match[1]) <= last
        if key not in current and checkpoint.digest != DELETED
    )


def check_names(rows: Sequence[Row], same: Mapping[str, str], *, one_customer: bool) -> None:
    """Raise :class:`MappingError` for names that differ in blanks or case alone, and for contracts of two customers.

    Merging them could bill the wrong customer, and so could keeping them apart.
    """
    problems = [
        f"{label} {' and '.join(map(repr, sorted(names)))} differ in blanks or case alone."
        for label, texts in (
            ("The customers", {row.organization for row in rows}),
            ("The contracts", {row.contract for row in rows}),
            ("The accounts", {row.account for row in rows}),
            ("The teams", {row.team for row in rows}),
            ("The persons", {row.author for row in rows}),
        )
        for names in _find_similar(texts, same)
    ]
    if problems:
        problems.append(
            'Decide in the mapping: [same] with a line such as "ACME " = "Acme" merges two names, and one such as '
            '"ACME" = "ACME" keeps a name as it is.'
        )
    if one_customer:
        problems += _find_shared_contracts(rows)
    if problems:
        omitted = [f"… and {len(problems) - _MAX_EXAMPLES} more."] if len(problems) > _MAX_EXAMPLES else []
        raise MappingError("\n".join([*problems[:_MAX_EXAMPLES], *omitted]))


def _find_similar(names: Iterable[str], same: Mapping[str, str]) -> Iterator[set[str]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups["".join(name.casefold().split())].add(name)
    return (group for group in groups.values() if len(group) > 1 and not group <= set(same))


def _find_shared_contracts(rows: Sequence[Row]) -> list[str]:
    customers: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.organization:
            customers[row.contract].add(row.organization)
    return [
        f"The contract {code!r} has work of {' and '.join(map(repr, sorted(names)))}. Put the customer into "
        'contract.code, merge the names with [same], or set organization.of_contract = "most_frequent".'
        for code, names in sorted(customers.items())
        if len(names) > 1
    ]
