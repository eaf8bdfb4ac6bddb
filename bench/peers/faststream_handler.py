"""The handler that a team writes first: FastStream, pydantic, one transaction a record."""

import asyncio
import os
from datetime import datetime

import asyncpg
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

broker = KafkaBroker(os.environ["BENCH_BOOTSTRAP"])
app = FastStream(broker)
pools: list[asyncpg.Pool] = []


class WorklogEvent(BaseModel):
    """A worklog, recorded or deleted."""

    worklog_id: str
    issue_id: str
    author_id: str | None = None
    started_at: datetime | None = None
    seconds: int = 0
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


_LATEST = "SELECT account, seconds, deleted, changed_at FROM worklogs WHERE worklog_id = $1 FOR UPDATE"
_UPSERT = """
INSERT INTO worklogs VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (worklog_id) DO UPDATE SET
  account = excluded.account, seconds = excluded.seconds, deleted = excluded.deleted, changed_at = excluded.changed_at
"""
_ADD = """
INSERT INTO account_totals AS t VALUES ($1, $2, $3)
ON CONFLICT (account) DO UPDATE SET seconds = t.seconds + excluded.seconds, worklogs = t.worklogs + excluded.worklogs
"""


@app.on_startup
async def connect() -> None:
    """Open the pool."""
    pools.append(await asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=1))


@broker.subscriber(
    os.environ["BENCH_TOPIC"], group_id="bench", auto_offset_reset="earliest", ack_policy=AckPolicy.NACK_ON_ERROR
)
async def handle(event: WorklogEvent) -> None:
    """Take one event: the later version wins, and the account's total moves by the difference."""
    account, deleted = int(event.issue_id[1:]) % 800, event.deleted_at is not None
    changed_at = event.deleted_at or event.updated_at
    async with pools[0].acquire() as connection, connection.transaction():
        old = await connection.fetchrow(_LATEST, event.worklog_id)
        if old and (old["changed_at"], old["deleted"]) >= (changed_at, deleted):
            return
        await connection.execute(_UPSERT, event.worklog_id, account, event.seconds, deleted, changed_at)
        counted = old is not None and not old["deleted"]
        seconds = event.seconds - (old["seconds"] if counted else 0)
        await connection.execute(_ADD, account, seconds, int(not deleted) - int(counted))


if __name__ == "__main__":
    asyncio.run(app.run())
