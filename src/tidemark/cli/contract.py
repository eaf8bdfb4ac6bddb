"""``tidemark contract``: create, change and show contracts over the HTTP API."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tidemark.cli.body_file import InputError, set_members
from tidemark.cli.connection import MAX_BODY_SIZE, BodyFile, connect, print_result, read_body
from tidemark.cli.contract_batch import MAX_BATCH_FILE_SIZE, create_batch, read_batch
from tidemark.cli.contract_tables import CONTRACT_COLUMNS, HISTORY_COLUMNS, build_contract_details
from tidemark.cli.figures import FIELDS, list_figures, load_figures
from tidemark.cli.input_values import build_adjustment, describe_adjustment
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, MaxSize, parse_choice
from tidemark.cli.output import print_json, print_line, print_records
from tidemark.cli.references import find_contract, replace_account_names, replace_names
from tidemark_client import Client, Entity, Json, TidemarkError, contract_path
from tidemark_shared.domain.bodies import Status

app = typer.Typer(help="Contracts: create, change and show them.", no_args_is_help=True)

Code = Annotated[str, typer.Argument(help="The contract's code or id.")]
Reason = Annotated[str, typer.Option(help="The reason, for the history.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A new value, such as end_date=2027-12-31; can be repeated."),
]


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help="The contract in YAML or JSON, as the HTTP API takes it; - is stdin.")],
    *,
    set_: Assignments = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Draft a contract from a file, and print its id and code.

    Organizations, teams and the accounts of adjustments can be given by name instead of id.
    """
    with connect(data_dir) as api:
        terms = set_members(read_body(file, max_size), set_ or [])
        body = replace_names(api, replace_account_names(terms))
        try:
            contract = api.post("contracts", body)
        except TidemarkError as error:
            raise _with_hint(
                error, "duplicate", f"`tidemark contract edit {body.get('code')} FILE` changes it."
            ) from None
    print_result(contract, f"{contract.id} {contract.body['code']}", as_json=as_json)


@app.command()
def batch(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Files of one contract in YAML or JSON, of many in JSON lines (.jsonl), or folders of them."
        ),
    ],
    *,
    activate: Annotated[bool, typer.Option("--activate", help="Activate each contract at once.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all of them, and create none.")] = False,
    max_size: MaxSize = MAX_BATCH_FILE_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Draft many contracts from files. One that is refused keeps no other from being created.

    Prints what is refused, with the file and the reasons; the exit status is then 1.
    """
    with connect(data_dir) as api:
        result = create_batch(api, read_batch(paths, max_size), activate=activate, dry_run=dry_run)
    if as_json:
        print_json(result._asdict())
    else:
        for refusal in result.refused:
            for violation in refusal["violations"]:
                line = f"{violation['code']}  {violation['path'] or '/'}  {violation['message']}"
                print_line(f"{refusal['source']}: {line}", error=True)
        print_line(f"{result.created:,} created, {len(result.refused):,} refused.")
    raise typer.Exit(1 if result.refused else 0)


@app.command()
def edit(
    code: Code,
    file: BodyFile = None,
    *,
    set_: Assignments = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change a draft, with a file that has the whole contract, or with single values."""
    with connect(data_dir) as api:
        draft = find_contract(api, code)
        if draft.body["status"] != "DRAFT":
            raise InputError(
                f"{draft.body['code']} is {draft.body['status']}, not a draft. "
                f"Use `tidemark contract amend {draft.body['code']} --reason …`."
            )
        contract = _change_terms(api, draft, _read_terms(api, draft, file, set_, max_size), "")
    print_result(contract, _describe_status(contract), as_json=as_json)


