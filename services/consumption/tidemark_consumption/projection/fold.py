"""A batch to its transaction: log what was learned, fold it into what holds, move the projections.

Everything here runs in the transaction of the consumer, READ COMMITTED. The order of the calls is the order of the
locks: issues, then contracts, then persons, then worklogs, then persons' days, then projections. Whatever two batches
share is locked by one before the other reads it, so no work is placed by terms that have just changed.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_consumption.facts import COLUMNS, copy_text, read_all
from tidemark_consumption.steps import side_by_side, steps
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
from tidemark_shared.consumer import Batch, DeadLetter, dead_letter
from tidemark_shared.database import Connection, queries
from tidemark_shared.events import (
    DIRECTORY,
    FIRST_YEAR,
    LAST_YEAR,
    LIFECYCLE,
    ContractChanged,
    DecodeError,
    Event,
    OrganizationChanged,
    RateCardChanged,
    TeamChanged,
    Topic,
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
    await dead_letter(connection, batch, refusals)
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
    for step in side_by_side(changes, lambda one: [one.contract_id]):
        await set_terms(connection, step, moment)


async def set_terms(connection: Connection, changes: Sequence[ContractChanged], moment: datetime) -> None:
    """Apply one version of each contract; what else touches their work is held off by the caller."""
    await _sql.clear_worked(connection)
    ids = [one.contract_id for one in changes]
    await _sql.note_closed(connection, ids=ids, moment=moment)
    rows = {one.contract_id: contract_rows(one) for one in changes}
    changed = {
        row["contract_id"]
        async for row in _sql.apply_contracts(connection, rows=json.dumps([one.contract for one in rows.values()]))
    }
    applied = [rows[contract_id] for contract_id in rows if contract_id in changed]
    await _sql.clear_terms(connection, ids=changed)
    await _sql.insert_accounts(connection, rows=_json(one.accounts for one in applied))
    await _sql.insert_account_teams(connection, rows=_json(one.account_teams for one in applied))
    await _sql.insert_periods(connection, rows=_json(one.periods for one in applied))
    await _sql.insert_adjustments(connection, rows=_json(one.adjustments for one in applied))
    await remember_contracts(connection, changes)
    called = {ref: one.stream_version for one in changes for ref in refs(one)}
    await _sql.forget_refs(connection, refs=list(called))
    await _sql.name_contracts(connection, refs=list(called))
    await _sql.stage_contracts(connection, refs=list(called), versions=list(called.values()))
    await _move_standing(connection)
    await _sql.touch_contracts(connection, ids=changed)
    await _project(connection, moment, noted=ids)
    await _sql.open_balances(connection, ids=changed, moment=moment, correlation_id=correlation_id())


async def remember_contracts(connection: Connection, changes: Sequence[ContractChanged]) -> None:
    """What stays of a version that no longer holds: names of accounts, leaving DRAFT, calendars of holidays."""
    await _name_holidays(connection, {one.terms.holidays for one in changes if one.terms.holidays})
    await _sql.name_accounts(connection, rows=_json(map(account_refs, changes)))
    await _sql.activate(connection, rows=json.dumps(activations(changes)))


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
    persons: dict[UUID, set[str]] = {}
    for one in changes:
        # Versions of one team may come in one batch, in any order: the persons of all of them.
        persons[one.id] = persons.get(one.id, set()) | await _persons(connection, one)
    await _sql.hold_persons(connection, persons=list(set().union(*persons.values())))
    for step in side_by_side(changes, lambda one: [one.id, *persons[one.id]]):
        await set_directory(connection, step, persons, moment)


async def set_directory(
    connection: Connection,
    changes: Sequence[DirectoryChanged],
    persons: Mapping[UUID, Collection[str]],
    moment: datetime,
) -> None:
    """Apply one version of each; ``persons`` are those whose work may be counted otherwise, held by the caller."""
    await _sql.clear_worked(connection)
    organizations = [organization_row(one) for one in changes if isinstance(one, OrganizationChanged)]
    await _sql.apply_organizations(connection, rows=json.dumps(organizations))
    await _set_teams(connection, [one for one in changes if isinstance(one, TeamChanged)], persons)
    await _set_rate_cards(connection, [one for one in changes if isinstance(one, RateCardChanged)])
    await _project(connection, moment)


async def _persons(connection: Connection, change: DirectoryChanged) -> set[str]:
    """Whose work may be counted otherwise: whose card it is; those who were members and those who will be."""
    if isinstance(change, RateCardChanged):
        return {change.person_id}
    if isinstance(change, OrganizationChanged):
        return set()
    were = {row["person_id"] async for row in _sql.persons_of_team(connection, team=change.id)}
    return were | {member.person_id for member in change.members}


async def _set_teams(
    connection: Connection, teams: Sequence[TeamChanged], persons: Mapping[UUID, Collection[str]]
) -> None:
    rows = json.dumps([team_row(one) for one in teams])
    changed = {row["team_id"] async for row in _sql.apply_teams(connection, rows=rows)}
    await _sql.clear_memberships(connection, teams=changed)
    await _sql.insert_memberships(connection, rows=_json(membership_rows(one) for one in teams if one.id in changed))
    pairs = [(team, person) for team in changed for person in persons.get(team, ())]
    await _sql.stage_persons(connection, teams=[one for one, _ in pairs], persons=[one for _, one in pairs])
    await _move_standing(connection)


async def _set_rate_cards(connection: Connection, cards: Sequence[RateCardChanged]) -> None:
    rows = json.dumps([rate_card_row(one) for one in cards])
    changed = [row["rate_card_id"] async for row in _sql.apply_rate_cards(connection, rows=rows)]
    await _sql.touch_rate_cards(connection, ids=changed)


async def _move_standing(connection: Connection) -> None:
    """Place what was staged, and move what no longer belongs where it is."""
    await _sql.place(connection)
    await _sql.move_standing(connection)
    await _sql.clear_staged(connection)


async def _project(connection: Connection, moment: datetime, *, noted: Sequence[UUID] = ()) -> None:
    """Rate, restate and add up what moved; ``noted`` are contracts whose closed periods are noted already."""
    await _sql.touch_moved(connection)
    if await _sql.hold_touched(connection):
        await _sql.take_ratings(connection)
        await _sql.rate(connection)
    if await _sql.hold_closed(connection, noted=noted, moment=moment):
        await _sql.restate(connection, moment=moment)
    await _add_up(connection)


async def place_recalled(connection: Connection) -> None:
    """Place, rate and add up all that is staged, where nothing stands and nobody else is."""
    await _sql.clear_worked(connection)
    await _sql.place(connection)
    await _sql.fold_worklogs(connection)
    await _sql.clear_staged(connection)
    await _sql.touch_moved(connection)
    await _sql.rate(connection)
    await _add_up(connection)


async def _add_up(connection: Connection) -> None:
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
    refusals: list[DeadLetter] = []
    for record in batch.records:
        try:
            events.append(read(topic, record.headers, record.value))
        except DecodeError as reason:
            refusals.append(DeadLetter(record, str(reason)))
    await dead_letter(connection, batch, refusals)
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
