"""What was known at a moment: the logs folded anew, beside what is. SPEC W6, W8.

A recalling connection has a world of its own: empty projections under the names of the real ones. What the fold's
queries and the views of figures say there is so of what was recalled. It lasts as long as the transaction.
"""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple

from tidemark_consumption import fold
from tidemark_consumption.terms import refs
from tidemark_shared.database import Connection, queries
from tidemark_shared.events import DIRECTORY, TYPES, ContractChanged

_sql = queries("tidemark_consumption")
_AT_ONCE = 500
_MOST_SHOWN = 1000


class TooEarlyError(Exception):
    """Nothing was known at that moment; the text says since when something was."""


class Difference(NamedTuple):
    """A row of a projection that is not what the facts say. None: it is not there, or should not be."""

    relation: str
    key: dict[str, Any]
    kept: dict[str, Any] | None
    right: dict[str, Any] | None


class Findings(NamedTuple):
    """How many rows differ, and the first of each projection."""

    total: int
    first: list[Difference]


async def prepare(connection: Connection) -> None:
    """The world and the working sets of a recalling connection; for the pool's ``init``."""
    await fold.prepare(connection)
    await _sql.open_world(connection)


async def recall(connection: Connection, moment: datetime | None = None, *, ref: str | None = None) -> None:
    """Fill the world with what was known at a moment (that moment included; None: all that is committed).

    ``ref`` narrows it to the contract that is called so, and to its work. Raises :class:`TooEarlyError`.
    """
    await _expect_known(connection, moment)
    await _sql.know(connection, moment=moment)
    now = moment or await connection.fetchval("SELECT now()")
    async for rows in _chunks(_sql.known_directory(connection)):
        await fold.set_directory(connection, [_entity(row) for row in rows], {}, now)
    called: set[str] = set()
    async for versions in _chunks(_sql.known_contracts(connection, ref=ref)):
        changes = [ContractChanged.model_validate_json(row["event"]) for row in versions]
        called.update(name for one in changes for name in refs(one))
        newest = {one.contract_id: one for one in changes}
        await fold.set_terms(connection, list(newest.values()), now)
        await fold.remember_contracts(connection, changes)
    narrow = None if ref is None else list(called)
    await _sql.recall_links(connection, refs=narrow)
    if narrow is None:
        await _sql.recall_placeholders(connection)
    await _sql.recall_worklogs(connection, refs=narrow)
    await _sql.count_rows(connection)
    await fold.place_recalled(connection)


async def verify(connection: Connection) -> Findings:
    """What the projections have other than the facts say, at one moment of a system that runs."""
    async with connection.transaction(isolation="repeatable_read"):
        await recall(connection)
        return await _differences(connection)


async def rebuild(connection: Connection) -> Findings:
    """Make the projections what the facts say: beside, then in one transaction. Gives what differed.

    Batches are folded on meanwhile. At the end they wait, for as long as it takes to fold what came since.
    """
    async with connection.transaction():
        await recall(connection)
        await _sql.stop_learning(connection)
        for row in [dict(row) async for row in _sql.unknown(connection)]:
            await _learn(connection, **row)
        found = await _differences(connection)
        for relation in {one.relation for one in found.first}:
            await _sql.mend(connection, relation=relation)
        if found.total:
            await _sql.publish_all(connection, correlation_id="rebuild")
        return found


async def _learn(connection: Connection, number: int, learned_at: datetime, log: str) -> None:
    if log == "facts":
        await fold.change_facts(connection, fold.Learned(number, learned_at))
    elif log == "contracts":
        rows = _sql.contracts_of(connection, batch=number)
        changes = [ContractChanged.model_validate_json(row["event"]) async for row in rows]
        await fold.change_contracts(connection, changes, learned_at)
    else:
        entities = [_entity(row) async for row in _sql.directory_of(connection, batch=number)]
        await fold.change_directory(connection, entities, learned_at)


async def _expect_known(connection: Connection, moment: datetime | None) -> None:
    if moment is None:
        return
    first = await _sql.first_moment(connection)
    if first is None or moment < first:
        since = f"It begins at {first.isoformat()}." if first else "Nothing was learned yet."
        raise TooEarlyError(f"What was known at {moment.isoformat()} is not kept here. {since}")


def _entity(row: Any) -> fold.DirectoryChanged:
    entity: fold.DirectoryChanged = TYPES[DIRECTORY][row["type"]].model_validate_json(row["event"])  # type: ignore[assignment]
    return entity


async def _chunks(rows: AsyncIterator[Any]) -> AsyncIterator[list[Any]]:
    chunk = []
    async for row in rows:
        chunk.append(row)
        if len(chunk) == _AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _differences(connection: Connection) -> Findings:
    total, first = 0, []
    for relation in [row["name"] async for row in _sql.projections(connection)]:
        number = 0
        async for one in _differences_of(connection, relation):
            number += 1
            if number <= _MOST_SHOWN:
                first.append(one)
        total += number
    return Findings(total, first)


async def _differences_of(connection: Connection, relation: str) -> AsyncIterator[Difference]:
    waiting: Difference | None = None
    async for row in _sql.differences(connection, relation=relation):
        key, values = json.loads(row["key"]), {row["side"]: json.loads(row["row"])}
        if waiting and waiting.key == key:
            yield waiting._replace(**values)
            waiting = None
            continue
        if waiting:
            yield waiting
        waiting = Difference(relation, key, values.get("kept"), values.get("right"))
    if waiting:
        yield waiting
