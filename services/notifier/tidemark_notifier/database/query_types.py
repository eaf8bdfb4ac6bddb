"""The types of the queries in ``queries/``. Generated (`make query-types`): do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import date, datetime
from typing import Any, Protocol, TypedDict
from uuid import UUID


from tidemark_shared.database import Connection, JsonRows

# Postgres does not say whether a column of a result may be null, so its type is `T | Any`.


class InsertDeliveriesTableRow(TypedDict):
    id: Any
    message_id: Any
    notification_id: Any
    channel: Any
    addressee: Any


class NotificationKeysTableRow(TypedDict):
    contract_id: Any
    rule_name: Any
    trigger: Any
    subject: Any
    subject_id: Any
    period_start: Any
    threshold: Any
    episode: Any
    generation: Any
    kind: Any
    notified_on: Any
    notification_id: Any


class NotificationsTableRow(TypedDict):
    id: Any
    contract_id: Any
    contract_code: Any
    rule_id: Any
    rule_name: Any
    subject: Any
    subject_id: Any
    threshold: Any
    period_start: Any
    raised_at: Any
    snapshot: Any
    offer_id: Any
    traceparent: Any


class ContractIdsInScopeRow(TypedDict):
    id: UUID | Any


class ContractsDueRow(TypedDict):
    id: UUID | Any


class DeliveryStatusesRow(TypedDict):
    id: UUID | Any
    raised_at: datetime | Any
    receivers: str | Any


class DigestDueRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any
    next_digest_at: datetime | Any


class EvaluationInputsRow(TypedDict):
    id: UUID | Any
    stream_version: int | Any
    plan_version: int | Any
    balance_stream_version: int | Any
    status_changes: str | Any
    terms: str | Any
    balance: str | Any
    skipped_rule_versions: str | Any
    closed_periods: str | Any
    restatements: str | Any
    restated_since: datetime | Any
    restated_at: datetime | Any
    next_evaluation_at: datetime | Any
    organization: str | Any
    awaited_until: datetime | Any


class FinishMessageRow(TypedDict):
    id: UUID | Any
    finished_at: datetime | Any


class InsertNotificationKeysRow(TypedDict):
    notification_id: UUID | Any
    threshold: str | Any


class InsertReportRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any
    next_mail_on: date | Any


class InsertReportMailsRow(TypedDict):
    id: UUID | Any


class InsertRuleRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any


class LeaseDeliveriesRow(TypedDict):
    message_id: UUID | Any
    id: UUID | Any
    attempts: int | Any
    channel: str | Any
    receiver: str | Any
    host: str | Any
    addressee: str | Any
    notification_id: UUID | Any
    contract_id: UUID | Any
    contract_code: str | Any
    rule_id: UUID | Any
    rule_name: str | Any
    offer_id: UUID | Any
    subject: str | Any
    subject_id: str | Any
    threshold: str | Any
    period_start: date | Any
    raised_at: datetime | Any
    snapshot: str | Any
    traceparent: str | Any
    leased_at: datetime | Any


class LeaseReportMailRow(TypedDict):
    id: UUID | Any
    addressee: str | Any
    snapshot: str | Any
    attempts: int | Any
    raised_at: datetime | Any
    domain: str | Any


class LockContractsRow(TypedDict):
    id: UUID | Any


class LockReportRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any
    next_mail_on: date | Any


class NewIdsRow(TypedDict):
    id: UUID | Any


class NextReevaluationRow(TypedDict):
    id: UUID | Any
    scope_id: UUID | Any
    last_contract_id: UUID | Any


class NotificationKeysRow(TypedDict):
    contract_id: UUID | Any
    rule_name: str | Any
    trigger: str | Any
    subject: str | Any
    subject_id: str | Any
    period_start: date | Any
    threshold: str | Any
    episode: str | Any
    generation: int | Any
    kind: str | Any
    notified_on: date | Any
    notification_id: UUID | Any


class NotificationsRow(TypedDict):
    id: UUID | Any
    contract_id: UUID | Any
    contract_code: str | Any
    rule_id: UUID | Any
    rule_name: str | Any
    offer_id: UUID | Any
    subject: str | Any
    subject_id: str | Any
    threshold: str | Any
    period_start: date | Any
    raised_at: datetime | Any
    snapshot: str | Any
    deliveries: str | Any


class OffersDueRow(TypedDict):
    id: UUID | Any
    contract_id: UUID | Any
    version: int | Any
    notified_version: int | Any
    body: str | Any


class OldestDeliveryRow(TypedDict):
    id: UUID | Any
    contract_code: str | Any
    last_error: str | Any


class OverdueContractRow(TypedDict):
    code: str | Any
    due_at: datetime | Any


class PersonIdentitiesRow(TypedDict):
    person_id: str | Any
    name: str | Any
    email: str | Any


class PreviousDigestsRow(TypedDict):
    contract_id: UUID | Any
    receiver: str | Any
    snapshot: str | Any


class QueuesRow(TypedDict):
    name: str | Any
    length: int | Any
    oldest_at: datetime | Any


class ReportDueRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any
    next_mail_on: date | Any
    mailed_on: date | Any


class ReportMailsRow(TypedDict):
    id: UUID | Any
    email: str | Any
    first_day: str | Any
    last_day: str | Any
    status: str | Any
    attempts: int | Any
    last_error: str | Any
    raised_at: datetime | Any
    delivered_at: datetime | Any


class ResetFailedDeliveriesRow(TypedDict):
    id: UUID | Any


class RuleRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any


class RulesRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any


class RulesInScopesRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any


class SavedReportRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any
    next_mail_on: date | Any


class SavedReportsRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any
    next_mail_on: date | Any


class TeamsRow(TypedDict):
    id: UUID | Any
    body: str | Any


class UpdateRuleRow(TypedDict):
    id: UUID | Any
    version: int | Any
    body: str | Any


class ZonesInScopeRow(TypedDict):
    timezone: str | Any


class NotifierQueries(Protocol):
    async def advance_reevaluation(
        self, connection: Connection, /, *, last_contract_id: UUID | None, id: UUID | None
    ) -> None:
        """evaluation.sql"""
        ...

    async def clear_restatements(self, connection: Connection, /, *, ids: Collection[UUID | None] | None) -> None:
        """They have been evaluated.

        evaluation.sql"""
        ...

    async def contract_id_by_reference(
        self, connection: Connection, /, *, id: UUID | None, reference: str | None
    ) -> UUID | Any:
        """An id wins over a code (SPEC 9). A discarded draft has given its code back: its last status is null.

        contracts.sql"""
        ...

    def contract_ids_in_scope(
        self, connection: Connection, /, *, scope_id: UUID | None, after: UUID | None, max_count: int | None
    ) -> AsyncIterator[ContractIdsInScopeRow]:
        """contracts.sql"""
        ...

    def contracts_due(
        self, connection: Connection, /, *, now: datetime | None, max_count: int | None
    ) -> AsyncIterator[ContractsDueRow]:
        """Contracts that another instance is evaluating are left out.

        evaluation.sql"""
        ...

    async def current_time(self, connection: Connection, /) -> datetime | Any:
        """The database's clock, which all instances share.

        evaluation.sql"""
        ...

    async def delete_report(self, connection: Connection, /, *, id: UUID | None) -> None:
        """saved_reports.sql"""
        ...

    async def delete_rule(self, connection: Connection, /, *, id: UUID | None) -> None:
        """rules.sql"""
        ...

    def delivery_statuses(
        self, connection: Connection, /, *, notification_ids: Collection[UUID | None] | None
    ) -> AsyncIterator[DeliveryStatusesRow]:
        """When each notification was raised, its receivers, and the status of each delivery.

        notifications.sql"""
        ...

    async def digest_due(self, connection: Connection, /, *, now: datetime | None) -> DigestDueRow | None:
        """A digest that another instance is building is left out.

        digests.sql"""
        ...

    def evaluation_inputs(
        self, connection: Connection, /, *, contract_ids: Collection[UUID | None] | None
    ) -> AsyncIterator[EvaluationInputsRow]:
        """Contracts without terms or without their organization are left out: they cannot be evaluated yet. The balance is
        awaited until `awaited_until`, null if there is one for the present version.

        evaluation.sql"""
        ...

    def finish_message(
        self,
        connection: Connection,
        /,
        *,
        message_id: UUID | None,
        attempts: int | None,
        status: str | None,
        error: str | None,
    ) -> AsyncIterator[FinishMessageRow]:
        """Changes nothing if the lease ended meanwhile: the message then belongs to a later attempt. The first delivery is
        locked before the others, as in lease_deliveries, and alone says which attempt it is.

        deliveries.sql"""
        ...

    async def finish_reevaluation(self, connection: Connection, /, *, id: UUID | None) -> None:
        """evaluation.sql"""
        ...

    async def finish_report_mail(
        self,
        connection: Connection,
        /,
        *,
        status: str | None,
        error: str | None,
        delay_seconds: float | None,
        id: UUID | None,
        attempts: int | None,
    ) -> None:
        """Records the result of an attempt, unless another instance has taken the mail over since.

        saved_reports.sql"""
        ...

    async def insert_deliveries(self, connection: Connection, /, *, rows: JsonRows[InsertDeliveriesTableRow]) -> None:
        """notifications.sql"""
        ...

    def insert_notification_keys(
        self, connection: Connection, /, *, rows: JsonRows[NotificationKeysTableRow]
    ) -> AsyncIterator[InsertNotificationKeysRow]:
        """Returns the keys that did not exist yet.

        notifications.sql"""
        ...

    async def insert_notifications(self, connection: Connection, /, *, rows: JsonRows[NotificationsTableRow]) -> None:
        """notifications.sql"""
        ...

    async def insert_report(
        self, connection: Connection, /, *, body: str | None, today: date | None
    ) -> InsertReportRow | None:
        """Returns no row if the customer already has a report with this name.

        saved_reports.sql"""
        ...

    def insert_report_mails(
        self,
        connection: Connection,
        /,
        *,
        report_id: UUID | None,
        snapshot: str | None,
        raised_at: datetime | None,
        addressees: Collection[str | None] | None,
    ) -> AsyncIterator[InsertReportMailsRow]:
        """saved_reports.sql"""
        ...

    async def insert_rule(self, connection: Connection, /, *, body: str | None) -> InsertRuleRow | None:
        """Returns no row if the scope already has a rule with this name.

        rules.sql"""
        ...

    async def keep_newest_closed_period(
        self, connection: Connection, /, *, ids: Collection[UUID | None] | None
    ) -> None:
        """The others have been evaluated.

        evaluation.sql"""
        ...

    def lease_deliveries(
        self,
        connection: Connection,
        /,
        *,
        max_per_host: int | None,
        hosts: Collection[str | None] | None,
        host_places: Collection[int | None] | None,
        receivers: Collection[str | None] | None,
        receiver_places: Collection[int | None] | None,
        channel: str | None,
        max_count: int | None,
        lease_seconds: float | None,
    ) -> AsyncIterator[LeaseDeliveriesRow]:
        """Takes due messages for a limited time, each with all its deliveries. If the process dies, another takes them over
        when the lease ends. The first delivery of a message stands for it: the message has its id. A host that is not named
        has `max_per_host` places, and a receiver one. The oldest thousand of those with places are looked at, so a long
        queue of one receiver costs little and hides the others for one round at most.

        deliveries.sql"""
        ...

    async def lease_report_mail(
        self, connection: Connection, /, *, lease_seconds: float | None, busy_domains: Collection[str | None] | None
    ) -> LeaseReportMailRow | None:
        """Takes the mail that is due first for a limited time, and those that have failed after all others; none to a domain that
        is busy. If the process dies, another takes it over when the lease ends.

        saved_reports.sql"""
        ...

    async def lock_configuration(self, connection: Connection, /) -> None:
        """Rules and the directory change under an exclusive lock. Without it a new rule would miss a balance that is being
        stored, and that balance would miss the new rule, so that neither would raise the notification.

        evaluation.sql"""
        ...

    async def lock_configuration_shared(self, connection: Connection, /) -> None:
        """Taken by every transaction that stores or evaluates contracts. See lock_configuration.

        evaluation.sql"""
        ...

    def lock_contracts(
        self, connection: Connection, /, *, ids: Collection[UUID | None] | None
    ) -> AsyncIterator[LockContractsRow]:
        """evaluation.sql"""
        ...

    async def lock_report(self, connection: Connection, /, *, id: UUID | None) -> LockReportRow | None:
        """saved_reports.sql"""
        ...

    def new_ids(self, connection: Connection, /, *, id_count: int | None) -> AsyncIterator[NewIdsRow]:
        """The ids sort by time.

        notifications.sql"""
        ...

    async def next_reevaluation(self, connection: Connection, /) -> NextReevaluationRow | None:
        """evaluation.sql"""
        ...

    def notification_keys(
        self, connection: Connection, /, *, contract_ids: Collection[UUID | None] | None
    ) -> AsyncIterator[NotificationKeysRow]:
        """notifications.sql"""
        ...

    def notifications(
        self,
        connection: Connection,
        /,
        *,
        id: UUID | None,
        contract: str | None,
        status: str | None,
        before: UUID | None,
        max_count: int | None,
    ) -> AsyncIterator[NotificationsRow]:
        """Newest first, each with its deliveries. The filters: one id, a contract by id or code, a delivery with this status.

        notifications.sql"""
        ...

    def offers_due(
        self, connection: Connection, /, *, now: datetime | None, max_count: int | None
    ) -> AsyncIterator[OffersDueRow]:
        """Offers wait for their contract, in the version that has the accepted adjustment, and for its balance as an evaluation
        does. Those that another instance notifies are left out.

        offers.sql"""
        ...

    async def oldest_delivery(self, connection: Connection, /, *, channel: str | None) -> OldestDeliveryRow | None:
        """deliveries.sql"""
        ...

    async def overdue_contract(
        self, connection: Connection, /, *, before: datetime | None
    ) -> OverdueContractRow | None:
        """The contract whose evaluation was due first, if it was due before this moment and has not been done.

        contracts.sql"""
        ...

    def person_identities(self, connection: Connection, /) -> AsyncIterator[PersonIdentitiesRow]:
        """What teams, contacts, contracts, notifications and their receivers say of persons.

        contracts.sql"""
        ...

    async def postpone_message(
        self,
        connection: Connection,
        /,
        *,
        message_id: UUID | None,
        attempts: int | None,
        error: str | None,
        delay_seconds: float | None,
    ) -> None:
        """deliveries.sql"""
        ...

    def previous_digests(
        self, connection: Connection, /, *, rule_id: UUID | None, contract_ids: Collection[UUID | None] | None
    ) -> AsyncIterator[PreviousDigestsRow]:
        """The last digest of each contract to each receiver.

        digests.sql"""
        ...

    def queues(self, connection: Connection, /) -> AsyncIterator[QueuesRow]:
        """deliveries.sql"""
        ...

    async def reference_exists(self, connection: Connection, /, *, id: UUID | None, kind: str | None) -> bool | Any:
        """Whether the notifier has received this organization, team or contract.

        rules.sql"""
        ...

    async def renew_leases(
        self, connection: Connection, /, *, lease_seconds: float | None, message_ids: Collection[UUID | None] | None
    ) -> None:
        """A postponed message has no lease and gets none here.

        deliveries.sql"""
        ...

    async def report_due(self, connection: Connection, /, *, now: datetime | None) -> ReportDueRow | None:
        """A report that another instance is mailing is left out.

        saved_reports.sql"""
        ...

    async def report_id_by_name(
        self, connection: Connection, /, *, organization_id: UUID | None, name: str | None
    ) -> UUID | Any:
        """saved_reports.sql"""
        ...

    def report_mails(
        self, connection: Connection, /, *, report_id: UUID | None, before: UUID | None, max_count: int | None
    ) -> AsyncIterator[ReportMailsRow]:
        """Newest first.

        saved_reports.sql"""
        ...

    async def report_organization(self, connection: Connection, /, *, id: UUID | None) -> str | Any:
        """What the notifier has received of a customer.

        saved_reports.sql"""
        ...

    async def request_reevaluation(
        self, connection: Connection, /, *, scope_ids: Collection[UUID | None] | None
    ) -> None:
        """Schedules the contracts of these scopes; a null scope means all contracts. The caller holds lock_configuration, so a
        re-evaluation that is still waiting has certainly not started.

        evaluation.sql"""
        ...

    def reset_failed_deliveries(
        self, connection: Connection, /, *, notification_id: UUID | None
    ) -> AsyncIterator[ResetFailedDeliveriesRow]:
        """Each is sent alone now. A mail that was sent alone before keeps its Message-ID.

        deliveries.sql"""
        ...

    async def rule(self, connection: Connection, /, *, id: UUID | None) -> RuleRow | None:
        """rules.sql"""
        ...

    async def rule_id_by_name(self, connection: Connection, /, *, body: str | None) -> UUID | Any:
        """The rule in the same scope with the same name.

        rules.sql"""
        ...

    def rules(self, connection: Connection, /, *, after: UUID | None, max_count: int | None) -> AsyncIterator[RulesRow]:
        """rules.sql"""
        ...

    def rules_in_scopes(
        self, connection: Connection, /, *, scope_ids: Collection[UUID | None] | None
    ) -> AsyncIterator[RulesInScopesRow]:
        """Global rules, and the rules of these contracts and organizations.

        rules.sql"""
        ...

    async def saved_report(self, connection: Connection, /, *, id: UUID | None) -> SavedReportRow | None:
        """saved_reports.sql"""
        ...

    def saved_reports(
        self, connection: Connection, /, *, organization: UUID | None, after: UUID | None, max_count: int | None
    ) -> AsyncIterator[SavedReportsRow]:
        """saved_reports.sql"""
        ...

    async def schedule_digest(
        self, connection: Connection, /, *, next_digest_at: datetime | None, id: UUID | None
    ) -> None:
        """digests.sql"""
        ...

    async def schedule_report(
        self,
        connection: Connection,
        /,
        *,
        mailed_on: date | None,
        next_mail_on: date | None,
        next_mail_at: datetime | None,
        id: UUID | None,
    ) -> None:
        """saved_reports.sql"""
        ...

    async def store_balances(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        revisions: Collection[int | None] | None,
        versions: Collection[int | None] | None,
        bodies: Collection[str | None] | None,
    ) -> None:
        """contracts.sql"""
        ...

    async def store_closed_periods(
        self, connection: Connection, /, *, ids: Collection[UUID | None] | None, periods: Collection[str | None] | None
    ) -> None:
        """Statements of a contract come in the order of their numbers; those that are already stored are left out.

        contracts.sql"""
        ...

    async def store_contracts(
        self,
        connection: Connection,
        /,
        *,
        now: datetime | None,
        wait_seconds: float | None,
        ids: Collection[UUID | None] | None,
        versions: Collection[int | None] | None,
        status_changes: Collection[str | None] | None,
        terms: Collection[str | None] | None,
    ) -> None:
        """Ordered by id, so that two batches lock the rows in the same order. Status changes that are already stored are left
        out. The balance of a new version is awaited for `wait_seconds`.

        contracts.sql"""
        ...

    async def store_directory(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        kinds: Collection[str | None] | None,
        versions: Collection[int | None] | None,
        bodies: Collection[str | None] | None,
    ) -> None:
        """contracts.sql"""
        ...

    async def store_offers(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        contract_ids: Collection[UUID | None] | None,
        versions: Collection[int | None] | None,
        bodies: Collection[str | None] | None,
    ) -> None:
        """A new version is due at once. Of versions that come together only the newest is notified.

        offers.sql"""
        ...

    async def store_restatements(
        self,
        connection: Connection,
        /,
        *,
        now: datetime | None,
        ids: Collection[UUID | None] | None,
        restatements: Collection[str | None] | None,
    ) -> None:
        """Restatements of a contract come in the order of their numbers; those that are already stored are left out.

        contracts.sql"""
        ...

    def teams(self, connection: Connection, /, *, ids: Collection[UUID | None] | None) -> AsyncIterator[TeamsRow]:
        """contracts.sql"""
        ...

    async def update_evaluated(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        status_changes: Collection[str | None] | None,
        skipped_rule_versions: Collection[str | None] | None,
        next_evaluations: Collection[datetime | None] | None,
    ) -> None:
        """evaluation.sql"""
        ...

    async def update_notified_offers(
        self,
        connection: Connection,
        /,
        *,
        ids: Collection[UUID | None] | None,
        versions: Collection[int | None] | None,
        next_notifications: Collection[datetime | None] | None,
    ) -> None:
        """offers.sql"""
        ...

    async def update_report(
        self, connection: Connection, /, *, body: str | None, today: date | None, id: UUID | None
    ) -> None:
        """A changed schedule begins after today, as a new one does.

        saved_reports.sql"""
        ...

    async def update_rule(
        self, connection: Connection, /, *, body: str | None, id: UUID | None
    ) -> UpdateRuleRow | None:
        """rules.sql"""
        ...

    def zones_in_scope(self, connection: Connection, /, *, scope_id: UUID | None) -> AsyncIterator[ZonesInScopeRow]:
        """digests.sql"""
        ...
