"""Publish the records of an import with checkpoints, and wait until they are counted."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from collections.abc import Mapping as Dictionary
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import asyncpg

from tidemark.importing.events import OutgoingRecord
from tidemark.importing.files import FileError
from tidemark.importing.import_state import Checkpoint, ImportState
from tidemark.importing.publishing import BATCH_BYTES, Publisher
from tidemark.importing.reconciliation import ReconciliationResult, fetch_end_offsets, reconcile
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.topics import WORKLOGS
from tidemark_shared.settings import MissingSettingError, Settings, require_setting

Progress = Callable[[str, int, int | None], None]
"""Shows a stage, the number of items that are done, and the number of all items if it is known."""
_Item = TypeVar("_Item")
_PROGRESS_INTERVAL = 1_000
_CONNECT_TIMEOUT_SECONDS = 15


class Delivery(NamedTuple):
    """The number of records sent, and what does not count of them (None: not known, because of ``problem`` if any)."""

    sent: int
    reconciliation: ReconciliationResult | None = None
    problem: str = ""


def fetch_cluster(settings: Settings) -> str:
    """The id of the current Kafka cluster."""
    servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
    return asyncio.run(kafka.fetch_cluster_id(servers, timeout_seconds=_CONNECT_TIMEOUT_SECONDS))


def open_state(settings: Settings, folder: Path, cluster: str, source: str) -> ImportState:
    """The state of the imports from ``source`` into a cluster."""
    return ImportState(folder, cluster, settings.topic_prefix + WORKLOGS.name, source)


async def deliver(
    settings: Settings,
    cluster: str,
    records: Iterable[OutgoingRecord],
    state: ImportState | None = None,
    *,
    statuses: Dictionary[str, str] | None = None,
    worklogs: Collection[tuple[str, str]],
    wait_seconds: float,
    progress: Progress = lambda *_: None,
) -> Delivery:
    """Publish records, save in ``state`` that they are, and wait until they are counted."""
    begin_offsets = await fetch_end_offsets(settings, [WORKLOGS.name])
    async with _open_publisher(settings, state.save_checkpoints if state else lambda _: None) as publisher:
        sent = await _publish_all(publisher, records)
    if state:
        state.finish()
    if not wait_seconds:
        return Delivery(sent)
    progress("Counting", 0, None)
    counting = reconcile(settings, cluster, begin_offsets, statuses or {}, worklogs)
    return Delivery(sent, *await _wait_until_counted(counting, wait_seconds))


async def _wait_until_counted(
    counting: Awaitable[ReconciliationResult], wait_seconds: float
) -> tuple[ReconciliationResult | None, str]:
    """The result within this time; else None, and why it is not known."""
    try:
        async with asyncio.timeout(wait_seconds):
            return await counting, ""
    except TimeoutError:
        problem = f"counting took longer than {wait_seconds:g} s. Run the command again: sending twice does no harm"
    except (MissingSettingError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        problem = f"{error}"
    return None, f"Everything is published, but it is not known yet what does not count: {problem}"


@asynccontextmanager
async def _open_publisher(
    settings: Settings, on_acknowledged: Callable[[list[Checkpoint]], None]
) -> AsyncIterator[Publisher]:
    """A publisher to ``worklog.events``; ``on_acknowledged`` gets the checkpoints of what Kafka has."""
    topic = settings.topic_prefix + WORKLOGS.name
    servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
    async with kafka.open_producer(servers, max_batch_size=BATCH_BYTES) as producer:
        yield Publisher(producer, topic, sorted(await producer.partitions_for(topic)), on_acknowledged)


async def _publish_all(publisher: Publisher, records: Iterable[OutgoingRecord]) -> int:
    """Publish all records. Returns their number."""
    count = 0
    for record in records:
        await publisher.publish(record)
        count += 1
    await publisher.flush()
    return count


def show_progress(items: Iterable[_Item], stage: str, progress: Progress, total: int | None = None) -> Iterator[_Item]:
    """``items``, with the number of those taken so far shown now and then."""
    count = 0
    for count, item in enumerate(items, 1):
        if count % _PROGRESS_INTERVAL == 0:
            progress(stage, count, total)
        yield item
    progress(stage, total or count, total or count)


def fingerprint(mapping: bytes, *files: Path) -> str:
    """A digest of a mapping and files. A crashed import is resumed if it has the same fingerprint."""
    digest = hashlib.sha256(mapping)
    for file in files:
        try:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as error:
            raise FileError(f"{file} cannot be read: {error.strerror}.") from None
    return digest.hexdigest()
