"""Bill settled periods with Lago: reads ``consumption.periods`` alone, and posts one-off invoices and credit notes.

    python examples/billing/lago.py --cents-per-hour 9000 --currency EUR

Settings come from the environment: ``TIDEMARK_KAFKA_BOOTSTRAP_SERVERS``, ``LAGO_API_URL`` (default
https://api.getlago.com) and ``LAGO_API_KEY``. Create an add-on with the code ``tidemark`` in Lago first, and each
customer with the id of the organization as ``external_id``.

A statement becomes an invoice with a fee for each billable account. A restatement becomes an invoice of what was added,
or a credit note for what was taken away. Amounts are whole minor units: the amounts of an account add up to its figure
today. What was billed is kept in a file, so an event that comes twice is billed once. So is one that was being billed
when the program was stopped: Lago is asked which of its fees and credit notes exist, by their names.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx
from aiokafka import AIOKafkaConsumer

TOPIC = "consumption.periods"
CLOSED, RESTATED = "tidemark.period.closed.v1", "tidemark.period.restated.v1"
ADD_ON = "tidemark"
Json = dict[str, Any]


class Lago(Protocol):
    """The requests of Lago's API that are needed."""

    def post(self, path: str, body: Json) -> Json:
        """Post a body, and return that of the answer."""

    def list(self, path: str, customer: str) -> Iterator[Json]:
        """All fees of add-ons, or all credit notes, of a customer."""


class Price(NamedTuple):
    """What an hour costs where a contract counts hours."""

    cents_per_hour: int
    currency: str

    def amount(self, seconds: int, amount_minor: int | None) -> int:
        """The amount of a figure: that of a fixed price, or the time at this price, in minor units."""
        if amount_minor is not None:
            return amount_minor
        return int((Decimal(seconds * self.cents_per_hour) / 3600).quantize(Decimal(1), ROUND_HALF_EVEN))


class Billing:
    """Bills events, one after another. ``state`` has what is billed; ``save`` stores it."""

    def __init__(self, price: Price, state: Json, lago: Lago, save: Callable[[Json], None]) -> None:
        self._price, self._state, self._lago, self._save = price, state, lago, save
        self._is_resumed = False

    def bill(self, type_: str, data: Json) -> None:
        """Bill an event, unless it is billed. Stopped anywhere, it can be billed again from the stored state."""
        key = f"{type_}/{data['contract_id']}/{data.get('restatement', data.get('number'))}"
        if key in self._state["billed"]:
            return
        self._is_resumed = self._state.get("in_progress") == key
        self._state["in_progress"] = key
        self._save(self._state)
        (self._bill_statement if type_ == CLOSED else self._bill_restatement)(data)
        self._state["billed"].append(key)
        self._state["in_progress"] = None
        self._save(self._state)

    def _bill_statement(self, statement: Json) -> None:
        self._state["customers"][statement["contract_id"]] = statement["organization_id"]
        amounts = {
            account["account_id"]: (account["name"], self._price.amount(account["seconds"], account["amount_minor"]))
            for account in statement["accounts"]
            if account["billable"]
        }
        start, end = statement["figures"]["start"], statement["figures"]["end"]
        text = f"{statement['contract_code']}, {start} to {end}, statement {statement['number']}"
        currency = statement["currency"] or self._price.currency
        self._invoice((statement["contract_id"], start), amounts, currency=currency, text=text)

    def _bill_restatement(self, restated: Json) -> None:
        if not restated["billable"]:
            return
        before = self._price.amount(restated["before_seconds"], restated["before_amount_minor"])
        after = self._price.amount(restated["after_seconds"], restated["after_amount_minor"])
        contract_id, start, account_id = restated["contract_id"], restated["period_start"], restated["account_id"]
        text = f"{restated['contract_code']}, {start}, correction {restated['restatement']}"
        if after > before:
            amounts = {account_id: (restated["account_name"] or "Removed account", after - before)}
            currency = restated["currency"] or self._price.currency
            self._invoice((contract_id, start), amounts, currency=currency, text=text)
        open_fees = self._state["fees"].get(f"{contract_id}/{start}/{account_id}", [])
        for number, (invoice_id, fee_id, amount) in enumerate(_take(open_fees, before - after), start=1):
            self._credit(contract_id, invoice_id, fee_id, amount, text=f"{text}/{number}")

    def _invoice(
        self, period: tuple[str, str], amounts: dict[str, tuple[str, int]], *, currency: str, text: str
    ) -> None:
        """Post an invoice of the amounts of accounts, by id with their names. A period: the contract and first day."""
        contract_id, start = period
        charged = {
            account_id: (f"{name}, {text}", amount) for account_id, (name, amount) in amounts.items() if amount > 0
        }
        if not charged:
            return
        customer = self._state["customers"][contract_id]
        posted = self._find_fees(customer, [name for name, _ in charged.values()])
        if not posted:
            fees = [
                {"add_on_code": ADD_ON, "invoice_display_name": name, "units": "1", "unit_amount_cents": amount}
                for name, amount in charged.values()
            ]
            body = {"invoice": {"external_customer_id": customer, "currency": currency, "fees": fees}}
            invoice = self._lago.post("/api/v1/invoices", body)["invoice"]
            posted = [(invoice["lago_id"], fee["lago_id"]) for fee in invoice["fees"]]
        for (account_id, (_, amount)), (invoice_id, fee_id) in zip(charged.items(), posted, strict=True):
            open_fees = self._state["fees"].setdefault(f"{contract_id}/{start}/{account_id}", [])
            open_fees.append([invoice_id, fee_id, amount])

    def _find_fees(self, customer: str, names: list[str]) -> list[tuple[str, str]]:
        """The invoice and the fee of each name, if the invoice was posted before the program was stopped."""
        if not self._is_resumed:
            return []
        fees = {fee["invoice_display_name"]: fee for fee in self._lago.list("/api/v1/fees", customer)}
        return [(fees[name]["lago_invoice_id"], fees[name]["lago_id"]) for name in names if name in fees]

    def _credit(self, contract_id: str, invoice_id: str, fee_id: str, amount: int, *, text: str) -> None:
        customer = self._state["customers"][contract_id]
        if self._is_resumed and any(
            note["description"] == text for note in self._lago.list("/api/v1/credit_notes", customer)
        ):
            return
        note = {
            "invoice_id": invoice_id,
            "reason": "order_change",
            "description": text,
            "credit_amount_cents": amount,
            "items": [{"fee_id": fee_id, "amount_cents": amount}],
        }
        self._lago.post("/api/v1/credit_notes", {"credit_note": note})


