"""Authentication and authorization with bearer tokens (SPEC 4)."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tidemark_shared.database import queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.tokens import Actor, InvalidTokenError, Role, verify_token
from tidemark_shared.settings import Settings, require_setting

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
_sql: SharedQueries = queries("tidemark_shared")
_bearer = HTTPBearer(auto_error=False, description="A token made with `tidemark token create`.")


def missing_token() -> Problem:
    """The response to a request without a token."""
    return Problem(401, "Token required", "Send a token as `Authorization: Bearer …`.")


def require_role(role: Role) -> Any:
    """A dependency: the :class:`Actor` of the request, who must have ``role`` or a higher one."""

    async def authorize(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Actor:
        settings: Settings = request.app.state.settings
        if credentials is None:
            if settings.open and settings.host in LOOPBACK_HOSTS:
                return Actor("anonymous", "admin")
            raise missing_token()
        try:
            token = verify_token(require_setting(settings.secret, "secret"), credentials.credentials)
        except InvalidTokenError as error:
            raise Problem(401, "Invalid token", str(error)) from None
        # Use the request's connection if it has one: a request that waits for a second can exhaust the pool.
        connection = getattr(request.state, "connection", request.app.state.pool)
        if revoked_at := await _sql.load_revoked_at(connection, id=token.id):
            detail = f"The token was revoked on {revoked_at:%Y-%m-%d}. Make a new one with `tidemark token create`."
            raise Problem(401, "Invalid token", detail)
        if not token.actor.has_role(role):
            detail = f"This request needs the role {role}; the token has the role {token.actor.role}."
            raise Problem(403, "Role not sufficient", detail)
        return token.actor

    return Depends(authorize)
