"""Mails to the mail server of ``TIDEMARK_SMTP_URL``, one a connection: a refusal concerns its receiver alone."""

import asyncio
import contextlib
import socket
from email.message import Message
from email.utils import parseaddr
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import aiosmtplib

from tidemark_notifier.failures import NotDeliveredError

_COMMAND_SECONDS = 20
_FAREWELL_SECONDS = 1
_PERMANENT = 500
_LOG_IN_FIRST = (530, 534, 535, 538)  # RFC 4954, 6


class Server(NamedTuple):
    """A mail server. With ``start_tls`` None it is spoken to in TLS where it offers that; with True, or not at all."""

    hostname: str
    port: int
    username: str | None
    password: str | None
    use_tls: bool
    start_tls: bool | None = None

    @classmethod
    def at(cls, url: str) -> "Server":
        """From ``smtp://[user:password@]host:port``; ``smtps://`` speaks TLS from the start.

        A password is sent in TLS alone. Certificates are held against those that the system trusts, or against
        ``SSL_CERT_FILE``, which OpenSSL reads.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("TIDEMARK_SMTP_URL must read smtp://[user:password@]host:port, or smtps:// for TLS.")
        use_tls = parts.scheme == "smtps"
        return cls(
            parts.hostname,
            parts.port or (465 if use_tls else 25),
            parts.username and unquote(parts.username),
            parts.password and unquote(parts.password),
            use_tls,
            start_tls=True if parts.username and not use_tls else None,
        )


async def send(server: Server, mail: Message) -> None:
    """Hand a mail over; raises :class:`~tidemark_notifier.failures.NotDeliveredError` unless it was taken."""
    sender, receiver = (parseaddr(mail[name])[1] for name in ("From", "To"))
    client = aiosmtplib.SMTP(**server._asdict(), local_hostname=socket.gethostname(), timeout=_COMMAND_SECONDS)
    try:
        await client.connect()
        await client.sendmail(sender, receiver, mail.as_bytes())
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        raise NotDeliveredError(describe(error), final=is_permanent(error)) from error
    finally:
        # The server has taken the mail or not; how it says goodbye changes nothing.
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await client.quit()
        client.close()


def is_permanent(error: BaseException) -> bool:
    """Whether trying again cannot help: the server refuses this sender, receiver or mail for good.

    A refusal to greet us, to speak TLS or to log us in says nothing of the mail: someone will mend that.
    """
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code in _LOG_IN_FIRST:
        return False
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(map(is_permanent, error.recipients))
    if isinstance(error, aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError):
        return error.code >= _PERMANENT
    return isinstance(error, aiosmtplib.SMTPNotSupported | UnicodeError)


def describe(error: BaseException) -> str:
    """The error for ``last_error``: what the server said where it said something."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(map(describe, error.recipients))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"The mail server answered {error.code} {error.message}"
    if isinstance(error, TimeoutError):
        return "The mail server did not answer in time."
    return f"{type(error).__name__}: {error}"
