"""A batch to its transaction: log what was learned, fold it into what holds, move the projections.

Everything here runs in the transaction of the consumer, READ COMMITTED. The order of the calls is the order of the
locks: issues, then contracts, then persons, then worklogs, then projections. Whatever two batches share is locked
by one before the other reads it, so no work is placed by terms that have just changed.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from typing import Any

from tidemark_consumption.facts import COLUMNS, copy_text, read_all
from tidemark_consumption.terms import (
    account_refs,
    contract_rows,
    membership_rows,
    organization_row,
    refs,
    team_row,
)
from tidemark_shared.consumer import Batch, Refusal, refuse
from tidemark_shared.database import Connection, queries
from tidemark_shared.events import (
    DIRECTORY,
    LIFECYCLE,
    ContractChanged,
    Event,
    OrganizationChanged,
    TeamChanged,
    Topic,
    Unreadable,
    read,
)
from tidemark_shared.log import correlation_id, get_logger

_log = get_logger()
_sql = queries("tidemark_consumption")


async def prepare(connection: Connection) -> None:
    """The working sets of a connection; for the pool's ``init``."""
    await _sql.prepare_session(connection)


async def fold_worklogs(connection: Connection, batch: Batch) -> None:
    """A batch of ``worklog.events``."""
    facts, refusals = read_all(batch.records)
    await refuse(connection, batch, refusals)
    if not facts:
        return
    number = await _open(connection, batch)
    await connection.copy_to_table(
        "fact_log", source=BytesIO(copy_text(number, facts)), columns=("batch", *COLUMNS), format="text"
    )
    await _sql.hold_issues(connection, batch=number)
    await _sql.hold_dependencies(connection, batch=number)
    linked = await _sql.link_issues(connection, batch=number)
    await _sql.stage_batch(connection, batch=number)
    await _sql.place(connection)
    await _sql.fold_worklogs(connection, batch=number)
    await _sql.clear_staged(connection)
    if linked["issues"]:
        await _sql.stage_issues(connection, sources=linked["sources"], issues=linked["issues"])
        await _move_standing(connection)
    await _project(connection)
    _log.info(
        "folded", topic=batch.topic, partition=batch.partition, offset=batch.records[0].offset,
        facts=len(facts), refused=len(refusals),
    )  # fmt: skip


async def fold_lifecycle(connection: Connection, batch: Batch) -> None:
    """A batch of ``contracts.lifecycle``: the newest version of each contract holds, whatever order they come in."""
    events = await _read(connection, batch, LIFECYCLE)
    if not events:
        return
    changes: list[ContractChanged] = [event.data for event in events]
    await _log_events(connection, batch, _sql.log_contracts, changes, lambda one: (one.contract_id, one.stream_version))
    called = refs(changes)
    await _sql.hold_contracts(connection, refs=called)
    await _sql.share_persons(connection, refs=called)
    newest = {one.contract_id: one for one in sorted(changes, key=lambda one: one.stream_version)}
    rows = {contract_id: contract_rows(one) for contract_id, one in newest.items()}
    changed = {
        row["contract_id"]
        async for row in _sql.apply_contracts(connection, rows=json.dumps([one.contract for one in rows.values()]))
    }
    applied = [rows[contract_id] for contract_id in rows if contract_id in changed]
    await _sql.clear_accounts(connection, ids=changed)
    await _sql.clear_periods(connection, ids=changed)
    await _sql.insert_accounts(connection, rows=_json(one.accounts for one in applied))
    await _sql.insert_account_teams(connection, rows=_json(one.account_teams for one in applied))
    await _sql.insert_periods(connection, rows=_json(one.periods for one in applied))
    await _sql.name_accounts(connection, rows=_json(map(account_refs, changes)))
    await _sql.forget_refs(connection, refs=called)
    await _sql.name_contracts(connection, refs=called)
    await _sql.stage_contracts(connection, refs=called)
    await _move_standing(connection)
    await _project(connection)
    await _sql.open_balances(connection, ids=changed, correlation_id=correlation_id())
    _log.info("contracts_changed", contracts=[str(one) for one in changed])


async def fold_directory(connection: Connection, batch: Batch) -> None:
    """A batch of ``contracts.directory``: organizations and teams."""
    events = await _read(connection, batch, DIRECTORY)
    if not events:
        return
    changes: list[OrganizationChanged | TeamChanged] = [event.data for event in events]
    types = [event.type for event in events]
    await _log_events(connection, batch, _sql.log_directory, changes, lambda one: (one.id, one.version), types=types)
    newest = {one.id: one for one in sorted(changes, key=lambda one: one.version)}
    organizations = [organization_row(one) for one in newest.values() if isinstance(one, OrganizationChanged)]
    await _sql.apply_organizations(connection, rows=json.dumps(organizations))
    teams = {one.id: one for one in newest.values() if isinstance(one, TeamChanged)}
    await _change_teams(connection, teams)


async def _change_teams(connection: Connection, teams: dict[Any, TeamChanged]) -> None:
    if not teams:
        return
    # Those who were members and those who will be: read before the lock, and again in the sorted order after it.
    persons = {row["person_id"] async for row in _sql.persons_of_teams(connection, ids=list(teams))}
    persons |= {member.person_id for team in teams.values() for member in team.members}
    await _sql.hold_persons(connection, persons=list(persons))
    rows = json.dumps([team_row(one) for one in teams.values()])
    changed = {row["team_id"] async for row in _sql.apply_teams(connection, rows=rows)}
    await _sql.clear_memberships(connection, ids=changed)
    await _sql.insert_memberships(connection, rows=_json(membership_rows(teams[one]) for one in changed))
    await _sql.stage_persons(connection, teams=list(changed), persons=list(persons))
    await _move_standing(connection)
    await _project(connection)


async def _move_standing(connection: Connection) -> None:
    """Place what was staged, and move what no longer belongs where it is."""
    await _sql.place(connection)
    await _sql.move_standing(connection)
    await _sql.clear_staged(connection)


async def _project(connection: Connection) -> None:
    """Move the projections by what was noted, and raise the balances of the contracts it touches."""
    await _sql.project_shares(connection)
    await _sql.project_days(connection)
    await _sql.project_unaccounted(connection)
    await _sql.drop_empty(connection)
    await _sql.raise_balances(connection, correlation_id=correlation_id())


async def _open(connection: Connection, batch: Batch) -> int:
    await _sql.clear_moves(connection)
    number: int = await _sql.open_batch(connection, cluster=batch.cluster, topic=batch.topic, partition=batch.partition)
    return number


async def _read(connection: Connection, batch: Batch, topic: Topic) -> list[Event]:
    events: list[Event] = []
    refusals: list[Refusal] = []
    for record in batch.records:
        try:
            events.append(read(topic, record.headers, record.value))
        except Unreadable as reason:
            refusals.append(Refusal(record, str(reason)))
    await refuse(connection, batch, refusals)
    return events


async def _log_events(
    connection: Connection,
    batch: Batch,
    log: Callable[..., Any],
    changes: Sequence[Any],
    key: Callable[[Any], tuple[Any, int]],
    **more: Any,
) -> None:
    number = await _open(connection, batch)
    keys = [key(one) for one in changes]
    await log(
        connection,
        batch=number,
        ids=[id_ for id_, _ in keys],
        versions=[version for _, version in keys],
        events=[one.model_dump_json() for one in changes],
        **more,
    )


def _json(groups: Iterable[Sequence[Any]]) -> str:
    return json.dumps([row for group in groups for row in group])
