"""``tidemark rate-card``: what an hour of a person costs."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer

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
from tidemark.cli.input_values import parse_money
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, MaxSize
from tidemark.cli.output import Column
from tidemark.cli.references import RATE_CARDS, Names, change_entity, delete_entity, find_entity, replace_names
from tidemark_client import Json
from tidemark_shared.domain.bodies import format_money

app = typer.Typer(help="Rate cards: what an hour of a person costs.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="CARD", help="The person, if they have one card; or the card's id.")]
Normal = Annotated[str | None, typer.Option(help="The rate of a normal hour, such as 90 or 87.50.")]
ExtraTime = Annotated[str | None, typer.Option(help="The rate beyond the daily workload.")]
Weekend = Annotated[str | None, typer.Option(help="The rate on weekends.")]
Holiday = Annotated[str | None, typer.Option(help="The rate on public holidays.")]
Workload = Annotated[str | None, typer.Option(help="Hours a day before extra time, such as 8 or 7.5.")]
_KINDS = {"normal": "Normal", "extra_time": "Extra time", "weekend": "Weekend", "holiday": "Holiday"}


@app.command()
def create(
    file: BodyFile = None,
    *,
    person: Annotated[str | None, typer.Option(help="The person's id in the time tracker.")] = None,
    first_day: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day of the rates.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="The currency, such as EUR.")] = None,
    team: Annotated[str | None, typer.Option(help="The team's name or id; without it, for every team.")] = None,
    workload: Workload = None,
    normal: Normal = None,
    extra_time: ExtraTime = None,
    weekend: Weekend = None,
    holiday: Holiday = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a rate card from a file or from options, and print its id and person."""
    values: Json = {
        "person_id": person,
        "team_id": team,
        "from": first_day and f"{first_day:%Y-%m-%d}",
        "currency": currency,
        "daily_workload_hours": workload,
        "per_hour_minor": {},
    }
    rates = (normal, extra_time, weekend, holiday)
    required = "--person, --from, --currency, --normal, --extra-time, --weekend and --holiday"
    require_values(file, person, team, first_day, currency, workload, *rates, hint=required)
    if file is None and None in {person, first_day, currency, *rates}:
        raise typer.BadParameter(f"A rate card needs {required}.")
    with connect(data_dir) as api:
        body = read_body(file, max_size) if file else _set_rates(values, rates)
        card = api.post(RATE_CARDS.path, replace_names(api, body))
    print_result(card, f"{card.id} {card.body['person_id']}", as_json=as_json)


@app.command()
def edit(
    card: Reference,
    file: BodyFile = None,
    *,
    workload: Workload = None,
    normal: Normal = None,
    extra_time: ExtraTime = None,
    weekend: Weekend = None,
    holiday: Holiday = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change the rates of a card from its first day on. For new rates from a later day, create a card.

    Its work is rated again. Person, team, currency and first day cannot change.
    """
    rates = (normal, extra_time, weekend, holiday)
    require_values(file, workload, *rates, hint="an option with a new value")
    with connect(data_dir) as api:
        current = find_entity(api, RATE_CARDS, card)
        workload = workload or current.body["daily_workload_hours"]
        body = (
            read_body(file, max_size) if file else _set_rates(current.body | {"daily_workload_hours": workload}, rates)
        )
        entity = change_entity(api, RATE_CARDS, current, replace_names(api, body))
    message = f"The card of {entity.body['person_id']} is at version {entity.body['version']}."
    print_result(entity, message, as_json=as_json)


@app.command("list")
def list_(
    *,
    person: Annotated[str | None, typer.Option(help="The person's id in the time tracker.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List rate cards by person and first day."""
    with connect(data_dir) as api:
        cards = list(api.list(RATE_CARDS.path, person=person))
        names = Names(api)
        teams = {card["team_id"]: names.find("teams", card["team_id"]) for card in cards if not (as_json or as_csv)}
    columns = (
        Column("Team", lambda card: teams[card["team_id"]]),
        Column("From", "from", wrap=False),
        *(
            Column(heading, partial(_format_rate, kind=kind), right=True, wrap=False)
            for kind, heading in _KINDS.items()
        ),
        Column("Currency", "currency"),
    )
    print_list(cards, columns, name="person_id", heading="Person", as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    card: Reference, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Show a rate card."""
    with connect(data_dir) as api:
        body = find_entity(api, RATE_CARDS, card).body
        team = Names(api).find("teams", body["team_id"])
    details = {
        "Person": body["person_id"],
        "Team": team or "every team",
        "From": body["from"],
        "Workload": f"{body['daily_workload_hours']} h a day",
        **{heading: f"{_format_rate(body, kind)} {body['currency']} an hour" for kind, heading in _KINDS.items()},
        "Id": body["id"],
    }
    print_details(body, details, as_json=as_json, as_csv=as_csv)


@app.command()
def delete(card: Reference, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Delete a rate card. Work that it rated is rated by an earlier card, or is unrated."""
    with connect(data_dir) as api:
        entity = delete_entity(api, RATE_CARDS, card)
    print_result(entity, f"The card of {entity.body['person_id']} is deleted.", as_json=as_json)


def _set_rates(body: Json, rates: tuple[str | None, ...]) -> Json:
    """The body with the rates that are given, in the order of ``_KINDS``, in minor units of its currency."""
    new = {
        kind: parse_money(rate, body["currency"]) for kind, rate in zip(_KINDS, rates, strict=True) if rate is not None
    }
    return body | {"per_hour_minor": body["per_hour_minor"] | new}


def _format_rate(card: Mapping[str, Any], kind: str) -> str:
    return format_money(card["per_hour_minor"][kind], card["currency"]).removesuffix(f" {card['currency']}")