def _take(open_fees: list[Any], amount: int) -> Iterator[tuple[str, str, int]]:
    """The fees from which an amount is taken back, the newest first: a credit note cannot exceed its invoice."""
    while amount > 0 and open_fees:
        invoice_id, fee_id, billed = open_fees.pop()
        taken = min(billed, amount)
        if billed > taken:
            open_fees.append([invoice_id, fee_id, billed - taken])
        amount -= taken
        yield invoice_id, fee_id, taken


class HttpLago:
    """Lago over HTTP."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def post(self, path: str, body: Json) -> Json:
        """Post a body, and return that of the answer."""
        answer: Json = self._client.post(path, json=body).raise_for_status().json()
        return answer

    def list(self, path: str, customer: str) -> Iterator[Json]:
        """All pages of a list."""
        name, page = path.rpartition("/")[2], 1
        query = {"external_customer_id": customer, "per_page": "100"}
        if name == "fees":
            query["fee_type"] = "add_on"
        while page:
            answer = self._client.get(path, params={**query, "page": str(page)}).raise_for_status().json()
            yield from answer[name]
            page = answer["meta"]["next_page"]


def load_state(path: Path) -> Json:
    """What was billed so far."""
    state: Json = json.loads(path.read_text()) if path.exists() else {"billed": [], "customers": {}, "fees": {}}
    return state


def save_state(path: Path, state: Json) -> None:
    """Replace the file at once, so that a crash leaves the one before."""
    path.with_suffix(".new").write_text(json.dumps(state))
    path.with_suffix(".new").replace(path)


async def run(price: Price, path: Path) -> None:
    """Bill every event from the beginning of the topic, and then those to come."""
    state = load_state(path)
    headers = {"authorization": f"Bearer {os.environ['LAGO_API_KEY']}"}
    url = os.environ.get("LAGO_API_URL", "https://api.getlago.com")
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=os.environ["TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"],
        group_id="lago-billing",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer:
        with httpx.Client(base_url=url, headers=headers) as client:
            billing = Billing(price, state, HttpLago(client), partial(save_state, path))
            async for record in consumer:
                billing.bill(dict(record.headers)["ce_type"].decode(), json.loads(record.value))
                await consumer.commit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cents-per-hour", type=int, required=True)
    parser.add_argument("--currency", required=True)
    parser.add_argument("--state", type=Path, default=Path("billed.json"))
    options = parser.parse_args()
    asyncio.run(run(Price(options.cents_per_hour, options.currency), options.state))
