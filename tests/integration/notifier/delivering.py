"""Notifications as the judge leaves them, and what becomes of their deliveries."""

import asyncio
import json
from contextlib import asynccontextmanager
from uuid import uuid4

from seen import seen
from waiting import until

from tidemark_notifier.deliver import Deliverer, Patience, by_mail
from tidemark_notifier.rules import REVEALED
from tidemark_notifier.smtp import Server
from tidemark_notifier.snapshot import Addressee
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.topics import NOTIFICATIONS

OWNER = Addressee(email="olga@provider.example.com", name="Olga", kind="owner")
CUSTOMER = Addressee(email="ann@acme.example.com", name="Ann", kind="contacts", role="billing")
SENDER, PUBLIC_URL = "Tidemark <tidemark@provider.example.com>", "http://127.0.0.1:8000"
QUICK = Patience(attempts=4, send_seconds=5, first_pause_seconds=0.02)


async def told(pool, *addressees, snapshot=seen()):  # noqa: B008 - it never changes
    """One notification with a delivery to each, as the judge leaves them."""
    id_ = uuid4()
    await pool.execute(
        "INSERT INTO notifications (id, contract_id, contract_code, rule_id, rule_name, subject, subject_id, threshold,"
        " raised_at, snapshot) VALUES ($1, $1, 'ACME-SUP', $1, 'Warn', 'contract', 'x', '80', now(), $2)",
        id_,
        snapshot.model_dump_json(),
    )
    for one in addressees or [OWNER]:
        body = one.model_dump_json(context=REVEALED)
        await pool.execute(
            "INSERT INTO deliveries (notification_id, channel, addressee, status) VALUES ($1, $2, $3, 'pending')",
            id_, one.channel, body,
        )  # fmt: skip
    return id_


def address(number):
    return Addressee(email=f"a{number}@x.example.com", kind="address")


@asynccontextmanager
async def delivering(pool, server, patience=QUICK, count=1, url="smtp://127.0.0.1:{}"):
    send = by_mail(Server.at(url.format(server.port)), sender=SENDER, public_url=PUBLIC_URL)
    tasks = [asyncio.create_task(Deliverer(pool, "email", send, patience).run()) for _ in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def settled(pool, within=20):
    """The deliveries, once none is pending."""

    async def none_pending():
        rows = await pool.fetch("SELECT * FROM reporting.notifications ORDER BY receiver")
        return rows if all(row["status"] != "pending" for row in rows) else None

    return await until(none_pending, within=within)


async def events_of(pool):
    rows = await pool.fetch("SELECT * FROM outbox ORDER BY id")
    return [
        decode_event(
            NOTIFICATIONS, [(name, bytes.fromhex(value)) for name, value in json.loads(row["headers"])], row["value"]
        )
        for row in rows
    ]
