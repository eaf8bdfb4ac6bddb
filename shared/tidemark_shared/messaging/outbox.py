"""The outbox relay: publishes the rows of a table to Kafka, in order per key, at least once.

One relay per outbox is active; it holds a lock. It deletes a row after Kafka has acknowledged the record. A
crash between the two publishes the record again; readers compare versions.
"""

import asyncio
import json
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTimestampError

from tidemark_shared import metrics, tracing
from tidemark_shared.database import Connection, hold_leader_lock, open_connection, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.cloudevents import OutboxRecord, encode_headers

_log = get_logger()
_sql: SharedQueries = queries("tidemark_shared")

_PUBLISHED = metrics.counter(
    "tidemark_outbox_published_records_total",
    "Records of an `outbox` (`outbox`: events; `balances`) that Kafka has acknowledged, by the process that publishes.",
    "outbox",
)
_MAX_ROWS = 1_000
# When Kafka rejects a record, the relay tries it again after this time: only a person can fix the record.
_REJECTED_RETRY_SECONDS = 30.0
# A row that waits longer makes the service not ready.
_MAX_WAIT_SECONDS = 60.0
_MAX_PAUSE_SECONDS = 10.0

OrderingKey = tuple[str, bytes | None]


class OutboxRow(NamedTuple):
    """A record to publish; ``id`` is what :attr:`Outbox.mark_published` needs."""

    id: Any
    record: OutboxRecord

    @property
    def ordering_key(self) -> OrderingKey:
        """Topic and key: Kafka keeps the order of the records that share them."""
        return self.record.topic, self.record.key


class OldestRow(NamedTuple):
    """The row that waits longest. ``failure`` says why it cannot be published, if that is known."""

    name: str
    seconds: float
    failure: str | None = None


class Outbox(NamedTuple):
    """A source of records for a relay."""

    name: str
    load_rows: Callable[[Connection], Awaitable[Sequence[OutboxRow]]]
    mark_published: Callable[[Connection, Sequence[Any]], Awaitable[None]]
    load_oldest: Callable[[Connection], Awaitable[OldestRow | None]]
    pause_seconds: float
    """The pause between two rounds: short for prompt delivery, longer to combine changes of one key."""


async def write_outbox(connection: Connection, records: Iterable[OutboxRecord]) -> None:
    """Write records to the service's outbox, in the caller's transaction and trace."""
    records = list(records)
    await _sql.insert_outbox_records(
        connection,
        topics=[record.topic for record in records],
        keys=[record.key for record in records],
        headers=[json.dumps(encode_headers(tracing.with_traceparent(record.headers))) for record in records],
        values=[record.value for record in records],
    )


async def _load_rows(connection: Connection) -> list[OutboxRow]:
    return [
        OutboxRow(row["id"], OutboxRecord(row["topic"], row["key"], _decode_headers(row["headers"]), row["value"]))
        async for row in _sql.load_outbox_rows(connection, max_rows=_MAX_ROWS)
    ]


async def _load_oldest(connection: Connection) -> OldestRow | None:
    row = await _sql.oldest_outbox_row(connection)
    return row and OldestRow(row["name"], row["seconds"])


async def _delete_rows(connection: Connection, ids: Sequence[Any]) -> None:
    await _sql.delete_outbox_rows(connection, ids=ids)


def _decode_headers(text: str) -> list[tuple[str, bytes]]:
    # Kafka allows null header values, but aiokafka cannot write them: they become empty.
    return [(name, bytes.fromhex(value or "")) for name, value in json.loads(text)]


RECORD_OUTBOX = Outbox("outbox", _load_rows, _delete_rows, _load_oldest, pause_seconds=0.05)


