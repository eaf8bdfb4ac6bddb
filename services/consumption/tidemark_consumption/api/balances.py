"""``/v1/balances``: lists of contracts with their figures, for a first look (SPEC 4, 7)."""

import json
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, TypeAdapter

from tidemark_consumption.attention import Attention
from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS, queries
from tidemark_shared.domain.balances import ContractPeriodFigures, Figures, Forecast
from tidemark_shared.domain.bodies import Day, Owner, Status, Text
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor

_sql: ConsumptionQueries = queries("tidemark_consumption")

router = APIRouter(prefix="/v1/balances", tags=["figures"], dependencies=[require_role("viewer")])

_Position = TypeAdapter(tuple[Text, UUID])
_MAX_REVISIONS = 500


class BalanceSummary(BaseModel):
    """A contract with the figures of its current period, as they were last published."""

    contract_id: UUID
    contract_code: str
    contract_name: str
    organization_id: UUID
    organization_name: str | None
    owner: Owner
    type: str
    recurrence: str
    start_date: date
    end_date: date
    timezone: str
    status: Status
    attention: Annotated[list[Attention], Field(description="Why it needs attention, the most urgent reason first.")]
    revision: int
    unit: str
    currency: str | None
    unaccounted_seconds: int
    forecast: Forecast | None
    whole: Figures
    period: ContractPeriodFigures


class BalancePage(Page[BalanceSummary]):
    """One page of a list, and how many contracts match it in each status and for each reason of attention."""

    statuses: dict[Status, int]
    attention: dict[Attention, int]


class BalanceFilter(BaseModel):
    """Which contracts a list shows."""

    status: list[Status] | None = None
    attention: Annotated[list[Attention] | None, Field(description="Needs attention for one of these.")] = None
    organization: UUID | None = None
    owner: Annotated[Text | None, Field(description="Part of the owner's name or email; case is ignored.")] = None
    first_day: Annotated[Day | None, Field(alias="from", description="Ends on this day or later.")] = None
    last_day: Annotated[Day | None, Field(alias="to", description="Starts on this day or earlier.")] = None
    text: Annotated[
        Text | None, Field(description="Part of the code, name or organization's name; case is ignored.")
    ] = None
    cursor: Cursor = None
    limit: Limit = 50


class Revision(BaseModel):
    """The revision of a contract's balance: it grows with each change."""

    contract_id: UUID
    revision: int


@router.get("")
async def list_balances(request: Request, filters: Annotated[BalanceFilter, Query()]) -> BalancePage:
    """Contracts with their figures, those that need attention first; then by last day and code."""
    after_key, after_id = decode_cursor(filters.cursor, _Position) or (None, None)
    async with request.app.state.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        rows = [
            row
            async for row in _sql.list_balances(
                connection,
                statuses=filters.status,
                reasons=filters.attention,
                organization=filters.organization,
                owner=filters.owner,
                first_day=filters.first_day,
                last_day=filters.last_day,
                text=filters.text,
                after_key=after_key,
                after_id=after_id,
                max_rows=filters.limit + 1,
            )
        ]
    counts = json.loads(rows[0]["counts"])
    items = [row for row in rows if row["contract_id"]]
    last = items[filters.limit - 1] if len(items) > filters.limit else None
    return BalancePage(
        items=[_summary(dict(row)) for row in items[: filters.limit]],
        next=last and encode_cursor(last["sort_key"], str(last["contract_id"])),
        **counts,
    )


def _summary(row: dict[str, Any]) -> BalanceSummary:
    body = json.loads(row["body"])
    members = {
        "contract_name": row["name"],
        "owner": {"name": row["owner_name"], "email": row["owner_email"]},
        "period": body["periods"][-1],
    }
    return BalanceSummary.model_validate({**body, **row, **members})


@router.get("/revisions")
async def list_revisions(
    request: Request,
    contract: Annotated[list[UUID], Query(max_length=_MAX_REVISIONS, description="Ids of contracts.")],
) -> Page[Revision]:
    """The revisions of balances, to notice changes cheaply; unknown contracts are left out. All on one page."""
    async with request.app.state.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        items = [Revision.model_validate(dict(row)) async for row in _sql.list_revisions(connection, ids=contract)]
    return Page(items=items, next=None)
