"""What consumers appended to what operations teams read: one transaction, one moment at which it was learned.

There is one writer a database: :func:`fold` holds the row of ``projection`` from its first statement to its commit.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_consumption.projection.terms import (
    account_refs,
    activations,
    contract_rows,
    membership_rows,
    organization_row,
    rate_card_row,
    refs,
    team_row,
)
from tidemark_consumption.projection.waves import START, independent_groups, waves
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.calendar import public_holidays
from tidemark_shared.log import bound_contextvars, get_correlation_id, get_logger
from tidemark_shared.messaging.events import (
    EVENT_TYPES,
    FIRST_YEAR,
    LAST_YEAR,
    ContractChanged,
    OrganizationChanged,
    RateCardChanged,
    TeamChanged,
)
from tidemark_shared.messaging.topics import DIRECTORY

_log = get_logger()
_sql = queries("tidemark_consumption")

# More records in one fold cost less each; fewer are seen sooner.
MAX_RECORDS = 60_000
# Their periods, up to thousands each, are one parameter.
_MAX_CONTRACTS = 200

DirectoryChanged = OrganizationChanged | TeamChanged | RateCardChanged


class Folded(NamedTuple):
    """The batches that were folded together, and when what came with them was learned (SPEC W8)."""

    batches: Sequence[int]
    records: int
    learned_at: datetime


async def prepare(connection: Connection) -> None:
    """The working sets of a connection that folds; for the pool's ``init``."""
    await _sql.prepare_session(connection)


async def fold(
    connection: Connection, now: datetime, *, max_records: int = MAX_RECORDS, held_back: Sequence[int] = ()
) -> Folded | None:
    """Fold batches that wait, up to ``max_records`` and but those ``held_back``, in one transaction.

    None where there are none, or another process folds.
    """
    async with connection.transaction():
        moment = await _sql.begin_fold(connection, now=now)
        if moment is None:
            return None
        rows = _sql.waiting_batches(connection, most=max_records, held_back=held_back)
        waiting = [row async for row in rows]
        if not waiting:
            return None
        batches = [row["batch"] for row in waiting]
        await fold_batches(connection, waiting, moment)
        await _sql.mark_folded(connection, batches=batches, learned_at=moment)
    _log.info("folded", batches=len(batches), first=batches[0], last=batches[-1])
    return Folded(batches, sum(row["record_count"] for row in waiting), moment)


async def fold_batches(connection: Connection, batches: Sequence[Mapping[str, Any]], moment: datetime) -> None:
    """Fold rows of ``batches``, as learned at ``moment``: teams and rates, then contracts, then all work at once."""
    for log, change in (("directory", _change_directory), ("contracts", _change_contracts)):
        for row in batches:
            if row["log"] == log:
                with bound_contextvars(correlation_id=row["correlation_id"]):
                    await change(connection, row["batch"], moment)
    if facts := [row for row in batches if row["log"] == "facts"]:
        with bound_contextvars(correlation_id=facts[0]["correlation_id"]):
            await change_facts(connection, [row["batch"] for row in facts], moment)


async def _change_directory(connection: Connection, batch: int, moment: datetime) -> None:
    rows = _sql.logged_directory(connection, batch=batch)
    await change_directory(connection, [directory_change(row) async for row in rows], moment)


async def _change_contracts(connection: Connection, batch: int, moment: datetime) -> None:
    rows = _sql.logged_contracts(connection, batch=batch)
    changes = [ContractChanged.model_validate_json(row["event"]) async for row in rows]
    await change_contracts(connection, changes, moment)


def directory_change(row: Any) -> DirectoryChanged:
    """The event in a row of ``directory_log``."""
    change: DirectoryChanged = EVENT_TYPES[DIRECTORY][row["type"]].model_validate_json(row["event"])  # type: ignore[assignment]
    return change