class Relay:
    """Publishes an outbox; the service's runtime restarts :meth:`run` when it raises."""

    def __init__(self, url: str, service: str, bootstrap_servers: str, outbox: Outbox, *, prefix: str = "") -> None:
        self._url, self._service, self._bootstrap_servers = url, service, bootstrap_servers
        self._outbox, self._prefix = outbox, prefix
        self._retry_times: dict[OrderingKey, float] = {}
        """When to try the rejected records again; the later records of their keys wait."""
        self._failure: BaseException | None = None
        self._published_at = -math.inf

    async def problems(self, connection: Connection) -> list[str]:
        """The row that has waited for too long, with the reason and the remedy; empty if none has."""
        row = await self._outbox.load_oldest(connection)
        if row is None or row.seconds <= _MAX_WAIT_SECONDS:
            return []
        # A long queue that moves is no problem.
        is_moving = asyncio.get_running_loop().time() - self._published_at < _MAX_PAUSE_SECONDS
        if is_moving and not self._retry_times and not row.failure:
            return []
        failure = row.failure or (self._failure and repr(self._failure))
        reason = f" The last error is {failure}." if failure else ""
        remedy = (
            "Set the clock of this machine: it differs from that of Kafka by more than the topic allows."
            if isinstance(self._failure, InvalidTimestampError)
            else "Check that Kafka accepts records of this topic; the log of the service that publishes has more."
        )
        return [f"Not published for {row.seconds:.0f} s: {row.name}.{reason} {remedy}"]

    async def run(self) -> None:
        """Wait until no other relay is active, then publish until something fails."""
        settings = {"search_path": self._service, "application_name": f"{self._service} relay"}
        async with (
            hold_leader_lock(self._url, self._service, f"{self._outbox.name}_lock") as leader,
            open_connection(self._url, **settings) as connection,
            kafka.open_producer(self._bootstrap_servers) as producer,
        ):
            await self._publish_rounds(leader, connection, producer)

    async def _publish_rounds(self, leader: Connection, connection: Connection, producer: AIOKafkaProducer) -> NoReturn:
        now = asyncio.get_running_loop().time
        while True:
            # Fails if the connection, and with it the lock, was lost.
            await leader.execute("SELECT 1")
            rows = await self._outbox.load_rows(connection)
            if ready := [row for row in rows if row.ordering_key not in self._retry_times]:
                published, self._failure = await self._publish(producer, ready)
                failure = self._failure
                await self._outbox.mark_published(connection, published)
                self._published_at = now() if published else self._published_at
                if failure:
                    if not _is_retriable(failure):
                        await self._publish_one_by_one(connection, await self._outbox.load_rows(connection))
                    raise failure
            if due := [row for row in rows if self._retry_times.get(row.ordering_key, math.inf) < now()]:
                await self._publish_one_by_one(connection, due)
            if len(ready) < _MAX_ROWS:
                await asyncio.sleep(self._outbox.pause_seconds)

    async def _send(self, producer: AIOKafkaProducer, record: OutboxRecord) -> "asyncio.Future[Any] | Exception":
        # Kafka allows a record without key and value, and such a record may be a dead letter; aiokafka does not.
        value = b"" if record.key is None and record.value is None else record.value
        try:
            future: asyncio.Future[Any] = await producer.send(
                self._prefix + record.topic, value, key=record.key, headers=record.headers
            )
        except Exception as error:  # noqa: BLE001 - any error concerns this record only
            return error
        return future

    async def _publish(
        self, producer: AIOKafkaProducer, rows: Sequence[OutboxRow]
    ) -> tuple[list[Any], BaseException | None]:
        causes = tracing.read_causes([row.record for row in rows])
        with tracing.span(f"publish {self._outbox.name}", "producer", causes, tidemark__records=len(rows)):
            published, failure = await self._send_all(producer, rows)
        _PUBLISHED.labels(self._outbox.name).inc(len(published))
        _log.debug("published", outbox=self._outbox.name, count=len(published))
        return published, failure

    async def _send_all(
        self, producer: AIOKafkaProducer, rows: Sequence[OutboxRow]
    ) -> tuple[list[Any], BaseException | None]:
        """Send all rows, then wait for all acknowledgements. Returns the ids that are done, and the first failure.

        After a failure the later rows of the same key are not done, even if Kafka has taken them: they are published
        again, behind the row that failed.
        """
        sent: list[tuple[OutboxRow, asyncio.Future[Any]]] = []
        published: list[Any] = []
        failed_keys: set[OrderingKey] = set()
        failure: BaseException | None = None
        for row in rows:
            if row.ordering_key in failed_keys:
                continue
            future = await self._send(producer, row.record)
            if isinstance(future, Exception):
                failure = failure or future
                failed_keys.add(row.ordering_key)
            else:
                sent.append((row, future))
        results = await asyncio.gather(*(future for _, future in sent), return_exceptions=True)
        for (row, _), result in zip(sent, results, strict=True):
            if isinstance(result, BaseException):
                failure = failure or result
                failed_keys.add(row.ordering_key)
            if row.ordering_key not in failed_keys:
                published.append(row.id)
        return published, failure

    async def _publish_one_by_one(self, connection: Connection, rows: Sequence[OutboxRow]) -> None:
        """Publish rows one by one, so that a record that Kafka rejects blocks only its own key."""
        remaining = deque(rows)
        while remaining:
            # A rejected record breaks the sequence of the producer that sent it: use a new one.
            async with kafka.open_producer(self._bootstrap_servers) as producer:
                while remaining:
                    row = remaining.popleft()
                    _, failure = await self._publish(producer, [row])
                    self._failure = failure or self._failure
                    if failure is None:
                        self._retry_times.pop(row.ordering_key, None)
                        await self._outbox.mark_published(connection, [row.id])
                        continue
                    if _is_retriable(failure):
                        raise failure
                    self._retry_times[row.ordering_key] = asyncio.get_running_loop().time() + _REJECTED_RETRY_SECONDS
                    remaining = deque(other for other in remaining if other.ordering_key != row.ordering_key)
                    _log.error("record_rejected", outbox=self._outbox.name, topic=row.record.topic, error=repr(failure))
                    break


def _is_retriable(failure: BaseException) -> bool:
    """Whether the same record can succeed later without a change."""
    return bool(getattr(failure, "retriable", isinstance(failure, OSError)))
