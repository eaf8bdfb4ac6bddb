"""Batches of records and what becomes of them: handed to a handler, or to the dead letters."""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from tidemark_shared.database import Connection, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.cloudevents import CloudEvent, DecodeError, RecordHeaders, decode_event, encode_headers
from tidemark_shared.messaging.topics import Topic

_log = get_logger()
_sql = queries("tidemark_shared")

_MAX_CORRELATION_LENGTH = 128
_MAX_REASON_LENGTH = 2_000

# What passes by itself, or once an operator has acted: connections, locks, deadlocks, room, a missing migration.
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
    """Records of one partition that no transaction has taken yet, in the order of their offsets."""

    cluster: str
    topic: str
    partition: int
    records: Sequence[ConsumerRecord]
    prefix: str = ""
    """What the topic's name begins with here; the relay writes it before the names of the outbox."""
    learned_at: datetime | None = None
    """When it counts as learned; None for the time of the transaction."""


class DeadLetter(NamedTuple):
    """A record for the dead letters, and why: what, where, and how to mend it."""

    record: ConsumerRecord
    reason: str


Handler = Callable[[Connection, Batch], Awaitable[None]]


async def dead_letter(connection: Connection, batch: Batch, refusals: Sequence[DeadLetter]) -> None:
    """Write the dead letters of a batch, and their copies for the topic, in the batch's transaction."""
    if not refusals:
        return
    await _sql.write_dead_letters(
        connection,
        cluster=batch.cluster,
        topic=batch.topic,
        partition=batch.partition,
        copy_topic=f"{batch.topic.removeprefix(batch.prefix)}.dlq",
        offsets=[record.offset for record, _ in refusals],
        # A reason may quote the record, and Postgres takes no NUL.
        reasons=[reason[:_MAX_REASON_LENGTH].replace("\0", "\\0") for _, reason in refusals],
        keys=[record.key for record, _ in refusals],
        values=[record.value for record, _ in refusals],
        headers=[json.dumps(encode_headers(record.headers)) for record, _ in refusals],
        timestamps=[record.timestamp for record, _ in refusals],
    )
    _log.warning("records_refused", topic=batch.topic, partition=batch.partition, count=len(refusals))


async def process_batch(connection: Connection, handle: Handler, batch: Batch) -> None:
    """Have a batch handled; where its data make the handler fail, halve it until the bad record stands alone."""
    try:
        async with connection.transaction():
            await handle(connection, batch)
    except TRANSIENT_ERRORS:
        raise
    except Exception as error:  # noqa: BLE001 - whatever else a handler raises, it is the data that make it
        if len(batch.records) == 1:
            await dead_letter(connection, batch, [DeadLetter(batch.records[0], _reason(error, batch))])
            return
        half = len(batch.records) // 2
        for part in (batch.records[:half], batch.records[half:]):
            await process_batch(connection, handle, batch._replace(records=part))


def _reason(error: Exception, batch: Batch) -> str:
    if isinstance(error, asyncpg.PostgresError):
        return f"The database refused it: {error}"
    _log.error(
        "record_failed",
        topic=batch.topic,
        partition=batch.partition,
        offset=batch.records[0].offset,
        exc_info=error,
    )
    return f"Internal error: {type(error).__name__}: {error}. The log of this service has the details."


class ReceivedEvent(NamedTuple):
    """An event and the record that it came in."""

    record: ConsumerRecord
    event: CloudEvent


def decode_events(topic: Topic, records: Collection[ConsumerRecord]) -> tuple[list[ReceivedEvent], list[DeadLetter]]:
    """The events in records of ``topic``, and the dead letters; the same for every service."""
    received, dead_letters = [], []
    for record in records:
        if is_tombstone(topic, record):
            continue
        try:
            received.append(ReceivedEvent(record, decode_event(topic, record.headers, record.value)))
        except DecodeError as error:
            dead_letters.append(DeadLetter(record, str(error)))
    return received, dead_letters


def is_tombstone(topic: Topic, record: ConsumerRecord) -> bool:
    """Whether the record only says that its key is gone, which compaction understands and nobody else needs to."""
    return record.value is None and topic.retention == "compacted"


def read_correlation_id(headers: RecordHeaders) -> str:
    """The id as its publisher wrote it, made fit for logs, tables and headers whatever was written."""
    named = dict(headers)
    text = (named.get("ce_correlationid") or named.get("ce_id") or b"").decode(errors="replace")
    return text[:_MAX_CORRELATION_LENGTH].replace("\0", "\N{REPLACEMENT CHARACTER}")
