"""``tidemark contract``: create, change and show contracts over the HTTP API."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from tidemark.api_client import ApiClient, ApiError, Entity, contract_path
from tidemark.cli.contract_file import ContractFileError, parse_body, replace_names, set_members
from tidemark.cli.contract_tables import build_contract_details, build_contract_list, build_history
from tidemark.cli.options import DEFAULT_DATA_DIR, AsJson, DataDir, MaxSize, load_settings
from tidemark.cli.output import print_json, print_line, print_table, report_errors
from tidemark.importing.files import FileError, read_text

app = typer.Typer(help="Contracts: create, change and show them.", no_args_is_help=True)

MAX_CONTRACT_FILE_SIZE = 2 << 20
"""As for a request body of the HTTP API."""

Code = Annotated[str, typer.Argument(help="The contract's code or id.")]
_FILE_HELP = "The contract in YAML or JSON, as the HTTP API takes it; - reads standard input."


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help=_FILE_HELP)],
    *,
    max_size: MaxSize = MAX_CONTRACT_FILE_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Draft a contract from a file, and print its id and code.

    Organizations and teams can be given by name instead of id.
    """
    with _connect(data_dir) as api:
        contract = api.post("contracts", _replace_names(api, _read_file(file, max_size)), key=str(uuid4()))
    _print_result(contract, f"{contract.id} {contract.body['code']}", as_json=as_json)


@app.command()
def activate(code: Code, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Activate a draft, so that its work counts."""
    with _connect(data_dir) as api:
        contract = api.post(f"{contract_path(code)}/activate", {}, etag=_load_contract(api, code).etag)
    _print_result(contract, _describe_status(contract), as_json=as_json)


@app.command()
def amend(
    code: Code,
    file: Annotated[
        Path | None, typer.Argument(help=f"{_FILE_HELP} Without a file, the current contract is used.")
    ] = None,
    *,
    reason: Annotated[str, typer.Option(help="The reason, for the history.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A new value, such as end_date=2027-12-31."),
    ] = None,
    max_size: MaxSize = MAX_CONTRACT_FILE_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change a contract from its start, with a file that has the whole contract, or with single values."""
    if file is None and not set_:
        raise typer.BadParameter("Give a FILE, or --set NAME=VALUE.")
    with _connect(data_dir) as api:
        current = _load_contract(api, code)
        body = set_members(_read_file(file, max_size) if file else current.body, set_ or [])
        amendment = {**_replace_names(api, body), "reason": reason}
        contract = api.post(f"{contract_path(code)}/amend", amendment, etag=current.etag)
    _print_result(contract, _describe_status(contract), as_json=as_json)


@app.command("list")
def list_(
    *,
    status: Annotated[
        list[str] | None, typer.Option(help="DRAFT, ACTIVE, EXPIRED, INACTIVE or CLOSED; can be repeated.")
    ] = None,
    organization: Annotated[str | None, typer.Option(help="An organization's name or id.")] = None,
    owner: Annotated[str | None, typer.Option(help="Part of the owner's name or email.")] = None,
    text: Annotated[str | None, typer.Option(help="Part of the code, name, description or organization.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List contracts by code."""
    with _connect(data_dir) as api:
        filters = {
            "status": [name.upper() for name in status or []],
            "organization": organization and _replace_names(api, {"organization_id": organization})["organization_id"],
            "owner": owner,
            "text": text,
        }
        contracts = list(api.list("contracts", **{name: value for name, value in filters.items() if value}))
    print_json(contracts) if as_json else print_table(build_contract_list(contracts))


@app.command()
def show(code: Code, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show a contract and its balance by account."""
    with _connect(data_dir) as api:
        contract = _load_contract(api, code).body
        organization = api.get(f"organizations/{contract['organization_id']}")
        balance_entity = api.get(f"{contract_path(contract['id'])}/balance")
    balance = balance_entity and balance_entity.body
    if as_json:
        print_json({**contract, "balance": balance})
    else:
        name = organization.body["name"] if organization else contract["organization_id"]
        print_table(build_contract_details(contract, name, balance, datetime.now(UTC)))


@app.command()
def history(code: Code, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show who changed a contract, when, how and why."""
    with _connect(data_dir) as api:
        entries = list(api.list(f"{contract_path(code)}/history", limit=None))
    print_json(entries) if as_json else print_table(build_history(entries))


@contextmanager
def _connect(data_dir: Path) -> Iterator[ApiClient]:
    """A client of the API. Violations are printed one on each line: code, path, message."""
    with report_errors(ApiError, ContractFileError, FileError):
        try:
            with ApiClient(load_settings(data_dir)) as api:
                yield api
        except ApiError as error:
            lines = [
                f"{violation['code']}  {violation['path'] or '/'}  {violation['message']}"
                for violation in error.violations
            ]
            raise ApiError("\n".join(lines) or str(error)) from None


def _read_file(file: Path, max_size: int) -> dict[str, Any]:
    return parse_body(read_text(file, max_size=max_size))


def _replace_names(api: ApiClient, body: dict[str, Any]) -> dict[str, Any]:
    """Replace names with ids. Raises :class:`ApiError` with a violation for each unknown or ambiguous name."""
    violations: list[dict[str, str]] = []

    @cache
    def list_ids(list_name: str, name: str) -> list[str]:
        return [item["id"] for item in api.list(list_name, name=name)]

    def find_id(list_name: str, name: str, path: str) -> str:
        ids = list_ids(list_name, name)
        if len(ids) == 1:
            return ids[0]
        message = (
            f"Several {list_name} have the name {name!r}. Give the id."
            if ids
            else f"No {list_name.removesuffix('s')} has the name {name!r}. Create it first, or give an id."
        )
        violations.append({"code": "unknown_reference", "path": path, "message": message})
        return name

    changed: dict[str, Any] = replace_names(body, find_id)
    if violations:
        raise ApiError("A name is unknown or ambiguous.", violations)
    return changed


def _load_contract(api: ApiClient, code: str) -> Entity:
    contract = api.get(contract_path(code))
    if contract is None:
        raise ApiError(f"No contract with id or code {code!r}. Run `tidemark contract list` to see the contracts.")
    return contract


def _describe_status(contract: Entity) -> str:
    body = contract.body
    return f"{body['code']} is {body['status']} at version {body['version']}."


def _print_result(contract: Entity, message: str, *, as_json: bool) -> None:
    print_json(contract.body) if as_json else print_line(message)
