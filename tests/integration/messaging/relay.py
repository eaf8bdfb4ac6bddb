"""A running relay, its rows, and a reader of what it publishes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from polling import wait_until

from tidemark_shared.database import Pool
from tidemark_shared.messaging.cloudevents import OutboxRecord
from tidemark_shared.messaging.outbox import RECORD_OUTBOX, Outbox, Relay, write_outbox
from tidemark_shared.tasks import cancel_tasks, keep_running

SERVICE = "consumption"


@asynccontextmanager
async def running_relay(
    bootstrap_servers: str, url: str, outbox: Outbox = RECORD_OUTBOX, *, prefix: str = ""
) -> AsyncIterator[None]:
    """A relay that is restarted when it fails, as in the runtime of a service."""
    relay = Relay(url, SERVICE, bootstrap_servers, outbox, prefix=prefix)
    task = asyncio.create_task(keep_running("relay", relay.run))
    try:
        yield
    finally:
        await cancel_tasks([task])


class TopicReader:
    """Reads the records of a topic from its beginning."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._bootstrap_servers, self._topic = bootstrap_servers, topic
        self.records: list[ConsumerRecord] = []

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            self._topic, bootstrap_servers=self._bootstrap_servers, auto_offset_reset="earliest"
        )
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read(self) -> list[ConsumerRecord]:
        for records in (await self._consumer.getmany(timeout_ms=50)).values():
            self.records += records
        return self.records

    async def read_until(self, condition: Callable[[list[ConsumerRecord]], Any]) -> list[ConsumerRecord]:
        async def is_met() -> bool:
            return bool(condition(await self.read()))

        await wait_until(is_met, timeout_seconds=60)
        return self.records


def values_by_key(records: Iterable[ConsumerRecord]) -> dict[bytes | None, list[bytes | None]]:
    values: dict[bytes | None, list[bytes | None]] = {}
    for record in records:
        values.setdefault(record.key, []).append(record.value)
    return values


def outbox_record(
    topic: str, key: str | None, value: bytes | None, headers: Iterable[tuple[str, bytes]] = ()
) -> OutboxRecord:
    return OutboxRecord(topic, None if key is None else key.encode(), list(headers), value)


async def write_records(pool: Pool, *records: OutboxRecord) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await write_outbox(connection, records)


async def has_rows(pool: Pool, count: int) -> bool:
    return bool(await pool.fetchval("SELECT count(*) = $1 FROM outbox", count))


def numbers(last: int) -> list[bytes]:
    return [str(number).encode() for number in range(1, last + 1)]


def deduplicate(values: list[bytes | None]) -> list[bytes | None]:
    """The values without the earlier copies of repeated ones."""
    return list(reversed(dict.fromkeys(reversed(values))))
