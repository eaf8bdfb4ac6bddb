"""A real SMTP server in this process, which fails as its script says."""

import asyncio
from email import message_from_bytes
from email.policy import default
from functools import cache

from aiosmtpd.smtp import SMTP, AuthResult


@cache
def _parse(content):
    """Each mail once: tests look at all of them until the last one has arrived."""
    return message_from_bytes(content, policy=default)


class MailServer:
    """A mail server whose ``script`` has one entry for each fault. Without entries it accepts all mails.

    An entry is an answer to the data such as ``451 later``, an answer to the receiver such as ``rcpt 550 nobody``,
    ``connect`` to disconnect at once, ``stall`` to stay silent, ``hang`` to wait for ``released``, or ``drop`` to
    accept the mail and disconnect without an answer. Mails to ``unknown_receivers`` are rejected, and those to
    ``hanging_receivers`` wait for ``released``.
    """

    def __init__(self, tls=None):
        self.port, self.mails, self.script, self._server, self._tls = 0, [], [], None, tls
        self.unknown_receivers, self.hanging_receivers, self.passwords = set(), set(), []
        self.connection_count = 0
        self.released, self.accepted = asyncio.Event(), asyncio.Event()

    async def start(self):
        self._server = await asyncio.get_running_loop().create_server(self._session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        await self._server.wait_closed()

    def _session(self):
        self.connection_count += 1
        return SMTP(
            self,
            hostname="sink",
            enable_SMTPUTF8=True,
            tls_context=self._tls,
            require_starttls=bool(self._tls),
            authenticator=self._authenticate,
            auth_require_tls=False,
        )

    def _authenticate(self, server, session, envelope, mechanism, given):
        self.passwords.append(given.password)
        return AuthResult(success=given.password == b"secret")

    def _next(self, step):
        for index, entry in enumerate(self.script):
            if step == (entry.partition(" ")[0] if entry.startswith(("connect", "rcpt")) else "data"):
                return self.script.pop(index)
        return None

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802 - aiosmtpd's
        session.host_name = hostname
        if self._next("connect"):
            server.transport.abort()
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's names
        if answer := "rcpt 550 no such user" if address in self.unknown_receivers else self._next("rcpt"):
            return answer.removeprefix("rcpt ")
        if address in self.hanging_receivers:
            await self.released.wait()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's names
        answer = self._next("data") or "250 OK"
        if answer == "stall":
            await asyncio.sleep(3600)
        if answer.startswith(("250", "drop", "hang")):
            self.mails.append((envelope.rcpt_tos, envelope.content))
            self.accepted.set()
        if answer == "hang":
            await self.released.wait()
            return "250 OK"
        if answer == "drop":
            server.transport.abort()
        return "250 OK" if answer == "drop" else answer

    @property
    def received(self):
        return [_parse(content) for _, content in self.mails]
