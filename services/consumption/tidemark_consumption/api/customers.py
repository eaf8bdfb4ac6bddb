"""``/v1/customer/contracts``: a customer's own contracts, without anything internal (SPEC 7).

The bodies are models of their own, which know nothing of persons, teams, worklogs, rates, accounts that are not
billable, work that does not count, and restatements. So what a balance gets later is not shown until it is added here.
"""

import json
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field, TypeAdapter

from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS, queries
from tidemark_shared.domain.bodies import Body, Day, Status, Text
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from tidemark_shared.http.problems import INVALID_REQUEST, Problem, Violation
from tidemark_shared.http.tokens import Actor

_sql: ConsumptionQueries = queries("tidemark_consumption")

router = APIRouter(prefix="/v1/customer/contracts", tags=["customer"])

_Position = TypeAdapter(tuple[Text, UUID])


class CustomerFigures(Body):
    """Planned against consumed work of billable accounts, in the contract's unit."""

    planned: int | None
    consumed: int
    remaining: int | None
    percent: str | None


class CustomerAccountPeriod(CustomerFigures):
    """The figures of an account in one period."""

    start: Day
    end: Day


class CustomerPeriod(CustomerAccountPeriod):
    """The figures of one period, with what is carried into it."""

    carried: int
    available: int | None


class CustomerAccount(Body):
    """A billable account with its figures."""

    account_id: UUID
    name: str
    whole: CustomerFigures
    periods: tuple[CustomerAccountPeriod, ...]


class _Contract(Body):
    contract_id: UUID
    contract_code: str
    contract_name: str
    type: Literal["time_and_materials", "fixed_price"]
    recurrence: Literal["none", "monthly"]
    status: Status
    start_date: date
    end_date: date
    timezone: str
    unit: Literal["seconds", "minor"]
    currency: str | None
    exhausts_on: Annotated[
        date | None,
        Field(description="The day on which the current period is used up at the current pace; null if it is not."),
    ]
    whole: CustomerFigures
    updated_at: Annotated[datetime, Field(description="When the figures last changed.")]


class CustomerContractSummary(_Contract):
    """A contract as its customer sees it, with the figures of the current period."""

    period: CustomerPeriod


class CustomerContract(_Contract):
    """A contract as its customer sees it, with all periods and the billable accounts."""

    periods: tuple[CustomerPeriod, ...]
    accounts: tuple[CustomerAccount, ...]


class CustomerDay(Body):
    """What was consumed by the end of a day, by day of work."""

    day: Day
    consumed: int
    period_start: Annotated[Day | None, Field(description="The first day of the period that holds the day.")]
    period_consumed: Annotated[int | None, Field(description="What was consumed since that period began.")]


def _organization(
    actor: Annotated[Actor, require_role("customer")],
    organization: Annotated[
        UUID | None, Query(description="Whose contracts. A customer sees its own; everybody else must say whose.")
    ] = None,
) -> UUID:
    """The organization whose contracts the caller sees. Raises a 404 for another one than a customer's own."""
    if actor.organization_id and organization in (None, actor.organization_id):
        return actor.organization_id
    if actor.organization_id:
        raise not_found()
    if organization is None:
        message = "Say whose contracts you want to see: ?organization=ID."
        violation = Violation(code="invalid", path="/organization", message=message)
        raise Problem(422, INVALID_REQUEST, message, [violation])
    return organization


OwnOrganization = Annotated[UUID, Depends(_organization)]
Reference = Annotated[Text, Path(description="The contract's id or code.")]


@router.get("")
async def list_customer_contracts(
    request: Request, organization: OwnOrganization, cursor: Cursor = None, limit: Annotated[Limit, Query()] = 50
) -> Page[CustomerContractSummary]:
    """The contracts of a customer, the active ones first; drafts are none of them."""
    after_key, after_id = decode_cursor(cursor, _Position) or (None, None)
    rows = await _load(request, organization, after_key=after_key, after_id=after_id, max_rows=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    items = [CustomerContractSummary.model_validate({**row, "period": row["periods"][-1]}) for row in rows[:limit]]
    return Page(items=items, next=encode_cursor(last["sort_key"], str(last["contract_id"])) if last else None)


@router.get("/{contract:path}/curve")
async def list_customer_curve(
    request: Request, organization: OwnOrganization, contract: Reference
) -> Page[CustomerDay]:
    """What was consumed by the end of each day, from the first day to today or the last; all on one page."""
    async with request.app.state.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        contract_id = await _sql.customer_contract_id(connection, organization=organization, ref=contract)
        if contract_id is None:
            raise not_found()
        rows = _sql.curve(
            connection, contract=contract_id, account=None, by_team=False, team=None, moment=datetime.now(UTC)
        )
        items = [_day(row["day"], json.loads(row["whole"]), json.loads(row["period"])) async for row in rows]
    return Page(items=items, next=None)


# A code can contain slashes, so the route without a suffix comes last.
@router.get("/{contract:path}")
async def get_customer_contract(
    request: Request, organization: OwnOrganization, contract: Reference
) -> CustomerContract:
    """One contract of a customer, every period of it. The contract of another customer is not found."""
    for row in await _load(request, organization, ref=contract, max_rows=1):
        billable = [account for account in row["accounts"] if account["billable"]]
        return CustomerContract.model_validate({**row, "accounts": billable})
    raise not_found()


async def _load(
    request: Request,
    organization: UUID,
    *,
    max_rows: int,
    ref: str | None = None,
    after_key: str | None = None,
    after_id: UUID | None = None,
) -> list[dict[str, Any]]:
    """The contracts, each with the members of its balance."""
    async with request.app.state.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        rows = _sql.customer_contracts(
            connection,
            organization=organization,
            ref=ref,
            complete=ref is not None,
            after_key=after_key,
            after_id=after_id,
            moment=datetime.now(UTC),
            max_rows=max_rows,
        )
        return [{**json.loads(row["body"]), **row} async for row in rows]


def _day(day: date, whole: dict[str, Any], period: dict[str, Any]) -> CustomerDay:
    return CustomerDay(
        day=day,
        consumed=whole["consumed"],
        period_start=period["start"],
        period_consumed=period["consumed"] if period["start"] else None,
    )


def not_found() -> Problem:
    """The same answer for a contract of somebody else, for a draft, and for none."""
    return Problem(404, "No such contract", "There is no such contract. Open the list of your contracts.")
