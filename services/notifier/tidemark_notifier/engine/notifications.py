"""Raise notifications: deduplicate them, and write them with their deliveries and their events."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_notifier.database.query_types import (
    InsertDeliveriesTableRow,
    NotificationKeysTableRow,
    NotificationsTableRow,
    NotifierQueries,
)
from tidemark_notifier.evaluation.addressees import Addressee, resolve_addressees
from tidemark_notifier.evaluation.digests import PendingDigest
from tidemark_notifier.evaluation.evaluation_input import EvaluationInput
from tidemark_notifier.evaluation.evaluator import PendingNotification
from tidemark_notifier.evaluation.offers import find_rule_offer, freeze_offer, resolve_offer_addressees
from tidemark_notifier.evaluation.rule_evaluation import RuleEvaluation
from tidemark_notifier.evaluation.snapshot import Snapshot, freeze_evaluation, freeze_notification
from tidemark_notifier.notification_events import RAISED, RESOLVED, build_notification_record
from tidemark_notifier.rules.receivers import WITH_SECRETS, Channel
from tidemark_notifier.rules.rule import StoredRule
from tidemark_shared import metrics, tracing
from tidemark_shared.database import Connection, json_rows, queries
from tidemark_shared.domain.calendar import to_local_day
from tidemark_shared.log import get_logger
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.events import NotificationChanged, OfferChanged

_log = get_logger()
_sql: NotifierQueries = queries("tidemark_notifier")


_RAISED = metrics.counter(
    "tidemark_raised_notifications_total",
    "Notifications that were raised, by `kind`: `crossing`, `resolved`, `reminder`, `test` and others. A transaction "
    "that is rolled back and tried again counts again.",
    "kind",
)


class RaisedNotification(NamedTuple):
    """A notification with everything that is stored of it (N3)."""

    event: NotificationChanged
    snapshot: Snapshot
    addressees: Sequence[Addressee]
    channels: Sequence[Channel]


async def raise_notifications(
    connection: Connection, now: datetime, pending: Sequence[tuple[EvaluationInput, date, PendingNotification]]
) -> None:
    """Store the deduplication keys of pending notifications, and raise those whose key is new."""
    ids = await _create_ids(connection, len(pending))
    rows = [
        {
            **key._asdict(),
            "contract_id": contract.contract_id,
            "notified_on": today,
            "notification_id": id_ if notification.notify else None,
        }
        for id_, (contract, today, notification) in zip(ids, pending, strict=True)
        for key in notification.keys
    ]
    new_keys = {
        (row["notification_id"], row["threshold"])
        async for row in _sql.insert_notification_keys(
            connection, rows=json_rows(NotificationKeysTableRow, rows, default=_to_plain)
        )
    }
    raised = [
        RaisedNotification(
            _build_event(id_, contract, notification.evaluation, notification.threshold, now).model_copy(
                update={"offer": find_rule_offer(notification, contract)}
            ),
            freeze_notification(notification, contract, today),
            resolve_addressees(notification.rule, contract, today, notification.evaluation.subject.account_id),
            notification.rule.channels,
        )
        for id_, (contract, today, notification) in zip(ids, pending, strict=True)
        if (id_, notification.threshold) in new_keys
    ]
    if raised:
        await _insert(connection, now, raised)


async def raise_offer_notification(
    connection: Connection, now: datetime, contract: EvaluationInput, offer: OfferChanged, *, is_reminder: bool
) -> None:
    """Raise a notification of an offer. The caller sees to it that each version is notified once."""
    [id_] = await _create_ids(connection, 1)
    event = NotificationChanged(
        notification_id=id_,
        contract_id=contract.contract_id,
        contract_code=contract.terms.code,
        rule_id=None,
        rule_name=None,
        offer_id=offer.offer_id,
        subject="account",
        subject_id=str(offer.account_id),
        threshold=None,
        period_start=offer.period_start.isoformat(),
        raised_at=now,
    )
    snapshot = freeze_offer(offer, contract, to_local_day(now, contract.terms.zone), is_reminder=is_reminder)
    addressees = resolve_offer_addressees(offer, contract)
    await _insert(connection, now, [RaisedNotification(event, snapshot, addressees, ("email",))])


async def raise_digest(connection: Connection, now: datetime, rule: StoredRule, digest: PendingDigest) -> None:
    """Store the keys of a receiver's digest, and raise a notification for each of its contracts."""
    ids = await _create_ids(connection, len(digest.entries))
    raised = [
        RaisedNotification(
            NotificationChanged(
                notification_id=id_,
                contract_id=entry.contract.contract_id,
                contract_code=entry.contract.terms.code,
                rule_id=rule.id,
                rule_name=rule.name,
                subject="contract",
                subject_id=str(entry.contract.contract_id),
                threshold=None,
                period_start=None,
                raised_at=now,
            ),
            entry.snapshot,
            [entry.addressee],
            rule.channels,
        )
        for id_, entry in zip(ids, digest.entries, strict=True)
    ]
    notification_ids = {notification.event.contract_id: notification.event.notification_id for notification in raised}
    rows = [
        {
            **key._asdict(),
            "contract_id": contract_id,
            "notified_on": key.episode,
            "notification_id": notification_ids.get(contract_id),
        }
        for contract_id, key in digest.keys
    ]
    keys = json_rows(NotificationKeysTableRow, rows, default=_to_plain)
    async for _ in _sql.insert_notification_keys(connection, rows=keys):
        pass
    if raised:
        await _insert(connection, now, raised)


