"""The shell of an import: a file, Tidemark's API, Kafka, and a summary that accounts for every row."""

import asyncio
import gc
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import asyncpg

from tidemark.importing import messages, plan, rows
from tidemark.importing.api import Api
from tidemark.importing.counting import Counted, count, end_offsets
from tidemark.importing.establish import establish
from tidemark.importing.files import FileError, open_text, records
from tidemark.importing.mapping import Mapping, load
from tidemark.importing.memory import Memory, Sent
from tidemark.importing.messages import Message, Structured
from tidemark.importing.publishing import BATCH_BYTES, Publisher
from tidemark.importing.rows import Refusal
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.events import WorklogRecorded, format_timestamp
from tidemark_shared.messaging.topics import WORKLOGS
from tidemark_shared.settings import MissingSettingError, Settings, require_setting

Progress = Callable[[str, int, int | None], None]
_Thing = TypeVar("_Thing")
_PROGRESS_EVERY = 1_000
_STOP_SECONDS = 5


class Order(NamedTuple):
    """Where an import goes, what it remembers, how long it waits, and whom it tells how far it is."""

    settings: Settings
    state: Path
    wait_seconds: float
    now: datetime
    progress: Progress = lambda *_: None


class Summary(NamedTuple):
    """What became of every row: ``rows == taken + repeated + sum(refused)``."""

    file: str
    started_at: str
    rows: int
    taken: int
    repeated: int
    refused: dict[str, int]
    refusals: list[Refusal]
    sent: int
    unchanged: int
    unaccounted: dict[str, int] | None
    """By reason, of the rows taken; null where nobody waited, or not long enough, for them to be counted."""
    problems: list[str]


class _Delivered(NamedTuple):
    started_at: datetime
    sent: int
    counted: Counted | None
    problems: list[str]


def import_csv(file: Path, mapping_file: Path, planned: Path | None, order: Order) -> Summary:
    """Import a CSV file."""
    mapping = load(mapping_file)
    made = read_plan(file, mapping, planned, order)
    with Api(order.settings) as api:
        established = establish(api, made, mapping)
    delivered = asyncio.run(
        _deliver(
            order,
            mapping.source,
            _fingerprint(file, mapping_file),
            lambda started_at, sent: messages.of_plan(made, established.teams, mapping.source, started_at, sent),
            total=len(made.links) + len(made.rows),
            statuses=established.statuses,
            worklogs={(mapping.source, row.worklog) for row in made.rows},
        )
    )
    return _summary(
        file,
        delivered,
        taken=len(made.rows),
        facts=len(made.links) + len(made.rows),
        repeated=made.repeated,
        refusals=made.refusals,
        problems=established.problems,
    )


def import_events(file: Path, order: Order) -> Summary:
    """Import a file of CloudEvents in structured mode, one a line."""
    with open_text(file) as lines:
        read = list(_told(messages.structured(lines, order.now), "Reading", order.progress))
    events = [one for one in read if isinstance(one, Structured)]
    different = len({one.value for one in events})
    delivered = asyncio.run(
        _deliver(
            order,
            "events",
            _fingerprint(file),
            lambda _, sent: messages.of_events(events, sent),
            total=different,
            statuses={},
            worklogs={
                (one.event.source, one.event.data.worklog_id)
                for one in events
                if isinstance(one.event.data, WorklogRecorded)
            },
        )
    )
    return _summary(
        file,
        delivered,
        taken=different,
        facts=different,
        repeated=len(events) - different,
        refusals=[one for one in read if isinstance(one, Refusal)],
    )


def publish_events(lines: Iterable[str], settings: Settings, now: datetime) -> tuple[int, list[Refusal]]:
    """Publish CloudEvents in structured mode, one a line, as they are. How many, and what was refused."""
    read = list(messages.structured(lines, now))
    ready = messages.of_events([one for one in read if isinstance(one, Structured)], {})

    async def publish() -> int:
        async with _publisher(settings, lambda _: None) as publisher:
            return await _publish(publisher, ready)

    return asyncio.run(publish()), [one for one in read if isinstance(one, Refusal)]


