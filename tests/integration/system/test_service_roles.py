"""Each service has a role that owns its schema and its views in `reporting`, and reads nothing of another service."""

import asyncpg
import pytest

from tidemark.stack.up import SERVICES
from tidemark_shared.database import migrate

# Every relation outside of Postgres' own schemas, with what the current role may do.
RELATIONS = """
SELECT
  n.nspname AS schema, c.relname AS name, c.relkind = 'v' AS is_view,
  pg_get_userbyid(c.relowner) AS owner,
  has_schema_privilege(n.oid, 'USAGE')
  AND has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN') AS is_open
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


@pytest.mark.parametrize("service", SERVICES)
async def test_role_of_a_service_reads_no_other_schema(database: str, service: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(f"SET ROLE tidemark_{service}")
        relations = await connection.fetch(RELATIONS)
        opened = [row for row in relations if row["is_open"]]
        assert {row["schema"] for row in opened} == {service, "reporting"}
        assert {row["owner"] for row in opened} == {f"tidemark_{service}"}
        assert all(row["is_view"] for row in opened if row["schema"] == "reporting")
        assert all(row["is_open"] for row in relations if row["schema"] == service)
        role = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
        assert role
        assert not role["rolsuper"] | role["rolcreaterole"] | role["rolcreatedb"] | role["rolbypassrls"]
        for other in {*SERVICES, "reporting", "public"} - {service}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"CREATE TABLE {other}.filler ()")
        for other in {*SERVICES} - {service}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"TABLE {other}.tokens")
            assert not await connection.fetchval("SELECT pg_has_role($1, 'MEMBER')", f"tidemark_{other}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT * FROM reporting.dead_letters")
    finally:
        await connection.close()


async def test_every_view_of_reporting_belongs_to_one_service(database: str) -> None:
    """All but what all services share: whoever migrates owns that."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(RELATIONS)
        user = await connection.fetchval("SELECT current_user")
    finally:
        await connection.close()
    shared = {row["name"] for row in rows if row["schema"] == "reporting" and row["owner"] == user}
    assert shared == {"consumer_lag", "consumer_offsets", "dead_letters", "end_offsets", "migration_lock"}
    assert {row["owner"] for row in rows if row["schema"] == "reporting" and row["name"] not in shared} == {
        f"tidemark_{service}" for service in SERVICES
    }


async def test_tables_of_earlier_versions_get_their_owner(database: str) -> None:
    """Also new ones, which belong to whoever migrates at first."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("REASSIGN OWNED BY tidemark_contracts TO CURRENT_USER")
        await migrate(database, "contracts")
        owners = await connection.fetch(
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class"
            " WHERE relnamespace = 'contracts'::regnamespace OR oid = 'reporting.offers'::regclass"
        )
        assert [row[0] for row in owners] == ["tidemark_contracts"]
    finally:
        await connection.close()
