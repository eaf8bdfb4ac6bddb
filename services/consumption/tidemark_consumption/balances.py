"""The outbox of balances: what changed since it was last published, once a round however often it changed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tidemark_shared.database import Connection, queries
from tidemark_shared.events import BALANCE, BALANCES, Outgoing, binary_headers
from tidemark_shared.outbox import Outbox, Row

_sql = queries("tidemark_consumption")
_MOST = 200


async def _pending(connection: Connection) -> Sequence[Row]:
    now = datetime.now(UTC)
    return [
        Row(
            (row["contract_id"], row["revision"]),
            Outgoing(
                BALANCES.name,
                str(row["contract_id"]).encode(),
                binary_headers(
                    BALANCE, id_=str(uuid4()), source="/consumption", time=now, correlation_id=row["correlation_id"]
                ),
                row["body"].encode() if row["body"] else None,
            ),
        )
        async for row in _sql.pending(connection, now=now, most=_MOST)
    ]


async def _published(connection: Connection, done: Sequence[Any]) -> None:
    await _sql.published(connection, ids=[id_ for id_, _ in done], revisions=[revision for _, revision in done])


# Four rounds a second: a crossing is told within a second, and a flood of work is a trickle of balances.
BALANCE_OUTBOX = Outbox("balances", _pending, _published, pause_seconds=0.25)
