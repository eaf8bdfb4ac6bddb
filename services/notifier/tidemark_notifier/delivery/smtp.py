"""Send mails to the server of ``TIDEMARK_SMTP_URL``, over connections that are kept for a moment."""

import asyncio
import contextlib
import socket
from email.message import Message
from email.utils import parseaddr
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import aiosmtplib

from tidemark_notifier.delivery.errors import DeliveryError

_COMMAND_TIMEOUT_SECONDS = 20
_QUIT_TIMEOUT_SECONDS = 1
_KEEP_SECONDS = 5
_MAX_KEPT = 8
_MIN_PERMANENT_CODE = 500
_AUTHENTICATION_CODES = (530, 534, 535, 538)  # RFC 4954, 6


class SmtpServer(NamedTuple):
    """A mail server. ``start_tls``: True requires TLS, None uses it if the server offers it."""

    hostname: str
    port: int
    username: str | None
    password: str | None
    use_tls: bool
    start_tls: bool | None = None

    @classmethod
    def parse(cls, url: str) -> "SmtpServer":
        """Read ``smtp://[user:password@]host:port``; ``smtps://`` uses TLS from the start.

        A password is only sent over TLS. Certificates are verified against the system's certificate authorities, or
        against ``SSL_CERT_FILE``, which OpenSSL reads.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("TIDEMARK_SMTP_URL must be smtp://[user:password@]host:port, or smtps://… for TLS.")
        use_tls = parts.scheme == "smtps"
        return cls(
            parts.hostname,
            parts.port or (465 if use_tls else 25),
            parts.username and unquote(parts.username),
            parts.password and unquote(parts.password),
            use_tls,
            start_tls=True if parts.username and not use_tls else None,
        )


class SmtpClient:
    """Sends mails. A connection over which a mail was accepted is kept a few seconds for the next mail."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._kept: dict[aiosmtplib.SMTP, asyncio.TimerHandle] = {}

    async def send_mail(self, mail: Message) -> None:
        """Send a mail. Raises :class:`~tidemark_notifier.delivery.errors.DeliveryError` unless it is accepted."""
        sender, receiver = (parseaddr(mail[name])[1] for name in ("From", "To"))
        client: aiosmtplib.SMTP | None = None
        is_accepted = False
        try:
            client = await self._kept_client() or await self._connect()
            await client.sendmail(sender, receiver, mail.as_bytes())
            is_accepted = True
        except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
            raise DeliveryError(
                describe_error(error), permanent=is_permanent(error), unavailable=client is None
            ) from error
        finally:
            if client and is_accepted and len(self._kept) < _MAX_KEPT:
                self._kept[client] = asyncio.get_running_loop().call_later(_KEEP_SECONDS, self._expire, client)
            elif client:
                await _disconnect(client)

    async def aclose(self) -> None:
        """Close the kept connections."""
        while self._kept:
            client, timer = self._kept.popitem()
            timer.cancel()
            await _disconnect(client)

    async def _connect(self) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            **self._server._asdict(), local_hostname=socket.gethostname(), timeout=_COMMAND_TIMEOUT_SECONDS
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client

    async def _kept_client(self) -> aiosmtplib.SMTP | None:
        """A kept connection that the server still answers; None if there is none."""
        while self._kept:
            client, timer = self._kept.popitem()
            timer.cancel()
            try:
                async with asyncio.timeout(_QUIT_TIMEOUT_SECONDS):
                    await client.rset()
            except (aiosmtplib.SMTPException, OSError):
                client.close()
            except BaseException:
                client.close()
                raise
            else:
                return client
        return None

    def _expire(self, client: aiosmtplib.SMTP) -> None:
        if self._kept.pop(client, None):
            client.close()


async def _disconnect(client: aiosmtplib.SMTP) -> None:
    # The result is known by now; an error while disconnecting does not change it.
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_QUIT_TIMEOUT_SECONDS):
            await client.quit()
    client.close()


def is_permanent(error: BaseException) -> bool:
    """Whether the server rejects this sender, receiver or mail for good, so that another attempt cannot succeed.

    Errors while connecting, starting TLS or authenticating say nothing about the mail; someone can fix them.
    """
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code in _AUTHENTICATION_CODES:
        return False
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(map(is_permanent, error.recipients))
    if isinstance(error, aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError):
        return error.code >= _MIN_PERMANENT_CODE
    return isinstance(error, aiosmtplib.SMTPNotSupported | UnicodeError)


def describe_error(error: BaseException) -> str:
    """The error for ``last_error``, with the server's response if there is one."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(map(describe_error, error.recipients))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"The mail server answered {error.code} {error.message}"
    if isinstance(error, TimeoutError):
        return "The mail server did not answer in time."
    return f"{type(error).__name__}: {error}"
