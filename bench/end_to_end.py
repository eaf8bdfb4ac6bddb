"""From Kafka to exact figures in Postgres: Tidemark's own process beside floors and peers, in one run.

Every contender reads the same records in the same partitions into a fresh database. One that is a process is started
and warmed with the first records, then suspended while the backlog is published; the clock runs from its resumption
to the moment when a query shows the exact figures.
"""

import gc
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from uuid import uuid4

from rich.box import MARKDOWN
from rich.console import Group
from rich.progress import Progress
from rich.table import Table

from bench.backlog import (
    Backlog,
    Loader,
    loader_producer,
)
from bench.contenders import CONTENDERS
from bench.stack import SERVERS, Stack, running_stack
from bench.trials import Contender, Outcome, Trial, UnavailableError
from tidemark.stack.processes import StackError
from tidemark_shared.messaging.kafka import PARTITION_COUNT, create_topics

# What the rates are compared with.
_BASES = {"floor": "floor", "flink": "Flink", "faststream": "FastStream"}


@dataclass
class _Row:
    outcomes: list[Outcome] = field(default_factory=list)
    reason: str = ""

    @property
    def rates(self) -> list[float]:
        return [outcome.records / outcome.seconds for outcome in self.outcomes]


async def _run(stack: Stack, contender: Contender, records: int) -> Outcome:
    """One run of one contender."""
    backlog = Backlog(contender.warm, min(records, contender.most_records or records))
    prefix = f"bench-{uuid4().hex[:8]}."
    await create_topics(stack.bootstrap, prefix=prefix)
    async with AsyncExitStack() as exits:
        url = await exits.enter_async_context(stack.database())
        producer = loader_producer(stack.bootstrap)
        await producer.start()
        exits.push_async_callback(producer.stop)
        return await contender.run(Trial(stack, backlog, url, prefix, Loader(producer)))


async def measure(*, records: int, runs: int, only: Iterable[str] = ()) -> Group:
    """Each contender once a run, in turn, so that what slows the machine slows all of them."""
    chosen = {key: CONTENDERS[key] for key in CONTENDERS if not only or key in only}
    rows = {key: _Row() for key in chosen}
    gc.freeze()
    async with running_stack() as stack:
        with Progress(transient=True) as progress:
            task = progress.add_task("", total=runs * len(chosen))
            for _ in range(runs):
                for key, contender in chosen.items():
                    progress.update(task, description=contender.name)
                    if not rows[key].reason:
                        try:
                            rows[key].outcomes.append(await _run(stack, contender, records))
                        except (UnavailableError, StackError) as reason:
                            rows[key].reason = str(reason)
                    progress.advance(task)
    return _report(rows, records, runs)


def _report(rows: Mapping[str, _Row], records: int, runs: int) -> Group:
    table = Table(
        title=(
            f"{records:,} records in {PARTITION_COUNT} partitions, median (least to most) of {runs}; "
            "CPU in seconds a run"
        ),
        box=MARKDOWN,
    )
    ratios = [f"÷ {base}" for base in _BASES.values()]
    for column in ("contender", "records/s", *ratios, "CPU own", "Postgres", "Kafka", "exact"):
        table.add_column(column, justify="left" if column == "contender" else "right", no_wrap=True)
    medians = {key: median(row.rates) for key, row in rows.items() if row.outcomes}
    for key, row in rows.items():
        name = CONTENDERS[key].name
        if not row.outcomes:
            table.add_row(name, "not measured", *[""] * (4 + len(_BASES)))
            continue
        rates = row.rates
        verdicts = {outcome.exact for outcome in row.outcomes}
        table.add_row(
            name,
            f"{medians[key]:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
            *(f"{medians[key] / medians[base]:.3g}" if base in medians else "" for base in _BASES),
            *(f"{median(outcome.cpu[part] for outcome in row.outcomes):.1f}" for part in ("own", *SERVERS)),
            "" if verdicts == {None} else "yes" if verdicts == {True} else "no",
        )
    notes = [f"- {CONTENDERS[key].name}: {row.reason or CONTENDERS[key].limits}" for key, row in rows.items()]
    return Group(table, "", *notes)
