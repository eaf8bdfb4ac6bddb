"""Webhooks by the Standard Webhooks specification (standardwebhooks.com): payload, signature, attempt. SPEC 5."""

import asyncio
import base64
import hmac
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes
from uuid import UUID

import httpcore
from pydantic import BaseModel, Field, HttpUrl

from tidemark_notifier.delivery.egress import EgressPolicy, ForbiddenAddressError, PolicyBackend, extract_host
from tidemark_notifier.delivery.errors import DeliveryError
from tidemark_notifier.delivery.snapshot_text import build_contract_link, format_headline, make_safe
from tidemark_notifier.evaluation.snapshot import AccountLine, Snapshot
from tidemark_notifier.notification_events import RAISED, RESOLVED
from tidemark_notifier.rules.receivers import SECRET_PREFIX
from tidemark_shared.domain.balances import Forecast
from tidemark_shared.domain.bodies import Status
from tidemark_shared.messaging.events import NotificationChanged

_STEP_TIMEOUT_SECONDS = 10
_DRAIN_TIMEOUT_SECONDS = 1
# Less than most servers keep an idle connection, so that they seldom close one that is about to be used.
_KEEP_SECONDS = 3
_MAX_KEPT = 8
_MAX_EXCERPT_BYTES = 200
_MAX_RETRY_AFTER_SECONDS = 3600
_MIN_SECRET_BYTES = 6
_SUCCESS, _REDIRECT, _CLIENT_ERROR = range(200, 300), range(300, 400), range(400, 500)
# HTTP has whole seconds; chats send decimals as well.
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_RETRYABLE_CLIENT_ERRORS = (408, 425, 429)


class WebhookRequest(NamedTuple):
    """A webhook request. Every attempt has the same ``id`` and ``payload``; ``sent_at`` is the database's time.

    Without a ``secret`` it goes to a chat: it is not signed, and its URL is a secret that no error may show.
    """

    id: UUID
    url: str
    secret: str | None
    payload: bytes
    sent_at: datetime


