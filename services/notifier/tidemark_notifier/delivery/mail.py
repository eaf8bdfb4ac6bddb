"""Build the mail of a notification: text and HTML with the same content, identical at every attempt. SPEC N5."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from email.charset import QP, Charset
from email.header import Header
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

from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.formatting import (
    STATUS_NAMES,
    format_day,
    format_days,
    format_period,
    format_quantity,
)
from tidemark_notifier.evaluation.snapshot import AccountLine, Snapshot
from tidemark_notifier.rules.placeholders import fill_placeholders
from tidemark_shared.domain.text import to_safe_line

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("tidemark_notifier", "delivery/templates"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_SPACE_BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|h\b|min\b|s\b|[A-Z])")
# Keeps "80 %" and "24 March" on one line.
_templates.filters["unbroken"] = lambda text: _SPACE_BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)

_BAR_CHARACTERS = 20

_MAX_SUBJECT_LENGTH = 900  # a line has at most 998 characters (RFC 5322, 2.1.1)

# The newer half of the email package, in Python 3.11, loses spaces where it folds a long subject with umlauts, and
# begins one that is slightly too long with an empty line. So this uses the older half. ASCII headers are not folded:
# mail readers differ in how they join folded lines.
_POLICY = compat32.clone(linesep="\r\n", max_line_length=0)
_UTF8: Any = Charset("utf-8")
_UTF8.body_encoding = QP

_NONE = "none"
_KIND_NAMES = {"crossing": "", "reminder": "Reminder", "resolved": "Resolved", "test": "Test"}
_KIND_NOTES = {
    "crossing": "",
    "reminder": "this still applies.",
    "resolved": "this no longer applies.",
    "test": "this is a test message; nothing has happened, and the figures may be made up.",
}


class Bar(NamedTuple):
    """Planned and executed as shares of one line, in percent: executed within the plan, executed beyond it, free."""

    within: int
    beyond: int
    free: int

    def __str__(self) -> str:
        within = self.within * _BAR_CHARACTERS // 100
        return "[" + "#" * within + ("!" if self.beyond else "-") * (_BAR_CHARACTERS - within) + "]"


def build_bar(consumed: int, available: int) -> Bar:
    """The bar of ``consumed`` against ``available``. If nothing is available, everything is beyond the plan."""
    if consumed > available:
        within = max(available, 0) * 100 // consumed
        return Bar(within, 100 - within, 0)
    within = consumed * 100 // available if available > 0 else 0
    return Bar(within, 0, 100 - within)


def build_mail(
    snapshot: Snapshot,
    addressee: Addressee,
    *,
    notification_id: UUID,
    delivery_id: UUID,
    raised_at: datetime,
    sender: str,
    public_url: str,
) -> Message:
    """The mail of one delivery, from the snapshot of the notification alone."""
    local_time = raised_at.astimezone(ZoneInfo(snapshot.timezone))
    opening = fill_placeholders(snapshot.opening or "", build_placeholder_values(snapshot))
    view = make_safe(
        {
            **_build_view(snapshot, internal=addressee.kind == "owner"),
            "opening": opening.strip().splitlines(),
            "as_of": f"{format_day(local_time.date())}, {local_time:%H:%M} ({snapshot.timezone})",
            "recipient_reason": _describe_recipient(snapshot, addressee),
            "link": build_contract_link(snapshot, public_url),
            "notification_id": notification_id,
        }
    )
    domain = parseaddr(sender)[1].rpartition("@")[2]
    mail = MIMEMultipart("alternative", boundary=f"={delivery_id.hex}=", policy=_POLICY)
    mail["From"] = sender
    mail["To"] = _format_address(addressee.name or "", _to_ascii(addressee.email or ""))
    mail["Subject"] = _encode_header("Subject", to_safe_line(_format_subject(snapshot))[:_MAX_SUBJECT_LENGTH])
    mail["Date"] = format_datetime(local_time)
    mail["Message-ID"] = f"<{delivery_id}@{domain}>"
    mail["List-Id"] = f"Tidemark <notifications.tidemark.{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Tidemark-Notification"] = str(notification_id)
    mail.attach(MIMEText(_templates.get_template("mail.txt").render(view), "plain", _UTF8))
    mail.attach(MIMEText(_templates.get_template("mail.html").render(view), "html", _UTF8))
    return mail


def build_contract_link(snapshot: Snapshot, public_url: str) -> str:
    """The page of the contract."""
    return f"{public_url.rstrip('/')}/contracts/{quote(snapshot.contract_code, safe='')}"


def format_headline(snapshot: Snapshot) -> str:
    """The message in a few words, the figure first: ``80 % used``, ``2 h 30 min over``, ``30 days left``."""
    headline = f"{_format_percent(snapshot)} used"
    match snapshot.trigger:
        case "remaining_hours" | "remaining_amount" | "overrun" if snapshot.remaining is not None:
            headline = _format_remaining(snapshot)
        case "expires_in_days" | "expired":
            headline = _format_end(snapshot)
        case "status_changed":
            headline = f"Now {STATUS_NAMES[snapshot.status]}"
        case "unaccounted_work":
            headline = f"{format_quantity(snapshot.unaccounted_seconds or 0, None)} not counted"
        case "forecast_exhausts":
            day = _find_exhaustion_day(snapshot)
            headline = f"Runs out on {format_day(day)}" if day else "Lasts until the end"
    return headline


def _find_exhaustion_day(snapshot: Snapshot) -> date | None:
    return snapshot.forecast.exhausts_on if snapshot.forecast else None


def _format_end(snapshot: Snapshot) -> str:
    if snapshot.days_left < 0:
        return f"Ended on {format_day(snapshot.contract_end)}"
    return f"{format_days(snapshot.days_left)} left" if snapshot.days_left else "Ends today"


def _format_remaining(snapshot: Snapshot) -> str:
    remaining = snapshot.remaining or 0
    return f"{format_quantity(abs(remaining), snapshot.currency)} {'over' if remaining < 0 else 'left'}"


def _format_percent(snapshot: Snapshot) -> str:
    return f"{snapshot.percent} %" if snapshot.percent is not None else "More than 100 %"


def _describe_forecast(snapshot: Snapshot) -> str:
    """The forecast in words; empty if there is none."""
    forecast, today = snapshot.forecast, snapshot.contract_end - timedelta(days=snapshot.days_left)
    # If the plan is already used up, all three days are the day when that happened. That is no forecast.
    if forecast is None or (
        forecast.low == forecast.exhausts_on == forecast.high and (forecast.exhausts_on or date.max) <= today
    ):
        return ""
    if forecast.exhausts_on is None:
        return "lasts until the end at the current pace"
    band = (
        f" (between {format_day(forecast.low)} and {format_day(forecast.high)})"
        if forecast.low and forecast.high
        else f" ({format_day(forecast.low)} at the earliest)" if forecast.low else ""
    )  # fmt: skip
    return f"runs out on {format_day(forecast.exhausts_on)} at the current pace{band}"


def build_placeholder_values(snapshot: Snapshot) -> dict[str, str]:
    """The values of the :data:`~tidemark_notifier.rules.placeholders.PLACEHOLDERS`."""

    def format_amount(value: int | None) -> str:
        return _NONE if value is None else format_quantity(value, snapshot.currency)

    unaccounted, exhausts_on = snapshot.unaccounted_seconds, _find_exhaustion_day(snapshot)
    return {
        "contract_code": snapshot.contract_code,
        "contract_name": snapshot.contract_name,
        "organization": snapshot.organization_name,
        "account": snapshot.account_name or _NONE,
        "team": snapshot.team_name or _NONE,
        "subject": snapshot.team_name or snapshot.account_name or snapshot.contract_name,
        "period": _format_period(snapshot),
        "start_date": format_day(snapshot.contract_start),
        "end_date": format_day(snapshot.contract_end),
        "days_left": str(snapshot.days_left),
        "status": STATUS_NAMES[snapshot.status],
        "headline": format_headline(snapshot),
        "reason": snapshot.reason,
        "threshold": snapshot.threshold_text or _NONE,
        "percent": _NONE if snapshot.consumed is None else _format_percent(snapshot),
        "consumed": format_amount(snapshot.consumed),
        "planned": format_amount(snapshot.planned),
        "available": format_amount(snapshot.available),
        "remaining": format_amount(snapshot.remaining),
        "not_counted": _NONE if unaccounted is None else format_quantity(unaccounted, None),
        "exhausts_on": format_day(exhausts_on) if exhausts_on else _NONE,
    }


def _format_period(snapshot: Snapshot) -> str:
    return format_period(snapshot.period_start or snapshot.contract_start, snapshot.period_end or snapshot.contract_end)


def _build_view(snapshot: Snapshot, *, internal: bool) -> dict[str, Any]:
    """The values for the templates. Only an ``internal`` mail shows accounts that are not billable."""
    return {
        "kind": _KIND_NAMES[snapshot.kind],
        "kind_note": _KIND_NOTES[snapshot.kind],
        "headline": format_headline(snapshot),
        "reason": snapshot.reason,
        "contract_name": snapshot.contract_name,
        "contract_code": snapshot.contract_code,
        "organization": snapshot.organization_name,
        "consumption": _build_consumption(snapshot),
        "facts": list(_build_facts(snapshot, internal=internal)),
        "accounts": [
            {
                "name": account.name if account.billable else f"{account.name} (not billable)",
                "figure": _format_account(account, snapshot.currency),
                "bar": build_bar(account.consumed, account.planned) if account.planned else None,
            }
            for account in snapshot.accounts
            if internal or account.billable or account.evaluated
        ],
    }


def _build_consumption(snapshot: Snapshot) -> dict[str, Any] | None:
    """The figure with its bar; None without a plan."""
    consumed, available, currency = snapshot.consumed, snapshot.available, snapshot.currency
    if consumed is None or available is None:
        return None
    headline, remaining = format_headline(snapshot), _format_remaining(snapshot)
    figure = f"{format_quantity(consumed, currency)} of {format_quantity(available, currency)}"
    # The headline is not repeated.
    return {
        "figure": figure if headline.endswith(" used") else f"{figure} used",
        "detail": _format_percent(snapshot) if remaining == headline else remaining,
        "bar": build_bar(consumed, available),
    }


def _build_facts(snapshot: Snapshot, *, internal: bool) -> Iterator[tuple[str, str]]:
    """The lines below the figure, each with its name."""
    if snapshot.account_name:
        yield "Account", snapshot.account_name
    if snapshot.team_name:
        yield "Team", snapshot.team_name
    if snapshot.period_start:
        yield "Period", _format_period(snapshot)
    if snapshot.planned is not None:
        carried = (snapshot.planned if snapshot.available is None else snapshot.available) - snapshot.planned
        detail = f" (carried over: {format_quantity(carried, snapshot.currency)})" if carried else ""
        yield "Planned", format_quantity(snapshot.planned, snapshot.currency) + detail
    if forecast := _describe_forecast(snapshot):
        yield "Forecast" if snapshot.subject_kind == "contract" else "Whole contract", forecast
    if snapshot.unaccounted_seconds and (internal or snapshot.trigger == "unaccounted_work"):
        yield "Not counted", f"{format_quantity(snapshot.unaccounted_seconds, None)} (see the contract's page for why)"
    days = f"{format_day(snapshot.contract_start)} to {format_day(snapshot.contract_end)}"
    yield "Contract", f"{days}, {STATUS_NAMES[snapshot.status]}"


def _format_account(account: AccountLine, currency: str | None) -> str:
    consumed = format_quantity(account.consumed, currency)
    return f"{consumed} of {format_quantity(account.planned, currency)}" if account.planned else f"{consumed}, no plan"


def _format_subject(snapshot: Snapshot) -> str:
    kind = _KIND_NAMES[snapshot.kind]
    prefix = f"{kind}: " if kind else ""
    if snapshot.subject:
        return prefix + fill_placeholders(snapshot.subject, build_placeholder_values(snapshot))
    names = [snapshot.contract_name, snapshot.account_name, snapshot.team_name]
    if snapshot.consumed is not None:
        names.append(_format_period(snapshot))
    return f"{prefix}{format_headline(snapshot)}: {', '.join(filter(None, names))} [{snapshot.contract_code}]"


def _describe_recipient(snapshot: Snapshot, addressee: Addressee) -> str:
    """Why this person receives the mail. Only the owner's mail names the rule."""
    if addressee.kind == "owner":
        return f"You own this contract. The {snapshot.scope} rule \u201c{snapshot.rule_name}\u201d notifies its owner."
    if addressee.kind == "contacts":
        return f"You are a contact of {snapshot.organization_name} ({addressee.role})."
    if addressee.kind == "team":
        return f"You are a member of the team {addressee.team}."
    return "This address receives alerts for this contract."


def make_safe(value: Any) -> Any:
    """``value`` with all texts in it safe to show: see :func:`~tidemark_shared.domain.text.to_safe_line`."""
    if isinstance(value, str):
        return to_safe_line(value)
    if isinstance(value, dict):
        return {key: make_safe(member) for key, member in value.items()}
    # A named tuple is not text.
    return type(value)(map(make_safe, value)) if type(value) in (list, tuple) else value


def _format_address(name: str, address: str) -> str:
    name = to_safe_line(name)
    encoded = _encode_header("To", name)
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
