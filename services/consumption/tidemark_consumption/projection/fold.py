"""From the logs to totals: waiting batches are folded in one transaction, with one moment at which they are learned.

There is one writer per database: :func:`fold` locks the row of ``projection`` from its first statement to its commit.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_consumption.database.query_types import (
    AccountRefsTableRow,
    AccountsTableRow,
    AccountTeamsTableRow,
    AdjustmentsTableRow,
    ConsumptionQueries,
    ContractsTableRow,
    LoggedDirectoryRow,
    MembershipsTableRow,
    OrganizationsTableRow,
    PeriodsTableRow,
    RateCardsTableRow,
    SetActivatedTableRow,
    TeamsTableRow,
)
from tidemark_consumption.projection.rows import (
    account_ref_rows,
    activation_rows,
    contract_refs,
    contract_rows,
    membership_rows,
    organization_row,
    rate_card_row,
    team_row,
)
from tidemark_consumption.projection.statements import freeze, restate
from tidemark_consumption.projection.waves import START, independent_groups, split_into_waves
from tidemark_shared import tracing
from tidemark_shared.chunks import chunks
from tidemark_shared.database import Connection, json_rows, queries
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
_sql: ConsumptionQueries = queries("tidemark_consumption")

# A larger fold costs less per record; a smaller one makes its records visible sooner.
MAX_RECORDS = 60_000
# A small fold uses the statements as Postgres has planned them for the last one, in tables with few deleted rows.
_SMALL_FOLD_RECORDS, _SMALL_TABLES_BYTES = 1_000, 512 * 1024
# Their periods, up to thousands each, are one parameter.
_MAX_CONTRACTS = 200

DirectoryChanged = OrganizationChanged | TeamChanged | RateCardChanged


class FoldResult(NamedTuple):
    """The batches that were folded together, and the moment at which their records were learned (SPEC W8)."""

    batches: Sequence[int]
    record_count: int
    learned_at: datetime
    published_at: Sequence[datetime] = ()
    """The time in Kafka of the first record of each batch."""


async def prepare_connection(connection: Connection) -> None:
    """Create the working tables of a connection that folds; for the pool's ``init``."""
    await _sql.create_working_tables(connection)
    await _sql.create_attributions_view(connection)
    await _sql.create_rated_worklogs_view(connection)


async def fold(
    connection: Connection, now: datetime, *, max_records: int = MAX_RECORDS, held_back: Sequence[int] = ()
) -> FoldResult | None:
    """Fold waiting batches except those ``held_back``, up to ``max_records``, in one transaction.

    None where no batch waits, or another process folds.
    """
    async with connection.transaction():
        moment = await _sql.begin_fold(connection, now=now)
        if moment is None:
            return None
        rows = _sql.waiting_batches(connection, max_records=max_records, held_back=held_back)
        waiting_batches = [row async for row in rows]
        if not waiting_batches:
            return None
        batches = [row["batch"] for row in waiting_batches]
        record_count = sum(row["record_count"] for row in waiting_batches)
        if record_count > _SMALL_FOLD_RECORDS or await _sql.working_tables_size(connection) > _SMALL_TABLES_BYTES:
            await _sql.truncate_working_tables(connection)
        causes = [row["traceparent"] for row in waiting_batches]
        with tracing.span("fold", causes=causes, tidemark__records=record_count):
            await fold_batches(connection, waiting_batches, moment)
            await _sql.mark_folded(connection, batches=batches, learned_at=moment)
    _log.info("folded", batches=len(batches), first=batches[0], last=batches[-1])
    published_at = [row["published_at"] for row in waiting_batches if row["published_at"]]
    return FoldResult(batches, record_count, moment, published_at)


async def fold_batches(connection: Connection, batches: Sequence[Mapping[str, Any]], moment: datetime) -> None:
    """Fold rows of ``batches``, as learned at ``moment``: teams and rates, then contracts, then all work at once."""
    for log, fold_batch in (("directory", _fold_directory_batch), ("contracts", _fold_contract_batch)):
        for row in batches:
            if row["log"] == log:
                with bound_contextvars(correlation_id=row["correlation_id"]):
                    await fold_batch(connection, row["batch"], moment)
    if fact_batches := [row for row in batches if row["log"] == "facts"]:
        with bound_contextvars(correlation_id=fact_batches[0]["correlation_id"]):
            await fold_facts(connection, [row["batch"] for row in fact_batches], moment)


async def _fold_directory_batch(connection: Connection, batch: int, moment: datetime) -> None:
    rows = _sql.logged_directory(connection, batch=batch)
    await fold_directory(connection, [decode_directory_change(row) async for row in rows], moment)


