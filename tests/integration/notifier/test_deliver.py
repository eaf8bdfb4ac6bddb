"""Deliveries on a real database, to a mail server that is hostile."""

import asyncio
import os
import ssl
from collections import Counter

import asyncpg
import pytest
import trustme
from delivering import CUSTOMER, OWNER, QUICK, SENDER, address, delivering, events_of, settled, told
from mail_server import MailServer
from processes import service_process
from waiting import until

from tidemark.stack import ports
from tidemark_notifier import deliver as deliver_module
from tidemark_shared.messaging import kafka


async def test_a_mail_is_delivered_and_recorded(pool, mail_server):
    await told(pool, OWNER, CUSTOMER)
    async with delivering(pool, mail_server):
        rows = await settled(pool)
    assert [(row["status"], row["attempts"], row["last_error"]) for row in rows] == [("delivered", 1, None)] * 2
    assert all(row["delivered_at"] >= row["raised_at"] for row in rows)
    assert {mail["To"].addresses[0].addr_spec for mail in mail_server.received} == {row["receiver"] for row in rows}
    delivered = await events_of(pool)
    assert [event.type for event in delivered] == ["tidemark.notification.delivered.v1"] * 2
    assert {event.data.receiver for event in delivered} == {row["receiver"] for row in rows}


async def test_a_server_that_is_gone_and_comes_back_loses_nothing(pool, mail_server):
    await mail_server.stop()
    await told(pool)
    async with delivering(pool, mail_server, QUICK._replace(attempts=1000)):
        await until(
            lambda: pool.fetchval("SELECT attempts >= 2 AND last_error IS NOT NULL FROM deliveries"),
        )
        await mail_server.start()
        [row] = await settled(pool)
    assert row["status"] == "delivered"
    assert len(mail_server.mails) == 1


async def test_a_temporary_refusal_is_tried_again(pool, mail_server):
    mail_server.script = ["451 try later", "rcpt 450 greylisted"]
    await told(pool)
    async with delivering(pool, mail_server):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 3)
    assert len(mail_server.mails) == 1


async def test_a_server_that_says_nothing_is_left_in_time(pool, mail_server):
    mail_server.script = ["stall"]
    await told(pool)
    async with delivering(pool, mail_server, QUICK._replace(send_seconds=0.5)):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"], row["last_error"]) == ("delivered", 2, "It took too long.")
    assert len(mail_server.mails) == 1


async def test_a_connection_lost_after_the_data_repeats_the_same_mail(pool, mail_server):
    mail_server.script = ["drop", "drop"]
    await told(pool)
    async with delivering(pool, mail_server):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 3)
    assert len(mail_server.mails) == 3
    assert len({content for _, content in mail_server.mails}) == 1
    assert mail_server.received[0]["Message-ID"] == f"<{row['delivery_id']}@provider.example.com>"


async def test_a_permanent_refusal_fails_at_once_and_spares_the_others(pool, mail_server):
    mail_server.script = ["rcpt 550 no such user"]
    await told(pool, OWNER, CUSTOMER)
    async with delivering(pool, mail_server):
        rows = await settled(pool)
    [row] = [row for row in rows if row["status"] != "delivered"]
    assert len(rows) == 2
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["last_error"] == "The mail server answered 550 no such user"
    failed = [event for event in await events_of(pool) if event.type == "tidemark.notification.failed.v1"]
    assert [event.data.error for event in failed] == [row["last_error"]]


async def test_after_the_last_attempt_it_is_given_up_with_the_reason(pool, mail_server):
    mail_server.script = ["451 never"] * 10
    await told(pool)
    async with delivering(pool, mail_server):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"]) == ("failed", 4)
    assert row["last_error"] == "The mail server answered 451 never"


HOSTILE = ["connect", "stall", "drop", "451 later", "rcpt 450 greylisted", "421 closing"]


async def test_a_hostile_server_that_comes_back_in_the_end_loses_nothing_and_repeats_only_what_it_may_have_taken(
    pool, mail_server
):
    mail_server.script, mail_server.unknown = HOSTILE * 8, {address(7).email}
    await told(pool, *map(address, range(60)))
    async with delivering(pool, mail_server, QUICK._replace(attempts=100), count=3):
        await until(lambda: len(mail_server.script) < len(HOSTILE), within=60)
        await mail_server.stop()  # refuses
        await until(lambda: pool.fetchval("SELECT bool_and(status <> 'pending' OR attempts > 0) FROM deliveries"))
        await mail_server.start()
        rows = await settled(pool, within=60)
    statuses = Counter(row["status"] for row in rows)
    taken = Counter(mail["Message-ID"] for mail in mail_server.received)
    repeated = sum(taken.values()) - len(taken)
    attempts = sum(row["attempts"] for row in rows)
    print(f"60 mails: {dict(statuses)}, {attempts} attempts, {repeated} repeated of 8 taken without an answer")
    assert statuses == {"delivered": 59, "failed": 1}
    assert set(taken) == {
        f"<{row['delivery_id']}@provider.example.com>" for row in rows if row["status"] == "delivered"
    }
    assert repeated == 8
    assert len({content for _, content in mail_server.mails}) == 59


