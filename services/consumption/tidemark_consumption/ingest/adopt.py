"""Statements that consumption published itself: a database that was restored or filled again takes them back.

So a period is frozen once for all readers, also where the database no longer knows of it.
"""

import json

from tidemark_consumption.database.query_types import ConsumptionQueries, StatementsTableRow
from tidemark_shared.database import Connection, json_rows, queries
from tidemark_shared.domain.statements import canonical_statement, statement_sha256
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.batches import Batch, decode_batch
from tidemark_shared.messaging.events import PERIOD_CLOSED
from tidemark_shared.messaging.topics import PERIODS

_log = get_logger()
_sql: ConsumptionQueries = queries("tidemark_consumption")


async def adopt_statements(connection: Connection, batch: Batch) -> None:
    """A batch of ``consumption.periods``; statements that are not as they were frozen are left out."""
    rows = []
    for record, event in await decode_batch(connection, PERIODS, batch):
        if event.type != PERIOD_CLOSED:
            continue
        # As it was published: the model could lack a member of a later version.
        statement = json.loads(record.value or b"")
        if statement_sha256(statement) == statement["sha256"]:
            columns = {name: statement[name] for name in ("contract_id", "number", "as_of", "closed_at", "sha256")}
            days = {"period_start": statement["figures"]["start"], "period_end": statement["figures"]["end"]}
            rows.append({**columns, **days, "body": canonical_statement(statement)})
    if adopted := await _sql.adopt_statements(connection, rows=json_rows(StatementsTableRow, rows)):
        _log.warning("statements_adopted", statements=adopted)
