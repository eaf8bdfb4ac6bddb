from datetime import UTC, date, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32, default
from uuid import UUID

import pytest
from notices import HOUR, account, balance, known, organization, rule, stored, terms, uid

from tidemark_notifier.evaluate import evaluate
from tidemark_notifier.mail import bar, message, quantity, span
from tidemark_notifier.snapshot import Addressee, addressees, freeze

UMLAUT = Addressee(email="jorg@acme.example.com", name="Jörg Müller-Lüdenscheidt", kind="address")
OWNER = Addressee(email="olga@provider.example.com", name="Olga", kind="owner")
CUSTOMER = Addressee(email="ann@acme.example.com", name="Ann", kind="contacts", role="billing")
RAISED_AT = datetime(2026, 3, 15, 9, 30, tzinfo=UTC)
IDS = {"notification_id": UUID(uid("notification")), "delivery_id": UUID(uid("delivery"))}


def snapshot(body=None, found=None):
    found = found or known(balance(uid("contract"), consumed=32 * HOUR))
    [notice] = evaluate([stored(body or rule("Warn <b>", "80"))], found, set(), date(2026, 3, 15))
    return freeze(notice, found, date(2026, 3, 15))


def mail(seen=None, addressee=OWNER):
    return message(
        seen or snapshot(), addressee, **IDS, raised_at=RAISED_AT, sender="Tidemark <tidemark@provider.example.com>",
        public_url="https://tidemark.example.com/",
    )  # fmt: skip


def parts(made):
    read = message_from_bytes(made.as_bytes(), policy=default)
    text, html = (read.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))
    return read, text, html


def test_the_headers_say_what_and_when_and_stay_the_same():
    made, again = mail(), mail()
    assert made.as_bytes() == again.as_bytes()
    read, _, _ = parts(made)
    assert read["Subject"] == "80 % used: Support 2026, March 2026 [ACME-SUP]"
    assert read["From"] == "Tidemark <tidemark@provider.example.com>"
    assert read["To"] == "Olga <olga@provider.example.com>"
    assert read["Message-ID"] == f"<{IDS['delivery_id']}@provider.example.com>"
    assert read["Date"].datetime == RAISED_AT
    assert read["X-Tidemark-Notification"] == str(IDS["notification_id"])
    assert read["Auto-Submitted"] == "auto-generated"


def test_a_name_keeps_its_letters():
    read, _, _ = parts(mail(addressee=UMLAUT))
    assert (read["To"].addresses[0].display_name, read["To"].addresses[0].addr_spec) == (UMLAUT.name, UMLAUT.email)


def test_text_and_html_say_the_same():
    _, text, html = parts(mail())
    for said in (
        "80 % used",
        "32 h of 40 h",
        "8 h left",
        "Support 2026",
        "ACME-SUP",
        "Acme",
        "March 2026",
        "15 March 2026, 10:30 (Europe/Berlin)",
        "Help desk: 32 h of 40 h",
        "https://tidemark.example.com/contracts/ACME-SUP",
        "You own this contract",
        str(IDS["notification_id"]),
    ):
        assert said in text
        assert said in html
    assert "[################----]" in text
    assert 'width="80%"' in html
    assert text.startswith("80 % used: 32 h of 40 h, 8 h left.")


def test_names_are_text_and_never_markup():
    evil = terms() | {"name": "<script>alert(1)</script>"}
    seen = snapshot(found=known(balance(uid("contract"), consumed=32 * HOUR), terms_body=evil))
    _, text, html = parts(mail(seen))
    assert "<script>" not in html
    assert "<b>”" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert(1)</script>" in text


@pytest.mark.parametrize("addressee", [CUSTOMER, Addressee(email="x@y.example.com", name=None, kind="address")])
def test_the_customers_mail_carries_nothing_internal(addressee):
    period = ("2026-03-01", "2026-03-31")
    accounts = [
        account("Help desk", 40 * HOUR, 32 * HOUR, period=period),
        account("Internal training", 5 * HOUR, HOUR, period=period, billable=False),
    ]
    seen = snapshot(found=known(balance(uid("contract"), consumed=32 * HOUR, accounts=accounts)))
    for internal in ("Warn", "Olga", "olga@", "Internal training", "global"):
        assert internal not in "".join(parts(mail(seen, addressee))[1:])
    assert "Internal training (not billable)" in parts(mail(seen))[1]


@pytest.mark.parametrize("line_break", ["\u2028", "\x0b", "\x85", "\x1c", "\r\n", "\n"])
def test_a_name_cannot_begin_another_header(line_break):
    # Some of these pass as a name, and count as line breaks where headers are read.
    odd = terms() | {"name": f"Support{line_break}Bcc: evil@example.com"}
    found = known(balance(uid("contract"), consumed=32 * HOUR), terms_body=odd)
    named = OWNER.model_copy(update={"name": f"Olga{line_break}Bcc: evil@example.com"})
    read = message_from_bytes(mail(snapshot(found=found), named).as_bytes(), policy=compat32)
    subject, to = (str(make_header(decode_header(read[name]))) for name in ("Subject", "To"))
    assert read["Bcc"] is None
    assert subject == "80 % used: Support Bcc: evil@example.com, March 2026 [ACME-SUP]"
    assert to == '"Olga Bcc: evil@example.com" <olga@provider.example.com>'


