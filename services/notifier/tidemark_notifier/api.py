"""``/v1/rules`` and ``/v1/notifications``."""

import asyncio
import json
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from tidemark_notifier.evaluate import evaluate
from tidemark_notifier.guard import Guard, refusal
from tidemark_notifier.judge import Judge, cases, change_frame, stored_rule
from tidemark_notifier.preview import Foretold, foretold
from tidemark_notifier.rules import REVEALED, Rule, StoredRule, keep_secrets
from tidemark_notifier.snapshot import Snapshot
from tidemark_notifier.webhook import Webhook
from tidemark_shared.database import Connection, queries
from tidemark_shared.http.pagination import Cursor, Limit, Page, page, read_cursor
from tidemark_shared.http.problems import Problem, Violation
from tidemark_shared.http.requests import Call, Change, Create, OneTransaction, Read

_sql = queries("tidemark_notifier")

router = APIRouter(prefix="/v1", route_class=OneTransaction)
webhooks = APIRouter()

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
    threshold: str | None
    period_start: date | None
    raised_at: datetime
    snapshot: Snapshot
    deliveries: list[Delivery]


class DryRun(BaseModel):
    """Whom a rule would tell at once; not ``complete`` where there are more than are listed."""

    items: list[Foretold]
    complete: bool


_MOST_FORETOLD = 1000
_AT_A_TIME = 500

# A scope may name what was made a moment ago: word of it is on its way.
_HEARSAY_SECONDS = 5
_GLANCE_SECONDS = 0.1


def _judging(request: Request) -> Judge:
    judge: Judge = request.app.state.judge
    if not judge.judging:
        raise Problem(503, "Not ready yet", "Contracts are still being read. Try again in a moment.")
    return judge


def _guarding(request: Request) -> Guard:
    guard: Guard = request.app.state.guard
    return guard


Judging = Annotated[Judge, Depends(_judging)]
Guarding = Annotated[Guard, Depends(_guarding)]


@router.post(
    "/rules",
    status_code=201,
    response_model=StoredRule,
    responses={200: {"model": DryRun, "description": "With `dry_run`: nothing is made."}},
)
async def create_rule(
    rule: Rule,
    call: Create,
    judge: Judging,
    guard: Guarding,
    request: Request,
    *,
    dry_run: Annotated[bool, Query(description="Make nothing; answer whom it would tell at once.")] = False,
) -> StoredRule | Response:
    """Make a rule. What it finds already crossed it tells at once, or never with ``existing: skip``."""
    rule = keep_secrets(rule)
    await _expect_webhooks(guard, rule)
    await _expect_heard(call.session, rule)
    if dry_run:
        request.state.key = None  # it has done nothing: the Idempotency-Key stays free
        if await _sql.rule_of_name(call.session, body=rule.model_dump_json()):
            raise await _duplicate(call.session, rule.model_dump_json())
        return Response((await _dry_run(call.session, rule)).model_dump_json(), media_type="application/json")
    await change_frame(call.session)
    body = rule.stored()
    row = await _sql.insert_rule(call.session, body=body)
    if row is None:
        raise await _duplicate(call.session, body)
    stored = stored_rule(row)
    await judge.rules_changed(call.session, [rule.scope])
    call.response.headers["location"] = f"/v1/rules/{stored.id}"
    return _answer(call, stored)


@router.get("/rules")
async def list_rules(call: Read, cursor: Cursor = None, limit: Limit = 50) -> Page[StoredRule]:
    """All rules, oldest first."""
    rows = [row async for row in _sql.rules(call.session, after=_after(cursor), most=limit + 1)]
    return page([stored_rule(row) for row in rows], limit)


@router.get("/rules/{rule_id}")
async def read_rule(rule_id: UUID, call: Read) -> StoredRule:
    """One rule."""
    return _answer(call, await _existing(call, rule_id))


@router.put("/rules/{rule_id}")
async def change_rule(rule_id: UUID, rule: Rule, call: Change, judge: Judging, guard: Guarding) -> StoredRule:
    """Replace a rule by a whole body. What it newly finds crossed it tells at once.

    A webhook whose ``secret`` is left out, or sent as it was answered, keeps the one of the same URL.
    """
    await _expect_webhooks(guard, keep_secrets(rule, await _existing(call, rule_id)))
    await _expect_heard(call.session, rule)
    await change_frame(call.session)
    before = await _matching(call, rule_id)
    rule = keep_secrets(rule, before)
    if Rule.model_validate(before.model_dump(context=REVEALED)) == rule:
        return _answer(call, before)
    body = rule.stored()
    namesake = await _sql.rule_of_name(call.session, body=body)
    if namesake not in (None, rule_id):
        raise await _duplicate(call.session, body)
    stored = stored_rule(await _sql.update_rule(call.session, id=rule_id, body=body))
    await judge.rules_changed(call.session, [before.scope, rule.scope])
    return _answer(call, stored)


@router.delete("/rules/{rule_id}", status_code=204)
async def delete_rule(rule_id: UUID, call: Change, request: Request) -> None:
    """Take a rule away. A wider one of its name holds again where it stood."""
    await change_frame(call.session)
    before = await _matching(call, rule_id)
    await _sql.delete_rule(call.session, id=rule_id)
    await request.app.state.judge.rules_changed(call.session, [before.scope])


