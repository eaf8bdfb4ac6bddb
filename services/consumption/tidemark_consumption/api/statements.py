"""``/v1/contracts/{id}/statements``: the settled periods of a contract, and what they come to today (SPEC 10)."""

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field, TypeAdapter

from tidemark_consumption.api.figures import ContractReader, open_reader
from tidemark_consumption.database.query_types import ConsumptionQueries, FindStatementRow, StatementRestatementsRow
from tidemark_shared.database import queries
from tidemark_shared.domain.bodies import Body, Day, Text
from tidemark_shared.domain.statements import PeriodBody, PeriodRestated, Statement
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from tidemark_shared.http.problems import Problem
from tidemark_shared.messaging.events import format_timestamp

_sql: ConsumptionQueries = queries("tidemark_consumption")

router = APIRouter(
    prefix="/v1/contracts/{contract:path}/statements", tags=["figures"], dependencies=[require_role("viewer")]
)

_Position = TypeAdapter(tuple[Annotated[int, Field(ge=0, lt=2**31)]])
_MAX_RESTATEMENTS = 1000


class StatementNow(Body):
    """A statement as it was frozen, what has corrected it since, and what its period comes to today."""

    statement: Annotated[Statement, Field(description="The statement as it was frozen.")]
    restatements: Annotated[
        tuple[PeriodRestated, ...],
        Field(description="What corrects the statement, in the order learned; at most the newest 1,000."),
    ]
    restatement_count: Annotated[int, Field(description="How many restatements correct the statement.")]
    today: Annotated[
        PeriodBody | None,
        Field(
            description="The figures of the period today; null where the contract does not have the period any more."
        ),
    ]


async def _contract_reader(
    request: Request, contract: Annotated[Text, Path(description="The contract's id or code.")]
) -> AsyncIterator[ContractReader]:
    async with open_reader(request, contract) as reader:
        yield reader


Reader = Annotated[ContractReader, Depends(_contract_reader)]


# What was frozen is shown as it was frozen: a member that later versions add would change its SHA-256.
@router.get("", response_model_exclude_unset=True)
async def list_contract_statements(reader: Reader, cursor: Cursor = None, limit: Limit = 50) -> Page[Statement]:
    """The statements of the contract's settled periods, in the order frozen, which is the oldest period first."""
    [after] = decode_cursor(cursor, _Position) or (0,)
    rows = _sql.list_statements(reader.connection, contract=reader.contract_id, after=after, max_rows=limit + 1)
    items = [_statement(row) async for row in rows]
    last = items[limit - 1] if len(items) > limit else None
    return Page(items=items[:limit], next=last and encode_cursor(str(last.number)))


@router.get("/{period_start}", response_model_exclude_unset=True)
async def get_contract_statement(
    reader: Reader, period_start: Annotated[Day, Path(description="The first day of the period.")]
) -> StatementNow:
    """The statement of a period, the restatements that correct it, and the figures today."""
    contract_id = reader.contract_id
    row = await _sql.find_statement(reader.connection, contract=contract_id, period_start=period_start)
    if row is None:
        detail = f"No period of contract {reader.ref!r} that starts on {period_start} is settled."
        raise Problem(404, "No such statement", detail)
    restatements = [
        restated
        async for restated in _sql.statement_restatements(
            reader.connection, contract=contract_id, period_start=period_start, max_rows=_MAX_RESTATEMENTS
        )
    ]
    today = await _sql.statement_today(reader.connection, contract=contract_id, starts=[period_start])
    return StatementNow(
        statement=_statement(row),
        restatements=tuple(_restated(restated) for restated in restatements),
        restatement_count=restatements[0]["total"] if restatements else 0,
        today=PeriodBody.model_validate(json.loads(today)) if today else None,
    )


def _statement(row: FindStatementRow) -> Statement:
    return Statement.model_validate({**json.loads(row["body"]), "sha256": row["sha256"]})


def _restated(row: StatementRestatementsRow) -> PeriodRestated:
    return PeriodRestated.model_validate({**row, "restated_at": format_timestamp(row["restated_at"])})
