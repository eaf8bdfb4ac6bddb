"""Links for people who have no token: signed, good for one thing, and expiring (SPEC 7, 10). Pure.

A link opens a page with its signed part behind a ``#``, so that no server and no proxy logs it. No kind of link is
accepted in place of another, nor in place of a bearer token, which has no audience.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import jwt
from jwt.types import Options

CustomerAudience = Literal["tidemark:customer-link", "tidemark:customer-session"]
"""A link for a customer, and the session that web opens for it."""
MAIL_LINK_VERSION = 5
"""The version of the UUID of a link in a mail, which is derived from its message: only such a link may be unknown."""

_OFFER_AUDIENCE = "tidemark:offer-link"
_ALGORITHM = "HS256"
_CUSTOMER_CLAIMS = ("jti", "org", "iat", "exp")
_OFFER_CLAIMS = ("sub", "exp")


class CustomerLink(NamedTuple):
    """What a link for a customer shows: one organization. Times count in whole seconds."""

    id: UUID
    organization_id: UUID
    issued_at: datetime
    expires_at: datetime


class OfferLink(NamedTuple):
    """The offer that a link answers, and whom it was sent to."""

    offer_id: UUID
    email: str | None
    expires_at: datetime


class LinkError(Exception):
    """The link cannot be used."""


class InvalidLinkError(LinkError):
    """The link is not complete, or somebody has changed it."""


class WrongAudienceError(InvalidLinkError):
    """The token is signed here, but good for something else."""


class ExpiredLinkError(LinkError):
    """The link was valid until it expired."""


def issue_customer_link(secret: str, link: CustomerLink, audience: CustomerAudience = "tidemark:customer-link") -> str:
    """The signed part of a link, or a session. The same link always gives the same text."""
    claims = {
        "aud": audience,
        "jti": str(link.id),
        "org": str(link.organization_id),
        "iat": link.issued_at,
        "exp": link.expires_at,
    }
    return jwt.encode(claims, secret, _ALGORITHM)


def verify_customer_link(
    secret: str, token: str, audience: CustomerAudience = "tidemark:customer-link"
) -> CustomerLink:
    """Verify signature, kind and expiry, but not revocation. Raises a :class:`LinkError`."""
    claims = _verify(secret, token, audience, _CUSTOMER_CLAIMS)
    return CustomerLink(_uuid(claims, "jti"), _uuid(claims, "org"), _instant(claims, "iat"), _instant(claims, "exp"))


def build_offer_url(
    public_url: str, secret: str, offer_id: UUID, *, valid_until: datetime, email: str | None = None
) -> str:
    """The address at which a customer's contact reads and answers an offer, until it expires."""
    token = issue_offer_link(secret, OfferLink(offer_id, email, valid_until))
    return f"{public_url.rstrip('/')}/offer#{token}"


def issue_offer_link(secret: str, link: OfferLink) -> str:
    """The signed part of a link. The same link always gives the same text, so that a mail can be sent again."""
    claims = {"aud": _OFFER_AUDIENCE, "sub": str(link.offer_id), "exp": link.expires_at}
    return jwt.encode(claims | ({"email": link.email} if link.email else {}), secret, _ALGORITHM)


def verify_offer_link(secret: str, token: str) -> OfferLink:
    """Verify signature, kind and expiry. Raises a :class:`LinkError`."""
    claims = _verify(secret, token, _OFFER_AUDIENCE, _OFFER_CLAIMS)
    return OfferLink(_uuid(claims, "sub"), claims.get("email"), _instant(claims, "exp"))


def _verify(secret: str, token: str, audience: str, required: tuple[str, ...]) -> Mapping[str, Any]:
    # `iat` is informative only (RFC 7519, 4.1.6): the clock of the issuer may be ahead of ours.
    options: Options = {"require": ["aud", *required], "verify_iat": False}
    try:
        return jwt.decode(token, secret, [_ALGORITHM], audience=audience, options=options)
    except jwt.ExpiredSignatureError:
        raise ExpiredLinkError from None
    except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError):
        raise WrongAudienceError from None
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError):
        raise InvalidLinkError from None


def _uuid(claims: Mapping[str, Any], name: str) -> UUID:
    try:
        return UUID(claims[name])
    except (AttributeError, TypeError, ValueError):
        raise InvalidLinkError from None


def _instant(claims: Mapping[str, Any], name: str) -> datetime:
    try:
        return datetime.fromtimestamp(claims[name], UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise InvalidLinkError from None
