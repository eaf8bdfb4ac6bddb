"""The types of the queries in ``queries/``. Generated (`make query-types`): do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol, TypedDict
from uuid import UUID


from tidemark_shared.database import Connection, JsonRows

# Postgres does not say whether a column of a result may be null, so its type is `T | Any`.


class AccountRefsTableRow(TypedDict):
    contract_id: Any
    ref: Any
    account_id: Any
    stream_version: Any


class AccountTeamsTableRow(TypedDict):
    contract_id: Any
    account_id: Any
    team_id: Any
    position: Any
    is_slice: Any
    planned: Any


class AccountsTableRow(TypedDict):
    contract_id: Any
    account_id: Any
    position: Any
    name: Any
    billable: Any
    planned: Any


class AdjustmentsTableRow(TypedDict):
    contract_id: Any
    account_id: Any
    period_start: Any
    planned: Any


class ContractsTableRow(TypedDict):
    contract_id: Any
    stream_version: Any
    status: Any
    code: Any
    name: Any
    organization_id: Any
    owner_name: Any
    owner_email: Any
    type: Any
    recurrence: Any
    start_date: Any
    end_date: Any
    timezone: Any
    holidays: Any
    currency: Any
    currency_digits: Any
    scale_divisor: Any
    contracted: Any
    unused: Any
    cap: Any
    lapse_after: Any
    overrun: Any
    settle_days: Any
    activated_at: Any
    changed_at: Any
    renewed_from: Any
    renewed_as: Any


class MembershipsTableRow(TypedDict):
    person_id: Any
    team_id: Any
    first_day: Any
    last_day: Any
    name: Any


class OrganizationsTableRow(TypedDict):
    organization_id: Any
    version: Any
    name: Any


class PeriodsTableRow(TypedDict):
    contract_id: Any
    period_start: Any
    period_end: Any


class PublishedBalancesTableRow(TypedDict):
    contract_id: Any
    attention: Any
    urgency: Any
    body: Any


class RateCardsTableRow(TypedDict):
    rate_card_id: Any
    version: Any
    deleted: Any
    person_id: Any
    team_id: Any
    first_day: Any
    currency: Any
    workload_seconds: Any
    normal: Any
    extra_time: Any
    weekend: Any
    holiday: Any


class SetActivatedTableRow(TypedDict):
    contract_id: Any
    activated_at: Any


class StatementsTableRow(TypedDict):
    contract_id: Any
    period_start: Any
    period_end: Any
    number: Any
    as_of: Any
    closed_at: Any
    last_restatement: Any
    body: Any
    sha256: Any


class TeamsTableRow(TypedDict):
    team_id: Any
    version: Any
    name: Any


class ApplyContractsRow(TypedDict):
    contract_id: UUID | Any


class ApplyRateCardsRow(TypedDict):
    rate_card_id: UUID | Any


class ApplyTeamsRow(TypedDict):
    team_id: UUID | Any


class BackdatedFactsRow(TypedDict):
    batch: int | Any
    record_offset: int | Any
    kind: str | Any
    source: str | Any
    issue_id: str | Any
    worklog_id: str | Any
    author_id: str | Any
    former_issue_id: str | Any
    former_author_id: str | Any
    is_fixed_price: bool | Any


class BacklogRow(TypedDict):
    records: int | Any
    seconds: float | Any


class BalanceToPublishRow(TypedDict):
    revision: int | Any
    correlation_id: str | Any
    traceparent: str | Any
    body: str | Any
    end_date: date | Any
    today: date | Any


class BatchesFoldedSinceRow(TypedDict):
    batch: int | Any
    log: str | Any
    correlation_id: str | Any
    learned_at: datetime | Any


class CheckedAttributionsRow(TypedDict):
    is_former: bool | Any
    reason: str | Any
    contract_id: UUID | Any
    contract_code: str | Any
    contract_name: str | Any
    scale_divisor: int | Any
    account_id: UUID | Any
    account_name: str | Any
    billable: bool | Any
    team_id: UUID | Any
    team_name: str | Any
    period_start: date | Any
    period_end: date | Any
    day: date | Any
    period_begins: datetime | Any


class CheckedIssuesRow(TypedDict):
    source: str | Any
    issue_id: str | Any
    timezone: str | Any


class CheckedRatesRow(TypedDict):
    kind: str | Any
    seconds: int | Any
    per_hour_minor: int | Any
    amount_exact: Decimal | Any


class CloseChangedPeriodsRow(TypedDict):
    contracts: list[UUID | Any] | Any
    has_closed_periods: bool | Any


class ContractWorklogsRow(TypedDict):
    source: str | Any
    worklog_id: str | Any
    issue_id: str | Any
    issue_key: str | Any
    summary: str | Any
    author_id: str | Any
    started_at: datetime | Any
    seconds: int | Any
    day: date | Any
    account_id: UUID | Any
    account_name: str | Any
    billable: bool | Any
    team_id: UUID | Any
    team_name: str | Any
    period_start: date | Any
    reason: str | Any
    amount_exact: Decimal | Any
    unrated_seconds: int | Any
    description: str | Any
    updated_at: datetime | Any


class ContractsInScopeRow(TypedDict):
    event: str | Any


class CurveRow(TypedDict):
    day: date | Any
    whole: str | Any
    period: str | Any


class CustomerContractsRow(TypedDict):
    contract_id: UUID | Any
    sort_key: str | Any
    contract_name: str | Any
    type: str | Any
    recurrence: str | Any
    start_date: date | Any
    end_date: date | Any
    timezone: str | Any
    updated_at: datetime | Any
    exhausts_on: date | Any
    body: str | Any


class CustomerStatementRestatementsRow(TypedDict):
    period_start: date | Any
    account_id: UUID | Any
    account_name: str | Any
    before_seconds: int | Any
    after_seconds: int | Any
    before_amount_minor: int | Any
    after_amount_minor: int | Any
    restated_at: datetime | Any


class CustomerStatementsRow(TypedDict):
    number: int | Any
    body: str | Any
    sha256: str | Any
    billable_corrections: str | Any


class DamagedStatementsRow(TypedDict):
    contract_id: UUID | Any
    period_start: date | Any
    sha256: str | Any
    body_sha256: str | Any


class DifferencesRow(TypedDict):
    key: str | Any
    side: str | Any
    row: str | Any


class DirectoryInScopeRow(TypedDict):
    type: str | Any
    event: str | Any


class DirtyBalancesRow(TypedDict):
    contract_id: UUID | Any


class FactsOfRow(TypedDict):
    batch: int | Any
    record_offset: int | Any
    worklog_id: str | Any
    issue_id: str | Any
    started_at: datetime | Any
    seconds: int | Any
    team_ref: str | Any
    changed_at: datetime | Any


class FindStatementRow(TypedDict):
    body: str | Any
    sha256: str | Any


class FoldLinksRow(TypedDict):
    sources: list[str | Any] | Any
    issues: list[str | Any] | Any
    batches: list[int | Any] | Any
    offsets: list[int | Any] | Any


class LastVerificationRow(TypedDict):
    started_at: datetime | Any
    finished_at: datetime | Any
    row_count: int | Any
    difference_count: int | Any


class ListBalancesRow(TypedDict):
    counts: str | Any
    contract_id: UUID | Any
    sort_key: str | Any
    attention: list[str | Any] | Any
    name: str | Any
    organization_id: UUID | Any
    organization_name: str | Any
    owner_name: str | Any
    owner_email: str | Any
    type: str | Any
    recurrence: str | Any
    start_date: date | Any
    end_date: date | Any
    timezone: str | Any
    status: str | Any
    body: str | Any


class ListRevisionsRow(TypedDict):
    contract_id: UUID | Any
    revision: int | Any


class ListStatementsRow(TypedDict):
    body: str | Any
    sha256: str | Any


class LoggedContractVersionsRow(TypedDict):
    contract_id: UUID | Any
    stream_version: int | Any
    occurred_at: datetime | Any


class LoggedContractsRow(TypedDict):
    event: str | Any


class LoggedDirectoryRow(TypedDict):
    type: str | Any
    event: str | Any


class LoggedEntityVersionsRow(TypedDict):
    entity_id: UUID | Any
    version: int | Any
    event: str | Any


class MissingCalendarsRow(TypedDict):
    code: str | Any


class OldestDirtyBalanceRow(TypedDict):
    contract_id: UUID | Any
    name: str | Any
    seconds: float | Any


class PacesRow(TypedDict):
    contract_id: UUID | Any
    today: date | Any
    period_start: date | Any
    period_end: date | Any
    available: Decimal | Any
    consumed: Decimal | Any
    days: list[date | Any] | Any
    amounts: list[Decimal | Any] | Any


class PeopleCapacityRow(TypedDict):
    person_id: str | Any
    week: date | Any
    capacity_seconds: int | Any


class PeopleMembershipsRow(TypedDict):
    person_id: str | Any
    name: str | Any
    team_id: UUID | Any
    team_name: str | Any


class PeopleNamesRow(TypedDict):
    person_id: str | Any
    name: str | Any


class PeopleWorkRow(TypedDict):
    author_id: str | Any
    week: date | Any
    contract_id: UUID | Any
    contract_code: str | Any
    contract_name: str | Any
    billable_seconds: int | Any
    non_billable_seconds: int | Any
    unaccounted_seconds: int | Any


class PersonIdentitiesRow(TypedDict):
    person_id: str | Any
    name: str | Any
    email: str | Any


class PersonsOfTeamRow(TypedDict):
    person_id: str | Any


class ProjectionTablesRow(TypedDict):
    name: str | Any


class QueuesRow(TypedDict):
    name: str | Any
    length: int | Any
    oldest_at: datetime | Any


class ReportContractsRow(TypedDict):
    contract_id: UUID | Any
    code: str | Any
    name: str | Any
    owner_name: str | Any
    owner_email: str | Any
    type: str | Any
    recurrence: str | Any
    start_date: date | Any
    end_date: date | Any
    timezone: str | Any
    scale_divisor: int | Any
    body: str | Any


class ReportDaysRow(TypedDict):
    contract_id: UUID | Any
    day: date | Any
    seconds: int | Any
    consumed: int | Any
    cumulative: int | Any


class ReportOrganizationRow(TypedDict):
    name: str | Any


class ReportPeopleRow(TypedDict):
    contract_id: UUID | Any
    author_id: str | Any
    author_name: str | Any
    billable: bool | Any
    seconds: int | Any
    hours: Decimal | Any
    consumed: int | Any
    amount: Decimal | Any
    unrated_seconds: int | Any
    worklog_count: int | Any


class ReportRestatementsRow(TypedDict):
    contract_id: UUID | Any
    account_id: UUID | Any
    account_name: str | Any
    period_start: date | Any
    period_end: date | Any
    before_seconds: int | Any
    after_seconds: int | Any
    before_amount_minor: int | Any
    after_amount_minor: int | Any
    cause: str | Any
    restated_at: datetime | Any


class ReportTeamsRow(TypedDict):
    team_id: UUID | Any
    name: str | Any


class ReportUnaccountedRow(TypedDict):
    contract_id: UUID | Any
    reason: str | Any
    seconds: int | Any
    hours: Decimal | Any
    worklog_count: int | Any


class ReportWorkRow(TypedDict):
    contract_id: UUID | Any
    account_id: UUID | Any
    team_id: UUID | Any
    team_name: str | Any
    billable: bool | Any
    by_account: bool | Any
    by_team: bool | Any
    seconds: int | Any
    hours: Decimal | Any
    consumed: int | Any
    amount: Decimal | Any
    unrated_seconds: int | Any
    worklog_count: int | Any


class RestateRow(TypedDict):
    restatement: int | Any
    contract_id: UUID | Any
    contract_code: str | Any
    statement_number: int | Any
    statement_sha256: str | Any
    period_start: date | Any
    period_end: date | Any
    account_id: UUID | Any
    account_name: str | Any
    billable: bool | Any
    before_seconds: int | Any
    after_seconds: int | Any
    before_amount_minor: int | Any
    after_amount_minor: int | Any
    currency: str | Any
    cause: str | Any
    restated_at: datetime | Any


class StatementRestatementsRow(TypedDict):
    restatement: int | Any
    contract_id: UUID | Any
    contract_code: str | Any
    statement_number: int | Any
    statement_sha256: str | Any
    period_start: date | Any
    period_end: date | Any
    account_id: UUID | Any
    account_name: str | Any
    billable: bool | Any
    before_seconds: int | Any
    after_seconds: int | Any
    before_amount_minor: int | Any
    after_amount_minor: int | Any
    currency: str | Any
    cause: str | Any
    restated_at: datetime | Any
    total: int | Any


class StatementsToFreezeRow(TypedDict):
    contract_id: UUID | Any
    period_start: date | Any
    period_end: date | Any
    as_of: datetime | Any
    last_restatement: int | Any
    number: int | Any
    body: str | Any


class UnfoldedBatchesRow(TypedDict):
    batch: int | Any


class WaitingBatchesRow(TypedDict):
    batch: int | Any
    log: str | Any
    record_count: int | Any
    correlation_id: str | Any
    published_at: datetime | Any
    traceparent: str | Any


class ConsumptionQueries(Protocol):
    async def create_shadow_tables(self, connection: Connection, /) -> None:
        """replay.sql"""
        ...

    async def create_working_tables(self, connection: Connection, /) -> None:
        """On every connection that folds. `batch_worklogs`: the worklogs to attribute, with the cause and its position in the
        log. `deltas`: what is subtracted from totals and added to them, and why. `affected_person_days`: the days of persons
        that are rated again. `closed_periods`: the periods that were closed before.
        The planner takes half of the rows of a boolean column to be true, but hardly any of a column without statistics
        to be null.

        working_tables.sql"""
        ...

    async def create_attributions_view(self, connection: Connection, /) -> None:
        """The attribution of each row of `batch_worklogs`. What many worklogs have in common is computed once: the terms of an
        issue, the team of a person on a day, the period of a day.
        The governing date (SPEC W1): of the work, or of the issue.

        attribution.sql"""
        ...

    async def create_rated_worklogs_view(self, connection: Connection, /) -> None:
        """The work of the affected days, each worklog with the card that fits best, and split at the daily workload of that card:
        `kind_seconds` are paid `kind_per_hour`, the rest is extra time. All work that counts on the day fills the workload.
        OFFSET 0 makes the planner look up each person and day, even if its statistics of the table are old.

        rating.sql"""
        ...

    async def add_to_totals(self, connection: Connection, /) -> None:
        """The work that counts, by day and then by period.

        totals.sql"""
        ...

    async def add_to_unaccounted_totals(self, connection: Connection, /) -> None:
        """totals.sql"""
        ...

    async def adopt_statements(self, connection: Connection, /, *, rows: JsonRows[StatementsTableRow]) -> int | Any:
        """Statements that were published and that this database does not have: it was restored or filled again. Gives their
        number. Their restatements are those to come.

        statements.sql"""
        ...

    async def affect_changed_person_days(self, connection: Connection, /) -> None:
        """The days of persons that have a delta.

        rating.sql"""
        ...

    async def affect_contracts(self, connection: Connection, /, *, ids: Collection[UUID | None] | None) -> None:
        """All work of these contracts: their calendar, their currency or their type may have changed.

        rating.sql"""
        ...

    async def affect_rate_cards(self, connection: Connection, /, *, ids: Collection[UUID | None] | None) -> None:
        """The work that these cards may apply to.

        rating.sql"""
        ...

    async def analyze_figures(self, connection: Connection, /) -> None:
        """After a large change, so that the planner knows the new sizes: autovacuum notices within a minute at best.

        balances.sql"""
        ...

    async def analyze_replayed(self, connection: Connection, /) -> None:
        """The planner has no statistics of rows that were just written.

        replay.sql"""
        ...

    async def append_contracts(
        self,
        connection: Connection,
        /,
        *,
        batch: int | None,
        offsets: Collection[int | None] | None,
        ids: Collection[UUID | None] | None,
        versions: Collection[int | None] | None,
        events: Collection[str | None] | None,
    ) -> None:
        """ingest.sql"""
        ...

    async def append_directory(
        self,
        connection: Connection,
        /,
        *,
        batch: int | None,
        offsets: Collection[int | None] | None,
        ids: Collection[UUID | None] | None,
        versions: Collection[int | None] | None,
        types: Collection[str | None] | None,
        events: Collection[str | None] | None,
    ) -> None:
        """ingest.sql"""
        ...

    def apply_contracts(
        self, connection: Connection, /, *, rows: JsonRows[ContractsTableRow]
    ) -> AsyncIterator[ApplyContractsRow]:
        """The newest version of each contract, where it is newer than the stored one. Gives the contracts that changed.

        contracts.sql"""
        ...

    async def apply_organizations(self, connection: Connection, /, *, rows: JsonRows[OrganizationsTableRow]) -> None:
        """directory.sql"""
        ...

    def apply_rate_cards(
        self, connection: Connection, /, *, rows: JsonRows[RateCardsTableRow]
    ) -> AsyncIterator[ApplyRateCardsRow]:
        """Gives the cards that changed.

        directory.sql"""
        ...

    def apply_teams(self, connection: Connection, /, *, rows: JsonRows[TeamsTableRow]) -> AsyncIterator[ApplyTeamsRow]:
        """Gives the teams that changed.

        directory.sql"""
        ...

    def backdated_facts(
        self, connection: Connection, /, *, batches: Collection[int | None] | None, moment: datetime | None
    ) -> AsyncIterator[BackdatedFactsRow]:
        """deltas.sql"""
        ...

    async def backlog(
        self, connection: Connection, /, *, now: datetime | None, failing: Collection[int | None] | None
    ) -> BacklogRow | None:
        """How many records wait to be folded, and how many seconds the oldest has waited.

        batches.sql"""
        ...

    async def balance_to_publish(
        self, connection: Connection, /, *, moment: datetime | None, contract: UUID | None
    ) -> BalanceToPublishRow | None:
        """The previous and the current period (SPEC 4), and the revision of these figures.

        balances.sql"""
        ...

    def batches_folded_since(self, connection: Connection, /) -> AsyncIterator[BatchesFoldedSinceRow]:
        """The batches that were folded after the scope was set.

        replay.sql"""
        ...

    async def begin_days(self, connection: Connection, /, *, correlation_id: str | None, now: datetime | None) -> None:
        """Where a new day has begun in the time zone of the contract. Any number of instances can do this at the same time.

        balances.sql"""
        ...

    async def begin_fold(self, connection: Connection, /, *, now: datetime | None) -> datetime | Any:
        """Locks the row of the projector until the transaction ends. Gives the moment at which the following facts are
        learned: later than every earlier fold, and than every moment that was queried. Null where no batch waits, and while
        another process folds.

        batches.sql"""
        ...

    async def begin_settlement(self, connection: Connection, /, *, now: datetime | None) -> datetime | Any:
        """Locks the row of the projector until the transaction ends. Gives the moment of the settlement: never before what is
        already folded. Null while another process folds.

        statements.sql"""
        ...

    async def check_terms(
        self,
        connection: Connection,
        /,
        *,
        contracts: JsonRows[ContractsTableRow],
        accounts: JsonRows[AccountsTableRow],
        account_teams: JsonRows[AccountTeamsTableRow],
        adjustments: JsonRows[AdjustmentsTableRow],
    ) -> None:
        """The conversions that the fold will do, and whether Postgres knows the time zone.

        ingest.sql"""
        ...

    def checked_attributions(
        self, connection: Connection, /, *, source: str | None, worklog_id: str | None
    ) -> AsyncIterator[CheckedAttributionsRow]:
        """Where the staged worklog would count, and then where its former version counts. `period_begins` is a moment of the
        first day of the period.

        check.sql"""
        ...

    async def checked_balance(
        self, connection: Connection, /, *, contract: UUID | None, moment: datetime | None
    ) -> str | Any:
        """The balance of a contract as it is published; null where a draft was discarded.

        check.sql"""
        ...

    def checked_issues(
        self, connection: Connection, /, *, issue: str | None, source: str | None
    ) -> AsyncIterator[CheckedIssuesRow]:
        """The issues with this id or, where there is none, with this key; with the time zone of their contract.

        check.sql"""
        ...

    def checked_rates(
        self, connection: Connection, /, *, source: str | None, worklog_id: str | None
    ) -> AsyncIterator[CheckedRatesRow]:
        """Fixed price: the parts of the worklog, each at its rate. None where no rate card fits.

        check.sql"""
        ...

    async def clear_batch_worklogs(self, connection: Connection, /) -> None:
        """working_tables.sql"""
        ...

    async def clear_deltas(self, connection: Connection, /) -> None:
        """Removes what an earlier step of the same transaction left.

        working_tables.sql"""
        ...

    async def close_changed_periods(
        self, connection: Connection, /, *, except_contracts: Collection[UUID | None] | None, moment: datetime | None
    ) -> CloseChangedPeriodsRow | None:
        """The closed periods that have a delta, except those of some contracts: closed by the clock, or by a statement. Gives
        their contracts, and whether there is any closed period at all.

        restatement.sql"""
        ...

    async def close_contract_periods(self, connection: Connection, /, *, ids: Collection[UUID | None] | None) -> None:
        """Before the terms of these contracts change: their periods that have a statement.

        restatement.sql"""
        ...

    async def contract_by_ref(self, connection: Connection, /, *, ref: str | None) -> UUID | Any:
        """The id of a contract by id or code.

        figures.sql"""
        ...

    def contract_worklogs(
        self,
        connection: Connection,
        /,
        *,
        contract: UUID | None,
        reasons: Collection[str | None] | None,
        account: UUID | None,
        by_team: bool | None,
        team: UUID | None,
        period: date | None,
        day: date | None,
        billable: bool | None,
        started_at: datetime | None,
        source: str | None,
        worklog_id: str | None,
        max_rows: int | None,
    ) -> AsyncIterator[ContractWorklogsRow]:
        """In the order of their start, those after the worklog that is named; `reasons` null: those that count.

        figures.sql"""
        ...

    def contracts_in_scope(
        self, connection: Connection, /, *, ref: str | None, organization: UUID | None
    ) -> AsyncIterator[ContractsInScopeRow]:
        """Every version of every contract or, with a reference or an organization, of the contracts that it names or that ever
        belonged to it, and of those that share a code with them.
        An id comes before a code, even where the code is the id of another contract.

        replay.sql"""
        ...

    def curve(
        self,
        connection: Connection,
        /,
        *,
        contract: UUID | None,
        account: UUID | None,
        by_team: bool | None,
        team: UUID | None,
        moment: datetime | None,
    ) -> AsyncIterator[CurveRow]:
        """Each day from the first day to today or the last day, and days of work outside of these: what was consumed by the
        end of the day, in total and in the period that holds the day. Of billable accounts or, where it is named, of an
        account or of one of its teams. Sums run over days and work together, so each is read once.
        Work of a fixed price can be on days that are in no period.

        figures.sql"""
        ...

    async def customer_contract_id(
        self, connection: Connection, /, *, ref: str | None, organization: UUID | None
    ) -> UUID | Any:
        """customers.sql"""
        ...

    def customer_contracts(
        self,
        connection: Connection,
        /,
        *,
        organization: UUID | None,
        ref: str | None,
        after_key: str | None,
        after_id: UUID | None,
        max_rows: int | None,
        moment: datetime | None,
        complete: bool | None,
    ) -> AsyncIterator[CustomerContractsRow]:
        """The contracts of an organization, or the one that `ref` names; drafts and discarded contracts are none. Active ones
        first, then by last day and code. `complete`: the balance has all periods, else the current and the previous one.

        customers.sql"""
        ...

    def customer_statement_restatements(
        self, connection: Connection, /, *, contract: UUID | None, period_start: date | None
    ) -> AsyncIterator[CustomerStatementRestatementsRow]:
        """What has corrected the statement of a period: each billable account that comes to something else now, from the first
        restatement to the last.

        customers.sql"""
        ...

    def customer_statements(
        self,
        connection: Connection,
        /,
        *,
        contract: UUID | None,
        organization: UUID | None,
        period_start: date | None,
        after: int | None,
        max_rows: int | None,
    ) -> AsyncIterator[CustomerStatementsRow]:
        """The statements that were made for an organization, in the order frozen: that of a period, or those after a number.
        `billable_corrections`: the positions of the corrections whose account the corrected statement bills.

        customers.sql"""
        ...

    def damaged_statements(self, connection: Connection, /) -> AsyncIterator[DamagedStatementsRow]:
        """Statements that are no longer as they were frozen.

        statements.sql"""
        ...

    async def delete_contract_refs(self, connection: Connection, /, *, refs: Collection[str | None] | None) -> None:
        """contracts.sql"""
        ...

    async def delete_empty_totals(self, connection: Connection, /) -> None:
        """A total without work has no row, so the rows do not depend on the order of the facts. Only totals that were
        subtracted from can be empty.

        totals.sql"""
        ...

    async def delete_memberships(self, connection: Connection, /, *, teams: Collection[UUID | None] | None) -> None:
        """directory.sql"""
        ...

    async def delete_terms(self, connection: Connection, /, *, ids: Collection[UUID | None] | None) -> None:
        """contracts.sql"""
        ...

    def differences(self, connection: Connection, /, *, relation: str | None) -> AsyncIterator[DifferencesRow]:
        """The actual row beside the expected row, where both have the key.

        replay.sql"""
        ...

    def directory_in_scope(self, connection: Connection, /) -> AsyncIterator[DirectoryInScopeRow]:
        """The newest version of each entity; of equal versions the first.

        replay.sql"""
        ...

    def dirty_balances(
        self, connection: Connection, /, *, excluded: Collection[UUID | None] | None, limit: int | None
    ) -> AsyncIterator[DirtyBalancesRow]:
        """The contracts whose balance changed since it was last published, those that have waited longest first: so contracts
        that change all the time never keep another one waiting.
        While a backlog is folded, a balance changes again soon: it is published only every few seconds.

        balances.sql"""
        ...

    def facts_of(self, connection: Connection, /, *, author: str | None) -> AsyncIterator[FactsOfRow]:
        """people_forgotten.sql"""
        ...

    async def find_statement(
        self, connection: Connection, /, *, contract: UUID | None, period_start: date | None
    ) -> FindStatementRow | None:
        """statements.sql"""
        ...

    async def first_moment(self, connection: Connection, /) -> datetime | Any:
        """Null where nothing was learned yet. An earlier moment has no answer: nothing was learned then, or the database was
        filled again.

        replay.sql"""
        ...

    async def fold_links(
        self,
        connection: Connection,
        /,
        *,
        batches: Collection[int | None] | None,
        first_batch: int | None,
        first_offset: int | None,
        end_batch: int | None,
        end_offset: int | None,
    ) -> FoldLinksRow | None:
        """The last writer of each link. Gives the issues whose link changed, and the record that changed it.

        deltas.sql"""
        ...

    async def fold_worklogs(self, connection: Connection, /) -> None:
        """The last writer of each worklog, with its attribution. What counted before and what counts now become deltas.

        deltas.sql"""
        ...

    async def has_waiting_batches(self, connection: Connection, /, *, last_batch: int | None) -> bool | Any:
        """Whether batches up to this one wait to be folded.

        batches.sql"""
        ...

    async def has_waiting_contracts(self, connection: Connection, /) -> bool | Any:
        """Whether events of contracts wait to be folded.

        batches.sql"""
        ...

    async def insert_account_teams(self, connection: Connection, /, *, rows: JsonRows[AccountTeamsTableRow]) -> None:
        """contracts.sql"""
        ...

    async def insert_accounts(self, connection: Connection, /, *, rows: JsonRows[AccountsTableRow]) -> None:
        """contracts.sql"""
        ...

    async def insert_adjustments(self, connection: Connection, /, *, rows: JsonRows[AdjustmentsTableRow]) -> None:
        """contracts.sql"""
        ...

    async def insert_batch(
        self,
        connection: Connection,
        /,
        *,
        cluster: str | None,
        topic: str | None,
        partition: int | None,
        log: str | None,
        first_offset: int | None,
        record_count: int | None,
        published_at: datetime | None,
        correlation_id: str | None,
        traceparent: str | None,
    ) -> int | Any:
        """ingest.sql"""
        ...

    async def insert_contract_refs(self, connection: Connection, /, *, refs: Collection[str | None] | None) -> None:
        """The contract that each reference names now: an id comes before a code, a discarded draft has no reference.

        contracts.sql"""
        ...

    async def insert_holidays(
        self, connection: Connection, /, *, code: str | None, days: Collection[date | None] | None
    ) -> None:
        """contracts.sql"""
        ...

    async def insert_memberships(self, connection: Connection, /, *, rows: JsonRows[MembershipsTableRow]) -> None:
        """directory.sql"""
        ...

    async def insert_periods(self, connection: Connection, /, *, rows: JsonRows[PeriodsTableRow]) -> None:
        """contracts.sql"""
        ...

    async def insert_statements(self, connection: Connection, /, *, rows: JsonRows[StatementsTableRow]) -> None:
        """A period has one statement: a second one is an error.

        statements.sql"""
        ...

    async def is_rebuild_due(self, connection: Connection, /) -> bool | Any:
        """replay.sql"""
        ...

    async def is_settlement_due(
        self, connection: Connection, /, *, contracts: Collection[UUID | None] | None, moment: datetime | None
    ) -> bool | Any:
        """Whether a period of these contracts (null: of all) is closed and has no statement.

        statements.sql"""
        ...

    async def last_batch(self, connection: Connection, /) -> int | Any:
        """batches.sql"""
        ...

    async def last_fold(self, connection: Connection, /) -> datetime | Any:
        """Grows with each fold.

        batches.sql"""
        ...

    async def last_verification(self, connection: Connection, /) -> LastVerificationRow | None:
        """operations.sql"""
        ...

    def list_balances(
        self,
        connection: Connection,
        /,
        *,
        organization: UUID | None,
        owner: str | None,
        first_day: date | None,
        last_day: date | None,
        text: str | None,
        statuses: Collection[str | None] | None,
        reasons: Collection[str | None] | None,
        after_key: str | None,
        after_id: UUID | None,
        max_rows: int | None,
    ) -> AsyncIterator[ListBalancesRow]:
        """By urgency, last day and code. Each row also has the counts of all contracts that match, whatever their status and
        reasons; where no contract is left, the only row has just these.

        overview.sql"""
        ...

    def list_revisions(
        self, connection: Connection, /, *, ids: Collection[UUID | None] | None
    ) -> AsyncIterator[ListRevisionsRow]:
        """overview.sql"""
        ...

    def list_statements(
        self, connection: Connection, /, *, contract: UUID | None, after: int | None, max_rows: int | None
    ) -> AsyncIterator[ListStatementsRow]:
        """In the order frozen, those after a number.

        statements.sql"""
        ...

    async def lock_projection(self, connection: Connection, /) -> None:
        """replay.sql"""
        ...

    def logged_contract_versions(
        self, connection: Connection, /, *, ids: Collection[UUID | None] | None, versions: Collection[int | None] | None
    ) -> AsyncIterator[LoggedContractVersionsRow]:
        """Of these versions of contracts, those that were read before, and when each was decided.

        ingest.sql"""
        ...

    def logged_contracts(self, connection: Connection, /, *, batch: int | None) -> AsyncIterator[LoggedContractsRow]:
        """In the order in which they are learned. Of two events of one version the first holds, as when the log is replayed.

        contracts.sql"""
        ...

    def logged_directory(self, connection: Connection, /, *, batch: int | None) -> AsyncIterator[LoggedDirectoryRow]:
        """directory.sql"""
        ...

    def logged_entity_versions(
        self, connection: Connection, /, *, ids: Collection[UUID | None] | None, versions: Collection[int | None] | None
    ) -> AsyncIterator[LoggedEntityVersionsRow]:
        """Of these versions of entities of the directory, those that were read before, as they were.

        ingest.sql"""
        ...

    async def mark_all_dirty(self, connection: Connection, /, *, correlation_id: str | None) -> None:
        """balances.sql"""
        ...

    async def mark_contracts_dirty(
        self,
        connection: Connection,
        /,
        *,
        moment: datetime | None,
        correlation_id: str | None,
        traceparent: str | None,
        ids: Collection[UUID | None] | None,
    ) -> None:
        """The terms of a contract are part of its balance, so a change of them is published as a change of work is.

        balances.sql"""
        ...

    async def mark_dirty(
        self, connection: Connection, /, *, correlation_id: str | None, traceparent: str | None
    ) -> None:
        """The balances that the deltas change are published.

        balances.sql"""
        ...

    async def mark_folded(
        self, connection: Connection, /, *, learned_at: datetime | None, batches: Collection[int | None] | None
    ) -> None:
        """batches.sql"""
        ...

    async def mark_published(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        revisions: Collection[int | None] | None,
    ) -> None:
        """A row that the fold has locked will be published again anyway. It is skipped, so that the two never wait for each
        other.

        balances.sql"""
        ...

    def missing_calendars(
        self, connection: Connection, /, *, codes: Collection[str | None] | None
    ) -> AsyncIterator[MissingCalendarsRow]:
        """contracts.sql"""
        ...

    async def oldest_dirty_balance(
        self, connection: Connection, /, *, failing: Collection[UUID | None] | None
    ) -> OldestDirtyBalanceRow | None:
        """The balance that has waited longest since its last change, and for how many seconds: a revision is at least the time
        of its change. Those that fail come first.

        balances.sql"""
        ...

    def paces(
        self, connection: Connection, /, *, moment: datetime | None, contracts: Collection[UUID | None] | None
    ) -> AsyncIterator[PacesRow]:
        """What forecasts are made from: what is available and consumed in the current period, and the work of each day, in the
        units of the contract, billable accounts only. No row where no forecast is possible.

        figures.sql"""
        ...

    def people_capacity(
        self,
        connection: Connection,
        /,
        *,
        default_seconds: int | None,
        persons: Collection[str | None] | None,
        first_day: date | None,
        last_day: date | None,
    ) -> AsyncIterator[PeopleCapacityRow]:
        """The seconds that each person has in each week: on each day from Monday to Friday on which the person is a member of a
        team, the daily workload of the latest rate card by then (one for all teams before others), else the default.

        people.sql"""
        ...

    def people_memberships(
        self, connection: Connection, /, *, last_day: date | None, first_day: date | None, team: UUID | None
    ) -> AsyncIterator[PeopleMembershipsRow]:
        """The memberships in the range of everybody or, where a team is named, of its members; the latest ones first.

        people.sql"""
        ...

    def people_names(
        self, connection: Connection, /, *, persons: Collection[str | None] | None
    ) -> AsyncIterator[PeopleNamesRow]:
        """The latest name of each person that has one.

        people.sql"""
        ...

    async def people_team_exists(self, connection: Connection, /, *, team: UUID | None) -> bool | Any:
        """people.sql"""
        ...

    def people_work(
        self,
        connection: Connection,
        /,
        *,
        first_day: date | None,
        last_day: date | None,
        persons: Collection[str | None] | None,
    ) -> AsyncIterator[PeopleWorkRow]:
        """The seconds of each person by week and contract: billable, not billable, and not counted. `persons` null: everybody.
        A day is that of the contract's time zone; work whose contract is unknown has its day in UTC.

        people.sql"""
        ...

    def person_identities(self, connection: Connection, /) -> AsyncIterator[PersonIdentitiesRow]:
        """Authors of work, and what teams, contacts and contracts have said of persons, in every version.

        people_forgotten.sql"""
        ...

    def persons_of_team(self, connection: Connection, /, *, team: UUID | None) -> AsyncIterator[PersonsOfTeamRow]:
        """directory.sql"""
        ...

    def projection_tables(self, connection: Connection, /) -> AsyncIterator[ProjectionTablesRow]:
        """replay.sql"""
        ...

    def queues(self, connection: Connection, /) -> AsyncIterator[QueuesRow]:
        """A revision is at least the time of its change.

        operations.sql"""
        ...

    async def rate(self, connection: Connection, /) -> None:
        """What each worklog of the affected days consumes. A script, so that Postgres plans it each time: one fold may bring many
        rate cards or a calendar, which the plan for few of them would read for each worklog.

        rating.sql"""
        ...

    async def reattribute(self, connection: Connection, /) -> None:
        """Stored work, attributed again. Where the attribution changes, the worklog moves from one total to another.

        deltas.sql"""
        ...

    async def rename_author(self, connection: Connection, /, *, pseudonym: str | None, author: str | None) -> None:
        """people_forgotten.sql"""
        ...

    async def repair(self, connection: Connection, /, *, relation: str | None) -> None:
        """replay.sql"""
        ...

    async def replay_links(self, connection: Connection, /) -> None:
        """The last writer of each link.

        replay.sql"""
        ...

    async def replay_links_to(self, connection: Connection, /, *, refs: Collection[str | None] | None) -> None:
        """The same for the issues that were ever linked to one of these contracts.

        replay.sql"""
        ...

    async def replay_worklogs(self, connection: Connection, /) -> None:
        """The last writer of each worklog.

        replay.sql"""
        ...

    async def replay_worklogs_of(self, connection: Connection, /, *, refs: Collection[str | None] | None) -> None:
        """The same for worklogs that were on an issue linked to one of these contracts. The version that held at the moment is
        the one that holds now, or a former one.

        replay.sql"""
        ...

    def report_contracts(
        self,
        connection: Connection,
        /,
        *,
        organization: UUID | None,
        refs: Collection[str | None] | None,
        last_day: date | None,
        first_day: date | None,
        moment: datetime | None,
        with_accounts: bool | None,
    ) -> AsyncIterator[ReportContractsRow]:
        """The contracts that are named or, where none is, those that left DRAFT and run or have work in the range; each with
        its whole balance, with or without its accounts.

        reports.sql"""
        ...

    def report_days(
        self,
        connection: Connection,
        /,
        *,
        contracts: Collection[UUID | None] | None,
        last_day: date | None,
        accounts: Collection[UUID | None] | None,
        first_day: date | None,
    ) -> AsyncIterator[ReportDaysRow]:
        """Each day of the range with work, and the last one before it, of the accounts that are named or of all billable ones:
        what was done that day, and since the contract began. Sums run over exact units, and are rounded when they are shown.

        reports.sql"""
        ...

    async def report_organization(
        self, connection: Connection, /, *, organization: UUID | None
    ) -> ReportOrganizationRow | None:
        """No row where the organization is unknown; its name is null while only its contracts are known.

        reports.sql"""
        ...

    def report_people(
        self,
        connection: Connection,
        /,
        *,
        contracts: Collection[UUID | None] | None,
        first_day: date | None,
        last_day: date | None,
        accounts: Collection[UUID | None] | None,
    ) -> AsyncIterator[ReportPeopleRow]:
        """The work of the range by person. There are no totals by person, so this reads the worklogs of the contracts.

        reports.sql"""
        ...

    def report_restatements(
        self,
        connection: Connection,
        /,
        *,
        moment: datetime | None,
        first_day: date | None,
        last_day: date | None,
        accounts: Collection[UUID | None] | None,
        max_rows: int | None,
        contracts: Collection[UUID | None] | None,
    ) -> AsyncIterator[ReportRestatementsRow]:
        """What was learned on days of the range, in the contract's time zone, up to the moment; the newest where there are many.
        A replay makes no restatements: `consumption.` names the real table.

        reports.sql"""
        ...

    def report_teams(
        self, connection: Connection, /, *, contracts: Collection[UUID | None] | None
    ) -> AsyncIterator[ReportTeamsRow]:
        """The names of the teams of these contracts.

        reports.sql"""
        ...

    def report_unaccounted(
        self, connection: Connection, /, *, contracts: Collection[UUID | None] | None
    ) -> AsyncIterator[ReportUnaccountedRow]:
        """reports.sql"""
        ...

    def report_work(
        self,
        connection: Connection,
        /,
        *,
        contracts: Collection[UUID | None] | None,
        first_day: date | None,
        last_day: date | None,
        accounts: Collection[UUID | None] | None,
    ) -> AsyncIterator[ReportWorkRow]:
        """The work of the range, by day of the work: each contract's billable and other work, in total and by team; and that of
        each account, in total and by team. `by_account` and `by_team` say which of these a row is.

        reports.sql"""
        ...

    def restate(self, connection: Connection, /, *, moment: datetime | None) -> AsyncIterator[RestateRow]:
        """One row for each cause and each figure of an account that it changed; each row begins where the one before ended.
        Gives the rows with the statement that each corrects: every closed period has one.
        Only where the displayed figure changes.

        restatement.sql"""
        ...

    async def reverse_ratings(self, connection: Connection, /) -> int | Any:
        """Deletes the ratings of the affected days; the amounts become negative deltas. Gives the number of affected days.

        rating.sql"""
        ...

    async def rewrite_facts(
        self,
        connection: Connection,
        /,
        *,
        batches: Collection[int | None] | None,
        offsets: Collection[int | None] | None,
        digests: Collection[bytes | None] | None,
        pseudonym: str | None,
    ) -> None:
        """Where versions of a worklog have one time, the digest decides between them: there it stays, so that the same holds.

        people_forgotten.sql"""
        ...

    async def save_published(self, connection: Connection, /, *, rows: JsonRows[PublishedBalancesTableRow]) -> None:
        """Balances as they are published. What is published twice, or by two relays, is the same or newer.

        balances.sql"""
        ...

    async def save_verification(self, connection: Connection, /, *, difference_count: int | None) -> None:
        """In the transaction that compares, which began when the comparison did.

        operations.sql"""
        ...

    async def set_account_refs(self, connection: Connection, /, *, rows: JsonRows[AccountRefsTableRow]) -> None:
        """From every version, however late it comes: a name belongs to the account that had it last, an id always to its
        account.

        contracts.sql"""
        ...

    async def set_activated(self, connection: Connection, /, *, rows: JsonRows[SetActivatedTableRow]) -> None:
        """The first activation, in whatever order the versions come.

        contracts.sql"""
        ...

    async def set_lock_timeout(self, connection: Connection, /) -> None:
        """replay.sql"""
        ...

    async def set_rebuilt(self, connection: Connection, /) -> None:
        """replay.sql"""
        ...

    async def set_scope(self, connection: Connection, /, *, moment: datetime | None) -> None:
        """replay.sql"""
        ...

    async def settle_moment(self, connection: Connection, /, *, moment: datetime | None) -> None:
        """A fold in progress began after `learned_at`, so its facts may be learned at this moment. The update waits for it,
        and every later fold is learned after the moment.

        replay.sql"""
        ...

    async def shadow_checked_tables(self, connection: Connection, /) -> None | Any:
        """The tables that a fold of worklogs writes. It reads all others where they are.

        check.sql"""
        ...

    async def stage_checked(
        self,
        connection: Connection,
        /,
        *,
        source: str | None,
        worklog_id: str | None,
        author_id: str | None,
        started_at: datetime | None,
        issue_id: str | None,
        team_id: str | None,
        seconds: int | None,
    ) -> None:
        """The newest version of the worklog, and copies of what it can change: the work of its person on that day in any time
        zone, its own former version with the work of that day, and the totals of both contracts.

        check.sql"""
        ...

    async def stage_contracts(
        self, connection: Connection, /, *, refs: Collection[str | None] | None, versions: Collection[int | None] | None
    ) -> None:
        """The work whose links name one of these contracts, and the version that now decides.

        attribution.sql"""
        ...

    async def stage_facts(
        self,
        connection: Connection,
        /,
        *,
        batches: Collection[int | None] | None,
        first_batch: int | None,
        first_offset: int | None,
        end_batch: int | None,
        end_offset: int | None,
    ) -> None:
        """The newest version of each worklog in the batches; of equal versions the first.

        attribution.sql"""
        ...

    async def stage_issues(
        self,
        connection: Connection,
        /,
        *,
        sources: Collection[str | None] | None,
        issues: Collection[str | None] | None,
        batches: Collection[int | None] | None,
        offsets: Collection[int | None] | None,
    ) -> None:
        """The work on issues whose link changed.

        attribution.sql"""
        ...

    async def stage_members(
        self,
        connection: Connection,
        /,
        *,
        teams: Collection[UUID | None] | None,
        persons: Collection[str | None] | None,
    ) -> None:
        """The work of each person in contracts that have the team.

        attribution.sql"""
        ...

    def statement_restatements(
        self, connection: Connection, /, *, contract: UUID | None, period_start: date | None, max_rows: int | None
    ) -> AsyncIterator[StatementRestatementsRow]:
        """What corrects the statement of a period, in the order learned; the newest where there are many, and their number.

        statements.sql"""
        ...

    async def statement_today(
        self, connection: Connection, /, *, contract: UUID | None, starts: Collection[date | None] | None
    ) -> str | Any:
        """What a period comes to today, in the form of a statement; null where the contract does not have it.

        statements.sql"""
        ...

    def statements_to_freeze(
        self,
        connection: Connection,
        /,
        *,
        contracts: Collection[UUID | None] | None,
        moment: datetime | None,
        max_rows: int | None,
    ) -> AsyncIterator[StatementsToFreezeRow]:
        """The closed periods without a statement of these contracts (null: of all), the oldest first, with their figures.
        The first statement of a contract tells what was restated since the one before.
        Terms that came with this fold, or else all that was learned before it.

        statements.sql"""
        ...

    async def truncate_working_tables(self, connection: Connection, /) -> None:
        """The same where much was deleted, which each statement would read again, or much will be inserted, which needs other
        plans than a few rows do.

        working_tables.sql"""
        ...

    def unfolded_batches(
        self, connection: Connection, /, *, batches: Collection[int | None] | None
    ) -> AsyncIterator[UnfoldedBatchesRow]:
        """batches.sql"""
        ...

    def waiting_batches(
        self, connection: Connection, /, *, held_back: Collection[int | None] | None, max_records: int | None
    ) -> AsyncIterator[WaitingBatchesRow]:
        """Batches to fold, in the order appended, up to a number of records; the first batch whatever its size.

        batches.sql"""
        ...

    async def whole_balance(
        self, connection: Connection, /, *, contract: UUID | None, moment: datetime | None
    ) -> str | Any:
        """The whole balance of a contract, without its forecast; null for a discarded draft.

        figures.sql"""
        ...

    async def working_tables_size(self, connection: Connection, /) -> int | Any:
        """In bytes, rows included that were deleted.

        working_tables.sql"""
        ...
