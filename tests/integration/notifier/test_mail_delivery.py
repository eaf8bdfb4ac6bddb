"""Mail deliveries on a real database, to a mail server that fails in many ways."""

import asyncio
import os
import ssl
from collections import Counter

import asyncpg
import pytest
import trustme
from api_tokens import SECRET
from deliveries import (
    CUSTOMER,
    FAST,
    OWNER,
    SENDER,
    address,
    insert_message,
    insert_notification,
    outbox_events,
    running_deliverer,
    wait_until_finished,
)
from mail_server import MailServer
from polling import wait_until
from processes import service_process
from snapshots import make_snapshot

from tidemark.stack import ports
from tidemark_notifier.delivery import deliverer as deliverer_module
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_shared.messaging import kafka


async def test_mail_is_delivered_and_recorded(pool, mail_server):
    await insert_notification(pool, OWNER, CUSTOMER)
    async with running_deliverer(pool, mail_server):
        rows = await wait_until_finished(pool)
    assert [(row["status"], row["attempts"], row["last_error"]) for row in rows] == [("delivered", 1, None)] * 2
    assert all(row["delivered_at"] >= row["raised_at"] for row in rows)
    assert {mail["To"].addresses[0].addr_spec for mail in mail_server.received} == {row["receiver"] for row in rows}
    events = await outbox_events(pool)
    assert [event.type for event in events] == ["tidemark.notification.delivered.v1"] * 2
    assert {event.data.receiver for event in events} == {row["receiver"] for row in rows}


async def test_mail_is_delivered_after_the_server_returns(pool, mail_server):
    await mail_server.stop()
    await insert_notification(pool)
    async with running_deliverer(pool, mail_server, FAST._replace(max_attempts=1000)):
        await wait_until(
            lambda: pool.fetchval("SELECT attempts >= 2 AND last_error IS NOT NULL FROM deliveries"),
        )
        await mail_server.start()
        [row] = await wait_until_finished(pool)
    assert row["status"] == "delivered"
    assert len(mail_server.mails) == 1


async def test_temporary_rejection_is_retried(pool, mail_server):
    mail_server.script = ["451 try later", "rcpt 450 greylisted"]
    await insert_notification(pool)
    async with running_deliverer(pool, mail_server):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 3)
    assert len(mail_server.mails) == 1


async def test_silent_server_times_out_and_is_retried(pool, mail_server):
    mail_server.script = ["stall"]
    await insert_notification(pool)
    async with running_deliverer(pool, mail_server, FAST._replace(attempt_timeout_seconds=0.5)):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"], row["last_error"]) == ("delivered", 2, "The attempt timed out.")
    assert len(mail_server.mails) == 1


async def test_connection_lost_after_the_data_repeats_the_same_mail(pool, mail_server):
    mail_server.script = ["drop", "drop"]
    await insert_notification(pool)
    async with running_deliverer(pool, mail_server):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 3)
    assert len(mail_server.mails) == 3
    assert len({content for _, content in mail_server.mails}) == 1
    assert mail_server.received[0]["Message-ID"] == f"<{row['delivery_id']}@provider.example.com>"


async def test_permanent_rejection_fails_one_delivery_at_once(pool, mail_server):
    mail_server.script = ["rcpt 550 no such user"]
    await insert_notification(pool, OWNER, CUSTOMER)
    async with running_deliverer(pool, mail_server):
        rows = await wait_until_finished(pool)
    [row] = [row for row in rows if row["status"] != "delivered"]
    assert len(rows) == 2
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["last_error"] == "The mail server answered 550 no such user"
    failed = [event for event in await outbox_events(pool) if event.type == "tidemark.notification.failed.v1"]
    assert [event.data.error for event in failed] == [row["last_error"]]


async def test_last_attempt_fails_the_delivery_with_the_reason(pool, mail_server):
    mail_server.script = ["451 never"] * 10
    await insert_notification(pool)
    async with running_deliverer(pool, mail_server):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("failed", 4)
    assert row["last_error"] == "The mail server answered 451 never"


FAULTS = ["connect", "stall", "drop", "451 later", "rcpt 450 greylisted", "421 closing"]


