"""Links for people who have no token: signed, good for one thing, and expiring (SPEC 10).

A link opens a page with the signed part behind a ``#``, so that no server and no proxy logs it.
"""

from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

import jwt
from jwt.types import Options

Audience = Literal["offer"]
"""What a link is good for. A bearer token has no audience, so neither is accepted as the other."""

_ALGORITHM = "HS256"
_OPTIONS: Options = {"require": ["sub", "aud", "exp"]}


class Link(NamedTuple):
    """The content of a link with a valid signature: what it is about, and whom it was sent to."""

    subject: UUID
    email: str | None
    expires: datetime


class InvalidLinkError(Exception):
    """The link was not made here, or it is damaged."""


class WrongAudienceError(InvalidLinkError):
    """The token is signed here, but good for something else."""


class ExpiredLinkError(InvalidLinkError):
    """The link was good until a time that has passed."""


def issue_link(secret: str, audience: Audience, subject: UUID, *, expires: datetime, email: str | None = None) -> str:
    """The signed part of a link. The same arguments make the same link, so that a mail can be sent again."""
    claims = {"aud": audience, "sub": str(subject), "exp": expires, **({"email": email} if email else {})}
    return jwt.encode(claims, secret, _ALGORITHM)


def verify_link(secret: str, audience: Audience, token: str) -> Link:
    """Verify signature, audience and expiry. Raises :class:`InvalidLinkError` or a narrower error."""
    try:
        claims = jwt.decode(token, secret, [_ALGORITHM], audience=audience, options=_OPTIONS)
        return Link(UUID(claims["sub"]), claims.get("email"), datetime.fromtimestamp(claims["exp"], UTC))
    except jwt.ExpiredSignatureError:
        raise ExpiredLinkError from None
    except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError):
        raise WrongAudienceError from None
    except (jwt.InvalidTokenError, ValueError):
        raise InvalidLinkError from None


def build_offer_url(
    public_url: str, secret: str, offer_id: UUID, *, valid_until: datetime, email: str | None = None
) -> str:
    """The address at which a customer's contact reads and answers an offer, until it expires."""
    token = issue_link(secret, "offer", offer_id, expires=valid_until, email=email)
    return f"{public_url.rstrip('/')}/offer#{token}"
