"""The whole service: from events on Kafka to mails."""

import asyncio
from uuid import uuid4

from notifier_bodies import HOUR, rule
from polling import wait_until
from scenario import Scenario


async def test_balance_on_kafka_leads_to_a_mail(client, publisher, mail_server):
    scenario = Scenario(None)
    # In the worst order: the balance first, its organization last.
    await publisher.publish_balance(scenario, 1, 33)
    await publisher.publish_contract(scenario)
    await publisher.publish_organization(scenario)

    scope = {"kind": "contract", "id": scenario.contract}
    response = await client.post("/v1/rules", json=rule("Warn", "80", "100", scope=scope))
    assert response.status_code == 201

    await wait_until(lambda: len(mail_server.mails) == 1)
    started_at = asyncio.get_running_loop().time()
    await publisher.publish_balance(scenario, 2, 40)
    await wait_until(lambda: len(mail_server.mails) == 2)
    seconds = asyncio.get_running_loop().time() - started_at
    assert [mail["Subject"].split(" used")[0] for mail in mail_server.received] == ["82.5 %", "100 %"]
    assert seconds < 2

    async def find_delivered():
        items = (await client.get("/v1/notifications", params={"contract": "ACME-SUP"})).json()["items"]
        return items if all(item["deliveries"][0]["status"] == "delivered" for item in items) else None

    newest, oldest = await wait_until(find_delivered)
    assert (newest["threshold"], oldest["threshold"]) == ("100", "80")
    assert newest["snapshot"]["consumed"] == 40 * HOUR
    first = (await client.get("/v1/notifications", params={"limit": 1, "status": "delivered"})).json()
    second = (await client.get("/v1/notifications", params={"limit": 1, "cursor": first["next"]})).json()
    assert (first["items"], second["items"], second["next"]) == ([newest], [oldest], None)
    assert (await client.get("/v1/notifications", params={"contract": "ANOTHER"})).json()["items"] == []
    assert (await client.get(f"/v1/notifications/{oldest['id']}")).json() == oldest


async def test_failed_delivery_can_be_resent(client, publisher, mail_server):
    scenario = Scenario(None)
    mail_server.script = ["rcpt 550 no such user"]
    assert (await client.post("/v1/rules", json=rule())).status_code == 201
    await publisher.publish_organization(scenario)
    await publisher.publish_contract(scenario)
    await publisher.publish_balance(scenario, 1, 33)

    async def find_by_status(status):
        return (await client.get("/v1/notifications", params={"status": status})).json()["items"]

    [failed] = await wait_until(lambda: find_by_status("failed"))
    resent = await client.post(f"/v1/notifications/{failed['id']}/resend")
    assert resent.status_code == 200
    [delivered] = await wait_until(lambda: find_by_status("delivered"))
    assert delivered["deliveries"][0]["delivery_id"] == failed["deliveries"][0]["delivery_id"]
    assert (await client.post(f"/v1/notifications/{failed['id']}/resend")).status_code == 409
    assert (await client.post(f"/v1/notifications/{uuid4()}/resend")).status_code == 404


async def test_rules_that_wait_for_a_contract_hold_no_connection(client, publisher):
    scenario = Scenario(None)
    scope = {"kind": "contract", "id": scenario.contract}
    waiting = [
        asyncio.create_task(client.post("/v1/rules", json=rule(f"{number}", scope=scope))) for number in range(40)
    ]
    pool = client._transport.app.state.pool
    await wait_until(lambda: pool.get_size() == pool.get_max_size())
    # Five times as many requests wait as the pool has connections, and a read finds one free.
    assert (await client.get("/v1/rules")).status_code == 200
    assert not any(request.done() for request in waiting)
    await publisher.publish_contract(scenario)
    assert {(await request).status_code for request in waiting} == {201}