@app.command()
def discard(code: Code, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Discard a draft. Its code can be used again."""
    with connect(data_dir) as api:
        contract = find_contract(api, code)
        api.delete(contract_path(contract.id), contract.etag)
    print_result(contract, f"{contract.body['code']} is discarded.", as_json=as_json)


@app.command()
def activate(code: Code, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Activate a draft, so that its work counts."""
    _run_action("activate", code, {}, as_json=as_json, data_dir=data_dir)


@app.command()
def suspend(code: Code, *, reason: Reason, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Suspend a contract: no work counts until it is resumed."""
    _run_action("suspend", code, {"reason": reason}, as_json=as_json, data_dir=data_dir)


@app.command()
def resume(code: Code, *, reason: Reason, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Resume a suspended contract. Work logged while it was suspended counts too."""
    _run_action("resume", code, {"reason": reason}, as_json=as_json, data_dir=data_dir)


@app.command()
def close(code: Code, *, reason: Reason, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Close a contract for good. It cannot be opened again."""
    _run_action("close", code, {"reason": reason}, as_json=as_json, data_dir=data_dir)


@app.command()
def renew(
    code: Code,
    new_code: Annotated[str, typer.Argument(help="The code of the contract that follows.")],
    *,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Draft the contract that follows: it starts the day after, with the same length and shape."""
    with connect(data_dir) as api:
        current = find_contract(api, code)
        draft = api.post(f"{contract_path(code)}/renew", {"code": new_code}, etag=current.etag)
    message = (
        f"{draft.body['code']} is a DRAFT from {draft.body['start_date']} to {draft.body['end_date']}. "
        f"Activate it with `tidemark contract activate {draft.body['code']}`."
    )
    print_result(draft, message, as_json=as_json)


@app.command()
def amend(
    code: Code,
    file: BodyFile = None,
    *,
    reason: Reason,
    set_: Assignments = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change a contract from its start, with a file that has the whole contract, or with single values."""
    with connect(data_dir) as api:
        current = find_contract(api, code)
        if current.body["status"] == "DRAFT":
            raise InputError(
                f"{current.body['code']} is a draft. Change it with `tidemark contract edit {current.body['code']}`."
            )
        contract = _change_terms(api, current, _read_terms(api, current, file, set_, max_size), reason)
    print_result(contract, _describe_status(contract), as_json=as_json)


@app.command()
def adjust(
    code: Code,
    *,
    account: Annotated[str, typer.Option(help="The account's name or id.")],
    reason: Reason,
    period: Annotated[
        str | None, typer.Option(metavar="MONTH|DAY", help="The period, by its month (2026-03) or a day in it.")
    ] = None,
    hours: Annotated[str | None, typer.Option(help="The hours to add, such as 20 or -7.5.")] = None,
    value: Annotated[
        str | None, typer.Option(help="For a fixed price: the amount to add, in the contract's currency.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Add hours (or value) to an account in one period, or deduct them with a minus sign.

    A contract that is not a draft is amended, with this reason.
    """
    if (hours is None) == (value is None):
        raise typer.BadParameter("Give either --hours or --value.")
    with connect(data_dir) as api:
        current = find_contract(api, code)
        adjustment = build_adjustment(
            current.body, account=account, period=period, hours=hours, value=value, reason=reason
        )
        terms = {**current.body, "adjustments": [*current.body["adjustments"], adjustment]}
        contract = _change_terms(api, current, terms, reason)
    message = f"{_describe_status(contract)} {describe_adjustment(contract.body, adjustment)}"
    print_result(contract, message, as_json=as_json)


@app.command("list")
def list_(
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(
            parser=parse_choice(Status),
            metavar="STATUS",
            help="DRAFT, ACTIVE, EXPIRED, INACTIVE or CLOSED; can be repeated.",
        ),
    ] = None,
    organization: Annotated[str | None, typer.Option(help="An organization's name or id.")] = None,
    owner: Annotated[str | None, typer.Option(help="Part of the owner's name or email.")] = None,
    text: Annotated[str | None, typer.Option(help="Part of the code, name, description or organization.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List contracts by code."""
    with connect(data_dir) as api:
        filters = {
            "status": status,
            "organization": organization and replace_names(api, {"organization_id": organization})["organization_id"],
            "owner": owner,
            "text": text,
        }
        contracts = list(api.list("contracts", **{name: value for name, value in filters.items() if value}))
    print_records(contracts, CONTRACT_COLUMNS, as_json=as_json, as_csv=as_csv)


@app.command()
def show(code: Code, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show a contract's terms and its figures, as `tidemark status`."""
    now = datetime.now(UTC)
    with connect(data_dir) as api:
        contract = find_contract(api, code).body
        organization = api.get(f"organizations/{contract['organization_id']}")
        figures = load_figures(api, contract)
    name = organization.body["name"] if organization else contract["organization_id"]
    print_records(
        list_figures(figures, now),
        build_contract_details(contract, name, figures, now),
        as_json=as_json,
        as_csv=as_csv,
        fields=FIELDS,
        document={**contract, "balance": figures and figures.balance},
    )


@app.command()
def history(
    code: Code, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Show who changed a contract, when, how and why."""
    with connect(data_dir) as api:
        entries = list(api.list(f"{contract_path(code)}/history", limit=None))
    print_records(entries, HISTORY_COLUMNS, as_json=as_json, as_csv=as_csv)


def _read_terms(
    api: Client, current: Entity[Json], file: Path | None, assignments: list[str] | None, max_size: int
) -> Json:
    """The contract as it shall be, with ids. Without a file, the current contract with single values set."""
    if file is None and not assignments:
        raise typer.BadParameter("Give a FILE, or --set NAME=VALUE.")
    body = set_members(read_body(file, max_size) if file else current.body, assignments or [])
    return replace_names(api, replace_account_names(body, current.body["accounts"]))


def _change_terms(api: Client, current: Entity[Json], terms: Json, reason: str) -> Entity[Json]:
    """Change a draft, or amend any other contract."""
    path = contract_path(current.id)
    if current.body["status"] == "DRAFT":
        return api.put(path, terms, current.etag)
    return api.post(f"{path}/amend", {**terms, "reason": reason}, etag=current.etag)


def _run_action(action: str, code: str, body: Json, *, as_json: bool, data_dir: Path) -> None:
    with connect(data_dir) as api:
        current = find_contract(api, code)
        contract = api.post(f"{contract_path(code)}/{action}", body, etag=current.etag)
    print_result(contract, _describe_status(contract), as_json=as_json)


def _with_hint(error: TidemarkError, code: str, hint: str) -> TidemarkError:
    """The error, with a hint at its violations of this code."""
    violations = [
        {**violation, "message": f"{violation['message']} {hint}"} if violation["code"] == code else violation
        for violation in error.violations
    ]
    return TidemarkError(str(error), violations)


def _describe_status(contract: Entity[Json]) -> str:
    body = contract.body
    return f"{body['code']} is {body['status']} at version {body['version']}."
