"""The tables of consumption as the code before migration 0006 made them."""

import shutil
from importlib.resources import files
from pathlib import Path

from pogo_core.util import migrate as pogo

LAST_MIGRATIONS = {"tidemark_shared": "shared_0003_tokens", "tidemark_consumption": "0005_recall"}
OLD_NAMES = {
    "reporting.consumer_offsets": "progress",
    "consumer_offsets": "progress",
    "idempotency_keys": "answers",
}


def migrations(package, last, folder):
    """A folder with the migrations of a package up to this one."""
    folder.mkdir()
    for file in Path(str(files(package) / "database/migrations")).glob("*.sql"):
        if file.stem <= last:
            shutil.copy(file, folder)
    return folder


async def create_old_schema(connection, tmp_path):
    """The tables of consumption before migration 0006, by the names that they had then."""
    await connection.execute("CREATE SCHEMA consumption; SET search_path TO consumption")
    for package, last in LAST_MIGRATIONS.items():
        await pogo.apply(connection, migrations(package, last, tmp_path / package), schema_name="consumption")
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
