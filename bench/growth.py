"""Whether a batch costs more where more work stands already."""

from contextlib import AsyncExitStack
from statistics import median

from rich.table import Table

from bench.database import append_and_fold, database, seed, settle, timed
from bench.facts import batches, worklogs
from bench.throughput import CODES
from tidemark_shared.database import Connection, Pool
from tidemark_shared.messaging.batches import Batch

MEASURED = 5_000


async def _filled(pool: Pool, standing: int) -> None:
    await seed(pool, CODES)
    async with pool.acquire() as connection:
        for first in range(0, standing, 20_000):
            for batch in batches(worklogs(range(first, min(first + 20_000, standing))), 20_000):
                await append_and_fold(connection, batch)
        await settle(connection)


async def _undone(connection: Connection, batch: Batch) -> float:
    """How long a batch takes, of which nothing stays: the next one finds what this one found."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        return await timed(append_and_fold(connection, batch))
    finally:
        await transaction.rollback()


async def measure(server_url: str, *, standing: list[int], runs: int) -> Table:
    """The same batch beside each amount of work, in turn."""
    taken: dict[int, list[float]] = {amount: [] for amount in standing}
    async with AsyncExitStack() as stack:
        pools = {}
        for amount in standing:
            pools[amount] = await stack.enter_async_context(database(server_url))
            await _filled(pools[amount], amount)
        for run in range(runs):
            for amount, pool in pools.items():
                first = 10_000_000 + run * MEASURED
                (batch,) = batches(worklogs(range(first, first + MEASURED)), MEASURED)
                async with pool.acquire() as connection:
                    taken[amount].append(await _undone(connection, batch))
                    await settle(connection)
    table = Table(title=f"A batch of {MEASURED:,} beside the work that stands, median of {runs}")
    for column in ("worklogs there", "ms", f"÷ beside {standing[0]:,}"):
        table.add_column(column, justify="right")
    for amount, times in taken.items():
        ratio = median(times) / median(taken[standing[0]])
        table.add_row(f"{amount:,}", f"{1000 * median(times):,.0f}", f"{ratio:.2f}")
    return table
