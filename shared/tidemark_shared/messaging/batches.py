"""Batches of records: decode them, pass them to a handler, or write dead letters."""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from itertools import product
from typing import Literal, NamedTuple, get_args

import asyncpg
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from tidemark_shared import metrics
from tidemark_shared.database import Connection, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.cloudevents import CloudEvent, DecodeError, RecordHeaders, decode_event, encode_headers
from tidemark_shared.messaging.topics import Topic
from tidemark_shared.people import load_pseudonyms, replace_record

_log = get_logger()
_sql: SharedQueries = queries("tidemark_shared")

_DEAD_LETTERS = metrics.counter(
    "tidemark_dead_letters_total",
    "Records that could not be processed, by `topic` and `reason`: `refused` (the event is not valid), `unreadable` "
    "(the bytes are damaged or too large), `database` (Postgres refused the values), `internal` (an error of the "
    "service). A batch that is rolled back and read again counts again.",
    "topic",
    "reason",
)
_MAX_CORRELATION_ID_LENGTH = 128
_MAX_REASON_LENGTH = 2_000

# A retry can succeed, at once or after an operator has acted: connections, locks, deadlocks, disk space, a missing
# migration.
TRANSIENT_ERRORS = (
    OSError,
    TimeoutError,
    MemoryError,
    KafkaError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PostgresSystemError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.TransactionRollbackError,
)


class Batch(NamedTuple):
    """Records of one partition that no transaction has processed yet, in the order of their offsets."""

    cluster: str
    topic: str
    partition: int
    records: Sequence[ConsumerRecord]
    prefix: str = ""
    """The prefix of the topic's name; the outbox stores names without it."""
    learned_at: datetime | None = None
    """When Tidemark learned it; None for the time of the transaction."""


DeadLetterKind = Literal["refused", "unreadable", "database", "internal"]


class DeadLetter(NamedTuple):
    """A record that cannot be processed; the reason says what is wrong, where, and how to repair it."""

    record: ConsumerRecord
    reason: str
    kind: DeadLetterKind = "refused"


Handler = Callable[[Connection, Batch], Awaitable[None]]


def count_dead_letters_from_zero(topics: Collection[str]) -> None:
    """Show the counters before there is a dead letter: Prometheus sees no increase where there was no figure before."""
    for labels in product(topics, get_args(DeadLetterKind)):
        _DEAD_LETTERS.labels(*labels)


async def write_dead_letters(connection: Connection, batch: Batch, dead_letters: Sequence[DeadLetter]) -> None:
    """Write the dead letters of a batch, and their copies for the dead-letter topic, in the batch's transaction."""
    if not dead_letters:
        return
    topic = batch.topic.removeprefix(batch.prefix)
    await _sql.write_dead_letters(
        connection,
        cluster=batch.cluster,
        topic=batch.topic,
        partition=batch.partition,
        copy_topic=f"{topic}.dlq",
        offsets=[record.offset for record, *_ in dead_letters],
        # A reason may quote the record, and Postgres rejects NUL.
        reasons=[reason[:_MAX_REASON_LENGTH].replace("\0", "\\0") for _, reason, _ in dead_letters],
        keys=[record.key for record, *_ in dead_letters],
        values=[record.value for record, *_ in dead_letters],
        headers=[json.dumps(encode_headers(record.headers)) for record, *_ in dead_letters],
        timestamps=[record.timestamp for record, *_ in dead_letters],
    )
    for letter in dead_letters:
        _DEAD_LETTERS.labels(topic, letter.kind).inc()
    _log.warning("dead_letters_written", topic=batch.topic, partition=batch.partition, count=len(dead_letters))


async def process_batch(connection: Connection, handle: Handler, batch: Batch) -> None:
    """Pass a batch to its handler. If the handler fails on the data, split the batch until one bad record is left."""
    try:
        async with connection.transaction():
            await handle(connection, batch)
    except TRANSIENT_ERRORS:
        raise
    except Exception as error:  # noqa: BLE001 - any other error of a handler is caused by the data
        if len(batch.records) == 1:
            kind: DeadLetterKind = "database" if isinstance(error, asyncpg.PostgresError) else "internal"
            await write_dead_letters(connection, batch, [DeadLetter(batch.records[0], _reason(error, batch), kind)])
            return
        half = len(batch.records) // 2
        for records in (batch.records[:half], batch.records[half:]):
            await process_batch(connection, handle, batch._replace(records=records))


def _reason(error: Exception, batch: Batch) -> str:
    if isinstance(error, asyncpg.PostgresError):
        return f"The database rejected it: {error}"
    _log.error(
        "record_failed",
        topic=batch.topic,
        partition=batch.partition,
        offset=batch.records[0].offset,
        exc_info=error,
    )
    return f"Internal error: {type(error).__name__}: {error}. The log of this service has the details."


class ReceivedEvent(NamedTuple):
    """An event and its record."""

    record: ConsumerRecord
    event: CloudEvent


def decode_events(topic: Topic, records: Collection[ConsumerRecord]) -> tuple[list[ReceivedEvent], list[DeadLetter]]:
    """Decode records of ``topic``. Returns the events and the dead letters, the same for every service."""
    events, dead_letters = [], []
    for record in records:
        if is_tombstone(topic, record):
            continue
        try:
            events.append(ReceivedEvent(record, decode_event(topic, record.headers, record.value)))
        except DecodeError as error:
            dead_letters.append(DeadLetter(record, str(error)))
    return events, dead_letters


async def decode_batch(connection: Connection, topic: Topic, batch: Batch) -> list[ReceivedEvent]:
    """Decode a batch of ``topic``, write its dead letters, and return the events.

    Persons who were forgotten have their pseudonyms in all of them.
    """
    pseudonyms = await load_pseudonyms(connection)
    records = [replace_record(record, pseudonyms) for record in batch.records] if pseudonyms else batch.records
    events, dead_letters = decode_events(topic, records)
    await write_dead_letters(connection, batch, dead_letters)
    return events


def is_tombstone(topic: Topic, record: ConsumerRecord) -> bool:
    """Whether the record only deletes its key from a compacted topic; no handler needs it."""
    return record.value is None and topic.retention == "compacted"


def read_correlation_id(headers: RecordHeaders) -> str:
    """The correlation id that the publisher wrote, shortened and without NUL, safe for logs, tables and headers."""
    values = dict(headers)
    text = (values.get("ce_correlationid") or values.get("ce_id") or b"").decode(errors="replace")
    return text[:_MAX_CORRELATION_ID_LENGTH].replace("\0", "\N{REPLACEMENT CHARACTER}")
