"""The outbox of balances: each round publishes the balances that changed since they were last published.

Each balance has its own query with a timeout, and several run at once, so a contract whose balance is slow or fails
delays no other.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn
from uuid import UUID, uuid4

import asyncpg

from tidemark_consumption.attention import Attention, find_attention, rank_urgency
from tidemark_consumption.database.query_types import ConsumptionQueries, PublishedBalancesTableRow
from tidemark_consumption.forecast import forecast
from tidemark_shared import metrics, tracing
from tidemark_shared.database import Connection, Pool, Workload, connect_pool, json_rows, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.cloudevents import OutboxRecord, build_binary_headers
from tidemark_shared.messaging.events import CONTRACT_BALANCE
from tidemark_shared.messaging.outbox import OldestRow, Outbox, OutboxRow
from tidemark_shared.messaging.topics import BALANCES
from tidemark_shared.tasks import cancel_tasks

_log = get_logger()
_sql: ConsumptionQueries = queries("tidemark_consumption")

_BALANCE_SECONDS = metrics.histogram(
    "tidemark_balance_duration_seconds",
    "Time to compute a balance to publish, with its forecast.",
    buckets=metrics.SECONDS,
)
_BALANCE_FAILURES = metrics.counter(
    "tidemark_balance_failures_total", "Balances that could not be computed, and are tried again after a pause."
)

# A round is small and takes the contracts that have waited longest, so a contract that rarely changes is published soon
# even while others change all the time.
_MAX_CONTRACTS = 20
_CONNECTIONS = 4
# How long a round waits for its balances. Those that take longer are published in a later round.
_MAX_WAIT_SECONDS = 0.25
# Short enough to report a crossed threshold within a second, and long enough to combine many changes of a contract.
_PAUSE_SECONDS = 0.1
_MIN_RETRY_SECONDS, _MAX_RETRY_SECONDS = 1.0, 300.0
_DAY_CHECK_INTERVAL_SECONDS = 5


async def query_paces(
    connection: Connection, contract_ids: Sequence[UUID], moment: datetime
) -> dict[UUID, dict[str, Any]]:
    """What :func:`forecast` takes, by name, for each contract for which a forecast is possible."""
    return {
        pace["contract_id"]: {
            "days": dict(zip(pace["days"], map(int, pace["amounts"]), strict=True)),
            "today": pace["today"],
            "first": pace["period_start"],
            "last": pace["period_end"],
            "available": int(pace["available"]),
            "consumed": int(pace["consumed"]),
        }
        async for pace in _sql.paces(connection, contracts=contract_ids, moment=moment)
    }


async def query_forecast(connection: Connection, contract_id: UUID, moment: datetime) -> dict[str, Any] | None:
    """The forecast of a contract's balance, as JSON; None where no forecast is possible."""
    paces = await query_paces(connection, [contract_id], moment)
    prediction = forecast(**paces[contract_id]) if paces else None
    return prediction.model_dump(mode="json") if prediction else None


async def begin_days(pool: Pool) -> NoReturn:
    """Publish the balance of each ACTIVE contract again when its day begins (SPEC 5, N1). Runs until it is cancelled.

    The current period and the forecast change with the day. A day that began during downtime is caught up.
    """
    while True:
        async with pool.acquire() as connection:
            await _sql.begin_days(connection, now=datetime.now(UTC), correlation_id=str(uuid4()))
        await asyncio.sleep(_DAY_CHECK_INTERVAL_SECONDS)


@asynccontextmanager
async def open_balance_outbox(url: str) -> AsyncIterator[Outbox]:
    """The outbox, with its own connections for computing balances."""
    pool = await connect_pool(url, "consumption", size=_CONNECTIONS, workload=Workload.PUBLISH)
    balances = _BalanceComputer(pool)
    try:
        yield Outbox("balances", balances.pending, _mark_published, balances.load_oldest, pause_seconds=_PAUSE_SECONDS)
    finally:
        await balances.close()
        pool.terminate()


class PublishedBalance(NamedTuple):
    """A row of the table ``published_balances``."""

    contract_id: UUID
    attention: list[Attention]
    urgency: int
    body: dict[str, Any]


