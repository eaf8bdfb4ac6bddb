"""Run an import: read the file, provision over the API, publish to Kafka, and account for every row."""

import asyncio
import gc
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import asyncpg

from tidemark.api_client import ApiClient
from tidemark.importing.events import (
    OutgoingRecord,
    StructuredEvent,
    build_event_records,
    build_plan_records,
    parse_structured_events,
)
from tidemark.importing.files import DEFAULT_MAX_SIZE, FileError, open_text, read_records
from tidemark.importing.import_state import Checkpoint, ImportState
from tidemark.importing.mapping import Mapping, load_mapping
from tidemark.importing.plan import Plan, build_plan, read_planned
from tidemark.importing.provisioning import provision
from tidemark.importing.publishing import BATCH_BYTES, Publisher
from tidemark.importing.reconciliation import ReconciliationResult, fetch_end_offsets, reconcile
from tidemark.importing.rows import RefusedRow, parse_rows
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.events import WorklogRecorded, format_timestamp
from tidemark_shared.messaging.topics import WORKLOGS
from tidemark_shared.settings import MissingSettingError, Settings, require_setting

Progress = Callable[[str, int, int | None], None]
_Item = TypeVar("_Item")
_PROGRESS_INTERVAL = 1_000
_MAX_REFUSED_ROWS = 100_000
_CONNECT_TIMEOUT_SECONDS = 15


class ImportOptions(NamedTuple):
    """The target of an import, the folder of its state, its time limit, and the function that shows progress."""

    settings: Settings
    state_folder: Path
    wait_seconds: float
    now: datetime
    progress: Progress = lambda *_: None
    max_size: int = DEFAULT_MAX_SIZE


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


class _Delivery(NamedTuple):
    started_at: datetime
    sent: int
    reconciliation: ReconciliationResult | None
    problems: list[str]


def import_csv(file: Path, mapping_file: Path, planned_file: Path | None, options: ImportOptions) -> ImportSummary:
    """Import a CSV file."""
    mapping = load_mapping(mapping_file)
    plan = load_plan(file, mapping, planned_file, options)
    with ApiClient(options.settings) as api:
        provisioned = provision(api, plan, mapping)
    delivery = asyncio.run(
        _deliver(
            options,
            mapping.source,
            _fingerprint(file, mapping_file),
            lambda started_at, checkpoints: build_plan_records(
                plan, provisioned.team_ids, mapping.source, started_at, checkpoints
            ),
            total=len(plan.links) + len(plan.rows),
            statuses=provisioned.statuses,
            worklogs={(mapping.source, row.worklog) for row in plan.rows},
        )
    )
    return _summarize(
        file,
        delivery,
        taken=len(plan.rows),
        fact_count=len(plan.links) + len(plan.rows),
        repeated=plan.repeated,
        refused_rows=plan.refused_rows,
        problems=provisioned.problems,
    )


def import_events(file: Path, options: ImportOptions) -> ImportSummary:
    """Import a file with one structured CloudEvent on each line."""
    with open_text(file, max_size=options.max_size) as lines:
        rows = limit_refusals(parse_structured_events(lines, options.now))
        parsed = list(_show_progress(rows, "Reading", options.progress))
    events = [line for line in parsed if isinstance(line, StructuredEvent)]
    distinct = len({event.value for event in events})
    delivery = asyncio.run(
        _deliver(
            options,
            "events",
            _fingerprint(file),
            lambda _, checkpoints: build_event_records(events, checkpoints),
            total=distinct,
            statuses={},
            worklogs={
                (event.event.source, event.event.data.worklog_id)
                for event in events
                if isinstance(event.event.data, WorklogRecorded)
            },
        )
    )
    return _summarize(
        file,
        delivery,
        taken=distinct,
        fact_count=distinct,
        repeated=len(events) - distinct,
        refused_rows=[line for line in parsed if isinstance(line, RefusedRow)],
    )


def publish_events(lines: Iterable[str], settings: Settings, now: datetime) -> tuple[int, list[RefusedRow]]:
    """Publish structured CloudEvents unchanged, one on each line. Returns the number published, and those refused."""
    parsed = list(limit_refusals(parse_structured_events(lines, now)))
    records = build_event_records([line for line in parsed if isinstance(line, StructuredEvent)], {})

    async def publish() -> int:
        async with _open_publisher(settings, lambda _: None) as publisher:
            return await _publish_all(publisher, records)

    return asyncio.run(publish()), [line for line in parsed if isinstance(line, RefusedRow)]


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


