"""Run an import: read the file, provision over the API, publish to Kafka, and account for every row."""

import asyncio
import gc
from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping as Dictionary
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from tidemark.api import open_api
from tidemark.importing.delivery import (
    Delivery,
    Progress,
    deliver,
    fetch_cluster,
    fingerprint,
    open_state,
    show_progress,
)
from tidemark.importing.events import (
    StructuredEvent,
    build_event_records,
    build_plan_records,
    parse_structured_events,
)
from tidemark.importing.files import DEFAULT_MAX_SIZE, FileError, open_text
from tidemark.importing.identity import MissingRowsError, find_missing
from tidemark.importing.mapping import Mapping
from tidemark.importing.plan import Plan, build_plan, planned_templates, read_planned
from tidemark.importing.provisioning import fetch_zones, provision
from tidemark.importing.reconciliation import describe_rows
from tidemark.importing.rows import RefusedRow, file_columns, parse_rows, row_templates
from tidemark.importing.summary import ImportSummary, describe_dialect, summarize
from tidemark.importing.tables import Dialect, Table, open_table
from tidemark_shared.messaging.events import WorklogRecorded
from tidemark_shared.settings import Settings

_Item = TypeVar("_Item")
_MAX_REFUSED_ROWS = 100_000
_MAX_SHOWN = 10


class ImportOptions(NamedTuple):
    """The target of an import, the folder of its state, its time limit, and the function that shows progress."""

    settings: Settings
    state_folder: Path
    wait_seconds: float
    now: datetime
    progress: Progress = lambda *_: None
    max_size: int = DEFAULT_MAX_SIZE
    activate: Collection[str] = ()
    """Codes of drafts to activate that no import created."""
    confirm_deletion: Callable[[int, list[str]], bool] = lambda *_: False
    """Whether to delete so many worklogs of an earlier import, such as these, which the file no longer has."""
    keep_missing: bool = False
    """Whether to keep them, whatever :attr:`confirm_deletion` would answer."""


def import_table(file: Path, mapping: Mapping, planned_file: Path | None, options: ImportOptions) -> ImportSummary:
    """Import a table by a mapping: CSV, JSON or a workbook."""
    cluster = fetch_cluster(options.settings)
    with (
        open_api(options.settings) as api,
        open_state(options.settings, options.state_folder, cluster, mapping.source) as state,
    ):
        plan, dialect = load_plan(file, mapping, planned_file, options, fetch_zones(api))
        checkpoints = state.load_checkpoints()
        missing = [] if options.keep_missing else find_missing(plan.rows, checkpoints)
        _confirm_deletion(missing, mapping.source, options)
        started_at = state.start(fingerprint(mapping.model_dump_json().encode(), file), options.now)
        provisioned = provision(api, plan, mapping, state, options.activate)
        plan = plan._replace(links=provisioned.links)
        records = build_plan_records(
            plan, provisioned.team_ids, mapping.source, started_at, checkpoints, missing=missing
        )
        fact_count = len(plan.links) + len(plan.rows) + len(missing)
        delivery = asyncio.run(
            deliver(
                options.settings,
                cluster,
                show_progress(records, "Publishing", options.progress, fact_count),
                state,
                statuses=provisioned.statuses,
                worklogs={(mapping.source, row.worklog) for row in plan.rows},
                wait_seconds=options.wait_seconds,
                progress=options.progress,
            )
        )
    return summarize(
        file,
        started_at,
        delivery,
        taken=len(plan.rows),
        fact_count=fact_count,
        repeated=plan.repeated,
        refused_rows=plan.refused_rows,
        problems=provisioned.problems,
    )._replace(read_as=describe_dialect(dialect, mapping), created=provisioned.created, deleted=len(missing))


def _confirm_deletion(missing: list[str], source: str, options: ImportOptions) -> None:
    """Ask whether to delete worklogs. Raises :class:`MissingRowsError` if not: with the new rows they count twice."""
    if not missing:
        return
    shown = asyncio.run(describe_rows(options.settings, source, missing[:_MAX_SHOWN]))
    if not options.confirm_deletion(len(missing), shown):
        raise MissingRowsError(
            f"The file lacks {len(missing)} of the worklogs that an earlier import from {source!r} brought:\n"
            + "\n".join(f"  {line}" for line in shown)
            + "\nNothing was sent. Repeat the command with --replace to delete them, with --keep if this file adds to "
            "the earlier one, or with another --source if it is of another tracker."
        )


