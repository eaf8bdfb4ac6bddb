"""Dead letters after they were written: what there is, and handing one over again (SPEC 2)."""

import json
from collections.abc import Mapping
from typing import Any

from aiokafka import ConsumerRecord

from tidemark_shared.database import Connection, queries
from tidemark_shared.log import bound_contextvars
from tidemark_shared.messaging.batches import Batch, Handler, process_batch, read_correlation_id
from tidemark_shared.messaging.record_batches import INCOMPLETE_HEADER

_sql = queries("tidemark_shared")


class UnknownDeadLetterError(Exception):
    """No dead letter of this service has that id, or the service does not read its topic here."""

    def __init__(self, id_: int) -> None:
        super().__init__(
            f"There is no dead letter {id_} of a topic that is read here (TIDEMARK_TOPIC_PREFIX is part of it)."
        )


async def list_dead_letters(
    connection: Connection, *, topic: str | None = None, reason: str | None = None, everything: bool = False
) -> list[dict[str, Any]]:
    """The dead letters of the connection's service, oldest first, without what is in them.

    ``topic`` is a topic's name, ``reason`` a part of one in any case; with ``everything`` also those that a replay
    has taken.
    """
    rows = _sql.dead_letters(connection, topic=topic, reason=reason, everything=everything)
    return [dict(row) async for row in rows]


async def find_dead_letter(connection: Connection, id_: int) -> dict[str, Any] | None:
    """A dead letter as its row stands; ``headers`` as pairs of a name and bytes or None."""
    row = await _sql.dead_letter(connection, id=id_)
    return row and {**row, "headers": _headers(row["headers"])}


async def replay_dead_letter(
    connection: Connection, handlers: Mapping[str, Handler], id_: int, *, prefix: str = ""
) -> str | None:
    """Hand a dead letter to its handler once more, as it came, in one transaction.

    None where it is taken; where it is refused again, the reason, which its row has from then on. Of one that was too
    large or damaged only a part is kept, and no replay takes that. It goes to this service alone and not to its topic
    again, where others that took it long ago would read it twice.
    Raises :class:`UnknownDeadLetterError`; and what the handler raises, of which nothing stays.
    """
    async with connection.transaction():
        row = await _sql.begin_replay(connection, id=id_)
        handle = row and handlers.get(row["topic"].removeprefix(prefix))
        if not handle:
            raise UnknownDeadLetterError(id_)
        record = _record(row)
        if any(name == INCOMPLETE_HEADER for name, _ in record.headers):
            incomplete: str = await _sql.refuse_replay(connection, id=id_)
            return incomplete
        with bound_contextvars(correlation_id=read_correlation_id(record.headers)):
            await process_batch(
                connection, handle, Batch(row["cluster"], row["topic"], row["partition"], [record], prefix)
            )
        reason: str | None = await _sql.refused_again(connection, id=id_)
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
        headers=_headers(row["headers"]),
    )


def _headers(text: str) -> list[tuple[str, bytes | None]]:
    return [(name, None if value is None else bytes.fromhex(value)) for name, value in json.loads(text)]
