"""``tidemark offer``: hours (or value) that a customer may accept, and what became of them."""

from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer

from tidemark.cli.body_file import InputError
from tidemark.cli.connection import connect, print_details, print_result
from tidemark.cli.input_values import build_adjustment, describe_adjustment, end_of_day, parse_contact, parse_price
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir, parse_choice
from tidemark.cli.output import Column, print_records
from tidemark.cli.references import find_contract
from tidemark_client import Client, Entity, Json, TidemarkError
from tidemark_shared.domain.bodies import OfferStatus, format_money

app = typer.Typer(help="Offers: hours (or value) that a customer may accept.", no_args_is_help=True)

OfferId = Annotated[str, typer.Argument(metavar="OFFER", help="The id, as `offer list` shows it.")]
Price = Annotated[
    str | None, typer.Option(metavar="'AMOUNT CURRENCY'", help="What it costs the customer, such as '1800 EUR'.")
]
Note = Annotated[str | None, typer.Option(help="A note for the customer.")]
ValidUntil = Annotated[
    str | None,
    typer.Option(
        metavar="DAY",
        help="The last day for an answer. By default 14 days, or until the period ends if that is earlier.",
    ),
]
Person = Annotated[str, typer.Option("--by", metavar="PERSON", help="Who answers, such as 'Ann <ann@acme.example>'.")]
Remark = Annotated[str | None, typer.Option(help="What they said.")]


