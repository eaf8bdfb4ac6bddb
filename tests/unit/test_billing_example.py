"""The billing example: what it posts is what Lago documents, and the amounts add up to today's figures.

The schemas are written from Lago's OpenAPI document (github.com/getlago/lago-openapi, InvoiceOneOffCreateInput and
CreditNoteCreateInput).
"""

import importlib.util
import json
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


class StoppedError(Exception):
    """The program is stopped."""


class Lago:
    """Lago as documented: refuses another shape, and a credit note above what its fee has left.

    Stops the program before or after the request with a number: an even one before request n / 2, an odd one after it.
    """

    def __init__(self, stops_at: int | None = None) -> None:
        self.total = 0
        self.left: dict[str, int] = {}
        self.fees: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.step = 0
        self.stops_at = stops_at

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._pass()
        jsonschema.validate(body, SCHEMAS[path], format_checker=CHECKER)
        answer = self._invoice(body["invoice"]) if path == "/api/v1/invoices" else self._credit(body["credit_note"])
        self._pass()
        return answer

    def list(self, path: str, customer: str) -> list[dict[str, Any]]:
        assert customer == STATEMENT["organization_id"]
        return {"/api/v1/fees": self.fees, "/api/v1/credit_notes": self.notes}[path]

    def _pass(self) -> None:
        self.step += 1
        if self.step - 1 == self.stops_at:
            raise StoppedError

    def _invoice(self, invoice: dict[str, Any]) -> dict[str, Any]:
        fees = [
            {
                "lago_id": str(uuid4()), "amount": fee["unit_amount_cents"],
                "invoice_display_name": fee["invoice_display_name"],
            }
            for fee in invoice["fees"]
        ]  # fmt: skip
        invoice_id = str(uuid4())
        self.fees += [fee | {"lago_invoice_id": invoice_id} for fee in fees]
        self.left |= {fee["lago_id"]: fee["amount"] for fee in fees}
        self.total += sum(fee["amount"] for fee in fees)
        return {"invoice": {"lago_id": invoice_id, "fees": fees}}

    def _credit(self, note: dict[str, Any]) -> dict[str, Any]:
        for item in note["items"]:
            self.left[item["fee_id"]] -= item["amount_cents"]
            assert self.left[item["fee_id"]] >= 0
            self.total -= item["amount_cents"]
        self.notes.append(note)
        return {"credit_note": {}}


def list_events(chain: list[int]) -> list[tuple[str, dict[str, Any]]]:
    """A statement with the first figure, a restatement to each of the others; each event comes twice."""
    account = {**STATEMENT["accounts"][0], "seconds": chain[0]}
    internal = {**account, "account_id": str(uuid4()), "billable": False}
    events = [(lago.CLOSED, {**STATEMENT, "accounts": [account, internal]})]
    for number, (before, after) in enumerate(pairwise(chain)):
        change = {**PERIOD_RESTATED, "restatement": number, "before_seconds": before, "after_seconds": after}
        events += [
            (lago.RESTATED, change),
            (lago.RESTATED, {**change, "restatement": 100 + number, "billable": False}),
        ]
    return [event for event in events for _ in range(2)]


def bill_all(events: list[tuple[str, dict[str, Any]]], price: Any, system: Lago) -> int:
    """Bill from the beginning, with what the file has, until nothing stops the program. How often it was stopped."""
    file, stops = json.dumps({"billed": [], "customers": {}, "fees": {}}), 0

    def save(state: dict[str, Any]) -> None:
        nonlocal file
        file = json.dumps(state)

    while True:
        billing = lago.Billing(price, json.loads(file), system, save)
        try:
            for type_, data in events:
                billing.bill(type_, data)
        except StoppedError:
            stops += 1
            continue
        return stops


@settings(max_examples=30)
@given(
    chain=st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=6),
    cents=st.integers(min_value=1, max_value=20_000),
)
def test_invoices_and_credit_notes_add_up_to_todays_figure(chain: list[int], cents: int) -> None:
    price, system = lago.Price(cents, "EUR"), Lago()
    bill_all(list_events(chain), price, system)
    assert system.total == price.amount(chain[-1], None)


def test_stopped_between_any_two_steps_everything_is_billed_once() -> None:
    # Up twice, then down by more than the last invoice has: two credit notes for one restatement.
    chain, price = [36_000, 40_000, 54_000, 20_000, 20_100], lago.Price(9000, "EUR")
    whole = Lago()
    assert bill_all(list_events(chain), price, whole) == 0
    assert len(whole.notes) > 1
    for step in range(whole.step):
        system = Lago(stops_at=step)
        assert bill_all(list_events(chain), price, system) == 1
        assert system.total == price.amount(chain[-1], None)
        assert (len(system.fees), len(system.notes)) == (len(whole.fees), len(whole.notes)), step


def test_fixed_price_is_billed_in_its_currency() -> None:
    sent = []

    class Recorded(Lago):
        def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
            sent.append(body)
            return super().post(path, body)

    account = {**STATEMENT["accounts"][0], "seconds": 1, "amount_minor": 259201}
    statement = {**STATEMENT, "currency": "CHF", "unit": "minor", "accounts": [account]}
    bill_all([(lago.CLOSED, statement)], lago.Price(9000, "EUR"), Recorded())
    [body] = sent
    assert (body["invoice"]["currency"], body["invoice"]["fees"][0]["unit_amount_cents"]) == ("CHF", 259201)
    assert body["invoice"]["external_customer_id"] == STATEMENT["organization_id"]
