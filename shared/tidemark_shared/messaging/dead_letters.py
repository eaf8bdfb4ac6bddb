"""Stored dead letters: list, show and replay them (SPEC 2)."""

import json
from collections.abc import Mapping
from typing import Any

from aiokafka import ConsumerRecord

from tidemark_shared.database import Connection, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.log import bound_contextvars
from tidemark_shared.messaging.batches import Batch, Handler, process_batch, read_correlation_id
from tidemark_shared.messaging.record_batches import INCOMPLETE_HEADER

_sql: SharedQueries = queries("tidemark_shared")


class UnknownDeadLetterError(Exception):
    """The service has no dead letter with this id, or does not read its topic."""

    def __init__(self, id_: int) -> None:
        super().__init__(
            f"No dead letter {id_} of a topic that this service reads. Check TIDEMARK_TOPIC_PREFIX, which is part of "
            "the topic's name."
        )


async def list_dead_letters(
    connection: Connection,
    *,
    topic: str | None = None,
    reason: str | None = None,
    include_replayed: bool = False,
    after: int | None = None,
    max_rows: int | None = None,
) -> list[dict[str, Any]]:
    """The dead letters of the connection's service, oldest first, without their content.

    ``topic`` is the name of a topic; ``reason`` is a part of the reason, in any case; ``after`` is an id.
    """
    rows = _sql.list_dead_letters(
        connection, topic=topic, reason=reason, include_replayed=include_replayed, after=after, max_rows=max_rows
    )
    return [dict(row) async for row in rows]


async def find_dead_letter(connection: Connection, id_: int) -> dict[str, Any] | None:
    """One dead letter; its ``headers`` are pairs of a name and bytes or None."""
    row = await _sql.find_dead_letter(connection, id=id_)
    return {**row, "headers": _decode_headers(row["headers"])} if row else None


async def replay_dead_letter(
    connection: Connection, handlers: Mapping[str, Handler], id_: int, *, prefix: str = ""
) -> str | None:
    """Process a dead letter again, in one transaction. Returns None on success, else the new reason.

    A record that was too large or damaged is stored only in part and always fails. The replay goes to this service
    only. If it went to the topic, other services that have processed the record would read it twice.
    Raises :class:`UnknownDeadLetterError`, and the errors of the handler, which roll back the transaction.
    """
    async with connection.transaction():
        row = await _sql.begin_replay(connection, id=id_)
        handle = handlers.get(row["topic"].removeprefix(prefix)) if row else None
        if not row or not handle:
            raise UnknownDeadLetterError(id_)
        record = _record(row)
        if any(name == INCOMPLETE_HEADER for name, _ in record.headers):
            incomplete_reason: str = await _sql.cancel_replay(connection, id=id_)
            return incomplete_reason
        with bound_contextvars(correlation_id=read_correlation_id(record.headers)):
            await process_batch(
                connection, handle, Batch(row["cluster"], row["topic"], row["partition"], [record], prefix)
            )
        reason: str | None = await _sql.find_unreplayed_reason(connection, id=id_)
        return reason


def _record(row: Mapping[str, Any]) -> ConsumerRecord:
    return ConsumerRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        timestamp=row["record_timestamp"],
        timestamp_type=0,
        key=row["key"],
        value=row["value"],
        checksum=None,
        serialized_key_size=len(row["key"] or b""),
        serialized_value_size=len(row["value"] or b""),
        headers=_decode_headers(row["headers"]),
    )


def _decode_headers(text: str) -> list[tuple[str, bytes | None]]:
    return [(name, None if value is None else bytes.fromhex(value)) for name, value in json.loads(text)]
