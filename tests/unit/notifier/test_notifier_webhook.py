import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID

import jsonschema
import pytest
import standardwebhooks
from notifier_bodies import rule, stored_rule, uid
from pydantic import ValidationError
from snapshots import account_line, make_snapshot

from tidemark_notifier.delivery.egress import EgressPolicy, ForbiddenAddressError, is_internal
from tidemark_notifier.delivery.webhook import (
    WebhookPayload,
    build_payload,
    build_response_error,
    parse_retry_after,
    sign,
)
from tidemark_notifier.rules.receivers import MASKED_SECRET, WITH_SECRETS
from tidemark_notifier.rules.rule import Rule, restore_secrets
from tidemark_shared.messaging.events import NotificationChanged

NOW = datetime(2026, 3, 15, 9, 30, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
URL = "https://hooks.example.com/tidemark"
DOCUMENT = Path(__file__).parents[3] / "docs" / "webhooks.md"


def webhook(url=URL, secret=SECRET):
    return {"kind": "webhook", "url": url} | ({"secret": secret} if secret else {})


def with_receivers(*receivers, channels=("webhook",)):
    return rule(receivers=receivers) | {"channels": list(channels)}


def violations(body):
    with pytest.raises(ValidationError) as raised:
        Rule.model_validate(body)
    return {".".join(map(str, error["loc"])): error["msg"] for error in raised.value.errors()}


# Egress policy


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.1", "0.1.2.3", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1",
        "192.175.48.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
        "255.255.255.255",
        "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "100::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1",
        "::ffff:192.0.0.8", "::8.8.8.8", "2001:2::1", "2001:4:112::1", "2001:20::1", "2620:4f:8000::1", "3fff::1",
        "5f00::1", "4000::1", "2002:7f00:1::", "2002:808:808::", "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_internal_address_is_detected_in_every_form(address):
    assert is_internal(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_address_is_not_internal(address):
    assert not is_internal(ip_address(address))


@pytest.mark.parametrize(
    ("allowed", "host", "address", "secure", "message"),
    [
        ("", "hooks.example.com", "8.8.8.8", True, None),
        ("", "hooks.example.com", "8.8.8.8", False, "needs https"),
        ("", "hooks.example.com", "10.0.0.1", True, "internal address"),
        ("10.0.0.0/8", "hooks.example.com", "10.0.0.1", False, None),
        ("10.0.0.0/8", "hooks.example.com", "11.0.0.1", False, "needs https"),
        ("10.0.0.0/8", "hooks.example.com", "192.168.0.1", True, "internal address"),
        (" Hooks.example.com , 10.0.0.1", "hooks.EXAMPLE.com", "192.168.0.1", False, None),
        ("hooks.example.com", "other.example.com", "192.168.0.1", True, "internal address"),
        ("::1", "localhost", "::1", True, None),
        ("127.0.0.0/8", "localhost", "::1", True, "internal address"),
    ],
)  # fmt: skip
def test_policy_allows_listed_hosts_and_public_https(allowed, host, address, secure, message):
    policy = EgressPolicy.parse(allowed)
    if message:
        with pytest.raises(ForbiddenAddressError, match=message):
            policy.check(host, ip_address(address), secure=secure)
    else:
        policy.check(host, ip_address(address), secure=secure)


@pytest.mark.parametrize("allowed", ["10.0.0.1/8", "10.0.0.0/99", "host:80", "http://x"])
def test_invalid_entry_names_its_variable(allowed):
    with pytest.raises(ValueError, match="TIDEMARK_WEBHOOK_ALLOW"):
        EgressPolicy.parse(allowed)


async def test_host_that_resolves_to_an_internal_address_is_forbidden():
    for host in ("localhost", "127.1", "2130706433", "0x7f.0.0.1", "::1"):
        with pytest.raises(ForbiddenAddressError, match="internal address"):
            await EgressPolicy().resolve(host, 443, secure=True)


# The rule


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.com", "ftp://hooks.example.com", "https://", "javascript:alert(1)",
        "https://me:pw@hooks.example.com", "https://hooks.example.com/#x", "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nHost: x", "https://hooks.example.com\t/x", "https://h.example/" + "x" * 2048,
    ],
)  # fmt: skip
def test_invalid_webhook_url_is_rejected(url):
    assert "receivers.0.url" in violations(with_receivers(webhook(url)))


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!", SECRET.removeprefix("whsec_"), "whsec_" + base64.b64encode(b"x" * 23).decode(),
               "whsec_" + base64.b64encode(b"x" * 65).decode()],
)  # fmt: skip
def test_invalid_secret_is_rejected(secret):
    body = with_receivers(webhook() | {"secret": secret})
    assert violations(body)["receivers.0.secret"] == (
        "A secret must be whsec_ followed by 24 to 64 random bytes in base64."
    )


