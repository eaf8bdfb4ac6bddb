"""Messages to chats over real sockets: what counts as delivered, rate limits, and that no URL of a chat is shown."""

import asyncio
import json
from contextlib import asynccontextmanager

import jsonschema
import pytest
from chat_schemas import SCHEMAS
from deliveries import FAST, PUBLIC_URL, insert_message, insert_notification, outbox_events, wait_until_finished
from notifier_bodies import rule
from notifier_service import running_service
from polling import wait_until
from scenario import Scenario
from snapshots import make_snapshot

from tidemark_notifier.delivery.deliverer import Deliverer
from tidemark_notifier.delivery.egress import EgressPolicy
from tidemark_notifier.delivery.senders import WebhookSender
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.rules.receivers import mask_url

PATH = "/services/T00000000/B00000000/s3cr3t-t0k3n?sig=s1gnature"


def answer(status, *headers, body=b""):
    return "\r\n".join([f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers, "", ""]).encode() + body


def channel(endpoint, chat_format):
    url = f"http://127.0.0.1:{endpoint.port}{PATH}"
    return Addressee(kind="webhook", url=mask_url(url), chat_format=chat_format, chat_url=url)


@asynccontextmanager
async def running_chat_deliverer(pool, allowed="127.0.0.1"):
    sender = WebhookSender(EgressPolicy.parse(allowed), public_url=PUBLIC_URL)
    task = asyncio.create_task(Deliverer(pool, "webhook", sender, FAST).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("chat_format", "accepted"),
    [
        ("slack", answer(200, body=b"ok")),
        ("teams", answer(202)),
        ("google_chat", answer(200, "content-type: application/json", body=b"{}")),
        ("mattermost", answer(200, body=b"ok")),
        ("discord", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
async def test_message_is_delivered_as_its_product_takes_it(pool, endpoint, chat_format, accepted):
    endpoint.script = [accepted]
    await insert_notification(pool, channel(endpoint, chat_format))
    async with running_chat_deliverer(pool):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"], row["channel"]) == ("delivered", 1, "webhook")
    [(line, headers, body)] = endpoint.requests
    assert line == f"POST {PATH} HTTP/1.1"
    assert (headers["content-type"], headers.get("webhook-signature")) == ("application/json", None)
    jsonschema.validate(json.loads(body), SCHEMAS[chat_format])


async def test_notifications_of_one_moment_are_one_message(pool, endpoint):
    snapshots = [make_snapshot(), make_snapshot(trigger="overrun", threshold=None, consumed=147_600, remaining=-3600)]
    await insert_message(pool, *snapshots, addressee=channel(endpoint, "slack"))
    async with running_chat_deliverer(pool):
        rows = await wait_until_finished(pool)
    assert [row["status"] for row in rows] == ["delivered"] * 2
    [(_, _, body)] = endpoint.requests
    [header, section, *_] = json.loads(body)["blocks"]
    assert header["text"]["text"] == "1 h over"
    assert "\N{BULLET} 32 h of 40 h used in March 2026 (80 % reached)." in section["text"]["text"]


async def test_rate_limit_is_retried_and_a_refusal_is_final_and_neither_shows_the_url(pool, endpoint):
    quoting = b"Cannot POST " + PATH.encode()
    endpoint.script = [
        answer(429, "Retry-After: 0.1"),
        answer(429, "retry-after: 0", body=quoting),
        answer(404, body=quoting),
    ]
    await insert_notification(pool, channel(endpoint, "discord"))
    async with running_chat_deliverer(pool):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("failed", 3)
    assert (
        row["last_error"] == "The webhook answered 404: Cannot POST /********/********/********/********?sig=********"
    )
    assert row["receiver"] == mask_url(f"http://127.0.0.1:{endpoint.port}{PATH}")
    [event] = await outbox_events(pool)
    assert (event.data.receiver, "s3cr3t" in event.data.model_dump_json()) == (row["receiver"], False)


async def test_chat_at_an_internal_address_is_not_called(pool, endpoint):
    await insert_notification(pool, channel(endpoint, "mattermost"))
    async with running_chat_deliverer(pool, allowed=""):
        [row] = await wait_until_finished(pool)
    assert (row["status"], endpoint.requests) == ("failed", [])
    assert "an internal address" in row["last_error"]


async def test_url_of_a_chat_is_in_no_answer_and_kept_if_sent_back(
    database, kafka_bootstrap_servers, topic_prefix, mail_server, publisher, endpoint
):
    scenario, url = Scenario(None), f"http://127.0.0.1:{endpoint.port}{PATH}"
    receivers = [
        {"kind": "webhook", "url": url, "format": "slack"},
        {"kind": "webhook", "url": f"{url}2", "format": "teams"},
    ]
    body, answers = rule(receivers=receivers) | {"channels": ["webhook"]}, []
    parts = (database, kafka_bootstrap_servers, topic_prefix, mail_server.port)
    async with running_service(*parts, webhook_allow="127.0.0.1") as client:
        created = await client.post("/v1/rules", json=body, headers={"idempotency-key": "k"})
        assert created.status_code == 201, created.text
        path, shown = created.headers["location"], [receiver["url"] for receiver in created.json()["receivers"]]
        assert shown == [mask_url(url), mask_url(f"{url}2")]
        unchanged = await client.put(path, json=created.json(), headers={"if-match": '"1"'})
        assert (unchanged.status_code, unchanged.headers["etag"]) == (200, '"1"')
        receivers = [{**receivers[0], "url": shown[0]}]
        reduced = await client.put(path, json={**body, "receivers": receivers}, headers={"if-match": '"1"'})
        assert reduced.status_code == 200, reduced.text
        for receiver, name in (
            ({**receivers[0], "url": shown[1]}, "url"),
            ({"kind": "webhook", "url": shown[0]}, "secret"),
        ):
            refused = await client.put(path, json={**body, "receivers": [receiver]}, headers={"if-match": '"2"'})
            assert f"/receivers/0/{name}" in {violation["path"] for violation in refused.json()["violations"]}
            answers.append(refused)

        await publisher.publish_organization(scenario)
        await publisher.publish_contract(scenario)
        await publisher.publish_balance(scenario, 1, 33)
        await wait_until(lambda: endpoint.requests)
        [(line, _, sent)] = endpoint.requests
        assert line == f"POST {PATH} HTTP/1.1"
        assert json.loads(sent)["blocks"][0]["text"]["text"] == "82.5 % used"
        paths = ("/v1/rules", "/v1/notifications", f"/v1/contracts/{scenario.contract}/notifications/explain")
        answers += [await client.get(path) for path in paths]
    for shown_answer in (created, unchanged, reduced, *answers):
        assert "s3cr3t" not in shown_answer.text
