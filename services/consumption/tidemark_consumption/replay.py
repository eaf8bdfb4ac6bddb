"""Folds the logs again: as of a moment, to verify the projections, and to rebuild them (SPEC W6, W8).

A connection that replays has shadow tables: empty tables with the names of the projections. The queries of the fold and
the views of figures read and write them instead. Their rows last until the end of the transaction.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_consumption.projection import fold
from tidemark_consumption.projection.rows import contract_refs
from tidemark_shared.database import Connection, Pool, Workload, connect_pool, queries
from tidemark_shared.messaging.events import ContractChanged

_sql: ConsumptionQueries = queries("tidemark_consumption")
_CHUNK_ROWS = 500
_MAX_LISTED_DIFFERENCES = 1000


class TooEarlyError(Exception):
    """Nothing had been learned at that moment. The message says when the data begins."""


class Difference(NamedTuple):
    """A row of a projection that differs from the facts. None: the row is missing, or should not exist."""

    relation: str
    key: dict[str, Any]
    actual: dict[str, Any] | None
    expected: dict[str, Any] | None


class Findings(NamedTuple):
    """The number of rows that differ, and the first of them in each projection."""

    total: int
    first: list[Difference]


@asynccontextmanager
async def open_pool(url: str, *, size: int = 1, workload: Workload = Workload.FOLD) -> AsyncIterator[Pool]:
    """Connections that replay. Each is opened when it is first needed, because its shadow tables take a while."""
    async with await connect_pool(
        url, "consumption", size=size, lazy=True, init=_prepare_connection, workload=workload
    ) as pool:
        yield pool


async def _prepare_connection(connection: Connection) -> None:
    await _sql.create_shadow_tables(connection)
    await fold.prepare_connection(connection)


async def settle_moment(connection: Connection, moment: datetime) -> None:
    """Wait until no fact can be learned at ``moment`` any more, so that its answer never changes.

    Uses its own transaction, because it locks the row of the projector. Raises ``asyncpg.LockNotAvailableError`` after
    10 seconds.
    """
    async with connection.transaction():
        await _sql.set_lock_timeout(connection)
        await _sql.settle_moment(connection, moment=moment)


async def replay(
    connection: Connection, moment: datetime | None = None, *, ref: str | None = None, organization: UUID | None = None
) -> None:
    """Fill the shadow tables with what was known at a moment (that moment included; None: everything folded so far).

    ``ref`` limits it to the contract with that id or code, ``organization`` to the contracts that ever were its own;
    with their work. Raises :class:`TooEarlyError`.
    """
    await _require_known(connection, moment)
    await _sql.truncate_working_tables(connection)
    await _sql.set_scope(connection, moment=moment)
    now = moment or await connection.fetchval("SELECT now()")
    async for rows in _chunks(_sql.directory_in_scope(connection)):
        await fold.apply_directory(connection, [fold.decode_directory_change(row) for row in rows], {}, now)
    refs: set[str] = set()
    async for rows in _chunks(_sql.contracts_in_scope(connection, ref=ref, organization=organization)):
        changes = [ContractChanged.model_validate_json(row["event"]) for row in rows]
        refs.update(ref for change in changes for ref in contract_refs(change))
        newest = {change.contract_id: change for change in changes}
        await fold.apply_contracts(connection, list(newest.values()), now)
        await fold.apply_every_version(connection, changes)
    if ref is None and organization is None:
        await _sql.replay_links(connection)
        await _sql.replay_worklogs(connection)
    else:
        await _sql.replay_links_to(connection, refs=list(refs))
        await _sql.replay_worklogs_of(connection, refs=list(refs))
    await _sql.analyze_replayed(connection)
    await _sql.clear_deltas(connection)
    await fold.apply_staged(connection)
    await _sql.truncate_working_tables(connection)


async def verify(connection: Connection) -> Findings:
    """Compare the projections with the facts, and statements with their digests, at one moment; store the result."""
    await _wait_for_fold(connection)
    async with connection.transaction(isolation="repeatable_read"):
        await replay(connection)
        total, first = await _differences(connection)
        damaged = [
            Difference(
                "statements",
                {"contract_id": str(row["contract_id"]), "period_start": str(row["period_start"])},
                {"sha256": row["body_sha256"]},
                {"sha256": row["sha256"]},
            )
            async for row in _sql.damaged_statements(connection)
        ]
        findings = Findings(total + len(damaged), first + damaged)
        await _sql.save_verification(connection, difference_count=findings.total)
        return findings


async def rebuild(connection: Connection) -> Findings:
    """Replay the facts and repair the projections, in one transaction. Returns the differences.

    Consumers append and the projector folds while the facts are replayed. Then the projector waits until the batches
    that it folded in the meantime are folded here too.
    """
    await _wait_for_fold(connection)
    async with connection.transaction():
        await replay(connection)
        await _sql.lock_projection(connection)
        batches_since = [row async for row in _sql.batches_folded_since(connection)]
        for moment, batches in groupby(batches_since, key=lambda row: row["learned_at"]):
            await fold.fold_batches(connection, list(batches), moment)
        findings = await _differences(connection)
        for relation in {difference.relation for difference in findings.first}:
            await _sql.repair(connection, relation=relation)
        if findings.total:
            await _sql.mark_all_dirty(connection, correlation_id="rebuild")
        await _sql.set_rebuilt(connection)
        return findings


async def rebuild_if_due(connection: Connection) -> Findings | None:
    """Rebuild if a migration changed a rule; otherwise None."""
    return await rebuild(connection) if await _sql.is_rebuild_due(connection) else None


async def _wait_for_fold(connection: Connection) -> None:
    async with connection.transaction():
        await _sql.set_lock_timeout(connection)
        await _sql.lock_projection(connection)


async def _require_known(connection: Connection, moment: datetime | None) -> None:
    if moment is None:
        return
    first_moment = await _sql.first_moment(connection)
    if first_moment is None or moment < first_moment:
        begin = f"The data begins at {first_moment.isoformat()}." if first_moment else "There is no data yet."
        raise TooEarlyError(f"There is no data for {moment.isoformat()}. {begin}")


async def _chunks(rows: AsyncIterator[Any]) -> AsyncIterator[Sequence[Any]]:
    chunk = []
    async for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _differences(connection: Connection) -> Findings:
    total, first = 0, []
    for relation in [row["name"] async for row in _sql.projection_tables(connection)]:
        count = 0
        async for difference in _differences_of(connection, relation):
            count += 1
            if count <= _MAX_LISTED_DIFFERENCES:
                first.append(difference)
        total += count
    return Findings(total, first)


async def _differences_of(connection: Connection, relation: str) -> AsyncIterator[Difference]:
    pending: Difference | None = None
    async for row in _sql.differences(connection, relation=relation):
        key, values = json.loads(row["key"]), {row["side"]: json.loads(row["row"])}
        if pending and pending.key == key:
            yield pending._replace(**values)
            pending = None
            continue
        if pending:
            yield pending
        pending = Difference(relation, key, values.get("actual"), values.get("expected"))
    if pending:
        yield pending