async def raise_test(
    connection: Connection, now: datetime, contract: EvaluationInput, evaluation: RuleEvaluation, email: str | None
) -> UUID:
    """Raise a test notification, to ``email`` or else to the rule's receivers, and return its id.

    It stores no deduplication key, so the real notification is still raised later.
    """
    today = to_local_day(now, contract.terms.zone)
    [id_] = await _create_ids(connection, 1)
    addressees = (
        [Addressee(email=email, name=None, kind="address")]
        if email
        else resolve_addressees(evaluation.rule, contract, today, evaluation.subject.account_id)
    )
    state = evaluation.states[-1]
    event = _build_event(id_, contract, evaluation, state.threshold, now)
    snapshot = freeze_evaluation("test", evaluation, state, contract, today)
    await _insert(connection, now, [RaisedNotification(event, snapshot, addressees, evaluation.rule.channels)])
    return id_


async def _create_ids(connection: Connection, count: int) -> list[UUID]:
    return [row["id"] async for row in _sql.new_ids(connection, id_count=count)]


async def _insert(connection: Connection, now: datetime, raised: Sequence[RaisedNotification]) -> None:
    """Write notifications with their deliveries and their events."""
    with tracing.span("notification", "producer", tidemark__notifications=len(raised)):
        await _insert_traced(connection, now, raised)
    for notification in raised:
        _RAISED.labels(notification.snapshot.kind).inc()
    _log.info("notifications_raised", count=len(raised))


async def _insert_traced(connection: Connection, now: datetime, raised: Sequence[RaisedNotification]) -> None:
    rows = [
        {
            **notification.event.model_dump(mode="json", include=_NOTIFICATION_COLUMNS),
            "id": str(notification.event.notification_id),
            "snapshot": notification.snapshot.model_dump(mode="json"),
            "traceparent": tracing.traceparent(),
        }
        for notification in raised
    ]
    await _sql.insert_notifications(connection, rows=json_rows(NotificationsTableRow, rows))
    delivery_rows = await _build_deliveries(connection, raised)
    await _sql.insert_deliveries(connection, rows=json_rows(InsertDeliveriesTableRow, delivery_rows, default=_to_plain))
    records = [
        build_notification_record(
            RESOLVED if notification.snapshot.kind == "resolved" else RAISED, notification.event, now
        )
        for notification in raised
    ]
    await outbox.write_outbox(connection, records)


_NOTIFICATION_COLUMNS = {
    "contract_id", "contract_code", "rule_id", "rule_name", "offer_id", "subject", "subject_id", "threshold",
    "period_start", "raised_at",
}  # fmt: skip


def _build_event(
    id_: UUID, contract: EvaluationInput, evaluation: RuleEvaluation, threshold: str | None, now: datetime
) -> NotificationChanged:
    rule, subject = evaluation.rule, evaluation.subject
    return NotificationChanged(
        notification_id=id_,
        contract_id=contract.contract_id,
        contract_code=contract.terms.code,
        rule_id=rule.id,
        rule_name=rule.name,
        subject=subject.kind,
        subject_id=subject.id,
        threshold=threshold,
        period_start=subject.period and subject.period.start.isoformat(),
        raised_at=now,
    )


async def _build_deliveries(connection: Connection, raised: Sequence[RaisedNotification]) -> list[dict[str, Any]]:
    """One delivery per addressee; without addressees, one per channel with none.

    All mails to one address about one contract are one message, whose id is that of its first delivery; so is a
    digest, and what goes to one channel of a chat.
    """
    deliveries: list[tuple[RaisedNotification, str, Addressee | None]] = []
    for notification in raised:
        deliveries += [(notification, addressee.channel, addressee) for addressee in notification.addressees] or [
            (notification, channel, None) for channel in notification.channels
        ]
    message_ids: dict[object, UUID] = {}
    rows: list[dict[str, Any]] = []
    ids = await _create_ids(connection, len(deliveries))
    for id_, (notification, channel, addressee) in zip(ids, deliveries, strict=True):
        message: object = id_
        if addressee and (channel == "email" or addressee.chat_format):
            about = "digest" if notification.snapshot.digest else notification.event.contract_id
            message = about, addressee.receiver.casefold()
        rows.append(
            {
                "id": id_,
                "message_id": message_ids.setdefault(message, id_),
                "notification_id": notification.event.notification_id,
                "channel": channel,
                "addressee": addressee and addressee.model_dump(context=WITH_SECRETS),
            }
        )
    return rows


def _to_plain(value: UUID | date) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
