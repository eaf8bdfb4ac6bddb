"""The billing example: what it posts is what Lago documents, and the amounts add up to today's figures.

The schemas are written from Lago's OpenAPI document (github.com/getlago/lago-openapi, InvoiceOneOffCreateInput and
CreditNoteCreateInput).
"""

import importlib.util
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemark_shared.domain.examples import PERIOD_RESTATED, STATEMENT

SPEC = importlib.util.spec_from_file_location("lago", Path(__file__).parents[2] / "examples/billing/lago.py")
assert SPEC
assert SPEC.loader
lago: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(lago)

UUID = {"type": "string", "format": "uuid"}
FEE = {
    "type": "object",
    "required": ["add_on_code"],
    "properties": {
        "add_on_code": {"type": "string"},
        "invoice_display_name": {"type": "string"},
        "units": {"type": ["string", "number", "null"], "pattern": r"^[0-9]+.?[0-9]*$"},
        "unit_amount_cents": {"type": ["integer", "null"]},
        "description": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
}
CREDIT_ITEM = {
    "type": "object",
    "required": ["fee_id", "amount_cents"],
    "properties": {"fee_id": UUID, "amount_cents": {"type": "integer"}},
    "additionalProperties": False,
}
REASONS = [
    "duplicated_charge", "product_unsatisfactory", "order_change", "order_cancellation", "fraudulent_charge", "other",
]  # fmt: skip


def only(name: str, required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "object", "required": required, "properties": properties, "additionalProperties": False}
    return {"type": "object", "required": [name], "properties": {name: body}, "additionalProperties": False}


SCHEMAS = {
    "/api/v1/invoices": only(
        "invoice",
        ["external_customer_id", "fees"],
        {
            "external_customer_id": {"type": "string"},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "fees": {"type": "array", "items": FEE},
        },
    ),
    "/api/v1/credit_notes": only(
        "credit_note",
        ["invoice_id", "items"],
        {
            "invoice_id": UUID,
            "reason": {"enum": REASONS},
            "description": {"type": "string"},
            "credit_amount_cents": {"type": ["integer", "null"]},
            "items": {"type": "array", "items": CREDIT_ITEM},
        },
    ),
}
CHECKER = jsonschema.FormatChecker()


class Lago:
    """Lago as documented: refuses another shape, and a credit note above what its fee has left."""

    def __init__(self) -> None:
        self.total = 0
        self.left: dict[str, int] = {}

    def send(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        jsonschema.validate(body, SCHEMAS[path], format_checker=CHECKER)
        if path == "/api/v1/invoices":
            fees = [{"lago_id": str(uuid4()), "amount": fee["unit_amount_cents"]} for fee in body["invoice"]["fees"]]
            self.left |= {fee["lago_id"]: fee["amount"] for fee in fees}
            self.total += sum(fee["amount"] for fee in fees)
            return {"invoice": {"lago_id": str(uuid4()), "fees": fees}}
        for item in body["credit_note"]["items"]:
            self.left[item["fee_id"]] -= item["amount_cents"]
            assert self.left[item["fee_id"]] >= 0
            self.total -= item["amount_cents"]
        return {"credit_note": {}}


@settings(max_examples=30)
@given(
    chain=st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=6),
    cents=st.integers(min_value=1, max_value=20_000),
)
def test_invoices_and_credit_notes_add_up_to_todays_figure(chain: list[int], cents: int) -> None:
    price, state = lago.Price(cents, "EUR"), {"billed": [], "customers": {}, "fees": {}}
    system = Lago()
    account = {**STATEMENT["accounts"][0], "seconds": chain[0]}
    internal = {**account, "account_id": str(uuid4()), "billable": False}
    events = [(lago.CLOSED, {**STATEMENT, "accounts": [account, internal]})]
    for number, (before, after) in enumerate(pairwise(chain)):
        change = {**PERIOD_RESTATED, "restatement": number, "before_seconds": before, "after_seconds": after}
        events += [
            (lago.RESTATED, change),
            (lago.RESTATED, {**change, "restatement": 100 + number, "billable": False}),
        ]
    for type_, data in [event for event in events for _ in range(2)]:  # each comes twice
        lago.bill(type_, data, price, state, system.send)
    assert system.total == price.amount(chain[-1], None)


def test_fixed_price_is_billed_in_its_currency() -> None:
    sent = []
    system = Lago()
    account = {**STATEMENT["accounts"][0], "seconds": 1, "amount_minor": 259201}
    statement = {**STATEMENT, "currency": "CHF", "unit": "minor", "accounts": [account]}

    def send(path: str, body: dict[str, Any]) -> dict[str, Any]:
        sent.append(body)
        return system.send(path, body)

    lago.bill(lago.CLOSED, statement, lago.Price(9000, "EUR"), {"billed": [], "customers": {}, "fees": {}}, send)
    [body] = sent
    assert (body["invoice"]["currency"], body["invoice"]["fees"][0]["unit_amount_cents"]) == ("CHF", 259201)
    assert body["invoice"]["external_customer_id"] == STATEMENT["organization_id"]
