from datetime import UTC, date, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32, default
from html import unescape
from uuid import UUID

import pytest
from notices import HOUR, uid
from seen import line, seen

from tidemark_notifier.mail import bar, headline, message, placeholders
from tidemark_notifier.rules import PLACEHOLDERS
from tidemark_notifier.snapshot import Addressee
from tidemark_notifier.words import quantity, span

UMLAUT = Addressee(email="jorg@acme.example.com", name="Jörg Müller-Lüdenscheidt", kind="address")
OWNER = Addressee(email="olga@provider.example.com", name="Olga", kind="owner")
CUSTOMER = Addressee(email="ann@acme.example.com", name="Ann", kind="contacts", role="billing")
RAISED_AT = datetime(2026, 3, 15, 9, 30, tzinfo=UTC)
IDS = {"notification_id": UUID(uid("notification")), "delivery_id": UUID(uid("delivery"))}
FORECAST = {"exhausts_on": "2026-03-24", "low": "2026-03-20", "high": "2026-04-02"}


def mail(snapshot=None, addressee=OWNER):
    return message(
        snapshot or seen(), addressee, **IDS, raised_at=RAISED_AT, sender="Tidemark <tidemark@provider.example.com>",
        public_url="https://tidemark.example.com/",
    )  # fmt: skip


def parts(made):
    read = message_from_bytes(made.as_bytes(), policy=default)
    text, html = (read.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))
    return read, text, html.replace("\N{NO-BREAK SPACE}", " ")


def test_the_headers_say_what_and_when_and_stay_the_same():
    made, again = mail(), mail()
    assert made.as_bytes() == again.as_bytes()
    read, _, _ = parts(made)
    assert read["Subject"] == "80 % used: Support 2026, March 2026 [ACME-SUP]"
    assert read["From"] == "Tidemark <tidemark@provider.example.com>"
    assert read["To"] == "Olga <olga@provider.example.com>"
    assert read["Message-ID"] == f"<{IDS['delivery_id']}@provider.example.com>"
    assert read["List-Id"] == "Tidemark <notifications.tidemark.provider.example.com>"
    assert read["Date"].datetime == RAISED_AT
    assert read["X-Tidemark-Notification"] == str(IDS["notification_id"])
    assert read["Auto-Submitted"] == "auto-generated"


def test_a_name_keeps_its_letters():
    read, _, _ = parts(mail(addressee=UMLAUT))
    assert (read["To"].addresses[0].display_name, read["To"].addresses[0].addr_spec) == (UMLAUT.name, UMLAUT.email)


def test_text_and_html_say_the_same():
    forecast = "at the present pace it runs out on 24 March 2026, between 20 March 2026 and 2 April 2026"
    _, text, html = parts(mail(seen(forecast=FORECAST, unaccounted_seconds=5400)))
    for said in (
        "80 % used",
        "32 h of 40 h",
        "8 h left",
        "32 h of 40 h are used in March 2026: 80 % is reached.",
        "Support 2026",
        "ACME-SUP",
        "Acme",
        "March 2026",
        forecast,
        "1 h 30 min, the contract's page says why",
        "1 January 2026 to 31 December 2026, active",
        "15 March 2026, 10:30 (Europe/Berlin)",
        "Help desk: 32 h of 40 h",
        "https://tidemark.example.com/contracts/ACME-SUP",
        "You own this contract, and the global rule “Warn <b>” tells its owner.",
        str(IDS["notification_id"]),
    ):
        assert said in text
        assert said in unescape(html)
    assert "[################----]" in text
    assert 'width="80%"' in html
    assert 'aria-label="32 h of 40 h, 8 h left"' in html
    assert text.startswith("80 % used: 32 h of 40 h, 8 h left.\n[####")


def test_nothing_is_fetched_from_elsewhere():
    _, _, html = parts(mail())
    assert "<img" not in html
    assert "url(" not in html
    assert html.count("http") == html.count("https://tidemark.example.com/contracts/ACME-SUP") == 1


def test_names_are_text_and_never_markup():
    _, text, html = parts(mail(seen(contract_name="<script>alert(1)</script>")))
    assert "<script>" not in html
    assert "<b>”" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert(1)</script>" in text


@pytest.mark.parametrize("addressee", [CUSTOMER, Addressee(email="x@y.example.com", name=None, kind="address")])
def test_the_customers_mail_carries_nothing_internal(addressee):
    accounts = [line("Help desk", 40 * HOUR, 32 * HOUR), line("Training", 5 * HOUR, HOUR, billable=False)]
    told = seen(accounts=accounts, unaccounted_seconds=5400)
    for internal in ("Warn", "Olga", "olga@", "Training", "global", "Not counted"):
        assert internal not in "".join(parts(mail(told, addressee))[1:])
        assert internal in "".join([*parts(mail(told))[1:], "Olga olga@"])
    assert "Training (not billable)" in parts(mail(told))[1]


