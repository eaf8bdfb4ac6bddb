"""``make simulate``: run seeds, and print the shortest history of the first that fails.

The SQL takes part with ``--database`` alone, and then a second has fewer seeds.
"""

import argparse
import asyncio
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

from simulator.pure import PureSystem
from simulator.run import explain, find_failure, find_first_failure
from simulator.steps import draw_schedule

CHUNK = 50


def search(seeds):
    """The first of some seeds that fails in this process; None if none does."""
    return asyncio.run(find_first_failure(seeds, PureSystem))


async def run_pure(seeds, workers):
    """Run seeds in processes. Returns the first that fails, or None."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(workers) as processes:
        for failing_seed in processes.map(search, chunks):
            if failing_seed is not None:
                processes.shutdown(cancel_futures=True)
                return failing_seed
    return None


@asynccontextmanager
async def open_system(*, on_postgres):
    """What makes a system for each schedule."""
    if not on_postgres:
        yield PureSystem
        return
    from simulator.database import Database, running_postgres  # noqa: PLC0415 - imports all services

    async with running_postgres() as url, Database.connect(url) as database:
        yield database.system


async def main(arguments):
    """Run the command. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, help="how many seeds (2000; with --database 50)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (%(default)s)")
    parser.add_argument("--seed", type=int, help="one seed, with its history")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="how many processes (%(default)s)")
    parser.add_argument("--database", action="store_true", help="with all SQL, on a Postgres of its own")
    parser.add_argument("--faults", nargs="*", metavar="PART", help="plant each fault of faults.toml, or those named")
    options = parser.parse_args(arguments)
    if options.faults is not None:
        from simulator.faults import plant  # noqa: PLC0415 - needs the mutants of the tests

        return plant(options.faults)
    async with open_system(on_postgres=options.database) as make_system:
        if options.seed is not None:
            failure = await find_failure(draw_schedule(options.seed), make_system, print)
            print(await explain(options.seed, make_system) if failure else f"Seed {options.seed} does not fail.")
            return 1 if failure else 0
        count = options.seeds or (50 if options.database else 2000)
        seeds, started_at = range(options.first, options.first + count), time.perf_counter()
        failing_seed = await (
            find_first_failure(seeds, make_system) if options.database else run_pure(seeds, options.workers)
        )
        if failing_seed is not None:
            again = f'make simulate ARGS="--seed {failing_seed}{" --database" if options.database else ""}"'
            # A run on Postgres takes a second.
            max_runs = 60 if options.database else 400
            print(await explain(failing_seed, make_system, max_runs=max_runs), f"Again: {again}", sep="\n")
            return 1
        minutes = (time.perf_counter() - started_at) / 60
    print(f"{count:,} seeds without a difference, {count / minutes:,.0f} a minute.")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
