"""OpenID Connect: what is sent to the provider, what comes back, and which role its claims give. Pure."""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlsplit

from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from tidemark_shared.domain.text import to_safe_line
from tidemark_shared.http.tokens import Actor, Role
from tidemark_shared.settings import LOOPBACK_HOSTS, InvalidSettingError, Settings, require_setting

Json = dict[str, Any]

CALLBACK_PATH = "/sign-in/callback"
LOGIN_LIFETIME = timedelta(minutes=10)
# What a group of people may be given; a later role includes those before it.
_ROLES: tuple[Role, ...] = ("viewer", "publisher", "manager", "admin")
_ROLES_BY_NAME: dict[str, Role] = {role: role for role in _ROLES}
_ANYBODY = "*"
_SCOPES = "openid profile email"
# Signatures that only the provider can make: none of these has a shared secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_LEEWAY_SECONDS = 60
_LOGIN_AUDIENCE = "tidemark sign-in"
_MAX_NAME_LENGTH = 255


class SignInError(Exception):
    """A sign-in that failed: the text says why, and what to do. It has no secrets."""

    def __init__(self, title: str, detail: str, status: int = 401) -> None:
        super().__init__(title)
        self.title, self.detail, self.status = title, detail, status


class Client(NamedTuple):
    """Tidemark as a client of the provider, and what the provider's claims mean."""

    issuer: str
    id: str
    secret: str | None
    redirect_uri: str
    name_claim: str
    roles_claim: str
    roles: Mapping[str, Role]

    @classmethod
    def from_settings(cls, settings: Settings) -> "Client | None":
        """The client that the settings describe; None without a provider. Raises :class:`InvalidSettingError`."""
        if not settings.oidc_issuer:
            return None
        issuer = urlsplit(settings.oidc_issuer)
        if issuer.scheme != "https" and not (issuer.scheme == "http" and issuer.hostname in LOOPBACK_HOSTS):
            raise InvalidSettingError("TIDEMARK_OIDC_ISSUER must begin with https://, as its provider names itself.")
        return cls(
            issuer=settings.oidc_issuer,
            id=require_setting(settings.oidc_client_id, "oidc_client_id"),
            secret=settings.oidc_client_secret,
            redirect_uri=settings.public_url.rstrip("/") + CALLBACK_PATH,
            name_claim=settings.oidc_name_claim,
            roles_claim=settings.oidc_roles_claim,
            roles=parse_roles(require_setting(settings.oidc_roles, "oidc_roles")),
        )


class Login(NamedTuple):
    """A sign-in that has begun: what the browser keeps until it comes back, and where it goes then."""

    state: str
    nonce: str
    verifier: str
    target: str


def parse_roles(text: str) -> dict[str, Role]:
    """``staff=viewer; cn=ops,dc=example=admin``: the role of each value of the claim. Raises InvalidSettingError."""
    roles: dict[str, Role] = {}
    for pair in filter(None, map(str.strip, text.split(";"))):
        value, _, name = map(str.strip, pair.rpartition("="))
        role = _ROLES_BY_NAME.get(name)
        if not value or role is None:
            raise InvalidSettingError(
                f"TIDEMARK_OIDC_ROLES: {pair!r} is not VALUE=ROLE with a role of {', '.join(_ROLES)}. "
                "Separate several by semicolons."
            )
        roles[value] = role
    return roles


def identify(client: Client, claims: Mapping[str, Any]) -> Actor:
    """Who signs in, with the highest role that the claims give. Raises :class:`SignInError` if they give none."""
    named = claims.get(client.name_claim)
    name = to_safe_line(named if isinstance(named, str) and named.strip() else str(claims["sub"]))[:_MAX_NAME_LENGTH]
    values = {_ANYBODY, *_read_values(claims, client.roles_claim)}
    given = [role for value, role in client.roles.items() if value in values]
    if not given:
        raise SignInError(
            "You have no role in Tidemark",
            f"You are {name} at {client.issuer}, and none of your groups there has a role here. Ask an administrator "
            f"of Tidemark: TIDEMARK_OIDC_ROLES gives roles to values of the claim {client.roles_claim!r}.",
            403,
        )
    return Actor(name, _ROLES[max(map(_ROLES.index, given))])


def _read_values(claims: Mapping[str, Any], path: str) -> list[str]:
    """The texts of a claim. A name with dots can be one claim, or lead into objects: ``realm_access.roles``."""
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [text for text in values if isinstance(text, str)]