@pytest.mark.parametrize("line_break", ["\u2028", "\x0b", "\x85", "\x1c", "\r\n", "\n"])
def test_a_name_cannot_begin_another_header(line_break):
    # Some of these pass as a name, and count as line breaks where headers are read.
    told = seen(contract_name=f"Support{line_break}Bcc: evil@example.com")
    named = OWNER.model_copy(update={"name": f"Olga{line_break}Bcc: evil@example.com"})
    read = message_from_bytes(mail(told, named).as_bytes(), policy=compat32)
    subject, to = (str(make_header(decode_header(read[name]))) for name in ("Subject", "To"))
    assert read["Bcc"] is None
    assert subject == "80 % used: Support Bcc: evil@example.com, March 2026 [ACME-SUP]"
    assert to == '"Olga Bcc: evil@example.com" <olga@provider.example.com>'


@pytest.mark.parametrize("name", ["x" * 200, "x " * 120, "Vertrag für Müller " * 10, "a" * 40])
@pytest.mark.parametrize("policy", [default, compat32])
def test_a_long_subject_arrives_as_it_was_written(name, policy):
    for length in range(20):
        odd = (name + "y" * length).strip()[:255]
        made = mail(seen(contract_name=odd))
        found = message_from_bytes(made.as_bytes(), policy=policy)["Subject"]
        decoded = str(make_header(decode_header(found))) if policy is compat32 else found
        assert decoded == f"80 % used: {odd}, March 2026 [ACME-SUP]"
        lines = made.as_bytes().split(b"\r\n")
        assert all(len(line) <= 998 and b"\n" not in line for line in lines)
        made.as_bytes().decode("ascii")


def test_a_rules_own_words_come_first():
    own = {"subject": "{organization}: {percent} of {planned}", "opening": "Dear {organization},\n{remaining} <left>."}
    read, text, html = parts(mail(seen(**own)))
    assert read["Subject"] == "Acme: 80 % of 40 h"
    assert text.startswith("Dear Acme,\n8 h <left>.\n\n80 % used")
    assert "Dear Acme,<br>8 h &lt;left&gt;." in html


def test_what_stands_in_a_name_is_no_placeholder():
    read, _, _ = parts(mail(seen(contract_name="{percent}", subject="{contract_name} {percent}")))
    assert read["Subject"] == "{percent} 80 %"


def test_every_placeholder_has_its_text_whatever_was_seen():
    for told in (seen(), seen(forecast=FORECAST, account_name="Help desk"), seen(**NO_FIGURES)):
        found = placeholders(told)
        assert set(found) == set(PLACEHOLDERS)
        assert all(found.values())


NO_FIGURES = {
    "trigger": "expires_in_days", "reason": "The contract ends on 31 December 2026: 30 days are left.",
    "days_left": 30, "threshold": "30", "threshold_text": "30 days", "period_start": None, "period_end": None,
    "planned": None, "available": None, "consumed": None, "remaining": None, "percent": None, "accounts": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("occasion", "word", "about"),
    [
        ("reminder", "Reminder", "it still lasts"),
        ("resolved", "Resolved", "it is over"),
        ("test", "Test", "nothing has happened"),
    ],
)
def test_what_is_no_crossing_says_so_first_whatever_the_subject(occasion, word, about):
    for own in (None, "{percent} of {planned}"):
        read, text, html = parts(mail(seen(occasion=occasion, subject=own)))
        assert read["Subject"].startswith(f"{word}: 80 % ")
        assert text.startswith(f"{word.upper()}. ")
        assert f">{word}</span>" in html
        assert about in text
        assert about in html


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trigger": "consumed_percent"}, "80 % used"),
        ({"trigger": "consumed_percent", "percent": None}, "More than 100 % used"),
        ({"trigger": "remaining_hours"}, "8 h left"),
        ({"trigger": "remaining_amount", "unit": "minor", "currency": "EUR", "remaining": 50_000}, "500.00 EUR left"),
        ({"trigger": "overrun", "remaining": -9000}, "2 h 30 min over"),
        ({"trigger": "overrun", "occasion": "resolved", "remaining": 3600}, "1 h left"),
        ({"trigger": "expires_in_days", "days_left": 30}, "30 days left"),
        ({"trigger": "expires_in_days", "days_left": 0}, "Ends today"),
        ({"trigger": "expired", "days_left": -1}, "Ended on 31 December 2026"),
        ({"trigger": "status_changed", "status": "INACTIVE"}, "Now suspended"),
        ({"trigger": "unaccounted_work", "unaccounted_seconds": 5400}, "1 h 30 min not counted"),
        ({"trigger": "forecast_exhausts", "forecast": FORECAST}, "Runs out on 24 March 2026"),
        ({"trigger": "forecast_exhausts", "occasion": "resolved"}, "Lasts to the end"),
    ],
)
def test_the_figure_comes_first(changes, said):
    told = seen(**changes)
    read, text, html = parts(mail(told))
    assert headline(told) == said
    assert said in read["Subject"]
    assert f">{said}</h1>" in html
    assert f"\n{said}" in f"\n{text}"


