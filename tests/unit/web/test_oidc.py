"""Sign-in by a provider: settings, claims to roles, and what is trusted of an answer."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from api_tokens import SECRET
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from tidemark_shared.http.tokens import Actor, InvalidTokenError, Role, issue_token, verify_token
from tidemark_shared.settings import InvalidSettingError, MissingSettingError, Settings
from tidemark_web import oidc
from tidemark_web.oidc import Client, Login, SignInError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER = "https://id.example/realms/a"
CLIENT = Client(
    ISSUER, "tidemark", "s:cret", "https://tidemark.example/sign-in/callback", "preferred_username", "groups",
    {"staff": "viewer", "leads": "manager", "ops": "admin"},
)  # fmt: skip
LOGIN = Login("state", "nonce", "verifier" * 8, "/people")
METADATA = {"authorization_endpoint": "https://id.example/authorize?tenant=1"}
KEY = RSAKey.generate_key(2048, {"kid": "1"})
KEYS: dict[str, Any] = {"keys": [KEY.as_dict(private=False)]}


def test_value_of_the_setting_may_be_a_name_with_commas_and_equals_signs() -> None:
    assert oidc.parse_roles(" staff = viewer; cn=ops,dc=example=admin ;;*=viewer") == {
        "staff": "viewer", "cn=ops,dc=example": "admin", "*": "viewer",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["staff", "=viewer", "staff=owner"])
def test_setting_that_gives_no_role_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettingError, match="VALUE=ROLE"):
        oidc.parse_roles(text)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"oidc_issuer": "http://id.example"}, InvalidSettingError, "https"),
        ({"oidc_issuer": ISSUER}, MissingSettingError, "TIDEMARK_OIDC_CLIENT_ID"),
        ({"oidc_issuer": ISSUER, "oidc_client_id": "x"}, MissingSettingError, "TIDEMARK_OIDC_ROLES"),
    ],
)
def test_incomplete_settings_are_named(settings: dict[str, str], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Client.from_settings(Settings(**settings))  # type: ignore[arg-type]


def test_without_an_issuer_there_is_no_provider() -> None:
    assert Client.from_settings(Settings()) is None


@pytest.mark.parametrize(
    ("claim", "claims", "role"),
    [
        ("groups", {"groups": ["staff"]}, "viewer"),
        ("groups", {"groups": ["ops", "staff", "leads"]}, "admin"),
        ("groups", {"groups": "leads"}, "manager"),
        ("groups", {"groups": ["Staff", 7, None, ["ops"]]}, None),
        ("groups", {"groups": {"ops": True}}, None),
        ("groups", {}, None),
        ("realm_access.roles", {"realm_access": {"roles": ["leads"]}}, "manager"),
        ("realm_access.roles", {"realm_access": "leads"}, None),
        ("https://example.org/roles", {"https://example.org/roles": ["ops"]}, "admin"),
    ],
)
def test_highest_role_of_the_claim_holds(claim: str, claims: dict[str, Any], role: Role | None) -> None:
    client = CLIENT._replace(roles_claim=claim)
    if role:
        assert oidc.identify(client, {"sub": "1", **claims}) == Actor("1", role)
    else:
        with pytest.raises(SignInError, match="no role") as refused:
            oidc.identify(client, {"sub": "1", **claims})
        assert refused.value.status == 403


def test_everybody_has_the_role_of_the_star() -> None:
    assert oidc.identify(CLIENT._replace(roles={"*": "viewer"}), {"sub": "1"}).role == "viewer"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ann", "ann"), ("", "u-1"), (7, "u-1"), (None, "u-1"), ("a\nb\u202e", "a b�"), ("x" * 300, "x" * 255)],
)
def test_name_is_one_safe_line(name: Any, expected: str) -> None:
    assert oidc.identify(CLIENT, {"sub": "u-1", "groups": "ops", "preferred_username": name}).name == expected


def test_provider_gets_the_digest_of_the_verifier_and_then_the_verifier() -> None:
    query = parse_qs(urlsplit(oidc.authorization_url(CLIENT, METADATA, LOGIN)).query)
    form, _ = oidc.token_request(CLIENT, METADATA, "code", LOGIN)
    assert query["code_challenge"] == [create_s256_code_challenge(form["code_verifier"])]
    assert (query["code_challenge_method"], query["state"], query["nonce"]) == (["S256"], ["state"], ["nonce"])
    assert query["tenant"] == ["1"]


def test_values_of_a_sign_in_are_never_the_same() -> None:
    first, second = oidc.begin_login("/"), oidc.begin_login("/")
    assert not set(first[:3]) & set(second[:3])
    assert all(len(value) >= 43 for value in first[:3])


def test_secret_is_sent_as_the_provider_wants() -> None:
    form, headers = oidc.token_request(CLIENT, METADATA, "code", LOGIN)
    assert headers == {"authorization": "Basic dGlkZW1hcms6cyUzQWNyZXQ="}
    assert "client_secret" not in form
    form, headers = oidc.token_request(
        CLIENT, {"token_endpoint_auth_methods_supported": ["client_secret_post"]}, "c", LOGIN
    )
    assert (form["client_secret"], headers) == ("s:cret", {})
    form, headers = oidc.token_request(CLIENT._replace(secret=None), METADATA, "code", LOGIN)
    assert (form["client_id"], headers) == ("tidemark", {})


def test_cookie_opens_with_its_own_state_for_ten_minutes() -> None:
    cookie = oidc.seal_login(LOGIN, SECRET, NOW)
    assert oidc.open_login(cookie, "state", SECRET, NOW + timedelta(minutes=9)) == LOGIN
    token = issue_token(SECRET, "ann", "admin", now=NOW)
    for other, state, secret, now in [
        (cookie, "other", SECRET, NOW), (cookie, None, SECRET, NOW), (cookie, "state", SECRET[::-1], NOW),
        (cookie, "state", SECRET, NOW + timedelta(minutes=11)), (None, None, SECRET, NOW), ("x.y.z", "", SECRET, NOW),
        (token, None, SECRET, NOW),
    ]:  # fmt: skip
        with pytest.raises(SignInError, match="not started here"):
            oidc.open_login(other, state, secret, now)
    # Nor is it a token of the API.
    with pytest.raises(InvalidTokenError):
        verify_token(SECRET, cookie)


def test_answer_of_another_provider_and_an_error_are_refused() -> None:
    assert oidc.read_code(CLIENT, {"code": "c", "iss": ISSUER}) == "c"
    for query, text in [
        ({"code": "c", "iss": "https://evil.example"}, "Another provider"),
        ({"error": "access_denied", "code": "c"}, "refused"),
        ({}, "not complete"),
    ]:
        with pytest.raises(SignInError, match=text):
            oidc.read_code(CLIENT, query)


def id_token(*, key: Any = KEY, alg: str = "RS256", kid: str = "1", **changes: Any) -> str:
    claims = {
        "iss": ISSUER, "aud": "tidemark", "sub": "u-1", "nonce": "nonce", "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 300, **changes,
    }  # fmt: skip
    return jwt.encode(
        {"alg": alg, "kid": kid}, {name: value for name, value in claims.items() if value is not None}, key
    )


def test_id_token_for_this_sign_in_is_taken() -> None:
    assert oidc.verify_id_token(CLIENT, id_token(), KEYS, "nonce", NOW)["sub"] == "u-1"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "other"}, {"nonce": None}, {"iss": "https://evil.example"}, {"aud": "other"}, {"aud": ["other"]},
        {"aud": ["tidemark", "other"]}, {"aud": ["tidemark", "other"], "azp": "other"},
        {"aud": "other", "azp": "tidemark"}, {"sub": None},
        {"exp": int(NOW.timestamp()) - 61}, {"exp": None}, {"iat": int(NOW.timestamp()) + 3600},
        {"key": RSAKey.generate_key(2048, {"kid": "1"})},
    ],
)  # fmt: skip
def test_id_token_for_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SignInError, match="cannot be trusted"):
        oidc.verify_id_token(CLIENT, id_token(**changes), KEYS, "nonce", NOW)


def test_signature_without_a_private_key_is_refused() -> None:
    """Neither none, nor a secret that the provider and its clients share."""
    shared = OctKey.import_key("s" * 32, {"kid": "2"})
    forged = id_token(key=shared, alg="HS256", kid="2")
    unsigned = "eyJhbGciOiJub25lIn0." + id_token().split(".")[1] + "."
    keys = {"keys": [*KEYS["keys"], shared.as_dict(private=True)]}
    for token in (forged, unsigned, "", "a.b.c", "None"):
        with pytest.raises(SignInError, match="cannot be trusted"):
            oidc.verify_id_token(CLIENT, token, keys, "nonce", NOW)
    assert KeySet.import_key_set(keys)  # type: ignore[arg-type]
