"""Statements: each period is frozen once, when it is settled, and later changes correct it (SPEC 9, 10).

Whatever would change a settled period freezes it first, in the same transaction. So a statement shows what was learned
until its period was settled, however late it is frozen, and every restatement has a statement that it corrects.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from tidemark_consumption.database.query_types import ConsumptionQueries, StatementsTableRow
from tidemark_shared.database import Connection, json_rows, queries
from tidemark_shared.domain.statements import canonical_statement, statement_sha256
from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_shared.messaging.cloudevents import OutboxRecord, build_binary_headers
from tidemark_shared.messaging.events import PERIOD_CLOSED, PERIOD_RESTATED, format_timestamp
from tidemark_shared.messaging.outbox import write_outbox
from tidemark_shared.messaging.topics import PERIODS

_log = get_logger()
_sql: ConsumptionQueries = queries("tidemark_consumption")

# Of the contracts of one fold all periods are frozen; of all contracts so many in one transaction.
_MAX_STATEMENTS = 500


async def settle(connection: Connection, now: datetime) -> bool:
    """Freeze the periods that time has settled, the oldest first, in one transaction. True if more may be due.

    Does nothing while another process folds: that one is asked again.
    """
    if not await _sql.is_settlement_due(connection, contracts=None, moment=now):
        return False
    async with connection.transaction():
        moment = await _sql.begin_settlement(connection, now=now)
        return moment is not None and await _freeze(connection, moment, None, _MAX_STATEMENTS) == _MAX_STATEMENTS


async def freeze(connection: Connection, contracts: Collection[UUID], moment: datetime) -> None:
    """Freeze what is settled of these contracts, before a fold changes them, in the transaction of the fold."""
    # Most changes of a contract settle nothing. To plan what makes statements takes longer than a small fold.
    if await _sql.is_settlement_due(connection, contracts=contracts, moment=moment):
        await _freeze(connection, moment, contracts, None)


async def _freeze(
    connection: Connection, moment: datetime, contracts: Collection[UUID] | None, max_rows: int | None
) -> int:
    rows = _sql.statements_to_freeze(connection, contracts=contracts, moment=moment, max_rows=max_rows)
    statements = [_freeze_row(row, moment) async for row in rows]
    if not statements:
        return 0
    await _sql.insert_statements(connection, rows=json_rows(StatementsTableRow, statements, default=str))
    await write_outbox(
        connection,
        (
            _event(PERIOD_CLOSED, row["contract_id"], {**json.loads(row["body"]), "sha256": row["sha256"]}, moment)
            for row in statements
        ),
    )
    _log.info("statements_frozen", statements=len(statements))
    return len(statements)


def _freeze_row(row: Mapping[str, Any], moment: datetime) -> dict[str, Any]:
    """The row of ``statements``."""
    columns = {**row, "closed_at": moment}
    moments = {name: format_timestamp(columns[name]) for name in ("as_of", "closed_at")}
    statement = {**json.loads(row["body"]), "number": row["number"], **moments}
    return {**columns, "body": canonical_statement(statement), "sha256": statement_sha256(statement)}


async def restate(connection: Connection, moment: datetime) -> None:
    """Store what the deltas change in closed periods, and tell it with the statement that it corrects."""
    records = []
    async for row in _sql.restate(connection, moment=moment):
        days = {name: str(row[name]) for name in ("contract_id", "account_id", "period_start", "period_end")}
        data = {**row, **days, "restated_at": format_timestamp(row["restated_at"])}
        records.append(_event(PERIOD_RESTATED, row["contract_id"], data, moment))
    if records:
        await write_outbox(connection, records)


def _event(type_: str, contract_id: UUID, data: Mapping[str, Any], moment: datetime) -> OutboxRecord:
    headers = build_binary_headers(
        type_, id_=str(uuid4()), source="/consumption", time=moment, correlation_id=get_correlation_id()
    )
    return OutboxRecord(PERIODS.name, str(contract_id).encode(), headers, json.dumps(data).encode())