async def test_many_faults_lose_no_mail_and_repeat_only_possibly_accepted_ones(pool, mail_server):
    mail_server.script, mail_server.unknown_receivers = FAULTS * 8, {address(7).email}
    await insert_notification(pool, *map(address, range(60)))
    # Twice the usual time: an attempt that a busy machine cuts off may be repeated, too.
    policy = FAST._replace(max_attempts=100, attempt_timeout_seconds=10)
    async with running_deliverer(pool, mail_server, policy, count=3):
        await wait_until(lambda: len(mail_server.script) < len(FAULTS), timeout_seconds=60)
        await mail_server.stop()  # refuses
        await wait_until(lambda: pool.fetchval("SELECT bool_and(status <> 'pending' OR attempts > 0) FROM deliveries"))
        await mail_server.start()
        rows = await wait_until_finished(pool, within=60)
    statuses = Counter(row["status"] for row in rows)
    accepted = Counter(mail["Message-ID"] for mail in mail_server.received)
    repeated = sum(accepted.values()) - len(accepted)
    attempts = sum(row["attempts"] for row in rows)
    print(f"60 mails: {dict(statuses)}, {attempts} attempts, {repeated} repeated of 8 accepted without an answer")
    assert statuses == {"delivered": 59, "failed": 1}
    assert set(accepted) == {
        f"<{row['delivery_id']}@provider.example.com>" for row in rows if row["status"] == "delivered"
    }
    assert repeated == 8
    assert len({content for _, content in mail_server.mails}) == 59


async def test_expired_lease_is_taken_over(pool, mail_server):
    await insert_notification(pool)
    await pool.execute(
        "UPDATE deliveries SET attempts = 1, leased_until = now() + interval '300 ms'"
    )  # its process is gone
    async with running_deliverer(pool, mail_server):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 2)


async def test_late_attempt_records_nothing_while_another_runs(pool):
    await insert_notification(pool)
    await pool.execute("UPDATE deliveries SET attempts = 2, leased_until = now() + interval '1 minute'")
    leased = await pool.fetchrow("SELECT * FROM deliveries")
    late = {"message_id": leased["message_id"], "attempts": 1, "error": "late"}
    assert [row async for row in deliverer_module._sql.finish_message(pool, **late, status="failed")] == []
    await deliverer_module._sql.postpone_message(pool, **late, delay_seconds=60)
    assert await pool.fetchrow("SELECT * FROM deliveries") == leased


async def test_slow_mail_does_not_delay_others(pool, mail_server):
    mail_server.script = ["hang"]
    await insert_notification(pool, *map(address, range(20)))
    async with running_deliverer(pool, mail_server, FAST._replace(attempt_timeout_seconds=60)):
        await wait_until(
            lambda: pool.fetchval("SELECT count(*) = 19 FROM deliveries WHERE status = 'delivered'"), timeout_seconds=50
        )
        mail_server.released.set()
        await wait_until_finished(pool)


async def test_hanging_receivers_do_not_delay_others(pool, mail_server):
    hanging = [f"slow{number}@x.example.com" for number in range(20)]
    mail_server.hanging_receivers = set(hanging)
    receivers = [*hanging * 2, *(address(number).email for number in range(74))]
    await insert_notification(pool, *(Addressee(email=email, kind="address") for email in receivers))
    async with running_deliverer(pool, mail_server, FAST._replace(attempt_timeout_seconds=60)):
        await wait_until(
            lambda: pool.fetchval("SELECT count(*) = 74 FROM deliveries WHERE status = 'delivered'"), timeout_seconds=50
        )
        # Not one of them has timed out: the others did not wait for that.
        assert await pool.fetchval("SELECT max(attempts) FROM deliveries") == 1
        mail_server.hanging_receivers = set()
        mail_server.released.set()
        await wait_until_finished(pool)
    assert len(mail_server.mails) == len(receivers)


async def test_connection_is_kept_for_the_next_mail(pool, mail_server):
    await insert_notification(pool, *[OWNER] * 30)
    async with running_deliverer(pool, mail_server):
        await wait_until_finished(pool)
    assert len(mail_server.mails) == 30
    assert mail_server.connection_count < 15


async def test_server_answer_with_control_characters_is_recorded(pool, mail_server):
    mail_server.script = ["554 \x1b[31mno\x07 \u202emercy"]
    await insert_notification(pool)
    async with running_deliverer(pool, mail_server):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["last_error"].startswith("The mail server answered 554 \ufffd[31mno\ufffd ")


async def test_lease_is_renewed_during_the_attempt(pool, mail_server):
    mail_server.script = ["hang"]
    await insert_notification(pool)
    async with running_deliverer(pool, mail_server, FAST._replace(lease_seconds=0.5), count=3):
        first = await wait_until(lambda: pool.fetchval("SELECT leased_until FROM deliveries"))
        await wait_until(lambda: pool.fetchval("SELECT now() > $1::timestamptz + interval '1 s'", first))
        mail_server.released.set()
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 1)


