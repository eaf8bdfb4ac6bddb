"""Each kept release, with its data, becomes this version: the same figures, the same schema, nothing that differs.

A folder in `releases` is a backup of the demo as that release wrote it; CONTRIBUTING.md says how a release adds one.
"""

import asyncio
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from test_schema import read_schema
from typer.testing import CliRunner, Result

from tidemark.backup import Manifest
from tidemark.cli import app

RELEASES = sorted((Path(__file__).parent / "releases").iterdir())
SERVICES = ("contracts", "consumption", "notifier")
MAX_RELEASES = 3


async def run(url: str, *arguments: object) -> Result:
    # In a thread, because a command runs an event loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, app, [*map(str, arguments)], env={"TIDEMARK_DATABASE_URL": url})


async def schema(url: str, service: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Without the positions of columns, and the columns of indexes: where columns changed, a dump keeps neither."""
    objects = await read_schema(url, service)
    return {
        (type_, name): (definition.partition(" ")[2] if type_ == "column" else definition, comment)
        for (type_, name), (definition, comment) in objects.items()
        if type_ != "column" or ("index", name.rpartition(".")[0]) not in objects
    }


@pytest.mark.parametrize("release", RELEASES, ids=lambda folder: folder.name)
async def test_release_is_upgraded_with_its_data(release: Path, empty_database: str, database: str) -> None:
    restored = await run(empty_database, "restore", release)
    assert restored.exit_code == 0, restored.output
    verified = await run(empty_database, "verify")
    assert (verified.exit_code, verified.output) == (0, "All rows match the facts.\n")
    connection = await asyncpg.connect(empty_database)
    try:
        consumed = await connection.fetchval(
            "SELECT sum(consumed_hours) FROM reporting.contracts WHERE contract_code = 'ACME-SUP'"
        )
        mails = await connection.fetchval(
            "SELECT count(*) FROM reporting.notifications WHERE receiver = $1 AND status = 'delivered'",
            "ann@acme.example",
        )
    finally:
        await connection.close()
    assert consumed == Decimal(60)
    assert mails >= 2  # 80 and 100 percent
    for service in services_of(release):
        upgraded, expected = await schema(empty_database, service), await schema(database, service)
        assert {key: (upgraded.get(key), expected[key]) for key in expected if upgraded.get(key) != expected[key]} == {}


def services_of(release: Path) -> set[str]:
    manifest = Manifest.model_validate_json((release / "backup.json").read_bytes())
    return {service for dump in manifest.dumps for service in dump.services}


def test_each_kept_release_is_a_backup() -> None:
    assert 0 < len(RELEASES) <= MAX_RELEASES, "CONTRIBUTING.md says which release to remove"
    for release in RELEASES:
        assert services_of(release) >= {*SERVICES}
