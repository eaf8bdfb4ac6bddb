"""The relay: rows of an outbox to Kafka, in order per key, at least once.

One leader at a time holds a session lock; a row is deleted once Kafka has acknowledged it. A crash between the
two publishes it again, which readers settle by version.
"""

import asyncio
import contextlib
import json
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tidemark_shared.database import Connection, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.cloudevents import OutboxRecord, encode_headers

_log = get_logger()
_sql = queries("tidemark_shared")

_MOST_ROWS = 1_000
_STOP_SECONDS = 5
# Until what Kafka refused is offered again: only a person can make it fit.
_REFUSED_SECONDS = 30.0


class OutboxRow(NamedTuple):
    """A record to publish, and what :attr:`Outbox.mark_published` needs to know it by."""

    id: Any
    record: OutboxRecord


class Outbox(NamedTuple):
    """Where a relay takes its rows from."""

    name: str
    load_rows: Callable[[Connection], Awaitable[Sequence[OutboxRow]]]
    mark_published: Callable[[Connection, Sequence[Any]], Awaitable[None]]
    pause_seconds: float
    """Between two rounds: short for prompt delivery, longer to let changes of one key gather."""


async def write_outbox(connection: Connection, records: Iterable[OutboxRecord]) -> None:
    """Write records to the outbox of the service, in the caller's transaction."""
    rows = list(records)
    await _sql.put(
        connection,
        topics=[row.topic for row in rows],
        keys=[row.key for row in rows],
        headers=[json.dumps(encode_headers(row.headers)) for row in rows],
        values=[row.value for row in rows],
    )


async def _pending(connection: Connection) -> list[OutboxRow]:
    return [
        OutboxRow(row["id"], OutboxRecord(row["topic"], row["key"], _headers(row["headers"]), row["value"]))
        async for row in _sql.pending(connection, most=_MOST_ROWS)
    ]


async def _published(connection: Connection, ids: Sequence[Any]) -> None:
    await _sql.published(connection, ids=ids)


def _headers(text: str) -> list[tuple[str, bytes]]:
    # Kafka knows null header values, aiokafka does not write them: they become empty.
    return [(name, bytes.fromhex(value or "")) for name, value in json.loads(text)]


RECORD_OUTBOX = Outbox("outbox", _pending, _published, pause_seconds=0.05)


class Relay:
    """Publishes an outbox for ever; :meth:`run` is restarted by the frame when it raises."""

    def __init__(self, url: str, service: str, bootstrap: str, outbox: Outbox, *, prefix: str = "") -> None:
        self._url, self._service, self._bootstrap = url, service, bootstrap
        self._outbox, self._prefix = outbox, prefix
        self._refused: dict[tuple[str, bytes | None], float] = {}

    async def run(self) -> None:
        """Lead, once the leader before has gone, and publish until something fails."""
        connection = await asyncpg.connect(
            self._url, server_settings={"search_path": self._service, "application_name": f"{self._service} relay"}
        )
        try:
            await connection.execute(
                "SELECT pg_advisory_lock(hashtextextended($1, 0))", f"tidemark.{self._service}.{self._outbox.name}"
            )
            async with self._producing() as producer:
                await self._publish_for_ever(connection, producer)
        finally:
            connection.terminate()

    async def _publish_for_ever(self, connection: Connection, producer: AIOKafkaProducer) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            rows = await self._outbox.load_rows(connection)
            if fit := [row for row in rows if _place(row) not in self._refused]:
                done, failure = await self._publish(producer, fit)
                await self._outbox.mark_published(connection, done)
                if failure:
                    if not _passes(failure):
                        await self._single_out(connection, await self._outbox.load_rows(connection))
                    raise failure
            if due := [row for row in rows if self._refused.get(_place(row), math.inf) < clock()]:
                await self._single_out(connection, due)
            if len(fit) < _MOST_ROWS:
                await asyncio.sleep(self._outbox.pause_seconds)

    @contextlib.asynccontextmanager
    async def _producing(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = kafka.create_producer(self._bootstrap)
        starting = asyncio.ensure_future(producer.start())
        try:
            await asyncio.shield(starting)
            yield producer
        finally:
            # A start that is cut short leaves a connection open that nobody can close: it is waited for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await asyncio.gather(starting, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, row: OutboxRow) -> "asyncio.Future[Any] | Exception":
        record = row.record
        # Kafka takes a record without key and value, and one may be refused; the producer takes none such.
        value = b"" if record.key is None and record.value is None else record.value
        try:
            sent: asyncio.Future[Any] = await producer.send(
                self._prefix + record.topic, value, key=record.key, headers=record.headers
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's
            return error
        return sent

    async def _publish(
        self, producer: AIOKafkaProducer, rows: Sequence[OutboxRow]
    ) -> tuple[list[Any], BaseException | None]:
        """Send all, then wait for all. Gives the rows that are done and the first failure.

        After a failure the later rows of its key stay, though Kafka may have taken them: they go out once more,
        behind the one that failed.
        """
        sent: list[tuple[OutboxRow, asyncio.Future[Any]]] = []
        done: list[Any] = []
        held_back: set[tuple[str, bytes | None]] = set()
        failure: BaseException | None = None
        for row in rows:
            if _place(row) in held_back:
                continue
            one = await self._send(producer, row)
            if isinstance(one, Exception):
                failure = failure or one
                held_back.add(_place(row))
            else:
                sent.append((row, one))
        results = await asyncio.gather(*(one for _, one in sent), return_exceptions=True)
        for (row, _), result in zip(sent, results, strict=True):
            if isinstance(result, BaseException):
                failure = failure or result
                held_back.add(_place(row))
            if _place(row) not in held_back:
                done.append(row.id)
        _log.debug("published", outbox=self._outbox.name, count=len(done))
        return done, failure

    async def _single_out(self, connection: Connection, rows: Sequence[OutboxRow]) -> None:
        """Send rows one by one: what Kafka refuses takes its neighbours along, but is to hold back its key alone."""
        left = deque(rows)
        while left:
            # A refusal breaks the sequence of the producer that sent it.
            async with self._producing() as producer:
                while left:
                    row = left.popleft()
                    _, failure = await self._publish(producer, [row])
                    if failure is None:
                        self._refused.pop(_place(row), None)
                        await self._outbox.mark_published(connection, [row.id])
                        continue
                    if _passes(failure):
                        raise failure
                    self._refused[_place(row)] = asyncio.get_running_loop().time() + _REFUSED_SECONDS
                    left = deque(one for one in left if _place(one) != _place(row))
                    _log.error("row_refused", outbox=self._outbox.name, topic=row.record.topic, error=repr(failure))
                    break


def _place(row: OutboxRow) -> tuple[str, bytes | None]:
    """Where order counts: rows of one topic and key."""
    return row.record.topic, row.record.key


def _passes(failure: BaseException) -> bool:
    """Whether the same may well succeed later without anybody's doing."""
    return failure.retriable if isinstance(failure, KafkaError) else isinstance(failure, OSError)
