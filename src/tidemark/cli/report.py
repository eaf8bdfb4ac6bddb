"""``tidemark report``: delivery reports under a name, and their mails."""

from pathlib import Path
from typing import Annotated

import typer

from tidemark.cli.body_file import set_members
from tidemark.cli.connection import (
    MAX_BODY_SIZE,
    BodyFile,
    connect,
    print_details,
    print_list,
    print_result,
    read_body,
    require_values,
)
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, MaxSize
from tidemark.cli.output import Column, Record, print_records
from tidemark.cli.references import REPORTS, Names, change_entity, delete_entity, find_entity, replace_names
from tidemark_client import Json

app = typer.Typer(help="Saved delivery reports, and their mails.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="REPORT", help="The report's name or id.")]
_FILE_HELP = (
    "The report in YAML or JSON, as the HTTP API takes it; - is standard input. It can have the name of an "
    "organization as its id."
)
_MAIL_COLUMNS = (
    Column("Receiver", "email"),
    Column("First day", "first_day", wrap=False),
    Column("Last day", "last_day", wrap=False),
    Column("Status", "status"),
    Column("Sent", lambda mail: (mail["delivered_at"] or "")[:16].replace("T", " "), wrap=False),
    Column("Error", lambda mail: mail["last_error"] or ""),
)


def _describe_days(report: Record) -> str:
    return report["range"] or f"{report['first_day']} to {report['last_day']}"


def _describe_schedule(schedule: Json | None) -> str:
    return f"every {schedule['every']} on {schedule['on']}" if schedule else "never"


def _describe_receivers(schedule: Json | None) -> str:
    receivers = schedule["receivers"] if schedule else ()
    return "\n".join(item.get("email") or f"contacts with the role {item['role']}" for item in receivers)


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help=_FILE_HELP)],
    *,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Save a report from a file, and print its id and name."""
    with connect(data_dir) as api:
        report = api.post(REPORTS.path, replace_names(api, read_body(file, max_size)))
    print_result(report, f"{report.id} {report.body['name']}", as_json=as_json)


@app.command()
def edit(
    report: Reference,
    file: BodyFile = None,
    *,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A new value, such as range=last-quarter; can be repeated."),
    ] = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change a report with a file that has the whole report, or with single values."""
    require_values(file, set_, hint="--set NAME=VALUE")
    with connect(data_dir) as api:
        current = find_entity(api, REPORTS, report)
        body = read_body(file, max_size) if file else set_members(current.body, set_ or [])
        entity = change_entity(api, REPORTS, current, replace_names(api, body))
    print_result(entity, f"{entity.body['name']} is at version {entity.body['version']}.", as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List all saved reports."""
    with connect(data_dir) as api:
        reports, names = sorted(api.list(REPORTS.path), key=lambda report: report["name"]), Names(api)
        customers = {
            report["id"]: names.describe(report, REPORTS.details) for report in reports if not (as_json or as_csv)
        }
    columns = (
        Column("Organization", lambda report: customers[report["id"]]),
        Column("Days", _describe_days),
        Column("Mailed", lambda report: _describe_schedule(report["schedule"])),
        Column("Next mail", "next_mail_on", wrap=False),
    )
    print_list(reports, columns, as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    report: Reference, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Show a saved report."""
    with connect(data_dir) as api:
        body, names = find_entity(api, REPORTS, report).body, Names(api)
        organization = names.describe(body, REPORTS.details)
    schedule = body["schedule"]
    details = {
        "Report": body["name"],
        "Organization": organization,
        "Contracts": ", ".join(body["contracts"]) or "all",
        "Accounts": ", ".join(body["accounts"]) or "all",
        "Days": _describe_days(body),
        "Persons": "named" if body["people"] else "not named",
        "Internal": "shown" if body["internal"] else "not shown",
        "Mailed": _describe_schedule(schedule),
        "Receivers": _describe_receivers(schedule),
        "Attached": ("PDF and XLSX" if schedule["xlsx"] else "PDF") if schedule else "",
        "Next mail": body["next_mail_on"] or "",
        "Id": body["id"],
    }
    print_details(body, {name: text for name, text in details.items() if text}, as_json=as_json, as_csv=as_csv)


@app.command()
def delete(report: Reference, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Delete a saved report, with its mails that are not sent yet."""
    with connect(data_dir) as api:
        entity = delete_entity(api, REPORTS, report)
    print_result(entity, f"{entity.body['name']} is deleted.", as_json=as_json)


@app.command()
def send(report: Reference, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Mail a report now to the receivers of its schedule."""
    with connect(data_dir) as api:
        result = api.post(f"{REPORTS.path}/{find_entity(api, REPORTS, report).id}/send", {})
    print_result(result, f"Mails on their way: {result.body['mails']}.", as_json=as_json)


@app.command()
def mails(
    report: Reference, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """List the mails of a report, newest first."""
    with connect(data_dir) as api:
        items = list(api.list(f"{REPORTS.path}/{find_entity(api, REPORTS, report).id}/mails"))
    print_records(items, _MAIL_COLUMNS, as_json=as_json, as_csv=as_csv)