async def change_facts(connection: Connection, batches: Sequence[int], moment: datetime) -> None:
    """Fold the worklogs and links of these batches."""
    backdated = [row async for row in _sql.backdated_facts(connection, batches=batches, moment=moment)]
    for wave in waves(backdated):
        scope = {
            "batches": batches,
            "first_batch": wave.first.batch,
            "first_offset": wave.first.record_offset,
            "end_batch": wave.end.batch,
            "end_offset": wave.end.record_offset,
        }
        await (_sql.clear_waves if wave.first > START else _sql.clear_deltas)(connection)
        linked = await _sql.link_issues(connection, **scope)
        await _sql.stage_facts(connection, **scope)
        await _sql.fold_worklogs(connection)
        await _sql.clear_batch_worklogs(connection)
        if linked["issues"]:
            await _sql.stage_issues(connection, **linked)
            await _reattribute(connection)
        await _project(connection, moment)


async def change_contracts(connection: Connection, changes: Sequence[ContractChanged], moment: datetime) -> None:
    """Apply versions of contracts: the first of each, then the second of each, and so on, so that each is a cause."""
    for group in independent_groups(changes, lambda change: [change.contract_id]):
        for start in range(0, len(group), _MAX_CONTRACTS):
            await set_terms(connection, group[start : start + _MAX_CONTRACTS], moment)
    _log.info("contracts_changed", contracts=sorted({str(change.contract_id) for change in changes}))


async def set_terms(connection: Connection, changes: Sequence[ContractChanged], moment: datetime) -> None:
    """Apply one version of each contract; the newest holds, whatever order they come in."""
    await _sql.clear_deltas(connection)
    ids = [change.contract_id for change in changes]
    await _sql.note_closed(connection, ids=ids, moment=moment)
    rows = {change.contract_id: contract_rows(change) for change in changes}
    changed = {
        row["contract_id"]
        async for row in _sql.apply_contracts(connection, rows=json.dumps([row.contract for row in rows.values()]))
    }
    applied = [rows[contract_id] for contract_id in rows if contract_id in changed]
    await _sql.clear_terms(connection, ids=changed)
    await _sql.insert_accounts(connection, rows=_json(row.accounts for row in applied))
    await _sql.insert_account_teams(connection, rows=_json(row.account_teams for row in applied))
    await _sql.insert_periods(connection, rows=_json(row.periods for row in applied))
    await _sql.insert_adjustments(connection, rows=_json(row.adjustments for row in applied))
    await remember_contracts(connection, changes)
    versions = {ref: change.stream_version for change in changes for ref in refs(change)}
    await _sql.forget_refs(connection, refs=list(versions))
    await _sql.name_contracts(connection, refs=list(versions))
    await _sql.stage_contracts(connection, refs=list(versions), versions=list(versions.values()))
    await _reattribute(connection)
    await _sql.affect_contracts(connection, ids=changed)
    await _project(connection, moment, noted=ids)
    await _sql.open_balances(connection, ids=changed, moment=moment, correlation_id=get_correlation_id())


async def remember_contracts(connection: Connection, changes: Sequence[ContractChanged]) -> None:
    """What stays of a version that no longer holds: names of accounts, leaving DRAFT, calendars of holidays."""
    await _name_holidays(connection, {change.terms.holidays for change in changes if change.terms.holidays})
    await _sql.name_accounts(connection, rows=_json(map(account_refs, changes)))
    await _sql.activate(connection, rows=json.dumps(activations(changes)))


async def _name_holidays(connection: Connection, codes: Collection[str]) -> None:
    missing = [row["code"] async for row in _sql.missing_calendars(connection, codes=list(codes))]
    for code in missing:
        days = public_holidays(code, range(FIRST_YEAR, LAST_YEAR + 1))
        await _sql.insert_holidays(connection, code=code, days=days)


