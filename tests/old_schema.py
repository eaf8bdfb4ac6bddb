"""Tables as earlier code made them: by the first migrations, whose names another package kept in a table of its own."""

from importlib.resources import files
from pathlib import Path

from tidemark_shared.database import prepare_migrations

LAST_MIGRATIONS = {"tidemark_shared": "shared_0003_tokens", "tidemark_consumption": "0005_recall"}
OLD_NAMES = {
    "reporting.consumer_offsets": "progress",
    "consumer_offsets": "progress",
    "idempotency_keys": "answers",
}


def migrations(package, last):
    folder = Path(str(files(package) / "database/migrations"))
    return [file for file in sorted(folder.glob("*.sql")) if file.stem <= last]


async def apply_migrations(connection, service, last_migrations):
    """Apply the migrations of each package up to its last."""
    await connection.execute(f"CREATE SCHEMA {service}")
    await prepare_migrations(connection, service)
    for package, last in last_migrations.items():
        for file in migrations(package, last):
            await connection.execute(file.read_text())
            await connection.execute("INSERT INTO migrations (name) VALUES ($1)", file.stem)
    await forget_migrations(connection, [service])


async def forget_migrations(connection, services):
    """Leave the names of the migrations only where releases before v0.2 look for them."""
    await connection.execute(
        "CREATE TABLE public._pogo_migration (migration_hash varchar(64), migration_id varchar(255), "
        "applied timestamptz, schema_name varchar(64) NOT NULL, PRIMARY KEY (migration_hash, schema_name))"
    )
    for service in services:
        await connection.execute(f"SET search_path TO {service}")
        await connection.execute(
            "INSERT INTO public._pogo_migration (migration_hash, migration_id, applied, schema_name) "
            "SELECT encode(sha256(name::bytea), 'hex'), name, applied_at, current_schema() FROM migrations"
        )
        await connection.execute("DROP TABLE migrations")


async def create_old_schema(connection):
    """The tables of consumption before migration 0006, by the names that they had then."""
    await apply_migrations(connection, "consumption", LAST_MIGRATIONS)
    for table, old_table in OLD_NAMES.items():
        name = table.rpartition(".")[2]
        constraints = await connection.fetch(
            "SELECT conname FROM pg_constraint WHERE conrelid = $1::text::regclass AND starts_with(conname, $2) "
            "AND (contype NOT IN ('c', 'n') OR coninhcount = 0)",
            table,
            f"{name}_",
        )
        for (constraint,) in constraints:
            old_constraint = constraint.replace(name, old_table, 1)
            await connection.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {constraint} TO {old_constraint}")
        await connection.execute(f"ALTER TABLE {table} RENAME TO {old_table}")
    await connection.execute("ALTER INDEX idempotency_keys_by_age RENAME TO answers_by_age")
