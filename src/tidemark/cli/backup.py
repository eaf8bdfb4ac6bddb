"""``tidemark backup`` and ``tidemark restore``: the databases of all services."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tidemark.backup import BackupError, back_up
from tidemark.backup import restore as restore_backup
from tidemark.cli.migrate import migrate_databases
from tidemark.cli.options import DEFAULT_DATA_DIR, DataDir, load_settings
from tidemark.cli.output import print_line, report_errors, show_wait


def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Back up the databases of all services, while they run."""
    with report_errors(BackupError), show_wait("Writing the databases to files …"):
        manifest = back_up(load_settings(data_dir), folder, datetime.now(UTC))
    for dump in manifest.dumps:
        print_line(f"{folder / dump.file}: {', '.join(dump.services)}")


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `tidemark backup` wrote.")],
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what the databases have.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Restore the databases of all services, and update their tables, roles and grants."""
    with report_errors(BackupError):
        settings = load_settings(data_dir)
        with show_wait("Reading the databases from files …"):
            manifest = restore_backup(settings, folder, replace=replace)
        migrate_databases(settings)
    print_line(f"Restored the backup of {manifest.created_at:%Y-%m-%d %H:%M} UTC. Restart the services.")
