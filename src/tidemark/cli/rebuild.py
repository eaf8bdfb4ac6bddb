"""``tidemark rebuild``: rebuild the tables that are derived from facts or events (SPEC 6)."""

import asyncio
from typing import Annotated, Literal

import typer

from tidemark.cli.options import DEFAULT_DATA_DIR, DataDir, load_settings
from tidemark.cli.output import print_line, report_errors, show_wait
from tidemark.cli.verify import print_differences, run_replay


def rebuild(
    service: Annotated[
        Literal["consumption", "contracts"], typer.Argument(help="The service whose tables are rebuilt.")
    ] = "consumption",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Rebuild the tables that are derived from facts or events, then switch to them, while the system runs."""
    with report_errors():
        url = load_settings(data_dir).service_database_url(service)
        if service == "consumption":
            with show_wait("Rebuilding every figure from the facts …"):
                findings = asyncio.run(run_replay(url, "rebuild"))
            print_differences(findings)
            print_line(f"Rows repaired: {findings.total}")
            return
        # Imported here, as in `verify`.
        from tidemark_contracts.contract.rebuild import rebuild as rebuild_contracts  # noqa: PLC0415

        with show_wait("Rebuilding every contract from its events …"):
            count = asyncio.run(rebuild_contracts(url))
        print_line(f"Contracts rebuilt: {count}")
