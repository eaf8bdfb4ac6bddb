"""``/v1/rules``: create, list, read, change and delete rules; dry runs."""

import asyncio
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from tidemark_notifier.api.dependencies import Started, find_rule
from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.delivery.egress import EgressPolicy, find_violation
from tidemark_notifier.engine.evaluation_cases import load_cases
from tidemark_notifier.engine.evaluator import lock_configuration, request_reevaluation
from tidemark_notifier.evaluation.evaluator import evaluate
from tidemark_notifier.evaluation.preview import NotificationPreview, preview_notification
from tidemark_notifier.rules.receivers import WITH_SECRETS, is_masked
from tidemark_notifier.rules.rule import Rule, StoredRule, parse_rule_row, restore_secrets
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.idempotency import release_key
from tidemark_shared.http.pagination import Cursor, Limit, Page, build_page, decode_page_cursor
from tidemark_shared.http.problems import Problem, Violation
from tidemark_shared.http.requests import (
    DRY_RUN,
    Call,
    ChangeCall,
    CreateCall,
    ReadCall,
    RunOutsideTransaction,
    TransactionRoute,
    wait_for_event,
)

_sql: NotifierQueries = queries("tidemark_notifier")

router = APIRouter(prefix="/v1", tags=["rules"], route_class=TransactionRoute)

_MAX_DRY_RUN_ITEMS = 1000
_DRY_RUN_BATCH_SIZE = 500


class DryRun(BaseModel):
    """The notifications that a rule would raise at once. ``complete`` is false if there are more than are listed."""

    items: list[NotificationPreview]
    complete: bool


@router.post(
    "/rules",
    status_code=201,
    response_model=StoredRule,
    responses={200: {"model": DryRun, "description": "With `dry_run`: no rule is created."}},
)
async def create_rule(
    rule: Strict[Rule],
    call: CreateCall,
    _started: Started,
    request: Request,
    *,
    dry_run: Annotated[
        bool, Query(description="Create no rule; return the notifications that it would raise at once.")
    ] = False,
) -> StoredRule | Response:
    """Create a rule. It notifies at once of thresholds that are already reached; with ``existing: skip``, never."""
    rule = restore_secrets(rule)
    _check_webhooks(request, rule)
    await _check_references(request, call.connection, rule)
    if dry_run:
        await release_key(request)  # a dry run changes nothing
        if await _sql.rule_id_by_name(call.connection, body=rule.model_dump_json()):
            raise await _build_duplicate_problem(call.connection, rule.model_dump_json())
        return Response((await _dry_run(call.connection, rule)).model_dump_json(), media_type="application/json")
    await lock_configuration(call.connection)
    body = rule.to_stored_json()
    row = await _sql.insert_rule(call.connection, body=body)
    if row is None:
        raise await _build_duplicate_problem(call.connection, body)
    stored = parse_rule_row(row)
    await request_reevaluation(call.connection, [rule.scope])
    call.response.headers["location"] = f"/v1/rules/{stored.id}"
    return _set_etag(call, stored)


@router.get("/rules")
async def list_rules(call: ReadCall, cursor: Cursor = None, limit: Limit = 50) -> Page[StoredRule]:
    """All rules, oldest first."""
    after = decode_page_cursor(cursor)
    rows = [row async for row in _sql.rules(call.connection, after=after and after[1], max_count=limit + 1)]
    return build_page([parse_rule_row(row) for row in rows], limit)


@router.get("/rules/{rule_id}")
async def get_rule(rule_id: UUID, call: ReadCall) -> StoredRule:
    """One rule."""
    return _set_etag(call, await find_rule(call.connection, rule_id))


@router.put("/rules/{rule_id}", dependencies=[DRY_RUN])
async def update_rule(
    rule_id: UUID, rule: Strict[Rule], call: ChangeCall, _started: Started, request: Request
) -> StoredRule:
    """Replace the whole body of a rule. It notifies at once of thresholds that are newly reached.

    A webhook without a ``secret``, or with the masked one, keeps the secret that its URL had.
    """
    with_secrets = restore_secrets(rule, await find_rule(call.connection, rule_id))
    _check_webhooks(request, with_secrets)
    await _check_references(request, call.connection, rule)
    await lock_configuration(call.connection)
    previous = await _find_rule_in_version(call, rule_id)
    rule = restore_secrets(rule, previous)
    if Rule.model_validate(previous.model_dump(context=WITH_SECRETS)) == rule:
        return _set_etag(call, previous)
    body = rule.to_stored_json()
    if await _sql.rule_id_by_name(call.connection, body=body) not in (None, rule_id):
        raise await _build_duplicate_problem(call.connection, body)
    row = await _sql.update_rule(call.connection, id=rule_id, body=body)
    assert row  # noqa: S101 - nobody deletes the rule in this transaction
    stored = parse_rule_row(row)
    await request_reevaluation(call.connection, [previous.scope, rule.scope])
    return _set_etag(call, stored)


