"""The mail of a notification: its headers, its two bodies, and that nothing in it is trusted."""

from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32, default
from html import unescape

import pytest
from built_mails import CUSTOMER, FORECAST, MESSAGE, NO_FIGURES, NOTIFICATION, RAISED_AT, mail, parse
from notifier_bodies import HOUR
from snapshots import account_line, make_snapshot

from tidemark_notifier.delivery.snapshot_text import build_placeholder_values
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.rules.placeholders import PLACEHOLDERS

UMLAUT = Addressee(email="jorg@acme.example.com", name="Jörg Müller-Lüdenscheidt", kind="address")


def test_headers_are_complete_and_the_same_at_every_attempt():
    first, second = mail(), mail()
    assert first.as_bytes() == second.as_bytes()
    parsed, _, _ = parse(first)
    assert parsed["Subject"] == "80 % used: Support 2026, March 2026 [ACME-SUP]"
    assert parsed["From"] == "Tidemark <tidemark@provider.example.com>"
    assert parsed["To"] == "Olga <olga@provider.example.com>"
    assert parsed["Message-ID"] == f"<{MESSAGE}@provider.example.com>"
    assert parsed["List-Id"] == "Tidemark <notifications.tidemark.provider.example.com>"
    assert parsed["Date"].datetime == RAISED_AT
    assert parsed["X-Tidemark-Notification"] == str(NOTIFICATION)
    assert parsed["Auto-Submitted"] == "auto-generated"


def test_name_keeps_its_letters():
    parsed, _, _ = parse(mail(addressee=UMLAUT))
    assert (parsed["To"].addresses[0].display_name, parsed["To"].addresses[0].addr_spec) == (UMLAUT.name, UMLAUT.email)


def test_text_and_html_have_the_same_content():
    forecast = "runs out on 24 March 2026 at the current pace (between 20 March 2026 and 2 April 2026)"
    _, text, html = parse(mail(make_snapshot(forecast=FORECAST, unaccounted_seconds=5400)))
    for content in (
        "80 % used",
        "32 h of 40 h",
        "8 h left",
        "32 h of 40 h used in March 2026 (80 % reached).",
        "Support 2026",
        "ACME-SUP",
        "Acme",
        "March 2026",
        forecast,
        "1 h 30 min (see the contract's page for why)",
        "1 January 2026 to 31 December 2026, active",
        "15 March 2026, 10:30 (Europe/Berlin)",
        "Help desk: 32 h of 40 h",
        "https://tidemark.example.com/contracts/ACME-SUP",
        "You own this contract. The global rule “Warn <b>” notifies its owner.",
        str(NOTIFICATION),
    ):
        assert content in text
        assert content in unescape(html)
    assert "[################----]" in text
    assert 'width="80%"' in html
    assert 'aria-label="32 h of 40 h, 8 h left"' in html
    assert text.startswith("80 % used: 32 h of 40 h, 8 h left.\n[####")


def test_html_loads_no_external_content():
    _, _, html = parse(mail())
    assert "<img" not in html
    assert "url(" not in html
    assert html.count("http") == html.count("https://tidemark.example.com/contracts/ACME-SUP") == 1


def test_names_are_escaped_in_html():
    _, text, html = parse(mail(make_snapshot(contract_name="<script>alert(1)</script>")))
    assert "<script>" not in html
    assert "<b>”" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert(1)</script>" in text


@pytest.mark.parametrize("addressee", [CUSTOMER, Addressee(email="x@y.example.com", name=None, kind="address")])
def test_customer_mail_contains_nothing_internal(addressee):
    accounts = [
        account_line("Help desk", 40 * HOUR, 32 * HOUR),
        account_line("Training", 5 * HOUR, HOUR, billable=False),
    ]
    snapshot = make_snapshot(accounts=accounts, unaccounted_seconds=5400)
    for internal in ("Warn", "Training", "global", "Not counted", "example.com/contracts/"):
        assert internal not in "".join(parse(mail(snapshot, addressee))[1:])
        assert internal in "".join(parse(mail(snapshot))[1:])
    assert "Training (not billable)" in parse(mail(snapshot))[1]


@pytest.mark.parametrize("name", ["x" * 200, "x " * 120, "Vertrag für Müller " * 10, "a" * 40])
@pytest.mark.parametrize("policy", [default, compat32])
def test_long_subject_arrives_unchanged(name, policy):
    for length in range(20):
        long_name = (name + "y" * length).strip()[:255]
        built = mail(make_snapshot(contract_name=long_name))
        subject = message_from_bytes(built.as_bytes(), policy=policy)["Subject"]
        decoded = str(make_header(decode_header(subject))) if policy is compat32 else subject
        assert decoded == f"80 % used: {long_name}, March 2026 [ACME-SUP]"
        lines = built.as_bytes().split(b"\r\n")
        assert all(len(line) <= 998 and b"\n" not in line for line in lines)
        built.as_bytes().decode("ascii")


def test_own_subject_and_opening_come_first():
    own = {"subject": "{organization}: {percent} of {planned}", "opening": "Dear {organization},\n{remaining} <left>."}
    parsed, text, html = parse(mail(make_snapshot(**own)))
    assert parsed["Subject"] == "Acme: 80 % of 40 h"
    assert text.startswith("Dear Acme,\n8 h <left>.\n\n80 % used")
    assert "Dear Acme,<br>8 h &lt;left&gt;." in html


def test_braces_in_a_name_are_not_a_placeholder():
    parsed, _, _ = parse(mail(make_snapshot(contract_name="{percent}", subject="{contract_name} {percent}")))
    assert parsed["Subject"] == "{percent} 80 %"


def test_every_placeholder_has_a_value_in_every_snapshot():
    for snapshot in (
        make_snapshot(),
        make_snapshot(forecast=FORECAST, account_name="Help desk"),
        make_snapshot(**NO_FIGURES),
    ):
        values = build_placeholder_values(snapshot)
        assert set(values) == set(PLACEHOLDERS)
        assert all(values.values())
