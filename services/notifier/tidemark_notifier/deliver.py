"""Deliveries: leased, sent, recorded. SPEC N3.

A delivery is at-least-once: a process that dies between the other side's acceptance and the record sends it again,
with the same ``Message-ID`` or ``webhook-id``. It is never lost, and nothing else repeats it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tidemark_notifier import smtp, webhook
from tidemark_notifier.failures import NotDeliveredError
from tidemark_notifier.guard import Guard
from tidemark_notifier.judge import DELIVERED, FAILED, to_publish
from tidemark_notifier.mail import message
from tidemark_notifier.rules import Channel
from tidemark_notifier.snapshot import Addressee, Snapshot
from tidemark_shared.database import Pool, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.events import Notification

_log = get_logger()
_sql = queries("tidemark_notifier")

_PAUSE_SECONDS = 0.2
_AT_ONCE = 8
_RECORD_SECONDS = 20
_STOP_SECONDS = 3
_BACK_OFF_FACTOR = 2.5
_DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
_EVENT_COLUMNS = (
    "notification_id", "contract_id", "contract_code", "rule_id", "rule_name",
    "subject", "subject_id", "threshold", "raised_at", "channel", "receiver",
)  # fmt: skip

Send = Callable[[Any], Awaitable[None]]
"""Sends the delivery of a leased row; raises ``NotDeliveredError`` unless it was taken."""


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


def by_mail(server: smtp.Server, *, sender: str, public_url: str) -> Send:
    """The channel ``email``."""

    async def send(row: Any) -> None:
        mail = message(
            Snapshot.model_validate_json(row["snapshot"]),
            Addressee.model_validate_json(row["addressee"]),
            notification_id=row["notification_id"],
            delivery_id=row["id"],
            raised_at=row["raised_at"],
            sender=sender,
            public_url=public_url,
        )
        await smtp.send(server, mail)

    return send


def by_webhook(guard: Guard, *, public_url: str) -> Send:
    """The channel ``webhook``."""

    async def send(row: Any) -> None:
        addressee = Addressee.model_validate_json(row["addressee"])
        snapshot = Snapshot.model_validate_json(row["snapshot"])
        said = webhook.body(snapshot, _event(row), public_url=public_url)
        await webhook.post(
            guard, webhook.Call(row["id"], addressee.url or "", addressee.secret or "", said, row["leased_at"])
        )

    return send


class Deliverer:
    """Sends what is pending by one channel for ever: webhooks that hang hold up no mail.

    :meth:`run` is restarted by the frame when the database fails it.
    """

    def __init__(self, pool: Pool, channel: Channel, send: Send, patience: Patience = _PATIENCE) -> None:
        self._pool, self._channel, self._send, self._patience = pool, channel, send, patience

    async def run(self) -> None:
        """Lease and send; one that takes long holds up none but those beyond the few sent at once."""
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
                    leased = _sql.lease(connection, channel=self._channel, most=most, seconds=seconds)
                    due = [row async for row in leased]
                for row in due:
                    task = asyncio.create_task(self._deliver(row))
                    sending[task] = row["id"]
                    task.add_done_callback(sending.pop)
                if len(sending) == _AT_ONCE:
                    await asyncio.wait(sending, timeout=_PAUSE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(0 if due else _PAUSE_SECONDS)
        finally:
            # What the server has taken by now is recorded, or it would be sent again.
            if sending:
                await asyncio.wait(sending, timeout=_STOP_SECONDS)

    async def _deliver(self, row: Any) -> None:
        """One attempt and its record; never raises: without a record, the lease runs out and another tries."""
        try:
            async with asyncio.timeout(self._patience.send_seconds):
                await self._send(row)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with one is that one's error
            failure = _failure(error)
            last = failure.final or row["attempts"] >= self._patience.attempts
            record = (
                partial(self._settle, row, "failed", str(failure)) if last else partial(self._postpone, row, failure)
            )
            _log.warning(
                "not_delivered", delivery=str(row["id"]), attempts=row["attempts"], reason=str(failure), last=last
            )
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

    async def _postpone(self, row: Any, failure: NotDeliveredError) -> None:
        pause = max(self._patience.pause(row["attempts"]), failure.pause)
        async with self._pool.acquire() as connection:
            await _sql.postpone(connection, id=row["id"], attempts=row["attempts"], error=str(failure), seconds=pause)

    async def _settle(self, row: Any, status: str, reason: str | None) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            now = await _sql.settle(connection, id=row["id"], attempts=row["attempts"], status=status, error=reason)
            if now is None:
                return
            event = _event(row, reason)
            await outbox.put(connection, [to_publish(DELIVERED if status == "delivered" else FAILED, event, now)])


def _event(row: Any, error: str | None = None) -> Notification:
    return Notification(
        **{name: row[name] for name in _EVENT_COLUMNS},
        period_start=row["period_start"] and row["period_start"].isoformat(),
        delivery_id=row["id"],
        error=error,
    )


def _failure(error: Exception) -> NotDeliveredError:
    """Why it was not delivered. What is no answer of the other side is ours to mend, and so not final."""
    if isinstance(error, NotDeliveredError):
        return error
    if isinstance(error, TimeoutError):
        return NotDeliveredError("It took too long.")
    return NotDeliveredError(f"{type(error).__name__}: {error}")
