"""``tidemark intake``: the trackers that intake reads, and where their issues belong."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import asyncpg
import typer
from rich.console import RenderableType
from rich.table import Table

from tidemark.cli.connection import connect
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, load_settings
from tidemark.cli.output import Column, Record, format_cell, print_line, print_records, report_errors
from tidemark_shared.database import open_connection
from tidemark_shared.settings import Settings

if TYPE_CHECKING:
    from tidemark_intake.configuration import Source
    from tidemark_intake.trackers import Tracker

app = typer.Typer(help="Trackers: how far they are read, and where their issues belong.", no_args_is_help=True)

_STATUS_COLUMNS = (
    Column("Source", "source_id"),
    Column("Read until (UTC)", lambda record: ", ".join(_describe_cursor(record["cursor"]))),
    Column("Lag", lambda record: _describe_lag(record["lag_seconds"])),
    Column("Last webhook (UTC)", "last_delivery_at"),
    Column("Worklogs", "worklog_count"),
    Column("Webhooks received", "deliveries_received"),
    Column("Webhooks refused", "deliveries_refused"),
    Column("Missed by webhooks", "found_by_reconciling"),
    Column("Skipped", lambda record: _describe_skipped(record["skipped"] or {})),
    Column("Failure", "failure"),
)
_SKIPPED_COLUMNS = (
    Column("Worklog", "worklog_id"),
    Column("Reason", "reason"),
    Column("Detail", "detail"),
    Column("Last seen (UTC)", "seen_at"),
)
_SKIPPED_FIELDS = ("source_id", "worklog_id", "reason", "detail", "seen_at")
_OPTION_FIELDS = ("field", "context", "action", "name")
_OPTION_COLUMNS = (
    Column("Field", "field"),
    Column("Context", "context"),
    Column("Change", "action"),
    Column("Option", "name"),
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
    """Show how far each tracker is read, what its webhooks missed, and how much is skipped.

    The status is 1 if a tracker cannot be read.
    """
    with report_errors(IntakeError):
        statement = "SELECT * FROM reporting.intake ORDER BY source_id"
        records = [
            record | {name: json.loads(record[name] or "null") for name in ("cursor", "skipped")}
            for record in asyncio.run(_query(load_settings(data_dir), statement))
        ]
        print_records(records, build_status(records), as_json=as_json, as_csv=as_csv)
    if any(record["failure"] for record in records):
        raise typer.Exit(1)


@app.command()
def skipped(
    source: Annotated[str, typer.Argument(help="The id of the source in TIDEMARK_INTAKE_FILE.")],
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show which worklogs of a tracker are not published, and why."""
    statement = "SELECT * FROM reporting.intake_skipped WHERE source_id = $1 ORDER BY reason, worklog_id"
    with report_errors(IntakeError):
        records = asyncio.run(_query(load_settings(data_dir), statement, source))
        print_records(records, _SKIPPED_COLUMNS, as_json=as_json, as_csv=as_csv, fields=_SKIPPED_FIELDS)


@app.command()
def preview(
    source: Annotated[str, typer.Argument(help="The id of the source in TIDEMARK_INTAKE_FILE.")],
    issues: Annotated[
        list[str], typer.Argument(help="The ids of issues; of time entries, where the tracker has no issues.")
    ],
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show to which contract and account issues or time entries would be linked, and why. Nothing is published."""
    with report_errors(IntakeError):
        records = asyncio.run(_preview(load_settings(data_dir), source, issues))
        print_records(records, _PREVIEW_COLUMNS, as_json=as_json, as_csv=as_csv)


def build_status(records: Sequence[Record]) -> RenderableType:
    """One value on each line: a table would be wider than most terminals."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for record in records:
        for column in _STATUS_COLUMNS:
            value = record[column.value] if isinstance(column.value, str) else column.value(record)
            grid.add_row(column.heading, format_cell(value))
        grid.add_row()
    return grid


def _describe_cursor(cursor: Mapping[str, str]) -> Iterator[str]:
    """From where the next reading goes on, by what is read: Jira's feeds count milliseconds."""
    for name, value in sorted(cursor.items()):
        time = datetime.fromtimestamp(int(value) / 1000, UTC) if value.isdecimal() else datetime.fromisoformat(value)
        yield f"{name.replace('_', ' ')} {time:%Y-%m-%d %H:%M}"


def _describe_skipped(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items())) or "0"


def _describe_lag(seconds: int | None) -> str:
    return "not read yet" if seconds is None else str(timedelta(seconds=seconds))


