"""Bearer tokens with a name and a role (SPEC 4), signed so that every service can check them by itself."""

from datetime import datetime
from typing import Literal, NamedTuple, get_args
from uuid import uuid4

import jwt
from jwt.types import Options

Role = Literal["viewer", "publisher", "manager", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
_ALGORITHM = "HS256"
# `iat` tells when a token was made and is no condition (RFC 7519, 4.1.6): the clock of whoever made it may be ahead.
_OPTIONS: Options = {"require": ["sub", "role", "jti"], "verify_iat": False}


class Actor(NamedTuple):
    """Who calls. Each role may do what those before it in :data:`ROLES` may."""

    name: str
    role: Role

    def has_role(self, role: Role) -> bool:
        """Whether this actor's role reaches ``role``."""
        return ROLES.index(self.role) >= ROLES.index(role)


class VerifiedToken(NamedTuple):
    """A token that is sound."""

    id: str
    actor: Actor


class InvalidTokenError(Exception):
    """The token is not ours, or no longer good; the text says which."""


def issue_token(
    secret: str, name: str, role: Role, *, now: datetime, expires: datetime | None = None, id_: str | None = None
) -> str:
    """A token for ``name``; the name is the actor in every history, the id what the token can be revoked by."""
    claims: dict[str, object] = {"sub": name, "role": role, "jti": id_ or str(uuid4()), "iat": now}
    if expires:
        claims["exp"] = expires
    return jwt.encode(claims, secret, _ALGORITHM)


def verify_token(secret: str, token: str) -> VerifiedToken:
    """What the token says, whether it is revoked left aside. Raises :class:`InvalidTokenError`."""
    try:
        claims = jwt.decode(token, secret, [_ALGORITHM], options=_OPTIONS)
    except jwt.ExpiredSignatureError:
        raise InvalidTokenError("The token has expired. Make a new one with `tidemark token create`.") from None
    except jwt.InvalidTokenError:
        raise InvalidTokenError("The token is not valid here. Make one with `tidemark token create`.") from None
    if claims["role"] not in ROLES:
        raise InvalidTokenError("The token names no role that is known here.")
    return VerifiedToken(claims["jti"], Actor(claims["sub"], claims["role"]))
