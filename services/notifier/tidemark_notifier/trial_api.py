"""Why rules told or not, and what they would: ``…/notifications/explain``, ``/v1/rules/{preview,{id}/test}``."""

import asyncio
import json
from typing import Annotated
from uuid import UUID, uuid4

import httpx
from fastapi import APIRouter, Header, Path, Request
from pydantic import BaseModel, EmailStr, model_validator
from pydantic_core import PydanticCustomError

from tidemark_notifier.evaluate import fits, in_reach, look
from tidemark_notifier.explain import Explained, Fired, explain
from tidemark_notifier.judge import Case, cases, raise_test, stored_rule
from tidemark_notifier.preview import CurveDay, Foretold, Place, places, preview
from tidemark_notifier.rules import Rule, StoredRule
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Text
from tidemark_shared.http.auth import require
from tidemark_shared.http.pagination import Page
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import Create, OneTransaction, Read

_sql = queries("tidemark_notifier")

router = APIRouter(prefix="/v1", route_class=OneTransaction)
# While consumption is asked for a curve, no connection is held.
asking = APIRouter(prefix="/v1", dependencies=[require("viewer")])

Contract = Annotated[Text, Path(description="The contract's id or code.")]


class Previewed(BaseModel):
    """What is to be tried: a rule, or the id of one that is kept, on a contract by id or code."""

    rule: Rule | None = None
    rule_id: UUID | None = None
    contract: Text

    @model_validator(mode="after")
    def _names_one_rule(self) -> "Previewed":
        if (self.rule is None) == (self.rule_id is None):
            raise PydanticCustomError("invalid", 'Give either "rule" or "rule_id".')
        return self


class Tested(BaseModel):
    """Where the sample goes: to an address, else to the rule's receivers; of which contract it tells."""

    email: EmailStr | None = None
    contract: Text | None = None


class Test(BaseModel):
    """The notification that was raised; see ``/v1/notifications/{id}``."""

    notification_id: UUID


@router.get("/contracts/{contract:path}/notifications/explain")
async def explain_contract(contract: Contract, call: Read) -> Page[Explained]:
    """For each rule that could apply: whether it told, when and whom, or what is missing until it does."""
    case = await _case(call.session, contract)
    ids = [one.notification_id for one in case.told if one.notification_id]
    raised = {
        row["id"]: Fired(
            notification_id=row["id"], raised_at=row["raised_at"], receivers=json.loads(row["receivers"] or "[]")
        )
        async for row in _sql.raised(call.session, ids=ids)
    }
    rules = in_reach(case.rules, case.known.id, case.known.terms.organization_id)
    today = case.today(await _sql.now(call.session))
    return Page(items=explain(rules, case.known, case.told, raised, today), next=None)


@asking.post("/rules/preview")
async def preview_rule(
    asked: Previewed, request: Request, authorization: Annotated[str | None, Header()] = None
) -> Page[Foretold]:
    """When a rule would have told of a contract, and whom, along the curve of its work."""
    async with request.app.state.pool.acquire() as connection:
        case = await _case(connection, asked.contract)
        rule = asked.rule or await _rule(connection, asked.rule_id)
        [case] = await cases(connection, [case.known.id], [made := _as_kept(rule)])
    wanted = places(made, case.known) if fits(made.trigger, case.known.terms) else []
    client: httpx.AsyncClient = request.app.state.consumption
    headers = {"authorization": authorization} if authorization else {}
    curves = await asyncio.gather(*(_curve(client, headers, case.known.id, place) for place in wanted))
    return Page(items=list(preview(made, case.known, dict(zip(wanted, curves, strict=True)))), next=None)


@router.post("/rules/{rule_id}/test", status_code=202)
async def test_rule(rule_id: UUID, asked: Tested, call: Create) -> Test:
    """Send a sample, marked as a test, of a contract that the rule holds for; it counts as told nowhere."""
    rule = await _rule(call.session, rule_id)
    now = await _sql.now(call.session)
    if asked.contract is None:
        rows = _sql.to_sweep(call.session, scope=rule.scope.id, after=None, most=50)
        found = await cases(call.session, [row["id"] async for row in rows], [rule])
    else:
        found = [await _case(call.session, asked.contract)]
    for case in found:
        for sight in look(rule, case.known, case.today(now)):
            if sight.levels:
                id_ = await raise_test(call.session, now, case.known, sight, asked.email)
                return Test(notification_id=id_)
    raise Problem(409, "Nothing to show", "No contract has what this rule looks at. Name another as `contract`.")


def _as_kept(rule: Rule) -> StoredRule:
    return StoredRule(**{"id": uuid4(), "version": 1, **rule.model_dump()})


async def _rule(connection: Connection, rule_id: UUID | None) -> StoredRule:
    row = await _sql.rule(connection, id=rule_id)
    if row is None:
        raise Problem(404, "No such rule", f"No rule has the id {rule_id}.")
    return stored_rule(row)


async def _case(connection: Connection, reference: str) -> Case:
    """A contract by id or code, with its rules. Raises a 404, or a 409 while its organization is not known."""
    id_ = await _sql.contract_called(connection, id=_uuid(reference), ref=reference)
    if id_ is None:
        raise Problem(404, "No such contract", f"Neither an id nor a code is {reference!r}.")
    for case in await cases(connection, [id_]):
        return case
    raise Problem(409, "Not known yet", "Word of the contract's organization has not come yet. Try again in a moment.")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _curve(client: httpx.AsyncClient, headers: dict[str, str], contract: UUID, place: Place) -> list[CurveDay]:
    """The curve of a contract, an account or a share, as consumption answers the caller."""
    query = {name: str(id_) for name, id_ in place._asdict().items() if id_}
    try:
        answer = await client.get(f"/v1/contracts/{contract}/curve", params=query, headers=headers)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []  # it has not heard of the contract yet
        answer.raise_for_status()
    except httpx.HTTPError as error:
        message = "The service that counts (consumption) does not answer, and the curve is there. Try again."
        raise Problem(503, "The curve cannot be read", message) from error
    return [CurveDay.model_validate(one) for one in answer.json()["items"]]
