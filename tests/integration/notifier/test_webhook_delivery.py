"""Webhook deliveries over real sockets, to endpoints that fail in many ways."""

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager

import asyncpg
import pytest
import standardwebhooks
import trustme
from deliveries import FAST, OWNER, PUBLIC_URL, insert_notification, outbox_events, wait_until_finished
from endpoint import Endpoint
from polling import wait_until

from tidemark_notifier.delivery import deliverer as deliverer_module
from tidemark_notifier.delivery.bulkheads import MAX_PER_HOST
from tidemark_notifier.delivery.deliverer import Deliverer
from tidemark_notifier.delivery.egress import EgressPolicy
from tidemark_notifier.delivery.senders import MailSender, WebhookSender
from tidemark_notifier.delivery.smtp import SmtpServer
from tidemark_notifier.evaluation.addressees import Addressee

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
LOOPBACK = EgressPolicy.parse("127.0.0.1")


def answer(status, *headers, body=b""):
    lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def hook(endpoint, host="127.0.0.1", scheme="http", path="/tidemark?x=1"):
    return Addressee(kind="webhook", url=f"{scheme}://{host}:{endpoint.port}{path}", secret=SECRET)


@asynccontextmanager
async def running_webhook_deliverer(pool, policy=LOOPBACK, retry_policy=FAST):
    sender = WebhookSender(policy, public_url=PUBLIC_URL)
    task = asyncio.create_task(Deliverer(pool, "webhook", sender, retry_policy).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def resolved(monkeypatch):
    """Host names and the addresses that they resolve to, one after the other; the last one stays."""
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


async def test_webhook_is_signed_delivered_and_recorded(pool, endpoint):
    await insert_notification(pool, hook(endpoint))
    async with running_webhook_deliverer(pool):
        [row] = await wait_until_finished(pool)
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
    [event] = await outbox_events(pool)
    assert (event.type, event.data.receiver) == ("tidemark.notification.delivered.v1", row["receiver"])


async def test_retry_has_the_same_id_and_payload(pool, endpoint):
    endpoint.script = [
        answer(503),
        answer(429),
        "drop",
        answer(302, "location: http://127.0.0.1/elsewhere"),
        b"nonsense\r\n\r\n",
    ]
    await insert_notification(pool, hook(endpoint))
    async with running_webhook_deliverer(pool, retry_policy=FAST._replace(max_attempts=10, first_delay_seconds=0.001)):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 6)
    assert {(line, body) for line, _, body in endpoint.requests} == {(endpoint.requests[0][0], endpoint.requests[0][2])}
    assert {headers["webhook-id"] for _, headers, _ in endpoint.requests} == {str(row["delivery_id"])}
    for _, headers, body in endpoint.requests:
        standardwebhooks.Webhook(SECRET).verify(body, headers)


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_client_error_fails_at_once_with_the_answer(pool, endpoint, status):
    endpoint.script = [answer(status, body=b"gone\nfor good")]
    await insert_notification(pool, hook(endpoint))
    async with running_webhook_deliverer(pool):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["last_error"] == f"The webhook answered {status}: gone for good"


async def test_retry_after_delays_the_next_attempt(pool, endpoint):
    endpoint.script = [answer(503, "retry-after: 1800")]
    await insert_notification(pool, hook(endpoint))
    async with running_webhook_deliverer(pool):
        await wait_until(lambda: pool.fetchval("SELECT last_error IS NOT NULL FROM deliveries"))
    pause = await pool.fetchval("SELECT extract(epoch FROM due_at - clock_timestamp())::integer FROM deliveries")
    assert 1700 < pause <= 1800


@pytest.mark.parametrize("fault", ["stall", "drip"])
async def test_endless_answer_times_out_and_is_retried(pool, endpoint, fault):
    endpoint.script = [fault]
    await insert_notification(pool, hook(endpoint))
    async with running_webhook_deliverer(pool, retry_policy=FAST._replace(attempt_timeout_seconds=0.5)):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"], row["last_error"]) == ("delivered", 2, "The attempt timed out.")


async def test_flooding_answer_is_read_only_in_part(pool, endpoint):
    endpoint.script = ["flood"]
    await insert_notification(pool, hook(endpoint))
    async with running_webhook_deliverer(pool):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 2)
    assert row["last_error"] == "The webhook answered 500: " + "x" * 200
    assert endpoint.flooded_bytes < 20_000_000


async def test_hanging_webhooks_do_not_delay_mails(pool, endpoint, mail_server):
    endpoint.script = ["stall"] * 20
    await insert_notification(pool, *(hook(endpoint) for _ in range(20)), OWNER)
    sender = MailSender(
        SmtpServer.parse(f"smtp://127.0.0.1:{mail_server.port}"),
        sender="t@x.example.com",
        public_url=PUBLIC_URL,
        secret=SECRET,
    )
    mails = asyncio.create_task(Deliverer(pool, "email", sender, FAST).run())
    async with running_webhook_deliverer(pool, retry_policy=FAST._replace(attempt_timeout_seconds=1)):
        await wait_until(lambda: pool.fetchval("SELECT status = 'delivered' FROM deliveries WHERE channel = 'email'"))
        assert await pool.fetchval("SELECT bool_and(status = 'pending') FROM deliveries WHERE channel = 'webhook'")
    mails.cancel()
    await asyncio.gather(mails, return_exceptions=True)


