"""Sign-in by the provider of an organization (OpenID Connect): to the provider, and back with a session (SPEC 4)."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tidemark_shared.http.tokens import issue_token
from tidemark_shared.log import get_logger
from tidemark_shared.settings import Settings, require_setting
from tidemark_web import oidc
from tidemark_web.access import SESSION_COOKIE
from tidemark_web.oidc import Client, Json, SignInError
from tidemark_web.pages.rendering import render
from tidemark_web.pages.session import LIFETIME, local_path, set_cookie

_log = get_logger()

_LOGIN_COOKIE = "tidemark_login"
_TIMEOUT = httpx.Timeout(10)
# So that whoever asks for sign-ins again and again asks the provider once.
_METADATA_SECONDS = 300


class Provider:
    """The provider, over HTTP; its metadata are kept for some minutes."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._metadata: Json = {}
        self._fetched_at = 0.0

    async def fetch_metadata(self) -> Json:
        """The provider's description of itself. Raises :class:`SignInError`."""
        if not self._metadata or time.monotonic() - self._fetched_at > _METADATA_SECONDS:
            url = f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"
            metadata = await self._send("GET", url)
            if metadata.get("issuer") != self.client.issuer:
                raise SignInError(
                    "The provider is set up wrongly",
                    f"It calls itself {metadata.get('issuer')}, and TIDEMARK_OIDC_ISSUER is {self.client.issuer}.",
                    502,
                )
            self._metadata, self._fetched_at = metadata, time.monotonic()
        return self._metadata

    async def fetch_claims(self, code: str, login: oidc.Login, now: datetime) -> Json:
        """What the provider says of the person who brings this code. Raises :class:`SignInError`."""
        metadata = await self.fetch_metadata()
        form, headers = oidc.token_request(self.client, metadata, code, login)
        tokens = await self._send("POST", metadata["token_endpoint"], data=form, headers=headers)
        keys = await self._send("GET", metadata["jwks_uri"])
        claims = oidc.verify_id_token(self.client, str(tokens.get("id_token")), keys, login.nonce, now)
        if not oidc.has_claim(self.client, claims) and "userinfo_endpoint" in metadata:
            bearer = {"authorization": f"Bearer {tokens.get('access_token')}"}
            userinfo = await self._send("GET", metadata["userinfo_endpoint"], headers=bearer)
            # An answer about somebody else says nothing.
            if userinfo.get("sub") == claims["sub"]:
                claims = userinfo | claims
        return claims

    async def _send(self, method: str, url: str, **options: Any) -> Json:
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT) as http:
                response = await http.request(method, url, **options)
            answer: Any = response.json()
        except (httpx.HTTPError, ValueError) as error:
            _log.warning("provider_unreachable", error=type(error).__name__)
            detail = f"{self.client.issuer} does not answer. Try again in a moment, or sign in with a token."
            raise SignInError("The provider does not answer", detail, 502) from error
        if not response.is_success or not isinstance(answer, dict):
            _log.warning("provider_refused", status=response.status_code)
            raise SignInError("The provider has refused the sign-in", "Start again: a sign-in can be used once.")
        return answer


async def start_sign_in(request: Request) -> Response:
    """Send the browser to the provider."""
    now, login = datetime.now(UTC), oidc.begin_login(local_path(request.query_params.get("next", "/")))
    try:
        provider = _require_provider(request)
        url = oidc.authorization_url(provider.client, await provider.fetch_metadata(), login)
    except SignInError as error:
        return _show_failure(request, error)
    response = RedirectResponse(url, 303)
    cookie = oidc.seal_login(login, _secret(request), now)
    set_cookie(request, response, _LOGIN_COOKIE, cookie, now + oidc.LOGIN_LIFETIME)
    return response


async def finish_sign_in(request: Request) -> Response:
    """Open a session for the person who comes back from the provider."""
    now, query = datetime.now(UTC), request.query_params
    try:
        provider = _require_provider(request)
        login = oidc.open_login(request.cookies.get(_LOGIN_COOKIE), query.get("state"), _secret(request), now)
        code = oidc.read_code(provider.client, query)
        actor = oidc.identify(provider.client, await provider.fetch_claims(code, login, now))
    except SignInError as error:
        _log.warning("sign_in_failed", reason=error.title, error=repr(error.__cause__))
        response = _show_failure(request, error)
    else:
        id_, expires = str(uuid4()), now + LIFETIME
        token = issue_token(_secret(request), actor.name, actor.role, now=now, expires=expires, id_=id_)
        # `tidemark token revoke` takes the id.
        _log.info("signed_in", name=actor.name, role=actor.role, session=id_)
        response = RedirectResponse(local_path(login.target), 303)
        set_cookie(request, response, SESSION_COOKIE, token, expires)
    # Good for one answer.
    response.delete_cookie(_LOGIN_COOKIE)
    return response


def _require_provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise SignInError("No provider", "Sign in with a token: no provider is set up.", 404)
    return provider


def _show_failure(request: Request, error: SignInError) -> Response:
    return render(
        request,
        "error.html",
        error.status,
        title=error.title,
        detail=error.detail,
        error_status=error.status,
        hours="decimal",
        path="/sign-in",
    )


def _secret(request: Request) -> str:
    settings: Settings = request.app.state.settings
    return require_setting(settings.secret, "secret")