async def test_mail_in_progress_is_recorded_when_the_service_stops(pool, mail_server):
    mail_server.script = ["hang"]
    await insert_notification(pool)
    async with running_deliverer(pool, mail_server):
        await mail_server.accepted.wait()
        asyncio.get_running_loop().call_later(0.2, mail_server.released.set)
    assert await pool.fetchval("SELECT status FROM deliveries") == "delivered"


async def test_database_error_after_acceptance_repeats_no_mail(pool, mail_server, monkeypatch):
    await insert_notification(pool)
    finish_message, blinks = deliverer_module._sql.finish_message, iter([True, True, False])

    def blinking(*args, **kwargs):
        if next(blinks):
            raise asyncpg.ConnectionDoesNotExistError
        return finish_message(*args, **kwargs)

    monkeypatch.setattr(deliverer_module._sql, "finish_message", blinking)
    async with running_deliverer(pool, mail_server):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"], len(mail_server.mails)) == ("delivered", 1, 1)


async def test_several_deliverers_send_each_mail_once(pool, mail_server):
    await insert_notification(pool, *map(address, range(50)))
    async with running_deliverer(pool, mail_server, count=3):
        rows = await wait_until_finished(pool)
    assert {(row["status"], row["attempts"]) for row in rows} == {("delivered", 1)}
    assert len(mail_server.mails) == len({mail["Message-ID"] for mail in mail_server.received}) == 50


async def test_kill_between_acceptance_and_record_repeats_the_same_mail(
    pool, database, mail_server, kafka_bootstrap_servers, topic_prefix, tmp_path
):
    await kafka.create_topics(kafka_bootstrap_servers, prefix=topic_prefix)
    environment = {
        **os.environ,
        "TIDEMARK_DATABASE_URL": database,
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "TIDEMARK_TOPIC_PREFIX": topic_prefix,
        "TIDEMARK_SMTP_URL": f"smtp://127.0.0.1:{mail_server.port}",
        "TIDEMARK_MAIL_FROM": SENDER,
        "TIDEMARK_SECRET": SECRET,
    }
    mail_server.script = ["hang"]
    async with service_process(
        "notifier", environment | {"TIDEMARK_PORT": str(ports.find_free())}, tmp_path
    ) as process:
        await insert_message(pool, make_snapshot(), make_snapshot(reason="Another."))
        await mail_server.accepted.wait()
        process.kill()
        await process.wait()
    assert {row["status"] for row in await pool.fetch("SELECT status FROM deliveries")} == {"pending"}
    # Its lease would run out in a quarter of a minute.
    await pool.execute("UPDATE deliveries SET leased_until = now()")
    async with service_process("notifier", environment | {"TIDEMARK_PORT": str(ports.find_free())}, tmp_path):
        rows = await wait_until_finished(pool)
    print(f"killed between acceptance and record: {len(mail_server.mails)} mails, 1 Message-ID")
    assert [(row["status"], row["attempts"]) for row in rows] == [("delivered", 2)] * 2
    assert len(mail_server.mails) == 2
    assert len({content for _, content in mail_server.mails}) == 1
    assert {mail["Message-ID"] for mail in mail_server.received} == {
        f"<{row['message_id']}@provider.example.com>" for row in rows
    }


# TLS


@pytest.fixture
def authority():
    return trustme.CA()


def context(authority, name="127.0.0.1"):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(tls)
    return tls


@pytest.fixture
async def tls_server(authority):
    server = MailServer(context(authority))
    await server.start()
    yield server
    await server.stop()


@pytest.mark.parametrize("trusted", [True, False])
async def test_mail_uses_tls_if_offered_and_only_with_a_trusted_certificate(
    pool, authority, tls_server, monkeypatch, tmp_path, *, trusted
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    await insert_notification(pool)
    async with running_deliverer(pool, tls_server):
        [row] = await wait_until_finished(pool)
    assert len(tls_server.mails) == int(trusted)
    assert (row["status"], row["attempts"]) == (("delivered", 1) if trusted else ("failed", 4))
    assert trusted or "CERTIFICATE_VERIFY_FAILED" in row["last_error"]


async def test_password_is_sent_over_tls(pool, authority, tls_server, monkeypatch, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    await insert_notification(pool)
    async with running_deliverer(pool, tls_server, url="smtp://me:secret@127.0.0.1:{}"):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"], tls_server.passwords) == ("delivered", 1, [b"secret"])


async def test_password_is_not_sent_without_tls(pool, mail_server):
    await insert_notification(pool)
    async with running_deliverer(pool, mail_server, url="smtp://me:secret@127.0.0.1:{}"):
        [row] = await wait_until_finished(pool)
    assert (row["status"], row["attempts"], mail_server.passwords) == ("failed", 4, [])
    assert "STARTTLS" in row["last_error"]
