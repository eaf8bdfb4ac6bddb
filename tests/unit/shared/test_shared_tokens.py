"""Bearer tokens: their actor, their role, and which are rejected."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from tidemark_shared.http.tokens import (
    ROLES,
    Actor,
    InvalidTokenError,
    Role,
    VerifiedToken,
    issue_token,
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
