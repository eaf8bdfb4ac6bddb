"""Rules with webhooks over HTTP, and the signed request after a balance on Kafka."""

import base64
from uuid import uuid4

import pytest
import standardwebhooks
from notifier_bodies import rule
from notifier_service import running_service
from polling import wait_until
from scenario import Scenario

SECRET, OTHER = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
MASKED_SECRET = "whsec_********"  # noqa: S105 - what replaces one


@pytest.fixture
async def client(database, kafka_bootstrap_servers, topic_prefix, mail_server):
    parts = (database, kafka_bootstrap_servers, topic_prefix, mail_server.port)
    async with running_service(*parts, webhook_allow="127.0.0.1") as client:
        yield client


def webhook(url="https://192.0.2.1/tidemark", secret=SECRET):
    return {"kind": "webhook", "url": url} | ({"secret": secret} if secret else {})


def with_webhooks(*webhooks, **more):
    return rule(receivers=webhooks, **more) | {"channels": ["webhook"]}


async def violations(client, body, method="POST", path="/v1/rules", **headers):
    answer = await client.request(method, path, json=body, headers=headers)
    assert answer.status_code == 422, answer.text
    return {(violation["path"], violation["message"]) for violation in answer.json()["violations"]}


async def test_balance_on_kafka_leads_to_a_signed_webhook(client, publisher, endpoint):
    scenario = Scenario(None)
    hook = webhook(f"http://127.0.0.1:{endpoint.port}/tidemark")
    created = await client.post("/v1/rules", json=with_webhooks(hook))
    assert created.status_code == 201, created.text
    await publisher.publish_organization(scenario)
    await publisher.publish_contract(scenario)
    await publisher.publish_balance(scenario, 1, 33)

    await wait_until(lambda: endpoint.requests)
    [(_, headers, sent)] = endpoint.requests
    data = standardwebhooks.Webhook(SECRET).verify(sent, headers)["data"]
    assert data["rule_id"] == created.json()["id"]
    assert (data["headline"], data["figures"]["consumed"]) == ("82.5 % used", 33 * 3600)

    async def find_delivered():
        [item] = (await client.get("/v1/notifications", params={"contract": "ACME-SUP"})).json()["items"]
        return item["deliveries"] if item["deliveries"][0]["status"] == "delivered" else None

    [delivery] = await wait_until(find_delivered)
    assert (delivery["channel"], delivery["receiver"]) == ("webhook", hook["url"])


@pytest.mark.parametrize("sent", [MASKED_SECRET, None])
async def test_secret_is_never_returned_and_kept_if_omitted(client, sent):
    first, second = webhook("https://127.0.0.1/a", SECRET), webhook("https://127.0.0.1/b", OTHER)
    created = await client.post("/v1/rules", json=with_webhooks(first, second), headers={"idempotency-key": "k"})
    repeated = await client.post("/v1/rules", json=with_webhooks(first, second), headers={"idempotency-key": "k"})
    path, pool = created.headers["location"], client._transport.app.state.pool
    masked = [webhook(hook["url"], MASKED_SECRET) for hook in (first, second)]

    returned = [webhook(hook["url"], sent) for hook in (first, second)]
    unchanged = await client.put(path, json=with_webhooks(*returned), headers={"if-match": '"1"'})
    assert (unchanged.status_code, unchanged.headers["etag"]) == (200, '"1"')
    reduced = await client.put(path, json=with_webhooks(returned[1]), headers={"if-match": '"1"'})
    assert (reduced.status_code, reduced.headers["etag"]) == (200, '"2"')
    [stored] = (await client.get("/v1/rules")).json()["items"]

    for answer in (created, repeated, unchanged):
        assert answer.json()["receivers"] == masked
    assert reduced.json()["receivers"] == stored["receivers"] == [masked[1]]
    assert await pool.fetchval("SELECT body #>> '{receivers,0,secret}' FROM rules") == OTHER
    assert (
        await pool.fetchval(
            "SELECT count(*) FROM idempotency_keys WHERE convert_from(body, 'UTF8') LIKE $1", f"%{SECRET}%"
        )
        == 0
    )


async def test_webhook_without_a_secret_or_with_a_new_url_needs_one(client):
    message = "A webhook needs a secret: whsec_ followed by 24 to 64 random bytes in base64."
    for secret in (MASKED_SECRET, None):
        body = with_webhooks(webhook("https://127.0.0.1/a", secret))
        assert await violations(client, body) == {("/receivers/0/secret", message)}
    created = await client.post("/v1/rules", json=with_webhooks(webhook("https://127.0.0.1/a")))
    body = with_webhooks(webhook("https://127.0.0.1/elsewhere", MASKED_SECRET))
    request = {"method": "PUT", "path": created.headers["location"], "if-match": '"1"'}
    assert await violations(client, body, **request) == {("/receivers/0/secret", message)}


async def test_webhook_to_an_internal_address_is_rejected_at_once(client):
    body = with_webhooks(webhook("https://10.0.0.1/x"), webhook("http://127.0.0.1/x"), webhook("https://[::1]/x"))
    message = "{0} resolves to {0}, an internal address that TIDEMARK_WEBHOOK_ALLOW does not list."
    assert await violations(client, body) == {
        ("/receivers/0/url", message.format("10.0.0.1")),
        ("/receivers/2/url", message.format("::1")),
    }
    assert {path for path, _ in await violations(client, with_webhooks(webhook("http://8.8.8.8/x")))} == {
        "/receivers/0/url"
    }
    unknown = with_webhooks(webhook(f"https://{uuid4().hex}.invalid/x"))
    assert (await client.post("/v1/rules", json=unknown)).status_code == 201