def import_events(file: Path, options: ImportOptions) -> ImportSummary:
    """Import a file with one structured CloudEvent on each line."""
    with open_text(file, max_size=options.max_size) as lines:
        rows = limit_refusals(parse_structured_events(lines, options.now))
        parsed = list(show_progress(rows, "Reading", options.progress))
    events = [line for line in parsed if isinstance(line, StructuredEvent)]
    distinct = len({event.value for event in events})
    cluster = fetch_cluster(options.settings)
    with open_state(options.settings, options.state_folder, cluster, "events") as state:
        started_at = state.start(fingerprint(b"", file), options.now)
        records = build_event_records(events, state.load_checkpoints())
        delivery = asyncio.run(
            deliver(
                options.settings,
                cluster,
                show_progress(records, "Publishing", options.progress, distinct),
                state,
                worklogs=list_worklogs(events),
                wait_seconds=options.wait_seconds,
                progress=options.progress,
            )
        )
    return summarize(
        file,
        started_at,
        delivery,
        taken=distinct,
        fact_count=distinct,
        repeated=len(events) - distinct,
        refused_rows=[line for line in parsed if isinstance(line, RefusedRow)],
    )


def publish_events(
    lines: Iterable[str], settings: Settings, now: datetime, *, wait_seconds: float = 0
) -> tuple[Delivery, list[RefusedRow]]:
    """Publish structured CloudEvents unchanged, one on each line, and wait until they are counted.

    Returns what became of them, and the lines that were refused.
    """
    parsed = list(limit_refusals(parse_structured_events(lines, now)))
    events = [line for line in parsed if isinstance(line, StructuredEvent)]
    refused = [line for line in parsed if isinstance(line, RefusedRow)]
    delivery = asyncio.run(
        deliver(
            settings,
            fetch_cluster(settings),
            build_event_records(events, {}),
            worklogs=list_worklogs(events),
            wait_seconds=wait_seconds if events else 0,
        )
    )
    return delivery, refused


def list_worklogs(events: Iterable[StructuredEvent]) -> set[tuple[str, str]]:
    """The worklogs that events record, by source and id."""
    return {
        (event.event.source, event.event.data.worklog_id)
        for event in events
        if isinstance(event.event.data, WorklogRecorded)
    }


def limit_refusals(rows: Iterable[_Item]) -> Iterator[_Item]:
    """``rows``. Raises :class:`FileError` if so many are refused that this is not the file that was meant."""
    refused = 0
    for row in rows:
        if isinstance(row, RefusedRow):
            refused += 1
            if refused > _MAX_REFUSED_ROWS:
                raise FileError(
                    f"More than {_MAX_REFUSED_ROWS:,} rows are refused, the last one in line {row.line}: {row.message} "
                    "Check that this is the right file, and the right mapping."
                )
        yield row


def load_plan(
    file: Path,
    mapping: Mapping,
    planned_file: Path | None,
    options: ImportOptions,
    zones: Dictionary[str, ZoneInfo] | None = None,
) -> tuple[Plan, Dialect]:
    """Read all rows of a file, and build the plan. ``zones`` are those of existing contracts."""
    # The rows are millions of objects that stay in memory: garbage collection would take a fifth of the time.
    gc.disable()
    try:
        planned = None
        if planned_file:
            with open_mapped(planned_file, mapping, planned_templates(mapping), options.max_size) as table:
                planned = read_planned(table.records, mapping)
        with open_mapped(file, mapping, row_templates(mapping), options.max_size) as table:
            rows = limit_refusals(parse_rows(table.records, mapping, options.now, zones))
            today = options.now.astimezone(mapping.zone).date()
            plan = build_plan(show_progress(rows, "Reading", options.progress), mapping, today, planned)
            return plan, table.dialect
    finally:
        gc.freeze()
        gc.enable()


def open_mapped(
    file: Path, mapping: Mapping, templates: Iterable[str | None], max_size: int
) -> AbstractContextManager[Table]:
    """A file that has the columns of these templates."""
    return open_table(
        file,
        file_columns(mapping, templates),
        encoding=mapping.encoding,
        delimiter=mapping.delimiter,
        list_path=mapping.list,
        split=mapping.split,
        max_size=max_size,
    )
