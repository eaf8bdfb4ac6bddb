"""The outbox of balances: what changed since it was last published, once a round however often it changed.

Each balance is a query of its own, with a time-out, and several run at once: a contract whose balance is slow or
fails delays no other.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn
from uuid import UUID, uuid4

import asyncpg

from tidemark_consumption.forecast import forecast
from tidemark_shared.database import Connection, Pool, Workload, connect_pool, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.cloudevents import OutboxRecord, build_binary_headers
from tidemark_shared.messaging.events import CONTRACT_BALANCE
from tidemark_shared.messaging.outbox import Outbox, OutboxRow
from tidemark_shared.messaging.topics import BALANCES

_log = get_logger()
_sql = queries("tidemark_consumption")

# Few a round, those that waited longest first: one that changes now and then is next, whatever changes all the time.
_MAX_CONTRACTS = 50
_CONNECTIONS = 4
# How long a round waits for the balances that it asked for. Those that take longer join a later round.
_WAIT_SECONDS = 0.25
# A crossing raises its alert within a second, and a flood of work is a trickle of balances.
_PAUSE_SECONDS = 0.2
_MIN_RETRY_SECONDS, _MAX_RETRY_SECONDS = 1.0, 300.0
_DAY_CHECK_SECONDS = 5


async def forecast_of(connection: Connection, contract_id: UUID, moment: datetime) -> dict[str, Any] | None:
    """The forecast of a contract's balance, as JSON; None where nothing can be foreseen."""
    pace = await _sql.pace(connection, contract=contract_id, moment=moment)
    if pace is None:
        return None
    expected = forecast(
        dict(zip(pace["days"], map(int, pace["amounts"]), strict=True)),
        today=pace["today"],
        first=pace["period_start"],
        last=pace["period_end"],
        available=int(pace["available"]),
        consumed=int(pace["consumed"]),
    )
    return expected.model_dump(mode="json") if expected else None


async def begin_days(pool: Pool) -> NoReturn:
    """Publish the balance of each ACTIVE contract once more when its day begins, for ever (SPEC 5, N1).

    The period that is the current one, and the forecast, are those of the day; also after downtime.
    """
    while True:
        async with pool.acquire() as connection:
            await _sql.begin_days(connection, now=datetime.now(UTC), correlation_id=str(uuid4()))
        await asyncio.sleep(_DAY_CHECK_SECONDS)


@asynccontextmanager
async def balance_outbox(url: str) -> AsyncIterator[Outbox]:
    """The outbox, with connections of its own to compute balances on."""
    pool = await connect_pool(url, "consumption", size=_CONNECTIONS, workload=Workload.PUBLISH)
    source = _Balances(pool)
    try:
        yield Outbox("balances", source.pending, _published, pause_seconds=_PAUSE_SECONDS)
    finally:
        await source.close()
        pool.terminate()


class _Retry(NamedTuple):
    """When a balance that failed is computed again, and the pause before that."""

    due: float
    pause_seconds: float


class _Balances:
    """Computes the balances that are to be published."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tasks: dict[UUID, asyncio.Task[OutboxRow | None]] = {}
        self._retries: dict[UUID, _Retry] = {}

    async def pending(self, connection: Connection) -> Sequence[OutboxRow]:
        """Start what is due, and give what is ready."""
        clock = asyncio.get_running_loop().time()
        postponed = (contract_id for contract_id, retry in self._retries.items() if retry.due > clock)
        due = _sql.unpublished(connection, excluded=[*self._tasks, *postponed], limit=_MAX_CONTRACTS - len(self._tasks))
        async for contract in due:
            contract_id = contract["contract_id"]
            self._tasks[contract_id] = asyncio.create_task(self._compute(contract_id))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=_WAIT_SECONDS)
        ready = [contract_id for contract_id, task in self._tasks.items() if task.done()]
        rows = [self._tasks.pop(contract_id).result() for contract_id in ready]
        return [row for row in rows if row]

    async def _compute(self, contract_id: UUID) -> OutboxRow | None:
        now = datetime.now(UTC)
        try:
            async with self._pool.acquire() as connection:
                balance = await _sql.balance_to_publish(connection, contract=contract_id, moment=now)
                expected = await forecast_of(connection, contract_id, now)
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError):
            # The database is away, or the service stops. The relay's own connection notices.
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this contract's
            self._postpone(contract_id, error)
            return None
        self._retries.pop(contract_id, None)
        # A draft that was discarded meanwhile has none.
        if balance is None or balance["body"] is None:
            return None
        return OutboxRow(
            (contract_id, balance["revision"]),
            OutboxRecord(
                BALANCES.name,
                str(contract_id).encode(),
                build_binary_headers(
                    CONTRACT_BALANCE,
                    id_=str(uuid4()),
                    source="/consumption",
                    time=now,
                    correlation_id=balance["correlation_id"],
                ),
                json.dumps({**json.loads(balance["body"]), "forecast": expected}).encode(),
            ),
        )

    def _postpone(self, contract_id: UUID, error: Exception) -> None:
        previous = self._retries.get(contract_id)
        pause = min(2 * previous.pause_seconds, _MAX_RETRY_SECONDS) if previous else _MIN_RETRY_SECONDS
        self._retries[contract_id] = _Retry(asyncio.get_running_loop().time() + pause, pause)
        if previous is None:
            _log.error("balance_postponed", contract_id=str(contract_id), error=repr(error))

    async def close(self) -> None:
        """End what is being computed."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def _published(connection: Connection, done: Sequence[Any]) -> None:
    await _sql.published(connection, ids=[id_ for id_, _ in done], revisions=[revision for _, revision in done])
