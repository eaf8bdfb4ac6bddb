"""Whether the activation of a great contract is felt by batches that have no work of it."""

import asyncio
from statistics import median

from rich.table import Table

from bench.database import database, furnish, settle, take, timed
from bench.facts import batches, contract, links, worklogs
from bench.throughput import CODES

GREAT, MEASURED, USUAL = 100_000, 1_000, 30
# The contracts share 2,048 locks by hash: a batch with work of one that has the same as this one waits for it. With
# this code none does, as for 9 in 10 batches that touch a hundred contracts.
CODE = "BIG"


async def measure(server_url: str, *, great: int = GREAT) -> Table:
    """Batches of other contracts' work alone, then the same while the contract is activated."""
    async with database(server_url) as pool:
        await furnish(pool, CODES)
        async with pool.acquire() as one, pool.acquire() as other:
            drafted, linked = contract(CODE, status="DRAFT"), links([CODE], "G")
            for records in ([drafted], linked, *([worklogs(range(great), "G")])):
                for batch in batches(records, 20_000):
                    await take(one, batch)
            await settle(one)
            number = 0

            async def next_batch() -> float:
                nonlocal number
                number += MEASURED
                (batch,) = batches(worklogs(range(number, number + MEASURED)), MEASURED)
                return await timed(take(other, batch))

            usual = [await next_batch() for _ in range(USUAL)]
            await settle(one)
            (activated,) = batches([contract(CODE, version=2)], 1)
            activation = asyncio.create_task(timed(take(one, activated)))
            meanwhile = []
            while not activation.done():
                meanwhile.append(await next_batch())
            counted = await one.fetchval("SELECT sum(worklog_count) FROM account_team_totals")
    table = Table(title=f"Batches of {MEASURED:,} while a contract with {great:,} worklogs is activated")
    for column in ("what", "batches", "median ms", "greatest ms", "÷ usual"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, times in (("usual", usual), ("meanwhile", meanwhile)):
        table.add_row(
            name, str(len(times)), f"{1000 * median(times):,.0f}", f"{1000 * max(times):,.0f}",
            f"{median(times) / median(usual):.2f}",
        )  # fmt: skip
    took = activation.result()
    table.caption = f"The activation took {took:.1f} s; {counted:,} worklogs count."
    return table
