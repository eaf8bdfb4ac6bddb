"""What a consumer makes of a batch: rows of a log, dead letters, and a word to the projector.

All in the consumer's short transaction. It waits for nothing but the partition's own row of progress: what the records
mean is the projector's to say.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from io import BytesIO

from tidemark_consumption.ingest.decode import COLUMNS, copy_text, decode
from tidemark_consumption.projection.terms import ContractRows, contract_rows
from tidemark_shared.database import Connection, queries
from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_shared.messaging.batches import Batch, dead_letter, decode_events
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE

_log = get_logger()
_sql = queries("tidemark_consumption")

# Postgres tells whoever listens here that batches wait to be folded.
CHANNEL = "consumption_batches"
# A contract may have thousands of periods.
_CHECKED_TOGETHER = 100


async def append_worklogs(connection: Connection, batch: Batch) -> None:
    """A batch of ``worklog.events``."""
    lines, dead_letters = decode(batch.records)
    await dead_letter(connection, batch, dead_letters)

    async def copy(number: int) -> None:
        await connection.copy_to_table(
            "fact_log", source=BytesIO(copy_text(number, lines)), columns=("batch", *COLUMNS), format="text"
        )

    await _append(connection, batch, "facts", len(lines), copy)


async def append_lifecycle(connection: Connection, batch: Batch) -> None:
    """A batch of ``contracts.lifecycle``."""
    received, dead_letters = decode_events(LIFECYCLE, batch.records)
    await dead_letter(connection, batch, dead_letters)

    async def append(number: int) -> None:
        for start in range(0, len(received), _CHECKED_TOGETHER):
            some = received[start : start + _CHECKED_TOGETHER]
            await _check(connection, [contract_rows(event.data) for _, event in some])
        await _sql.append_contracts(
            connection,
            batch=number,
            offsets=[record.offset for record, _ in received],
            ids=[event.data.contract_id for _, event in received],
            versions=[event.data.stream_version for _, event in received],
            events=[event.data.model_dump_json() for _, event in received],
        )

    await _append(connection, batch, "contracts", len(received), append)


async def append_directory(connection: Connection, batch: Batch) -> None:
    """A batch of ``contracts.directory``."""
    received, dead_letters = decode_events(DIRECTORY, batch.records)
    await dead_letter(connection, batch, dead_letters)

    async def append(number: int) -> None:
        await _sql.append_directory(
            connection,
            batch=number,
            offsets=[record.offset for record, _ in received],
            ids=[event.data.id for _, event in received],
            versions=[event.data.version for _, event in received],
            types=[event.type for _, event in received],
            events=[event.data.model_dump_json() for _, event in received],
        )

    await _append(connection, batch, "directory", len(received), append)


async def _check(connection: Connection, rows: Sequence[ContractRows]) -> None:
    """Have Postgres convert the rows that the fold will insert: what it refuses is refused here, record by record."""
    await _sql.check_terms(
        connection,
        contracts=json.dumps([row.contract for row in rows]),
        accounts=json.dumps([account for row in rows for account in row.accounts]),
        account_teams=json.dumps([team for row in rows for team in row.account_teams]),
        adjustments=json.dumps([adjustment for row in rows for adjustment in row.adjustments]),
    )


async def _append(
    connection: Connection, batch: Batch, log: str, count: int, append: Callable[[int], Awaitable[None]]
) -> None:
    if not count:
        return
    number = await _sql.open_batch(
        connection,
        cluster=batch.cluster,
        topic=batch.topic,
        partition=batch.partition,
        log=log,
        first_offset=batch.records[0].offset,
        record_count=count,
        correlation_id=get_correlation_id(),
    )
    await append(number)
    await _sql.wake_projector(connection, channel=CHANNEL)
    _log.info("appended", topic=batch.topic, partition=batch.partition, offset=batch.records[0].offset, records=count)
