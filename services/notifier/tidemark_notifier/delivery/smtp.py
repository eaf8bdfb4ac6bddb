"""Send mails to the server of ``TIDEMARK_SMTP_URL``, one per connection, so that a rejection concerns one receiver."""

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


async def send_mail(server: SmtpServer, mail: Message) -> None:
    """Send a mail. Raises :class:`~tidemark_notifier.delivery.errors.DeliveryError` unless the server accepts it."""
    sender, receiver = (parseaddr(mail[name])[1] for name in ("From", "To"))
    client = aiosmtplib.SMTP(**server._asdict(), local_hostname=socket.gethostname(), timeout=_COMMAND_TIMEOUT_SECONDS)
    try:
        await client.connect()
        await client.sendmail(sender, receiver, mail.as_bytes())
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        raise DeliveryError(describe_error(error), permanent=is_permanent(error)) from error
    finally:
        # The result is known by now; an error while disconnecting does not change it.
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
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
