"""Signatures of webhooks. Compared in constant time."""

import hashlib
import hmac
from datetime import datetime, timedelta

from tidemark_intake.facts import Delivery
from tidemark_intake.trackers import DeliveryError

# Trackers repeat a delivery for hours at most. The ids of deliveries are kept for longer than this.
MAX_DELIVERY_AGE = timedelta(days=7)


def sign(secret: str, body: bytes) -> str:
    """The HMAC-SHA-256 over the raw body, in hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def require_secret(secret: str | None) -> str:
    """``secret``, which signs the deliveries of a source."""
    if secret is None:
        raise DeliveryError("The source has no webhook_secret, so no webhook can be trusted.")
    return secret


def check_hmac(secret: str, body: bytes, signature: str) -> None:
    """Check a signature by :func:`sign`, with or without ``sha256=`` before it."""
    if not hmac.compare_digest(sign(secret, body).encode(), signature.removeprefix("sha256=").encode()):
        raise DeliveryError("The signature is not valid.")


def check_token(secret: str, token: str) -> None:
    """Check a fixed token."""
    if not hmac.compare_digest(secret.encode(), token.encode()):
        raise DeliveryError("The token is not valid.")


def check_age(delivery: Delivery, now: datetime) -> None:
    """Refuse a delivery that was sent long ago: somebody replays it."""
    if delivery.sent_at and delivery.sent_at < now - MAX_DELIVERY_AGE:
        raise DeliveryError(f"The delivery was sent on {delivery.sent_at:%Y-%m-%d}: it is a replay.")
