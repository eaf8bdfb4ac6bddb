"""Webhooks, signed as Standard Webhooks say (standardwebhooks.com): the body, its signature, the attempt. SPEC 5."""

import base64
import hmac
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple
from uuid import UUID

import httpcore
from pydantic import BaseModel, Field, HttpUrl

from tidemark_notifier.failures import NotDeliveredError
from tidemark_notifier.guard import ForbiddenAddressError, Guard, GuardedBackend, host_of
from tidemark_notifier.mail import headline, link
from tidemark_notifier.rules import SECRET_PREFIX
from tidemark_notifier.snapshot import Line, Snapshot
from tidemark_shared.domain.bodies import Forecast, Status
from tidemark_shared.messaging.events import NOTIFICATION_EVENTS, Notification

RAISED, _, _, RESOLVED = NOTIFICATION_EVENTS
_STEP_SECONDS = 10
_MOST_EXCERPT = 200
_LONGEST_PAUSE_SECONDS = 3600
_OK, _REDIRECT, _CLIENT = range(200, 300), range(300, 400), range(400, 500)
_AGAIN = (408, 425, 429)


class Call(NamedTuple):
    """A webhook to call: the same ``id`` and ``body`` at every attempt, the time of this one (by the database)."""

    id: UUID
    url: str
    secret: str
    body: bytes
    at: datetime


async def post(guard: Guard, call: Call) -> None:
    """Call a webhook; raises :class:`~tidemark_notifier.failures.NotDeliveredError` unless it answers with 2xx.

    Neither a proxy of the environment nor a redirect is followed: both would lead past ``guard``.
    """
    url = HttpUrl(call.url)
    backend = GuardedBackend(guard, secure=url.scheme == "https")
    target = httpcore.URL(
        scheme=url.scheme.encode(),
        host=host_of(url).encode(),
        port=url.port,
        target=((url.path or "/") + (f"?{url.query}" if url.query else "")).encode(),
    )
    steps = dict.fromkeys(("connect", "read", "write", "pool"), _STEP_SECONDS)
    try:
        async with (
            httpcore.AsyncConnectionPool(network_backend=backend) as pool,
            pool.stream(
                "POST", target, headers=_headers(call), content=call.body, extensions={"timeout": steps}
            ) as answer,
        ):
            if answer.status not in _OK:
                excerpt = b""
                async for part in answer.aiter_stream():
                    excerpt = (excerpt + part)[:_MOST_EXCERPT]
                    if len(excerpt) == _MOST_EXCERPT:
                        break
                raise refusal(answer.status, answer.headers, excerpt, call.at)
    except ForbiddenAddressError as error:
        raise NotDeliveredError(str(error), final=True) from error
    except httpcore.TimeoutException as error:
        raise NotDeliveredError("The webhook did not answer in time.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        raise NotDeliveredError(f"The webhook was not reached: {error or type(error).__name__}") from error


class Figures(BaseModel):
    """What was seen, in ``unit``: whole seconds, or minor units of ``currency``; null where there is none."""

    unit: Literal["seconds", "minor"]
    currency: str | None
    planned: int | None
    available: int | None = Field(description="Planned, and for a contract's period what is carried into it.")
    consumed: int | None
    remaining: int | None
    percent: str | None = Field(description="Consumed of available, with at most two decimals.")
    unaccounted_seconds: int | None
    forecast: Forecast | None
    accounts: tuple[Line, ...]


class Told(Notification):
    """The event of ``notifier.notifications``, with what was seen when it was raised."""

    occasion: Literal["crossing", "reminder", "resolved", "test"]
    trigger: str = Field(description="The kind of the rule's trigger.")
    headline: str = Field(description="The subject of the mail, in short: 80 % used.")
    reason: str = Field(description="Why, in one sentence.")
    contract_name: str
    organization_name: str
    account_name: str | None
    team_name: str | None
    status: Status
    contract_end: date
    period_end: date | None
    link: str = Field(description="The page of the contract.")
    figures: Figures


class Webhook(BaseModel):
    """What a webhook is sent: the same at every attempt."""

    type: Literal["tidemark.notification.raised.v1", "tidemark.notification.resolved.v1"]
    timestamp: datetime = Field(description="When it was raised.")
    data: Told


def body(snapshot: Snapshot, event: Notification, *, public_url: str) -> bytes:
    """The body of a webhook, from what was frozen when the notification was raised."""
    told = {
        **event.model_dump(),
        **snapshot.model_dump(include=set(Told.model_fields) - set(Notification.model_fields)),
        "headline": headline(snapshot),
        "link": link(snapshot, public_url),
        "figures": snapshot.model_dump(include=set(Figures.model_fields)),
    }
    sent = Webhook.model_validate(
        {
            "type": RESOLVED if snapshot.occasion == "resolved" else RAISED,
            "timestamp": event.raised_at,
            "data": told,
        }
    )
    return sent.model_dump_json().encode()


def _headers(call: Call) -> Mapping[str | bytes, str | bytes]:
    timestamp = int(call.at.timestamp())
    return {
        "content-type": "application/json",
        "user-agent": "Tidemark",
        "webhook-id": str(call.id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(call.secret, str(call.id), timestamp, call.body),
    }


def signature(secret: str, id_: str, timestamp: int, body: bytes) -> str:
    """The signature of a message by a secret ``whsec_…``; ``timestamp`` in seconds since 1970."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, "sha256")).decode()


def refusal(status: int, headers: list[tuple[bytes, bytes]], excerpt: bytes, now: datetime) -> NotDeliveredError:
    """What an answer other than 2xx means: 4xx is final but for 408, 425 and 429; the rest may pass."""
    said = " ".join(excerpt.decode(errors="replace").split())
    redirect = ": redirects are not followed" if status in _REDIRECT else f": {said}" if said else ""
    return NotDeliveredError(
        f"The webhook answered {status}{redirect}",
        final=status in _CLIENT and status not in _AGAIN,
        pause=pause_asked(headers, now),
    )


def pause_asked(headers: list[tuple[bytes, bytes]], now: datetime) -> float:
    """Seconds that ``Retry-After`` asks for, from 0 to an hour; 0 where it asks nothing that can be read."""
    said = next((value.decode("latin-1") for name, value in headers if name.lower() == b"retry-after"), "")
    seconds = 0.0
    if said.isdecimal() and said.isascii():
        seconds = float(int(said[:9]))
    else:
        with suppress(ValueError, TypeError):
            seconds = (parsedate_to_datetime(said) - now).total_seconds()
    return min(max(seconds, 0), _LONGEST_PAUSE_SECONDS)
