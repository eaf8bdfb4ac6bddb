"""Who a mail is from, whom to ask, how to stop it, and in which language it is."""

import re
from datetime import timedelta
from urllib.parse import unquote
from uuid import UUID

import jwt
import pytest
from api_tokens import SECRET
from built_mails import CUSTOMER, OWNER, RAISED_AT, parse
from notifier_bodies import HOUR, MID_MARCH, balance, evaluation_input, organization, rule, stored_rule, uid
from snapshots import make_snapshot

from tidemark_notifier.delivery.mail import build_mail, check_sender
from tidemark_notifier.delivery.mail_content import MailNotification
from tidemark_notifier.delivery.senders import MailSender
from tidemark_notifier.delivery.smtp import SmtpServer
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.evaluator import evaluate
from tidemark_notifier.evaluation.snapshot import Snapshot, freeze_notification
from tidemark_shared.http.links import MAIL_LINK_VERSION, ExpiredLinkError, verify_customer_link

ADDRESS = Addressee(email="alerts@acme.example.com", kind="address")
MEMBER = Addressee(email="max@provider.example.com", name="Max", kind="team", team="Support")
OLGA = "Olga <olga@provider.example.com>"


def send(*addressees, sender="Provider <support@provider.example.com>", provider_locale="en", **changes):
    snapshot = make_snapshot(**changes)
    return parse(
        build_mail(
            [MailNotification(UUID(uid("notification")), snapshot, addressee) for addressee in addressees],
            message_id=UUID(uid("message")),
            raised_at=RAISED_AT,
            sender=sender,
            public_url="https://tidemark.example.com",
            secret=SECRET,
            locale=provider_locale,
        )
    )


@pytest.mark.parametrize(
    ("sender", "name"),
    [("Provider <support@provider.example.com>", "Provider"), ("support@provider.example.com", ""),
     ("Müller & Söhne <support@provider.example.com>", "Müller & Söhne")],
)  # fmt: skip
def test_mail_is_from_the_provider(sender, name):
    parsed, _, _ = send(CUSTOMER, sender=sender)
    [address] = parsed["From"].addresses
    assert (address.display_name, address.addr_spec) == (name, "support@provider.example.com")


@pytest.mark.parametrize("sender", ["", "Provider", "Provider <>", "a b@c d"])
def test_sender_without_an_address_is_refused_at_the_start(sender):
    with pytest.raises(ValueError, match="TIDEMARK_MAIL_FROM is"):
        MailSender(
            SmtpServer.parse("smtp://127.0.0.1"),
            sender=sender,
            public_url="https://tidemark.example.com",
            secret=SECRET,
        )
    check_sender("Tidemark <tidemark@localhost>")


@pytest.mark.parametrize("addressee", [CUSTOMER, ADDRESS, MEMBER])
def test_replies_go_to_the_owner_and_the_mail_says_so(addressee):
    parsed, text, html = send(addressee)
    assert str(parsed["Reply-To"]) == OLGA
    for part in (text, html):
        assert "Olga (olga@provider.example.com) is responsible for this contract." in part
        assert "reply to this mail." in part


def test_owner_is_told_to_change_the_rule():
    parsed, text, _ = send(OWNER)
    assert (parsed["Reply-To"], parsed["List-Unsubscribe"]) == (None, None)
    assert "To stop such mails, change the rule or switch it off.\n" in text


def test_only_an_address_can_unsubscribe_by_a_header():
    assert send(CUSTOMER)[0]["List-Unsubscribe"] is None
    header = send(ADDRESS, contract_code="A&B?<x>\r\nBcc: y")[0]["List-Unsubscribe"]
    assert header.startswith("<mailto:olga@provider.example.com?subject=Unsubscribe%20")
    assert header.endswith(">")
    assert not set(header[1:-1]) & set("<>& \r\n")
    assert unquote(header) == (
        "<mailto:olga@provider.example.com?subject=Unsubscribe alerts@acme.example.com from A&B?<x> Bcc: y>"
    )


def test_hostile_owner_begins_no_other_header():
    parsed, _, _ = send(ADDRESS, owner_name="Olga\r\nBcc: evil@example.com", owner_email="olga@provider.example.com")
    assert parsed["Bcc"] is None
    assert parsed["Reply-To"].addresses[0].display_name == "Olga Bcc: evil@example.com"


def test_notification_of_an_earlier_version_has_no_owner():
    parsed, text, _ = send(ADDRESS, owner_name=None, owner_email=None)
    assert (parsed["Reply-To"], parsed["List-Unsubscribe"]) == (None, None)
    assert "responsible" not in text


@pytest.mark.parametrize(
    ("addressees", "is_of_provider", "is_of_customer"),
    [
        ([OWNER], True, False), ([MEMBER], True, False), ([CUSTOMER], False, True), ([ADDRESS], False, False),
        ([CUSTOMER, ADDRESS], False, True), ([CUSTOMER, OWNER], True, False),
    ],
)  # fmt: skip
def test_link_leads_to_the_page_that_the_receiver_may_open(addressees, is_of_provider, is_of_customer):
    _, text, html = send(*addressees, trigger="unaccounted_work", threshold="1", unaccounted_seconds=7200)
    for part in (text, html):
        assert ("https://tidemark.example.com/contracts/ACME-SUP" in part) is is_of_provider
        assert ("see the contract" in part.replace("&#39;", "'")) is is_of_provider
        assert ("https://tidemark.example.com/customer/contracts/ACME-SUP#" in part) is is_of_customer