def test_only_a_webhook_has_a_url_and_a_secret():
    assert "receivers.0" in violations(with_receivers({"kind": "webhook", "secret": SECRET}))
    assert "receivers.0" in violations(rule(receivers=[{"kind": "owner", "url": URL}]))
    assert "receivers.0" in violations(rule(receivers=[{"kind": "owner", "secret": SECRET}]))
    assert "receivers.0" in violations(with_receivers(webhook() | {"email": "x@y.example.com"}))


@pytest.mark.parametrize(
    ("receivers", "channels"),
    [
        ([webhook()], ["email"]),
        ([{"kind": "owner"}], ["email", "webhook"]),
        ([{"kind": "owner"}, webhook()], ["email"]),
    ],
)
def test_channels_must_match_the_receivers(receivers, channels):
    assert set(violations(with_receivers(*receivers, channels=channels))) == {"channels"}
    Rule.model_validate(with_receivers({"kind": "owner"}, webhook(), channels=["webhook", "email"]))


@pytest.mark.parametrize("text", ["{nothing}", "{contract.code}", "{}", "{percent!r}", "{__class__}"])
def test_unknown_placeholder_is_rejected_by_name(text):
    for name in ("subject", "opening"):
        message = violations(rule() | {name: f"Dear {text}"})[name]
        assert message.startswith(f"{text} is not a placeholder. Use one of contract_code, ")


def test_oversized_text_and_two_line_subject_are_rejected():
    assert set(violations(rule() | {"opening": "x" * 10_001})) == {"opening"}
    assert set(violations(rule() | {"subject": "x" * 256})) == {"subject"}
    assert set(violations(rule() | {"subject": "80 %\r\nBcc: evil@example.com"})) == {"subject"}


def test_secret_is_stored_and_never_shown():
    webhook_rule = stored_rule(with_receivers(webhook()))
    assert SECRET in webhook_rule.to_stored_json()
    for shown in (
        webhook_rule.model_dump_json(),
        repr(webhook_rule),
        str(webhook_rule.model_dump()),
        str(webhook_rule),
    ):
        assert SECRET not in shown
    assert json.loads(webhook_rule.model_dump_json())["receivers"] == [webhook(secret=MASKED_SECRET)]


@pytest.mark.parametrize("sent", [MASKED_SECRET, None])
def test_omitted_or_masked_secret_keeps_the_one_of_its_url(sent):
    previous = stored_rule(with_receivers(webhook(), webhook("https://other.example.com", OTHER)))
    changed = Rule.model_validate(with_receivers(webhook("https://other.example.com", sent), webhook(secret=sent)))
    restored = restore_secrets(changed, previous)
    assert [receiver.secret for receiver in restored.receivers] == [OTHER, SECRET]
    assert (
        restore_secrets(Rule.model_validate(with_receivers(webhook("https://new.example.com", sent))), previous)
        .receivers[0]
        .secret
        is None
    )
    assert restore_secrets(Rule.model_validate(with_receivers(webhook(secret=sent)))).receivers[0].secret is None
    assert (
        restore_secrets(Rule.model_validate(with_receivers(webhook(secret=OTHER))), previous).receivers[0].secret
        == OTHER
    )
    assert restore_secrets(previous, previous) == previous
    assert WITH_SECRETS not in restored.model_dump_json()


