"""One moment, one mail: what one evaluation raises for a receiver is one message."""

from deliveries import CUSTOMER, FAST, insert_message, outbox_events, running_deliverer, wait_until_finished
from notifier_bodies import rule
from scenario import Scenario
from snapshots import make_snapshot

from tidemark_notifier.delivery import deliverer as deliverer_module

SNAPSHOTS = [make_snapshot(), make_snapshot(trigger="overrun", reason="Over."), make_snapshot(reason="Another.")]


async def test_message_is_one_mail_and_every_delivery_of_it_is_recorded(pool, mail_server):
    ids = await insert_message(pool, *SNAPSHOTS)
    await insert_message(pool, *SNAPSHOTS, addressee=CUSTOMER)
    mail_server.script = ["451 later", "drop"]
    async with running_deliverer(pool, mail_server, FAST._replace(max_attempts=10), count=3):
        rows = await wait_until_finished(pool)
    assert {row["status"] for row in rows} == {"delivered"}
    messages = {row["message_id"]: row["attempts"] for row in rows}
    assert len({(row["message_id"], row["attempts"]) for row in rows}) == len(messages) == 2
    # A lost answer repeats the mail, with the same bytes.
    assert len(mail_server.mails) == 3
    assert len({content for _, content in mail_server.mails}) == 2
    assert {mail["Message-ID"] for mail in mail_server.received} == {
        f"<{message}@provider.example.com>" for message in messages
    }
    [subject] = {mail["Subject"] for mail in mail_server.received}
    assert subject.startswith("8 h left (and 2 more): ")
    assert {*mail_server.received[0].get_all("X-Tidemark-Notification")} <= {str(row["id"]) for row in rows}
    delivered = [event.data.delivery_id for event in await outbox_events(pool)]
    assert sorted(delivered) == sorted(row["delivery_id"] for row in rows)
    assert {row["id"] for row in rows} >= set(ids)


async def test_message_fails_as_a_whole_and_one_notification_of_it_is_resent_alone(pool, mail_server):
    first, second, _ = await insert_message(pool, *SNAPSHOTS)
    mail_server.script = ["rcpt 550 no such user"]
    async with running_deliverer(pool, mail_server):
        rows = await wait_until_finished(pool)
        assert [(row["status"], row["attempts"]) for row in rows] == [("failed", 1)] * 3
        for notification in (second, first):
            sql = deliverer_module._sql.reset_failed_deliveries
            [row] = [row async for row in sql(pool, notification_id=notification)]
            rows = await wait_until_finished(pool)
            assert [row["status"] for row in rows if row["id"] == notification] == ["delivered"]
            assert mail_server.received[-1]["Message-ID"] == f"<{row['id']}@provider.example.com>"
            assert mail_server.received[-1].get_all("X-Tidemark-Notification") == [str(notification)]
    assert sorted(row["status"] for row in rows) == ["delivered", "delivered", "failed"]
    assert len(mail_server.mails) == 2


WEBHOOK = {"kind": "webhook", "url": "https://hooks.example.com/", "secret": "whsec_" + "A" * 32}
RECEIVERS = {
    "Warn": [{"kind": "owner"}, {"kind": "address", "email": "Ann@acme.example.com"}, WEBHOOK],
    "Over": [{"kind": "address", "email": "OLGA@provider.example.com"}, WEBHOOK],
    "Ends": [{"kind": "contacts", "role": "billing"}, WEBHOOK],
}
TRIGGERS = {
    "Warn": None,
    "Over": {"kind": "overrun", "of": "contract", "over": "whole"},
    "Ends": {"kind": "expires_in_days", "at": [60]},
}


async def test_evaluation_raises_one_message_for_each_receiver_and_contract(pool):
    scenarios = [Scenario(pool), Scenario(pool)]
    for name, trigger in TRIGGERS.items():
        body = rule(name, trigger=trigger, receivers=RECEIVERS[name], channels=["email", "webhook"])
        await scenarios[0].create_rule(body)
    for scenario in scenarios:
        await scenario.start()
        await scenario.store_balances(scenario.balance(1, 42))
    rows = await pool.fetch("SELECT * FROM reporting.notifications")
    messages = {}
    for row in rows:
        messages.setdefault(row["message_id"], []).append((row["contract_id"], row["receiver"], row["rule_name"]))
    for scenario in scenarios:
        contents = [
            (receiver.casefold(), sorted(rule_name for _, _, rule_name in message))
            for message in messages.values()
            for contract_id, receiver, _ in message[:1]
            if str(contract_id) == scenario.contract
        ]
        assert sorted(contents) == [
            ("ann@acme.example.com", ["Ends", "Warn"]),
            *(("https://hooks.example.com/", [name]) for name in ("Ends", "Over", "Warn")),
            ("olga@provider.example.com", ["Over", "Warn"]),
        ]
    assert all(len({contract_id for contract_id, *_ in message}) == 1 for message in messages.values())
