"""``tidemark statement``: settled periods, what corrects them, and whether a file is one of Tidemark's (SPEC 10)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tidemark.cli.body_file import InputError
from tidemark.cli.connection import MAX_BODY_SIZE, connect, print_details
from tidemark.cli.figures import MINOR_UNITS, to_quantity
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir
from tidemark.cli.output import Column, Record, build_table, print_json, print_line, print_records, print_table
from tidemark.cli.references import find_contract
from tidemark.cli.statement_check import Change, find_changes, read_statement
from tidemark.importing.files import read_text
from tidemark_client import Client, Json, TidemarkError, contract_path

app = typer.Typer(help="Statements: settled periods, frozen once.", no_args_is_help=True)

ContractRef = Annotated[str, typer.Argument(metavar="CONTRACT", help="The contract's code or id.")]
_RESTATEMENT_COLUMNS = (
    Column("Learned (UTC)", lambda row: row["restated_at"][:16].replace("T", " "), wrap=False),
    Column("Account", lambda row: row["account_name"] or row["account_id"]),
    Column("Before", lambda row: _restated(row, "before"), right=True, wrap=False),
    Column("After", lambda row: _restated(row, "after"), right=True, wrap=False),
    Column("Cause", "cause"),
)
_ACCOUNT_COLUMNS = (
    Column("Account", "account"),
    Column("Statement", "frozen", right=True, wrap=False),
    Column("Today", "today", right=True, wrap=False),
)


@app.command("list")
def list_(
    contract: ContractRef, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """List the statements of a contract, the oldest period first."""
    with connect(data_dir) as api:
        statements = list(api.list(f"{contract_path(find_contract(api, contract).id)}/statements"))
    columns = (
        Column("No.", "number", right=True, wrap=False),
        Column("Period", lambda statement: _days(statement), wrap=False),  # noqa: PLW0108 - it is defined below
        Column("Consumed", lambda statement: _amount(statement, "consumed"), right=True, wrap=False),
        Column("Available", lambda statement: _amount(statement, "available"), right=True, wrap=False),
        Column("%", lambda statement: statement["figures"]["percent"], right=True, wrap=False),
        Column("Frozen (UTC)", lambda statement: statement["closed_at"][:16].replace("T", " "), wrap=False),
    )
    print_records(statements, columns, as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    contract: ContractRef,
    period: Annotated[str, typer.Argument(help="The period, by its month (2026-03) or a day in it.")],
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show a statement, what has corrected it since, and the figures today. The JSON is a file for `check`."""
    with connect(data_dir) as api:
        body = _load(api, find_contract(api, contract).id, period)
    statement = body["statement"]
    details = {
        "Statement": f"{statement['number']} of {statement['contract_code']} · {statement['contract_name']}",
        "Period": _days(statement),
        "Consumed": f"{_amount(statement, 'consumed')} of {_amount(statement, 'available')} available",
        "Frozen": f"{statement['closed_at']}, as of {statement['as_of']}",
        "SHA-256": statement["sha256"],
    }
    print_details(body, details, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        _print_today(body)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The statement in JSON, of the API or the event; - is standard input.")],
    *,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Check that a file is an unchanged statement of Tidemark, and show the figures today; else exit with status 1."""
    with connect(data_dir) as api:
        statement = read_statement(read_text(file, max_size=MAX_BODY_SIZE))
        start = statement["figures"]["start"]
        entity = api.get(f"{contract_path(statement['contract_id'])}/statements/{start}") if _is_day(start) else None
    body = entity.body if entity else None
    changes = find_changes(statement, body["statement"]) if body else []
    if as_json:
        result = {"known": body is not None, "unchanged": body is not None and not changes}
        print_json({**result, "changes": [change._asdict() for change in changes], **(body or {})})
    elif body is None:
        print_line(
            f"Unknown statement: Tidemark has none of this contract for a period that starts on {start}.", error=True
        )
    else:
        _print_check(body, changes)
    raise typer.Exit(0 if body and not changes else 1)


def _print_check(body: Json, changes: list[Change]) -> None:
    statement = body["statement"]
    name = f"statement {statement['number']} of {statement['contract_code']}, {_days(statement)}"
    if changes:
        print_line(f"Changed: the file differs from {name}, as it was frozen.", error=True)
        for change in changes:
            print_line(
                f"{change.path}: {_value(change.found)} in the file, {_value(change.ours)} in Tidemark", error=True
            )
        return
    print_line(f"Unchanged: this is {name}.")
    _print_today(body)


def _value(text: str | None) -> str:
    return "nothing" if text is None else text


def _print_today(body: Json) -> None:
    """The accounts then and now, and the restatements between."""
    print_table(build_table(list(_accounts(body)), _ACCOUNT_COLUMNS))
    if not (restatements := body["restatements"]):
        print_line("Nothing has changed since.")
        return
    if (count := body["restatement_count"]) > len(restatements):
        print_line(f"The newest {len(restatements)} of {count} restatements:")
    print_table(build_table(restatements, _RESTATEMENT_COLUMNS))


def _accounts(body: Json) -> Iterator[Json]:
    statement, today = body["statement"], body["today"] or {"accounts": (), "unit": "seconds", "currency": None}
    accounts = {account["account_id"]: account for account in statement["accounts"]}
    accounts_today = {account["account_id"]: account for account in today["accounts"]}
    for id_, account in {**accounts_today, **accounts}.items():
        yield {
            "account": account["name"] + ("" if account["billable"] else " (not billed)"),
            "frozen": _consumed(accounts.get(id_), statement),
            "today": _consumed(accounts_today.get(id_), today),
        }


def _consumed(account: Json | None, body: Json) -> str:
    return _format(account["consumed"] if account else 0, _unit(body))


def _amount(statement: Record, name: str) -> str:
    return _format(statement["figures"][name], _unit(statement))


def _unit(body: Record) -> str:
    return (body["currency"] or MINOR_UNITS) if body["unit"] == "minor" else "h"


def _format(value: int | None, unit: str) -> str:
    return "" if value is None else f"{to_quantity(value, unit):,} {unit}"


def _restated(row: Record, side: str) -> str:
    amount = row[f"{side}_amount_minor"]
    return _format(row[f"{side}_seconds"], "h") if amount is None else _format(amount, row["currency"] or MINOR_UNITS)


def _days(statement: Record) -> str:
    return f"{statement['figures']['start']} to {statement['figures']['end']}"


def _is_day(text: str) -> bool:
    return len(text) == len("2026-03-01") and text.replace("-", "").isdecimal()


def _load(api: Client, contract_id: str, period: str) -> Json:
    """The statement of the period that a month or a day names. Raises :class:`TidemarkError`."""
    path = f"{contract_path(contract_id)}/statements"
    starts = [
        statement["figures"]["start"]
        for statement in api.list(path)
        if statement["figures"]["start"][: len(period)] <= period <= statement["figures"]["end"][: len(period)]
    ]
    if len(starts) > 1:
        raise InputError(f"Several settled periods have days in {period}. Give one of {', '.join(starts)}.")
    entity = api.get(f"{path}/{starts[0]}") if starts else None
    if entity is None:
        raise TidemarkError(f"No settled period has days in {period}. `tidemark statement list` shows them.")
    statement: Json = entity.body
    return statement
