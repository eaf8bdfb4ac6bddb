"""From a batch of records to rows of a log and dead letters.

All in the short transaction of the consumer, which only locks the row of its partition in ``consumer_offsets``. The
projector interprets the records later.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO

from tidemark_consumption.database.query_types import (
    AccountsTableRow,
    AccountTeamsTableRow,
    AdjustmentsTableRow,
    ConsumptionQueries,
    ContractsTableRow,
)
from tidemark_consumption.forget import forget_people
from tidemark_consumption.ingest.decode import decode
from tidemark_consumption.ingest.fact_rows import COLUMNS, copy_text
from tidemark_consumption.projection.rows import ContractRows, contract_rows
from tidemark_shared import tracing
from tidemark_shared.chunks import chunks
from tidemark_shared.database import Connection, json_rows, queries
from tidemark_shared.domain.people import PSEUDONYM_PREFIX
from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_shared.messaging.batches import Batch, DeadLetter, ReceivedEvent, decode_batch, write_dead_letters
from tidemark_shared.messaging.events import PERSON_FORGOTTEN
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE
from tidemark_shared.people import load_pseudonyms

_log = get_logger()
_sql: ConsumptionQueries = queries("tidemark_consumption")

_USED_TWICE = (
    "The {0} {1} has the version {2} twice: this is not what was read first. The database of contracts was restored to "
    "an earlier moment, and Kafka has not what it lacks. All readers keep what they read first: change the {0} until "
    "its version is one that no reader has."
)
# A contract may have thousands of periods.
_MAX_CHECKED_CONTRACTS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def append_worklogs(connection: Connection, batch: Batch) -> None:
    """A batch of ``worklog.events``."""
    pseudonyms = await load_pseudonyms(connection)
    lines, dead_letters = decode(batch.records, pseudonyms)
    await write_dead_letters(connection, batch, dead_letters)

    async def copy(number: int) -> None:
        await connection.copy_to_table(
            "fact_log", source=BytesIO(copy_text(number, lines)), columns=("batch", *COLUMNS), format="text"
        )

    await _append(connection, batch, "facts", len(lines), copy)


async def append_lifecycle(connection: Connection, batch: Batch) -> None:
    """A batch of ``contracts.lifecycle``."""
    received = await decode_batch(connection, LIFECYCLE, batch)
    rows = _sql.logged_contract_versions(
        connection,
        ids=[event.data.contract_id for _, event in received],
        versions=[event.data.stream_version for _, event in received],
    )
    logged = {(row["contract_id"], row["stream_version"]): row["occurred_at"] async for row in rows}
    events, dead_letters = [], []
    for record, event in received:
        key = event.data.contract_id, event.data.stream_version
        if logged.setdefault(key, event.data.occurred_at) == event.data.occurred_at:
            events.append(ReceivedEvent(record, event))
        else:
            dead_letters.append(DeadLetter(record, _USED_TWICE.format("contract", *key)))
    await write_dead_letters(connection, batch, dead_letters)

    async def append(number: int) -> None:
        for chunk in chunks(events, _MAX_CHECKED_CONTRACTS):
            await _check_terms(connection, [contract_rows(event.data) for _, event in chunk])
        await _sql.append_contracts(
            connection,
            batch=number,
            offsets=[record.offset for record, _ in events],
            ids=[event.data.contract_id for _, event in events],
            versions=[event.data.stream_version for _, event in events],
            events=[event.data.model_dump_json() for _, event in events],
        )

    await _append(connection, batch, "contracts", len(events), append)


async def append_directory(connection: Connection, batch: Batch) -> None:
    """A batch of ``contracts.directory``. Persons are forgotten at once, and are no part of the log."""
    decoded = await decode_batch(connection, DIRECTORY, batch)
    received = [(record, event) for record, event in decoded if event.type != PERSON_FORGOTTEN]
    rows = _sql.logged_entity_versions(
        connection,
        ids=[event.data.id for _, event in received],
        versions=[event.data.version for _, event in received],
    )
    logged = {(row["entity_id"], row["version"]): json.loads(row["event"]) async for row in rows}
    events, dead_letters = [], []
    for record, event in received:
        content = event.data.model_dump(mode="json")
        key = event.data.id, event.data.version
        first = logged.setdefault(key, content)
        # A later version of Tidemark may know more members; and an entity is published again, at its version, with the
        # pseudonym of a person who was forgotten.
        is_same = all(first[name] == content[name] for name in first.keys() & content.keys())
        if is_same or PSEUDONYM_PREFIX in json.dumps(content):
            events.append(ReceivedEvent(record, event))
        else:
            dead_letters.append(DeadLetter(record, _USED_TWICE.format("entity", *key)))
    await write_dead_letters(connection, batch, dead_letters)

    async def append(number: int) -> None:
        await _sql.append_directory(
            connection,
            batch=number,
            offsets=[record.offset for record, _ in events],
            ids=[event.data.id for _, event in events],
            versions=[event.data.version for _, event in events],
            types=[event.type for _, event in events],
            events=[event.data.model_dump_json() for _, event in events],
        )

    await _append(connection, batch, "directory", len(events), append)
    await forget_people(connection, [event.data for _, event in decoded if event.type == PERSON_FORGOTTEN])


async def _check_terms(connection: Connection, rows: Sequence[ContractRows]) -> None:
    """Let Postgres convert the rows that the fold will insert, so that a record it rejects becomes a dead letter."""
    await _sql.check_terms(
        connection,
        contracts=json_rows(ContractsTableRow, (row.contract for row in rows)),
        accounts=json_rows(AccountsTableRow, (account for row in rows for account in row.accounts)),
        account_teams=json_rows(AccountTeamsTableRow, (team for row in rows for team in row.account_teams)),
        adjustments=json_rows(AdjustmentsTableRow, (adjustment for row in rows for adjustment in row.adjustments)),
    )


async def _append(
    connection: Connection, batch: Batch, log: str, count: int, append: Callable[[int], Awaitable[None]]
) -> None:
    if not count:
        return
    number = await _sql.insert_batch(
        connection,
        cluster=batch.cluster,
        topic=batch.topic,
        partition=batch.partition,
        log=log,
        first_offset=batch.records[0].offset,
        record_count=count,
        published_at=_published_at(batch),
        correlation_id=get_correlation_id(),
        traceparent=tracing.traceparent(),
    )
    await append(number)
    _log.info("appended", topic=batch.topic, partition=batch.partition, offset=batch.records[0].offset, records=count)


def _published_at(batch: Batch) -> datetime | None:
    """The time of the first record in Kafka; None for one that is no time. A publisher may send any number."""
    try:
        return _EPOCH + timedelta(milliseconds=batch.records[0].timestamp)
    except OverflowError:
        return None
