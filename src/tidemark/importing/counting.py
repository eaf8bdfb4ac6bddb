"""What became of what was published: waits for consumption to fold it, then reads `reporting`."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer

from tidemark_shared.database import queries
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, WORKLOGS
from tidemark_shared.settings import Settings, require_setting

_POLL_SECONDS = 0.2
_sql = queries("tidemark")

Offsets = dict[tuple[str, int], int]


class Counted(NamedTuple):
    """Worklogs that do not count, by reason; records that consumption refused."""

    unaccounted: dict[str, int]
    dead_letters: int


async def end_offsets(settings: Settings, topics: Sequence[str]) -> Offsets:
    """Where the logs of topics end now, by topic and partition."""
    # Without a group it is given all partitions, which is how it knows them.
    consumer = AIOKafkaConsumer(
        *(settings.topic_prefix + topic for topic in topics),
        bootstrap_servers=require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers"),
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(sorted(consumer.assignment()))
        return {(one.topic, one.partition): end for one, end in ends.items()}
    finally:
        await consumer.stop()


async def count(
    settings: Settings,
    cluster: str,
    begins: Offsets,
    statuses: Mapping[str, str],
    worklogs: Collection[tuple[str, str]],
) -> Counted:
    """Wait, for ever if need be, until everything is folded; then what became of these worklogs (source, id).

    ``begins`` is where `worklog.events` ended before; ``statuses`` what the contracts are, by code.
    """
    connection = await asyncpg.connect(settings.service_database_url("consumption"))
    try:
        # The contracts first: they come through an outbox, and Kafka may not have them yet.
        await _until(lambda: _known(connection, statuses))
        ends = await end_offsets(settings, [WORKLOGS.name, DIRECTORY.name, LIFECYCLE.name])
        service = {"service": "consumption", "cluster": cluster}
        await _until(lambda: _folded(connection, service, ends))
        dead_letters = await _sql.dead_letters(
            connection,
            **service,
            **_columns(begins),
            begins=list(begins.values()),
            ends=[ends[one] for one in begins],
        )
        sources = list({source for source, _ in worklogs})
        reasons = Counter[str]()
        async with connection.transaction():
            async for source, worklog_id, reason in _sql.unaccounted(connection, sources=sources):
                if (source, worklog_id) in worklogs:
                    reasons[reason] += 1
        return Counted(dict(reasons.most_common()), dead_letters)
    finally:
        connection.terminate()


async def _until(done: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await done():
            return
        await asyncio.sleep(_POLL_SECONDS)


async def _folded(connection: Any, service: dict[str, str], ends: Offsets) -> bool:
    """Whether the service has counted the records before these offsets."""
    return not await _sql.behind(connection, **service, **_columns(ends), ends=list(ends.values()))


async def _known(connection: Any, statuses: Mapping[str, str]) -> bool:
    """Whether consumption has the contracts as they are; an ACTIVE one may have expired meanwhile."""
    rows = [tuple(row) async for row in _sql.statuses(connection, codes=list(statuses))]
    known = dict(rows)
    return all(known.get(code) in (status, "EXPIRED") for code, status in statuses.items())


def _columns(offsets: Offsets) -> dict[str, list[Any]]:
    return {"topics": [topic for topic, _ in offsets], "partitions": [partition for _, partition in offsets]}