# Payload and answers


def event(**changes):
    names = ("notification_id", "contract_id", "rule_id", "delivery_id")
    return NotificationChanged.model_validate(
        {name: UUID(uid(name)) for name in names}
        | {
            "contract_code": "ACME-SUP", "rule_name": "Warn", "subject": "contract", "subject_id": uid("contract_id"),
            "threshold": "80", "period_start": "2026-03-01", "raised_at": NOW, "channel": "webhook", "receiver": URL,
        } | changes
    )  # fmt: skip


def test_payload_is_the_event_with_figures_as_documented():
    snapshot = make_snapshot(
        forecast={"exhausts_on": "2026-03-24", "low": "2026-03-20", "high": "2026-04-02"},
        accounts=[account_line("Help desk", 144_000, 115_200)],
    )
    sent = json.loads(build_payload(snapshot, event(), public_url="https://tidemark.example.com"))
    jsonschema.validate(sent, WebhookPayload.model_json_schema(mode="serialization"))
    example = DOCUMENT.read_text(encoding="utf-8").partition("```json\n")[2].partition("```")[0]
    assert sent == json.loads(example)


@pytest.mark.parametrize(
    ("kind", "type_"),
    [("crossing", "raised"), ("reminder", "raised"), ("test", "raised"), ("resolved", "resolved")],
)
def test_type_is_resolved_only_for_a_resolution(kind, type_):
    sent = json.loads(build_payload(make_snapshot(kind=kind), event(), public_url="https://tidemark.example.com"))
    assert (sent["type"], sent["data"]["kind"]) == (f"tidemark.notification.{type_}.v1", kind)


def test_signature_follows_standard_webhooks():
    now, sent = datetime.now(UTC), build_payload(make_snapshot(), event(), public_url="https://tidemark.example.com")
    headers = {
        "webhook-id": uid("delivery_id"),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": sign(SECRET, uid("delivery_id"), int(now.timestamp()), sent),
    }
    assert standardwebhooks.Webhook(SECRET).verify(sent, headers) == json.loads(sent)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OTHER).verify(sent, headers)


def test_control_and_bidi_characters_of_names_are_replaced():
    snapshot = make_snapshot(contract_name="a\x00\u202eb", accounts=[account_line("a\x1bb", 1, 1)])
    payload = build_payload(snapshot, event(rule_name="a\u2066b"), public_url="https://tidemark.example.com")
    data = json.loads(payload)["data"]
    assert data["contract_name"] == "a\ufffd\ufffdb"
    assert (data["figures"]["accounts"][0]["name"], data["rule_name"]) == ("a\ufffdb", "a\ufffdb")


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(301, False), (307, False), (400, True), (401, True), (404, True), (408, False), (410, True), (413, True),
     (425, False), (429, False), (499, True), (500, False), (503, False), (600, False)],
)  # fmt: skip
def test_client_errors_are_permanent_except_retryable_ones(status, permanent):
    assert build_response_error(status, [], b"", NOW).permanent is permanent


def test_error_quotes_the_answer_on_one_line():
    assert str(build_response_error(500, [], b"no\r\n\xffdice", NOW)) == "The webhook answered 500: no \ufffddice"
    assert str(build_response_error(302, [], b"", NOW)) == "The webhook answered 302: redirects are not followed"
    assert str(build_response_error(503, [], b"", NOW)) == "The webhook answered 503"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"120", 120), (b"0", 0), (b"99999999999999", 3600), (b"-5", 0), (b"soon", 0), (b"", 0), (b"\xb2", 0),
        (b"0.337", 0.337), (b"1.5", 1.5), (b"1.", 0), (b"1e3", 0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True).encode(), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True).encode(), 0),
        (format_datetime(NOW + timedelta(days=1), usegmt=True).encode(), 3600),
    ],
)  # fmt: skip
def test_retry_after_is_limited_to_an_hour(header, seconds):
    assert parse_retry_after([(b"Retry-After", header)], NOW) == seconds
    assert parse_retry_after([], NOW) == 0
