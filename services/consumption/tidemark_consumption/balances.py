"""The outbox of balances: what changed since it was last published, once a round however often it changed."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID, uuid4

from tidemark_consumption.forecast import forecast
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.events import BALANCE, BALANCES, Outgoing, binary_headers
from tidemark_shared.outbox import Outbox, Row

_sql = queries("tidemark_consumption")
_MOST = 200
_ROUND_SECONDS = 5


async def forecasts(connection: Connection, ids: Sequence[UUID], moment: datetime) -> dict[UUID, Any]:
    """What each contract's balance foresees, as JSON; those for which nothing can be foreseen are left out."""
    found = {}
    async for row in _sql.paces(connection, ids=ids, moment=moment):
        expected = forecast(
            dict(zip(row["days"], map(int, row["amounts"]), strict=True)),
            today=row["today"],
            first=row["period_start"],
            last=row["period_end"],
            available=int(row["available"]),
            consumed=int(row["consumed"]),
        )
        if expected:
            found[row["contract_id"]] = expected.model_dump(mode="json")
    return found


async def begin_days(pool: Pool) -> NoReturn:
    """Publish the balance of each ACTIVE contract anew when its day begins, again and again (SPEC 5, N1).

    The period that is the current one, and the forecast, are those of the day; also after downtime.
    """
    while True:
        async with pool.acquire() as connection:
            await _sql.begin_days(connection, now=datetime.now(UTC), correlation_id=str(uuid4()))
        await asyncio.sleep(_ROUND_SECONDS)


async def _pending(connection: Connection) -> Sequence[Row]:
    now = datetime.now(UTC)
    rows = [row async for row in _sql.pending(connection, now=now, most=_MOST)]
    expected = await forecasts(connection, [row["contract_id"] for row in rows], now)
    return [
        Row(
            (row["contract_id"], row["revision"]),
            Outgoing(
                BALANCES.name,
                str(row["contract_id"]).encode(),
                binary_headers(
                    BALANCE, id_=str(uuid4()), source="/consumption", time=now, correlation_id=row["correlation_id"]
                ),
                json.dumps({**json.loads(row["body"]), "forecast": expected.get(row["contract_id"])}).encode(),
            ),
        )
        for row in rows
    ]


async def _published(connection: Connection, done: Sequence[Any]) -> None:
    await _sql.published(connection, ids=[id_ for id_, _ in done], revisions=[revision for _, revision in done])


# Four rounds a second: a crossing is told within a second, and a flood of work is a trickle of balances.
BALANCE_OUTBOX = Outbox("balances", _pending, _published, pause_seconds=0.25)
