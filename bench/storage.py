"""What a worklog costs on disk and in the write-ahead log."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from rich.console import Group
from rich.table import Table

from bench.database import append, database, seed, settle
from bench.facts import batches, worklogs
from bench.throughput import CODES
from tidemark_consumption.projection import fold
from tidemark_shared.database import Connection
from tidemark_shared.messaging.batches import Batch

# On a day of a million worklogs a fold has few records; while a backlog is read it has thousands.
BATCH_SIZES = (10, 1_000, 20_000)
_SMALL_BATCHES = 300
_SIZES = """
SELECT
  relname AS name,
  pg_table_size(oid) AS rows_bytes,
  pg_indexes_size(oid) AS index_bytes
FROM pg_class
WHERE relnamespace = 'consumption'::regnamespace AND relkind = 'r'
"""
Sizes = dict[str, tuple[int, int]]


async def measure(server_url: str, *, records: int) -> Group:
    """Bytes of each table for a worklog, and bytes of the write-ahead log by size of batch."""
    logged = {}
    for size in BATCH_SIZES:
        count = records if size == BATCH_SIZES[-1] else min(records, size * _SMALL_BATCHES)
        sizes, logged[size] = await _fill(server_url, batches(worklogs(range(count)), size), count)
    tables = Table(title=f"Bytes for a worklog on disk, after {records:,} in batches of {BATCH_SIZES[-1]:,}")
    for column in ("table", "rows", "indexes", "together"):
        tables.add_column(column, justify="left" if column == "table" else "right")
    for name, (rows, indexes) in sorted(sizes.items(), key=lambda item: -sum(item[1])):
        if rows + indexes >= records:  # at least a byte for each
            tables.add_row(name, *(f"{bytes_ / records:,.0f}" for bytes_ in (rows, indexes, rows + indexes)))
    whole = [sum(part) / records for part in zip(*sizes.values(), strict=True)]
    tables.add_row("all", *(f"{bytes_:,.0f}" for bytes_ in (*whole, sum(whole))))
    wal = Table(title="Bytes of the write-ahead log for a worklog")
    for column in ("records in a batch", "append", "fold", "together"):
        wal.add_column(column, justify="right")
    for size, parts in logged.items():
        wal.add_row(f"{size:,}", *(f"{bytes_:,.0f}" for bytes_ in (*parts, sum(parts))))
    return Group(tables, wal, f"A record takes {_kafka_bytes():,.0f} bytes on each replica of Kafka, uncompressed.")


def _kafka_bytes() -> float:
    """The size of a record in a full batch of Kafka's format, with its key and headers."""
    (batch,) = batches(worklogs(range(1_000)), 1_000)
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000_000)
    for offset, record in enumerate(batch.records):
        key = json.loads(record.value)["issue_id"].encode()
        builder.append(offset, record.timestamp, key, record.value, [*record.headers])
    return len(builder.build()) / len(batch.records)


async def _fill(server_url: str, work: Sequence[Batch], count: int) -> tuple[Sizes, tuple[float, float]]:
    """What the tables grow by, and the bytes of the log for a worklog: for the append, and for the fold."""
    appended = folded = 0
    async with database(server_url) as pool:
        await seed(pool, CODES)
        async with pool.acquire() as connection:
            before = await _sizes(connection)
            for batch in work:
                start = await _position(connection)
                await append(connection, batch)
                middle = await _position(connection)
                await fold.fold(connection, datetime.now(UTC))
                appended, folded = appended + middle - start, folded + await _position(connection) - middle
            await settle(connection)
            after = await _sizes(connection)
    grown = {name: (rows - before[name][0], indexes - before[name][1]) for name, (rows, indexes) in after.items()}
    return grown, (appended / count, folded / count)


async def _sizes(connection: Connection) -> Sizes:
    return {row["name"]: (row["rows_bytes"], row["index_bytes"]) for row in await connection.fetch(_SIZES)}


async def _position(connection: Connection) -> int:
    """The end of the write-ahead log, in bytes."""
    position: int = await connection.fetchval("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
    return position
