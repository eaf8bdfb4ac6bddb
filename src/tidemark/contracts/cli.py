"""The commands of ``tidemark contract``: arguments in, tables and sentences out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from tidemark.contracts import tables
from tidemark.contracts.body import BodyError, assigned, read_body, with_ids
from tidemark.importing.api import Api, ApiError, Entity, contract_path
from tidemark.importing.cli import DataDir, settings
from tidemark.importing.files import FileError, open_text
from tidemark.sentences import sentences, show

app = typer.Typer(help="Contracts: make, change and show them.", no_args_is_help=True)

Code = Annotated[str, typer.Argument(help="The contract's code or id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it for programs.")]
_FILE = "The contract in YAML or JSON, as the HTTP API takes it; - reads standard input."
_HERE = Path(".tidemark")


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help=_FILE)], *, as_json: AsJson = False, data_dir: DataDir = _HERE
) -> None:
    """Draft a contract from a file, and print its id and code.

    Organizations and teams may be given by name in the place of their ids.
    """
    with _api(data_dir) as api:
        made = api.post("contracts", _resolved(api, _read(file)), key=str(uuid4()))
    _tell(made, f"{made.id} {made.body['code']}", as_json=as_json)


@app.command()
def activate(code: Code, *, as_json: AsJson = False, data_dir: DataDir = _HERE) -> None:
    """Let a draft count."""
    with _api(data_dir) as api:
        made = api.post(f"{contract_path(code)}/activate", {}, etag=_existing(api, code).etag)
    _tell(made, _stands(made), as_json=as_json)


@app.command()
def amend(
    code: Code,
    file: Annotated[Path | None, typer.Argument(help=f"{_FILE} Without one, the contract as it stands.")] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why: it stands in the history.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another value, such as end_date=2027-12-31."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = _HERE,
) -> None:
    """Change a contract from its start, by a file that holds the whole of it, or by single values."""
    if file is None and not set_:
        raise typer.BadParameter("Say what changes: give a FILE, or --set NAME=VALUE.")
    with _api(data_dir) as api:
        before = _existing(api, code)
        body = assigned(_read(file) if file else before.body, set_ or [])
        to = f"{contract_path(code)}/amend"
        made = api.post(to, {**_resolved(api, body), "reason": reason}, etag=before.etag)
    _tell(made, _stands(made), as_json=as_json)


@app.command("list")
def list_(
    *,
    status: Annotated[
        list[str] | None, typer.Option(help="DRAFT, ACTIVE, EXPIRED, INACTIVE or CLOSED; repeat it.")
    ] = None,
    organization: Annotated[str | None, typer.Option(help="An organization's name or id.")] = None,
    owner: Annotated[str | None, typer.Option(help="A part of the owner's name or email.")] = None,
    text: Annotated[str | None, typer.Option(help="A part of code, name, description or organization.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = _HERE,
) -> None:
    """Show contracts by code."""
    with _api(data_dir) as api:
        wanted = {
            "status": [one.upper() for one in status or []],
            "organization": organization and _resolved(api, {"organization_id": organization})["organization_id"],
            "owner": owner,
            "text": text,
        }
        found = list(api.list("contracts", **{name: value for name, value in wanted.items() if value}))
    typer.echo(json.dumps(found)) if as_json else show(tables.overview(found))


@app.command("show")
def show_(code: Code, *, as_json: AsJson = False, data_dir: DataDir = _HERE) -> None:
    """Show a contract and its balance by account."""
    with _api(data_dir) as api:
        contract = _existing(api, code).body
        organization = api.get(f"organizations/{contract['organization_id']}")
        found = api.get(f"{contract_path(contract['id'])}/balance")
    balance = found and found.body
    if as_json:
        typer.echo(json.dumps({**contract, "balance": balance}))
    else:
        name = organization.body["name"] if organization else contract["organization_id"]
        show(tables.details(contract, name, balance, datetime.now(UTC)))


@app.command()
def history(code: Code, *, as_json: AsJson = False, data_dir: DataDir = _HERE) -> None:
    """Show who did what to a contract, when and why."""
    with _api(data_dir) as api:
        found = list(api.list(f"{contract_path(code)}/history"))
    typer.echo(json.dumps(found)) if as_json else show(tables.history(found))


@contextmanager
def _api(data_dir: Path) -> Iterator[Api]:
    """A client; a refusal is told one violation a line: code, path, sentence."""
    with sentences(ApiError, BodyError, FileError):
        try:
            with Api(settings(data_dir)) as api:
                yield api
        except ApiError as error:
            lines = [f"{one['code']}  {one['path'] or '/'}  {one['message']}" for one in error.violations]
            raise ApiError("\n".join(lines) or str(error)) from None


def _read(file: Path) -> dict[str, Any]:
    with open_text(file) as lines:
        return read_body("".join(lines))


def _resolved(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    """The body with ids for names. Raises :class:`ApiError` with a violation for each name that is not one's alone."""
    faults: list[dict[str, str]] = []

    @cache
    def named(kind: str, name: str) -> list[str]:
        return [one["id"] for one in api.list(kind, name=name)]

    def id_of(kind: str, name: str, path: str) -> str:
        found = named(kind, name)
        if len(found) == 1:
            return found[0]
        what = f"Several {kind} have" if found else f"No {kind.removesuffix('s')} has"
        remedy = "Give the id." if found else "Make it first, or give an id."
        faults.append({"code": "unknown_reference", "path": path, "message": f"{what} the name {name!r}. {remedy}"})
        return name

    changed: dict[str, Any] = with_ids(body, id_of)
    if faults:
        raise ApiError("A name is not clear.", faults)
    return changed


def _existing(api: Api, code: str) -> Entity:
    found = api.get(contract_path(code))
    if found is None:
        raise ApiError(f"No contract has the id or code {code!r}. `tidemark contract list` shows them.")
    return found


def _stands(contract: Entity) -> str:
    body = contract.body
    return f"{body['code']} is {body['status']} at version {body['version']}."


def _tell(contract: Entity, sentence: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(contract.body) if as_json else sentence)
