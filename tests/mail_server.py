"""A real SMTP server in this process, as hostile as its script."""

import asyncio
from email import message_from_bytes
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult


class MailServer:
    """What it does to the next mails is set by ``script``, one entry a mail at its step; then it takes all.

    An answer such as ``451 later`` to the data, ``rcpt 550 nobody`` to the receiver, ``connect`` to hang up at once,
    ``stall`` to say nothing until the client is gone, ``hang`` to wait for ``released``, and ``drop`` to take the
    mail and hang up without an answer. Who is in ``unknown`` receives nothing.
    """

    def __init__(self, tls=None):
        self.port, self.mails, self.script, self._server, self._tls = 0, [], [], None, tls
        self.unknown, self.passwords = set(), []
        self.released, self.taken = asyncio.Event(), asyncio.Event()

    async def start(self):
        self._server = await asyncio.get_running_loop().create_server(self._session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        await self._server.wait_closed()

    def _session(self):
        return SMTP(
            self,
            hostname="sink",
            enable_SMTPUTF8=True,
            tls_context=self._tls,
            require_starttls=bool(self._tls),
            authenticator=self._log_in,
            auth_require_tls=False,
        )

    def _log_in(self, server, session, envelope, mechanism, given):  # noqa: ARG002 - aiosmtpd's names
        self.passwords.append(given.password)
        return AuthResult(success=given.password == b"secret")

    def _next(self, step):
        for index, entry in enumerate(self.script):
            if step == (entry.partition(" ")[0] if entry.startswith(("connect", "rcpt")) else "data"):
                return self.script.pop(index)
        return None

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802, ARG002 - aiosmtpd's
        session.host_name = hostname
        if self._next("connect"):
            server.transport.abort()
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802, ARG002 - aiosmtpd's names
        if answer := "rcpt 550 no such user" if address in self.unknown else self._next("rcpt"):
            return answer.removeprefix("rcpt ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802, ARG002 - aiosmtpd's names
        answer = self._next("data") or "250 OK"
        if answer == "stall":
            await asyncio.sleep(3600)
        if answer.startswith(("250", "drop", "hang")):
            self.mails.append((envelope.rcpt_tos, envelope.content))
            self.taken.set()
        if answer == "hang":
            await self.released.wait()
            return "250 OK"
        if answer == "drop":
            server.transport.abort()
        return "250 OK" if answer == "drop" else answer

    @property
    def received(self):
        return [message_from_bytes(content, policy=default) for _, content in self.mails]
