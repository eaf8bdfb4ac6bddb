"""Authentication and authorization with bearer tokens (SPEC 4)."""

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.http.admission import body_limit
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.tokens import Actor, InvalidTokenError, Role, VerifiedToken, verify_token
from tidemark_shared.settings import Settings, require_setting

# Health checks, metrics and the document name no data, and their callers have no token.
_PUBLIC_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
_LINK_PATHS = frozenset({"/v1/offers/exchange", "/v1/offers/answer"})
_sql: SharedQueries = queries("tidemark_shared")
_bearer = HTTPBearer(
    scheme_name="token", bearerFormat="JWT", auto_error=False, description="Made with `tidemark token create`."
)


def read_token(request: Request) -> str:
    """The bearer token of the request. Raises a 401 if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(401, "Token required", "Send a token as `Authorization: Bearer …`.")
    return token.strip()


def check_token(settings: Settings, token: str) -> VerifiedToken:
    """The content of a token with a valid signature that has not expired. Raises a 401."""
    try:
        return verify_token(require_setting(settings.secret, "secret"), token)
    except InvalidTokenError as error:
        raise Problem(401, "Invalid token", str(error)) from None


def has_link(request: Request) -> bool:
    """Whether the body has a signed link in place of a bearer token, which the route verifies."""
    return request.method == "POST" and request.scope["path"] in _LINK_PATHS


async def admit_token(request: Request) -> int:
    """Admit requests with a valid token that is not revoked; the state of the request gets its ``actor``.

    A service has no open mode: whatever a proxy did to a request, without a token it is rejected.
    """
    if request.scope["path"] in _PUBLIC_PATHS:
        return 0
    if has_link(request):
        return body_limit(request.scope["path"])
    token = check_token(request.app.state.settings, read_token(request))
    async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
        revoked_at = await _sql.load_revoked_at(request.app.state.pool, id=token.id)
    if revoked_at:
        detail = f"The token was revoked on {revoked_at:%Y-%m-%d}. Make a new one with `tidemark token create`."
        raise Problem(401, "Invalid token", detail)
    request.state.actor, request.state.caller = token.actor, token.actor.name
    return body_limit(request.scope["path"])


class RoleRequirement:
    """A dependency: the :class:`Actor` of the request, who must have ``role`` or a higher one."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    # The credentials are declared for the OpenAPI document.
    async def __call__(
        self, request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Actor:
        """Raise a 403 if the role is not sufficient."""
        actor: Actor = request.state.actor
        if not actor.has_role(self.role):
            detail = f"This request needs the role {self.role}; the token has the role {actor.role}."
            raise Problem(403, "Role not sufficient", detail)
        return actor


def require_role(role: Role) -> Any:
    """Require ``role`` or a higher one; see :class:`RoleRequirement`."""
    return Security(RoleRequirement(role), scopes=[role])
