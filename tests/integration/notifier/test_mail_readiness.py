"""A mail channel that cannot deliver is a problem; a receiver that is rejected is none."""

import asyncio

from api_tokens import SECRET
from deliveries import FAST, PUBLIC_URL, SENDER, insert_notification, wait_until_finished
from polling import wait_until

from tidemark_notifier.delivery import deliverer as deliverer_module
from tidemark_notifier.delivery.deliverer import Deliverer
from tidemark_notifier.delivery.senders import MailSender
from tidemark_notifier.delivery.smtp import SmtpServer


async def test_channel_that_cannot_deliver_is_reported_until_it_can(pool, mail_server, monkeypatch):
    monkeypatch.setattr(deliverer_module, "_MAX_DELAY_SECONDS", 0.2)
    await mail_server.stop()
    await insert_notification(pool)
    sender = MailSender(
        SmtpServer.parse(f"smtp://127.0.0.1:{mail_server.port}"), sender=SENDER, public_url=PUBLIC_URL, secret=SECRET
    )
    deliverer = Deliverer(pool, "email", sender, FAST._replace(max_attempts=1000))
    task = asyncio.create_task(deliverer.run())

    async def problems():
        async with pool.acquire() as connection:
            return await deliverer.find_problems(connection)

    async def explained_problems():
        # Before the first attempt has failed, no reason is known.
        return [problem for problem in await problems() if "SMTPConnectError" in problem]

    [problem] = await wait_until(explained_problems)
    assert str(await pool.fetchval("SELECT id FROM deliveries")) in problem
    assert "Check TIDEMARK_SMTP_URL" in problem
    await mail_server.start()
    await wait_until_finished(pool)
    assert await problems() == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_receiver_that_is_rejected_is_no_problem_of_the_channel(pool, mail_server, monkeypatch):
    monkeypatch.setattr(deliverer_module, "_MAX_DELAY_SECONDS", 0.2)
    mail_server.script = ["rcpt 450 greylisted"] * 1000
    await insert_notification(pool)
    sender = MailSender(
        SmtpServer.parse(f"smtp://127.0.0.1:{mail_server.port}"), sender=SENDER, public_url=PUBLIC_URL, secret=SECRET
    )
    deliverer = Deliverer(pool, "email", sender, FAST._replace(max_attempts=1000))
    task = asyncio.create_task(deliverer.run())
    await wait_until(lambda: pool.fetchval("SELECT attempts >= 3 FROM deliveries"))
    async with pool.acquire() as connection:
        assert deliverer._unavailable_since is None
        assert await deliverer.find_problems(connection) == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
