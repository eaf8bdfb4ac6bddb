"""A database has the same schema however it came to it, and migrating it again changes nothing."""

from pathlib import Path

import asyncpg
import pytest
from old_schema import create_old_schema

from tidemark_shared.database import migrate

ROOT = Path(__file__).parents[3]
# Everything that a migration can change, except rows: a kind, a name and the definition of each object.
OBJECTS = """
WITH relations AS (
  SELECT
    relation.oid, relation.relkind AS kind, relation.reloptions AS options,
    format('%I.%I', namespace.nspname, relation.relname) AS name
  FROM pg_class AS relation
  JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
  WHERE namespace.nspname = ANY($1::text [])
)
SELECT 'relation' AS type, name, format('%s %s', kind, options) AS definition, obj_description(oid) AS comment
FROM relations
UNION ALL
SELECT
  'column', relations.name || '.' || attname,
  format('%s %s %s %s', attnum, format_type(atttypid, atttypmod), attnotnull, attoptions::text)
  || coalesce(' ' || pg_get_expr(adbin, adrelid), ''),
  col_description(attrelid, attnum)
FROM relations
JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT 'index', name, pg_get_indexdef(oid), NULL FROM relations WHERE kind IN ('i', 'I')
UNION ALL
SELECT 'view', name, pg_get_viewdef(oid), NULL FROM relations WHERE kind = 'v'
UNION ALL
SELECT 'constraint', relations.name || '.' || conname, pg_get_constraintdef(pg_constraint.oid), NULL
FROM relations
JOIN pg_constraint ON conrelid = relations.oid
UNION ALL
SELECT 'function', proname, pg_get_functiondef(pg_proc.oid), obj_description(pg_proc.oid)
FROM pg_proc
JOIN pg_namespace AS namespace ON namespace.oid = pronamespace
WHERE namespace.nspname = ANY($1::text [])
"""


async def read_schema(database, service):
    """The definition and the comment of each object of a service, and of its objects in ``reporting``."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(OBJECTS, [service, "reporting"])
    finally:
        await connection.close()
    return {(row["type"], row["name"]): (row["definition"], row["comment"]) for row in rows}


async def execute(database, statement):
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_new_and_upgraded_databases_have_the_same_schema(empty_database, database):
    connection = await asyncpg.connect(empty_database)
    try:
        await create_old_schema(connection)
    finally:
        await connection.close()
    await migrate(empty_database, "consumption")
    upgraded, expected = await read_schema(empty_database, "consumption"), await read_schema(database, "consumption")
    # The other database also has the views of the other services.
    others = tuple(
        path.stem for path in ROOT.glob("services/*/*/database/views/*.sql") if "consumption" not in str(path)
    )
    expected = {key: value for key, value in expected.items() if not key[1].startswith(others)}
    different = {key for key in upgraded.keys() | expected.keys() if upgraded.get(key) != expected.get(key)}
    assert {key: (upgraded.get(key), expected.get(key)) for key in different} == {}


@pytest.mark.parametrize("service", ["consumption", "contracts", "notifier"])
async def test_second_migration_changes_nothing(database, service):
    before = await read_schema(database, service)
    await migrate(database, service)
    assert await read_schema(database, service) == before
    # Views and functions that are created again are the same.
    await execute(database, f"DELETE FROM {service}.definitions")  # noqa: S608 - the name of a service
    await migrate(database, service)
    assert await read_schema(database, service) == before


async def test_definition_of_another_version_is_replaced(database):
    before = await read_schema(database, "consumption")
    await execute(
        database,
        """
        CREATE OR REPLACE FUNCTION consumption.hours(seconds numeric) RETURNS numeric LANGUAGE sql RETURN 0;
        UPDATE consumption.definitions SET digest = ''
        """,
    )
    assert await read_schema(database, "consumption") != before
    await migrate(database, "consumption")
    assert await read_schema(database, "consumption") == before
