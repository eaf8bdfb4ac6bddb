"""``POST /v1/intake/{source}/webhook``: a tracker's webhook is stored as it came, and processed afterwards."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from tidemark_intake.database.query_types import IntakeQueries
from tidemark_intake.people import replace_people
from tidemark_intake.signatures import check_age
from tidemark_intake.trackers import DeliveryError, Tracker
from tidemark_shared.database import queries
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.strict_requests import UNCHECKED
from tidemark_shared.log import get_logger

_log = get_logger()
_sql: IntakeQueries = queries("tidemark_intake")

router = APIRouter(prefix="/v1/intake", tags=["intake"])

SourceId = Annotated[str, Path(description="The id of the source in TIDEMARK_INTAKE_FILE.")]


@router.post(
    "/{source}/webhook",
    status_code=204,
    responses={200: {"description": "The answer to a test of the address."}},
    openapi_extra=UNCHECKED,
)
async def receive_webhook(request: Request, source: SourceId) -> Response:
    """Store a delivery of a tracker. Only a new delivery with the signature or token of the source is stored."""
    tracker = _find_tracker(request, source)
    body, now = await request.body(), datetime.now(UTC)
    try:
        delivery = tracker.check_delivery(request.headers, body)
        check_age(delivery, now)
        tracker.read_delivery(body)
    except DeliveryError as error:
        await _sql.count_refused(request.app.state.pool, source_id=source)
        _log.warning("delivery_refused", source=source, error=str(error))
        raise Problem(401, "Delivery refused", str(error)) from None
    if delivery.answer:
        return JSONResponse(dict(delivery.answer))
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        await _sql.store_delivery(
            connection,
            source_id=source,
            id=delivery.id,
            body=await replace_people(connection, body),
            received_at=now,
            is_dated=delivery.sent_at is not None,
        )
    return Response(status_code=204)


@router.get("/{source}/webhook", response_class=PlainTextResponse, include_in_schema=False, openapi_extra=UNCHECKED)
async def answer_handshake(request: Request, source: SourceId) -> Response:
    """Answer the handshake with which Tempo checks the address of a webhook: its random text comes back."""
    _find_tracker(request, source)
    # No browser takes the text for a page.
    headers = {"x-content-type-options": "nosniff"}
    return PlainTextResponse(request.query_params.get("randomString", "")[:200], headers=headers)


def _find_tracker(request: Request, source: str) -> Tracker:
    tracker: Tracker | None = request.app.state.trackers.get(source)
    if tracker is None:
        raise Problem(404, "Unknown source", "TIDEMARK_INTAKE_FILE has no source with this id.")
    return tracker
