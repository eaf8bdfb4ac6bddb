"""Who looks at a page: the session cookie, signing in with a token, signing out (SPEC 4)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tidemark_shared.http.auth import check_token
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.settings import Settings, require_setting
from tidemark_web.access import SESSION_COOKIE
from tidemark_web.pages.client import Api, ApiError
from tidemark_web.pages.rendering import render

LIFETIME = timedelta(hours=12)
_PREFERENCE_LIFETIME = timedelta(days=365)
_MAX_FIELDS = 100


async def read_form(request: Request, max_fields: int = _MAX_FIELDS) -> dict[str, str]:
    """The fields of a form that was sent. Raises a 413 if there are more than any form has."""
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=max_fields))
    except ValueError:
        raise ApiError(413, "Too many fields", f"A form of this page has at most {max_fields:,} fields.") from None


def local_path(target: str) -> str:
    """``target`` if it is a path of this site, or else the first page: a form cannot send people elsewhere."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    is_local = not parts.scheme and not parts.netloc and target.startswith("/") and "\\" not in target
    return target if is_local and not target.startswith("//") else "/"


async def redirect_to_sign_in(request: Request) -> Response:
    """Ask for a token, then come back."""
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    response = RedirectResponse(f"/sign-in?next={quote(target, safe='')}", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


async def sign_in(request: Request) -> Response:
    """The form for a token, and what it sends."""
    if request.method == "GET":
        return _show_form(request, local_path(request.query_params.get("next", "/")))
    form = await read_form(request)
    target = local_path(form.get("next", "/"))
    try:
        session, expires = await _open_session(request, form.get("token", "").strip())
    except (Problem, ApiError) as error:
        detail = error.body.detail if isinstance(error, Problem) else error.detail
        return _show_form(request, target, detail)
    response = RedirectResponse(target, 303)
    set_cookie(request, response, SESSION_COOKIE, session, expires)
    return response


def _show_form(request: Request, target: str, error: str = "") -> Response:
    has_provider = request.app.state.provider is not None
    status = 401 if error else 200
    return render(request, "sign_in.html", status, next=target, error=error, has_provider=has_provider)


async def sign_out(_: Request) -> Response:
    """Forget the session in this browser."""
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE)
    response.headers["clear-site-data"] = '"cache"'
    return response


async def save_preferences(request: Request) -> Response:
    """Keep how a person likes to read hours."""
    form = await read_form(request)
    response = RedirectResponse(local_path(form.get("next", "/")), 303)
    style = "minutes" if form.get("hours") == "minutes" else "decimal"
    set_cookie(request, response, "tidemark_hours", style, datetime.now(UTC) + _PREFERENCE_LIFETIME)
    return response


def set_cookie(
    request: Request, response: Response, name: str, value: str, expires: datetime, *, path: str = "/"
) -> None:
    """Set a cookie that no script can read, and that no other site can send with a form."""
    settings: Settings = request.app.state.settings
    is_secure = request.url.scheme == "https" or settings.public_url.startswith("https:")
    options: dict[str, Any] = {"httponly": True, "samesite": "lax", "secure": is_secure, "path": path}
    response.set_cookie(name, value, expires=expires, **options)


async def _open_session(request: Request, token: str) -> tuple[str, datetime]:
    """A session of half a day at most: it ends with the token, and is revoked with it, because it has its id."""
    settings: Settings = request.app.state.settings
    if not token:
        raise Problem(401, "Token required", "Enter a token. An administrator makes one with `tidemark token create`.")
    verified = check_token(settings, token)
    # A service knows whether the token is revoked.
    await Api(request.app.state.clients, token).get("/v1/organizations", {"limit": 1})
    now = datetime.now(UTC)
    expires = min(now + LIFETIME, verified.expires or datetime.max.replace(tzinfo=UTC))
    secret = require_setting(settings.secret, "secret")
    actor = verified.actor
    return issue_token(secret, actor.name, actor.role, now=now, expires=expires, id_=verified.id), expires
