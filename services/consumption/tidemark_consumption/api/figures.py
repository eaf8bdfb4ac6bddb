"""``/v1/contracts/{id}/…``: the figures of a contract and the worklogs behind them, now or ``as_of`` (SPEC 4)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, TypeAdapter
from starlette.datastructures import State

from tidemark_consumption.api.moments import AsOf, connection_at
from tidemark_consumption.api.responses import (
    CurveDay,
    LinkedBalance,
    LinkedContractPeriod,
    Worklog,
    add_links,
)
from tidemark_consumption.balance_outbox import query_forecast
from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Day, Text
from tidemark_shared.domain.reasons import Reason
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.pagination import Cursor, Page, decode_cursor, encode_cursor
from tidemark_shared.http.problems import Problem
from tidemark_shared.messaging.events import EventTime

_sql: ConsumptionQueries = queries("tidemark_consumption")

router = APIRouter(prefix="/v1/contracts/{contract:path}", tags=["figures"], dependencies=[require_role("viewer")])

_ATTEMPT_INTERVAL_SECONDS = 0.1
# The contracts service publishes an event within this time after its response.
_PUBLISHING_ATTEMPTS = 5
_MAX_ATTEMPTS = 50

_WorklogPosition = TypeAdapter(tuple[EventTime, Text, Text])


class ContractReader:
    """Reads one contract: its current state or, in a session with shadow tables, its state at a moment."""

    def __init__(
        self, connection: Connection, ref: str, contract_id: UUID, moment: datetime, as_of: datetime | None
    ) -> None:
        self.connection, self.ref, self.contract_id = connection, ref, contract_id
        self.moment, self.as_of = moment, as_of

    async def balance(self) -> dict[str, Any]:
        """The whole balance with its links. Raises a 404 for a discarded draft."""
        body = await _sql.whole_balance(self.connection, contract=self.contract_id, moment=self.moment)
        if body is None:
            raise _not_found(self.ref)
        forecast = await query_forecast(self.connection, self.contract_id, self.moment)
        return add_links({**json.loads(body), "forecast": forecast}, self.as_of)


def _not_found(ref: str) -> Problem:
    return Problem(404, "No such contract", f"No contract with id or code {ref!r}.")


@asynccontextmanager
async def open_reader(request: Request, ref: str, as_of: datetime | None = None) -> AsyncIterator[ContractReader]:
    """Open a contract by its id or code, which may have been created a moment ago. Raises a 404."""
    for has_waited in (False, True):
        async with connection_at(request, as_of, ref=ref) as (connection, moment):
            if contract_id := await _sql.contract_by_ref(connection, ref=ref):
                yield ContractReader(connection, ref, contract_id, moment, as_of)
                return
        if not has_waited:
            await await_contract(request.app.state, ref)
    raise _not_found(ref)


async def _contract_reader(
    request: Request,
    contract: Annotated[Text, Path(description="The contract's id or code.")],
    as_of: AsOf = None,
) -> AsyncIterator[ContractReader]:
    async with open_reader(request, contract, as_of) as reader:
        yield reader


async def await_contract(state: State, ref: str) -> None:
    """Wait for the events of a contract that was created a moment ago. Holds no connection while it waits.

    Returns where no event can be on its way any more, so that an unknown contract is a 404. Raises a 503 after five
    seconds.
    """
    attempt = 0
    while not await _sql.contract_by_ref(state.pool, ref=ref):
        if attempt >= _PUBLISHING_ATTEMPTS and await state.has_all_contracts():
            return
        if attempt == _MAX_ATTEMPTS:
            detail = "Not all contracts have been received yet, and this one is not among those that have."
            raise Problem(503, "Contract not received yet", f"{detail} Try again in a moment.")
        await asyncio.sleep(_ATTEMPT_INTERVAL_SECONDS)
        attempt += 1


Reader = Annotated[ContractReader, Depends(_contract_reader)]


class FigureFilter(BaseModel):
    """Which figure: of an account, of a team in it, or of all billable accounts."""

    account: UUID | None = None
    team: UUID | Literal["unassigned"] | None = None

    def query_parameters(self) -> dict[str, Any]:
        """The filter as parameters of the queries."""
        team = None if self.team == "unassigned" else self.team
        return {"account": self.account, "by_team": self.team is not None, "team": team}


class WorklogFilter(FigureFilter):
    """Which worklogs: those behind a figure, or with a ``reason`` those that do not count."""

    period: Annotated[Day | None, Query(description="The first day of a period.")] = None
    day: Annotated[Day | None, Query(description="The day of the work.")] = None
    billable: bool | None = None
    reason: Annotated[Reason | Literal["any"] | None, Query(description="Work that does not count, and why.")] = None
    cursor: Cursor = None
    limit: Annotated[int, Query(ge=1, le=1000)] = 200


@router.get("/balance")
async def get_contract_balance(reader: Reader) -> LinkedBalance:
    """Planned against executed at every level and period; each figure links to the worklogs that make it."""
    return LinkedBalance.model_validate(await reader.balance())


@router.get("/periods")
async def list_contract_periods(reader: Reader) -> Page[LinkedContractPeriod]:
    """The contract's periods, oldest first, all on one page."""
    return Page[LinkedContractPeriod].model_validate({"items": (await reader.balance())["periods"], "next": None})


@router.get("/curve")
async def list_contract_curve(reader: Reader, figure: Annotated[FigureFilter, Query()]) -> Page[CurveDay]:
    """The balance at each day's end, by day of work, from the first day to today or the last; all on one page."""
    rows = _sql.curve(reader.connection, contract=reader.contract_id, moment=reader.moment, **figure.query_parameters())
    items = [
        CurveDay(day=row["day"], whole=json.loads(row["whole"]), period=_decode_period(row["period"]))
        async for row in rows
    ]
    return Page(items=items, next=None)


def _decode_period(text: str) -> Any:
    period = json.loads(text)
    # Work of a fixed price may be done on days outside the contract.
    return period if period["start"] else None


@router.get("/worklogs")
async def list_contract_worklogs(reader: Reader, selection: Annotated[WorklogFilter, Query()]) -> Page[Worklog]:
    """The worklogs that make a figure, in the order of their start: their sum is what is consumed."""
    started_at, source, worklog_id = decode_cursor(selection.cursor, _WorklogPosition) or (None, None, None)
    reasons = None if selection.reason is None else [selection.reason]
    rows = _sql.contract_worklogs(
        reader.connection,
        contract=reader.contract_id,
        period=selection.period,
        day=selection.day,
        billable=selection.billable,
        reasons=list(get_args(Reason)) if selection.reason == "any" else reasons,
        started_at=started_at,
        source=source,
        worklog_id=worklog_id,
        max_rows=selection.limit + 1,
        **selection.query_parameters(),
    )
    items = [Worklog.model_validate(dict(row)) async for row in rows]
    last = items[selection.limit - 1] if len(items) > selection.limit else None
    cursor = last and encode_cursor(last.started_at.isoformat(), last.source, last.worklog_id)
    return Page(items=items[: selection.limit], next=cursor)
