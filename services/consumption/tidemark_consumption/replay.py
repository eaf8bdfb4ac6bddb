"""The log folded again: as of a moment, to verify the projections, and to rebuild them. SPEC W6, W8.

A connection that replays has shadow tables: empty projections under the names of the real ones. What the fold's
queries and the views of figures say there is so of what was replayed. It lasts as long as the transaction.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from tidemark_consumption.projection import fold
from tidemark_consumption.projection.terms import refs
from tidemark_shared.database import Connection, queries
from tidemark_shared.messaging.events import ContractChanged

_sql = queries("tidemark_consumption")
_CHUNK = 500
_MAX_SHOWN = 1000


class TooEarlyError(Exception):
    """Nothing was known at that moment; the text says since when something was."""


class Difference(NamedTuple):
    """A row of a projection that is not what the facts say. None: it is not there, or should not be."""

    relation: str
    key: dict[str, Any]
    actual: dict[str, Any] | None
    expected: dict[str, Any] | None


class Findings(NamedTuple):
    """How many rows differ, and the first of each projection."""

    total: int
    first: list[Difference]


async def prepare(connection: Connection) -> None:
    """The shadow tables of a connection that replays, and the fold's working sets; for the pool's ``init``."""
    await _sql.create_shadow_tables(connection)
    await fold.prepare(connection)


async def settle(connection: Connection, moment: datetime) -> None:
    """Wait, a bounded time, until nothing can be learned at ``moment`` any more, so that its answer never changes.

    In a transaction of its own: it holds the projector's row. Raises ``asyncpg.LockNotAvailableError``.
    """
    async with connection.transaction():
        await _sql.bound_lock_wait(connection)
        await _sql.settle_moment(connection, moment=moment)


async def replay(connection: Connection, moment: datetime | None = None, *, ref: str | None = None) -> None:
    """Fill the shadow tables with what was known at a moment (that moment included; None: all that is folded).

    ``ref`` narrows it to the contract of that id or code, and to its work. Raises :class:`TooEarlyError`.
    """
    await _expect_known(connection, moment)
    await _sql.set_scope(connection, moment=moment)
    now = moment or await connection.fetchval("SELECT now()")
    async for rows in _chunks(_sql.directory_in_scope(connection)):
        await fold.set_directory(connection, [fold.directory_change(row) for row in rows], {}, now)
    called: set[str] = set()
    async for versions in _chunks(_sql.contracts_in_scope(connection, ref=ref)):
        changes = [ContractChanged.model_validate_json(row["event"]) for row in versions]
        called.update(name for change in changes for name in refs(change))
        newest = {change.contract_id: change for change in changes}
        await fold.set_terms(connection, list(newest.values()), now)
        await fold.remember_contracts(connection, changes)
    if ref is None:
        await _sql.replay_links(connection)
        await _sql.replay_worklogs(connection)
    else:
        await _sql.replay_links_to(connection, refs=list(called))
        await _sql.replay_worklogs_of(connection, refs=list(called))
    await _sql.analyze_replayed(connection)
    await fold.project_replayed(connection)


async def verify(connection: Connection) -> Findings:
    """What the projections have other than the facts say, at one moment of a system that runs."""
    await _wait_for_fold(connection)
    async with connection.transaction(isolation="repeatable_read"):
        await replay(connection)
        return await _differences(connection)


async def rebuild(connection: Connection) -> Findings:
    """Make the projections what the facts say: beside, then in one transaction. Gives what differed.

    Consumers append meanwhile, and batches are folded. At the end the fold waits, for as long as it takes to fold
    here what it has folded since.
    """
    await _wait_for_fold(connection)
    async with connection.transaction():
        await replay(connection)
        await _sql.lock_projection(connection)
        since = [row async for row in _sql.folded_since(connection)]
        for moment, batches in groupby(since, key=lambda row: row["learned_at"]):
            await fold.fold_batches(connection, list(batches), moment)
        findings = await _differences(connection)
        for relation in {difference.relation for difference in findings.first}:
            await _sql.repair(connection, relation=relation)
        if findings.total:
            await _sql.publish_all(connection, correlation_id="rebuild")
        await _sql.note_rebuilt(connection)
        return findings


async def rebuild_if_due(connection: Connection) -> Findings | None:
    """Rebuild where a migration changed a rule; None where it did not."""
    return await rebuild(connection) if await _sql.rebuild_due(connection) else None


async def _wait_for_fold(connection: Connection) -> None:
    async with connection.transaction():
        await _sql.bound_lock_wait(connection)
        await _sql.lock_projection(connection)


async def _expect_known(connection: Connection, moment: datetime | None) -> None:
    if moment is None:
        return
    first = await _sql.first_moment(connection)
    if first is None or moment < first:
        since = f"It begins at {first.isoformat()}." if first else "Nothing was learned yet."
        raise TooEarlyError(f"What was known at {moment.isoformat()} is not kept here. {since}")


async def _chunks(rows: AsyncIterator[Any]) -> AsyncIterator[Sequence[Any]]:
    chunk = []
    async for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _differences(connection: Connection) -> Findings:
    total, first = 0, []
    for relation in [row["name"] async for row in _sql.projections(connection)]:
        number = 0
        async for difference in _differences_of(connection, relation):
            number += 1
            if number <= _MAX_SHOWN:
                first.append(difference)
        total += number
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
