"""Back up and restore the databases of all services with ``pg_dump`` and ``pg_restore``."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ValidationError

from tidemark.database.query_types import CommandLineQueries
from tidemark.stack import postgres
from tidemark.stack.processes import StackError
from tidemark.stack.up import ALL_SERVICES, INTAKE
from tidemark_shared.database import open_connection, prepare_migrations, queries
from tidemark_shared.settings import MissingSettingError, Settings

_sql: CommandLineQueries = queries("tidemark")
_MANIFEST = "backup.json"
# Backups and databases of releases before v0.2 have these beside the schemas.
_OLD_MIGRATION_TABLES = ("public._pogo_migration", "public._pogo_version")
# Readers before those they read from: what a reader lacks, it reads again from Kafka.
_ORDER = tuple(reversed(ALL_SERVICES))


class BackupError(Exception):
    """The backup cannot be written or restored; the text says why and what to do."""


class Dump(BaseModel):
    """The file of one database, and the services in it. Before v0.2, the names of the migrations had a file too."""

    file: str
    migrations_file: str | None = None
    services: list[str]

    @property
    def files(self) -> list[str]:
        """What a restore needs."""
        return [self.file, self.migrations_file] if self.migrations_file else [self.file]


class Manifest(BaseModel):
    """The content of a backup."""

    created_at: datetime
    dumps: list[Dump]


def back_up(settings: Settings, folder: Path, now: datetime) -> Manifest:
    """Write a backup to ``folder``, which must not exist. Services may run: a dump is of one moment."""
    if folder.exists():
        raise BackupError(f"{folder} exists. Name a folder that does not.")
    databases = asyncio.run(_databases(settings))
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700, parents=True)
    manifest = Manifest(created_at=now, dumps=[])
    for url, services in databases:
        dump = Dump(file=f"{'-'.join(services)}.dump", services=services)
        asyncio.run(_prepare_migrations(url, services))
        schemas = [f"--schema={schema}" for schema in (*services, "reporting")]
        _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", *schemas, f"--file={new / dump.file}")
        (new / dump.file).chmod(0o600)
        manifest.dumps.append(dump)
    (new / _MANIFEST).touch(mode=0o600)
    (new / _MANIFEST).write_text(manifest.model_dump_json(indent=2))
    new.rename(folder)
    return manifest


def restore(settings: Settings, folder: Path, *, replace: bool) -> Manifest:
    """Restore a backup, which you then have to migrate. What the databases have is replaced only with ``replace``."""
    manifest = _read_manifest(folder)
    targets = [{settings.service_database_url(service) for service in dump.services} for dump in manifest.dumps]
    for dump, urls in zip(manifest.dumps, targets, strict=True):
        if len(urls) > 1 or targets.count(urls) > 1:
            raise BackupError(
                f"In the backup, {' and '.join(dump.services)} share a database of their own; in the settings they do "
                "not. Set the TIDEMARK_…_DATABASE_URL of the services as they were."
            )
        # Fails if a file is damaged, before anything is replaced.
        for file in dump.files:
            _run("pg_restore", None, "--file=/dev/null", str(folder / file))
    for dump, (url,) in zip(manifest.dumps, targets, strict=True):
        asyncio.run(_drop_schemas(url, [*dump.services, "reporting"], replace=replace))
        options = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
        for file in dump.files:
            _run("pg_restore", url, *options, str(folder / file))
    for (url,) in targets:
        asyncio.run(_disconnect_others(url))
    return manifest


async def _databases(settings: Settings) -> list[tuple[str, list[str]]]:
    """Each database with the services that have tables there: intake may never have run."""
    services_by_url: dict[str, list[str]] = {}
    for service in _ORDER:
        with suppress(MissingSettingError) if service == INTAKE else nullcontext():
            services_by_url.setdefault(settings.service_database_url(service), []).append(service)
    databases = []
    for url, services in services_by_url.items():
        async with open_connection(url) as connection:
            schemas = {row["schema"] async for row in _sql.list_schemas(connection, schemas=services)}
        databases.append((url, [service for service in services if service in schemas]))
    return [(url, services) for url, services in databases if services]


async def _prepare_migrations(url: str, services: Sequence[str]) -> None:
    """Without its migrations, a schema that no release since v0.2 has migrated could not be migrated when restored."""
    async with open_connection(url) as connection:
        for service in services:
            await prepare_migrations(connection, service)


def _read_manifest(folder: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json((folder / _MANIFEST).read_bytes())
    except (OSError, ValidationError):
        raise BackupError(f"{folder} is not a backup: it has no valid {_MANIFEST}.") from None
    files = [file for dump in manifest.dumps for file in dump.files]
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise BackupError(f"{folder} is not complete: {', '.join(missing)} is missing.")
    return manifest


async def _drop_schemas(url: str, schemas: Sequence[str], *, replace: bool) -> None:
    async with open_connection(url, lock_timeout="30s") as connection:
        existing = [row["schema"] async for row in _sql.list_schemas(connection, schemas=schemas)]
        if existing and not replace:
            raise BackupError(
                f"The database has data already (the schemas {', '.join(existing)}). To replace it, stop the services "
                "and run this again with --replace."
            )
        # Services that still run reconnect at once and lock tables. A new name of the schema waits for no lock, and
        # afterwards they find nothing to lock.
        async with connection.transaction():
            for schema in schemas:
                await connection.execute(f'DROP SCHEMA IF EXISTS "{schema}_replaced" CASCADE')
            for schema in existing:
                await connection.execute(f'ALTER SCHEMA "{schema}" RENAME TO "{schema}_replaced"')
        await _sql.disconnect_others(connection)
        async with connection.transaction():
            for schema in existing:
                await connection.execute(f'DROP SCHEMA "{schema}_replaced" CASCADE')
            await connection.execute(f"DROP TABLE IF EXISTS {', '.join(_OLD_MIGRATION_TABLES)}")


async def _disconnect_others(url: str) -> None:
    """Disconnect services that ran on: they read their offsets again when they reconnect."""
    async with open_connection(url) as connection:
        await _sql.disconnect_others(connection)


def _run(tool: str, url: str | None, *arguments: str) -> None:
    command, environment = [_find_tool(tool), *arguments], dict(os.environ)
    if url:
        # The password is not an argument, because every user of the machine can list those.
        parts = urlsplit(url)
        if parts.password:
            environment["PGPASSWORD"] = unquote(parts.password)
        user, _, address = parts.netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}@{address}" if user else address
        command += ["--dbname", parts._replace(netloc=netloc).geturl()]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    if result.returncode:
        raise BackupError(f"{tool} failed: {' '.join(result.stderr.split())}")


def _find_tool(name: str) -> str:
    try:
        bundled = postgres.find_installation() / "bin" / name
    except StackError:
        bundled = None
    if tool := (str(bundled) if bundled and bundled.is_file() else shutil.which(name)):
        return tool
    raise BackupError(f"{name} is not installed. Install the client tools of Postgres.")
