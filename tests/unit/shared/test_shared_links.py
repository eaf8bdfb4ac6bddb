"""Signed links: what they are good for, how long, and which are rejected."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark_shared.http.links import (
    CustomerAudience,
    CustomerLink,
    ExpiredLinkError,
    InvalidLinkError,
    OfferLink,
    WrongAudienceError,
    build_offer_url,
    issue_customer_link,
    issue_offer_link,
    verify_customer_link,
    verify_offer_link,
)
from tidemark_shared.http.tokens import InvalidTokenError, issue_token, verify_token

SECRET = "a secret of at least thirty-two bytes"  # noqa: S105 - a secret of the tests
NOW = datetime.now(UTC).replace(microsecond=0)
ORGANIZATION_ID = UUID("5b0f2c4e-3d1a-4f5e-8c22-1f0f6b1f3a01")
HOUR = timedelta(hours=1)
OFFER = UUID("0199a4d2-7c0e-7f60-8c55-1f1b2f1f3a17")


def offer_link(expires_at: datetime = NOW + HOUR, email: str | None = None) -> str:
    return issue_offer_link(SECRET, OfferLink(OFFER, email, expires_at))


def test_offer_link_names_its_offer_and_receiver_and_is_always_the_same() -> None:
    url = build_offer_url("https://tidemark.example/", SECRET, OFFER, valid_until=NOW + HOUR, email="ann@acme.example")
    page, _, token = url.partition("#")
    assert page == "https://tidemark.example/offer"
    assert verify_offer_link(SECRET, token) == OfferLink(OFFER, "ann@acme.example", NOW + HOUR)
    assert token == offer_link(email="ann@acme.example")
    assert verify_offer_link(SECRET, offer_link()).email is None


def test_expired_offer_link_is_told_apart() -> None:
    with pytest.raises(ExpiredLinkError):
        verify_offer_link(SECRET, offer_link(NOW - HOUR))


def test_offer_link_and_bearer_token_are_not_accepted_as_each_other() -> None:
    with pytest.raises(WrongAudienceError):
        verify_offer_link(SECRET, issue_token(SECRET, "olga", "admin", now=NOW, expires=NOW + HOUR))
    with pytest.raises(InvalidTokenError):
        verify_token(SECRET, offer_link())
    claims = {"sub": str(OFFER), "exp": NOW + HOUR, "role": "admin", "jti": "7"}
    with pytest.raises(InvalidTokenError):
        verify_token(SECRET, jwt.encode({**claims, "aud": "tidemark:offer-link"}, SECRET, "HS256"))
    with pytest.raises(WrongAudienceError):
        verify_offer_link(SECRET, jwt.encode({**claims, "aud": "tidemark:customer-link"}, SECRET, "HS256"))


def test_link_without_our_signature_is_rejected() -> None:
    claims = {"sub": str(OFFER), "aud": "tidemark:offer-link", "exp": NOW + HOUR}
    foreign = jwt.encode(claims, SECRET[::-1], "HS256")
    unsigned = jwt.encode(claims, "", "none")
    nameless = jwt.encode({**claims, "sub": "7"}, SECRET, "HS256")
    for token in (foreign, unsigned, nameless, "", "a.b.c", "\ud800", "x" * 5000):
        with pytest.raises(InvalidLinkError) as caught:
            verify_offer_link(SECRET, token)
        assert caught.type is InvalidLinkError


# Links for customers.

LINK = CustomerLink(uuid4(), ORGANIZATION_ID, NOW.replace(microsecond=0), NOW.replace(microsecond=0) + HOUR)
LINK_KIND: CustomerAudience = "tidemark:customer-link"
SESSION_KIND: CustomerAudience = "tidemark:customer-session"


def test_customer_link_has_what_it_was_made_of_and_is_the_same_text_each_time() -> None:
    for kind in (LINK_KIND, SESSION_KIND):
        assert verify_customer_link(SECRET, issue_customer_link(SECRET, LINK, kind), kind) == LINK
        assert issue_customer_link(SECRET, LINK, kind) == issue_customer_link(SECRET, LINK, kind)


def test_kinds_of_tokens_are_not_interchangeable() -> None:
    bearer = issue_token(SECRET, "ann", "customer", now=NOW, expires=NOW + HOUR, organization_id=ORGANIZATION_ID)
    link, session = issue_customer_link(SECRET, LINK), issue_customer_link(SECRET, LINK, SESSION_KIND)
    for token in (link, session):
        with pytest.raises(InvalidTokenError, match="not valid here"):
            verify_token(SECRET, token)
    for token, kind in ((bearer, LINK_KIND), (bearer, SESSION_KIND), (link, SESSION_KIND), (session, LINK_KIND)):
        with pytest.raises(InvalidLinkError):
            verify_customer_link(SECRET, token, kind)


def test_customer_link_is_valid_until_it_expires() -> None:
    ended = LINK._replace(issued_at=NOW - 2 * HOUR, expires_at=NOW - HOUR)
    with pytest.raises(ExpiredLinkError):
        verify_customer_link(SECRET, issue_customer_link(SECRET, ended))
    # A link that was changed is never said to have expired.
    with pytest.raises(InvalidLinkError):
        verify_customer_link(SECRET[::-1], issue_customer_link(SECRET, ended))


TOKENS = [
    issue_customer_link(SECRET, LINK),
    issue_token(SECRET, "ann", "customer", now=NOW, organization_id=ORGANIZATION_ID),
]


@given(token=st.sampled_from(TOKENS), position=st.integers(0, min(map(len, TOKENS)) - 2), character=st.characters())
def test_changed_token_of_any_kind_is_rejected(token: str, position: int, character: str) -> None:
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(InvalidTokenError):
            verify_token(SECRET, changed)
        with pytest.raises(InvalidLinkError):
            verify_customer_link(SECRET, changed)


@given(st.text())
def test_text_is_no_link(text: str) -> None:
    with pytest.raises(InvalidLinkError):
        verify_customer_link(SECRET, text)


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
    assert verify_customer_link(SECRET, jwt.encode(LINK_CLAIMS, SECRET, "HS256")).id == LINK.id
    others = {other: claim for other, claim in LINK_CLAIMS.items() if other != name}
    claims = others if value is None else {**others, name: value}
    with pytest.raises(InvalidLinkError):
        verify_customer_link(SECRET, jwt.encode(claims, SECRET, "HS256"))
