"""Offers on the page of a contract, and their forms: to make one, and to answer a customer's request (SPEC 10)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.responses import Response

from tidemark_shared.domain.bodies import format_money
from tidemark_web.pages import form_definitions as definitions
from tidemark_web.pages.client import Api, ApiError, Json
from tidemark_web.pages.editor import Editor, run_editor
from tidemark_web.pages.editor_contracts import build_common, load_contract
from tidemark_web.pages.formatting import Amounts, HourStyle, contract_page, format_instant
from tidemark_web.pages.forms import Field, Form, Section

# Those that wait for somebody.
WAITING = ("requested", "open")
_PRICE = Section(
    "Price",
    (
        Field(name="price_minor", label="Price", kind="money", hint="Empty: no price is named"),
        Field(name="currency", label="Currency of the price", source="currencies", hint="Such as EUR"),
        Field(name="note", label="Note", hint="The customer reads it"),
    ),
)
_OFFER: Form = (*(section._replace(title="Offer") for section in definitions.ADJUSTMENT), _PRICE)
_WHO: Form = (
    Section(
        "Who answers",
        (
            Field(name="name", label="Name", hint="The customer's contact who told you; to a request, you"),
            Field(name="remark", label="Remark", hint="The customer reads it"),
        ),
    ),
)
_WHY: Form = (Section("Why", (definitions.REASON,)),)


class _Step(NamedTuple):
    """What can be done with an offer: in which status, and what it means."""

    label: str
    statuses: Sequence[str]
    sentences: Sequence[str]
    form: Form


OFFER_STEPS = {
    "confirm": _Step(
        "Confirm", ("requested",),
        ("Without a price the request is accepted at once: the contract is amended.",
         "With a price it becomes an offer, which the customer answers by the link in a mail."), (_PRICE,),
    ),
    "accept": _Step(
        "Accept", ("open",), ("You accept on the customer's behalf. The contract is amended at once.",), _WHO
    ),
    "decline": _Step("Decline", WAITING, ("Nothing of the contract changes, and the customer gets a mail.",), _WHO),
    "withdraw": _Step("Withdraw", ("open",), ("The customer can no longer accept it.",), _WHY),
}  # fmt: skip


class OfferCard(NamedTuple):
    """An offer that waits for somebody, in words, and what a manager can do with it."""

    title: str
    reason: str
    waits: str
    is_request: bool
    links: Sequence[tuple[str, str]]


def list_offer_cards(offers: Json | None, contract: Json, style: HourStyle) -> list[OfferCard]:
    """The offers that wait, the customer's requests first."""
    periods = build_common(contract)["context"].choices["periods"]
    ordered = sorted((offers or {"items": []})["items"], key=lambda offer: WAITING.index(offer["status"]))
    return [_build_card(offer, contract, periods, style) for offer in ordered]


def _build_card(offer: Json, contract: Json, periods: Json, style: HourStyle) -> OfferCard:
    what = f"{_format_amount(offer, style)} for {offer['account_name']}, {periods.get(offer['period_start'], '')}"
    is_request = offer["status"] == "requested"
    who = (offer["requested_by"] or {}).get("name") or "The customer"
    price = offer["price_minor"]
    cost = "" if price is None else f" at {format_money(price, offer['price_currency'])}"
    until = offer["valid_until"]
    page = contract_page(contract["code"], f"/offers/{offer['id']}")
    return OfferCard(
        title=f"{who} asks for {what}" if is_request else f"Offered: {what}{cost}",
        reason=offer["reason"],
        waits="" if is_request or not until else f"Open until {format_instant(until, contract['timezone'])}",
        is_request=is_request,
        links=[
            (step.label, f"{page}/{name}") for name, step in OFFER_STEPS.items() if offer["status"] in step.statuses
        ],
    )


def _format_amount(offer: Json, style: HourStyle) -> str:
    if offer["hours"] is None:
        return Amounts(style, offer["currency"])(offer["value_minor"])
    return f"{offer['hours']}\N{NO-BREAK SPACE}h"


async def make_offer(request: Request, api: Api) -> Response:
    """The form of an offer to the customer."""
    contract = await load_contract(request, api, ("ACTIVE",))

    async def save(body: Json, *, version: str | None, key: str | None, dry_run: bool) -> Json:
        del version  # nothing that exists is changed
        proposal = _name_price({**body, "contract": contract["id"]}, contract)
        return await _send(api, "/v1/offers", proposal, key=key, dry_run=dry_run)

    editor = Editor(
        title=f"Offer more of {contract['name']}",
        form=_OFFER,
        save=save,
        submit="Make the offer",
        sentences=(
            "One period gets more than its plan, once the customer accepts.",
            "The offer goes to the customer's approvers, or to the billing contacts if there is no approver.",
        ),
        initial={"type": contract["type"], "currency": contract["currency"]},
        **_options(contract),
    )
    return await run_editor(request, api, replace(editor, version=None))


async def take_offer_step(name: str, request: Request, api: Api) -> Response:
    """The question before a step of an offer, and the step."""
    contract = await load_contract(request, api, ("ACTIVE", "INACTIVE", "EXPIRED", "CLOSED"))
    offer, step = await api.get(f"/v1/offers/{request.path_params['offer']}"), OFFER_STEPS[name]
    if offer["contract_id"] != contract["id"]:
        raise ApiError(404, "Offer not found", "This contract has no such offer.")
    if offer["status"] not in step.statuses:
        raise ApiError(409, "Not possible any more", f"The offer is {offer['status']}.")

    async def save(body: Json, *, version: str | None, key: str | None, dry_run: bool) -> Json:
        answer = _name_price(body, contract) if name == "confirm" else body
        return await _send(api, f"/v1/offers/{offer['id']}/{name}", answer, version=version, key=key, dry_run=dry_run)

    card = _build_card(offer, contract, build_common(contract)["context"].choices["periods"], "decimal")
    editor = Editor(
        title=f"{step.label}: {card.title}?",
        form=step.form,
        save=save,
        submit=step.label,
        sentences=(f"Reason: {offer['reason']}", *step.sentences),
        initial={"currency": contract["currency"]} if name == "confirm" else {},
        **_options(contract),
    )
    return await run_editor(request, api, replace(editor, version=offer["version"]))


def _options(contract: Json) -> dict[str, Any]:
    options = build_common(contract)
    return {**options, "context": options["context"]._replace(currency=contract["currency"])}


def _name_price(body: Json, contract: Json) -> Json:
    """The form has the currency under the name that tells it how many decimals an amount has."""
    answer = {name: value for name, value in body.items() if name not in ("type", "currency")}
    currency = contract["currency"] or body.get("currency") or None
    return answer | {"price_currency": currency if body.get("price_minor") is not None else None}


async def _send(api: Api, path: str, body: Json, **options: Any) -> Json:
    try:
        return await api.change("POST", path, body, **options)
    except ApiError as error:
        error.violations = [
            {**violation, "path": violation["path"].replace("/price_currency", "/currency")}
            for violation in error.violations
        ]
        raise
