import aiosmtplib
import pytest

from tidemark_notifier.delivery.smtp import SmtpServer, describe_error, is_permanent


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
def test_only_a_rejection_of_the_mail_itself_is_permanent(error, permanent):
    assert is_permanent(error) is permanent


def test_error_contains_the_response_of_the_server():
    refused = aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(550, "no such user", "a")])
    assert describe_error(refused) == "The mail server answered 550 no such user"
    assert describe_error(TimeoutError()) == "The mail server did not answer in time."
    assert describe_error(ConnectionRefusedError("refused")) == "ConnectionRefusedError: refused"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost:1025", SmtpServer("localhost", 1025, None, None, use_tls=False)),
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 25, None, None, use_tls=False)),
        (
            "smtp://me@mail.example.com:587",
            SmtpServer("mail.example.com", 587, "me", None, use_tls=False, start_tls=True),
        ),
        ("smtps://me%40x:p%2Fw@mail.example.com", SmtpServer("mail.example.com", 465, "me@x", "p/w", use_tls=True)),
    ],
)
def test_mail_server_url_is_parsed(url, server):
    assert SmtpServer.parse(url) == server


@pytest.mark.parametrize("url", ["localhost:25", "http://localhost", "smtp://"])
def test_invalid_url_names_its_variable(url):
    with pytest.raises(ValueError, match="TIDEMARK_SMTP_URL"):
        SmtpServer.parse(url)
