"""Webhooks over real sockets, to endpoints that are hostile."""

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager

import pytest
import standardwebhooks
import trustme
from delivering import OWNER, PUBLIC_URL, QUICK, events_of, settled, told
from endpoint import Endpoint
from waiting import until

from tidemark_notifier.deliver import Deliverer, by_mail, by_webhook
from tidemark_notifier.guard import Guard
from tidemark_notifier.smtp import Server
from tidemark_notifier.snapshot import Addressee

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
LOOPBACK = Guard.of("127.0.0.1")


def answer(status, *headers, body=b""):
    lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def hook(endpoint, host="127.0.0.1", scheme="http"):
    return Addressee(kind="webhook", url=f"{scheme}://{host}:{endpoint.port}/tidemark?x=1", secret=SECRET)


@pytest.fixture
async def endpoint():
    endpoint = Endpoint()
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


@asynccontextmanager
async def calling(pool, guard=LOOPBACK, patience=QUICK):
    send = by_webhook(guard, public_url=PUBLIC_URL)
    task = asyncio.create_task(Deliverer(pool, "webhook", send, patience).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def resolved(monkeypatch):
    """What names resolve to, each time the next; the last one stays. Everything else resolves as it does."""
    names, looked_up = {}, []
    real = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self, host, port, **options):
        if host not in names:
            return await real(self, host, port, **options)
        addresses = names[host]
        looked_up.append(host)
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return await real(self, address, port, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    names["looked_up"] = looked_up
    return names


async def test_a_webhook_is_signed_delivered_and_recorded(pool, endpoint):
    await told(pool, hook(endpoint))
    async with calling(pool):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"], row["channel"]) == ("delivered", 1, "webhook")
    assert row["receiver"] == hook(endpoint).url
    [(line, headers, body)] = endpoint.requests
    assert line == "POST /tidemark?x=1 HTTP/1.1"
    assert headers["host"] == f"127.0.0.1:{endpoint.port}"
    assert headers["webhook-id"] == str(row["delivery_id"])
    sent = standardwebhooks.Webhook(SECRET).verify(body, headers)
    assert sent["data"]["figures"]["consumed"] == 115_200
    assert sent["data"]["notification_id"] == str(row["id"])
    assert SECRET not in body.decode()
    [event] = await events_of(pool)
    assert (event.type, event.data.receiver) == ("tidemark.notification.delivered.v1", row["receiver"])


async def test_what_may_pass_is_tried_again_with_the_same_id_and_body(pool, endpoint):
    endpoint.script = [
        answer(503),
        answer(429),
        "drop",
        answer(302, "location: http://127.0.0.1/elsewhere"),
        b"nonsense\r\n\r\n",
    ]
    await told(pool, hook(endpoint))
    async with calling(pool, patience=QUICK._replace(attempts=10, first_pause_seconds=0.001)):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 6)
    assert {(line, body) for line, _, body in endpoint.requests} == {(endpoint.requests[0][0], endpoint.requests[0][2])}
    assert {headers["webhook-id"] for _, headers, _ in endpoint.requests} == {str(row["delivery_id"])}
    for _, headers, body in endpoint.requests:
        standardwebhooks.Webhook(SECRET).verify(body, headers)


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_a_refusal_is_final_with_what_it_said(pool, endpoint, status):
    endpoint.script = [answer(status, body=b"gone\nfor good")]
    await told(pool, hook(endpoint))
    async with calling(pool):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["last_error"] == f"The webhook answered {status}: gone for good"


async def test_retry_after_is_waited_for(pool, endpoint):
    endpoint.script = [answer(503, "retry-after: 1800")]
    await told(pool, hook(endpoint))
    async with calling(pool):
        await until(lambda: pool.fetchval("SELECT last_error IS NOT NULL FROM deliveries"))
    pause = await pool.fetchval("SELECT extract(epoch FROM due_at - clock_timestamp())::integer FROM deliveries")
    assert 1700 < pause <= 1800


@pytest.mark.parametrize("fault", ["stall", "drip"])
async def test_an_endpoint_that_does_not_end_is_left_in_time(pool, endpoint, fault):
    endpoint.script = [fault]
    await told(pool, hook(endpoint))
    async with calling(pool, patience=QUICK._replace(send_seconds=0.5)):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"], row["last_error"]) == ("delivered", 2, "It took too long.")