async def _fold_contract_batch(connection: Connection, batch: int, moment: datetime) -> None:
    rows = _sql.logged_contracts(connection, batch=batch)
    changes = [ContractChanged.model_validate_json(row["event"]) async for row in rows]
    await fold_contracts(connection, changes, moment)


def decode_directory_change(row: LoggedDirectoryRow) -> DirectoryChanged:
    """The event in a row of ``directory_log``."""
    change: DirectoryChanged = EVENT_TYPES[DIRECTORY][row["type"]].model_validate_json(row["event"])  # type: ignore[assignment]
    return change


async def fold_facts(connection: Connection, batches: Sequence[int], moment: datetime) -> None:
    """Fold the worklogs and links of these batches."""
    backdated_facts = [row async for row in _sql.backdated_facts(connection, batches=batches, moment=moment)]
    for wave in split_into_waves(backdated_facts):
        scope: dict[str, Any] = {
            "batches": batches,
            "first_batch": wave.first.batch,
            "first_offset": wave.first.record_offset,
            "end_batch": wave.end.batch,
            "end_offset": wave.end.record_offset,
        }
        await (_sql.truncate_working_tables if wave.first > START else _sql.clear_deltas)(connection)
        changed_links = await _sql.fold_links(connection, **scope)
        await _sql.stage_facts(connection, **scope)
        await _sql.fold_worklogs(connection)
        await _sql.clear_batch_worklogs(connection)
        if changed_links and changed_links["issues"]:
            await _sql.stage_issues(connection, **changed_links)
            await _reattribute(connection)
        await _apply_deltas(connection, moment)


async def fold_contracts(connection: Connection, changes: Sequence[ContractChanged], moment: datetime) -> None:
    """Apply versions of contracts: the first of each, then the second of each, and so on, so that each is a cause."""
    for group in independent_groups(changes, lambda change: [change.contract_id]):
        for chunk in chunks(group, _MAX_CONTRACTS):
            await apply_contracts(connection, chunk, moment)
    _log.info("contracts_changed", contracts=sorted({str(change.contract_id) for change in changes}))


async def apply_contracts(connection: Connection, changes: Sequence[ContractChanged], moment: datetime) -> None:
    """Apply one version of each contract. The newest version holds, whatever order they come in."""
    await _sql.clear_deltas(connection)
    ids = [change.contract_id for change in changes]
    await freeze(connection, ids, moment)
    await _sql.close_contract_periods(connection, ids=ids)
    rows = {change.contract_id: contract_rows(change) for change in changes}
    contracts = json_rows(ContractsTableRow, (row.contract for row in rows.values()))
    changed_ids = {row["contract_id"] async for row in _sql.apply_contracts(connection, rows=contracts)}
    changed_rows = [rows[contract_id] for contract_id in rows if contract_id in changed_ids]
    await _sql.delete_terms(connection, ids=changed_ids)
    accounts = json_rows(AccountsTableRow, chain.from_iterable(row.accounts for row in changed_rows))
    await _sql.insert_accounts(connection, rows=accounts)
    account_teams = json_rows(AccountTeamsTableRow, chain.from_iterable(row.account_teams for row in changed_rows))
    await _sql.insert_account_teams(connection, rows=account_teams)
    await _sql.insert_periods(
        connection, rows=json_rows(PeriodsTableRow, chain.from_iterable(row.periods for row in changed_rows))
    )
    adjustments = json_rows(AdjustmentsTableRow, chain.from_iterable(row.adjustments for row in changed_rows))
    await _sql.insert_adjustments(connection, rows=adjustments)
    await apply_every_version(connection, changes)
    versions = {ref: change.stream_version for change in changes for ref in contract_refs(change)}
    await _sql.delete_contract_refs(connection, refs=list(versions))
    await _sql.insert_contract_refs(connection, refs=list(versions))
    await _sql.stage_contracts(connection, refs=list(versions), versions=list(versions.values()))
    await _reattribute(connection)
    await _sql.affect_contracts(connection, ids=changed_ids)
    await _apply_deltas(connection, moment, closed_contracts=ids)
    await _sql.mark_contracts_dirty(connection, ids=changed_ids, moment=moment, **_cause())


async def apply_every_version(connection: Connection, changes: Sequence[ContractChanged]) -> None:
    """Store what remains of every version, newest or not: names of accounts, activation, holiday calendars."""
    await _insert_holidays(connection, {change.terms.holidays for change in changes if change.terms.holidays})
    await _sql.set_account_refs(
        connection, rows=json_rows(AccountRefsTableRow, chain.from_iterable(map(account_ref_rows, changes)))
    )
    await _sql.set_activated(connection, rows=json_rows(SetActivatedTableRow, activation_rows(changes)))


