"""``tidemark migrate``: update the tables of all services."""

import asyncio

from tidemark.cli.options import DEFAULT_DATA_DIR, DataDir, load_settings
from tidemark.cli.output import print_line, report_errors, show_wait
from tidemark.cli.verify import run_replay
from tidemark.stack.up import INTAKE, SERVICES
from tidemark_shared import database
from tidemark_shared.settings import Settings


def migrate(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Create or update the tables of all services."""
    with report_errors():
        migrate_databases(load_settings(data_dir))


def migrate_databases(settings: Settings) -> None:
    """Create or update the tables of all services, and print whether figures were rebuilt."""
    for service in (*SERVICES, INTAKE) if settings.intake_file else SERVICES:
        with show_wait(f"Updating the tables of {service} …"):
            asyncio.run(database.migrate(settings.service_database_url(service), service))
    with show_wait("Rebuilding the figures, if a counting rule changed …"):
        is_rebuilt = asyncio.run(run_replay(settings.service_database_url("consumption"), "rebuild_if_due"))
    if is_rebuilt:
        print_line("A counting rule changed, so the figures of consumption were rebuilt from the facts.")
