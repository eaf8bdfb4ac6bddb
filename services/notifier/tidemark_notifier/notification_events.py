"""The events of ``notifier.notifications``."""

from datetime import datetime

from tidemark_shared.log import get_correlation_id
from tidemark_shared.messaging.cloudevents import OutboxRecord, outbox_record
from tidemark_shared.messaging.events import NOTIFICATION_EVENTS, NotificationChanged
from tidemark_shared.messaging.topics import NOTIFICATIONS

RAISED, DELIVERED, FAILED, RESOLVED = NOTIFICATION_EVENTS


def build_notification_record(type_: str, data: NotificationChanged, now: datetime) -> OutboxRecord:
    """An event as a record for the outbox."""
    return outbox_record(
        NOTIFICATIONS,
        str(data.contract_id),
        type_,
        data,
        source="/notifier",
        time=now,
        correlation_id=get_correlation_id(),
    )