async def test_a_lease_that_ran_out_is_taken_by_another_and_the_late_one_records_nothing(pool, mail_server):
    await told(pool)
    await pool.execute(
        "UPDATE deliveries SET attempts = 1, leased_until = now() + interval '300 ms'"
    )  # its process is gone
    async with delivering(pool, mail_server):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 2)
    late = {"id": row["delivery_id"], "attempts": 1, "status": "failed", "error": "late"}
    assert await deliver_module._sql.settle(pool, **late) is None


async def test_a_mail_that_takes_long_holds_up_no_other(pool, mail_server):
    mail_server.script = ["hang"]
    await told(pool, *map(address, range(20)))
    async with delivering(pool, mail_server):
        await until(lambda: pool.fetchval("SELECT count(*) = 19 FROM deliveries WHERE status = 'delivered'"), within=4)
        mail_server.released.set()
        await settled(pool)


async def test_a_lease_is_renewed_while_the_attempt_lasts(pool, mail_server):
    mail_server.script = ["hang"]
    await told(pool)
    async with delivering(pool, mail_server, QUICK._replace(lease_seconds=0.5), count=3):
        first = await until(lambda: pool.fetchval("SELECT leased_until FROM deliveries"))
        await until(lambda: pool.fetchval("SELECT now() > $1::timestamptz + interval '1 s'", first))
        mail_server.released.set()
        [row] = await settled(pool)
    assert (row["status"], row["attempts"]) == ("delivered", 1)


async def test_what_is_on_its_way_when_the_service_stops_is_recorded(pool, mail_server):
    mail_server.script = ["hang"]
    await told(pool)
    async with delivering(pool, mail_server):
        await mail_server.taken.wait()
        asyncio.get_running_loop().call_later(0.2, mail_server.released.set)
    assert await pool.fetchval("SELECT status FROM deliveries") == "delivered"


async def test_a_database_that_blinks_after_the_mail_was_taken_repeats_no_mail(pool, mail_server, monkeypatch):
    await told(pool)
    settle, blinks = deliver_module._sql.settle, iter([True, True, False])

    async def blinking(*args, **kwargs):
        if next(blinks):
            raise asyncpg.ConnectionDoesNotExistError
        return await settle(*args, **kwargs)

    monkeypatch.setattr(deliver_module._sql, "settle", blinking)
    async with delivering(pool, mail_server):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"], len(mail_server.mails)) == ("delivered", 1, 1)


async def test_several_deliverers_send_each_mail_once(pool, mail_server):
    await told(pool, *map(address, range(50)))
    async with delivering(pool, mail_server, count=3):
        rows = await settled(pool)
    assert {(row["status"], row["attempts"]) for row in rows} == {("delivered", 1)}
    assert len(mail_server.mails) == len({mail["Message-ID"] for mail in mail_server.received}) == 50


async def test_kill_9_between_the_servers_acceptance_and_the_record_repeats_the_same_mail(
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
    }
    mail_server.script = ["hang"]
    async with service_process("notifier", environment | {"TIDEMARK_PORT": str(ports.free())}, tmp_path) as process:
        await told(pool)
        await mail_server.taken.wait()
        process.kill()
        await process.wait()
    assert await pool.fetchval("SELECT status FROM deliveries") == "pending"
    # Its lease would run out in a quarter of a minute.
    await pool.execute("UPDATE deliveries SET leased_until = now()")
    async with service_process("notifier", environment | {"TIDEMARK_PORT": str(ports.free())}, tmp_path):
        [row] = await settled(pool)
    print(f"killed between acceptance and record: {len(mail_server.mails)} mails, 1 Message-ID")
    assert (row["status"], row["attempts"]) == ("delivered", 2)
    assert [mail["Message-ID"] for mail in mail_server.received] == [f"<{row['delivery_id']}@provider.example.com>"] * 2


# TLS


@pytest.fixture
def authority():
    return trustme.CA()


def context(authority, name="127.0.0.1"):
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(made)
    return made


@pytest.fixture
async def tls_server(authority):
    server = MailServer(context(authority))
    await server.start()
    yield server
    await server.stop()


@pytest.mark.parametrize("trusted", [True, False])
async def test_mails_go_in_tls_where_the_server_offers_it_and_only_to_one_that_is_trusted(
    pool, authority, tls_server, monkeypatch, tmp_path, *, trusted
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    await told(pool)
    async with delivering(pool, tls_server):
        [row] = await settled(pool)
    assert len(tls_server.mails) == int(trusted)
    assert (row["status"], row["attempts"]) == (("delivered", 1) if trusted else ("failed", 4))
    assert trusted or "CERTIFICATE_VERIFY_FAILED" in row["last_error"]


async def test_a_password_is_sent_in_tls(pool, authority, tls_server, monkeypatch, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    await told(pool)
    async with delivering(pool, tls_server, url="smtp://me:secret@127.0.0.1:{}"):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"], tls_server.passwords) == ("delivered", 1, [b"secret"])


async def test_a_password_is_not_sent_to_a_server_that_speaks_no_tls(pool, mail_server):
    await told(pool)
    async with delivering(pool, mail_server, url="smtp://me:secret@127.0.0.1:{}"):
        [row] = await settled(pool)
    assert (row["status"], row["attempts"], mail_server.passwords) == ("failed", 4, [])
    assert "STARTTLS" in row["last_error"]
