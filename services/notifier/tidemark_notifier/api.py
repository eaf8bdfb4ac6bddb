"""``/v1/rules`` and ``/v1/notifications``."""

import asyncio
import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from tidemark_notifier.judge import change_frame, stored_rule
from tidemark_notifier.rules import Rule, Scope, StoredRule
from tidemark_notifier.snapshot import Snapshot
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.http import Problem, Violation, require
from tidemark_shared.tokens import Actor

_sql = queries("tidemark_notifier")

router = APIRouter(prefix="/v1", dependencies=[require("viewer")])

Cursor = Annotated[UUID | None, Query(description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200)]
Manager = Annotated[Actor, require("manager")]
IfMatch = Annotated[str | None, Header(description='The ETag of the version that is changed, such as `"3"`.')]

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A part of a list; ``next`` is the ``cursor`` of the part that follows, null at the end."""

    items: list[Item]
    next: UUID | None


Status = Literal["pending", "delivered", "failed", "no_receiver"]


class Delivery(BaseModel):
    """One mail to one receiver; ``receiver`` is null where the rule's receivers resolved to nobody."""

    delivery_id: UUID
    channel: str
    receiver: str | None
    status: Status
    attempts: int
    last_error: str | None
    delivered_at: datetime | None


class Notification(BaseModel):
    """What was told, with what was seen, and how it went."""

    id: UUID
    contract_id: UUID
    contract_code: str
    rule_id: UUID
    rule_name: str
    subject: str
    subject_id: str
    threshold: str
    period_start: date | None
    raised_at: datetime
    snapshot: Snapshot
    deliveries: list[Delivery]


Kept = TypeVar("Kept", StoredRule, Notification)

# A scope may name what was made a moment ago: word of it is on its way.
_HEARSAY_SECONDS = 5
_GLANCE_SECONDS = 0.1


