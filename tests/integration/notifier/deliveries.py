"""Notifications in the database, and the results of their deliveries."""

import asyncio
import json
from contextlib import asynccontextmanager
from uuid import uuid4

from api_tokens import SECRET
from polling import wait_until
from snapshots import make_snapshot

from tidemark_notifier.delivery.deliverer import Deliverer
from tidemark_notifier.delivery.retries import RetryPolicy
from tidemark_notifier.delivery.senders import MailSender
from tidemark_notifier.delivery.smtp import SmtpServer
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.rules.receivers import WITH_SECRETS
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.topics import NOTIFICATIONS
from tidemark_shared.tasks import cancel_tasks

OWNER = Addressee(email="olga@provider.example.com", name="Olga", kind="owner")
CUSTOMER = Addressee(email="ann@acme.example.com", name="Ann", kind="contacts", role="billing")
SENDER, PUBLIC_URL = "Tidemark <tidemark@provider.example.com>", "http://127.0.0.1:8000"
FAST = RetryPolicy(max_attempts=4, attempt_timeout_seconds=5, first_delay_seconds=0.02)


async def insert_notification(executor, *addressees, snapshot=make_snapshot()):  # noqa: B008 - it never changes
    """One notification with a pending delivery to each addressee, each a message of its own."""
    id_ = uuid4()
    await executor.execute(
        "INSERT INTO notifications (id, contract_id, contract_code, rule_id, rule_name, subject, subject_id, threshold,"
        " raised_at, snapshot) VALUES ($1, $1, 'ACME-SUP', $1, 'Warn', 'contract', 'x', '80', now(), $2)",
        id_,
        snapshot.model_dump_json(),
    )
    for addressee in addressees or [OWNER]:
        body = addressee.model_dump_json(context=WITH_SECRETS)
        await executor.execute(
            "INSERT INTO deliveries (id, message_id, notification_id, channel, addressee, status) "
            "SELECT n.id, n.id, $1, $2, $3, 'pending' FROM uuidv7() AS n (id)",
            id_, addressee.channel, body,
        )  # fmt: skip
    return id_


async def insert_message(pool, *snapshots, addressee=OWNER):
    """Notifications that are one message to the addressee. Returns their ids."""
    # In one transaction, as the evaluator does: a deliverer that runs sees the whole message or nothing.
    async with pool.acquire() as connection, connection.transaction():
        ids = [await insert_notification(connection, addressee, snapshot=snapshot) for snapshot in snapshots]
        await connection.execute(
            "UPDATE deliveries SET message_id = (SELECT id FROM deliveries WHERE notification_id = ($1::uuid[])[1])"
            " WHERE notification_id = ANY($1)",
            ids,
        )
    return ids


def address(number):
    return Addressee(email=f"a{number}@x.example.com", kind="address")


@asynccontextmanager
async def running_deliverer(pool, server, retry_policy=FAST, count=1, url="smtp://127.0.0.1:{}"):
    smtp_server = SmtpServer.parse(url.format(server.port))
    senders = [MailSender(smtp_server, sender=SENDER, public_url=PUBLIC_URL, secret=SECRET) for _ in range(count)]
    tasks = [asyncio.create_task(Deliverer(pool, "email", sender, retry_policy).run()) for sender in senders]
    try:
        yield
    finally:
        await cancel_tasks(tasks)


async def wait_until_finished(pool, within=60):
    """Wait until no delivery is pending, and return the rows."""

    async def none_pending():
        rows = await pool.fetch("SELECT * FROM reporting.notifications ORDER BY receiver")
        return rows if all(row["status"] != "pending" for row in rows) else None

    return await wait_until(none_pending, timeout_seconds=within)


async def outbox_events(pool):
    rows = await pool.fetch("SELECT * FROM outbox ORDER BY id")
    return [
        decode_event(
            NOTIFICATIONS, [(name, bytes.fromhex(value)) for name, value in json.loads(row["headers"])], row["value"]
        )
        for row in rows
    ]