class WebhookClient:
    """Sends webhooks. A connection is kept a few seconds for the next webhook to the same host.

    Redirects are not followed and proxies of the environment are not used: both would bypass ``policy``.
    """

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._pools: dict[bool, httpcore.AsyncConnectionPool] = {}

    async def send_webhook(self, request: WebhookRequest) -> None:
        """Send a webhook. Raises :class:`~tidemark_notifier.delivery.errors.DeliveryError` unless the answer is 2xx."""
        url = HttpUrl(request.url)
        target = httpcore.URL(
            scheme=url.scheme.encode(),
            host=extract_host(url).encode(),
            port=url.port,
            target=((url.path or "/") + (f"?{url.query}" if url.query else "")).encode(),
        )
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), _STEP_TIMEOUT_SECONDS)
        try:
            async with self._pool(secure=url.scheme == "https").stream(
                "POST",
                target,
                headers=_build_headers(request),
                content=request.payload,
                extensions={"timeout": timeouts},
            ) as response:
                if response.status not in _SUCCESS:
                    secret = target.target if request.secret is None else b""
                    excerpt = await _read_excerpt(response, _MAX_EXCERPT_BYTES + len(secret))
                    excerpt = redact(excerpt, secret)
                    raise build_response_error(response.status, response.headers, excerpt, request.sent_at)
                # It is accepted, whatever follows. A connection whose answer was read to its end is kept.
                with suppress(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError):
                    async with asyncio.timeout(_DRAIN_TIMEOUT_SECONDS):
                        await _read_excerpt(response, _MAX_EXCERPT_BYTES)
        except ForbiddenAddressError as error:
            raise DeliveryError(str(error), permanent=True) from error
        except httpcore.TimeoutException as error:
            raise DeliveryError("The webhook did not answer in time.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise DeliveryError(f"The webhook could not be reached: {error or type(error).__name__}") from error

    async def aclose(self) -> None:
        """Close the kept connections."""
        while self._pools:
            _, pool = self._pools.popitem()
            await pool.aclose()

    def _pool(self, *, secure: bool) -> httpcore.AsyncConnectionPool:
        if secure not in self._pools:
            self._pools[secure] = httpcore.AsyncConnectionPool(
                # The deliverer limits the attempts.
                max_connections=None,
                max_keepalive_connections=_MAX_KEPT,
                keepalive_expiry=_KEEP_SECONDS,
                network_backend=PolicyBackend(self._policy, secure=secure),
            )
        return self._pools[secure]


async def _read_excerpt(response: httpcore.Response, limit: int) -> bytes:
    """The beginning of the body; all of it, if it is short."""
    excerpt = b""
    async for part in response.aiter_stream():
        excerpt = (excerpt + part)[:limit]
        if len(excerpt) == limit:
            break
    return excerpt


def redact(excerpt: bytes, secret: bytes) -> bytes:
    """The beginning of an answer, without the parts of a secret path and query that it quotes.

    ``excerpt`` is longer than what is returned by the length of the secret: its end may have cut a part in two.
    """
    is_cut = len(excerpt) == _MAX_EXCERPT_BYTES + len(secret)
    for part in re.split(rb"[/?&=]", secret):
        if len(part) >= _MIN_SECRET_BYTES:
            excerpt = excerpt.replace(part, b"********").replace(unquote_to_bytes(part), b"********")
    return excerpt[: len(excerpt) - len(secret) if is_cut else None][:_MAX_EXCERPT_BYTES]


class WebhookFigures(BaseModel):
    """The figures in ``unit``: whole seconds, or minor units of ``currency``; null if there are none."""

    unit: Literal["seconds", "minor"]
    currency: str | None
    planned: int | None
    available: int | None = Field(description="Planned, for a contract's period plus what is carried into it.")
    consumed: int | None
    remaining: int | None
    percent: str | None = Field(description="Consumed as a percentage of available, with at most two decimals.")
    unaccounted_seconds: int | None
    forecast: Forecast | None
    accounts: tuple[AccountLine, ...]


class WebhookNotification(NotificationChanged):
    """The event of ``notifier.notifications``, with the figures at the time when it was raised."""

    kind: Literal["crossing", "reminder", "resolved", "test"]
    trigger: str = Field(description="The kind of the rule's trigger.")
    headline: str = Field(description="The subject of the mail, in short: 80 % used.")
    reason: str = Field(description="Why it was raised, in one sentence.")
    contract_name: str
    organization_name: str
    account_name: str | None
    team_name: str | None
    status: Status
    contract_end: date
    period_end: date | None
    link: str = Field(description="The page of the contract.")
    figures: WebhookFigures


class WebhookPayload(BaseModel):
    """The body of a webhook; the same at every attempt."""

    type: Literal["tidemark.notification.raised.v1", "tidemark.notification.resolved.v1"]
    timestamp: datetime = Field(description="When the notification was raised.")
    data: WebhookNotification


def build_payload(snapshot: Snapshot, event: NotificationChanged, *, public_url: str) -> bytes:
    """The body of a webhook, from the snapshot of the notification."""
    data = {
        **event.model_dump(),
        **snapshot.model_dump(include=set(WebhookNotification.model_fields) - set(NotificationChanged.model_fields)),
        "headline": format_headline(snapshot),
        "link": build_contract_link(snapshot, public_url),
        "figures": snapshot.model_dump(include=set(WebhookFigures.model_fields)),
    }
    payload = WebhookPayload.model_validate(
        {
            "type": RESOLVED if snapshot.kind == "resolved" else RAISED,
            "timestamp": event.raised_at,
            "data": make_safe(data),
        }
    )
    return payload.model_dump_json().encode()


def _build_headers(request: WebhookRequest) -> Mapping[str | bytes, str | bytes]:
    headers: dict[str | bytes, str | bytes] = {"content-type": "application/json", "user-agent": "Tidemark"}
    if request.secret is None:
        return headers
    timestamp = int(request.sent_at.timestamp())
    return {
        **headers,
        "webhook-id": str(request.id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(request.secret, str(request.id), timestamp, request.payload),
    }


def sign(secret: str, id_: str, timestamp: int, payload: bytes) -> str:
    """The signature with a secret ``whsec_…``; ``timestamp`` in seconds since 1970."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, f"{id_}.{timestamp}.".encode() + payload, "sha256")).decode()


def build_response_error(
    status: int, headers: list[tuple[bytes, bytes]], excerpt: bytes, now: datetime
) -> DeliveryError:
    """The error of an answer other than 2xx. 4xx is permanent except for 408, 425 and 429."""
    text = excerpt.decode(errors="replace").strip()
    detail = ": redirects are not followed" if status in _REDIRECT else f": {text}" if text else ""
    return DeliveryError(
        f"The webhook answered {status}{detail}",
        permanent=status in _CLIENT_ERROR and status not in _RETRYABLE_CLIENT_ERRORS,
        retry_after_seconds=parse_retry_after(headers, now),
    )


def parse_retry_after(headers: list[tuple[bytes, bytes]], now: datetime) -> float:
    """The seconds of ``Retry-After``, from 0 to an hour; 0 if it is absent or malformed."""
    text = next((value.decode("latin-1") for name, value in headers if name.lower() == b"retry-after"), "")
    seconds = 0.0
    if _SECONDS.fullmatch(text):
        seconds = float(text[:9])
    else:
        with suppress(ValueError, TypeError):
            seconds = (parsedate_to_datetime(text) - now).total_seconds()
    return min(max(seconds, 0), _MAX_RETRY_AFTER_SECONDS)
