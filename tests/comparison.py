"""What the database holds beside what the reference says."""

from datetime import UTC, datetime
from decimal import Decimal

from event_builders import facts_of, take
from reference.columns import COLUMNS
from reference.reports import Model

RESTATED = (
    "contract_id", "contract_code", "account_id", "period_start", "period_end", "before_seconds", "after_seconds",
    "before_amount_minor", "after_amount_minor", "cause", "restated_at",
)  # fmt: skip


def plain(rows, columns):
    """Rows as comparable tuples: ids as text, times in UTC, numbers in full."""
    return sorted(tuple(_plain(row[name]) for name in columns) for row in rows)


def _plain(value):
    if isinstance(value, datetime):
        return str(value.astimezone(UTC))
    return format(value, "f") if isinstance(value, Decimal) else str(value)


async def reported(connection, name, columns):
    """A relation as an operations team reads it: with its role, and without the search path of the service."""
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


def contracts_of(history):
    return sorted({fact.data["contract_id"] for fact in history.facts if fact.type.startswith("tidemark.contract.")})


def bare(balance):
    """A balance without the members that the reference does not have."""
    if isinstance(balance, dict):
        return {name: bare(value) for name, value in balance.items() if name not in {"links", "forecast", "revision"}}
    return [bare(item) for item in balance] if isinstance(balance, list) else balance


def model_of(records):
    return Model(facts_of(records)).rows()