async def test_an_answer_without_end_is_not_read(pool, endpoint):
    endpoint.script = ["flood"]
    await told(pool, hook(endpoint))
    async with calling(pool):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 2)
    assert row["last_error"] == "The webhook answered 500: " + "x" * 200
    assert endpoint.flooded < 20_000_000


async def test_webhooks_that_hang_hold_up_no_mail(pool, endpoint, mail_server):
    endpoint.script = ["stall"] * 20
    await told(pool, *(hook(endpoint) for _ in range(20)), OWNER)
    send = by_mail(Server.at(f"smtp://127.0.0.1:{mail_server.port}"), sender="t@x.example.com", public_url=PUBLIC_URL)
    mails = asyncio.create_task(Deliverer(pool, "email", send, QUICK).run())
    async with calling(pool, patience=QUICK._replace(send_seconds=1)):
        await until(lambda: pool.fetchval("SELECT status = 'delivered' FROM deliveries WHERE channel = 'email'"))
        assert await pool.fetchval("SELECT bool_and(status = 'pending') FROM deliveries WHERE channel = 'webhook'")
    mails.cancel()
    await asyncio.gather(mails, return_exceptions=True)


# Where it may not lead


async def test_an_internal_address_is_refused_and_nothing_connects(pool, endpoint):
    await told(pool, hook(endpoint, scheme="https"))
    async with calling(pool, Guard()):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["last_error"] == (
        "127.0.0.1 is at 127.0.0.1, an internal address that TIDEMARK_WEBHOOK_ALLOW does not name."
    )
    assert endpoint.requests == []


async def test_a_name_that_leads_inside_at_the_second_look_is_refused_there(pool, endpoint, resolved):
    resolved["hooks.example.com"] = ["127.0.0.1", "127.0.0.2"]
    endpoint.script = [answer(503)]
    await told(pool, hook(endpoint, "hooks.example.com"))
    async with calling(pool):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"], len(endpoint.requests)) == ("failed", 2, 1)
    assert row["last_error"].startswith("hooks.example.com is at 127.0.0.2, an internal address")
    # What was checked is what was connected to: there was no look between the two.
    assert resolved["looked_up"] == ["hooks.example.com"] * 2


async def test_a_redirect_inside_is_not_followed(pool, endpoint):
    inside = Endpoint()
    await inside.start()
    endpoint.script = [answer(307, f"location: http://127.0.0.1:{inside.port}/secret")] * 4
    await told(pool, hook(endpoint))
    async with calling(pool):
        [row] = await settled(pool)
    await inside.stop()
    assert (row["status"], row["attempts"], inside.requests) == ("failed", 4, [])
    assert row["last_error"] == "The webhook answered 307: redirects are not followed"


async def test_a_proxy_of_the_environment_is_not_used(pool, endpoint, monkeypatch):
    proxy = Endpoint()
    await proxy.start()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    await told(pool, hook(endpoint))
    async with calling(pool):
        [row] = await settled(pool)
    await proxy.stop()
    assert (row["status"], len(endpoint.requests), proxy.requests) == ("delivered", 1, [])


@pytest.mark.parametrize("trusted", [True, False])
async def test_the_certificate_is_held_against_the_name_and_not_the_address(
    pool,
    resolved,
    monkeypatch,
    tmp_path,
    *,
    trusted,
):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hooks.example.com" if trusted else "127.0.0.1").configure_cert(tls)
    asked_for = []
    tls.sni_callback = lambda _, name, __: asked_for.append(name)
    endpoint = Endpoint(tls)
    await endpoint.start()
    resolved["hooks.example.com"] = ["127.0.0.1"]
    await told(pool, hook(endpoint, "hooks.example.com", "https"))
    async with calling(pool):
        [row] = await settled(pool)
    await endpoint.stop()
    assert set(asked_for) == {"hooks.example.com"}
    assert (row["status"], len(endpoint.requests)) == (("delivered", 1) if trusted else ("failed", 0))
    assert trusted or "CERTIFICATE_VERIFY_FAILED" in row["last_error"]
