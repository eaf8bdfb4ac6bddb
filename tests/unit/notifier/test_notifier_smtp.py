import aiosmtplib
import pytest

from tidemark_notifier.deliver import Patience
from tidemark_notifier.smtp import Server, describe, is_permanent


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (ConnectionRefusedError(), False),
        (aiosmtplib.SMTPServerDisconnected("gone"), False),
        (TimeoutError(), False),
        (aiosmtplib.SMTPDataError(451, "later"), False),
        (aiosmtplib.SMTPDataError(554, "spam"), True),
        (aiosmtplib.SMTPSenderRefused(550, "who?", "a"), True),
        (aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(550, "unknown", "a")]), True),
        (aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(450, "greylisted", "a")]), False),
        (aiosmtplib.SMTPSenderRefused(530, "log in first", "a"), False),
        (aiosmtplib.SMTPAuthenticationError(535, "wrong password"), False),
        (aiosmtplib.SMTPConnectResponseError(554, "not today"), False),
        (aiosmtplib.SMTPNotSupported("SMTPUTF8"), True),
        (ValueError("a mail that cannot be made"), False),
    ],
)
def test_only_a_refusal_of_the_mail_itself_is_final(error, permanent):
    assert is_permanent(error) is permanent


def test_errors_say_what_the_server_said():
    refused = aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(550, "no such user", "a")])
    assert describe(refused) == "The mail server answered 550 no such user"
    assert describe(TimeoutError()) == "The mail server did not answer in time."
    assert describe(ConnectionRefusedError("refused")) == "ConnectionRefusedError: refused"


def test_pauses_grow_and_spread():
    patience = Patience(first_pause_seconds=3)
    pauses = [[patience.pause(attempts) for _ in range(200)] for attempts in range(1, 10)]
    assert all(max(shorter) < min(longer) for shorter, longer in zip(pauses, pauses[2:], strict=False))
    assert all(len(set(some)) > 100 for some in pauses)
    assert 2.1 <= min(pauses[0]) <= max(pauses[0]) <= 3.9


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost:1025", Server("localhost", 1025, None, None, use_tls=False)),
        ("smtp://mail.example.com", Server("mail.example.com", 25, None, None, use_tls=False)),
        ("smtp://me@mail.example.com:587", Server("mail.example.com", 587, "me", None, use_tls=False, start_tls=True)),
        ("smtps://me%40x:p%2Fw@mail.example.com", Server("mail.example.com", 465, "me@x", "p/w", use_tls=True)),
    ],
)
def test_the_url_of_a_mail_server(url, server):
    assert Server.at(url) == server


@pytest.mark.parametrize("url", ["localhost:25", "http://localhost", "smtp://"])
def test_another_url_is_refused_by_the_name_of_its_variable(url):
    with pytest.raises(ValueError, match="TIDEMARK_SMTP_URL"):
        Server.at(url)
