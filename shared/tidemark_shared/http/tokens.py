"""Signed bearer tokens with a name and a role (SPEC 4), which each service can verify alone. Pure."""

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
_ALGORITHM = "HS256"
# `iat` is informative only (RFC 7519, 4.1.6): the clock of the token's issuer may be ahead of ours.
_OPTIONS: Options = {"require": ["sub", "role", "jti"], "verify_iat": False}


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


class InvalidTokenError(Exception):
    """The token is not valid or has expired; the text says which."""


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
        raise InvalidTokenError(
            "The token is not valid here. A token has an organization if its role is customer, and only then."
        )
    expires = datetime.fromtimestamp(claims["exp"], UTC) if "exp" in claims else None
    return VerifiedToken(claims["jti"], Actor(claims["sub"], claims["role"], organization_id), expires)


def _uuid(claims: Mapping[str, Any], name: str) -> UUID | None:
    try:
        return UUID(claims[name])
    except (KeyError, AttributeError, TypeError, ValueError):
        return None
