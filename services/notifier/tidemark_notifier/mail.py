"""A notification to a mail: text and HTML of equal content, the same bytes at every attempt. SPEC N5."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
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
from tidemark_notifier.words import day, days, quantity, span

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("tidemark_notifier"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_GLUED = re.compile(r"(?<=\d) (?=%|h\b|min\b|s\b|[A-Z])")
_templates.filters["glued"] = lambda text: _GLUED.sub("\N{NO-BREAK SPACE}", text)  # 80 %, 24 March

_BAR_LETTERS = 20

_LONGEST_SUBJECT = 900  # a line has at most 998 characters (RFC 5322, 2.1.1)

# The older half of the email package: the newer one, in Python 3.11, loses blanks where it folds a long subject
# with umlauts, and begins one that is just over a line with an empty line.
_UTF8: Any = Charset("utf-8")
_UTF8.body_encoding = QP

_NONE = "none"
_OCCASIONS = {"crossing": "", "reminder": "Reminder", "resolved": "Resolved", "test": "Test"}
_ABOUT_OCCASIONS = {
    "crossing": "",
    "reminder": "You were told of this before, and it still lasts.",
    "resolved": "You were told of this before, and it is over.",
    "test": "Somebody tries the rule out: nothing has happened, and the figures may be made up.",
}
_STATUSES = {
    "DRAFT": "a draft", "ACTIVE": "active", "INACTIVE": "suspended", "EXPIRED": "expired", "CLOSED": "closed",
}  # fmt: skip


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
    view = {
        **_view(snapshot, internal=addressee.kind == "owner"),
        "opening": fill(snapshot.opening or "", placeholders(snapshot)).strip().splitlines(),
        "as_of": f"{day(local.date())}, {local:%H:%M} ({snapshot.timezone})",
        "why": _why(snapshot, addressee),
        "link": link(snapshot, public_url),
        "notification_id": notification_id,
    }
    subject = _one_line(_subject(snapshot))[:_LONGEST_SUBJECT]
    domain = parseaddr(sender)[1].rpartition("@")[2]
    # What is ASCII stays on its line: readers differ in how they join what was folded.
    policy = compat32.clone(linesep="\r\n", max_line_length=0 if subject.isascii() else 78)
    mail = MIMEMultipart("alternative", boundary=f"={delivery_id.hex}=", policy=policy)
    mail["From"] = sender
    mail["To"] = formataddr((_one_line(addressee.name or ""), _ascii(addressee.email or "")))
    mail["Subject"] = subject
    mail["Date"] = format_datetime(local)
    mail["Message-ID"] = f"<{delivery_id}@{domain}>"
    mail["List-Id"] = f"Tidemark <notifications.tidemark.{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Tidemark-Notification"] = str(notification_id)
    mail.attach(MIMEText(_templates.get_template("mail.txt").render(view), "plain", _UTF8))
    mail.attach(MIMEText(_templates.get_template("mail.html").render(view), "html", _UTF8))
    return mail


def link(snapshot: Snapshot, public_url: str) -> str:
    """The page of the contract."""
    return f"{public_url.rstrip('/')}/contracts/{quote(snapshot.contract_code, safe='')}"


def headline(snapshot: Snapshot) -> str:
    """What is to be told, the figure first: ``80 % used``, ``2 h 30 min over``, ``30 days left``."""
    said = f"{_percent(snapshot)} used"
    match snapshot.trigger:
        case "remaining_hours" | "remaining_amount" | "overrun" if snapshot.remaining is not None:
            said = _left(snapshot)
        case "expires_in_days" | "expired":
            said = _end(snapshot)
        case "status_changed":
            said = f"Now {_STATUSES[snapshot.status]}"
        case "unaccounted_work":
            said = f"{quantity(snapshot.unaccounted_seconds or 0, None)} not counted"
        case "forecast_exhausts":
            said = f"Runs out on {day(ends)}" if (ends := _exhausts_on(snapshot)) else "Lasts to the end"
    return said


def _exhausts_on(snapshot: Snapshot) -> date | None:
    return snapshot.forecast.exhausts_on if snapshot.forecast else None


def _end(snapshot: Snapshot) -> str:
    if snapshot.days_left < 0:
        return f"Ended on {day(snapshot.contract_end)}"
    return f"{days(snapshot.days_left)} left" if snapshot.days_left else "Ends today"


def _left(snapshot: Snapshot) -> str:
    remaining = snapshot.remaining or 0
    return f"{quantity(abs(remaining), snapshot.currency)} {'over' if remaining < 0 else 'left'}"


def _percent(snapshot: Snapshot) -> str:
    return f"{snapshot.percent} %" if snapshot.percent is not None else "More than 100 %"


def _forecast(snapshot: Snapshot) -> str:
    """What the pace says, in a sentence; empty where nothing is foreseen."""
    found, today = snapshot.forecast, snapshot.contract_end - timedelta(days=snapshot.days_left)
    # What is used up has the day on which it was, three times: no forecast.
    if found is None or (found.low == found.exhausts_on == found.high and (found.exhausts_on or date.max) <= today):
        return ""
    if found.exhausts_on is None:
        return "at the present pace it lasts to the end"
    band = (
        f", between {day(found.low)} and {day(found.high)}"
        if found.low and found.high
        else f", {day(found.low)} at the earliest" if found.low else ""
    )  # fmt: skip
    return f"at the present pace it runs out on {day(found.exhausts_on)}{band}"


def placeholders(snapshot: Snapshot) -> dict[str, str]:
    """What a rule's own subject and opening may name (:data:`~tidemark_notifier.rules.PLACEHOLDERS`)."""

    def amount(value: int | None) -> str:
        return _NONE if value is None else quantity(value, snapshot.currency)

    return {
        "contract_code": snapshot.contract_code,
        "contract_name": snapshot.contract_name,
        "organization": snapshot.organization_name,
        "account": snapshot.account_name or _NONE,
        "team": snapshot.team_name or _NONE,
        "subject": snapshot.team_name or snapshot.account_name or snapshot.contract_name,
        "period": _period(snapshot),
        "start_date": day(snapshot.contract_start),
        "end_date": day(snapshot.contract_end),
        "days_left": str(snapshot.days_left),
        "status": _STATUSES[snapshot.status],
        "headline": headline(snapshot),
        "reason": snapshot.reason,
        "threshold": snapshot.threshold_text or _NONE,
        "percent": _NONE if snapshot.consumed is None else _percent(snapshot),
        "consumed": amount(snapshot.consumed),
        "planned": amount(snapshot.planned),
        "available": amount(snapshot.available),
        "remaining": amount(snapshot.remaining),
        "not_counted": _NONE if snapshot.unaccounted_seconds is None else quantity(snapshot.unaccounted_seconds, None),
        "exhausts_on": day(ends) if (ends := _exhausts_on(snapshot)) else _NONE,
    }