class _Retry(NamedTuple):
    """When a balance that failed is computed again, in the time of the event loop, the pause before it, and why."""

    at_seconds: float
    pause_seconds: float
    failure: str


class _BalanceComputer:
    """Computes the balances to publish."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tasks: dict[UUID, asyncio.Task[OutboxRow | None]] = {}
        self._retries: dict[UUID, _Retry] = {}

    async def pending(self, connection: Connection) -> Sequence[OutboxRow]:
        """Start computing dirty balances, and return those that are ready."""
        now_seconds = asyncio.get_running_loop().time()
        postponed = (contract_id for contract_id, retry in self._retries.items() if retry.at_seconds > now_seconds)
        rows = _sql.dirty_balances(
            connection, excluded=[*self._tasks, *postponed], limit=_MAX_CONTRACTS - len(self._tasks)
        )
        async for row in rows:
            contract_id = row["contract_id"]
            self._tasks[contract_id] = asyncio.create_task(self._compute(contract_id))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=_MAX_WAIT_SECONDS)
        ready = [contract_id for contract_id, task in self._tasks.items() if task.done()]
        results = [self._tasks.pop(contract_id).result() for contract_id in ready]
        return [result for result in results if result]

    async def load_oldest(self, connection: Connection) -> OldestRow | None:
        """The balance that waits longest, first of those that fail."""
        row = await _sql.oldest_dirty_balance(connection, failing=list(self._retries))
        if row is None:
            return None
        retry = self._retries.get(row["contract_id"])
        return OldestRow(row["name"], row["seconds"], retry and retry.failure)

    async def _compute(self, contract_id: UUID) -> OutboxRow | None:
        now = datetime.now(UTC)
        try:
            async with self._pool.acquire() as connection:
                balance = await _sql.balance_to_publish(connection, contract=contract_id, moment=now)
                prediction = await query_forecast(connection, contract_id, now)
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError):
            # The database is unreachable, or the service is stopping. The relay notices on its own connection.
            return None
        except Exception as error:  # noqa: BLE001 - any other error belongs to this contract
            _BALANCE_FAILURES.inc()
            self._postpone(contract_id, error)
            return None
        _BALANCE_SECONDS.observe((datetime.now(UTC) - now).total_seconds())
        self._retries.pop(contract_id, None)
        # A draft that was discarded in the meantime has no balance.
        if balance is None or balance["body"] is None:
            return None
        body = {**json.loads(balance["body"]), "forecast": prediction}
        attention = find_attention(body, today=balance["today"], end_date=balance["end_date"])
        headers = build_binary_headers(
            CONTRACT_BALANCE,
            id_=str(uuid4()),
            source="/consumption",
            time=now,
            correlation_id=balance["correlation_id"],
        )
        with tracing.span("balance", "producer", [balance["traceparent"]], started_at=now):
            headers = tracing.with_traceparent(headers)
        return OutboxRow(
            PublishedBalance(contract_id, attention, rank_urgency(body["status"], attention), body),
            OutboxRecord(BALANCES.name, str(contract_id).encode(), headers, json.dumps(body).encode()),
        )

    def _postpone(self, contract_id: UUID, error: Exception) -> None:
        previous = self._retries.get(contract_id)
        pause = min(2 * previous.pause_seconds, _MAX_RETRY_SECONDS) if previous else _MIN_RETRY_SECONDS
        self._retries[contract_id] = _Retry(asyncio.get_running_loop().time() + pause, pause, repr(error))
        if previous is None:
            _log.error("balance_postponed", contract_id=str(contract_id), error=repr(error))

    async def close(self) -> None:
        """Cancel what is being computed."""
        await cancel_tasks(self._tasks.values())


async def _mark_published(connection: Connection, published: Sequence[PublishedBalance]) -> None:
    rows = json_rows(PublishedBalancesTableRow, (balance._asdict() for balance in published), default=str)
    await _sql.save_published(connection, rows=rows)
    await _sql.mark_published(
        connection,
        ids=[balance.contract_id for balance in published],
        revisions=[balance.body["revision"] for balance in published],
    )
