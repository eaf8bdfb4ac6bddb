"""A notification to a mail: text and HTML of equal content, the same bytes at every attempt. SPEC N5."""

from contextlib import suppress
from datetime import datetime
from email.charset import QP, Charset
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

import jinja2
from email_validator import EmailNotValidError, validate_email

from tidemark_notifier.rules import fill
from tidemark_notifier.snapshot import Addressee, Line, Snapshot
from tidemark_notifier.words import day, quantity, span
from tidemark_shared.quantities import format_hours, percent

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("tidemark_notifier"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_BAR_LETTERS = 20

_LONGEST_SUBJECT = 900  # a line has at most 998 characters (RFC 5322, 2.1.1)

# The older half of the email package: the newer one, in Python 3.11, loses blanks where it folds a long subject
# with umlauts, and begins one that is just over a line with an empty line.
_UTF8: Any = Charset("utf-8")
_UTF8.body_encoding = QP


class Bar(NamedTuple):
    """Planned and executed as shares of one line, in percent: executed within the plan, beyond it, still free."""

    within: int
    beyond: int
    free: int

    def __str__(self) -> str:
        within = self.within * _BAR_LETTERS // 100
        return "[" + "#" * within + ("!" if self.beyond else "-") * (_BAR_LETTERS - within) + "]"


def bar(consumed: int, available: int) -> Bar:
    """The bar of ``consumed`` against ``available``; where nothing is available all of it is beyond."""
    if consumed > available:
        within = max(available, 0) * 100 // consumed
        return Bar(within, 100 - within, 0)
    within = consumed * 100 // available if available > 0 else 0
    return Bar(within, 0, 100 - within)


def _share(consumed: int, planned: int) -> str | None:
    share = percent(consumed, planned)
    return None if share is None else f"{format_hours(share)} %"


def message(
    snapshot: Snapshot,
    addressee: Addressee,
    *,
    notification_id: UUID,
    delivery_id: UUID,
    raised_at: datetime,
    sender: str,
    public_url: str,
) -> Message:
    """The mail of one delivery. All that it says comes from what was frozen when the notification was raised."""
    local = raised_at.astimezone(ZoneInfo(snapshot.timezone))
    placeholders = _placeholders(snapshot)
    view = {
        **_view(snapshot, internal=addressee.kind == "owner"),
        **placeholders,
        "opening": fill(snapshot.opening or "", placeholders).strip().splitlines(),
        "as_of": f"{day(local.date())}, {local:%H:%M} ({snapshot.timezone})",
        "why": _why(snapshot, addressee),
        "link": f"{public_url.rstrip('/')}/contracts/{quote(snapshot.contract_code, safe='')}",
        "notification_id": notification_id,
    }
    subject = fill(snapshot.subject, placeholders) if snapshot.subject else _subject(view, snapshot)
    subject = _one_line(subject)[:_LONGEST_SUBJECT]
    # What is ASCII stays on its line: readers differ in how they join what was folded.
    policy = compat32.clone(linesep="\r\n", max_line_length=0 if subject.isascii() else 78)
    mail = MIMEMultipart("alternative", boundary=f"={delivery_id.hex}=", policy=policy)
    mail["From"] = sender
    mail["To"] = formataddr((_one_line(addressee.name or ""), _ascii(addressee.email)))
    mail["Subject"] = subject
    mail["Date"] = format_datetime(local)
    mail["Message-ID"] = f"<{delivery_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Tidemark-Notification"] = str(notification_id)
    mail.attach(MIMEText(_templates.get_template("mail.txt").render(view), "plain", _UTF8))
    mail.attach(MIMEText(_templates.get_template("mail.html").render(view), "html", _UTF8))
    return mail


def _placeholders(snapshot: Snapshot) -> dict[str, str]:
    """What a rule's own subject and opening may name (:data:`~tidemark_notifier.rules.PLACEHOLDERS`)."""
    return {
        "contract_code": snapshot.contract_code,
        "contract_name": snapshot.contract_name,
        "organization": snapshot.organization_name,
        "subject": snapshot.account_name or snapshot.contract_name,
        "period": span(snapshot.period_start or snapshot.contract_start, snapshot.period_end or snapshot.contract_end),
        "threshold": f"{snapshot.threshold} %",
        "percent": _share(snapshot.consumed, snapshot.available) or "more than 100 %",
        "consumed": quantity(snapshot.consumed, snapshot.currency),
        "planned": quantity(snapshot.planned, snapshot.currency),
        "remaining": quantity(snapshot.available - snapshot.consumed, snapshot.currency),
    }


def _view(snapshot: Snapshot, *, internal: bool) -> dict[str, Any]:
    """The figures as the templates show them; the customer does not see accounts that are not billed."""
    currency, carried = snapshot.currency, snapshot.available - snapshot.planned
    left = snapshot.available - snapshot.consumed
    return {
        "figure": f"{quantity(snapshot.consumed, currency)} of {quantity(snapshot.available, currency)}",
        "left": f"{quantity(abs(left), currency)} {'over' if left < 0 else 'left'}",
        "carried": quantity(carried, currency) if carried else "",
        "bar": bar(snapshot.consumed, snapshot.available),
        "account": snapshot.account_name,
        "accounts": [
            {
                "name": line.name if line.billable else f"{line.name} (not billable)",
                "figure": _of_plan(line, currency),
                "bar": bar(line.consumed, line.planned) if line.planned else None,
            }
            for line in snapshot.accounts
            if internal or line.billable or line.judged
        ],
    }


def _of_plan(line: Line, currency: str | None) -> str:
    consumed = quantity(line.consumed, currency)
    return f"{consumed} of {quantity(line.planned, currency)}" if line.planned else f"{consumed}, no plan"


def _subject(view: dict[str, Any], snapshot: Snapshot) -> str:
    account = f", {snapshot.account_name}" if snapshot.account_name else ""
    return f"{view['percent']} used: {snapshot.contract_name}{account}, {view['period']} [{snapshot.contract_code}]"


def _why(snapshot: Snapshot, addressee: Addressee) -> str:
    """Who is told and why; only the owner's mail names the rule."""
    if addressee.kind == "owner":
        return f"You own this contract, and the {snapshot.scope} rule \u201c{snapshot.rule_name}\u201d tells its owner."
    if addressee.kind == "contacts":
        return f"You are a contact of {snapshot.organization_name} ({addressee.role})."
    return f"{addressee.email} is to be told of this contract."


def _one_line(text: str) -> str:
    """No line break of any kind: a name must not begin another header."""
    return " ".join(text.split())


def _ascii(email: str) -> str:
    """The address with its domain in the form that every mail server takes."""
    with suppress(EmailNotValidError):
        return validate_email(email, check_deliverability=False).ascii_email or email
    return email
