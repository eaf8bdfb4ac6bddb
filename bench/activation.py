"""How much the activation of a large contract delays batches without work of that contract."""

import asyncio
from statistics import median

from rich.table import Table

from bench.database import append_and_fold, database, seed, settle, timed
from bench.facts import batches, contract, links, worklogs
from bench.throughput import CODES

GREAT, MEASURED, USUAL = 100_000, 1_000, 30
CODE = "BIG"


async def measure(server_url: str, *, great: int = GREAT) -> Table:
    """Fold batches of other contracts alone, then while the large contract is activated."""
    async with database(server_url) as pool:
        await seed(pool, CODES)
        async with pool.acquire() as connection, pool.acquire() as other_connection:
            drafted, linked = contract(CODE, status="DRAFT"), links([CODE], "G")
            for records in ([drafted], linked, *([worklogs(range(great), "G")])):
                for batch in batches(records, 20_000):
                    await append_and_fold(connection, batch)
            await settle(connection)
            number = 0

            async def next_batch() -> float:
                nonlocal number
                number += MEASURED
                (batch,) = batches(worklogs(range(number, number + MEASURED)), MEASURED)
                return await timed(append_and_fold(other_connection, batch))

            usual_seconds = [await next_batch() for _ in range(USUAL)]
            await settle(connection)
            (activated,) = batches([contract(CODE, version=2)], 1)
            activation = asyncio.create_task(timed(append_and_fold(connection, activated)))
            meanwhile_seconds = []
            while not activation.done():
                meanwhile_seconds.append(await next_batch())
            worklog_count = await connection.fetchval("SELECT sum(worklog_count) FROM account_team_totals")
    table = Table(title=f"Batches of {MEASURED:,} while a contract with {great:,} worklogs is activated")
    for column in ("what", "batches", "median ms", "greatest ms", "÷ usual"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, times in (("usual", usual_seconds), ("meanwhile", meanwhile_seconds)):
        table.add_row(
            name, str(len(times)), f"{1000 * median(times):,.0f}", f"{1000 * max(times):,.0f}",
            f"{median(times) / median(usual_seconds):.2f}",
        )  # fmt: skip
    took = activation.result()
    table.caption = f"The activation took {took:.1f} s; {worklog_count:,} worklogs count."
    return table