def load_plan(file: Path, mapping: Mapping, planned_file: Path | None, options: ImportOptions) -> Plan:
    """Read all rows of a file, and build the plan."""
    # The rows are millions of objects that stay in memory: garbage collection would take a fifth of the time.
    gc.disable()
    try:
        planned = None
        if planned_file:
            with open_text(planned_file, mapping.encoding, max_size=options.max_size) as lines:
                planned = read_planned(read_records(lines, mapping.delimiter), mapping)
        with open_text(file, mapping.encoding, max_size=options.max_size) as lines:
            rows = limit_refusals(parse_rows(read_records(lines, mapping.delimiter), mapping, options.now))
            today = options.now.astimezone(mapping.zone).date()
            return build_plan(_show_progress(rows, "Reading", options.progress), mapping, today, planned)
    finally:
        gc.freeze()
        gc.enable()


async def _deliver(
    options: ImportOptions,
    source: str,
    fingerprint: str,
    build_records: Callable[[datetime, Dictionary[str, Checkpoint]], Iterator[OutgoingRecord]],
    *,
    total: int,
    statuses: Dictionary[str, str],
    worklogs: Collection[tuple[str, str]],
) -> _Delivery:
    """Publish the records that have no checkpoint yet, and wait until they are counted."""
    settings, topic = options.settings, options.settings.topic_prefix + WORKLOGS.name
    servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
    cluster = await kafka.fetch_cluster_id(servers, timeout_seconds=_CONNECT_TIMEOUT_SECONDS)
    begin_offsets = await fetch_end_offsets(settings, [WORKLOGS.name])
    with ImportState(options.state_folder, cluster, topic, source) as state:
        started_at = state.start(fingerprint, options.now)
        async with _open_publisher(settings, state.save_checkpoints) as publisher:
            records = build_records(started_at, state.load_checkpoints())
            sent = await _publish_all(publisher, _show_progress(records, "Publishing", options.progress, total))
        state.finish()
    delivery = _Delivery(started_at, sent, None, [])
    if not options.wait_seconds:
        return delivery
    options.progress("Counting", 0, None)
    try:
        async with asyncio.timeout(options.wait_seconds):
            reconciliation = await reconcile(settings, cluster, begin_offsets, statuses, worklogs)
            return delivery._replace(reconciliation=reconciliation)
    except TimeoutError:
        problem = f"counting took longer than {options.wait_seconds:g} s. Run the command again: it sends nothing twice"
    except (MissingSettingError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        problem = f"{error}"
    return delivery._replace(
        problems=[f"Everything is published, but it is not known yet which rows do not count: {problem}"]
    )


@asynccontextmanager
async def _open_publisher(
    settings: Settings, on_acknowledged: Callable[[list[Checkpoint]], None]
) -> AsyncIterator[Publisher]:
    topic = settings.topic_prefix + WORKLOGS.name
    servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
    async with kafka.open_producer(servers, max_batch_size=BATCH_BYTES) as producer:
        yield Publisher(producer, topic, sorted(await producer.partitions_for(topic)), on_acknowledged)


async def _publish_all(publisher: Publisher, records: Iterable[OutgoingRecord]) -> int:
    count = 0
    for record in records:
        await publisher.publish(record)
        count += 1
    await publisher.flush()
    return count


def _show_progress(items: Iterable[_Item], stage: str, progress: Progress, total: int | None = None) -> Iterator[_Item]:
    count = 0
    for count, item in enumerate(items, 1):
        if count % _PROGRESS_INTERVAL == 0:
            progress(stage, count, total)
        yield item
    progress(stage, total or count, total or count)


def _fingerprint(*files: Path) -> str:
    """A digest of the files. A crashed import is resumed if it has the same fingerprint."""
    digest = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as error:
            raise FileError(f"{file} cannot be read: {error.strerror}.") from None
    return digest.hexdigest()


def _summarize(
    file: Path,
    delivery: _Delivery,
    *,
    taken: int,
    fact_count: int,
    repeated: int,
    refused_rows: Sequence[RefusedRow],
    problems: Sequence[str] = (),
) -> ImportSummary:
    problems = [*problems, *delivery.problems]
    reconciliation = delivery.reconciliation
    if reconciliation and reconciliation.dead_letters:
        problems.append(
            f"{reconciliation.dead_letters} records since the start of the import are dead letters. "
            "Run `tidemark dlq list` to see them."
        )
    return ImportSummary(
        file=str(file),
        started_at=format_timestamp(delivery.started_at),
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
