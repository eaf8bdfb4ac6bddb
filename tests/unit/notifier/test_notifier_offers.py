"""Mails of offers: who is told of what, with which figures and which link, in both languages."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from built_mails import NOTIFICATION, SECRET, mail_of, parse
from hypothesis import given
from hypothesis import strategies as st
from notifier_bodies import (
    HOUR,
    account,
    balance,
    evaluation_input,
    offer,
    organization,
    rule,
    stored_rule,
    terms,
    uid,
)

from tidemark_notifier.delivery.mail_content import MailNotification
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.evaluator import evaluate
from tidemark_notifier.evaluation.offers import (
    find_reminder,
    find_rule_offer,
    freeze_offer,
    is_current,
    resolve_offer_addressees,
)
from tidemark_shared.http.links import OfferLink, verify_offer_link
from tidemark_shared.messaging.events import OfferChanged

BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 3, 15)
ANN = {"name": "Ann Ardent", "email": "ann@acme.example.com"}
APPROVER = Addressee(email="ann@acme.example.com", name="Ann", kind="contacts", role="approver")
OWNER = Addressee(email="olga@provider.example.com", name="Olga", kind="owner")
START, FAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


def offered(**changes):
    return OfferChanged.model_validate(offer(uid("contract"), **changes))


def contract(consumed=38 * HOUR + 1800, contacts=(("ann@acme.example.com", "approver"),), locale="en", **changes):
    body = {**organization(contacts=contacts), "locale": locale}
    return evaluation_input(balance(uid("contract"), consumed=consumed), organization_body=body, **changes)


def mail(event=None, addressee=APPROVER, case=None, *, is_reminder=False):
    snapshot = freeze_offer(event or offered(), case or contract(), TODAY, is_reminder=is_reminder)
    return parse(mail_of(MailNotification(NOTIFICATION, snapshot, addressee)))


ROLES = {
    "approver": [("ann@acme.example.com", "billing"), ("ben@acme.example.com", "approver")],
    "billing": [("ann@acme.example.com", "delivery"), ("ben@acme.example.com", "billing")],
}


@pytest.mark.parametrize("role", ROLES)
def test_open_offer_goes_to_approvers_or_else_to_billing(role):
    [addressee] = resolve_offer_addressees(offered(), contract(contacts=ROLES[role]))
    assert (addressee.email, addressee.kind, addressee.role) == ("ben@acme.example.com", "contacts", role)
    assert resolve_offer_addressees(offered(), contract(contacts=[("ann@acme.example.com", "delivery")])) == []


@pytest.mark.parametrize(
    ("changes", "receivers"),
    [
        ({"status": "requested", "valid_until": None, "requested_by": ANN}, ["olga"]),
        ({"status": "accepted"}, ["olga", "ann"]),
        ({"status": "declined"}, ["olga"]),
        ({"status": "withdrawn"}, ["olga"]),
        ({"status": "expired"}, ["olga"]),
        ({"refusal": "No such account."}, ["olga"]),
    ],
)
def test_owner_is_told_what_becomes_of_it_and_the_customer_what_was_agreed(changes, receivers):
    addressees = resolve_offer_addressees(offered(**changes), contract())
    assert [addressee.receiver.partition("@")[0] for addressee in addressees] == receivers


def test_owner_who_is_a_contact_too_gets_one_mail():
    [addressee] = resolve_offer_addressees(
        offered(status="accepted"), contract(contacts=[("OLGA@provider.example.com", "approver")])
    )
    assert addressee.kind == "owner"


def test_mail_of_an_offer_says_what_would_change_and_what_the_link_does():
    parsed, text, html = mail()
    assert parsed["Subject"] == "Offer: 20 h more: Support 2026, Help desk, March 2026 [ACME-SUP]"
    assert text.startswith(
        "Offer: please answer by 31 March 2026, 23:59 (Europe/Berlin).\n\n"
        "20 h more: 38 h 30 min of 40 h used, 1 h 30 min left.\n[###################-]\n\n"
        "The offer of 20 h more for Help desk in March 2026 is open until 31 March 2026, 23:59 (Europe/Berlin).\n"
    )
    for line in (
        "Planned: 40 h now, 60 h if accepted", "Used: 38 h 30 min", "Left: 1 h 30 min now, 21 h 30 min if accepted",
        "Reason: Extra package", "Price: 1,800.00 EUR",
    ):  # fmt: skip
        assert f"\n{line}\n" in text
        assert line.partition(": ")[2] in html
    assert "Opening the link changes nothing" in text
    assert "can answer in your place" in html
    assert "You are a contact of Acme (approver)." in text
    assert "/contracts/" not in text + html


def test_mail_in_german():
    _, text, _ = mail(case=contract(locale="de"), is_reminder=True)
    assert text.startswith("Erinnerung: bitte antworten Sie bis 31. März 2026, 23:59 Uhr (Europe/Berlin).\n\n")
    assert "\n20 Std. mehr: 38,5 Std. von 40 Std. verbraucht, 1,5 Std. übrig.\n" in text
    assert "\nGeplant: jetzt 40 Std., bei Annahme 60 Std.\n" in text
    assert "\nPreis: 1.800,00 €\n" in text
    assert "Das Öffnen des Links ändert nichts" in text


def test_link_is_bound_to_offer_and_receiver_and_the_same_at_every_attempt():
    event = offered(valid_until=FAR.isoformat())
    _, text, html = mail(event)
    [link] = [line for line in text.splitlines() if "/offer#" in line]
    assert link.startswith("View and answer the offer: https://tidemark.example.com/offer#")
    token = link.partition("#")[2]
    assert f'href="https://tidemark.example.com/offer#{token}"' in html
    assert verify_offer_link(SECRET, token) == OfferLink(UUID(uid("offer")), "ann@acme.example.com", FAR)
    assert mail(event)[1:] == (text, html)
    other = mail(event, APPROVER.model_copy(update={"email": "ben@acme.example.com"}))[1]
    assert token not in other


@pytest.mark.parametrize(
    ("changes", "subject", "sentence"),
    [
        ({"status": "requested", "valid_until": None, "requested_by": ANN}, "Request: ", "Ann Ardent asks for 20 h"),
        ({"status": "declined", "answered_by": ANN, "remark": "Too much."}, "Declined: ", "Ann Ardent declined 20 h"),
        ({"status": "withdrawn"}, "Withdrawn: ", "The offer of 20 h more for Help desk in March 2026 was withdrawn."),
        ({"status": "expired"}, "Expired: ", "expired without an answer."),
        ({"refusal": "The account is gone."}, "Not accepted: ", "no longer fits the contract: The account is gone."),
        ({"status": "accepted"}, "Accepted: ", "Agreed with the customer, and now part of the contract: 20 h more for"),
    ],
)  # fmt: skip
def test_owner_reads_what_happened_and_has_the_page_of_the_contract(changes, subject, sentence):
    parsed, text, html = mail(offered(**changes), OWNER)
    assert parsed["Subject"].startswith(f"{subject}20 h more: ")
    assert sentence in text
    assert sentence in html
    assert "View the contract: https://tidemark.example.com/contracts/ACME-SUP" in text
    assert "/offer#" not in text + html
    assert "You own this contract." in text
    assert "rule" not in text
    assert ("Remark: Too much." in text) == ("remark" in changes)


def test_customer_is_confirmed_what_was_agreed():
    event = offered(status="accepted", version=2, answered_by=ANN, remark="Start on Monday.")
    parsed, text, html = mail(event)
    assert parsed["Subject"].startswith("Accepted: 20 h more: ")
    for line in ("Agreed with Ann Ardent", "Price: 1,800.00 EUR", "Remark: Start on Monday.", "Planned: 40 h\n"):
        assert line in text
    assert "/customer/contracts/ACME-SUP#" in text
    assert "/offer#" not in text + html
    assert "olga" not in text.replace("olga@provider.example.com", "")


def test_reduction_and_overrun_at_the_edges():
    _, text, _ = mail(offered(hours="-5"), case=contract(consumed=40 * HOUR + 1))
    assert "\n5 h less: 40 h 1 s of 40 h used, 1 s over.\n" in text
    assert "Planned: 40 h now, 35 h if accepted" in text
    assert "Left: 1 s over now, 5 h 1 s over if accepted" in text


def test_fixed_price_is_in_money():
    body = terms(type="fixed_price", currency="EUR", contracted_value_minor=4_000_000)
    accounts = [account("Help desk", 4_000_000, 3_850_000, period=("2026-03-01", "2026-03-31"))]
    case = evaluation_input(balance(uid("contract"), unit="minor", currency="EUR", accounts=accounts), terms_body=body)
    _, text, _ = mail(offered(hours=None, value_minor=250_000, currency="EUR"), case=case)
    assert "\n2,500.00 EUR more: 38,500.00 EUR of 40,000.00 EUR used, 1,500.00 EUR left.\n" in text


def test_period_without_a_balance_has_what_the_terms_plan():
    adjustments = [{"account_id": uid("Help desk"), "period_start": "2026-06-01", "hours": "-2.5", "reason": "x"}]
    case = contract(terms_body=terms(adjustments=adjustments))
    _, text, _ = mail(offered(period_start="2026-06-01"), case=case)
    assert "\n20 h more.\n" in text
    assert "Planned: 37 h 30 min now, 57 h 30 min if accepted" in text
    assert "Left:" not in text


def test_names_cannot_add_headers_or_markup():
    event = offered(account_name="<script>\r\nBcc: x@y.example", reason="<b>\u202e", note="<img src=x>")
    parsed, text, html = mail(event)
    assert parsed["Bcc"] is None
    assert "<script>" not in html
    assert "<img" not in html
    assert "\u202e" not in text + html


def test_reminder_is_at_the_start_of_the_day_before():
    assert find_reminder(offered(), BERLIN) == datetime(2026, 3, 29, 22, tzinfo=UTC)
    late = offered(occurred_at="2026-03-30T08:00:00Z")
    assert find_reminder(late, BERLIN) is None
    assert find_reminder(offered(refusal="No."), BERLIN) is None
    assert find_reminder(offered(status="accepted"), BERLIN) is None


@given(
    made=st.integers(0, 364 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes)),
    days=st.integers(0, 400),
    zone=st.sampled_from(["Europe/Berlin", "America/Havana", "Pacific/Apia", "Asia/Kathmandu"]),
)
def test_reminder_is_between_the_offer_and_its_end(made, days, zone):
    until = made + timedelta(days=days, hours=1)
    reminder = find_reminder(offered(occurred_at=made.isoformat(), valid_until=until.isoformat()), ZoneInfo(zone))
    if reminder:
        assert made < reminder < until
        assert until - reminder < timedelta(hours=49)
    else:
        assert days <= 2


def test_what_nobody_needs_to_know_any_more_is_not_sent():
    open_, settled = offered(), offered(status="accepted")
    assert is_current(open_, contract(), datetime(2026, 3, 31, 21, 59, tzinfo=UTC), is_reminder=False)
    assert not is_current(open_, contract(), datetime(2026, 3, 31, 22, tzinfo=UTC), is_reminder=False)
    assert is_current(settled, contract(), datetime(2026, 4, 14, 8, tzinfo=UTC), is_reminder=False)
    assert not is_current(settled, contract(), datetime(2026, 4, 14, 9, tzinfo=UTC), is_reminder=False)


def rule_offers(case=None, **changes):
    """The offers that an evaluation of a rule makes, by the kind of its notification."""
    body = rule("Warn", "80", offer={"account": "Help desk", "hours": "20", **changes}, remind_every_days=3)
    case = case or contract()
    first = evaluate([stored_rule(body, id_=uid("rule"))], case, [], TODAY)
    keys = [key for notification in first for key in notification.notification_keys(TODAY)]
    later = evaluate([stored_rule(body, id_=uid("rule"))], case, keys, TODAY + timedelta(days=3))
    return [(notification.kind, find_rule_offer(notification, case)) for notification in [*first, *later]]


def test_rule_makes_its_offer_once_with_the_crossing():
    (crossing, made), (reminder, none) = rule_offers(price_minor=180000, price_currency="EUR")
    assert (crossing, reminder, none) == ("crossing", "reminder", None)
    assert (made.account, str(made.hours), made.price_minor) == ("Help desk", "20", 180000)
    assert rule_offers(account=uid("Help desk"))[0][1]


@pytest.mark.parametrize(
    ("changes", "case"),
    [
        ({"account": "help desk"}, {}),
        ({"hours": None, "value_minor": 5000}, {}),
        ({}, {"status": "EXPIRED"}),
    ],
)
def test_rule_offers_nothing_that_the_contract_cannot_take(changes, case):
    offers = rule_offers(contract(**case), **changes)
    assert offers
    assert all(made is None for _, made in offers)
