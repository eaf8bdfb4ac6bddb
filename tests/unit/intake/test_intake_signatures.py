"""Signatures of webhooks, held to the example that Atlassian publishes."""

import pytest

from tidemark_intake.signatures import check_hmac, check_token, sign
from tidemark_intake.trackers import DeliveryError

# https://developer.atlassian.com/cloud/jira/platform/webhooks/
SECRET, BODY = "It's a Secret to Everybody", b"Hello World!"
SIGNATURE = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"


def test_signature_is_that_of_the_published_example() -> None:
    assert sign(SECRET, BODY) == SIGNATURE
    check_hmac(SECRET, BODY, f"sha256={SIGNATURE}")
    check_hmac(SECRET, BODY, SIGNATURE)


@pytest.mark.parametrize("signature", ["", "sha256=", f"sha256={SIGNATURE[:-1]}0", "sha1=00", "ä"])
def test_other_signature_is_refused(signature: str) -> None:
    with pytest.raises(DeliveryError):
        check_hmac(SECRET, BODY, signature)


@pytest.mark.parametrize("token", ["", "other", "secret ", "ä"])
def test_other_token_is_refused(token: str) -> None:
    check_token("secret", "secret")
    with pytest.raises(DeliveryError):
        check_token("secret", token)