@pytest.mark.parametrize("name", ["x" * 200, "x " * 120, "Vertrag für Müller " * 10, "a" * 40])
@pytest.mark.parametrize("policy", [default, compat32])
def test_a_long_subject_arrives_as_it_was_written(name, policy):
    for length in range(20):
        odd = terms() | {"name": (name + "y" * length).strip()[:255]}
        made = mail(snapshot(found=known(balance(uid("contract"), consumed=32 * HOUR), terms_body=odd)))
        found = message_from_bytes(made.as_bytes(), policy=policy)["Subject"]
        decoded = str(make_header(decode_header(found))) if policy is compat32 else found
        assert decoded == f"80 % used: {odd['name']}, March 2026 [ACME-SUP]"
        lines = made.as_bytes().split(b"\r\n")
        assert all(len(line) <= 998 and b"\n" not in line for line in lines)
        made.as_bytes().decode("ascii")


def test_a_rules_own_words_come_first():
    own = rule(
        "Warn",
        "80",
        subject="{organization}: {percent} of {planned}",
        opening="Dear {organization},\n{remaining} <left>.",
    )
    read, text, html = parts(mail(snapshot(own)))
    assert read["Subject"] == "Acme: 80 % of 40 h"
    assert text.startswith("Dear Acme,\n8 h <left>.\n\n80 % used")
    assert "Dear Acme,<br>8 h &lt;left&gt;." in html


def test_an_account_overdrawn_says_by_how_much():
    accounts = [account("Help desk", 10 * HOUR, 15 * HOUR, period=("2026-03-01", "2026-03-31"))]
    seen = snapshot(rule("Warn", "80", of="account"), known(balance(uid("contract"), accounts=accounts)))
    read, text, _ = parts(mail(seen))
    assert read["Subject"] == "150 % used: Support 2026, Help desk, March 2026 [ACME-SUP]"
    assert "15 h of 10 h, 5 h over." in text
    assert "[#############!!!!!!!]" in text


def test_carried_hours_are_named():
    seen = snapshot(found=known(balance(uid("contract"), consumed=40 * HOUR, carried=10 * HOUR)))
    _, text, _ = parts(mail(seen))
    assert "80 % used: 40 h of 50 h, 10 h left." in text
    assert "Planned: 40 h, carried in: 10 h" in text


def test_nothing_available_has_no_percentage():
    seen = snapshot(found=known(balance(uid("contract"), consumed=HOUR, carried=-41 * HOUR)))
    _, text, _ = parts(mail(seen))
    assert text.startswith("more than 100 % used: 1 h of -1 h, 2 h over.")


def test_an_address_of_another_alphabet_is_sent_to_its_ascii_domain():
    read, _, _ = parts(mail(addressee=CUSTOMER.model_copy(update={"email": "ann@bücher.example.com"})))
    assert read["To"].addresses[0].addr_spec == "ann@xn--bcher-kva.example.com"


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        (0, None, "0 h"),
        (115_200, None, "32 h"),
        (115_199, None, "31 h 59 min 59 s"),
        (-5_400, None, "-1 h 30 min"),
        (3_600_000_000, None, "1,000,000 h"),
        (123_456, "EUR", "1,234.56 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (500, "JPY", "500 JPY"),
        (1_234, "KWD", "1.234 KWD"),
    ],
)
def test_quantities(value, currency, shown):
    assert quantity(value, currency) == shown


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        (date(2026, 3, 1), date(2026, 3, 31), "March 2026"),
        (date(2024, 2, 1), date(2024, 2, 29), "February 2024"),
        (date(2026, 12, 1), date(2026, 12, 31), "December 2026"),
        (date(2026, 3, 1), date(2026, 3, 30), "1 March to 30 March 2026"),
        (date(2026, 1, 15), date(2026, 2, 14), "15 January to 14 February 2026"),
        (date(2026, 12, 15), date(2027, 1, 14), "15 December 2026 to 14 January 2027"),
        (date(2026, 3, 1), date(2027, 3, 31), "1 March 2026 to 31 March 2027"),
    ],
)
def test_spans(start, end, shown):
    assert span(start, end) == shown


@pytest.mark.parametrize(
    ("consumed", "available", "drawn"),
    [(0, 10, (0, 0, 100)), (8, 10, (80, 0, 20)), (10, 10, (100, 0, 0)), (20, 10, (50, 50, 0)), (5, 0, (0, 100, 0)),
     (5, -9, (0, 100, 0)), (0, 0, (0, 0, 100))],
)  # fmt: skip
def test_bars_fill_their_line(consumed, available, drawn):
    assert bar(consumed, available) == drawn
    assert len(str(bar(consumed, available))) == 22


def test_each_address_is_told_once_and_the_owner_as_owner():
    found = known(
        balance(uid("contract")),
        organization_body=organization(
            contacts=[("Olga@Provider.example.com", "billing"), ("ann@acme.example.com", "billing"),
                      ("bob@acme.example.com", "delivery")]
        ),
    )  # fmt: skip
    told = rule(
        receivers=[
            {"kind": "address", "email": "ann@acme.example.com"},
            {"kind": "contacts", "role": "billing"},
            {"kind": "owner"},
        ]
    )
    resolved = addressees(stored(told), found, date(2026, 3, 15))
    assert [(one.email, one.kind) for one in resolved] == [
        ("olga@provider.example.com", "owner"),
        ("ann@acme.example.com", "address"),
    ]
    nobody = stored(rule(receivers=[{"kind": "contacts", "role": "nobody"}]))
    assert addressees(nobody, found, date(2026, 3, 15)) == []
