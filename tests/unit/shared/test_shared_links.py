"""Signed links: what they are good for, how long, and which are rejected."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest

from tidemark_shared.http.links import (
    ExpiredLinkError,
    InvalidLinkError,
    Link,
    WrongAudienceError,
    build_offer_url,
    issue_link,
    verify_link,
)
from tidemark_shared.http.tokens import InvalidTokenError, issue_token, verify_token

SECRET = "a secret of at least thirty-two bytes"  # noqa: S105 - a secret of the tests
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
OFFER = UUID("0199a4d2-7c0e-7f60-8c55-1f1b2f1f3a17")


def test_link_names_its_subject_and_receiver_and_is_always_the_same() -> None:
    url = build_offer_url("https://tidemark.example/", SECRET, OFFER, valid_until=NOW + HOUR, email="ann@acme.example")
    page, _, token = url.partition("#")
    assert page == "https://tidemark.example/offer"
    assert verify_link(SECRET, "offer", token) == Link(OFFER, "ann@acme.example", NOW + HOUR)
    assert token == issue_link(SECRET, "offer", OFFER, expires=NOW + HOUR, email="ann@acme.example")
    assert verify_link(SECRET, "offer", issue_link(SECRET, "offer", OFFER, expires=NOW + HOUR)).email is None


def test_expired_link_is_told_apart() -> None:
    with pytest.raises(ExpiredLinkError):
        verify_link(SECRET, "offer", issue_link(SECRET, "offer", OFFER, expires=NOW - HOUR))


def test_link_and_bearer_token_are_not_accepted_as_each_other() -> None:
    with pytest.raises(WrongAudienceError):
        verify_link(SECRET, "offer", issue_token(SECRET, "olga", "admin", now=NOW, expires=NOW + HOUR))
    with pytest.raises(InvalidTokenError):
        verify_token(SECRET, issue_link(SECRET, "offer", OFFER, expires=NOW + HOUR))
    claims = {"sub": str(OFFER), "exp": NOW + HOUR, "role": "admin", "jti": "7"}
    with pytest.raises(InvalidTokenError):
        verify_token(SECRET, jwt.encode({**claims, "aud": "offer"}, SECRET, "HS256"))
    with pytest.raises(WrongAudienceError):
        verify_link(SECRET, "offer", jwt.encode({**claims, "aud": "customer"}, SECRET, "HS256"))


def test_link_without_our_signature_is_rejected() -> None:
    claims = {"sub": str(OFFER), "aud": "offer", "exp": NOW + HOUR}
    foreign = jwt.encode(claims, SECRET[::-1], "HS256")
    unsigned = jwt.encode(claims, "", "none")
    nameless = jwt.encode({**claims, "sub": "7"}, SECRET, "HS256")
    for token in (foreign, unsigned, nameless, "", "a.b.c", "\ud800", "x" * 5000):
        with pytest.raises(InvalidLinkError) as caught:
            verify_link(SECRET, "offer", token)
        assert caught.type is InvalidLinkError