@router.post("/rules", status_code=201)
async def create_rule(
    rule: Rule,
    request: Request,
    response: Response,
    actor: Manager,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> StoredRule:
    """Make a rule. What it finds already crossed it tells at once, or never with ``existing: skip``."""
    await _expect_ready(request, rule.scope)
    body = rule.model_dump_json()
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        await change_frame(connection)
        known = idempotency_key and await _sql.answered(connection, actor=actor.name, key=idempotency_key)
        if known:
            if json.loads(known["request"]) != json.loads(body):
                raise Problem(422, "The Idempotency-Key is taken", "It was used with another body.")
            return _answer(response, StoredRule.model_validate_json(known["answer"]), created=True)
        row = await _sql.insert_rule(connection, body=body)
        if row is None:
            raise await _duplicate(connection, body)
        stored = stored_rule(row)
        if idempotency_key:
            await _sql.answer(
                connection, actor=actor.name, key=idempotency_key, request=body, answer=stored.model_dump_json()
            )
        await request.app.state.judge.rules_changed(connection, [rule.scope])
    return _answer(response, stored, created=True)


@router.get("/rules")
async def list_rules(request: Request, cursor: Cursor = None, limit: Limit = 50) -> Page[StoredRule]:
    """All rules, oldest first."""
    rows = [row async for row in _sql.rules(request.app.state.pool, after=cursor, most=limit + 1)]
    return _page([stored_rule(row) for row in rows], limit)


@router.get("/rules/{rule_id}")
async def read_rule(rule_id: UUID, request: Request, response: Response) -> StoredRule:
    """One rule."""
    return _answer(response, await _existing(request.app.state.pool, rule_id))


@router.put("/rules/{rule_id}")
async def change_rule(
    rule_id: UUID, rule: Rule, request: Request, response: Response, _: Manager, if_match: IfMatch = None
) -> StoredRule:
    """Replace a rule by a whole body. What it newly finds crossed it tells at once."""
    await _expect_ready(request, rule.scope)
    body = rule.model_dump_json()
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        await change_frame(connection)
        before = await _matching(connection, rule_id, if_match)
        if Rule.model_validate(before.model_dump()) == rule:
            return _answer(response, before)
        namesake = await _sql.rule_of_name(connection, body=body)
        if namesake not in (None, rule_id):
            raise await _duplicate(connection, body)
        stored = stored_rule(await _sql.update_rule(connection, id=rule_id, body=body))
        await request.app.state.judge.rules_changed(connection, [before.scope, rule.scope])
    return _answer(response, stored)


@router.delete("/rules/{rule_id}", status_code=204)
async def delete_rule(rule_id: UUID, request: Request, _: Manager, if_match: IfMatch = None) -> None:
    """Take a rule away. A wider one of its name holds again where it stood."""
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        await change_frame(connection)
        before = await _matching(connection, rule_id, if_match)
        await _sql.delete_rule(connection, id=rule_id)
        await request.app.state.judge.rules_changed(connection, [before.scope])


@router.get("/notifications")
async def list_notifications(
    request: Request,
    contract: Annotated[str | None, Query(description="A contract's id or code.")] = None,
    status: Status | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Notification]:
    """What was told, newest first, each with its deliveries; ``status`` is that of one of them."""
    items = await _notifications(
        request.app.state.pool, contract=contract, status=status, before=cursor, most=limit + 1
    )
    return _page(items, limit)


@router.get("/notifications/{notification_id}")
async def read_notification(notification_id: UUID, request: Request) -> Notification:
    """One notification, with what it saw."""
    return await _notification(request.app.state.pool, notification_id)


@router.post("/notifications/{notification_id}/resend")
async def resend(notification_id: UUID, request: Request, _: Manager) -> Notification:
    """Try again the deliveries that were given up."""
    pool = request.app.state.pool
    await _notification(pool, notification_id)
    if not [row async for row in _sql.resend(pool, id=notification_id)]:
        raise Problem(409, "Nothing to send again", "None of its deliveries has failed.")
    return await _notification(pool, notification_id)


def _answer(response: Response, rule: StoredRule, *, created: bool = False) -> StoredRule:
    response.headers["ETag"] = f'"{rule.version}"'
    if created:
        response.headers["Location"] = f"/v1/rules/{rule.id}"
    return rule


def _page(found: Sequence[Kept], limit: int) -> Page[Kept]:
    """A page of what was ``found`` where one more than ``limit`` was asked for."""
    return Page(items=list(found[:limit]), next=found[limit - 1].id if len(found) > limit else None)


async def _existing(connection: "Pool | Connection", rule_id: UUID) -> StoredRule:
    row = await _sql.rule(connection, id=rule_id)
    if row is None:
        raise Problem(404, "No such rule", f"No rule has the id {rule_id}.")
    return stored_rule(row)


async def _matching(connection: Connection, rule_id: UUID, if_match: str | None) -> StoredRule:
    """The rule, where ``If-Match`` names its version."""
    rule = await _existing(connection, rule_id)
    if if_match is None:
        raise Problem(428, "If-Match is needed", f'Send the version that you change: If-Match: "{rule.version}".')
    if f'"{rule.version}"' not in [tag.strip() for tag in if_match.split(",")] and if_match.strip() != "*":
        raise Problem(412, "The rule has changed", f"It is at version {rule.version} now. Read it again.")
    return rule


async def _duplicate(connection: Connection, body: str) -> Problem:
    namesake = await _sql.rule_of_name(connection, body=body)
    message = f"The scope has a rule of this name already: /v1/rules/{namesake}."
    return Problem(
        409, "The rule exists already", message, [Violation(code="duplicate", path="/name", message=message)]
    )


async def _expect_ready(request: Request, scope: Scope) -> None:
    """Wait a little for word of what the scope names; refuse while this instance does not judge yet."""
    if not request.app.state.judge.judging:
        raise Problem(503, "Not ready yet", "Contracts are still being read. Try again in a moment.")
    for _ in range(int(_HEARSAY_SECONDS / _GLANCE_SECONDS)):
        if scope.id is None or await _sql.is_known(request.app.state.pool, id=scope.id, kind=scope.kind):
            return
        await asyncio.sleep(_GLANCE_SECONDS)
    message = f"No {scope.kind} has the id {scope.id}."
    violation = Violation(code="unknown_reference", path="/scope/id", message=message)
    raise Problem(422, "The rule is not valid", message, [violation])


async def _notification(pool: Pool, notification_id: UUID) -> Notification:
    for item in await _notifications(pool, id=notification_id, most=1):
        return item
    raise Problem(404, "No such notification", f"No notification has the id {notification_id}.")


async def _notifications(pool: Pool, *, most: int, **filters: Any) -> list[Notification]:
    wanted = {"id": None, "contract": None, "status": None, "before": None, **filters}
    return [
        Notification.model_validate({**row, **{name: json.loads(row[name]) for name in ("snapshot", "deliveries")}})
        async for row in _sql.notifications(pool, **wanted, most=most)
    ]
