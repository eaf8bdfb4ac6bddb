"""``/v1/customer/contracts/{contract}/statements``: the statements of a customer's contract (SPEC 7, 10).

Like all that a customer sees, the bodies are models of their own: billable accounts alone, without teams, worklogs,
reasons and causes. Both sides name a statement by its number and its SHA-256, which is that of the provider's JSON.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import Field, TypeAdapter

from tidemark_consumption.api.customers import CustomerFigures, CustomerPeriod, OwnOrganization, Reference, not_found
from tidemark_consumption.database.query_types import ConsumptionQueries, CustomerStatementsRow
from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS, Connection, queries
from tidemark_shared.domain.bodies import Body, Day
from tidemark_shared.domain.quantities import hours_to_seconds
from tidemark_shared.domain.statements import Moment, Sha256, Statement
from tidemark_shared.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from tidemark_shared.http.problems import Problem
from tidemark_shared.messaging.events import format_timestamp

_sql: ConsumptionQueries = queries("tidemark_consumption")

router = APIRouter(prefix="/v1/customer/contracts/{contract:path}/statements", tags=["customer"])

_Position = TypeAdapter(tuple[Annotated[int, Field(ge=0, lt=2**31)]])


class CustomerStatementAccount(CustomerFigures):
    """A billable account in a period."""

    account_id: UUID
    name: str


class CustomerAdjustment(Body):
    """What was added to (or deducted from) an account in the period; it is part of planned."""

    account_id: UUID
    amount: Annotated[int, Field(description="Seconds, or minor units of the currency.")]


class CustomerCorrection(Body):
    """What an account of a settled period came to before its restatements, and after them."""

    period_start: Day
    account_id: UUID
    account_name: str | None
    before: Annotated[int, Field(description="Seconds, or minor units of the currency.")]
    after: Annotated[int, Field(description="Seconds, or minor units of the currency.")]


class CustomerRestatement(CustomerCorrection):
    """What has corrected a statement since: an account, from the first of its restatements to the last."""

    restated_at: Annotated[Moment, Field(description="When the last of the restatements was learned.")]


class CustomerPeriodBody(Body):
    """The figures of a period: of the contract, and of its billable accounts."""

    figures: Annotated[CustomerPeriod, Field(description="The figures of the period.")]
    accounts: Annotated[tuple[CustomerStatementAccount, ...], Field(description="The billable accounts.")]


class CustomerStatement(CustomerPeriodBody):
    """A statement as its customer sees it."""

    contract_code: str
    contract_name: str
    number: Annotated[int, Field(description="Counts the statements of the contract, from 1, in the order frozen.")]
    unit: Literal["seconds", "minor"]
    currency: str | None
    closed_at: Annotated[Moment, Field(description="When the statement was frozen.")]
    adjustments: Annotated[
        tuple[CustomerAdjustment, ...], Field(description="What was agreed in addition; part of planned.")
    ]
    corrections: Annotated[
        tuple[CustomerCorrection, ...],
        Field(description="What earlier statements of the contract were corrected by since its last statement."),
    ]
    sha256: Annotated[Sha256, Field(description="The SHA-256 of the statement, which both sides hold.")]


class CustomerStatementNow(Body):
    """A statement, what has corrected it since, and what its period comes to today."""

    statement: Annotated[CustomerStatement, Field(description="The statement as it was frozen.")]
    restatements: Annotated[
        tuple[CustomerRestatement, ...],
        Field(description="What has corrected it: each account that comes to something else now."),
    ]
    today: Annotated[
        CustomerPeriodBody | None,
        Field(description="The figures today; null where the contract does not have the period any more."),
    ]


@router.get("")
async def list_customer_statements(
    request: Request, organization: OwnOrganization, contract: Reference, cursor: Cursor = None, limit: Limit = 50
) -> Page[CustomerStatement]:
    """The statements of a contract that were made for this customer, in the order frozen."""
    [after] = decode_cursor(cursor, _Position) or (0,)
    async with request.app.state.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        contract_id = await _find_contract(connection, organization, contract)
        statements = await _load(connection, contract_id, organization, after=after, max_rows=limit + 1)
    last = statements[limit - 1] if len(statements) > limit else None
    return Page(items=statements[:limit], next=last and encode_cursor(str(last.number)))


@router.get("/{period_start}")
async def get_customer_statement(
    request: Request,
    organization: OwnOrganization,
    contract: Reference,
    period_start: Annotated[Day, Path(description="The first day of the period.")],
) -> CustomerStatementNow:
    """The statement of a period, what has corrected it since, and the figures today."""
    async with request.app.state.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        contract_id = await _find_contract(connection, organization, contract)
        statements = await _load(connection, contract_id, organization, period_start=period_start, max_rows=1)
        if not statements:
            raise Problem(404, "No such statement", f"No period that starts on {period_start} is settled.")
        [statement] = statements
        rows = _sql.customer_statement_restatements(connection, contract=contract_id, period_start=period_start)
        restatements = [
            CustomerRestatement(
                **_correction(row, statement.unit).model_dump(), restated_at=format_timestamp(row["restated_at"])
            )
            async for row in rows
        ]
        today = await _sql.statement_today(connection, contract=contract_id, starts=[period_start])
    return CustomerStatementNow(
        statement=statement, restatements=tuple(restatements), today=_period(json.loads(today)) if today else None
    )


async def _find_contract(connection: Connection, organization: UUID, contract: str) -> UUID:
    contract_id = await _sql.customer_contract_id(connection, organization=organization, ref=contract)
    if contract_id is None:
        raise not_found()
    return contract_id


async def _load(
    connection: Connection,
    contract_id: UUID,
    organization: UUID,
    *,
    max_rows: int,
    period_start: Day | None = None,
    after: int = 0,
) -> list[CustomerStatement]:
    rows = _sql.customer_statements(
        connection,
        contract=contract_id,
        organization=organization,
        period_start=period_start,
        after=after,
        max_rows=max_rows,
    )
    return [_statement(row) async for row in rows]


def _statement(row: CustomerStatementsRow) -> CustomerStatement:
    body = json.loads(row["body"])
    statement = Statement.model_validate({**body, "sha256": row["sha256"]})
    period, shown = _period(body), json.loads(row["billable_corrections"])
    billable = {account.account_id for account in period.accounts}
    return CustomerStatement(
        **period.model_dump(),
        **statement.model_dump(
            include={"contract_code", "contract_name", "number", "unit", "currency", "closed_at", "sha256"}
        ),
        adjustments=tuple(
            CustomerAdjustment(
                account_id=adjustment.account_id,
                amount=adjustment.value_minor or 0 if adjustment.hours is None else hours_to_seconds(adjustment.hours),
            )
            for adjustment in statement.adjustments
            if adjustment.account_id in billable
        ),
        corrections=tuple(
            _correction(correction.model_dump(), statement.unit)
            for position, correction in enumerate(statement.restatements)
            if position in shown
        ),
    )


def _period(body: dict[str, Any]) -> CustomerPeriodBody:
    """The figures of a period without what is internal."""
    accounts = [account for account in body["accounts"] if account["billable"]]
    return CustomerPeriodBody.model_validate({"figures": body["figures"], "accounts": accounts})


def _correction(members: Mapping[str, Any], unit: str) -> CustomerCorrection:
    names = ("before_amount_minor", "after_amount_minor") if unit == "minor" else ("before_seconds", "after_seconds")
    before, after = (members[name] or 0 for name in names)
    return CustomerCorrection(
        period_start=members["period_start"],
        account_id=members["account_id"],
        account_name=members["account_name"],
        before=before,
        after=after,
    )
