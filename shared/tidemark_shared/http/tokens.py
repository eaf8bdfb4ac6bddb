"""Signed bearer tokens with a name and a role (SPEC 4), which each service can verify alone."""

from datetime import UTC, datetime
from typing import Literal, NamedTuple, get_args
from uuid import uuid4

import jwt
from jwt.types import Options

Role = Literal["viewer", "publisher", "manager", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
_ALGORITHM = "HS256"
# `iat` is informative only (RFC 7519, 4.1.6): the clock of the token's issuer may be ahead of ours.
_OPTIONS: Options = {"require": ["sub", "role", "jti"], "verify_iat": False}


class Actor(NamedTuple):
    """The caller of a request. Each role includes those before it in :data:`ROLES`."""

    name: str
    role: Role

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
    secret: str, name: str, role: Role, *, now: datetime, expires: datetime | None = None, id_: str | None = None
) -> str:
    """Issue a token. ``name`` is the actor in every history; the token can be revoked by ``id_``."""
    claims: dict[str, object] = {"sub": name, "role": role, "jti": id_ or str(uuid4()), "iat": now}
    if expires:
        claims["exp"] = expires
    return jwt.encode(claims, secret, _ALGORITHM)


def verify_token(secret: str, token: str) -> VerifiedToken:
    """Verify signature and expiry, but not revocation. Raises :class:`InvalidTokenError`."""
    try:
        claims = jwt.decode(token, secret, [_ALGORITHM], options=_OPTIONS)
    except jwt.ExpiredSignatureError:
        raise InvalidTokenError("The token has expired. Make a new one with `tidemark token create`.") from None
    except jwt.InvalidTokenError:
        raise InvalidTokenError("The token is not valid here. Make one with `tidemark token create`.") from None
    if claims["role"] not in ROLES:
        raise InvalidTokenError("The token has an unknown role. Make a new one with `tidemark token create`.")
    expires = datetime.fromtimestamp(claims["exp"], UTC) if "exp" in claims else None
    return VerifiedToken(claims["jti"], Actor(claims["sub"], claims["role"]), expires)
