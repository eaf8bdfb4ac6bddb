"""Reconciliation: wait until consumption has folded the published records, then read the result from `reporting`."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer

from tidemark.database.query_types import CommandLineQueries
from tidemark.importing.identity import find_day
from tidemark_shared.database import Connection, open_connection, queries
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, WORKLOGS
from tidemark_shared.settings import MissingSettingError, Settings, require_setting

_POLL_SECONDS = 0.2
_sql: CommandLineQueries = queries("tidemark")

Offsets = dict[tuple[str, int], int]
"""Offsets by topic and partition."""


class ReconciliationResult(NamedTuple):
    """The number of worklogs that do not count, by reason, and the number of dead letters."""

    unaccounted: dict[str, int]
    dead_letters: int


async def fetch_end_offsets(settings: Settings, topics: Sequence[str]) -> Offsets:
    """The current end offsets of topics."""
    # A consumer without a group is assigned all partitions, so it knows them.
    consumer = AIOKafkaConsumer(
        *(settings.topic_prefix + topic for topic in topics),
        bootstrap_servers=require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers"),
        **kafka.client_options(),
    )
    await consumer.start()
    try:
        end_offsets = await consumer.end_offsets(sorted(consumer.assignment()))
        return {(partition.topic, partition.partition): offset for partition, offset in end_offsets.items()}
    finally:
        await consumer.stop()


async def reconcile(
    settings: Settings,
    cluster: str,
    begin_offsets: Offsets,
    statuses: Mapping[str, str],
    worklogs: Collection[tuple[str, str]],
) -> ReconciliationResult:
    """Wait without a limit until everything is folded. Returns what happened to these worklogs (source, id).

    ``begin_offsets`` are the end offsets of `worklog.events` before the import; ``statuses`` those of the contracts.
    """
    connection = await asyncpg.connect(settings.service_database_url("consumption"))
    try:
        # Contracts first: they are published through an outbox, and may not be in Kafka yet.
        await _wait_until(lambda: _has_contracts(connection, statuses))
        end_offsets = await fetch_end_offsets(settings, [WORKLOGS.name, DIRECTORY.name, LIFECYCLE.name])
        consumer: dict[str, Any] = {"service": "consumption", "cluster": cluster}
        await _wait_until(lambda: _has_folded(connection, consumer, end_offsets))
        dead_letters = await _sql.count_dead_letters(
            connection,
            **consumer,
            **_partition_columns(begin_offsets),
            begins=list(begin_offsets.values()),
            ends=[end_offsets[partition] for partition in begin_offsets],
        )
        sources = list({source for source, _ in worklogs})
        reasons = Counter[str]()
        async with connection.transaction():
            async for row in _sql.list_unaccounted(connection, sources=sources):
                if (row["source"], row["worklog_id"]) in worklogs:
                    reasons[row["reason"]] += 1
        return ReconciliationResult(dict(reasons.most_common()), dead_letters)
    finally:
        connection.terminate()


async def describe_rows(settings: Settings, source: str, worklogs: Sequence[str]) -> list[str]:
    """The day, person and duration of worklogs that were identified by their content; ids of those that are unknown."""
    try:
        url = settings.service_database_url("consumption")
    except MissingSettingError:
        return list(worklogs)
    async with open_connection(url) as connection:
        rows = _sql.list_recorded(connection, source=source, worklog_ids=list(worklogs))
        recorded = {row["worklog_id"]: (row["author_id"], timedelta(seconds=row["seconds"])) async for row in rows}
    return [
        f"{find_day(worklog)}  {recorded[worklog][0]}  {recorded[worklog][1]}" if worklog in recorded else worklog
        for worklog in worklogs
    ]


async def _wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 - the condition is in the database
        await asyncio.sleep(_POLL_SECONDS)


async def _has_folded(connection: Connection, consumer: dict[str, Any], end_offsets: Offsets) -> bool:
    """Whether the service has folded all records before these offsets."""
    columns = _partition_columns(end_offsets)
    return not await _sql.count_unfolded_records(connection, **consumer, **columns, ends=list(end_offsets.values()))


async def _has_contracts(connection: Connection, statuses: Mapping[str, str]) -> bool:
    """Whether consumption has the contracts with these statuses; an ACTIVE contract can have expired since."""
    current = {
        row["contract_code"]: row["status"] async for row in _sql.list_statuses(connection, codes=list(statuses))
    }
    return all(current.get(code) in (status, "EXPIRED") for code, status in statuses.items())


def _partition_columns(offsets: Offsets) -> dict[str, Any]:
    return {"topics": [topic for topic, _ in offsets], "partitions": [partition for _, partition in offsets]}
