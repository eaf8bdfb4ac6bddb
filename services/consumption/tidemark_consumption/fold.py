"""A batch to its transaction: log what was learned, fold it into what holds, move the projections.

Everything here runs in the transaction of the consumer, READ COMMITTED. The order of the calls is the order of the
locks: issues, then contracts, then persons, then worklogs, then persons' days, then projections. Whatever two batches
share is locked by one before the other reads it, so no work is placed by terms that have just changed.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_consumption.facts import COLUMNS, copy_text, read_all
from tidemark_consumption.steps import steps
from tidemark_consumption.terms import (
    account_refs,
    activations,
    contract_rows,
    membership_rows,
    organization_row,
    rate_card_row,
    refs,
    team_row,
)
from tidemark_shared.calendar import public_holidays
from tidemark_shared.consumer import Batch, Refusal, refuse
from tidemark_shared.database import Connection, queries
from tidemark_shared.events import (
    DIRECTORY,
    FIRST_YEAR,
    LAST_YEAR,
    LIFECYCLE,
    ContractChanged,
    Event,
    OrganizationChanged,
    RateCardChanged,
    TeamChanged,
    Topic,
    Unreadable,
    read,
)
from tidemark_shared.log import correlation_id, get_logger

_log = get_logger()
_sql = queries("tidemark_consumption")


class Learned(NamedTuple):
    """A batch in the log, and when what came with it was learned (SPEC W8)."""

    number: int
    learned_at: datetime


DirectoryChanged = OrganizationChanged | TeamChanged | RateCardChanged


async def prepare(connection: Connection) -> None:
    """The working sets of a connection; for the pool's ``init``."""
    await _sql.prepare_session(connection)


async def fold_worklogs(connection: Connection, batch: Batch) -> None:
    """A batch of ``worklog.events``."""
    facts, refusals = read_all(batch.records)
    await refuse(connection, batch, refusals)
    if not facts:
        return
    learned = await _open(connection, batch)
    await connection.copy_to_table(
        "fact_log", source=BytesIO(copy_text(learned.number, facts)), columns=("batch", *COLUMNS), format="text"
    )
    await change_facts(connection, learned)
    _log.info(
        "folded", topic=batch.topic, partition=batch.partition, offset=batch.records[0].offset,
        facts=len(facts), refused=len(refusals),
    )  # fmt: skip


async def change_facts(connection: Connection, learned: Learned) -> None:
    """Fold the worklogs and links that the log has of a batch."""
    number, moment = learned
    await _sql.hold_issues(connection, batch=number)
    await _sql.hold_dependencies(connection, batch=number)
    late = [row async for row in _sql.late_facts(connection, batch=number, moment=moment)]
    for first, last in steps(late):
        await _sql.clear_worked(connection)
        linked = await _sql.link_issues(connection, batch=number, first=first, last=last)
        await _sql.stage_batch(connection, batch=number, first=first, last=last)
        await _sql.place(connection)
        await _sql.fold_worklogs(connection)
        await _sql.clear_staged(connection)
        if linked["issues"]:
            await _sql.stage_issues(connection, **linked)
            await _move_standing(connection)
        await _project(connection, moment)


async def fold_lifecycle(connection: Connection, batch: Batch) -> None:
    """A batch of ``contracts.lifecycle``: the newest version of each contract holds, whatever order they come in."""
    changes: list[ContractChanged] = [event.data for event in await _read(connection, batch, LIFECYCLE)]
    if not changes:
        return
    learned = await _log_events(
        connection, batch, _sql.log_contracts, changes, lambda one: (one.contract_id, one.stream_version)
    )
    await change_contracts(connection, changes, learned.learned_at)
    _log.info("contracts_changed", contracts=sorted({str(one.contract_id) for one in changes}))


async def change_contracts(connection: Connection, changes: Sequence[ContractChanged], moment: datetime) -> None:
    """Apply versions of contracts: the first of each, then the second of each, and so on, so that each is a cause."""
    called = sorted({ref for one in changes for ref in refs(one)})
    await _sql.hold_contracts(connection, refs=called)
    await _sql.share_persons(connection, refs=called)
    for step in _versions(changes):
        await _change_terms(connection, step, moment)


def _versions(changes: Iterable[ContractChanged]) -> Iterator[list[ContractChanged]]:
    waiting = list(changes)
    while waiting:
        step = {one.contract_id: one for one in reversed(waiting)}
        yield list(step.values())
        waiting = [one for one in waiting if step[one.contract_id] is not one]


async def _change_terms(connection: Connection, changes: Sequence[ContractChanged], moment: datetime) -> None:
    """One version of each contract."""
    await _sql.clear_worked(connection)
    ids = [one.contract_id for one in changes]
    await _sql.note_closed(connection, ids=ids, moment=moment)
    rows = {one.contract_id: contract_rows(one) for one in changes}
    changed = {
        row["contract_id"]
        async for row in _sql.apply_contracts(connection, rows=json.dumps([one.contract for one in rows.values()]))
    }
    applied = [rows[contract_id] for contract_id in rows if contract_id in changed]
    await _sql.activate(connection, rows=json.dumps(activations(changes)))
    await _sql.clear_terms(connection, ids=changed)
    await _sql.insert_accounts(connection, rows=_json(one.accounts for one in applied))
    await _sql.insert_account_teams(connection, rows=_json(one.account_teams for one in applied))
    await _sql.insert_periods(connection, rows=_json(one.periods for one in applied))
    await _sql.insert_adjustments(connection, rows=_json(one.adjustments for one in applied))
    await _name_holidays(connection, {one.terms.holidays for one in changes if one.terms.holidays})
    await _sql.name_accounts(connection, rows=_json(map(account_refs, changes)))
    called = {ref: one.stream_version for one in changes for ref in refs(one)}
    await _sql.forget_refs(connection, refs=list(called))
    await _sql.name_contracts(connection, refs=list(called))
    await _sql.stage_contracts(connection, refs=list(called), versions=list(called.values()))
    await _move_standing(connection)
    await _sql.touch_contracts(connection, ids=changed)
    await _project(connection, moment, noted=ids)
    await _sql.open_balances(connection, ids=changed, correlation_id=correlation_id())


