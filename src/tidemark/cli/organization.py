"""``tidemark organization``: the customers, with their contacts."""

from typing import Annotated, Any

import typer

from tidemark.cli.body_file import InputError
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
from tidemark.cli.input_values import parse_contact
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, MaxSize
from tidemark.cli.output import Column
from tidemark.cli.references import ORGANIZATIONS, change_entity, delete_entity, find_entity
from tidemark_client import Json

app = typer.Typer(help="Organizations: the customers, with their contacts.", no_args_is_help=True)


def _parse_contact(text: str) -> Json:
    try:
        return parse_contact(text)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


Reference = Annotated[str, typer.Argument(metavar="ORGANIZATION", help="The organization's name or id.")]
NewName = Annotated[str | None, typer.Option("--name", help="The name.")]
TimeZone = Annotated[str | None, typer.Option(help="The IANA time zone, such as Europe/Berlin.")]
Locale = Annotated[str | None, typer.Option(help="The language and formats of mails, such as en or de.")]
NewContacts = Annotated[
    list[Any] | None,  # typer takes no list of dictionaries
    typer.Option(
        "--contact",
        metavar="CONTACT",
        parser=_parse_contact,
        help="A contact with roles, such as 'Ann <ann@acme.example>:billing,approver'; can be repeated.",
    ),
]


@app.command()
def create(
    file: BodyFile = None,
    *,
    name: NewName = None,
    timezone: TimeZone = None,
    locale: Locale = None,
    contact: NewContacts = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create an organization from a file or from options, and print its id and name."""
    require_values(file, name, timezone, locale, contact, hint="--name and --timezone")
    if file is None and None in {name, timezone}:
        raise typer.BadParameter("An organization needs --name and --timezone.")
    with connect(data_dir) as api:
        values = {"name": name, "timezone": timezone, "locale": locale, "contacts": contact or []}
        body = read_body(file, max_size) if file else values
        organization = api.post(ORGANIZATIONS.path, body)
    print_result(organization, f"{organization.id} {organization.body['name']}", as_json=as_json)


@app.command()
def edit(
    organization: Reference,
    file: BodyFile = None,
    *,
    name: NewName = None,
    timezone: TimeZone = None,
    locale: Locale = None,
    contact: NewContacts = None,
    remove_contact: Annotated[
        list[str] | None, typer.Option(metavar="EMAIL", help="Remove the contact with this address; can be repeated.")
    ] = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change an organization with a file that has the whole body, or with options.

    A contact whose address exists already is replaced.
    """
    require_values(file, name, timezone, locale, contact, remove_contact, hint="an option with a new value")
    with connect(data_dir) as api:
        current = find_entity(api, ORGANIZATIONS, organization)
        if file:
            body = read_body(file, max_size)
        else:
            contacts = change_contacts(current.body["contacts"], contact or [], remove_contact or [])
            values = {"name": name, "timezone": timezone, "locale": locale, "contacts": contacts}
            body = current.body | {member: value for member, value in values.items() if value is not None}
        entity = change_entity(api, ORGANIZATIONS, current, body)
    print_result(entity, f"{entity.body['name']} is at version {entity.body['version']}.", as_json=as_json)


@app.command("list")
def list_(
    *,
    text: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List organizations by name."""
    with connect(data_dir) as api:
        organizations = list(api.list(ORGANIZATIONS.path, text=text))
    columns = (
        Column("Time zone", "timezone"),
        Column("Contacts", lambda item: "\n".join(map(_describe_contact, item["contacts"]))),
    )
    print_list(organizations, columns, as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    organization: Reference, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Show an organization and its contacts."""
    with connect(data_dir) as api:
        body = find_entity(api, ORGANIZATIONS, organization).body
    details = {
        "Organization": body["name"],
        "Time zone": body["timezone"],
        "Mails in": body["locale"],
        "Contacts": "\n".join(f"{_describe_contact(contact)} <{contact['email']}>" for contact in body["contacts"]),
        "Id": body["id"],
    }
    print_details(body, details, as_json=as_json, as_csv=as_csv)


@app.command()
def delete(organization: Reference, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Delete an organization that no contract refers to."""
    with connect(data_dir) as api:
        entity = delete_entity(api, ORGANIZATIONS, organization)
    print_result(entity, f"{entity.body['name']} is deleted.", as_json=as_json)


def _describe_contact(contact: Json) -> str:
    roles = ", ".join(contact["roles"])
    return f"{contact['name']} ({roles})" if roles else contact["name"]


def change_contacts(contacts: list[Json], new: list[Json], removed: list[str]) -> list[Json]:
    """The contacts without those removed by address, then the new ones. Raises :class:`InputError`."""
    if missing := set(removed) - {contact["email"] for contact in contacts}:
        raise InputError(f"No contact has the address {min(missing)}. `tidemark organization show` lists them.")
    replaced = {*removed, *(contact["email"] for contact in new)}
    return [*(contact for contact in contacts if contact["email"] not in replaced), *new]
