"""Signed tokens (SPEC 4 and 7), which each service can verify alone. Pure.

Three kinds, none of which is accepted in place of another: bearer tokens of the API, with a name and a role; links for
customers; and the sessions that web opens for a link.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID, uuid4

import jwt
from jwt.types import Options

UserRole = Literal["viewer", "publisher", "manager", "admin"]
"""The roles that tokens for people and programs can have."""
Role = Literal["customer", UserRole]
"""``customer`` is the lowest: web acts with it for a link, in one organization."""
ROLES: tuple[Role, ...] = get_args(Role)
MAIL_LINK_VERSION = 5
"""The version of the UUID of a link in a mail, which is derived from its message: only such a link may be unknown."""
MAIL_LINK_VERSION = 5
"""The version of the UUID of a link in a mail, which is derived from its message: only such a link may be unknown."""
LinkAudience = Literal["tidemark:customer-link", "tidemark:customer-session"]
_ALGORITHM = "HS256"
# `iat` is informative only (RFC 7519, 4.1.6): the clock of the token's issuer may be ahead of ours.
_OPTIONS: Options = {"require": ["sub", "role", "jti"], "verify_iat": False}
_LINK_OPTIONS: Options = {"require": ["aud", "jti", "org", "iat", "exp"], "verify_iat": False}


class Actor(NamedTuple):
    """The caller of a request. Each role includes those before it in :data:`ROLES`."""

    name: str
    role: Role
    organization_id: UUID | None = None
    """What a customer is limited to; None for every other role."""

    def has_role(self, role: Role) -> bool:
        """Whether the actor has ``role`` or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)


class VerifiedToken(NamedTuple):
    """The content of a token with a valid signature."""

    id: str
    actor: Actor
    expires: datetime | None = None


class CustomerLink(NamedTuple):
    """What a link for a customer shows: one organization. Times count in whole seconds."""

    id: UUID
    organization_id: UUID
    issued_at: datetime
    expires_at: datetime


class InvalidTokenError(Exception):
    """The token is not valid or has expired; the text says which."""


class InvalidLinkError(Exception):
    """The link is not complete, or somebody has changed it."""


class ExpiredLinkError(Exception):
    """The link was valid until it expired."""


def issue_token(
    secret: str,
    name: str,
    role: Role,
    *,
    now: datetime,
    expires: datetime | None = None,
    id_: str | None = None,
    organization_id: UUID | None = None,
) -> str:
    """Issue a token. ``name`` is the actor in every history; the token can be revoked by ``id_``.

    A customer has an ``organization_id``, and nobody else has.
    """
    claims: dict[str, object] = {"sub": name, "role": role, "jti": id_ or str(uuid4()), "iat": now}
    if organization_id:
        claims["org"] = str(organization_id)
    if expires:
        claims["exp"] = expires
    return jwt.encode(claims, secret, _ALGORITHM)


def verify_token(secret: str, token: str) -> VerifiedToken:
    """Verify signature and expiry, but not revocation. Raises :class:`InvalidTokenError`."""
    try:
        claims = jwt.decode(token, secret, [_ALGORITHM], options=_OPTIONS)
    except jwt.ExpiredSignatureError:
        raise InvalidTokenError("The token has expired. Make a new one with `tidemark token create`.") from None
    except (jwt.InvalidTokenError, UnicodeEncodeError):
        raise InvalidTokenError("The token is not valid here. Make one with `tidemark token create`.") from None
    if claims["role"] not in ROLES:
        raise InvalidTokenError("The token has an unknown role. Make a new one with `tidemark token create`.")
    organization_id = _uuid(claims, "org")
    if (claims["role"] == "customer") != (organization_id is not None):
        raise InvalidTokenError("The token is not valid here. A customer, and nobody else, has an organization.")
    expires = datetime.fromtimestamp(claims["exp"], UTC) if "exp" in claims else None
    return VerifiedToken(claims["jti"], Actor(claims["sub"], claims["role"], organization_id), expires)


def issue_link(secret: str, link: CustomerLink, audience: LinkAudience = "tidemark:customer-link") -> str:
    """The token of a link, or of a session. The same link always gives the same text."""
    claims = {
        "aud": audience,
        "jti": str(link.id),
        "org": str(link.organization_id),
        "iat": link.issued_at,
        "exp": link.expires_at,
    }
    return jwt.encode(claims, secret, _ALGORITHM)


def verify_link(secret: str, token: str, audience: LinkAudience = "tidemark:customer-link") -> CustomerLink:
    """Verify signature, kind and expiry, but not revocation.

    Raises :class:`InvalidLinkError` and :class:`ExpiredLinkError`.
    """
    try:
        claims = jwt.decode(token, secret, [_ALGORITHM], audience=audience, options=_LINK_OPTIONS)
        issued_at, expires_at = (datetime.fromtimestamp(claims[name], UTC) for name in ("iat", "exp"))
    except jwt.ExpiredSignatureError:
        raise ExpiredLinkError from None
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError):
        raise InvalidLinkError from None
    id_, organization_id = _uuid(claims, "jti"), _uuid(claims, "org")
    if id_ is None or organization_id is None:
        raise InvalidLinkError
    return CustomerLink(id_, organization_id, issued_at, expires_at)


def _uuid(claims: Mapping[str, Any], name: str) -> UUID | None:
    try:
        return UUID(claims[name])
    except (KeyError, AttributeError, TypeError, ValueError):
        return None
