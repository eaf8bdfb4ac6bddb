"""``/v1/notifications``: list, read and resend."""

import json
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.delivery.webhook import WebhookPayload
from tidemark_notifier.evaluation.snapshot import Snapshot
from tidemark_shared.database import queries
from tidemark_shared.domain.bodies import Text
from tidemark_shared.http.pagination import Cursor, Limit, Page, build_page, decode_page_cursor
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import Call, CreateCall, NoBody, ReadCall, TransactionRoute

_sql: NotifierQueries = queries("tidemark_notifier")

router = APIRouter(prefix="/v1", tags=["notifications"], route_class=TransactionRoute)
webhooks = APIRouter(tags=["notifications"])

DeliveryStatus = Literal["pending", "delivered", "failed", "no_receiver"]


class Delivery(BaseModel):
    """One mail or webhook to one receiver; ``receiver`` is null if the rule's receivers resolved to no address.

    Deliveries with the same ``message_id`` are one mail.
    """

    delivery_id: UUID
    message_id: UUID
    channel: str
    receiver: str | None
    status: DeliveryStatus
    attempts: int
    last_error: str | None
    delivered_at: datetime | None


class Notification(BaseModel):
    """A notification with its figures and its deliveries: of a rule, or of an offer."""

    id: UUID
    contract_id: UUID
    contract_code: str
    rule_id: UUID | None
    rule_name: str | None
    offer_id: UUID | None
    subject: str
    subject_id: str
    threshold: str | None
    period_start: date | None
    raised_at: datetime
    snapshot: Snapshot
    deliveries: list[Delivery]


@router.get("/notifications")
async def list_notifications(
    call: ReadCall,
    contract: Annotated[Text | None, Query(description="A contract's id or code.")] = None,
    status: DeliveryStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Notification]:
    """Notifications, newest first, each with its deliveries; ``status`` is the status of one of them."""
    after = decode_page_cursor(cursor)
    notifications = await _load_notifications(
        call, contract=contract, status=status, before=after and after[1], max_count=limit + 1
    )
    return build_page(notifications, limit)


@router.get("/notifications/{notification_id}")
async def get_notification(notification_id: UUID, call: ReadCall) -> Notification:
    """One notification."""
    return await _find_notification(call, notification_id)


@router.post("/notifications/{notification_id}/resend")
async def resend_notification(notification_id: UUID, call: CreateCall, _: NoBody = None) -> Notification:
    """Try the failed deliveries of a notification again."""
    await _find_notification(call, notification_id)
    if not [row async for row in _sql.reset_failed_deliveries(call.connection, notification_id=notification_id)]:
        raise Problem(409, "Nothing to resend", "No delivery of this notification has failed.")
    return await _find_notification(call, notification_id)


@webhooks.post("notification")
def notification(payload: WebhookPayload) -> None:
    """The request to receivers of kind ``webhook``, signed by Standard Webhooks. See docs/webhooks.md."""


async def _find_notification(call: Call, notification_id: UUID) -> Notification:
    for item in await _load_notifications(call, id=notification_id, max_count=1):
        return item
    raise Problem(404, "Notification not found", f"No notification with id {notification_id}.")


async def _load_notifications(call: Call, *, max_count: int, **filters: Any) -> list[Notification]:
    all_filters = {"id": None, "contract": None, "status": None, "before": None, **filters}
    return [
        Notification.model_validate({**row, **{name: json.loads(row[name]) for name in ("snapshot", "deliveries")}})
        async for row in _sql.notifications(call.connection, **all_filters, max_count=max_count)
    ]