@router.delete("/rules/{rule_id}", status_code=204, dependencies=[DRY_RUN])
async def delete_rule(rule_id: UUID, call: ChangeCall) -> None:
    """Delete a rule. Where it replaced a wider rule with its name, that one applies again."""
    await lock_configuration(call.connection)
    previous = await _find_rule_in_version(call, rule_id)
    await _sql.delete_rule(call.connection, id=rule_id)
    await request_reevaluation(call.connection, [previous.scope])


async def _dry_run(connection: Connection, rule: Rule) -> DryRun:
    """Evaluate as if the rule existed, and write nothing."""
    unsaved = StoredRule(**rule.model_dump(), id=uuid4(), version=1)
    now, after = await _sql.current_time(connection), None
    previews: list[NotificationPreview] = []
    while len(previews) < _MAX_DRY_RUN_ITEMS:
        rows = _sql.contract_ids_in_scope(
            connection, scope_id=rule.scope.id, after=after, max_count=_DRY_RUN_BATCH_SIZE
        )
        contract_ids = [row["id"] async for row in rows]
        if not contract_ids:
            return DryRun(items=previews, complete=True)
        after = contract_ids[-1]
        for case in await load_cases(connection, contract_ids, [unsaved]):
            if unsaved in case.effective_rules:
                today = case.local_day(now)
                notifications = evaluate([unsaved], case.contract, case.notified, today)
                previews += [
                    preview_notification(notification, case.contract, today)
                    for notification in notifications
                    if notification.notify
                ]
    return DryRun(items=previews[:_MAX_DRY_RUN_ITEMS], complete=False)


def _set_etag(call: Call, rule: StoredRule) -> StoredRule:
    call.set_etag(rule.version)
    return rule


async def _find_rule_in_version(call: Call, rule_id: UUID) -> StoredRule:
    rule = await find_rule(call.connection, rule_id)
    call.require_version(rule.version)
    return rule


async def _build_duplicate_problem(connection: Connection, body: str) -> Problem:
    rule_id = await _sql.rule_id_by_name(connection, body=body)
    message = f"This scope already has a rule with this name: /v1/rules/{rule_id}."
    return Problem(409, "Rule already exists", message, [Violation(code="duplicate", path="/name", message=message)])


async def _check_references(request: Request, connection: Connection, rule: Rule) -> None:
    """Check that the rule's scope and teams exist. They may have been created a moment ago."""
    references: list[tuple[str, UUID | None, str]] = [(rule.scope.kind, rule.scope.id, "/scope/id")]
    references += [("team", receiver.id, f"/receivers/{index}/id") for index, receiver in enumerate(rule.receivers)]
    violations = [
        Violation(code="unknown_reference", path=path, message=f"No {kind} with id {id_}.")
        for kind, id_, path in references
        if id_ and not await _sql.reference_exists(connection, id=id_, kind=kind)
    ]
    if violations:
        wait_for_event(request, _build_invalid_rule(violations))


def _check_webhooks(request: Request, rule: Rule) -> None:
    """Check each webhook of the rule once, outside of the transaction: a name server may take seconds."""

    async def check() -> None:
        await _find_webhook_violations(request.app.state.egress_policy, rule)
        request.state.rule_with_checked_webhooks = rule

    if getattr(request.state, "rule_with_checked_webhooks", None) != rule:
        raise RunOutsideTransaction(check)


async def _find_webhook_violations(policy: EgressPolicy, rule: Rule) -> None:
    """Check that each webhook has its secret, or the whole URL of a chat, and an allowed address. Raises a 422."""
    webhooks = [(index, receiver) for index, receiver in enumerate(rule.receivers) if receiver.url]
    messages = await asyncio.gather(*(find_violation(policy, receiver.url or "") for _, receiver in webhooks))
    violations = [
        _build_receiver_violation(index, "url", message)
        for (index, _), message in zip(webhooks, messages, strict=True)
        if message
    ]
    violations += [
        _build_receiver_violation(
            index, "secret", "A webhook needs a secret: whsec_ followed by 24 to 64 random bytes in base64."
        )
        for index, receiver in webhooks
        if receiver.secret is None and not receiver.chat_format
    ]
    violations += [
        _build_receiver_violation(index, "url", "The URL is masked, and this rule has no such URL. Send all of it.")
        for index, receiver in webhooks
        if is_masked(receiver.url or "")
    ]
    if violations:
        raise _build_invalid_rule(violations)


def _build_receiver_violation(index: int, member: str, message: str) -> Violation:
    return Violation(code="invalid", path=f"/receivers/{index}/{member}", message=message)


def _build_invalid_rule(violations: list[Violation]) -> Problem:
    return Problem(422, "Invalid rule", violations[0].message, violations)