async def _insert_holidays(connection: Connection, codes: Collection[str]) -> None:
    missing_codes = [row["code"] async for row in _sql.missing_calendars(connection, codes=list(codes))]
    for code in missing_codes:
        days = public_holidays(code, range(FIRST_YEAR, LAST_YEAR + 1))
        await _sql.insert_holidays(connection, code=code, days=days)


async def fold_directory(connection: Connection, changes: Sequence[DirectoryChanged], moment: datetime) -> None:
    """Apply versions of organizations, teams and rate cards."""
    persons: dict[UUID, set[str]] = {}
    for change in changes:
        # Several versions of one team may come together, in any order: the persons of all of them are affected.
        persons[change.id] = persons.get(change.id, set()) | await _affected_persons(connection, change)
    for group in independent_groups(changes, lambda change: [change.id, *persons[change.id]]):
        await apply_directory(connection, group, persons, moment)


async def apply_directory(
    connection: Connection,
    changes: Sequence[DirectoryChanged],
    persons: Mapping[UUID, Collection[str]],
    moment: datetime,
) -> None:
    """Apply one version of each entity; ``persons`` are those whose work it may affect."""
    await _sql.clear_deltas(connection)
    organizations = [organization_row(change) for change in changes if isinstance(change, OrganizationChanged)]
    await _sql.apply_organizations(connection, rows=json_rows(OrganizationsTableRow, organizations))
    await _apply_teams(connection, [change for change in changes if isinstance(change, TeamChanged)], persons)
    await _apply_rate_cards(connection, [change for change in changes if isinstance(change, RateCardChanged)])
    await _apply_deltas(connection, moment)


async def _affected_persons(connection: Connection, change: DirectoryChanged) -> set[str]:
    """The persons whose work may be affected: of a rate card its person, of a team its old and new members."""
    if isinstance(change, RateCardChanged):
        return {change.person_id}
    if isinstance(change, OrganizationChanged):
        return set()
    old_members = {row["person_id"] async for row in _sql.persons_of_team(connection, team=change.id)}
    return old_members | {member.person_id for member in change.members}


async def _apply_teams(
    connection: Connection, teams: Sequence[TeamChanged], persons: Mapping[UUID, Collection[str]]
) -> None:
    rows = json_rows(TeamsTableRow, map(team_row, teams))
    changed_ids = {row["team_id"] async for row in _sql.apply_teams(connection, rows=rows)}
    await _sql.delete_memberships(connection, teams=changed_ids)
    memberships = chain.from_iterable(membership_rows(team) for team in teams if team.id in changed_ids)
    await _sql.insert_memberships(connection, rows=json_rows(MembershipsTableRow, memberships))
    pairs = [(team, person) for team in changed_ids for person in persons.get(team, ())]
    await _sql.stage_members(connection, teams=[team for team, _ in pairs], persons=[person for _, person in pairs])
    await _reattribute(connection)


async def _apply_rate_cards(connection: Connection, cards: Sequence[RateCardChanged]) -> None:
    rows = json_rows(RateCardsTableRow, map(rate_card_row, cards))
    changed_ids = [row["rate_card_id"] async for row in _sql.apply_rate_cards(connection, rows=rows)]
    await _sql.affect_rate_cards(connection, ids=changed_ids)


async def _reattribute(connection: Connection) -> None:
    """Attribute the staged work again; work that now counts elsewhere becomes deltas."""
    await _sql.reattribute(connection)
    await _sql.clear_batch_worklogs(connection)


async def _apply_deltas(connection: Connection, moment: datetime, *, closed_contracts: Sequence[UUID] = ()) -> None:
    """Rate, restate and add up the deltas. The closed periods of ``closed_contracts`` are already stored."""
    await _rate_changes(connection)
    closed = await _sql.close_changed_periods(connection, except_contracts=closed_contracts, moment=moment)
    if closed and closed["has_closed_periods"]:
        await freeze(connection, closed["contracts"], moment)
        await restate(connection, moment)
    await _add_to_totals(connection)


async def apply_staged(connection: Connection) -> None:
    """Attribute, rate and add up the staged work in shadow tables, which have no closed periods to restate."""
    await _sql.fold_worklogs(connection)
    await _rate_changes(connection)
    await _add_to_totals(connection)


async def _rate_changes(connection: Connection) -> None:
    await _sql.affect_changed_person_days(connection)
    if await _sql.reverse_ratings(connection):
        await _sql.rate(connection)


async def _add_to_totals(connection: Connection) -> None:
    await _sql.add_to_totals(connection)
    await _sql.add_to_unaccounted_totals(connection)
    await _sql.delete_empty_totals(connection)
    await _sql.mark_dirty(connection, **_cause())


def _cause() -> dict[str, str | None]:
    """What a changed balance carries on."""
    return {"correlation_id": get_correlation_id(), "traceparent": tracing.traceparent()}