@app.command()
def options(
    source: Annotated[str, typer.Argument(help="The id of a source of the kind jira in TIDEMARK_INTAKE_FILE.")],
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Change the fields in Jira; else only show the changes.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Let people choose from the active contracts and their accounts: change the options of the source's fields.

    Options of contracts that are not active are disabled, and stay on the issues that have them.
    """
    with report_errors(IntakeError), connect(data_dir) as api:
        settings = load_settings(data_dir)
        records = asyncio.run(_change_options(settings, source, list(api.list("contracts")), apply=apply))
        print_records(records, _OPTION_COLUMNS, as_json=as_json, as_csv=as_csv, fields=_OPTION_FIELDS)
        if records and not apply and not (as_json or as_csv):
            print_line("Nothing is changed yet. Repeat the command with --apply.")


def list_option_names(contracts: Sequence[Mapping[str, Any]]) -> dict[str, tuple[set[str], set[str]]]:
    """The names that people can choose, and those that they cannot choose any more, by the setting of the field."""
    names: dict[str, tuple[set[str], set[str]]] = {"contract_field": (set(), set()), "account_field": (set(), set())}
    for contract in contracts:
        position = 0 if contract["status"] == "ACTIVE" else 1
        names["contract_field"][position].add(contract["code"])
        names["account_field"][position].update(account["name"] for account in contract["accounts"])
    return names


async def _change_options(
    settings: Settings, source_id: str, contracts: Sequence[Mapping[str, Any]], *, apply: bool
) -> list[dict[str, Any]]:
    from tidemark_intake.client import TrackerError  # noqa: PLC0415
    from tidemark_intake.trackers.registry import open_options  # noqa: PLC0415

    source = _find_source(settings, source_id)
    if source.kind != "jira" or not source.contract_field:
        raise IntakeError(f"{source_id} is not a source of the kind jira with contract_field.")
    records = []
    try:
        async with open_options(source) as fields:
            for setting, (open_names, closed_names) in list_option_names(contracts).items():
                if not (field := getattr(source, setting)):
                    continue
                for changes in await fields.find_changes(field, open_names, closed_names):
                    if apply:
                        await fields.apply(changes)
                    actions = {
                        "create": changes.create,
                        "enable": [option.value for option in changes.enable],
                        "disable": [option.value for option in changes.disable],
                    }
                    records += [
                        dict(zip(_OPTION_FIELDS, (field, changes.context, action, name), strict=True))
                        for action, names in actions.items()
                        for name in names
                    ]
    except TrackerError as error:
        raise IntakeError(str(error)) from None
    return records


def _find_source(settings: Settings, source_id: str) -> "Source":
    # Imported here: the code of a service would slow down every other command.
    from tidemark_intake.configuration import load_sources  # noqa: PLC0415

    sources = {source.id: source for source in load_sources(settings.intake_file)}
    if source_id not in sources:
        raise IntakeError(f"{settings.intake_file} has no source {source_id!r}. It has {', '.join(sources)}.")
    return sources[source_id]


async def _query(settings: Settings, statement: str, *values: str) -> list[dict[str, Any]]:
    async with open_connection(settings.service_database_url("intake")) as connection:
        try:
            rows = await connection.fetch(statement, *values)
        except asyncpg.UndefinedTableError:
            raise IntakeError(
                "Intake is not set up. Set TIDEMARK_INTAKE_FILE (see docs/intake.md), and start Tidemark again."
            ) from None
    return [dict(row) for row in rows]


async def _preview(settings: Settings, source_id: str, ids: list[str]) -> list[dict[str, Any]]:
    from tidemark_intake.client import TrackerError  # noqa: PLC0415
    from tidemark_intake.trackers.registry import open_tracker  # noqa: PLC0415

    source = _find_source(settings, source_id)
    async with open_tracker(source) as tracker:
        try:
            return await preview_links(tracker, source, ids)
        except TrackerError as error:
            raise IntakeError(str(error)) from None


async def preview_links(tracker: "Tracker", source: "Source", ids: Sequence[str]) -> list[dict[str, Any]]:
    """The link of each issue, or of each time entry where the tracker has no issues."""
    from tidemark_intake.linking import link_issue  # noqa: PLC0415

    why = dict.fromkeys(ids, "The tracker does not show it.")
    issue_ids = {identifier: identifier for identifier in ids}
    if source.has_entries:
        batch = await tracker.fetch_worklogs(ids)
        issue_ids = {worklog.id: worklog.issue_id for worklog in batch.worklogs}
        skipped = [worklog for worklog in batch.skipped if worklog.reason != "invisible"]
        why |= {worklog.worklog_id: f"It is skipped: {worklog.reason}. {worklog.detail}".strip() for worklog in skipped}
    issues = await tracker.fetch_issues(list(dict.fromkeys(issue_ids.values())))
    issues_by_id = {issue.id: issue for issue in issues} | {issue.key: issue for issue in issues if issue.key}
    records = []
    for identifier in ids:
        issue = issues_by_id.get(issue_ids.get(identifier, ""))
        link = link_issue(issue, source) if issue else None
        records.append(
            {
                "issue": (issue.key or identifier) if issue else identifier,
                "contract": link.contract if link else None,
                "account": link.account if link else None,
                "why": link.why if link else why[identifier],
            }
        )
    return records