def begin_login(target: str) -> Login:
    """A new sign-in, with values that nobody can guess. ``target`` is a path of this site."""
    return Login(generate_token(43), generate_token(43), generate_token(64), target)


def authorization_url(client: Client, metadata: Json, login: Login) -> str:
    """Where the browser asks the provider who it is (code flow with PKCE)."""
    url: str = prepare_grant_uri(
        metadata["authorization_endpoint"],
        client.id,
        "code",
        redirect_uri=client.redirect_uri,
        scope=_SCOPES,
        state=login.state,
        nonce=login.nonce,
        code_challenge=create_s256_code_challenge(login.verifier),
        code_challenge_method="S256",
    )
    return url


def seal_login(login: Login, secret: str, now: datetime) -> str:
    """The sign-in as a cookie, which nobody else can make."""
    claims = {**login._asdict(), "aud": _LOGIN_AUDIENCE, "exp": int((now + LOGIN_LIFETIME).timestamp())}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret))


def open_login(cookie: str | None, state: str | None, secret: str, now: datetime) -> Login:
    """The sign-in of a cookie, if ``state`` comes back from it. Raises :class:`SignInError`."""
    try:
        claims = jwt.decode(cookie or "", OctKey.import_key(secret), ["HS256"]).claims
        options = {"aud": {"essential": True, "value": _LOGIN_AUDIENCE}, "exp": {"essential": True}}
        jwt.JWTClaimsRegistry(int(now.timestamp()), **options).validate(claims)  # type: ignore[arg-type]
        login = Login(**{name: claims[name] for name in Login._fields})
    except (JoseError, ValueError, KeyError):
        login = None
    if login is None or not hmac.compare_digest(login.state.encode(), (state or "").encode()):
        raise SignInError(
            "This sign-in was not started here",
            "It began in another browser or more than ten minutes ago, or it has ended already. Start again.",
        )
    return login


def read_code(client: Client, query: Mapping[str, str]) -> str:
    """The code in the provider's answer. Raises :class:`SignInError` if it is an error, or of another provider."""
    if query.get("iss", client.issuer) != client.issuer:
        raise SignInError(
            "Another provider has answered", f"The answer did not come from {client.issuer}. Start again."
        )
    if "error" in query:
        reason = to_safe_line(query.get("error_description") or query["error"])[:_MAX_NAME_LENGTH]
        raise SignInError("The provider has refused the sign-in", f"{client.issuer} says: {reason}")
    if not query.get("code"):
        raise SignInError("The sign-in is not complete", "The answer of the provider has no code. Start again.")
    return query["code"]


def token_request(client: Client, metadata: Json, code: str, login: Login) -> tuple[dict[str, str], dict[str, str]]:
    """The form and the headers that exchange a code for tokens."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": login.verifier,
    }
    if not client.secret:
        return form | {"client_id": client.id}, {}
    methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if "client_secret_basic" in methods:
        credentials = f"{quote_plus(client.id)}:{quote_plus(client.secret)}"
        return form, {"authorization": f"Basic {b64encode(credentials.encode()).decode()}"}
    return form | {"client_id": client.id, "client_secret": client.secret}, {}


def verify_id_token(client: Client, id_token: str, keys: Json, nonce: str, now: datetime) -> Json:
    """The claims of an ID token of this provider, for this client and this sign-in. Raises :class:`SignInError`."""
    try:
        token = jwt.decode(id_token, KeySet.import_key_set(keys), _ALGORITHMS)  # type: ignore[arg-type]
        claims = CodeIDToken(
            token.claims,
            token.header,
            {"iss": {"essential": True, "value": client.issuer}, "aud": {"essential": True, "value": client.id}},
            {"nonce": nonce, "client_id": client.id},
        )
        claims.validate(int(now.timestamp()), _LEEWAY_SECONDS)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        name = type(error).__name__
        detail = (
            f"Its token is not valid for this sign-in ({name}). Start again; an administrator finds more in the log."
        )
        raise SignInError("The provider's answer cannot be trusted", detail) from error
    return dict(claims)


def has_claim(client: Client, claims: Mapping[str, Any]) -> bool:
    """Whether the claims say anything of roles; if not, the provider's userinfo may."""
    return bool(_read_values(claims, client.roles_claim))
