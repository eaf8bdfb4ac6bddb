"""Offers: from their events to mails, each version once."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from deliveries import outbox_events
from notifier_bodies import HOUR, account, balance, contract_event, offer, rule, terms, uid
from notifier_service import SECRET
from polling import wait_until
from scenario import ACTIVATED, PERIOD, START, Scenario, ScheduledScenario

from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_shared.http.links import verify_offer_link
from tidemark_shared.messaging.events import CONTRACT_BALANCE
from tidemark_shared.messaging.topics import BALANCES, LIFECYCLE, OFFERS

MADE, ACCEPTED = "tidemark.offer.made.v1", "tidemark.offer.accepted.v1"
IN_TEN_DAYS = (datetime.now(UTC) + timedelta(days=10)).isoformat()
ANN = {"name": "Ann Ardent", "email": "ann@acme.example.com"}


async def test_offer_on_kafka_leads_to_a_mail_with_a_link_and_its_acceptance_to_a_confirmation(
    client, publisher, mail_server
):
    scenario = Scenario(None)
    body = offer(
        scenario.contract, organization_id=scenario.organization, period_start=START.isoformat(),
        occurred_at=datetime.now(UTC).isoformat(), valid_until=IN_TEN_DAYS,
    )  # fmt: skip
    # In the worst order: the offer first, its organization last.
    for _ in range(2):
        await publisher.publish(OFFERS, MADE, body, scenario.contract)
    await publisher.publish_balance(scenario, 1, 38)
    await publisher.publish_contract(scenario)
    await publisher.publish_organization(scenario)
    await wait_until(lambda: mail_server.mails)
    [mail] = mail_server.received
    assert mail["To"] == "Ann <ann@acme.example.com>"
    assert mail["Subject"].startswith("Offer: 20 h more: Support 2026, Help desk, ")
    text = mail.get_body(("plain",)).get_content()
    assert "Left: 2 h now, 22 h if accepted" in text
    [token] = [line.partition("#")[2] for line in text.splitlines() if "/offer#" in line]
    assert str(verify_offer_link(SECRET, token).offer_id) == uid("offer")

    accepted = body | {"version": 2, "status": "accepted", "answered_by": ANN, "stream_version": 2}
    await publisher.publish(OFFERS, ACCEPTED, accepted, scenario.contract)
    plan = terms(organization=scenario.organization, recurrence="none", start=PERIOD[0], end=PERIOD[1], hours="60")
    await publisher.publish(LIFECYCLE, ACTIVATED, contract_event(scenario.contract, 2, terms=plan), scenario.contract)
    accounts = [account("Help desk", 60 * HOUR, 38 * HOUR, period=PERIOD)]
    amended = balance(scenario.contract, 2, planned=60 * HOUR, version=2, period=PERIOD, accounts=accounts)
    await publisher.publish(BALANCES, CONTRACT_BALANCE, amended, scenario.contract)
    await wait_until(lambda: len(mail_server.mails) == 3)
    confirmations = {mail["To"]: mail.get_body(("plain",)).get_content() for mail in mail_server.received[1:]}
    assert confirmations.keys() == {"Olga <olga@provider.example.com>", "Ann <ann@acme.example.com>"}
    for text in confirmations.values():
        assert "20 h more: 38 h of 60 h used, 22 h left." in text
        assert "Agreed with Ann Ardent" in text

    async def find_delivered():
        items = (await client.get("/v1/notifications")).json()["items"]
        deliveries = [delivery["status"] for item in items for delivery in item["deliveries"]]
        return items if deliveries == ["delivered"] * 3 else None

    items = await wait_until(find_delivered)
    assert [(item["offer_id"], item["rule_id"], item["snapshot"]["offer"]["event"]) for item in items] == [
        (uid("offer"), None, "accepted"), (uid("offer"), None, "made"),
    ]  # fmt: skip
    assert token not in str(items)


class OfferScenario(ScheduledScenario):
    async def store_offer(self, version=1, status="open", **changes):
        changes = {"organization_id": self.organization, **changes}
        await self.handle(OFFERS, MADE, [offer(self.contract, version, status, **changes)])

    async def events_at(self, now):
        """Set the time, notify, and return who was told of what."""
        self.now = now
        await self.evaluator.evaluate_due(self.pool, now)
        rows = await self.pool.fetch(
            "SELECT n.snapshot #>> '{offer,event}' AS event, n.snapshot ->> 'kind' AS kind, d.receiver, d.status "
            "FROM notifications AS n JOIN deliveries AS d ON d.notification_id = n.id ORDER BY d.id"
        )
        return [(row["event"], row["kind"], row["receiver"] and row["receiver"].partition("@")[0]) for row in rows]


REMINDED_AT = datetime(2026, 3, 29, 22, tzinfo=UTC)
NOON = datetime(2026, 3, 15, 11, tzinfo=UTC)
MADE_MAIL, REMINDER = ("made", "offer", "ann"), ("made", "reminder", "ann")


async def test_version_is_notified_once_whatever_is_redelivered_or_restarted(pool):
    scenario = OfferScenario(pool)
    await scenario.start()
    await scenario.store_march(1, 38)
    await scenario.store_offer()
    assert await scenario.events_at(NOON) == [MADE_MAIL]
    for evaluator in (scenario.evaluator, Evaluator(is_started=True)):
        scenario.evaluator = evaluator
        await scenario.store_offer()
        assert await scenario.events_at(NOON) == [MADE_MAIL]
    await scenario.store_offer(3, "declined", answered_by=ANN)
    await scenario.store_offer(2, refusal="No.")  # late
    assert await scenario.events_at(NOON) == [MADE_MAIL, ("declined", "offer", "olga")]
    assert await scenario.events_at(REMINDED_AT) == [MADE_MAIL, ("declined", "offer", "olga")]


async def test_open_offer_is_reminded_of_once_on_the_day_before_it_expires(pool):
    scenario = OfferScenario(pool)
    await scenario.start()
    await scenario.store_march(1, 38)
    await scenario.store_offer()
    assert await scenario.events_at(NOON) == [MADE_MAIL]
    assert await scenario.events_at(REMINDED_AT - timedelta(seconds=1)) == [MADE_MAIL]
    # Late, because nothing ran in between.
    assert await scenario.events_at(REMINDED_AT + timedelta(hours=9)) == [MADE_MAIL, REMINDER]
    assert await scenario.events_at(REMINDED_AT + timedelta(hours=20)) == [MADE_MAIL, REMINDER]


@pytest.mark.parametrize("status", ["CLOSED", "INACTIVE", "EXPIRED"])
async def test_customer_is_reminded_of_no_offer_that_the_contract_does_not_take(pool, status):
    scenario = OfferScenario(pool)
    await scenario.start()
    await scenario.store_march(1, 38)
    await scenario.store_offer()
    assert await scenario.events_at(NOON) == [MADE_MAIL]
    await scenario.store_contract(2, status)
    assert await scenario.events_at(REMINDED_AT + timedelta(hours=9)) == [MADE_MAIL]
    # What becomes of it is said to the owner.
    await scenario.store_offer(2, "expired", occurred_at="2026-03-31T22:00:00Z")
    assert (await scenario.events_at(REMINDED_AT + timedelta(days=2)))[1:] == [("expired", "offer", "olga")]


async def test_offer_is_not_mailed_to_the_customer_that_the_contract_belongs_to_now(pool):
    """Its figures, its price and its note were meant for the former one."""
    scenario = OfferScenario(pool)
    await scenario.start()
    await scenario.store_march(1, 38)
    await scenario.store_offer(organization_id=uid("Nordwind"))
    assert await scenario.events_at(NOON) == []
    await scenario.store_offer(2, "accepted", answered_by=ANN, organization_id=uid("Nordwind"))
    assert await scenario.events_at(NOON) == [("accepted", "offer", "olga")]


async def test_offer_of_a_contract_that_was_closed_meanwhile_asks_nobody(pool):
    scenario = OfferScenario(pool)
    await scenario.store_organization()
    await scenario.store_contract(1, "CLOSED")
    await scenario.store_march(1, 38)
    await scenario.store_offer()
    assert await scenario.events_at(NOON) == []


async def test_offer_that_reaches_nobody_leaves_a_row_and_an_old_one_none(pool):
    scenario = OfferScenario(pool)
    await scenario.store_organization(contacts=[("ann@acme.example.com", "delivery")])
    await scenario.store_contract()
    await scenario.store_march(1, 38)
    await scenario.store_offer()
    assert await scenario.events_at(NOON) == [("made", "offer", None)]
    [row] = await pool.fetch("SELECT status, offer_id, rule_name FROM reporting.notifications")
    assert (row["status"], str(row["offer_id"]), row["rule_name"]) == ("no_receiver", uid("offer"), None)
    await scenario.store_offer(2, "accepted", answered_by=ANN)
    assert await scenario.events_at(NOON + timedelta(days=31)) == [("made", "offer", None)]


async def test_offer_waits_for_the_balance_of_a_new_version_and_for_a_notifier_that_has_started(pool):
    scenario = OfferScenario(pool, Evaluator())
    await scenario.store_organization()
    await scenario.store_contract()
    await scenario.store_offer()
    assert await scenario.events_at(NOON + timedelta(seconds=15)) == []
    scenario.evaluator, scenario.now = Evaluator(is_started=True), NOON
    await scenario.store_contract(2)
    assert await scenario.events_at(NOON + timedelta(seconds=14)) == []
    assert await scenario.events_at(NOON + timedelta(seconds=15)) == [MADE_MAIL]


RULE = rule("Warn", "80", offer={"account": "Help desk", "hours": "20"}, over="whole", remind_every_days=1)


async def test_dry_run_shows_the_offer_of_a_rule(client, publisher, pool):
    scenario = Scenario(None)
    await publisher.publish_organization(scenario)
    await publisher.publish_contract(scenario)
    await publisher.publish_balance(scenario, 1, 38)

    async def preview():
        return (await client.post("/v1/rules", params={"dry_run": "true"}, json=RULE)).json()["items"]

    [item] = await wait_until(preview)
    assert (item["offer"]["account"], item["offer"]["hours"]) == ("Help desk", "20")
    assert (await client.post("/v1/rules", json=RULE)).status_code == 201
    refused = await client.post("/v1/rules", json=RULE | {"offer": {**RULE["offer"], "minutes": 5}})
    assert (refused.status_code, refused.json()["violations"][0]["path"]) == (422, "/offer/minutes")
    assert json.loads(await pool.fetchval("SELECT offer FROM reporting.rules"))["account"] == "Help desk"


async def test_raised_event_has_the_offer_of_its_rule_and_its_reminder_none(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    await scenario.create_rule(RULE)
    await scenario.store_march(1, 38)
    await scenario.thresholds_at(NOON + timedelta(days=1))
    offers = [event.data.offer for event in await outbox_events(pool)]
    assert [made and (made.account, str(made.hours)) for made in offers] == [("Help desk", "20"), None]
