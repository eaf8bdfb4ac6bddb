"""``tidemark team``: the provider's teams, and who belongs to them from when until when."""

from collections.abc import Mapping
from datetime import datetime
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
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, MaxSize
from tidemark.cli.output import Column, build_table, print_table
from tidemark.cli.references import TEAMS, change_entity, delete_entity, find_entity
from tidemark_client import Json

app = typer.Typer(help="Teams, and who belongs to them.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name or id.")]
Person = Annotated[str, typer.Argument(help="The person's id in the time tracker.")]
NewName = Annotated[str | None, typer.Option("--name", help="The team's name.")]
_DAY_FORMATS = ["%Y-%m-%d"]
_MEMBER_COLUMNS = (
    Column("Person", "person_id"),
    Column("Name", "name"),
    Column("Email", "email"),
    Column("From", "from", wrap=False),
    Column("Until", "until", wrap=False),
)


@app.command()
def create(
    file: BodyFile = None,
    *,
    name: NewName = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a team from a file or with a name, and print its id and name."""
    require_values(file, name, hint="--name")
    with connect(data_dir) as api:
        body = read_body(file, max_size) if file else {"name": name}
        team = api.post(TEAMS.path, body)
    print_result(team, f"{team.id} {team.body['name']}", as_json=as_json)


@app.command()
def edit(
    team: Reference,
    file: BodyFile = None,
    *,
    name: NewName = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change a team with a file that has the whole body, or rename it."""
    require_values(file, name, hint="--name")
    with connect(data_dir) as api:
        current = find_entity(api, TEAMS, team)
        body = read_body(file, max_size) if file else current.body | {"name": name}
        entity = change_entity(api, TEAMS, current, body)
    print_result(entity, f"{entity.body['name']} is at version {entity.body['version']}.", as_json=as_json)


@app.command()
def add_member(
    team: Reference,
    person: Person,
    *,
    first_day: Annotated[datetime, typer.Option("--from", formats=_DAY_FORMATS, help="The first day.")],
    last_day: Annotated[
        datetime | None, typer.Option("--until", formats=_DAY_FORMATS, help="The last day; without it, no end.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The person's name.")] = None,
    email: Annotated[str | None, typer.Option(help="The address for notifications to the team.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Add a person to a team from a day on. Work since that day is attributed again."""
    member = {
        "person_id": person,
        "name": name,
        "email": email,
        "from": f"{first_day:%Y-%m-%d}",
        "until": f"{last_day:%Y-%m-%d}" if last_day else None,
    }
    with connect(data_dir) as api:
        current = find_entity(api, TEAMS, team)
        body = current.body | {"members": [*current.body["members"], member]}
        entity = change_entity(api, TEAMS, current, body)
    print_result(entity, f"{person} is in {entity.body['name']} from {member['from']}.", as_json=as_json)


@app.command()
def end_member(
    team: Reference,
    person: Person,
    *,
    last_day: Annotated[datetime, typer.Option("--until", formats=_DAY_FORMATS, help="The last day.")],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """End a person's membership of a team. Work after the last day is attributed again."""
    until = f"{last_day:%Y-%m-%d}"
    with connect(data_dir) as api:
        current = find_entity(api, TEAMS, team)
        body = current.body | {"members": end_membership(current.body["members"], person, until)}
        entity = change_entity(api, TEAMS, current, body)
    print_result(entity, f"{person} is in {entity.body['name']} until {until}.", as_json=as_json)


@app.command("list")
def list_(
    *,
    text: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List teams by name."""
    with connect(data_dir) as api:
        teams = list(api.list(TEAMS.path, text=text))
    print_list(teams, (Column("Members", _list_people),), as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    team: Reference, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Show a team and its members."""
    with connect(data_dir) as api:
        body = find_entity(api, TEAMS, team).body
    print_details(body, {"Team": body["name"], "Id": body["id"]}, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        print_table(build_table(body["members"], _MEMBER_COLUMNS))


@app.command()
def delete(team: Reference, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Delete a team that no contract and no rate card refers to."""
    with connect(data_dir) as api:
        entity = delete_entity(api, TEAMS, team)
    print_result(entity, f"{entity.body['name']} is deleted.", as_json=as_json)


def end_membership(members: list[Json], person: str, until: str) -> list[Json]:
    """The members after a person's membership on the day ``until`` ends there. Raises :class:`InputError`."""
    current = [
        member
        for member in members
        if member["person_id"] == person and member["from"] <= until <= (member["until"] or until)
    ]
    if not current:
        raise InputError(f"{person} is not in the team on {until}. `tidemark team show` lists the members.")
    return [member | {"until": until} if member in current else member for member in members]


def _list_people(team: Mapping[str, Any]) -> str:
    """Each person once, whether or not the membership has ended."""
    return ", ".join(dict.fromkeys(member["name"] or member["person_id"] for member in team["members"]))
