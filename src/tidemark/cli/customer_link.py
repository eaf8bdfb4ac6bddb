"""``tidemark customer-link``: links that show a customer its own contracts (SPEC 7)."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from tidemark.cli.body_file import is_id
from tidemark.cli.connection import connect
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir
from tidemark.cli.output import Column, Record, print_json, print_line, print_records
from tidemark.cli.references import ORGANIZATIONS, find_entity

app = typer.Typer(help="Links that show a customer its own contracts.", no_args_is_help=True)

Organization = Annotated[str, typer.Argument(metavar="ORGANIZATION", help="The organization's name or id.")]


def _state(link: Record) -> str:
    if link["revoked_at"]:
        return f"revoked {link['revoked_at'][:10]}"
    return f"until {link['expires_at'][:10]}"


def _describe(link: Record) -> str:
    """The customer and what it is for, and the id on a line of its own, where it can be copied."""
    return f"{' · '.join(filter(None, (link['organization_name'], link['note'])))}\n{link['id']}"


_COLUMNS = (
    Column("Link", _describe),
    Column("Made by", "created_by"),
    Column("Last used", lambda link: (link["last_used_at"] or "never")[:10], wrap=False),
    Column("State", _state, wrap=False),
)


@app.command()
def create(
    organization: Organization,
    *,
    note: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Its last day, UTC; without it, 180 days.")
    ] = None,
    ask_password: Annotated[bool, typer.Option(help="Ask for a password that its reader must also know.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a link, and print its address. It is shown only once: send it to the customer only."""
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if ask_password else None
    end = expires and expires + timedelta(days=1, seconds=-1)
    with connect(data_dir) as api:
        organization_id = find_entity(api, ORGANIZATIONS, organization).id
        link: Any = api.create_customer_link({
            "organization_id": organization_id, "note": note, "password": password,
            "expires_at": f"{end.isoformat()}Z" if end else None,
        })  # fmt: skip
    if as_json:
        print_json(link)
    else:
        print_line(link["url"])


@app.command("list")
def list_(
    *,
    organization: Annotated[str | None, typer.Option(help="Of this organization, by name or id.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List links, the newest first: those that were made, and those of mails once they have been used."""
    with connect(data_dir) as api:
        organization_id = organization and find_entity(api, ORGANIZATIONS, organization).id
        links: list[Any] = list(api.list_customer_links(organization=organization_id))
    print_records(links, _COLUMNS, as_json=as_json, as_csv=as_csv)


@app.command()
def revoke(
    link_or_organization: Annotated[
        str, typer.Argument(metavar="ID|ORGANIZATION", help="The id of a link; or an organization, for all its links.")
    ],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Revoke a link, or all links of an organization, also those in mails that nobody has opened yet."""
    with connect(data_dir) as api:
        if is_id(link_or_organization):
            api.revoke_customer_link(link_or_organization)
            print_line(f"The link {link_or_organization} is revoked.")
        else:
            entity = find_entity(api, ORGANIZATIONS, link_or_organization)
            api.revoke_customer_links(entity.id)
            print_line(f"All links of {entity.body['name']} are revoked.")