@router.get("/notifications")
async def list_notifications(
    call: Read,
    contract: Annotated[str | None, Query(description="A contract's id or code.")] = None,
    status: Status | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Notification]:
    """What was told, newest first, each with its deliveries; ``status`` is that of one of them."""
    found = await _notifications(call, contract=contract, status=status, before=_after(cursor), most=limit + 1)
    return page(found, limit)


@router.get("/notifications/{notification_id}")
async def read_notification(notification_id: UUID, call: Read) -> Notification:
    """One notification, with what it saw."""
    return await _notification(call, notification_id)


@router.post("/notifications/{notification_id}/resend")
async def resend(notification_id: UUID, call: Create) -> Notification:
    """Try again the deliveries that were given up."""
    await _notification(call, notification_id)
    if not [row async for row in _sql.resend(call.session, id=notification_id)]:
        raise Problem(409, "Nothing to send again", "None of its deliveries has failed.")
    return await _notification(call, notification_id)


async def _dry_run(connection: Connection, rule: Rule) -> DryRun:
    """Judge as if the rule were there, and write nothing."""
    made = StoredRule(**rule.model_dump(), id=uuid4(), version=1)
    now, after = await _sql.now(connection), None
    found: list[Foretold] = []
    while len(found) < _MOST_FORETOLD:
        rows = _sql.to_sweep(connection, scope=rule.scope.id, after=after, most=_AT_A_TIME)
        ids = [row["id"] async for row in rows]
        if not ids:
            return DryRun(items=found, complete=True)
        after = ids[-1]
        for case in await cases(connection, ids, [made]):
            if made in case.holding:
                notices = evaluate([made], case.known, case.told, case.today(now))
                found += [foretold(one, case.known, case.today(now)) for one in notices if one.tell]
    return DryRun(items=found[:_MOST_FORETOLD], complete=False)


@webhooks.post("notification")
def notification(told: Webhook) -> None:
    """What receivers of kind ``webhook`` are sent, signed as Standard Webhooks say. See docs/webhooks.md."""


def _answer(call: Call, rule: StoredRule) -> StoredRule:
    call.set_etag(rule.version)
    return rule


def _after(cursor: str | None) -> UUID | None:
    after = read_cursor(cursor)
    return after and after[1]


async def _existing(call: Call, rule_id: UUID) -> StoredRule:
    row = await _sql.rule(call.session, id=rule_id)
    if row is None:
        raise Problem(404, "No such rule", f"No rule has the id {rule_id}.")
    return stored_rule(row)


async def _matching(call: Call, rule_id: UUID) -> StoredRule:
    rule = await _existing(call, rule_id)
    call.require_version(rule.version)
    return rule


async def _duplicate(connection: Connection, body: str) -> Problem:
    namesake = await _sql.rule_of_name(connection, body=body)
    message = f"The scope has a rule of this name already: /v1/rules/{namesake}."
    return Problem(
        409, "The rule exists already", message, [Violation(code="duplicate", path="/name", message=message)]
    )


async def _expect_heard(connection: Connection, rule: Rule) -> None:
    """Wait a little for word of what the rule names: its scope, and teams that are to be told."""
    named: list[tuple[str, UUID | None, str]] = [(rule.scope.kind, rule.scope.id, "/scope/id")]
    named += [("team", one.id, f"/receivers/{index}/id") for index, one in enumerate(rule.receivers)]
    for _ in range(int(_HEARSAY_SECONDS / _GLANCE_SECONDS)):
        named = [
            (kind, id_, path)
            for kind, id_, path in named
            if id_ and not await _sql.is_known(connection, id=id_, kind=kind)
        ]
        if not named:
            return
        await asyncio.sleep(_GLANCE_SECONDS)
    found = [
        Violation(code="unknown_reference", path=path, message=f"No {kind} has the id {id_}.")
        for kind, id_, path in named
    ]
    raise Problem(422, "The rule is not valid", found[0].message, found)


async def _expect_webhooks(guard: Guard, rule: Rule) -> None:
    """Each webhook has a secret, and leads to no place that it could never reach."""
    webhooks = [(index, one.url, one.secret) for index, one in enumerate(rule.receivers) if one.url]
    refusals = await asyncio.gather(*(refusal(guard, url) for _, url, _ in webhooks))
    found = [_at(index, "url", refused) for (index, _, _), refused in zip(webhooks, refusals, strict=True) if refused]
    found += [
        _at(index, "secret", "A webhook needs a secret: whsec_ and 24 to 64 random bytes in base64.")
        for index, _, secret in webhooks
        if secret is None
    ]
    if found:
        raise Problem(422, "The rule is not valid", found[0].message, found)


def _at(index: int, member: str, message: str) -> Violation:
    return Violation(code="invalid", path=f"/receivers/{index}/{member}", message=message)


async def _notification(call: Call, notification_id: UUID) -> Notification:
    for item in await _notifications(call, id=notification_id, most=1):
        return item
    raise Problem(404, "No such notification", f"No notification has the id {notification_id}.")


async def _notifications(call: Call, *, most: int, **filters: Any) -> list[Notification]:
    wanted = {"id": None, "contract": None, "status": None, "before": None, **filters}
    return [
        Notification.model_validate({**row, **{name: json.loads(row[name]) for name in ("snapshot", "deliveries")}})
        async for row in _sql.notifications(call.session, **wanted, most=most)
    ]
