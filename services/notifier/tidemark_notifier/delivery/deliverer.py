"""Lease messages, send them, and record the result. SPEC N3.

A message is a webhook, or a mail with all deliveries that one evaluation raised for one contract and receiver. Its
deliveries are leased together, and end together. Delivery is at least once: if the process dies after the receiver has
accepted and before that is recorded, the next attempt sends the same ``Message-ID`` or ``webhook-id`` again. Nothing
else repeats a delivery, and none is lost.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tidemark_notifier.database.query_types import LeaseDeliveriesRow, NotifierQueries
from tidemark_notifier.delivery.bulkheads import MAX_PER_HOST, Bulkheads
from tidemark_notifier.delivery.errors import DeliveryError
from tidemark_notifier.delivery.retries import RetryPolicy
from tidemark_notifier.delivery.senders import Sender, build_event
from tidemark_notifier.notification_events import DELIVERED, FAILED, build_notification_record
from tidemark_notifier.rules.receivers import Channel
from tidemark_shared import metrics, tracing
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.log import get_logger
from tidemark_shared.messaging import outbox

_log = get_logger()
_sql: NotifierQueries = queries("tidemark_notifier")

_ATTEMPTS = metrics.counter(
    "tidemark_delivery_attempts_total",
    "Attempts to deliver a message, by `channel` and `outcome`: `delivered`, `postponed` (another attempt follows), "
    "`failed` (none follows).",
    "channel",
    "outcome",
)
_DELIVERY_SECONDS = metrics.histogram(
    "tidemark_delivery_age_seconds",
    "Time from the moment that a notification was raised to the moment that its receiver accepted it.",
    "channel",
    buckets=metrics.DELAYS,
)

_POLL_SECONDS = 0.2
_RECORD_TIMEOUT_SECONDS = 20
_STOP_TIMEOUT_SECONDS = 3
# A channel that delivers nothing for longer makes the service not ready.
_MAX_DELAY_SECONDS = 60.0
_DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


_DEFAULT_RETRY_POLICY = RetryPolicy()

Message = Sequence[LeaseDeliveriesRow]
"""The leased rows of one message; the first has its id."""


class Deliverer:
    """Sends the pending deliveries of one channel. Each channel has its own, so slow webhooks do not delay mails."""

    def __init__(
        self, pool: Pool, channel: Channel, sender: Sender, retry_policy: RetryPolicy = _DEFAULT_RETRY_POLICY
    ) -> None:
        self._pool, self._channel, self._sender, self._retry_policy = pool, channel, sender, retry_policy
        self._leased_at = time.monotonic()
        self._unavailable_since: float | None = None

    async def run(self) -> None:
        """Lease and send until cancelled. The service runtime restarts it after a database error."""
        bulkheads = Bulkheads()
        sending: dict[asyncio.Task[None], UUID] = {}
        renewed_at = asyncio.get_running_loop().time()
        try:
            while True:
                async with self._pool.acquire() as connection:
                    # A lease is short, so that another process soon takes over from one that died. It is renewed
                    # while the attempt lasts.
                    lease_seconds, now = self._retry_policy.lease_seconds, asyncio.get_running_loop().time()
                    if sending and now - renewed_at > lease_seconds / 3:
                        message_ids = list(sending.values())
                        await _sql.renew_leases(connection, message_ids=message_ids, lease_seconds=lease_seconds)
                        renewed_at = now
                    messages = await self._lease(connection, bulkheads)
                for message in messages:
                    bulkheads.enter(message[0]["host"], message[0]["receiver"])
                    task = asyncio.create_task(self._deliver(message, bulkheads))
                    sending[task] = message[0]["message_id"]
                    task.add_done_callback(sending.pop)
                if sending and (not messages or not bulkheads.free):
                    await asyncio.wait(sending, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(0 if messages else _POLL_SECONDS)
        finally:
            # Record what the receivers have accepted by now; otherwise it would be sent again.
            if sending:
                await asyncio.wait(sending, timeout=_STOP_TIMEOUT_SECONDS)
            await self._sender.aclose()

    async def find_problems(self, connection: Connection) -> list[str]:
        """What keeps the channel from delivering, for ``/readyz``; not what keeps a single receiver from it."""
        since = min(self._leased_at, self._unavailable_since or self._leased_at)
        seconds = time.monotonic() - since
        row = await _sql.oldest_delivery(connection, channel=self._channel) if seconds > _MAX_DELAY_SECONDS else None
        if row is None:
            return []
        reason = f" {row['last_error']}." if self._unavailable_since and row["last_error"] else ""
        remedy = (
            "Check TIDEMARK_SMTP_URL and the mail server; the next attempt follows automatically."
            if self._unavailable_since
            else "The log of this service has the reason as task_restarted."
        )
        delivery = f"Delivery {row['id']} of contract {row['contract_code']} waits longest."
        return [f"Nothing was delivered by {self._channel} for {seconds:.0f} s. {delivery}{reason} {remedy}"]

    async def _lease(self, connection: Connection, bulkheads: Bulkheads) -> list[Message]:
        hosts, receivers = bulkheads.free_by_host, bulkheads.free_by_receiver
        leased = _sql.lease_deliveries(
            connection,
            channel=self._channel,
            max_count=bulkheads.free,
            max_per_host=MAX_PER_HOST,
            hosts=list(hosts),
            host_places=list(hosts.values()),
            receivers=list(receivers),
            receiver_places=list(receivers.values()),
            lease_seconds=self._retry_policy.lease_seconds,
        )
        messages: defaultdict[UUID, list[LeaseDeliveriesRow]] = defaultdict(list)
        # The first row has the receiver by which the places are counted.
        for row in sorted([row async for row in leased], key=lambda row: row["id"] != row["message_id"]):
            messages[row["message_id"]].append(row)
        self._leased_at = time.monotonic()
        return list(messages.values())

    async def _deliver(self, message: Message, bulkheads: Bulkheads) -> None:
        causes = [row["traceparent"] for row in message]
        with tracing.span(f"deliver {self._channel}", "client", causes, tidemark__attempts=message[0]["attempts"]):
            await self._deliver_traced(message, bulkheads)

    async def _deliver_traced(self, message: Message, bulkheads: Bulkheads) -> None:
        """One attempt and its record. Never raises: without a record the lease ends and another attempt follows."""
        row, error = message[0], await self._attempt(message)
        if error is None or not error.unavailable:
            self._unavailable_since = None
        elif self._unavailable_since is None:
            self._unavailable_since = time.monotonic()
        bulkheads.leave(row["host"], row["receiver"], is_accepted=error is None)
        record, outcome = partial(self._finish, message, "delivered", None), "delivered"
        if error is not None:
            delay_seconds = self._retry_policy.next_delay_seconds(row["attempts"], error, random.random())  # noqa: S311
            if delay_seconds is None:
                record, outcome = partial(self._finish, message, "failed", str(error)), "failed"
            else:
                record, outcome = partial(self._postpone, row, str(error), delay_seconds), "postponed"
            _log.warning(
                "delivery_attempt_failed",
                message=str(row["message_id"]),
                attempts=row["attempts"],
                reason=str(error),
                is_final=delay_seconds is None,
            )
        _ATTEMPTS.labels(self._channel, outcome).inc()
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_delay(_RECORD_TIMEOUT_SECONDS),
                wait=wait_random_exponential(multiplier=0.1, max=1),
                retry=retry_if_exception_type(_DATABASE_ERRORS),
                reraise=True,
            ):
                with attempt:
                    await record()
        except Exception as failure:  # noqa: BLE001 - the lease ends, and the number of attempts is limited
            _log.error("delivery_result_not_recorded", message=str(row["message_id"]), error=repr(failure))

    async def _attempt(self, message: Message) -> DeliveryError | None:
        """Send, and return why that failed; None if the receiver has accepted."""
        if not self._retry_policy.may_attempt(message[0]["attempts"]):
            return DeliveryError("The results of the last attempts could not be recorded. The notifier's log has more.")
        try:
            async with asyncio.timeout(self._retry_policy.attempt_timeout_seconds):
                await self._sender.send(message)
        except Exception as exception:  # noqa: BLE001 - any error of one delivery concerns this delivery alone
            return _to_delivery_error(exception)
        return None

    async def _postpone(self, row: LeaseDeliveriesRow, reason: str, delay_seconds: float) -> None:
        async with self._pool.acquire() as connection:
            await _sql.postpone_message(
                connection,
                message_id=row["message_id"],
                attempts=row["attempts"],
                error=reason,
                delay_seconds=delay_seconds,
            )

    async def _finish(self, message: Message, status: str, reason: str | None) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            rows = _sql.finish_message(
                connection,
                message_id=message[0]["message_id"],
                attempts=message[0]["attempts"],
                status=status,
                error=reason,
            )
            finished_at = {row["id"]: row["finished_at"] async for row in rows}
            if status == "delivered":
                for row in message:
                    age = finished_at.get(row["id"], row["leased_at"]) - row["raised_at"]
                    _DELIVERY_SECONDS.labels(self._channel).observe(max(age.total_seconds(), 0), tracing.exemplar())
            type_ = DELIVERED if status == "delivered" else FAILED
            records = [
                build_notification_record(type_, build_event(row, reason), finished_at[row["id"]])
                for row in message
                if row["id"] in finished_at
            ]
            await outbox.write_outbox(connection, records)


def _to_delivery_error(exception: Exception) -> DeliveryError:
    """Any error of an attempt. Only a response of the receiver can be permanent; other errors may be fixed here."""
    if isinstance(exception, DeliveryError):
        return exception
    if isinstance(exception, TimeoutError):
        return DeliveryError("The attempt timed out.")
    return DeliveryError(f"{type(exception).__name__}: {exception}")
