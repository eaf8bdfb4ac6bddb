"""Build the mail of one or more notifications: text and HTML alike, the same bytes at every attempt. SPEC N5."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from email.charset import QP, Charset
from email.header import Header
from email.message import Message
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import jinja2
from email_validator import EmailNotValidError, validate_email

from tidemark_notifier.delivery.mail_content import (
    MailNotification,
    build_view,
    choose_language,
    find_owner_email,
    format_subject,
    is_for_customer,
    sort_by_urgency,
)
from tidemark_notifier.delivery.snapshot_text import build_customer_link, make_safe
from tidemark_notifier.language import Language
from tidemark_shared.domain.text import to_safe_line
from tidemark_shared.http.links import CustomerLink, issue_customer_link

# Within "80 %", "24 March" and "24. März".
_SPACE_AFTER_NUMBER = re.compile(r"((?<=\d)|(?<=\d\.)) (?=%|h\b|min\b|s\b|[A-Z€])")

_LINK_LIFETIME = timedelta(days=90)
_MAX_SUBJECT_LENGTH = 900  # a line has at most 998 characters (RFC 5322, 2.1.1)

# The newer half of the email package, in Python 3.11, loses spaces where it folds a long subject with umlauts, and
# begins one that is slightly too long with an empty line. So this uses the older half. ASCII headers are not folded:
# mail readers differ in how they join folded lines.
_POLICY = compat32.clone(linesep="\r\n", max_line_length=0)
_UTF8: Any = Charset("utf-8")
_UTF8.body_encoding = QP


def check_sender(sender: str) -> None:
    """Raise ``ValueError`` unless ``sender`` has an address, and perhaps a name."""
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(sender)[1]):
        raise ValueError(
            f"TIDEMARK_MAIL_FROM is {sender!r}. Set a name and an address, such as Acme Support <support@acme.example>."
        )


def build_mail(
    notifications: Sequence[MailNotification],
    *,
    message_id: UUID,
    raised_at: datetime,
    sender: str,
    public_url: str,
    secret: str,
    locale: str = "en",
) -> Message:
    """The mail of notifications that were raised together for one contract and receiver, from their snapshots alone.

    ``secret`` signs the links of a customer's mail; ``locale`` is the provider's.
    """
    notifications = sort_by_urgency(notifications)
    language = choose_language(notifications, locale)
    snapshot, addressee = notifications[0].snapshot, notifications[0].addressee
    local_time = raised_at.astimezone(ZoneInfo(snapshot.timezone))
    as_of = language.format_moment(local_time, snapshot.timezone)
    view = make_safe(
        {**build_view(notifications, public_url, language, secret), "as_of": as_of, "language": language.tag}
    )
    if is_for_customer(notifications) and snapshot.organization_id and not view["link"]:
        link = issue_mail_link(secret, snapshot.organization_id, message_id, raised_at)
        view["link"] = f"{build_customer_link([item.snapshot for item in notifications], public_url)}#{link}"
    name = next((name for _, _, addressee in notifications if (name := addressee.name)), "")
    envelope = Envelope(message_id, sender, name, addressee.email or "", format_subject(notifications, language))
    mail = build_message(view, language, envelope, local_time)
    if not any(notification.addressee.kind == "owner" for notification in notifications):
        _add_owner(mail, notifications)
    for notification in notifications:
        mail["X-Tidemark-Notification"] = str(notification.id)
    return mail


class Envelope(NamedTuple):
    """What the headers of a mail are built from."""

    message_id: UUID
    sender: str
    name: str
    email: str
    subject: str


class Attachment(NamedTuple):
    """A file in a mail."""

    name: str
    media_type: str
    content: bytes


def build_message(
    view: Mapping[str, Any],
    language: Language,
    envelope: Envelope,
    local_time: datetime,
    attachments: Sequence[Attachment] = (),
) -> Message:
    """A mail of a view that is safe to show: as text and HTML, and with its files."""
    id_, sender, name, email, subject = envelope
    texts = MIMEMultipart("alternative", boundary=f"={id_.hex}=", policy=_POLICY)
    mail = MIMEMultipart("mixed", boundary=f"={id_.hex}+=", policy=_POLICY) if attachments else texts
    domain = parseaddr(sender)[1].rpartition("@")[2]
    mail["From"] = _format_address("From", *parseaddr(sender))
    mail["To"] = _format_address("To", name, _to_ascii(email))
    mail["Subject"] = _encode_header("Subject", to_safe_line(subject)[:_MAX_SUBJECT_LENGTH])
    mail["Date"] = format_datetime(local_time)
    mail["Message-ID"] = f"<{id_}@{domain}>"
    mail["List-Id"] = f"Tidemark <notifications.tidemark.{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    templates = _load_templates(language)
    texts.attach(MIMEText(templates.get_template("mail.txt").render(view), "plain", _UTF8))
    texts.attach(MIMEText(templates.get_template("mail.html").render(view), "html", _UTF8))
    if attachments:
        mail.attach(texts)
    for file_name, media_type, content in attachments:
        part = MIMEApplication(content, media_type.removeprefix("application/"), policy=_POLICY)
        part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", to_safe_line(file_name)))
        mail.attach(part)
    return mail


def issue_mail_link(secret: str, organization_id: UUID, message_id: UUID, raised_at: datetime) -> str:
    """A link for the customer, the same at every attempt."""
    issued_at = raised_at.replace(microsecond=0)
    link_id = uuid5(message_id, "customer-link")
    return issue_customer_link(secret, CustomerLink(link_id, organization_id, issued_at, issued_at + _LINK_LIFETIME))


def _add_owner(mail: Message, notifications: Sequence[MailNotification]) -> None:
    """Replies go to the owner, as does a wish to be removed from the addresses of a rule."""
    snapshot, owner = notifications[0].snapshot, _to_ascii(find_owner_email(notifications))
    if not owner:
        return
    mail["Reply-To"] = _format_address("Reply-To", snapshot.owner_name or "", owner)
    addresses = {addressee.email for _, _, addressee in notifications if addressee.kind == "address"}
    if addresses:
        subject = f"Unsubscribe {', '.join(sorted(filter(None, addresses)))} from {snapshot.contract_code}"
        query = urlencode({"subject": to_safe_line(subject)}, quote_via=quote)
        mail["List-Unsubscribe"] = f"<mailto:{quote(owner, safe='@')}?{query}>"


@cache
def _load_templates(language: Language) -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("tidemark_notifier", "delivery/templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    templates.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    templates.filters["unbroken"] = lambda text: _SPACE_AFTER_NUMBER.sub("\N{NO-BREAK SPACE}", text)
    return templates


def _format_address(header: str, name: str, address: str) -> str:
    name = to_safe_line(name)
    encoded = _encode_header(header, name)
    return formataddr((name, address)) if encoded == name else f"{encoded} <{address}>"


def _encode_header(name: str, text: str) -> str:
    """The value of a header, which every reader decodes to ``text``: as it is or, unless it is plain, encoded.

    ``=?`` begins an encoded word, and such a word in a name could contain line breaks and other headers.
    """
    return text if text.isascii() and "=?" not in text else Header(text, "utf-8", header_name=name).encode("\r\n")


def _to_ascii(email: str) -> str:
    """The address with its domain in the ASCII form that every mail server accepts."""
    with suppress(EmailNotValidError):
        return validate_email(email, check_deliverability=False).ascii_email or email
    return email
