"""Bearer tokens: who they name, what they allow, and which are refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from tidemark_shared.http.tokens import ROLES, Actor, InvalidTokenError, Role, VerifiedToken, issue_token, verify_token

SECRET = "a secret of at least thirty-two bytes"  # noqa: S105 - it guards nothing
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("role", ROLES)
def test_token_contains_actor_and_role(role: Role) -> None:
    assert verify_token(SECRET, issue_token(SECRET, "ann", role, now=NOW, id_="7")) == VerifiedToken(
        "7", Actor("ann", role)
    )


def test_role_includes_the_roles_before_it() -> None:
    may = {role: [wanted for wanted in ROLES if Actor("ann", role).has_role(wanted)] for role in ROLES}
    assert may == {
        "viewer": ["viewer"],
        "publisher": ["viewer", "publisher"],
        "manager": ["viewer", "publisher", "manager"],
        "admin": ["viewer", "publisher", "manager", "admin"],
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
    """The token with each of its three parts changed, without one, and in another's signature."""
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


GOOD: dict[str, Any] = {"sub": "ann", "role": "admin", "jti": "1"}


@pytest.mark.parametrize(
    "claims",
    [
        {**GOOD, "role": "root"},
        {**GOOD, "role": None},
        {**GOOD, "role": ["admin"]},
        {**GOOD, "sub": 7},
        {**GOOD, "jti": 7},
        {**GOOD, "exp": "tomorrow"},
        *({name: value for name, value in GOOD.items() if name != left_out} for left_out in GOOD),
    ],
    ids=str,
)
def test_signed_token_with_invalid_claims_is_rejected(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenError):
        verify_token(SECRET, jwt.encode(claims, SECRET, "HS256"))
