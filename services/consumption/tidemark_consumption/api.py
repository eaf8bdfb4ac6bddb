"""What a contract's figures are, and what they are made of: ``/v1/contracts/{id}/…`` (SPEC 4), now or ``as_of``."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, BeforeValidator, TypeAdapter

from tidemark_consumption import replay
from tidemark_consumption.answers import (
    CurveDay,
    LinkedBalance,
    LinkedContractPeriod,
    Reason,
    Worklog,
    linked,
)
from tidemark_consumption.balance_outbox import forecast_of
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Day, Text
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.pagination import Cursor, Page, decode_cursor, encode_cursor
from tidemark_shared.http.problems import Problem, Violation

_sql = queries("tidemark_consumption")

router = APIRouter(prefix="/v1/contracts/{contract:path}", dependencies=[require_role("viewer")])

_Position = TypeAdapter(tuple[AwareDatetime, Text, Text])


class Asked:
    """A contract, what is known of it, and the moment at which it is known."""

    def __init__(self, connection: Connection, reference: str, moment: datetime, as_of: datetime | None) -> None:
        self.connection, self.reference, self.moment, self.as_of = connection, reference, moment, as_of

    async def contract_id(self) -> UUID:
        """Raises a 404."""
        found = await _sql.contract_called(self.connection, ref=self.reference)
        if found is None:
            raise self.unknown()
        return UUID(str(found))

    async def balance(self) -> dict[str, Any]:
        """The whole balance with its links. Raises a 404."""
        row = await _sql.balance_of(self.connection, ref=self.reference, moment=self.moment)
        if row is None or row["body"] is None:
            raise self.unknown()
        expected = await forecast_of(self.connection, row["contract_id"], self.moment)
        return linked({**json.loads(row["body"]), "forecast": expected}, self.as_of)

    def unknown(self) -> Problem:
        """Nothing is called so."""
        return Problem(404, "No such contract", f"Neither an id nor a code is {self.reference!r}.")


async def _asked(
    request: Request,
    contract: Annotated[Text, Path(description="The contract's id or code.")],
    as_of: Annotated[
        # A plus sign that was not escaped arrives as a space.
        Annotated[AwareDatetime, BeforeValidator(lambda text: text.replace(" ", "+"))] | None,
        Query(description="As it was known at this moment, that moment included."),
    ] = None,
) -> AsyncIterator[Asked]:
    async with _knowing(request, contract, as_of) as (connection, moment):
        yield Asked(connection, contract, moment, as_of)


@asynccontextmanager
async def _knowing(
    request: Request, contract: str, as_of: datetime | None
) -> AsyncIterator[tuple[Connection, datetime]]:
    now = datetime.now(UTC)
    if as_of is None:
        async with request.app.state.pool.acquire() as connection:
            yield connection, now
        return
    if as_of > now:
        raise _not_known("It lies in the future.")
    async with request.app.state.replaying.acquire() as connection:
        await replay.settle(connection, as_of)
        async with connection.transaction():
            try:
                await replay.replay(connection, as_of, ref=contract)
            except replay.TooEarlyError as error:
                raise _not_known(str(error)) from None
            yield connection, as_of


def _not_known(why: str) -> Problem:
    return Problem(422, "That moment cannot be shown", why, [Violation(code="invalid", path="/as_of", message=why)])


Ask = Annotated[Asked, Depends(_asked)]


class Figure(BaseModel):
    """Which figure: of an account, of a team's share of it, or of all billable accounts."""

    account: UUID | None = None
    team: UUID | Literal["unassigned"] | None = None

    @property
    def place(self) -> dict[str, Any]:
        """For the queries."""
        team = None if self.team == "unassigned" else self.team
        return {"account": self.account, "sliced": self.team is not None, "team": team}


class Behind(Figure):
    """Which worklogs: those behind a figure, or with a ``reason`` those that do not count."""

    period: Annotated[Day | None, Query(description="The first day of a period.")] = None
    day: Annotated[Day | None, Query(description="The day of the work.")] = None
    billable: bool | None = None
    reason: Annotated[Reason | Literal["any"] | None, Query(description="Work that does not count, and why.")] = None
    cursor: Cursor = None
    limit: Annotated[int, Query(ge=1, le=1000)] = 200


@router.get("/balance")
async def balance(asked: Ask) -> LinkedBalance:
    """Planned against executed at every level and period; each figure links to the worklogs that make it."""
    return LinkedBalance.model_validate(await asked.balance())


@router.get("/periods")
async def periods(asked: Ask) -> Page[LinkedContractPeriod]:
    """The contract's periods, oldest first, all on one page."""
    return Page[LinkedContractPeriod].model_validate({"items": (await asked.balance())["periods"], "next": None})


@router.get("/curve")
async def curve(asked: Ask, figure: Annotated[Figure, Query()]) -> Page[CurveDay]:
    """The balance at each day's end, by day of work, from the first day to today or the last; all on one page."""
    rows = _sql.curve(asked.connection, contract=await asked.contract_id(), moment=asked.moment, **figure.place)
    items = [
        CurveDay(day=row["day"], whole=json.loads(row["whole"]), period=_period(row["period"])) async for row in rows
    ]
    return Page(items=items, next=None)


def _period(text: str) -> Any:
    period = json.loads(text)
    # Work of a fixed price may be done outside the contract's days.
    return period if period["start"] else None


@router.get("/worklogs")
async def worklogs(asked: Ask, behind: Annotated[Behind, Query()]) -> Page[Worklog]:
    """The worklogs that make a figure, in the order of their start: their sum is what is consumed."""
    started_at, source, worklog_id = decode_cursor(behind.cursor, _Position) or (None, None, None)
    reasons = None if behind.reason is None else [behind.reason]
    rows = _sql.worklogs_of(
        asked.connection,
        contract=await asked.contract_id(),
        period=behind.period,
        day=behind.day,
        billable=behind.billable,
        reasons=list(get_args(Reason)) if behind.reason == "any" else reasons,
        started_at=started_at,
        source=source,
        worklog_id=worklog_id,
        most=behind.limit + 1,
        **behind.place,
    )
    found = [Worklog.model_validate(dict(row)) async for row in rows]
    last = found[behind.limit - 1] if len(found) > behind.limit else None
    after = last and encode_cursor(last.started_at.isoformat(), last.source, last.worklog_id)
    return Page(items=found[: behind.limit], next=after)
