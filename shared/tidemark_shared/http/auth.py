"""Who calls, and whether its role may: bearer tokens (SPEC 4)."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tidemark_shared.database import queries
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.tokens import Actor, InvalidTokenError, Role, verify_token
from tidemark_shared.settings import Settings, require_setting

_sql = queries("tidemark_shared")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_bearer = HTTPBearer(auto_error=False, description="A token made with `tidemark token create`.")


def require_role(role: Role) -> Any:
    """A dependency that gives the :class:`Actor` and refuses one whose role does not reach ``role``."""

    async def actor(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Actor:
        settings: Settings = request.app.state.settings
        if credentials is None:
            if settings.open and settings.host in _LOOPBACK:
                return Actor("anonymous", "admin")
            raise Problem(401, "A token is needed", "Send it as `Authorization: Bearer …`.")
        try:
            token = verify_token(require_setting(settings.secret, "secret"), credentials.credentials)
        except InvalidTokenError as error:
            raise Problem(401, "The token is refused", str(error)) from None
        # On the request's own connection where it has one: to want a second while holding one is how a pool runs dry.
        connection = getattr(request.state, "connection", request.app.state.pool)
        if revoked := await _sql.revoked_at(connection, id=token.id):
            why = f"It was revoked on {revoked:%Y-%m-%d}. Make a new one with `tidemark token create`."
            raise Problem(401, "The token is refused", why)
        if not token.actor.has_role(role):
            raise Problem(403, "The token's role does not allow this", f"It is {token.actor.role}; {role} is needed.")
        return token.actor

    return Depends(actor)
