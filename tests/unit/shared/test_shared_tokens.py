"""Bearer tokens: their actor, their role, and which are rejected."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark_shared.http.tokens import (
    ROLES,
    Actor,
    CustomerLink,
    ExpiredLinkError,
    InvalidLinkError,
    InvalidTokenError,
    LinkAudience,
    Role,
    VerifiedToken,
    issue_link,
    issue_token,
    verify_link,
    verify_token,
)

SECRET = "a secret of at least thirty-two bytes"  # noqa: S105 - a secret of the tests
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
ORGANIZATION_ID = UUID("00000000-0000-4000-8000-000000000001")


@pytest.mark.parametrize("role", ROLES)
def test_token_contains_actor_and_role(role: Role) -> None:
    organization_id = ORGANIZATION_ID if role == "customer" else None
    token = issue_token(SECRET, "ann", role, now=NOW, id_="7", organization_id=organization_id)
    assert verify_token(SECRET, token) == VerifiedToken("7", Actor("ann", role, organization_id))


def test_role_includes_the_roles_before_it() -> None:
    included = {role: [other for other in ROLES if Actor("ann", role).has_role(other)] for role in ROLES}
    assert included == {
        "customer": ["customer"],
        "viewer": ["customer", "viewer"],
        "publisher": ["customer", "viewer", "publisher"],
        "manager": ["customer", "viewer", "publisher", "manager"],
        "admin": ["customer", "viewer", "publisher", "manager", "admin"],
    }


def test_two_tokens_with_one_name_differ() -> None:
    assert issue_token(SECRET, "ann", "viewer", now=NOW) != issue_token(SECRET, "ann", "viewer", now=NOW)


def test_token_is_valid_until_it_expires() -> None:
    assert verify_token(SECRET, issue_token(SECRET, "ann", "viewer", now=NOW, expires=NOW + HOUR)).actor.name == "ann"
    with pytest.raises(InvalidTokenError, match=r"expired.*tidemark token create"):
        verify_token(SECRET, issue_token(SECRET, "ann", "viewer", now=NOW - 2 * HOUR, expires=NOW - HOUR))


def test_token_issued_by_a_clock_that_is_ahead_is_valid() -> None:
    assert verify_token(SECRET, issue_token(SECRET, "ann", "viewer", now=NOW + HOUR)).actor.name == "ann"


def tampered(token: str) -> list[str]:
    """Copies of the token with a part changed, missing or taken from another token."""
    head, claims, signature = token.split(".")
    other = issue_token(SECRET, "bob", "admin", now=NOW).split(".")
    return [
        f"{head}.{other[1]}.{signature}",
        f"{head}.{claims}.{signature[:-2]}",
        f"{head}.{claims}.",
        f"{head}.{claims}",
        f"{claims}.{signature}.{head}",
        f"{other[0]}.{claims}.{other[2]}",
    ]


@pytest.mark.parametrize("number", range(6))
def test_tampered_token_is_rejected(number: int) -> None:
    with pytest.raises(InvalidTokenError, match="not valid here"):
        verify_token(SECRET, tampered(issue_token(SECRET, "ann", "viewer", now=NOW))[number])


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "\0", "Bearer", "." * 1000], ids=repr)
def test_text_that_is_not_a_token_is_rejected(token: str) -> None:
    with pytest.raises(InvalidTokenError, match="not valid here"):
        verify_token(SECRET, token)


def test_token_with_another_secret_is_rejected() -> None:
    with pytest.raises(InvalidTokenError, match="not valid here"):
        verify_token(SECRET, issue_token(SECRET[::-1], "ann", "admin", now=NOW))


def test_unsigned_token_is_rejected() -> None:
    with pytest.raises(InvalidTokenError, match="not valid here"):
        verify_token(SECRET, jwt.encode({"sub": "ann", "role": "admin", "jti": "1"}, None, "none"))


VALID_CLAIMS: dict[str, Any] = {"sub": "ann", "role": "admin", "jti": "1"}


@pytest.mark.parametrize(
    "claims",
    [
        {**VALID_CLAIMS, "role": "root"},
        {**VALID_CLAIMS, "role": None},
        {**VALID_CLAIMS, "role": ["admin"]},
        {**VALID_CLAIMS, "sub": 7},
        {**VALID_CLAIMS, "jti": 7},
        {**VALID_CLAIMS, "exp": "tomorrow"},
        {**VALID_CLAIMS, "role": "customer"},
        {**VALID_CLAIMS, "role": "customer", "org": "acme"},
        {**VALID_CLAIMS, "org": str(ORGANIZATION_ID)},
        *({name: value for name, value in VALID_CLAIMS.items() if name != missing} for missing in VALID_CLAIMS),
    ],
    ids=str,
)
def test_signed_token_with_invalid_claims_is_rejected(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenError):
        verify_token(SECRET, jwt.encode(claims, SECRET, "HS256"))


# Links for customers.

LINK = CustomerLink(uuid4(), ORGANIZATION_ID, NOW.replace(microsecond=0), NOW.replace(microsecond=0) + HOUR)
LINK_KIND: LinkAudience = "tidemark:customer-link"
SESSION_KIND: LinkAudience = "tidemark:customer-session"


def test_link_has_what_it_was_made_of_and_is_the_same_text_each_time() -> None:
    for kind in (LINK_KIND, SESSION_KIND):
        assert verify_link(SECRET, issue_link(SECRET, LINK, kind), kind) == LINK
        assert issue_link(SECRET, LINK, kind) == issue_link(SECRET, LINK, kind)


def test_kinds_of_tokens_are_not_interchangeable() -> None:
    bearer = issue_token(SECRET, "ann", "customer", now=NOW, expires=NOW + HOUR, organization_id=ORGANIZATION_ID)
    link, session = issue_link(SECRET, LINK), issue_link(SECRET, LINK, SESSION_KIND)
    for token in (link, session):
        with pytest.raises(InvalidTokenError, match="not valid here"):
            verify_token(SECRET, token)
    for token, kind in ((bearer, LINK_KIND), (bearer, SESSION_KIND), (link, SESSION_KIND), (session, LINK_KIND)):
        with pytest.raises(InvalidLinkError):
            verify_link(SECRET, token, kind)


def test_link_is_valid_until_it_expires() -> None:
    ended = LINK._replace(issued_at=NOW - 2 * HOUR, expires_at=NOW - HOUR)
    with pytest.raises(ExpiredLinkError):
        verify_link(SECRET, issue_link(SECRET, ended))
    # A link that was changed is never said to have expired.
    with pytest.raises(InvalidLinkError):
        verify_link(SECRET[::-1], issue_link(SECRET, ended))


TOKENS = [
    issue_link(SECRET, LINK),
    issue_token(SECRET, "ann", "customer", now=NOW, organization_id=ORGANIZATION_ID),
]


@given(token=st.sampled_from(TOKENS), position=st.integers(0, min(map(len, TOKENS)) - 2), character=st.characters())
def test_changed_token_of_any_kind_is_rejected(token: str, position: int, character: str) -> None:
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(InvalidTokenError):
            verify_token(SECRET, changed)
        with pytest.raises(InvalidLinkError):
            verify_link(SECRET, changed)


@given(st.text())
def test_text_is_no_link(text: str) -> None:
    with pytest.raises(InvalidLinkError):
        verify_link(SECRET, text)


LINK_CLAIMS: dict[str, Any] = {
    "aud": LINK_KIND, "jti": str(LINK.id), "org": str(ORGANIZATION_ID), "iat": NOW, "exp": NOW + HOUR,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, None) for name in LINK_CLAIMS),
        ("jti", "7"), ("jti", 7), ("org", "acme"), ("iat", "yesterday"), ("exp", 1e300), ("aud", "tidemark"),
    ],
)  # fmt: skip
def test_signed_link_with_an_invalid_claim_is_rejected(name: str, value: object) -> None:
    assert verify_link(SECRET, jwt.encode(LINK_CLAIMS, SECRET, "HS256")).id == LINK.id
    others = {other: claim for other, claim in LINK_CLAIMS.items() if other != name}
    claims = others if value is None else {**others, name: value}
    with pytest.raises(InvalidLinkError):
        verify_link(SECRET, jwt.encode(claims, SECRET, "HS256"))
