"""The demo: 60 hours of work, all in one period and in the past, on any day."""

from datetime import date, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from mailbox import Maildir
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tidemark.demo import ACCOUNTS, DAYS, WORKING_DAYS, read_mail, read_text, work
from tidemark_shared.domain.calendar import split_into_periods


@given(st.dates(date(2020, 1, 1), date(2060, 1, 1)))
def test_demo_bills_sixty_hours_in_one_past_period(start: date) -> None:
    done = list(work(start))
    assert len(done) == WORKING_DAYS
    minutes = sum(minutes for _, logs in done for account, _, minutes in logs if ACCOUNTS[account]["billable"])
    assert minutes == 60 * 60
    first = split_into_periods("monthly", start, start + timedelta(days=364))[0]
    assert all(first.start <= day <= min(first.end, start + timedelta(days=DAYS - 1)) for day, _ in done)


def test_demo_accounts_follow_the_contract_rules() -> None:
    assert sum(account["hours"] for account in ACCOUNTS.values() if account["billable"]) == 40
    assert all(sum(account["slices"].values()) == account["hours"] for account in ACCOUNTS.values())


def test_mail_is_found_by_its_message_id(tmp_path: Path) -> None:
    maildir = Maildir(tmp_path / "mail")
    for message in ("one", "two"):
        mail = EmailMessage()
        mail["Message-ID"] = f"<{message}@tidemark>"
        mail["Subject"] = message
        maildir.add(mail)
    mail_of_two = read_mail(tmp_path / "mail", "two")
    assert mail_of_two is not None
    assert mail_of_two["Subject"] == "two"
    assert read_mail(tmp_path / "mail", "three") is None


def test_text_of_a_mail_has_the_line_ends_of_a_terminal() -> None:
    headers = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"
    raw = headers + b"\r\nb25lDQp0d28NCg==\r\n"
    assert read_text(message_from_bytes(raw, policy=policy.default)) == "one\ntwo\n"
