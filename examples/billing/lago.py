"""Bill settled periods with Lago: reads ``consumption.periods`` alone, and posts one-off invoices and credit notes.

    python examples/billing/lago.py --cents-per-hour 9000 --currency EUR

Settings come from the environment: ``TIDEMARK_KAFKA_BOOTSTRAP_SERVERS``, ``LAGO_API_URL`` (default
https://api.getlago.com) and ``LAGO_API_KEY``. Create an add-on with the code ``tidemark`` in Lago first, and each
customer with the id of the organization as ``external_id``.

A statement becomes an invoice with a fee for each billable account. A restatement becomes an invoice of what was added,
or a credit note for what was taken away. Amounts are whole minor units: the amounts of an account add up to its figure
today. What was billed is kept in a file, so an event that comes twice is billed once.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from aiokafka import AIOKafkaConsumer

TOPIC = "consumption.periods"
CLOSED, RESTATED = "tidemark.period.closed.v1", "tidemark.period.restated.v1"
ADD_ON = "tidemark"
Json = dict[str, Any]
Send = Callable[[str, Json], Json]


class Price(NamedTuple):
    """What an hour costs where a contract counts hours."""

    cents_per_hour: int
    currency: str

    def amount(self, seconds: int, amount_minor: int | None) -> int:
        """The amount of a figure: that of a fixed price, or the time at this price, in minor units."""
        if amount_minor is not None:
            return amount_minor
        return int((Decimal(seconds * self.cents_per_hour) / 3600).quantize(Decimal(1), ROUND_HALF_EVEN))


def bill(type_: str, data: Json, price: Price, state: Json, send: Send) -> None:
    """Bill one event. ``state`` has what is billed; ``send`` posts a body to a path of Lago and answers its body."""
    key = f"{type_}/{data['contract_id']}/{data.get('restatement', data.get('number'))}"
    if key in state["billed"]:
        return
    if type_ == CLOSED:
        _bill_statement(data, price, state, send)
    else:
        _bill_restatement(data, price, state, send)
    state["billed"].append(key)


def _bill_statement(statement: Json, price: Price, state: Json, send: Send) -> None:
    currency = statement["currency"] or price.currency
    start = statement["figures"]["start"]
    state["customers"][statement["contract_id"]] = statement["organization_id"]
    billable = [account for account in statement["accounts"] if account["billable"]]
    amounts = {
        account["account_id"]: (account["name"], price.amount(account["seconds"], account["amount_minor"]))
        for account in billable
    }
    text = f"{start} to {statement['figures']['end']}, statement {statement['number']}"
    _invoice((statement["contract_id"], start), amounts, state, send, currency=currency, text=text)


def _bill_restatement(restated: Json, price: Price, state: Json, send: Send) -> None:
    if not restated["billable"]:
        return
    before = price.amount(restated["before_seconds"], restated["before_amount_minor"])
    after = price.amount(restated["after_seconds"], restated["after_amount_minor"])
    currency, start, account_id = (
        restated["currency"] or price.currency,
        restated["period_start"],
        restated["account_id"],
    )
    text = f"{start}, correction of statement {restated['statement_number']}: {restated['cause'].partition(':')[0]}"
    if after > before:
        amounts = {account_id: (restated["account_name"] or "Removed account", after - before)}
        _invoice((restated["contract_id"], start), amounts, state, send, currency=currency, text=text)
    for invoice_id, fee_id, amount in _take(state, f"{restated['contract_id']}/{start}/{account_id}", before - after):
        note = {
            "invoice_id": invoice_id,
            "reason": "order_change",
            "description": text,
            "credit_amount_cents": amount,
            "items": [{"fee_id": fee_id, "amount_cents": amount}],
        }
        send("/api/v1/credit_notes", {"credit_note": note})


def _invoice(
    period: tuple[str, str],
    amounts: dict[str, tuple[str, int]],
    state: Json,
    send: Send,
    *,
    currency: str,
    text: str,
) -> None:
    """Post an invoice of the amounts of accounts, by id with their names, in a period: the contract and first day."""
    contract_id, start = period
    charged = {account_id: line for account_id, line in amounts.items() if line[1] > 0}
    if not charged:
        return
    fees = [
        {
            "add_on_code": ADD_ON,
            "invoice_display_name": name,
            "units": "1",
            "unit_amount_cents": amount,
            "description": f"{name}, {text}",
        }
        for name, amount in charged.values()
    ]
    customer = state["customers"][contract_id]
    body = {"invoice": {"external_customer_id": customer, "currency": currency, "fees": fees}}
    invoice = send("/api/v1/invoices", body)["invoice"]
    for (account_id, (_, amount)), fee in zip(charged.items(), invoice["fees"], strict=True):
        open_fees = state["fees"].setdefault(f"{contract_id}/{start}/{account_id}", [])
        open_fees.append([invoice["lago_id"], fee["lago_id"], amount])


def _take(state: Json, account: str, amount: int) -> Iterator[tuple[str, str, int]]:
    """The fees from which an amount is taken back, the newest first: a credit note cannot exceed its invoice."""
    open_fees = state["fees"].get(account, [])
    while amount > 0 and open_fees:
        invoice_id, fee_id, billed = open_fees.pop()
        taken = min(billed, amount)
        if billed > taken:
            open_fees.append([invoice_id, fee_id, billed - taken])
        amount -= taken
        yield invoice_id, fee_id, taken


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
        with httpx.Client(base_url=url, headers=headers) as lago:

            def send(target: str, body: Json) -> Json:
                answer: Json = lago.post(target, json=body).raise_for_status().json()
                return answer

            async for record in consumer:
                bill(dict(record.headers)["ce_type"].decode(), json.loads(record.value), price, state, send)
                save_state(path, state)
                await consumer.commit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cents-per-hour", type=int, required=True)
    parser.add_argument("--currency", required=True)
    parser.add_argument("--state", type=Path, default=Path("billed.json"))
    options = parser.parse_args()
    asyncio.run(run(Price(options.cents_per_hour, options.currency), options.state))
