"""Simulation: ``/v1/contracts/{id}/notifications/explain`` and ``/v1/rules/{preview,check,{id}/test}``."""

import asyncio
import json
from typing import Annotated
from uuid import UUID, uuid4

import httpx
from fastapi import APIRouter, Header, Path, Request
from pydantic import BaseModel, EmailStr, model_validator
from pydantic_core import PydanticCustomError

from tidemark_notifier.api.dependencies import find_case, find_rule
from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.engine.evaluation_cases import load_cases
from tidemark_notifier.engine.notifications import raise_test
from tidemark_notifier.evaluation.explain import ExplainedRule, FiredNotification, explain_rules
from tidemark_notifier.evaluation.preview import (
    CurveKey,
    CurvePoint,
    NotificationPreview,
    find_crossings,
    list_required_curves,
    preview_rule,
)
from tidemark_notifier.evaluation.rule_evaluation import evaluate_rule, is_applicable
from tidemark_notifier.rules.rule import Rule, StoredRule, find_rules_in_scope
from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS, queries
from tidemark_shared.domain.bodies import Text
from tidemark_shared.domain.crossing import ChangedBalance, Crossing
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.pagination import Page
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import CreateCall, ReadCall, TransactionRoute

_sql: NotifierQueries = queries("tidemark_notifier")

router = APIRouter(prefix="/v1", tags=["rules"], route_class=TransactionRoute)
# Its routes wait for consumption, and hold no database connection meanwhile.
upstream_router = APIRouter(prefix="/v1", tags=["rules"], dependencies=[require_role("viewer")])

_MAX_TEST_CANDIDATES = 50


class RulePreviewRequest(BaseModel):
    """A rule, or the id of a stored one, and a contract by id or code."""

    rule: Rule | None = None
    rule_id: UUID | None = None
    contract: Text

    @model_validator(mode="after")
    def _check_rule(self) -> "RulePreviewRequest":
        if (self.rule is None) == (self.rule_id is None):
            raise PydanticCustomError("invalid", 'Send either "rule" or "rule_id".')
        return self


class RuleTestRequest(BaseModel):
    """Where the test goes: to ``email`` or else to the rule's receivers; and the contract whose figures it shows."""

    email: EmailStr | None = None
    contract: Text | None = None


class RuleTestResult(BaseModel):
    """The notification that was raised; see ``/v1/notifications/{id}``."""

    notification_id: UUID


@router.get("/contracts/{contract:path}/notifications/explain")
async def explain_contract_notifications(
    contract: Annotated[Text, Path(description="The contract's id or code.")], call: ReadCall
) -> Page[ExplainedRule]:
    """For each rule that could apply: whether it fired, when and to whom, or what is missing until it does."""
    case = await find_case(call.connection, contract)
    ids = [key.notification_id for key in case.notified if key.notification_id]
    raised = {
        row["id"]: FiredNotification(
            notification_id=row["id"], raised_at=row["raised_at"], receivers=json.loads(row["receivers"] or "[]")
        )
        async for row in _sql.delivery_statuses(call.connection, notification_ids=ids)
    }
    rules = find_rules_in_scope(case.rules, case.contract.contract_id, case.contract.terms.organization_id)
    today = case.local_day(await _sql.current_time(call.connection))
    return Page(items=explain_rules(rules, case.contract, case.notified, raised, today), next=None)


@upstream_router.post("/rules/preview", name="preview_rule")
async def preview_rule_on_curve(
    preview: Strict[RulePreviewRequest],
    request: Request,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Page[NotificationPreview]:
    """When a rule would have notified of a contract, and whom, along the curve of its work."""
    async with request.app.state.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        case = await find_case(connection, preview.contract)
        rule = preview.rule or await find_rule(connection, preview.rule_id)
        unsaved = StoredRule(**{"id": uuid4(), "version": 1, **rule.model_dump()})
        [case] = await load_cases(connection, [case.contract.contract_id], [unsaved])
    keys = list_required_curves(unsaved, case.contract) if is_applicable(unsaved.trigger, case.contract.terms) else []
    client: httpx.AsyncClient = request.app.state.consumption
    headers = {"authorization": authorization} if authorization else {}
    curves = await asyncio.gather(*(_fetch_curve(client, headers, case.contract.contract_id, key) for key in keys))
    previews = preview_rule(unsaved, case.contract, dict(zip(keys, curves, strict=True)))
    return Page(items=list(previews), next=None)


@router.post("/rules/check", name="check_rules")
async def check_rules_on_change(change: Strict[ChangedBalance], call: ReadCall) -> Page[Crossing]:
    """What a change of a contract's balance would notify of, and whom. Raises and stores nothing.

    `POST /v1/worklogs/check` has both balances.
    """
    case = await find_case(call.connection, str(change.after.contract_id))
    if awaited := case.describe_awaited(change.after):
        raise Problem(409, "Contract not ready", f"Waiting for {awaited}. Try again in a moment.")
    today = case.local_day(await _sql.current_time(call.connection))
    crossings = find_crossings(case.effective_rules, case.contract, case.notified, today, change)
    return Page(items=list(crossings), next=None)


@router.post("/rules/{rule_id}/test", status_code=202)
async def test_rule(rule_id: UUID, test: Strict[RuleTestRequest], call: CreateCall) -> RuleTestResult:
    """Send a notification marked as a test, for a contract in the rule's scope. The real one is still raised later."""
    rule = await find_rule(call.connection, rule_id)
    now = await _sql.current_time(call.connection)
    if test.contract is None:
        rows = _sql.contract_ids_in_scope(
            call.connection, scope_id=rule.scope.id, after=None, max_count=_MAX_TEST_CANDIDATES
        )
        cases = await load_cases(call.connection, [row["id"] async for row in rows], [rule])
    else:
        cases = [await find_case(call.connection, test.contract)]
    for case in cases:
        for evaluation in evaluate_rule(rule, case.contract, case.local_day(now)):
            if evaluation.states:
                id_ = await raise_test(call.connection, now, case.contract, evaluation, test.email)
                return RuleTestResult(notification_id=id_)
    raise Problem(
        409,
        "Nothing to test",
        "None of the contracts has figures for this rule. Name a contract that does in `contract`.",
    )


async def _fetch_curve(
    client: httpx.AsyncClient, headers: dict[str, str], contract_id: UUID, key: CurveKey
) -> list[CurvePoint]:
    """The curve of a contract, an account or a slice, requested from consumption with the caller's token."""
    query = {name: str(id_) for name, id_ in zip(("account", "team"), key, strict=True) if id_}
    try:
        response = await client.get(f"/v1/contracts/{contract_id}/curve", params=query, headers=headers)
        if response.status_code == httpx.codes.NOT_FOUND:
            return []  # consumption has not received the contract yet
        response.raise_for_status()
    except httpx.HTTPError as error:
        message = "The consumption service, which has the curve, does not respond. Check that it runs, and try again."
        raise Problem(503, "Curve not available", message) from error
    return [CurvePoint.model_validate(point) for point in response.json()["items"]]
