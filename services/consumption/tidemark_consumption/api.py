"""``/v1/contracts/{id}/balance``."""

import json
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from tidemark_shared.bodies import Balance
from tidemark_shared.database import queries
from tidemark_shared.http import Problem, require

_sql = queries("tidemark_consumption")

router = APIRouter(prefix="/v1", dependencies=[require("viewer")])


@router.get("/contracts/{contract:path}/balance", response_model=Balance)
async def balance(contract: str, request: Request) -> Any:
    """Planned against executed at every level and period; ``contract`` is an id or a code."""
    pool = request.app.state.pool
    async with pool.acquire() as connection:
        body = await _sql.of_contract(connection, ref=contract, now=datetime.now(UTC))
    if body is None:
        raise Problem(404, "No such contract", f"Neither an id nor a code is {contract!r}.")
    return json.loads(body)
