"""Notify of offers: of each version once, and of an open offer again before it expires. SPEC 10.

The consumer stores offers. They are notified here, once their contract has been received: topics keep no order.
"""

from datetime import datetime
from uuid import UUID

from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.engine.evaluation_cases import load_cases
from tidemark_notifier.engine.notifications import raise_offer_notification
from tidemark_notifier.evaluation.offers import find_reminder, is_current
from tidemark_shared.database import Connection, queries
from tidemark_shared.messaging.events import OfferChanged

_sql: NotifierQueries = queries("tidemark_notifier")

_BATCH_SIZE = 100


async def notify_due_offers(connection: Connection, now: datetime) -> bool:
    """Notify of some of the offers that are due, in the caller's transaction. Returns whether there were any."""
    rows = [row async for row in _sql.offers_due(connection, now=now, max_count=_BATCH_SIZE)]
    if not rows:
        return False
    cases = await load_cases(connection, [*{row["contract_id"] for row in rows}])
    contracts = {case.contract.contract_id: case.contract for case in cases}
    updates: list[tuple[UUID, int, datetime | None]] = []
    for row in rows:
        offer, contract = OfferChanged.model_validate_json(row["body"]), contracts[row["contract_id"]]
        is_reminder = row["notified_version"] == row["version"]
        if is_current(offer, contract, now, is_reminder=is_reminder):
            await raise_offer_notification(connection, now, contract, offer, is_reminder=is_reminder)
        reminder = None if is_reminder else find_reminder(offer, contract.terms.zone)
        updates.append((offer.offer_id, offer.version, reminder if reminder and reminder > now else None))
    ids, versions, next_notifications = zip(*updates, strict=True)
    await _sql.update_notified_offers(connection, ids=ids, versions=versions, next_notifications=next_notifications)
    return True
