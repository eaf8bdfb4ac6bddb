"""``tidemark intake``: the trackers that intake reads, and where their issues belong."""

import asyncio
from typing import Annotated, Any

import asyncpg
import typer

from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, load_settings
from tidemark.cli.output import Column, print_records, report_errors
from tidemark_shared.database import open_connection
from tidemark_shared.settings import Settings

app = typer.Typer(help="Trackers: how far they are read, and where their issues belong.", no_args_is_help=True)

_STATUS_COLUMNS = (
    Column("Source", "source_id"),
    Column("Read at (UTC)", "reconciled_at"),
    Column("Worklogs", "worklog_count", right=True),
    Column("Webhooks", "deliveries_received", right=True),
    Column("Refused", "deliveries_refused", right=True),
    Column("Missed", "found_by_reconciling", right=True),
    Column("Failure", "failure", wrap=True),
)
_PREVIEW_COLUMNS = (
    Column("Issue", "issue"),
    Column("Contract", "contract"),
    Column("Account", "account"),
    Column("By", "why", wrap=True),
)


class IntakeError(Exception):
    """Intake is not set up, or the source is not known; the text says what to do."""


@app.command()
def status(*, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show how far each tracker is read, what its webhooks missed, and what is skipped."""
    with report_errors(IntakeError):
        records = asyncio.run(_load_status(load_settings(data_dir)))
        print_records(records, _STATUS_COLUMNS, as_json=as_json, as_csv=as_csv)
    if any(record["failure"] for record in records):
        raise typer.Exit(1)


@app.command()
def preview(
    source: Annotated[str, typer.Argument(help="The id of the source in TIDEMARK_INTAKE_FILE.")],
    issues: Annotated[list[str], typer.Argument(help="The ids of issues in the tracker.")],
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show to which contract and account issues would be linked, and why. Nothing is published."""
    with report_errors(IntakeError):
        records = asyncio.run(_preview(load_settings(data_dir), source, issues))
        print_records(records, _PREVIEW_COLUMNS, as_json=as_json, as_csv=as_csv)


async def _load_status(settings: Settings) -> list[dict[str, Any]]:
    async with open_connection(settings.service_database_url("intake")) as connection:
        try:
            rows = await connection.fetch("SELECT * FROM reporting.intake ORDER BY source_id")
        except asyncpg.UndefinedTableError:
            raise IntakeError(
                "Intake is not set up. Set TIDEMARK_INTAKE_FILE (see docs/intake.md), and start Tidemark again."
            ) from None
    return [dict(row) for row in rows]


async def _preview(settings: Settings, source_id: str, ids: list[str]) -> list[dict[str, Any]]:
    # Imported here: the code of a service would slow down every other command.
    from tidemark_intake.client import TrackerError  # noqa: PLC0415
    from tidemark_intake.configuration import load_sources  # noqa: PLC0415
    from tidemark_intake.linking import link_issue  # noqa: PLC0415
    from tidemark_intake.trackers.registry import open_tracker  # noqa: PLC0415

    sources = {source.id: source for source in load_sources(settings.intake_file)}
    if source_id not in sources:
        raise IntakeError(f"{settings.intake_file} has no source {source_id!r}. It has {', '.join(sources)}.")
    source = sources[source_id]
    async with open_tracker(source) as tracker:
        try:
            issues = await tracker.fetch_issues(ids)
        except TrackerError as error:
            raise IntakeError(str(error)) from None
    links = [(issue, link_issue(issue, source)) for issue in issues]
    records = [
        {"issue": issue.key or issue.id, "contract": link.contract, "account": link.account, "why": link.why}
        for issue, link in links
    ]
    missing = set(ids) - {issue.id for issue in issues} - {issue.key for issue in issues}
    return records + [
        {"issue": identifier, "contract": None, "account": None, "why": "The tracker does not show this issue."}
        for identifier in sorted(missing)
    ]
