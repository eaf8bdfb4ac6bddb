"""``/v1/services/{service}``: the status of a service and its dead letters, the same in every service (SPEC 7)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, NoReturn

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from pydantic import BaseModel, Field, TypeAdapter

from tidemark_shared import metrics
from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS, Connection, Pool, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.domain.bodies import Text
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import Call, NoBody, ReadCall, TransactionRoute, post_call
from tidemark_shared.messaging import dead_letters
from tidemark_shared.messaging.batches import Handler

_sql: SharedQueries = queries("tidemark_shared")

ServiceName = Literal["contracts", "consumption", "notifier", "intake"]
_MAX_ID = 2**63 - 1

_MEASURE_INTERVAL_SECONDS = 15.0
_PROBLEMS = metrics.gauge("tidemark_problems", "How many reasons `/readyz` names why the process makes no progress.")
_QUEUE_ITEMS = metrics.gauge(
    "tidemark_queue_items",
    "What waits in the database, by `queue`: `outbox`, `unfolded_records`, `unpublished_balances`, "
    "`pending_deliveries`, `pending_webhooks`. Each process of a service shows all of it: take the greatest.",
    "queue",
)
_QUEUE_AGE = metrics.gauge(
    "tidemark_queue_age_seconds", "How long the oldest of a `queue` has waited; 0 if none.", "queue"
)
_WAITING_DEAD_LETTERS = metrics.gauge(
    "tidemark_dead_letters_waiting_records", "Dead letters of the service that no replay has processed."
)
_DIFFERENCES = metrics.gauge(
    "tidemark_verification_differences_rows", "Rows that differed from the facts in the last `tidemark verify`."
)
_MEASURED = metrics.gauge(
    "tidemark_measured_timestamp_seconds",
    "When the figures of queues, dead letters and problems were read, in seconds since 1970: every 15 seconds.",
)


class Operations(NamedTuple):
    """What the routes need of their service."""

    service: ServiceName
    handlers: Mapping[str, Handler] = {}
    """By topic, those of the consumer."""
    load_queues: Callable[[Connection], AsyncIterator[Mapping[str, Any]]] | None = None
    """The rows of each :class:`Queue` besides the outbox."""
    load_verification: Callable[[Connection], Awaitable[Mapping[str, Any] | None]] | None = None
    """The row of :class:`Verification`."""


class TopicLag(BaseModel):
    """How far a service is behind in a topic that it reads."""

    topic: Annotated[str, Field(description="The topic's name.")]
    partitions: Annotated[int, Field(description="How many partitions the service has read.")]
    lag: Annotated[
        int | None, Field(description="Records to read, at most; null where the service has not asked Kafka yet.")
    ]
    seconds_since_progress: Annotated[
        int, Field(description="Seconds since a batch was committed. A fault only where `lag` is above zero.")
    ]
    checked_at: Annotated[
        datetime | None, Field(description="When Kafka was last asked where the topic ends; null if never.")
    ]


class Queue(BaseModel):
    """What waits inside a service."""

    name: Annotated[
        Literal[
            "outbox",
            "unfolded_records",
            "unpublished_balances",
            "pending_deliveries",
            "pending_report_mails",
            "pending_webhooks",
        ],
        Field(
            description="`outbox`: records to publish. `unfolded_records`: records that were read and are not counted "
            "yet. `unpublished_balances`: balances that changed. `pending_deliveries`: mails and webhooks to send. "
            "`pending_report_mails`: saved reports to mail. `pending_webhooks`: webhooks of trackers to process."
        ),
    ]
    length: Annotated[int, Field(description="How many wait.")]
    oldest_at: Annotated[datetime | None, Field(description="Since when the oldest waits; null if none waits.")]


class Verification(BaseModel):
    """A comparison of all figures with the facts (`tidemark verify`)."""

    started_at: Annotated[datetime, Field(description="When it started; it compares the figures of this moment.")]
    finished_at: Annotated[datetime, Field(description="When it ended.")]
    row_count: Annotated[int, Field(description="How many rows it compared.")]
    difference_count: Annotated[int, Field(description="How many rows differ from the facts.")]


class ServiceStatus(BaseModel):
    """What a service has done, and what waits."""

    service: Annotated[ServiceName, Field(description="The service's name.")]
    problems: Annotated[
        list[str], Field(description="Why it makes no progress, each with its remedy; empty if it does.")
    ]
    topics: Annotated[list[TopicLag], Field(description="The topics that it reads.")]
    queues: Annotated[list[Queue], Field(description="What waits inside of it.")]
    dead_letter_count: Annotated[int, Field(description="Dead letters that no replay has processed.")]
    verification: Annotated[
        Verification | None,
        Field(description="The last comparison of figures and facts; null before the first, and in other services."),
    ]


class DeadLetterSummary(BaseModel):
    """A record that a service could not process."""

    id: Annotated[int, Field(description="Its number in this service.")]
    service: Annotated[ServiceName, Field(description="The service that could not process it.")]
    topic: Annotated[str, Field(description="The topic that it came from.")]
    partition: Annotated[int, Field(description="The partition that it came from.")]
    record_offset: Annotated[int, Field(description="Its offset in that partition.")]
    reason: Annotated[str, Field(description="Why it could not be processed, and what to do.")]
    received_at: Annotated[datetime, Field(description="When it was first refused.")]
    replayed_at: Annotated[datetime | None, Field(description="When a replay processed it; null while it waits.")]


class RecordContent(BaseModel):
    """Bytes of a record: as text where they are UTF-8, else in hexadecimal."""

    text: Annotated[str | None, Field(description="The bytes as text; null where they are not UTF-8.")]
    hex: Annotated[str | None, Field(description="The bytes in hexadecimal; null where `text` has them.")]


class RecordHeader(BaseModel):
    """A header of a record. A name can occur more than once."""

    name: Annotated[str, Field(description="The header's name.")]
    content: Annotated[RecordContent | None, Field(description="Its value; null where it has none.")]


class DeadLetterDetails(DeadLetterSummary):
    """A dead letter with its record, as it came."""

    key: Annotated[RecordContent | None, Field(description="The record's key; null where it has none.")]
    headers: Annotated[list[RecordHeader], Field(description="The record's headers.")]
    value: Annotated[RecordContent | None, Field(description="The record's value; null where it has none.")]


def _check_service(request: Request, service: Annotated[ServiceName, Path(description="The service's name.")]) -> None:
    name = _operations(request).service
    if service != name:
        raise Problem(404, "Another service", f"This is {name}. Send requests for {service} to it, or to web.")


_options: dict[str, Any] = {
    "prefix": "/v1/services/{service}",
    "tags": ["operations"],
    "dependencies": [Depends(_check_service)],
}
_status = APIRouter(**_options)
_letters = APIRouter(**_options, route_class=TransactionRoute)

DeadLetterId = Annotated[int, Path(ge=0, le=_MAX_ID, description="The dead letter's number in this service.")]
_Position = TypeAdapter(tuple[Annotated[int, Field(ge=0, le=_MAX_ID)]])


@_status.get("/status", dependencies=[require_role("viewer")])
async def get_service_status(request: Request) -> ServiceStatus:
    """The topics that a service reads, what waits inside of it, and why it makes no progress."""
    return await _load_status(request.app)


async def _load_status(app: FastAPI) -> ServiceStatus:
    operations: Operations = app.state.operations
    # Before a connection is taken: the check takes one itself.
    problems = await app.state.problems()
    pool: Pool = app.state.pool
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        queues = [dict(row) async for row in _sql.outbox_queue(connection)]
        if operations.load_queues:
            queues += [dict(row) async for row in operations.load_queues(connection)]
        verification = operations.load_verification and await operations.load_verification(connection)
        status = {
            "service": operations.service,
            "problems": problems,
            "topics": [dict(row) async for row in _sql.lag_by_topic(connection)],
            "queues": queues,
            "dead_letter_count": await _sql.count_waiting_dead_letters(connection),
            "verification": dict(verification) if verification else None,
        }
    return ServiceStatus.model_validate(status)


async def measure_status(app: FastAPI) -> NoReturn:
    """Show the status of a service as metrics, until cancelled. How often Prometheus asks makes no difference."""
    while True:
        status = await _load_status(app)
        now = datetime.now(UTC)
        _PROBLEMS.set(len(status.problems))
        for queue in status.queues:
            age = now - queue.oldest_at if queue.oldest_at else None
            _QUEUE_ITEMS.labels(queue.name).set(queue.length)
            _QUEUE_AGE.labels(queue.name).set(max(age.total_seconds(), 0) if age else 0)
        _WAITING_DEAD_LETTERS.set(status.dead_letter_count)
        if status.verification:
            _DIFFERENCES.set(status.verification.difference_count)
        _MEASURED.set(now.timestamp())
        await asyncio.sleep(_MEASURE_INTERVAL_SECONDS)


@_letters.get("/dead-letters")
async def list_dead_letters(
    call: ReadCall,
    topic: Annotated[Text | None, Query(description="The name of a topic.")] = None,
    reason: Annotated[Text | None, Query(description="A part of the reason, in any case.")] = None,
    *,
    include_replayed: Annotated[bool, Query(description="Also those that a replay has processed.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DeadLetterSummary]:
    """The dead letters of a service, the oldest first."""
    position = decode_cursor(cursor, _Position)
    rows = await dead_letters.list_dead_letters(
        call.connection,
        topic=topic,
        reason=reason,
        include_replayed=include_replayed,
        after=position[0] if position else None,
        max_rows=limit + 1,
    )
    items = [DeadLetterSummary.model_validate(row) for row in rows]
    return Page(items=items[:limit], next=encode_cursor(str(items[limit - 1].id)) if len(items) > limit else None)


@_letters.get("/dead-letters/{dead_letter_id}")
async def get_dead_letter(dead_letter_id: DeadLetterId, call: ReadCall) -> DeadLetterDetails:
    """A dead letter, with key, headers and value of its record."""
    letter = await _find_dead_letter(call, dead_letter_id)
    headers = [{"name": name, "content": _read_content(value)} for name, value in letter["headers"]]
    content = {name: _read_content(letter[name]) for name in ("key", "value")}
    return DeadLetterDetails.model_validate({**letter, **content, "headers": headers})


@_letters.post("/dead-letters/{dead_letter_id}/replay")
async def replay_dead_letter(
    request: Request, dead_letter_id: DeadLetterId, call: Annotated[Call, post_call("admin")], _: NoBody = None
) -> DeadLetterSummary:
    """Process a dead letter again, unchanged, in the service that could not process it.

    `replayed_at` in the response is null if it was refused again: it waits with its new reason.
    """
    await _find_dead_letter(call, dead_letter_id)
    operations, prefix = _operations(request), request.app.state.settings.topic_prefix
    try:
        await dead_letters.replay_dead_letter(call.connection, operations.handlers, dead_letter_id, prefix=prefix)
    except dead_letters.UnknownDeadLetterError as error:
        raise Problem(409, "Topic is not read", str(error)) from None
    return DeadLetterSummary.model_validate(await _find_dead_letter(call, dead_letter_id))


def add_operations(app: FastAPI, operations: Operations) -> None:
    """Add the routes to the application of a service."""
    app.state.operations = operations
    app.include_router(_status)
    app.include_router(_letters)


def _operations(request: Request) -> Operations:
    operations: Operations = request.app.state.operations
    return operations


async def _find_dead_letter(call: Call, id_: int) -> dict[str, Any]:
    letter = await dead_letters.find_dead_letter(call.connection, id_)
    if letter is None:
        raise Problem(404, "Dead letter not found", f"This service has no dead letter {id_}.")
    return letter


def _read_content(content: bytes | None) -> RecordContent | None:
    if content is None:
        return None
    try:
        return RecordContent(text=content.decode(), hex=None)
    except UnicodeDecodeError:
        return RecordContent(text=None, hex=content.hex())