async def _name_holidays(connection: Connection, codes: Collection[str]) -> None:
    missing = [row["code"] async for row in _sql.missing_calendars(connection, codes=list(codes))]
    for code in missing:
        days = public_holidays(code, range(FIRST_YEAR, LAST_YEAR + 1))
        await _sql.insert_holidays(connection, code=code, days=days)


async def fold_directory(connection: Connection, batch: Batch) -> None:
    """A batch of ``contracts.directory``: organizations, teams and rate cards."""
    events = await _read(connection, batch, DIRECTORY)
    if not events:
        return
    changes: list[DirectoryChanged] = [event.data for event in events]
    types = [event.type for event in events]
    learned = await _log_events(
        connection, batch, _sql.log_directory, changes, lambda one: (one.id, one.version), types=types
    )
    await change_directory(connection, changes, learned.learned_at)


async def change_directory(connection: Connection, changes: Sequence[DirectoryChanged], moment: datetime) -> None:
    """Apply versions of organizations, teams and rate cards."""
    newest = {one.id: one for one in sorted(changes, key=lambda one: one.version)}
    organizations = [organization_row(one) for one in newest.values() if isinstance(one, OrganizationChanged)]
    await _sql.apply_organizations(connection, rows=json.dumps(organizations))
    persons = {one.id: await _persons(connection, one) for one in changes if not isinstance(one, OrganizationChanged)}
    await _sql.hold_persons(connection, persons=list(set().union(*persons.values())))
    for one in changes:
        await _sql.clear_worked(connection)
        if isinstance(one, TeamChanged):
            await _change_team(connection, one, persons[one.id], moment)
        elif isinstance(one, RateCardChanged):
            await _change_rate_card(connection, one, moment)


async def _persons(connection: Connection, change: TeamChanged | RateCardChanged) -> set[str]:
    """Whose work may be counted otherwise: those who were members and those who will be."""
    if isinstance(change, RateCardChanged):
        return {change.person_id}
    were = {row["person_id"] async for row in _sql.persons_of_team(connection, team=change.id)}
    return were | {member.person_id for member in change.members}


async def _change_team(connection: Connection, team: TeamChanged, persons: Collection[str], moment: datetime) -> None:
    if await _sql.apply_team(connection, row=json.dumps(team_row(team))) is None:
        return
    await _sql.clear_memberships(connection, team=team.id)
    await _sql.insert_memberships(connection, rows=json.dumps(membership_rows(team)))
    await _sql.stage_persons(connection, team=team.id, persons=list(persons))
    await _move_standing(connection)
    await _project(connection, moment)


async def _change_rate_card(connection: Connection, card: RateCardChanged, moment: datetime) -> None:
    if await _sql.apply_rate_card(connection, row=json.dumps(rate_card_row(card))) is None:
        return
    await _sql.touch_person(connection, person=card.person_id, first_day=card.from_, cause=f"rate_card:{card.id}")
    await _project(connection, moment)


async def _move_standing(connection: Connection) -> None:
    """Place what was staged, and move what no longer belongs where it is."""
    await _sql.place(connection)
    await _sql.move_standing(connection)
    await _sql.clear_staged(connection)


async def _project(connection: Connection, moment: datetime, *, noted: Sequence[UUID] = ()) -> None:
    """Move the projections by what was noted, and raise the balances of the contracts it touches."""
    await _sql.touch_moved(connection)
    if await _sql.hold_touched(connection):
        await _sql.take_ratings(connection)
        await _sql.rate(connection)
    if await _sql.hold_closed(connection, noted=noted, moment=moment):
        await _sql.restate(connection, moment=moment)
    await _sql.project_shares(connection)
    await _sql.project_days(connection)
    await _sql.project_unaccounted(connection)
    await _sql.drop_empty(connection)
    await _sql.raise_balances(connection, correlation_id=correlation_id())


async def _open(connection: Connection, batch: Batch) -> Learned:
    return Learned(
        **await _sql.open_batch(
            connection,
            cluster=batch.cluster,
            topic=batch.topic,
            partition=batch.partition,
            learned_at=batch.learned_at,
        )
    )


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
) -> Learned:
    learned = await _open(connection, batch)
    keys = [key(one) for one in changes]
    await log(
        connection,
        batch=learned.number,
        ids=[id_ for id_, _ in keys],
        versions=[version for _, version in keys],
        events=[one.model_dump_json() for one in changes],
        **more,
    )
    return learned


def _json(groups: Iterable[Sequence[Any]]) -> str:
    return json.dumps([row for group in groups for row in group])
