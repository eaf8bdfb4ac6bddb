"""Random histories over every rule: what operations teams read is what the reference says, row for row (SPEC W6)."""

from datetime import UTC, datetime

import pytest
from histories import histories
from hypothesis import HealthCheck, given, settings
from reference import COLUMNS, Model, restatements
from world import take

from tidemark_consumption import fold
from tidemark_shared.database import connect_pool, migrate

RESTATED = (
    "contract_id", "contract_code", "account_id", "period_start", "period_end", "before_seconds", "after_seconds",
    "before_amount_minor", "after_amount_minor", "cause", "restated_at",
)  # fmt: skip


@pytest.fixture
async def connection(database):
    await migrate(database, "consumption")
    pool = await connect_pool(database, "consumption", init=fold.prepare)
    async with pool.acquire() as one:
        yield one
    pool.terminate()


def plain(rows, columns):
    """Rows as sets that compare: ids as text, times in UTC."""
    return sorted(tuple(_plain(row[name]) for name in columns) for row in rows)


def _plain(value):
    if isinstance(value, datetime):
        return str(value.astimezone(UTC))
    return str(value)


async def reported(connection, name, columns):
    """As an operations team reads it: with its role, and without the service's search path."""
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SET LOCAL ROLE tidemark_ops; SET LOCAL search_path = public")
    rows = await connection.fetch(f"SELECT {', '.join(columns)} FROM reporting.{name}")  # noqa: S608 - names of ours
    await transaction.rollback()
    return plain(rows, columns)


async def compare(connection, facts):
    model = Model(facts)
    for name, columns in COLUMNS.items():
        assert await reported(connection, name, columns) == plain(getattr(model, name)(), columns), name
    return model


async def learn(connection, history):
    for number, (moment, records) in enumerate(history.batches):
        await take(connection, records, first_offset=1000 * number, learned_at=moment)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories())
async def test_every_relation_is_that_of_the_reference(connection, history):
    transaction = connection.transaction()
    await transaction.start()
    try:
        await learn(connection, history)
        await compare(connection, history.facts)
        assert await reported(connection, "restatements", RESTATED) == plain(restatements(history.facts), RESTATED)
    finally:
        await transaction.rollback()
