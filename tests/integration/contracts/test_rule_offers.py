"""Offers that rules make with their notifications: read from Kafka, made once, and never a stop (SPEC 10)."""

import json
from asyncio import gather
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest
from contracts_api import create_active_contract, expect_status, run_service
from polling import wait_until

from tidemark_contracts.app import EVENT_HANDLERS
from tidemark_contracts.contract import store as contract_store
from tidemark_contracts.offer import store
from tidemark_contracts.offer.decider import Make
from tidemark_contracts.offer.proposal import rule_proposal
from tidemark_shared.domain.bodies import RuleOffer
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.dead_letters import replay_dead_letter
from tidemark_shared.messaging.events import NOTIFICATION_RAISED
from tidemark_shared.messaging.kafka import create_producer
from tidemark_shared.messaging.topics import NOTIFICATIONS, OFFERS

OFFER = {"account": "Help desk", "hours": "20"}
PACKAGE = {"contract": "ACME-SUP", "account_id": "Help desk", "period_start": "2026-01-01", "hours": "1", "reason": "r"}
ANN = {"name": "Ann", "email": "ann@acme.example"}


def notification(contract, offer=OFFER, **changes):
    return {
        "notification_id": str(uuid4()), "contract_id": contract["id"], "contract_code": contract["code"],
        "rule_id": str(uuid4()), "rule_name": "Warn at 80 %", "subject": "contract", "subject_id": contract["id"],
        "threshold": "80", "period_start": "2026-01-01", "raised_at": "2026-03-02T10:00:00Z", "offer": offer,
    } | changes  # fmt: skip


async def publish(settings, bodies, type_=NOTIFICATION_RAISED):
    async with create_producer(settings.kafka_bootstrap_servers) as producer:
        for body in bodies:
            event = {"specversion": "1.0", "id": str(uuid4()), "source": "/notifier", "type": type_, "data": body}
            await producer.send_and_wait(
                settings.topic_prefix + NOTIFICATIONS.name, json.dumps(event).encode(), key=body["contract_id"].encode()
            )


async def list_offers(api):
    return (await expect_status(api.get("/offers"), 200)).json()["items"]


async def dead_letters(pool):
    return await pool.fetch("SELECT id, reason FROM dead_letters ORDER BY id")


async def test_rule_offers_once_and_what_it_cannot_offer_stops_nothing(settings, pool, published):
    async with run_service(settings, reads_topics=True) as api:
        await check_rule_offers(api, settings, pool, published)


async def check_rule_offers(api, settings, pool, published):
    contract = await create_active_contract(api, recurrence="monthly", end_date="2030-12-31")
    first = notification(contract)
    bad = notification(contract, {"account": "Nobody", "hours": "20"})
    march = notification(contract, OFFER | {"price_minor": 5, "price_currency": "EUR"}, period_start="2026-03-01")
    await publish(settings, [notification(contract, None), first, first, bad, notification(contract)])
    await publish(settings, [first], "tidemark.notification.delivered.v1")
    await publish(settings, [march])

    async def has_march():
        return any(offer["period_start"] == "2026-03-01" for offer in await list_offers(api))

    await wait_until(has_march)
    of_march, of_january = await list_offers(api)
    assert [offer["notification_id"] for offer in (of_january, of_march)] == [
        first["notification_id"], march["notification_id"],
    ]  # fmt: skip
    assert (of_january["status"], of_january["made_by"], of_january["reason"], of_january["hours"]) == (
        "open", "rule Warn at 80 %", "Warn at 80 %", "20",
    )  # fmt: skip
    [letter] = await dead_letters(pool)
    assert letter["reason"] == "ACME-SUP has no account 'Nobody'. Its accounts: Help desk."
    assert [event.type for _, event in await published(OFFERS, 2)] == ["tidemark.offer.made.v1"] * 2

    # The account is there now: the dead letter can be processed.
    more = contract["accounts"] + [{"name": "Nobody", "billable": False, "planned_hours": "1"}]
    body = contract | {"accounts": more, "reason": "Nobody"}
    await expect_status(api.post("/contracts/ACME-SUP/amend", json=body, headers={"if-match": "*"}), 200)
    async with pool.acquire() as connection:
        reason = await replay_dead_letter(connection, EVENT_HANDLERS, letter["id"], prefix=settings.topic_prefix)
    assert reason is None
    assert [offer["account_name"] for offer in await list_offers(api)] == ["Nobody", "Help desk", "Help desk"]


async def make_by_rule(pool, contract, now):
    async with pool.acquire() as connection, connection.transaction():
        contract_id, state = await contract_store.find_contract(connection, contract["id"])
        proposal = rule_proposal(RuleOffer(**OFFER), state.terms, "2026-01-01", rule_name="Warn", now=now)
        command = Make(proposal, notification_id=uuid4())
        return (await store.make_offer(connection, contract_id, command, now=now, actor="rule Warn")).offer_id


async def test_ended_offer_does_not_keep_a_rule_from_offering(api, pool):
    contract = await create_active_contract(api)
    await expect_status(api.post("/offers", json=PACKAGE | {"valid_until": "2099-06-01T00:00:00Z"}), 201)
    assert await make_by_rule(pool, contract, datetime(2099, 6, 2, tzinfo=UTC))
    assert [offer["status"] for offer in await list_offers(api)] == ["open", "expired"]


async def test_rules_that_offer_at_once_make_one_offer(api, pool):
    contract, now = await create_active_contract(api), datetime.now(UTC)
    offer_ids = await gather(*(make_by_rule(pool, contract, now) for _ in range(4)))
    assert [offer_id is None for offer_id in offer_ids].count(False) == 1
    # Also the database refuses a second open one.
    async with pool.acquire() as connection:
        [(_, state)] = await store.list_offers(connection, contract_id=None, statuses=None, before=None, max_rows=9)
        second = replace(state, offer=state.offer.model_copy(update={"notification_id": uuid4()}))
        with pytest.raises(asyncpg.UniqueViolationError, match="offers_open_of_rules_key"):
            await store.save_offers(connection, {uuid4(): second})
        repeated = replace(state, offer=state.offer.model_copy(update={"status": "declined"}))
        with pytest.raises(asyncpg.UniqueViolationError, match="offers_notification_id_key"):
            await store.save_offers(connection, {uuid4(): repeated})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (store, "save_offers"),
        (outbox, "write_outbox"),
        (contract_store, "append_events"),
        (contract_store, "save_contracts"),
    ],
)
async def test_acceptance_that_fails_half_way_leaves_nothing_and_can_be_repeated(api, monkeypatch, module, name):
    await create_active_contract(api)
    offer = (await expect_status(api.post("/offers", json=PACKAGE), 201)).json()
    original = getattr(module, name)

    async def fail_afterwards(*args):
        await original(*args)
        raise ConnectionError

    def accept():
        return api.post(f"/offers/{offer['id']}/accept", json=ANN, headers={"if-match": "*", "idempotency-key": "k"})

    with monkeypatch.context() as patch:
        patch.setattr(module, name, fail_afterwards)
        await expect_status(accept(), 503)
    assert (await api.get(f"/offers/{offer['id']}")).json() == offer
    assert (await api.get("/contracts/ACME-SUP")).json()["adjustments"] == []
    for _ in range(2):
        await expect_status(accept(), 200)
    assert len((await api.get("/contracts/ACME-SUP")).json()["adjustments"]) == 1