async def test_answer_with_nul_is_recorded_and_retried_no_more_than_others(pool, endpoint):
    endpoint.script = [answer(500, body=b"no\0 \x1b[31m\xe2\x80\xaemercy")] * 20
    await insert_notification(pool, hook(endpoint))
    async with running_webhook_deliverer(pool):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"], len(endpoint.requests)) == ("failed", 4, 4)
    assert row["last_error"] == "The webhook answered 500: no\ufffd \ufffd[31m\ufffdmercy"


async def test_attempts_are_limited_if_no_result_can_be_recorded(pool, endpoint, monkeypatch):
    await insert_notification(pool, hook(endpoint))
    finish_message = deliverer_module._sql.finish_message

    def fails_to_record_success(*args, **kwargs):
        if kwargs["status"] == "delivered":
            raise asyncpg.DataError("rejected")
        return finish_message(*args, **kwargs)

    monkeypatch.setattr(deliverer_module._sql, "finish_message", fails_to_record_success)
    monkeypatch.setattr(deliverer_module, "_RECORD_TIMEOUT_SECONDS", 0)
    async with running_webhook_deliverer(pool, retry_policy=FAST._replace(max_attempts=3, lease_seconds=0.2)):
        [row] = await wait_until_finished(pool)
    assert (row["status"], len(endpoint.requests)) == ("failed", 3)
    assert row["last_error"].startswith("The results of the last attempts could not be recorded.")


async def test_hanging_webhooks_do_not_delay_others(pool, endpoint):
    hanging = Endpoint()
    hanging.script = ["stall"] * 1000
    await hanging.start()
    # Of many receivers of one host, each with several webhooks; and of one receiver with more than there are places.
    stuck = [hook(hanging, path=f"/{number % 40}") for number in range(80)] + [hook(hanging)] * 50
    await insert_notification(pool, *stuck)
    healthy = [hook(endpoint, "localhost", path=f"/{number}") for number in range(20)]
    await insert_notification(pool, *healthy)
    async with running_webhook_deliverer(
        pool, EgressPolicy.parse("127.0.0.1, localhost"), FAST._replace(attempt_timeout_seconds=60)
    ):
        await wait_until(
            lambda: pool.fetchval("SELECT count(*) = 20 FROM deliveries WHERE status = 'delivered'"), timeout_seconds=50
        )
    await hanging.stop()
    assert len(endpoint.requests) == 20
    # Not one of them has timed out: the others did not wait for that.
    assert await pool.fetchval("SELECT max(attempts) FROM deliveries WHERE status = 'pending'") == 1
    assert len(hanging.requests) == MAX_PER_HOST


async def test_connection_is_kept_for_the_next_webhook(pool, endpoint):
    endpoint.keeps_connections = True
    await insert_notification(pool, *[hook(endpoint)] * 10)
    async with running_webhook_deliverer(pool):
        await wait_until_finished(pool)
    assert len(endpoint.requests) == 10
    assert endpoint.connection_count < 10


# Egress policy


async def test_internal_address_is_forbidden_before_connecting(pool, endpoint):
    await insert_notification(pool, hook(endpoint, scheme="https"))
    async with running_webhook_deliverer(pool, EgressPolicy()):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["last_error"] == (
        "127.0.0.1 resolves to 127.0.0.1, an internal address that TIDEMARK_WEBHOOK_ALLOW does not list."
    )
    assert endpoint.requests == []


async def test_host_that_changes_to_an_internal_address_is_forbidden(pool, endpoint, resolved):
    resolved["hooks.example.com"] = ["127.0.0.1", "127.0.0.2"]
    endpoint.script = [answer(503)]
    await insert_notification(pool, hook(endpoint, "hooks.example.com"))
    async with running_webhook_deliverer(pool):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"], len(endpoint.requests)) == ("failed", 2, 1)
    assert row["last_error"].startswith("hooks.example.com resolves to 127.0.0.2, an internal address")
    # Each connection resolves the host once: it connects to the address that was checked.
    assert resolved["looked_up"] == ["hooks.example.com"] * 2


async def test_redirect_to_an_internal_address_is_not_followed(pool, endpoint):
    internal = Endpoint()
    await internal.start()
    endpoint.script = [answer(307, f"location: http://127.0.0.1:{internal.port}/secret")] * 4
    await insert_notification(pool, hook(endpoint))
    async with running_webhook_deliverer(pool):
        [row] = await wait_until_finished(pool)
    await internal.stop()
    assert (row["status"], row["attempts"], internal.requests) == ("failed", 4, [])
    assert row["last_error"] == "The webhook answered 307: redirects are not followed"


async def test_proxy_of_the_environment_is_not_used(pool, endpoint, monkeypatch):
    proxy = Endpoint()
    await proxy.start()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    await insert_notification(pool, hook(endpoint))
    async with running_webhook_deliverer(pool):
        [row] = await wait_until_finished(pool)
    await proxy.stop()
    assert (row["status"], len(endpoint.requests), proxy.requests) == ("delivered", 1, [])


@pytest.mark.parametrize("trusted", [True, False])
async def test_certificate_is_verified_against_the_host_name(
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
    server_names = []
    tls.sni_callback = lambda _, name, __: server_names.append(name)
    endpoint = Endpoint(tls)
    await endpoint.start()
    resolved["hooks.example.com"] = ["127.0.0.1"]
    await insert_notification(pool, hook(endpoint, "hooks.example.com", "https"))
    async with running_webhook_deliverer(pool):
        [row] = await wait_until_finished(pool)
    await endpoint.stop()
    assert set(server_names) == {"hooks.example.com"}
    assert (row["status"], len(endpoint.requests)) == (("delivered", 1) if trusted else ("failed", 0))
    assert trusted or "CERTIFICATE_VERIFY_FAILED" in row["last_error"]
