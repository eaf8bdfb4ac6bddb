"""How fast work is folded, against the least that could be done with the same records."""

from collections.abc import Awaitable, Callable
from io import BytesIO
from statistics import median

from rich.table import Table

from bench.database import append_and_fold, database, seed, settle, timed
from bench.facts import CONTRACTS, batches, worklogs
from tidemark_consumption.ingest.decode import decode
from tidemark_consumption.ingest.fact_rows import COLUMNS, copy_text
from tidemark_shared.database import Connection
from tidemark_shared.messaging.batches import Batch

Variant = Callable[[Connection, Batch], Awaitable[None]]

BATCH, PARTITIONS = 20_000, 2
CODES = [f"C{number}" for number in range(CONTRACTS)]

_FLOORS = """
CREATE TABLE bare AS SELECT * FROM fact_log WITH NO DATA;
CREATE TEMPORARY TABLE stage ON COMMIT DELETE ROWS AS SELECT * FROM fact_log WITH NO DATA;
CREATE TABLE winners (
  source text NOT NULL, worklog_id text NOT NULL, issue_id text NOT NULL, author_id text, started_at timestamptz,
  seconds integer, team_ref text, deleted boolean NOT NULL, changed_at timestamptz NOT NULL, digest bytea NOT NULL,
  PRIMARY KEY (source, worklog_id)
)
"""
_LAST_WRITER = """
INSERT INTO winners AS w
SELECT DISTINCT ON (source, worklog_id)
  source, worklog_id, issue_id, author_id, started_at, seconds, team_ref, kind = 'deleted', changed_at, digest
FROM stage
ORDER BY source, worklog_id, changed_at DESC, kind = 'deleted' DESC, digest DESC
ON CONFLICT (source, worklog_id) DO UPDATE SET
  issue_id = excluded.issue_id, author_id = excluded.author_id, started_at = excluded.started_at,
  seconds = excluded.seconds, team_ref = excluded.team_ref, deleted = excluded.deleted,
  changed_at = excluded.changed_at, digest = excluded.digest
WHERE (excluded.changed_at, excluded.deleted, excluded.digest) > (w.changed_at, w.deleted, w.digest)
"""


async def _copy(connection: Connection, batch: Batch, table: str) -> None:
    lines, _ = decode(batch.records)
    await connection.copy_to_table(
        table, source=BytesIO(copy_text(1, lines)), columns=("batch", *COLUMNS), format="text"
    )


async def _decoded(_: Connection, batch: Batch) -> None:
    copy_text(1, decode(batch.records)[0])


async def _bare(connection: Connection, batch: Batch) -> None:
    async with connection.transaction():
        await _copy(connection, batch, "bare")


async def _last_writer(connection: Connection, batch: Batch) -> None:
    async with connection.transaction():
        await _copy(connection, batch, "stage")
        await connection.execute(_LAST_WRITER)


async def _each(connection: Connection, variant: Variant, cut: list[Batch]) -> None:
    for batch in cut:
        await variant(connection, batch)


VARIANTS: dict[str, Variant] = {
    "read and checked, no database": _decoded,
    "COPY to a bare table": _bare,
    "COPY to a stage, last writer holds": _last_writer,
    "fold: log, facts, projections, balances": append_and_fold,
}
FLOOR = "COPY to a stage, last writer holds"


async def measure(server_url: str, *, records: int, runs: int) -> Table:
    """Each variant once a run, in turn, so that what slows the machine slows all of them."""
    cut = batches(worklogs(range(records)), BATCH, partitions=PARTITIONS)
    taken: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(runs):
        async with database(server_url) as pool:
            await seed(pool, CODES)
            async with pool.acquire() as connection:
                await connection.execute(_FLOORS)
                for name, variant in VARIANTS.items():
                    await settle(connection)
                    taken[name].append(await timed(_each(connection, variant, cut)))
    table = Table(title=f"{records:,} worklogs, batches of {BATCH:,}, {PARTITIONS} partitions, median of {runs}")
    for column in ("what", "records/s", "÷ floor"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, times in taken.items():
        ratio = median(taken[FLOOR]) / median(times)
        table.add_row(name, f"{records / median(times):,.0f}", f"{ratio:.2f}" + (" = 1" if name == FLOOR else ""))
    return table