def read_plan(file: Path, mapping: Mapping, planned: Path | None, order: Order) -> plan.Plan:
    """All rows of a file and what they come to."""
    # Millions of objects that all stay: looking for garbage among them costs a fifth of the time.
    gc.disable()
    try:
        intended = None
        if planned:
            with open_text(planned, mapping.encoding) as lines:
                intended = plan.read_planned(records(lines, mapping.delimiter), mapping)
        with open_text(file, mapping.encoding) as lines:
            found = rows.read(records(lines, mapping.delimiter), mapping, order.now)
            today = order.now.astimezone(mapping.zone).date()
            return plan.make(_told(found, "Reading", order.progress), mapping, today, intended)
    finally:
        gc.freeze()
        gc.enable()


async def _deliver(
    order: Order,
    source: str,
    fingerprint: str,
    make: Callable[[datetime, Dictionary[str, Sent]], Iterator[Message]],
    *,
    total: int,
    statuses: Dictionary[str, str],
    worklogs: Collection[tuple[str, str]],
) -> _Delivered:
    """Publish what was not published yet, and wait for it to be counted."""
    settings, topic = order.settings, order.settings.topic_prefix + WORKLOGS.name
    cluster = await kafka.fetch_cluster_id(
        require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers"), timeout_seconds=15
    )
    begins = await end_offsets(settings, [WORKLOGS.name])
    with Memory(order.state, cluster, topic, source) as memory:
        started_at = memory.begin(fingerprint, order.now)
        async with _publisher(settings, memory.remember) as publisher:
            made = make(started_at, memory.sent())
            sent = await _publish(publisher, _told(made, "Publishing", order.progress, total))
        memory.finish()
    delivered = _Delivered(started_at, sent, None, [])
    if not order.wait_seconds:
        return delivered
    order.progress("Counting", 0, None)
    try:
        async with asyncio.timeout(order.wait_seconds):
            return delivered._replace(counted=await count(settings, cluster, begins, statuses, worklogs))
    except TimeoutError:
        why = f"it did not end within {order.wait_seconds:g} s. Run the command again: it sends nothing twice"
    except (MissingSettingError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = f"{error}"
    return delivered._replace(problems=[f"All is published; what of it counts is not known yet: {why}"])


@asynccontextmanager
async def _publisher(settings: Settings, acknowledged: Callable[[list[Sent]], None]) -> AsyncIterator[Publisher]:
    topic = settings.topic_prefix + WORKLOGS.name
    bootstrap = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
    producer = kafka.create_producer(bootstrap, max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        yield Publisher(producer, topic, sorted(await producer.partitions_for(topic)), acknowledged)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await producer.stop()


async def _publish(publisher: Publisher, ready: Iterable[Message]) -> int:
    number = 0
    for number, message in enumerate(ready, 1):  # noqa: B007 - the last one is what was sent
        await publisher.put(message.issue, message.headers, message.value, message.receipt)
    await publisher.flush()
    return number


def _told(things: Iterable[_Thing], stage: str, progress: Progress, total: int | None = None) -> Iterator[_Thing]:
    number = 0
    for number, thing in enumerate(things, 1):
        if number % _PROGRESS_EVERY == 0:
            progress(stage, number, total)
        yield thing
    progress(stage, total or number, total or number)


def _fingerprint(*files: Path) -> str:
    """Tells an import that goes on from another of the same source."""
    digest = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as error:
            raise FileError(f"{file} cannot be read: {error.strerror}.") from None
    return digest.hexdigest()


def _summary(
    file: Path,
    delivered: _Delivered,
    *,
    taken: int,
    facts: int,
    repeated: int,
    refusals: Sequence[Refusal],
    problems: Sequence[str] = (),
) -> Summary:
    problems = [*problems, *delivered.problems]
    if delivered.counted and delivered.counted.dead_letters:
        problems.append(
            f"{delivered.counted.dead_letters} records since the start are dead letters: see `tidemark dlq list`."
        )
    return Summary(
        file=str(file),
        started_at=format_timestamp(delivered.started_at),
        rows=taken + repeated + len(refusals),
        taken=taken,
        repeated=repeated,
        refused=dict(Counter(one.reason for one in refusals).most_common()),
        refusals=list(refusals),
        sent=delivered.sent,
        unchanged=facts - delivered.sent,
        unaccounted=delivered.counted.unaccounted if delivered.counted else None,
        problems=problems,
    )
