"""``python -m bench``: prints tables of ratios; nothing is asserted, for a clock says more of the machine."""

import argparse
import asyncio
import logging

from rich.console import Console

from bench import activation, forecast, growth, notify, throughput
from bench.database import server
from tidemark_shared import log

PARTS = ("throughput", "growth", "activation", "notify", "forecast")


async def _measure(given: argparse.Namespace) -> None:
    console = Console()
    if "forecast" in given.parts:
        console.print(forecast.measure() if forecast.TIME_LOG.exists() else forecast.ABSENT)
    if {*given.parts} == {"forecast"}:
        return
    async with server() as url:
        if "throughput" in given.parts:
            console.print(await throughput.measure(url, records=given.records, runs=given.runs))
        if "growth" in given.parts:
            standing = [10_000, 100_000, *([1_000_000] if given.full else [])]
            console.print(await growth.measure(url, standing=standing, runs=2 * given.runs + 1))
        if "activation" in given.parts:
            console.print(await activation.measure(url))
        if "notify" in given.parts:
            console.print(await notify.measure(url))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, choices=PARTS, help="what to measure; all of it by default")
    parser.add_argument("--records", type=int, default=100_000, help="worklogs to fold, by default 100,000")
    parser.add_argument("--runs", type=int, default=3, help="of each, by default 3")
    parser.add_argument("--full", action="store_true", help="growth up to 1,000,000 worklogs; takes minutes")
    log.configure("bench", "WARNING")
    logging.getLogger("pogo_core").setLevel(logging.ERROR)
    asyncio.run(_measure(parser.parse_args()))


if __name__ == "__main__":
    main()