def _period(snapshot: Snapshot) -> str:
    return span(snapshot.period_start or snapshot.contract_start, snapshot.period_end or snapshot.contract_end)


def _view(snapshot: Snapshot, *, internal: bool) -> dict[str, Any]:
    """The figures as the templates show them; the customer does not see accounts that are not billed."""
    currency = snapshot.currency
    return {
        "occasion": _OCCASIONS[snapshot.occasion],
        "about": _ABOUT_OCCASIONS[snapshot.occasion],
        "headline": headline(snapshot),
        "reason": snapshot.reason,
        "contract_name": snapshot.contract_name,
        "contract_code": snapshot.contract_code,
        "organization": snapshot.organization_name,
        "used": _used(snapshot),
        "facts": list(_facts(snapshot, internal=internal)),
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


def _used(snapshot: Snapshot) -> dict[str, Any] | None:
    """The figure with its bar; None where what is told of has no plan."""
    consumed, available, currency = snapshot.consumed, snapshot.available, snapshot.currency
    if consumed is None or available is None:
        return None
    head, left = headline(snapshot), _left(snapshot)
    said = f"{quantity(consumed, currency)} of {quantity(available, currency)}"
    # What the headline says already is not said twice.
    figure = said if head.endswith(" used") else f"{said} used"
    return {
        "figure": figure,
        "more": _percent(snapshot) if left == head else left,
        "bar": bar(consumed, available),
    }


def _facts(snapshot: Snapshot, *, internal: bool) -> Iterator[tuple[str, str]]:
    """What stands below the figure, each with its name."""
    if snapshot.account_name:
        yield "Account", snapshot.account_name
    if snapshot.team_name:
        yield "Team", snapshot.team_name
    if snapshot.period_start:
        yield "Period", _period(snapshot)
    if snapshot.planned is not None:
        carried = (snapshot.planned if snapshot.available is None else snapshot.available) - snapshot.planned
        more = f", carried in: {quantity(carried, snapshot.currency)}" if carried else ""
        yield "Planned", quantity(snapshot.planned, snapshot.currency) + more
    if forecast := _forecast(snapshot):
        yield "Forecast" if snapshot.subject_kind == "contract" else "Whole contract", forecast
    if snapshot.unaccounted_seconds and (internal or snapshot.trigger == "unaccounted_work"):
        yield "Not counted", f"{quantity(snapshot.unaccounted_seconds, None)}, the contract's page says why"
    yield "Contract", f"{day(snapshot.contract_start)} to {day(snapshot.contract_end)}, {_STATUSES[snapshot.status]}"


def _of_plan(line: Line, currency: str | None) -> str:
    consumed = quantity(line.consumed, currency)
    return f"{consumed} of {quantity(line.planned, currency)}" if line.planned else f"{consumed}, no plan"


def _subject(snapshot: Snapshot) -> str:
    occasion = _OCCASIONS[snapshot.occasion]
    prefix = f"{occasion}: " if occasion else ""
    if snapshot.subject:
        return prefix + fill(snapshot.subject, placeholders(snapshot))
    names = [snapshot.contract_name, snapshot.account_name, snapshot.team_name]
    if snapshot.consumed is not None:
        names.append(_period(snapshot))
    return f"{prefix}{headline(snapshot)}: {', '.join(filter(None, names))} [{snapshot.contract_code}]"


def _why(snapshot: Snapshot, addressee: Addressee) -> str:
    """Who is told and why; only the owner's mail names the rule."""
    if addressee.kind == "owner":
        return f"You own this contract, and the {snapshot.scope} rule \u201c{snapshot.rule_name}\u201d tells its owner."
    if addressee.kind == "contacts":
        return f"You are a contact of {snapshot.organization_name} ({addressee.role})."
    if addressee.kind == "team":
        return f"You are a member of the team {addressee.team}."
    return f"{addressee.email} is to be told of this contract."


def _one_line(text: str) -> str:
    """No line break of any kind: a name must not begin another header."""
    return " ".join(text.split())


def _ascii(email: str) -> str:
    """The address with its domain in the form that every mail server takes."""
    with suppress(EmailNotValidError):
        return validate_email(email, check_deliverability=False).ascii_email or email
    return email
