"""Webhooks from a rule over HTTP and a balance on Kafka to a signed request."""

import base64
from uuid import uuid4

import pytest
import standardwebhooks
from endpoint import Endpoint
from notices import contract_event, organization, rule, terms
from test_notifier import ACTIVATED, PERIOD, World, mail_server, publish, service  # noqa: F401 - `mail_server` is a fixture
from waiting import until

from tidemark_shared.messaging.events import CONTRACT_BALANCE, ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE

SECRET, OTHER = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
HIDDEN = "whsec_********"


@pytest.fixture
async def client(database, kafka_bootstrap_servers, topic_prefix, mail_server):  # noqa: F811
    to = (database, kafka_bootstrap_servers, topic_prefix, mail_server.port)
    async with service(*to, webhook_allow="127.0.0.1") as client:
        yield client


@pytest.fixture
async def endpoint():
    endpoint = Endpoint()
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


def webhook(url="https://192.0.2.1/tidemark", secret=SECRET):
    return {"kind": "webhook", "url": url} | ({"secret": secret} if secret else {})


def with_webhooks(*webhooks, **more):
    return rule(receivers=webhooks, **more) | {"channels": ["webhook"]}


async def violations(client, body, method="POST", path="/v1/rules", **headers):
    answer = await client.request(method, path, json=body, headers=headers)
    assert answer.status_code == 422, answer.text
    return {(one["path"], one["message"]) for one in answer.json()["violations"]}


async def test_from_a_balance_on_kafka_to_a_signed_webhook(client, kafka_bootstrap_servers, topic_prefix, endpoint):
    world, to = World(None), (kafka_bootstrap_servers, topic_prefix)
    hook = webhook(f"http://127.0.0.1:{endpoint.port}/tidemark")
    made = await client.post("/v1/rules", json=with_webhooks(hook))
    assert made.status_code == 201, made.text
    body = terms(organization=world.organization, recurrence="none", start=PERIOD[0], end=PERIOD[1])
    await publish(*to, DIRECTORY, ORGANIZATION_CHANGED, organization(id_=world.organization), world.organization)
    await publish(*to, LIFECYCLE, ACTIVATED, contract_event(world.contract, terms=body), world.contract)
    await publish(*to, BALANCES, CONTRACT_BALANCE, world.balance(1, 33), world.contract)

    await until(lambda: endpoint.requests)
    [(_, headers, sent)] = endpoint.requests
    told = standardwebhooks.Webhook(SECRET).verify(sent, headers)
    assert told["data"]["rule_id"] == made.json()["id"]
    assert (told["data"]["headline"], told["data"]["figures"]["consumed"]) == ("82.5 % used", 33 * 3600)

    async def delivered():
        [one] = (await client.get("/v1/notifications", params={"contract": "ACME-SUP"})).json()["items"]
        return one["deliveries"] if one["deliveries"][0]["status"] == "delivered" else None

    [delivery] = await until(delivered)
    assert (delivery["channel"], delivery["receiver"]) == ("webhook", hook["url"])


@pytest.mark.parametrize("sent", [HIDDEN, None])
async def test_a_secret_is_never_answered_and_stays_where_it_is_not_sent(client, sent):
    one, two = webhook("https://127.0.0.1/a", SECRET), webhook("https://127.0.0.1/b", OTHER)
    made = await client.post("/v1/rules", json=with_webhooks(one, two), headers={"idempotency-key": "k"})
    again = await client.post("/v1/rules", json=with_webhooks(one, two), headers={"idempotency-key": "k"})
    path, pool = made.headers["location"], client._transport.app.state.pool
    hidden = [webhook(hook["url"], HIDDEN) for hook in (one, two)]

    back = [webhook(hook["url"], sent) for hook in (one, two)]
    same = await client.put(path, json=with_webhooks(*back), headers={"if-match": '"1"'})
    assert (same.status_code, same.headers["etag"]) == (200, '"1"')
    less = await client.put(path, json=with_webhooks(back[1]), headers={"if-match": '"1"'})
    assert (less.status_code, less.headers["etag"]) == (200, '"2"')
    [kept] = (await client.get("/v1/rules")).json()["items"]

    for answer in (made, again, same):
        assert answer.json()["receivers"] == hidden
    assert less.json()["receivers"] == kept["receivers"] == [hidden[1]]
    assert await pool.fetchval("SELECT body #>> '{receivers,0,secret}' FROM rules") == OTHER
    assert (
        await pool.fetchval("SELECT count(*) FROM answers WHERE convert_from(body, 'UTF8') LIKE $1", f"%{SECRET}%") == 0
    )


async def test_a_webhook_without_a_secret_or_to_a_new_place_needs_one(client):
    needs = "A webhook needs a secret: whsec_ and 24 to 64 random bytes in base64."
    for secret in (HIDDEN, None):
        body = with_webhooks(webhook("https://127.0.0.1/a", secret))
        assert await violations(client, body) == {("/receivers/0/secret", needs)}
    made = await client.post("/v1/rules", json=with_webhooks(webhook("https://127.0.0.1/a")))
    body = with_webhooks(webhook("https://127.0.0.1/elsewhere", HIDDEN))
    to = {"method": "PUT", "path": made.headers["location"], "if-match": '"1"'}
    assert await violations(client, body, **to) == {("/receivers/0/secret", needs)}


async def test_a_webhook_that_leads_inside_is_refused_at_once(client):
    body = with_webhooks(webhook("https://10.0.0.1/x"), webhook("http://127.0.0.1/x"), webhook("https://[::1]/x"))
    inside = "{0} is at {0}, an internal address that TIDEMARK_WEBHOOK_ALLOW does not name."
    assert await violations(client, body) == {
        ("/receivers/0/url", inside.format("10.0.0.1")),
        ("/receivers/2/url", inside.format("::1")),
    }
    assert {path for path, _ in await violations(client, with_webhooks(webhook("http://8.8.8.8/x")))} == {
        "/receivers/0/url"
    }
    unknown = with_webhooks(webhook(f"https://{uuid4().hex}.invalid/x"))
    assert (await client.post("/v1/rules", json=unknown)).status_code == 201
