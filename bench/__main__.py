"""``python -m bench`` prints tables of ratios. It asserts nothing, because absolute times depend on the machine."""

import argparse
import asyncio
import logging
from collections.abc import Awaitable, Callable

from rich.console import Console, RenderableType

from bench import (
    activation,
    bulk,
    check,
    end_to_end,
    forecast,
    growth,
    intake,
    latency,
    notify,
    pages,
    storage,
    throughput,
)
from bench.database import server
from tidemark_shared import log

# Each of the latter starts servers of its own, and takes minutes: only when asked for by name.
PARTS = (
    "throughput",
    "growth",
    "activation",
    "check",
    "notify",
    "bulk",
    "global-rule",
    "intake",
    "forecast",
    "storage",
)
WHOLE = ("end-to-end", "latency", "pages")


async def _measure(arguments: argparse.Namespace) -> None:
    # Wide enough for the tables, so that they can be pasted into docs/performance.md.
    console = Console(width=160)
    if "forecast" in arguments.parts:
        console.print(forecast.measure() if forecast.TIME_LOG.exists() else forecast.ABSENT)
    if "end-to-end" in arguments.parts:
        console.print(
            await end_to_end.measure(
                records=arguments.records or 500_000, runs=arguments.runs, only=arguments.contenders
            )
        )
    if "latency" in arguments.parts:
        console.print(await latency.measure(arguments.rate, arguments.seconds))
    if {*arguments.parts} <= {"forecast", "end-to-end", "latency"}:
        return
    standing = [10_000, 100_000, *([1_000_000, 10_000_000] if arguments.full else [])]
    records = arguments.records or 100_000
    parts: dict[str, Callable[[str], Awaitable[RenderableType]]] = {
        "throughput": lambda url: throughput.measure(url, records=records, runs=arguments.runs),
        "growth": lambda url: growth.measure(url, standing=standing, runs=2 * arguments.runs + 1),
        "activation": activation.measure,
        "check": check.measure,
        "notify": notify.measure,
        "bulk": bulk.measure,
        "global-rule": bulk.measure_rule,
        "pages": lambda url: pages.measure(
            url,
            contracts=arguments.contracts,
            records=arguments.records or 2_000_000,
            runs=10 * arguments.runs,
            keep=arguments.keep,
        ),
        "storage": lambda url: storage.measure(url, records=arguments.records or 200_000),
        "intake": lambda url: intake.measure(url, records=records),
    }
    async with server() as url:
        for name, measure in parts.items():
            if name in arguments.parts:
                console.print(await measure(url))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        default=PARTS,
        choices=(*PARTS, *WHOLE),
        help=f"what to measure; by default all but {' and '.join(WHOLE)}",
    )
    parser.add_argument("--records", type=int, help="worklogs: by default 100,000 to fold, 500,000 from end to end")
    parser.add_argument("--contracts", type=int, default=10_000, help="of pages, by default 10,000")
    parser.add_argument(
        "--keep", action="store_true", help="keep the data of pages on the server of TIDEMARK_DATABASE_URL"
    )
    parser.add_argument("--runs", type=int, default=3, help="of each, by default 3")
    parser.add_argument("--rate", type=int, default=latency.DEFAULT_RATE, help="worklogs a second, for latency")
    parser.add_argument("--seconds", type=int, default=latency.DEFAULT_SECONDS, help="how long, for latency")
    parser.add_argument(
        "--full", action="store_true", help="growth up to 10,000,000 worklogs; takes a quarter of an hour, and 5 GB"
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        default=(),
        choices=end_to_end.CONTENDERS,
        help="of end-to-end; by default all, and peers are installed into the user's cache",
    )
    log.configure("bench", "WARNING")
    # A topic that was made a moment ago has no leader yet; the client tries again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(_measure(parser.parse_args()))


if __name__ == "__main__":
    main()
