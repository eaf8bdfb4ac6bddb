"""A database from before migration ``notifier_0002_names`` is migrated with its data."""

import json
from uuid import uuid4

import asyncpg
import pytest
from notifier_bodies import rule
from old_schema import apply_migrations

from tidemark_notifier.rules.rule import parse_rule_row
from tidemark_shared.database import migrate

LAST_MIGRATIONS = {"tidemark_shared": "shared_9999", "tidemark_notifier": "notifier_0001_rules_and_notifications"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"existing": "tell", "tell_resolved": True}, ("notify", True)),
        ({"existing": "skip", "tell_resolved": False}, ("skip", False)),
    ],
)
async def test_stored_rows_are_kept_under_the_new_names(empty_database, old, new):
    connection = await asyncpg.connect(empty_database)
    try:
        await apply_migrations(connection, "notifier", LAST_MIGRATIONS)
        await connection.execute("INSERT INTO rules (body) VALUES ($1)", json.dumps(rule("Warn", **old)))
        await connection.execute(
            "INSERT INTO told VALUES "
            "($1, 'Warn', 'expired', 'contract', 'x', NULL, NULL, 'e', 2, 'crossing', '2026-03-01')",
            uuid4(),
        )
        await connection.execute(
            "INSERT INTO notifications VALUES ($1, $1, 'C', $1, 'Warn', 'contract', 'x', NULL, NULL, now(), $2)",
            uuid4(),
            json.dumps(
                {"occasion": "crossing", "accounts": [{"name": "A", "judged": False}, {"name": "B", "judged": True}]}
            ),
        )
        await migrate(empty_database, "notifier")
        migrated = parse_rule_row(await connection.fetchrow("SELECT id, version, body FROM rules"))
        key = await connection.fetchrow("SELECT generation, kind, notified_on::text FROM notification_keys")
        snapshot = json.loads(await connection.fetchval("SELECT snapshot FROM notifications"))
        old_names = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'notifier'::regnamespace AND relname ~ '^(told|sweeps)'"
        )
    finally:
        await connection.close()
    assert (migrated.existing, migrated.notify_resolved) == new
    assert tuple(key) == (2, "crossing", "2026-03-01")
    assert snapshot == {
        "kind": "crossing",
        "accounts": [{"name": "A", "evaluated": False}, {"name": "B", "evaluated": True}],
    }
    assert old_names == []