@app.command()
def make(
    code: Annotated[str, typer.Argument(help="The contract's code or id.")],
    *,
    account: Annotated[str, typer.Option(help="The account's name or id.")],
    reason: Annotated[str, typer.Option(help="Why it is offered; it becomes the reason of the adjustment.")],
    period: Annotated[
        str | None, typer.Option(metavar="MONTH|DAY", help="The period, by its month (2026-03) or a day in it.")
    ] = None,
    hours: Annotated[str | None, typer.Option(help="The hours to offer, such as 20.")] = None,
    value: Annotated[
        str | None, typer.Option(help="For a fixed price: the amount to offer, in the contract's currency.")
    ] = None,
    price: Price = None,
    note: Note = None,
    valid_until: ValidUntil = None,
    requested_by: Annotated[
        str | None,
        typer.Option(metavar="PERSON", help="Record the request of this person, such as 'Ann <ann@acme.example>'."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Offer a customer hours (or value) for an account and a period. The customer gets a link to answer it."""
    if (hours is None) == (value is None):
        raise typer.BadParameter("Give either --hours or --value.")
    with connect(data_dir) as api:
        contract = find_contract(api, code).body
        adjustment = build_adjustment(contract, account=account, period=period, hours=hours, value=value, reason=reason)
        body = {
            **adjustment,
            **_read_price(contract, price, valid_until),
            "contract": contract["id"],
            "note": note,
            "requested_by": requested_by and _read_person(requested_by),
        }
        offer = api.post("offers", body)
    print_result(offer, f"{offer.id} {describe_adjustment(contract, adjustment)} {_describe(offer)}", as_json=as_json)


@app.command("list")
def list_(
    *,
    contract: Annotated[str | None, typer.Option(metavar="CODE", help="Of this contract.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            parser=parse_choice(OfferStatus),
            metavar="STATUS",
            help="requested, open, accepted, declined, withdrawn or expired; can be repeated.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List offers, newest first."""
    with connect(data_dir) as api:
        contract_id = contract and find_contract(api, contract).id
        offers = list(islice(api.list("offers", contract=contract_id, status=status or None), limit))
    print_records(offers, _COLUMNS, as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    offer: OfferId, *, as_json: AsJson = False, as_csv: AsCsv = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Show an offer, and who asked for, made and answered it."""
    with connect(data_dir) as api:
        body = _find(api, offer).body
    details = {
        "Contract": body["contract_code"],
        "Status": body["status"],
        "Offer": _describe_amount(body),
        "Reason": body["reason"],
        "Price": _describe_price(body),
        "Note": body["note"],
        "Valid until": body["valid_until"] and f"{_format_time(body['valid_until'])} UTC",
        "Requested by": body["requested_by"] and _describe_person(body["requested_by"]),
        "Made by": body["made_by"],
        "Answered by": body["answered_by"] and _describe_person(body["answered_by"]),
        "Remark": body["remark"],
        "Refused": body["refusal"],
        "Id": body["id"],
    }
    print_details(body, {label: text for label, text in details.items() if text}, as_json=as_json, as_csv=as_csv)


@app.command()
def confirm(
    offer: OfferId,
    *,
    price: Price = None,
    note: Note = None,
    valid_until: ValidUntil = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Confirm a customer's request. With a price the customer has to accept it, without one it is accepted."""
    with connect(data_dir) as api:
        current = _find(api, offer)
        contract = find_contract(api, current.body["contract_id"]).body
        _act(api, current, "confirm", _read_price(contract, price, valid_until) | {"note": note}, as_json=as_json)


@app.command()
def withdraw(
    offer: OfferId,
    *,
    reason: Annotated[str, typer.Option(help="The reason, for the history.")],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Withdraw an offer. Its link is no longer good."""
    with connect(data_dir) as api:
        _act(api, _find(api, offer), "withdraw", {"reason": reason}, as_json=as_json)


@app.command()
def accept(
    offer: OfferId, *, by: Person, remark: Remark = None, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Accept an offer on behalf of the customer. Its hours (or value) are added to the contract."""
    with connect(data_dir) as api:
        _act(api, _find(api, offer), "accept", {**_read_person(by), "remark": remark}, as_json=as_json)


@app.command()
def decline(
    offer: OfferId, *, by: Person, remark: Remark = None, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Decline an offer on behalf of the customer, or decline a customer's request."""
    with connect(data_dir) as api:
        _act(api, _find(api, offer), "decline", {**_read_person(by), "remark": remark}, as_json=as_json)


def _find(api: Client, offer: str) -> Entity[Json]:
    entity = api.get(f"offers/{offer}")
    if entity is None:
        raise TidemarkError(f"No offer with id {offer}. `tidemark offer list` shows them.")
    return entity


def _act(api: Client, current: Entity[Json], action: str, body: Json, *, as_json: bool) -> None:
    offer = api.post(f"offers/{current.id}/{action}", body, etag=current.etag)
    print_result(offer, _describe(offer), as_json=as_json)


def _read_person(text: str) -> Json:
    """A person with or without an address: ``Ann <ann@acme.example>`` or ``Ann``."""
    try:
        contact = parse_contact(text)
    except InputError:
        if "<" in text:
            raise
        return {"name": text, "email": None}
    return {"name": contact["name"], "email": contact["email"]}


def _read_price(contract: Json, price: str | None, valid_until: str | None) -> Json:
    minor, currency = parse_price(price) if price else (None, None)
    last = end_of_day(valid_until, contract["timezone"]).isoformat() if valid_until else None
    return {"price_minor": minor, "price_currency": currency, "valid_until": last}


def _describe(offer: Entity[Json]) -> str:
    body = offer.body
    until = f", valid until {_format_time(body['valid_until'])} UTC" if body["status"] == "open" else ""
    return f"The offer is {body['status']}{until}."


def _describe_amount(offer: Any) -> str:
    amount = f"{offer['hours']} h" if offer["hours"] else format_money(offer["value_minor"], offer["currency"])
    sign = "" if amount.startswith("-") else "+"
    return f"{sign}{amount} for {offer['account_name']} in the period from {offer['period_start']}"


def _describe_price(offer: Any) -> str | None:
    return None if offer["price_minor"] is None else format_money(offer["price_minor"], offer["price_currency"])


def _describe_person(person: Json) -> str:
    return f"{person['name']} <{person['email']}>" if person["email"] else str(person["name"])


def _describe_offer(offer: Any) -> str:
    """What is offered and why, and the id on a line of its own, where it can be copied."""
    price = _describe_price(offer)
    lines = (f"{_describe_amount(offer)}{f', {price}' if price else ''}", offer["reason"], offer["id"])
    return "\n".join(lines)


def _format_time(time: str) -> str:
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M}"


_COLUMNS = (
    Column("Offer", _describe_offer),
    Column("Contract", "contract_code"),
    Column("Status", "status", wrap=False),
    Column("Valid until (UTC)", lambda offer: offer["valid_until"] and _format_time(offer["valid_until"]), wrap=False),
)