def test_customer_link_is_signed_for_its_organization_and_the_same_at_every_attempt():
    (_, text, _), (_, again, _) = send(CUSTOMER), send(CUSTOMER)
    assert text == again
    token = re.search(r"/customer/contracts/ACME-SUP#(\S+)", text)[1]
    with pytest.raises(ExpiredLinkError):  # the mail is of March 2026
        verify_customer_link(SECRET, token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["org"], UUID(claims["jti"]).version) == (uid("Acme"), MAIL_LINK_VERSION)
    assert claims["iat"] == RAISED_AT.timestamp()
    assert claims["exp"] == (RAISED_AT + timedelta(days=90)).timestamp()


def test_notification_of_an_earlier_version_has_no_customer_link():
    assert "/customer" not in send(CUSTOMER, organization_id=None)[1]


@pytest.mark.parametrize(
    ("addressee", "locale", "expected"),
    [(CUSTOMER, "de", "en"), (ADDRESS, "de", "en"), (OWNER, "de", "de"), (MEMBER, "de", "de"), (OWNER, "en", "en")],
)
def test_customer_reads_the_language_of_the_organization_and_the_provider_its_own(addressee, locale, expected):
    _, text, html = send(addressee, provider_locale=locale)
    assert text.startswith("80 % verbraucht" if expected == "de" else "80 % used")
    assert f'<html lang="{expected}">' in html


def test_snapshot_has_the_locale_of_the_organization_and_the_owner():
    body = {**organization(), "locale": "de-AT"}
    contract = evaluation_input(balance(uid("contract"), consumed=40 * HOUR), organization_body=body)
    [notification] = evaluate([stored_rule(rule())], contract, [], MID_MARCH)
    snapshot = freeze_notification(notification, contract, MID_MARCH)
    assert (snapshot.locale, snapshot.owner_name, snapshot.owner_email) == (
        "de-AT",
        "Olga",
        "olga@provider.example.com",
    )
    assert snapshot.reason == "40 h of 40 h used in March 2026 (80 % reached)."
    earlier = snapshot.model_dump(mode="json", exclude={"locale", "owner_name", "owner_email"})
    assert Snapshot.model_validate(earlier).locale == "en"


def test_german_mail_is_german_throughout():
    parsed, text, html = send(
        CUSTOMER,
        locale="de",
        contract_name="Wartung",
        forecast={"exhausts_on": "2026-03-24", "low": "2026-03-20", "high": "2026-04-02"},
        opening="{consumed} von {available}, {percent}, bis {end_date}, {account}: {reason}",
        consumed=149_400,
        remaining=-5400,
        percent="103.75",
    )
    assert parsed["Subject"] == "103,75 % verbraucht: Wartung, März 2026 [ACME-SUP]"
    assert text.startswith(
        "41,5 Std. von 40 Std., 103,75 %, bis 31. Dezember 2026, keine Angabe: "
        "41,5 Std. von 40 Std. im März 2026 verbraucht (80 % erreicht).\n\n"
        "103,75 % verbraucht: 41,5 Std. von 40 Std., 1,5 Std. überzogen.\n"
    )
    for line in (
        "Zeitraum: März 2026", "Geplant: 40 Std.", "Vertrag: 1. Januar 2026 bis 31. Dezember 2026, aktiv",
        "Prognose: beim derzeitigen Tempo am 24. März 2026 aufgebraucht (zwischen dem 20. März 2026 und dem 2. April",
        "Stand: 15. März 2026, 10:30 Uhr (Europe/Berlin)", "- Help desk: 32 Std. von 40 Std.",
        "Warum Sie dies erhalten: Sie sind Ansprechperson von Acme (billing).",
    ):  # fmt: skip
        assert line in text
    assert "(olga@provider.example.com) ist für diesen Vertrag zuständig. Wenn Sie Fragen haben oder solche" in text
    for english in ("used", "Period", "Planned", "Account", "As of", "Why", "twice", "left", "contract."):
        assert english not in text
        assert f">{english}" not in html


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trigger": "overrun"}, "32 Std. von 40 Std. im März 2026 verbraucht (über 100 %)."),
        ({"trigger": "remaining_hours", "threshold": "8", "kind": "resolved"},
         "32 Std. von 40 Std. im März 2026 verbraucht (wieder mehr als 8 Std. übrig)."),
        ({"trigger": "expires_in_days", "threshold": "30", "days_left": 1},
         "Der Vertrag endet am 31. Dezember 2026 (noch 1 Tag)."),
        ({"trigger": "status_changed", "threshold": "INACTIVE", "status": "INACTIVE"},
         "Der Vertrag ist jetzt ausgesetzt: Arbeit zählt erst wieder, wenn er aktiv ist."),
        ({"trigger": "unaccounted_work", "threshold": "8", "unaccounted_seconds": 30_600},
         "8,5 Std. der erfassten Arbeit werden nicht gezählt (Meldung ab 8 Std.)."),
        ({"trigger": "forecast_exhausts"}, "Beim derzeitigen Tempo reicht das Budget bis zum Ende."),
        ({"available": -3600, "consumed": 1800},
         "30 Min. im März 2026 verbraucht, bei 1 Std. Überziehung aus dem vorherigen Zeitraum (80 % erreicht)."),
    ],
)  # fmt: skip
def test_reasons_in_german(changes, reason):
    assert f"\n{reason}\n" in send(CUSTOMER, locale="de", **changes)[1]
