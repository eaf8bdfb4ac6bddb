"""Deliveries: leased, sent, recorded. SPEC N3.

A mail is at-least-once: a process that dies between the server's acceptance and the record sends it again, with
the same ``Message-ID``. It is never lost, and nothing else repeats it.
"""

import asyncio
import contextlib
import random
import socket
from email.message import Message
from email.utils import parseaddr
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib
import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tidemark_notifier.judge import DELIVERED, FAILED, to_publish
from tidemark_notifier.mail import message
from tidemark_notifier.snapshot import Addressee, Snapshot
from tidemark_shared import events, outbox
from tidemark_shared.database import Pool, queries
from tidemark_shared.log import get_logger

_log = get_logger()
_sql = queries("tidemark_notifier")

_PAUSE_SECONDS = 0.2
_AT_ONCE = 8
_RECORD_SECONDS = 20
_STOP_SECONDS = 3
_BACK_OFF_FACTOR = 2.5
_FAREWELL_SECONDS = 1
_DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
_PERMANENT = 500
_LOG_IN_FIRST = (530, 534, 535, 538)  # RFC 4954, 6
_EVENT_COLUMNS = (
    "notification_id", "contract_id", "contract_code", "rule_id", "rule_name",
    "subject", "subject_id", "threshold", "raised_at", "channel", "receiver",
)  # fmt: skip


class Patience(NamedTuple):
    """How long an attempt may take and how the next ones are spaced: ten of them fill about two hours."""

    attempts: int = 10
    send_seconds: float = 60
    lease_seconds: float = 15
    first_pause_seconds: float = 3

    def pause(self, attempts: int) -> float:
        """Seconds to wait after so many attempts: growing, and spread so that many do not come back at once."""
        return self.first_pause_seconds * _BACK_OFF_FACTOR ** (attempts - 1) * random.uniform(0.7, 1.3)  # noqa: S311


_PATIENCE = Patience()


class Server(NamedTuple):
    """The mail server of ``TIDEMARK_SMTP_URL``."""

    hostname: str
    port: int
    username: str | None
    password: str | None
    use_tls: bool

    @classmethod
    def at(cls, url: str) -> "Server":
        """From ``smtp://[user:password@]host:port``; ``smtps://`` speaks TLS from the start."""
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
        )


class Deliverer:
    """Sends what is pending for ever; :meth:`run` is restarted by the frame when the database fails it."""

    def __init__(
        self, pool: Pool, server: Server, *, sender: str, public_url: str, patience: Patience = _PATIENCE
    ) -> None:
        self._pool, self._server = pool, server
        self._sender, self._public_url, self._patience = sender, public_url, patience

    async def run(self) -> None:
        """Lease and send; a mail that takes long holds up none but those beyond the few sent at once."""
        sending: dict[asyncio.Task[None], UUID] = {}
        renewed_at = asyncio.get_running_loop().time()
        try:
            while True:
                async with self._pool.acquire() as connection:
                    # A lease is short, so that another soon takes over from a process that died, and renewed
                    # while the attempt lasts.
                    seconds, now = self._patience.lease_seconds, asyncio.get_running_loop().time()
                    if sending and now - renewed_at > seconds / 3:
                        await _sql.renew(connection, ids=list(sending.values()), seconds=seconds)
                        renewed_at = now
                    most = _AT_ONCE - len(sending)
                    due = [row async for row in _sql.lease(connection, most=most, seconds=seconds)]
                for row in due:
                    task = asyncio.create_task(self._deliver(row))
                    sending[task] = row["id"]
                    task.add_done_callback(sending.pop)
                await asyncio.sleep(0 if due else _PAUSE_SECONDS)
        finally:
            # What the server has taken by now is recorded, or it would be sent again.
            if sending:
                await asyncio.wait(sending, timeout=_STOP_SECONDS)

    async def _deliver(self, row: Any) -> None:
        """One attempt and its record; never raises: without a record, the lease runs out and another tries."""
        try:
            await self._send(self._mail(row))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with one mail is that mail's error
            failure = describe(error)
            last = is_permanent(error) or row["attempts"] >= self._patience.attempts
            record = partial(self._settle, row, "failed", failure) if last else partial(self._postpone, row, failure)
            _log.warning("not_delivered", delivery=str(row["id"]), attempts=row["attempts"], reason=failure, last=last)
        else:
            record = partial(self._settle, row, "delivered", None)
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_delay(_RECORD_SECONDS),
                wait=wait_random_exponential(multiplier=0.1, max=1),
                retry=retry_if_exception_type(_DATABASE_ERRORS),
                reraise=True,
            ):
                with attempt:
                    await record()
        except _DATABASE_ERRORS as error:
            _log.error("not_recorded", delivery=str(row["id"]), error=repr(error))

    def _mail(self, row: Any) -> Message:
        return message(
            Snapshot.model_validate_json(row["snapshot"]),
            Addressee.model_validate_json(row["addressee"]),
            notification_id=row["notification_id"],
            delivery_id=row["id"],
            raised_at=row["raised_at"],
            sender=self._sender,
            public_url=self._public_url,
        )

    async def _send(self, mail: Message) -> None:
        sender, receiver = (parseaddr(mail[name])[1] for name in ("From", "To"))
        client = aiosmtplib.SMTP(**self._server._asdict(), local_hostname=socket.gethostname())
        try:
            async with asyncio.timeout(self._patience.send_seconds):
                await client.connect()
                await client.sendmail(sender, receiver, mail.as_bytes())
        finally:
            # The server has taken the mail or not; how it says goodbye changes nothing.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await client.quit()
            client.close()

    async def _postpone(self, row: Any, reason: str) -> None:
        pause = self._patience.pause(row["attempts"])
        async with self._pool.acquire() as connection:
            await _sql.postpone(connection, id=row["id"], attempts=row["attempts"], error=reason, seconds=pause)

    async def _settle(self, row: Any, status: str, reason: str | None) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            now = await _sql.settle(connection, id=row["id"], attempts=row["attempts"], status=status, error=reason)
            if now is None:
                return
            event = events.Notification(
                **{name: row[name] for name in _EVENT_COLUMNS},
                period_start=row["period_start"] and row["period_start"].isoformat(),
                delivery_id=row["id"],
                error=reason,
            )
            await outbox.put(connection, [to_publish(DELIVERED if status == "delivered" else FAILED, event, now)])


def is_permanent(error: BaseException) -> bool:
    """Whether trying again cannot help: the server refuses this sender, receiver or mail for good.

    A refusal to greet us or to log us in says nothing of the mail: someone will mend that.
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
    if isinstance(error, TimeoutError) and not str(error):
        return "The mail server did not answer in time."
    return f"{type(error).__name__}: {error}"