@pytest.mark.parametrize(
    ("forecast", "said"),
    [
        (FORECAST | {"high": None}, "at the present pace it runs out on 24 March 2026, 20 March 2026 at the earliest"),
        (dict.fromkeys(FORECAST), "at the present pace it lasts to the end"),
    ],
)
def test_a_forecast_that_is_open(forecast, said):
    assert f"Forecast: {said}\n" in parts(mail(seen(forecast=forecast)))[1]


def test_what_the_headline_says_is_not_said_twice():
    told = seen(trigger="overrun", consumed=45 * HOUR, remaining=-5 * HOUR, percent="112.5")
    _, text, html = parts(mail(told))
    assert text.startswith("5 h over: 45 h of 40 h used, 112.5 %.")
    assert html.count("5 h over") == text.count("5 h over") + 1 == 2  # and the title


@pytest.mark.parametrize("of", [{}, {"subject_kind": "slice", "account_name": "Help desk", "team_name": "North"}])
def test_what_is_used_up_has_no_forecast(of):
    told = seen(forecast=dict.fromkeys(FORECAST, "2026-03-13"), **of)
    assert "present pace" not in "".join(parts(mail(told))[1:])
    assert "present pace" in parts(mail(seen(forecast=dict.fromkeys(FORECAST, "2026-03-16"), **of)))[1]


def test_the_forecast_of_the_contract_is_not_that_of_an_account():
    told = seen(forecast=FORECAST, subject_kind="account", account_name="Help desk", remaining=0)
    assert "Whole contract: at the present pace" in parts(mail(told))[1]


def test_a_mail_without_figures_has_no_bar():
    read, text, html = parts(mail(seen(**NO_FIGURES)))
    assert read["Subject"] == "30 days left: Support 2026 [ACME-SUP]"
    assert text.startswith("30 days left.\n\nThe contract ends on 31 December 2026")
    assert 'role="img"' not in html
    assert "None" not in text + html


def test_an_account_overdrawn_says_by_how_much():
    told = seen(
        subject_kind="account", account_name="Help desk", planned=10 * HOUR, available=10 * HOUR, consumed=15 * HOUR,
        remaining=-5 * HOUR, percent="150",
    )  # fmt: skip
    read, text, _ = parts(mail(told))
    assert read["Subject"] == "150 % used: Support 2026, Help desk, March 2026 [ACME-SUP]"
    assert "15 h of 10 h, 5 h over." in text
    assert "[#############!!!!!!!]" in text


def test_a_slice_names_its_team():
    read, text, _ = parts(mail(seen(subject_kind="slice", account_name="Help desk", team_name="North")))
    assert read["Subject"] == "80 % used: Support 2026, Help desk, North, March 2026 [ACME-SUP]"
    assert "Account: Help desk\nTeam: North\n" in text


def test_carried_hours_are_named():
    told = seen(available=50 * HOUR, consumed=40 * HOUR, remaining=10 * HOUR)
    _, text, _ = parts(mail(told))
    assert "80 % used: 40 h of 50 h, 10 h left." in text
    assert "Planned: 40 h, carried in: 10 h" in text


def test_nothing_available_has_no_percentage():
    told = seen(available=-HOUR, consumed=HOUR, remaining=-2 * HOUR, percent=None)
    assert parts(mail(told))[1].startswith("More than 100 % used: 1 h of -1 h, 2 h over.")


def test_a_fixed_price_is_told_in_its_currency():
    told = seen(
        unit="minor", currency="JPY", planned=1_000_000, available=1_000_000, consumed=800_000, remaining=200_000,
        accounts=[line("Build", 1_000_000, 800_000)],
    )  # fmt: skip
    _, text, _ = parts(mail(told))
    assert text.startswith("80 % used: 800,000 JPY of 1,000,000 JPY, 200,000 JPY left.")
    assert "Build: 800,000 JPY of 1,000,000 JPY" in text


def test_a_member_of_a_team_is_told_why():
    member = Addressee(email="sam@provider.example.com", name="Sam", kind="team", team="North")
    assert "You are a member of the team North." in parts(mail(addressee=member))[1]


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
