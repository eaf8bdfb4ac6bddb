"""How long a check of a worklog takes, alone and beside folds without a pause, and how much it delays these folds."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from itertools import count
from statistics import median
from uuid import UUID

from rich.table import Table

from bench.database import append_and_fold, database, seed, settle, timed
from bench.facts import ISSUES, PEOPLE, batches, uid, worklogs
from bench.throughput import CODES
from tidemark_consumption import check
from tidemark_consumption.check import PlannedWorklog, check_worklog
from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_shared.database import queries

STANDING, CHECKS, BATCH = 100_000, 400, 1_000
_WARM = 20
# In the month of the work that is checked, as people ask.
_NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)
_sql: ConsumptionQueries = queries("tidemark_consumption")


def _planned(number: int) -> PlannedWorklog:
    issue, person = f"I{number * 7919 % ISSUES}", f"person-{number * 13 % PEOPLE}"
    return PlannedWorklog(issue, person, 3600, source="/tracker", day=date(2026, 2, 1 + number % 28))


async def measure(server_url: str) -> Table:
    """Checks and whole balances in turn, one at a time: first alone, then while batches are folded."""
    taken: dict[tuple[str, str], list[float]] = {}
    async with database(server_url) as pool:
        await seed(pool, CODES)
        name = await pool.fetchval("SELECT current_database()")
        url = f"{server_url.rpartition('/')[0]}/{name}"
        async with (
            pool.acquire() as folding,
            check.open_pool(url) as check_pool,
        ):
            for batch in batches(worklogs(range(STANDING)), 20_000):
                await append_and_fold(folding, batch)
            await settle(folding)
            numbers = count(STANDING, BATCH)

            async def fold_next() -> None:
                first = next(numbers)
                (batch,) = batches(worklogs(range(first, first + BATCH)), BATCH)
                taken.setdefault(("fold", load), []).append(await timed(append_and_fold(folding, batch)))

            async with check_pool.acquire() as checking, pool.acquire() as reading:
                kinds: dict[str, Callable[[int], Awaitable[object]]] = {
                    "check": lambda number: check_worklog(checking, _planned(number), _NOW),
                    "whole balance": lambda number: _sql.whole_balance(
                        reading, contract=UUID(uid(f"contract {CODES[number % len(CODES)]}")), moment=_NOW
                    ),
                }
                for load in ("warm", "alone", "beside folds"):
                    stop = asyncio.Event()
                    folds = asyncio.create_task(_until(stop, fold_next)) if load == "beside folds" else None
                    for number in range(_WARM if load == "warm" else CHECKS):
                        for kind, ask in kinds.items():
                            taken.setdefault((kind, load), []).append(await timed(ask(number)))
                    stop.set()
                    if folds:
                        await folds
                load = "alone"
                for _ in range(_WARM):
                    await fold_next()
    return _report(taken)


async def _until(stop: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    while not stop.is_set():
        await work()


def _report(taken: dict[tuple[str, str], list[float]]) -> Table:
    table = Table(title=f"One at a time, {STANDING:,} worklogs stored; folds are of {BATCH:,}, without a pause")
    for column in ("what", "samples", "p50 ms", "p95 ms", "p95 ÷ whole balance"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for (kind, load), times in sorted(taken.items()):
        if load == "warm":
            continue
        seconds = sorted(times)
        p95, reference = (values[len(values) * 95 // 100] for values in (seconds, sorted(taken["whole balance", load])))
        ratio = "" if kind == "fold" else f"{p95 / reference:.2f}"
        name = {"alone": kind, "beside folds": f"{kind}, beside checks" if kind == "fold" else f"{kind}, beside folds"}
        cells = f"{1000 * median(seconds):,.0f}", f"{1000 * p95:,.0f}"
        table.add_row(name[load], str(len(seconds)), *cells, ratio)
    return table