async def change_directory(connection: Connection, changes: Sequence[DirectoryChanged], moment: datetime) -> None:
    """Apply versions of organizations, teams and rate cards."""
    persons: dict[UUID, set[str]] = {}
    for change in changes:
        # Versions of one team may come together, in any order: the persons of all of them.
        persons[change.id] = persons.get(change.id, set()) | await _persons(connection, change)
    for group in independent_groups(changes, lambda change: [change.id, *persons[change.id]]):
        await set_directory(connection, group, persons, moment)


async def set_directory(
    connection: Connection,
    changes: Sequence[DirectoryChanged],
    persons: Mapping[UUID, Collection[str]],
    moment: datetime,
) -> None:
    """Apply one version of each; ``persons`` are those whose work may be counted otherwise."""
    await _sql.clear_deltas(connection)
    organizations = [organization_row(change) for change in changes if isinstance(change, OrganizationChanged)]
    await _sql.apply_organizations(connection, rows=json.dumps(organizations))
    await _set_teams(connection, [change for change in changes if isinstance(change, TeamChanged)], persons)
    await _set_rate_cards(connection, [change for change in changes if isinstance(change, RateCardChanged)])
    await _project(connection, moment)


async def _persons(connection: Connection, change: DirectoryChanged) -> set[str]:
    """Whose work may be counted otherwise: whose card it is; those who were members and those who will be."""
    if isinstance(change, RateCardChanged):
        return {change.person_id}
    if isinstance(change, OrganizationChanged):
        return set()
    former = {row["person_id"] async for row in _sql.persons_of_team(connection, team=change.id)}
    return former | {member.person_id for member in change.members}


async def _set_teams(
    connection: Connection, teams: Sequence[TeamChanged], persons: Mapping[UUID, Collection[str]]
) -> None:
    rows = json.dumps([team_row(team) for team in teams])
    changed = {row["team_id"] async for row in _sql.apply_teams(connection, rows=rows)}
    await _sql.clear_memberships(connection, teams=changed)
    await _sql.insert_memberships(connection, rows=_json(membership_rows(team) for team in teams if team.id in changed))
    pairs = [(team, person) for team in changed for person in persons.get(team, ())]
    await _sql.stage_persons(connection, teams=[team for team, _ in pairs], persons=[person for _, person in pairs])
    await _reattribute(connection)


async def _set_rate_cards(connection: Connection, cards: Sequence[RateCardChanged]) -> None:
    rows = json.dumps([rate_card_row(card) for card in cards])
    changed = [row["rate_card_id"] async for row in _sql.apply_rate_cards(connection, rows=rows)]
    await _sql.affect_rate_cards(connection, ids=changed)


async def _reattribute(connection: Connection) -> None:
    """Attribute the staged work again, and note what no longer counts towards the same as before."""
    await _sql.reattribute(connection)
    await _sql.clear_batch_worklogs(connection)


async def _project(connection: Connection, moment: datetime, *, noted: Sequence[UUID] = ()) -> None:
    """Rate, restate and add up the deltas; ``noted`` are contracts whose closed periods are noted already."""
    await _sql.affect_changed(connection)
    if await _sql.take_back_ratings(connection):
        await _sql.rate(connection)
    if await _sql.note_closed_changes(connection, noted=noted, moment=moment):
        await _sql.restate(connection, moment=moment)
    await _add_up(connection)


async def project_replayed(connection: Connection) -> None:
    """Attribute, rate and add up all that is staged, where there was nothing before."""
    await _sql.clear_deltas(connection)
    await _sql.fold_worklogs(connection)
    await _sql.clear_batch_worklogs(connection)
    await _sql.affect_changed(connection)
    await _sql.rate(connection)
    await _add_up(connection)


async def _add_up(connection: Connection) -> None:
    await _sql.add_up(connection)
    await _sql.add_up_unaccounted(connection)
    await _sql.drop_empty(connection)
    await _sql.mark_dirty(connection, correlation_id=get_correlation_id())


def _json(groups: Iterable[Sequence[Any]]) -> str:
    return json.dumps([row for group in groups for row in group])
