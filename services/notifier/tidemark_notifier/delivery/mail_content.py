"""What a mail says, in words: of one notification, and of several that were raised together. SPEC N5."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_notifier.delivery.snapshot_text import (
    build_bar,
    build_contract_link,
    build_placeholder_values,
    format_headline,
    format_percent,
    format_remaining,
    format_subject_period,
    list_facts,
)
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.formatting import format_consumption, format_quantity
from tidemark_notifier.evaluation.snapshot import AccountLine, Snapshot
from tidemark_notifier.rules.placeholders import fill_placeholders
from tidemark_notifier.rules.triggers import CALENDAR_TRIGGERS

_KIND_NAMES = {"crossing": "", "reminder": "Reminder", "resolved": "Resolved", "test": "Test"}
_KINDS_BY_URGENCY = ("test", "crossing", "reminder", "resolved")
_TRIGGERS_BY_URGENCY = (
    "overrun", "expired", "consumed_percent", "remaining_hours", "remaining_amount", "forecast_exhausts",
    "expires_in_days", "status_changed", "unaccounted_work",
)  # fmt: skip
_SUBJECTS_BY_URGENCY = ("contract", "account", "slice")


class MailNotification(NamedTuple):
    """A notification in a mail, with the addressee as its rule resolved it."""

    id: UUID
    snapshot: Snapshot
    addressee: Addressee


def sort_by_urgency(notifications: Sequence[MailNotification]) -> list[MailNotification]:
    """The most urgent first: new before resolved, overruns before dates, the contract before its accounts."""

    def rank(notification: MailNotification) -> tuple[Any, ...]:
        snapshot = notification.snapshot
        return (
            _KINDS_BY_URGENCY.index(snapshot.kind),
            _TRIGGERS_BY_URGENCY.index(snapshot.trigger),
            _SUBJECTS_BY_URGENCY.index(snapshot.subject_kind),
            -(snapshot.period_start or date.max).toordinal(),
            notification.id,
        )

    return sorted(notifications, key=rank)


def build_view(notifications: Sequence[MailNotification], public_url: str) -> dict[str, Any]:
    """The values for the templates, from notifications :func:`sort_by_urgency`. Texts may still be unsafe to show.

    Only the owner and chats, which belong to the provider, see accounts that are not billable.
    """
    first, *others = (notification.snapshot for notification in notifications)
    internal = any(notification.addressee.kind in ("owner", "webhook") for notification in notifications)
    return {
        **_build_part(first),
        "kind_note": _describe_kind(first),
        "headline": format_headline(first),
        "consumption": _build_consumption(first),
        "others": list(_build_others(first, others)),
        "contract_name": first.contract_name,
        "contract_code": first.contract_code,
        "organization": first.organization_name,
        "facts": list(list_facts(first, internal=internal)),
        "accounts": [
            {
                "name": account.name if account.billable else f"{account.name} (not billable)",
                "figure": _format_account(account, first.currency),
                "bar": build_bar(account.consumed, account.planned) if account.planned else None,
            }
            for account in _merge_accounts(first, others)
            if internal or account.billable or account.evaluated
        ],
        "recipient_reason": _describe_recipient(notifications),
        "link": build_contract_link(first, public_url),
        "notification_id": notifications[0].id,
    }


def _build_part(snapshot: Snapshot) -> dict[str, Any]:
    """What each notification of a mail has."""
    opening = fill_placeholders(snapshot.opening or "", build_placeholder_values(snapshot))
    return {"kind": _KIND_NAMES[snapshot.kind], "opening": opening.strip().splitlines(), "reason": snapshot.reason}


def _describe_kind(snapshot: Snapshot) -> str:
    """The note beside the name of the kind."""
    has_alert = snapshot.threshold_text and snapshot.trigger not in ("status_changed", "forecast_exhausts")
    return {
        "crossing": "",
        "reminder": "this still applies.",
        "resolved": f"{f'the alert at {snapshot.threshold_text}' if has_alert else 'this'} no longer applies.",
        "test": "this is a test message; nothing has happened, and the figures may be made up.",
    }[snapshot.kind]


def _build_others(first: Snapshot, others: Sequence[Snapshot]) -> Iterator[dict[str, Any]]:
    """The further notifications of a mail, each with a bar if its figures are not shown yet."""
    shown = {_identify_figures(first)}
    for snapshot in others:
        key, consumed, available = _identify_figures(snapshot), snapshot.consumed, snapshot.available
        bar = None
        if snapshot.trigger not in CALENDAR_TRIGGERS and key not in shown and consumed is not None and available:
            shown.add(key)
            bar = build_bar(consumed, available)
        yield {
            **_build_part(snapshot),
            "name": ", ".join(filter(None, (snapshot.account_name, snapshot.team_name))),
            "bar": bar,
        }


def _identify_figures(snapshot: Snapshot) -> tuple[Any, ...]:
    return snapshot.subject_kind, snapshot.account_name, snapshot.team_name, snapshot.period_start


def _merge_accounts(first: Snapshot, others: Sequence[Snapshot]) -> list[AccountLine]:
    """The accounts of the first notification; one that any of the notifications is about is marked as evaluated."""
    evaluated = {account.name for snapshot in others for account in snapshot.accounts if account.evaluated}
    return [
        account.model_copy(update={"evaluated": account.evaluated or account.name in evaluated})
        for account in first.accounts
    ]


def format_subject(notifications: Sequence[MailNotification]) -> str:
    """The subject of a mail: that of its first notification, and how many more there are."""
    snapshot, more = notifications[0].snapshot, len(notifications) - 1
    kind, count = _KIND_NAMES[snapshot.kind], f" (and {more} more)" if more else ""
    prefix = f"{kind}: " if kind else ""
    if snapshot.subject:
        return prefix + fill_placeholders(snapshot.subject, build_placeholder_values(snapshot)) + count
    names = [snapshot.contract_name, snapshot.account_name, snapshot.team_name]
    if snapshot.period_start:
        names.append(format_subject_period(snapshot))
    return f"{prefix}{format_headline(snapshot)}{count}: {', '.join(filter(None, names))} [{snapshot.contract_code}]"


def _build_consumption(snapshot: Snapshot) -> dict[str, Any] | None:
    """The figure with its bar; None without a plan."""
    consumed, available, currency = snapshot.consumed, snapshot.available, snapshot.currency
    if consumed is None or available is None:
        return None
    headline, remaining = format_headline(snapshot), format_remaining(snapshot)
    figure = format_consumption(consumed, available, currency)
    # The headline is not repeated.
    return {
        "figure": figure if headline.endswith(" used") and available > 0 else f"{figure} used",
        "detail": format_percent(snapshot) if remaining == headline else remaining,
        "bar": build_bar(consumed, available),
    }


def _format_account(account: AccountLine, currency: str | None) -> str:
    if not account.planned or account.planned < 0:
        return f"{format_quantity(account.consumed, currency)}, no plan"
    return format_consumption(account.consumed, account.planned, currency)


def _describe_recipient(notifications: Sequence[MailNotification]) -> str:
    """Why this person or channel receives the message. Only those of the provider name the rules."""
    if notifications[0].addressee.kind == "webhook":
        return f"{_describe_rules([notification.snapshot for notification in notifications])} this channel."
    own = [notification.snapshot for notification in notifications if notification.addressee.kind == "owner"]
    if own:
        return f"You own this contract. {_describe_rules(own)} its owner."
    sentences = (
        {
            "contacts": f"You are a contact of {snapshot.organization_name} ({addressee.role}).",
            "team": f"You are a member of the team {addressee.team}.",
        }.get(addressee.kind, "This address receives alerts for this contract.")
        for _, snapshot, addressee in notifications
    )
    return " ".join(dict.fromkeys(sentences))


def _describe_rules(snapshots: Sequence[Snapshot]) -> str:
    """Such as ``The global rule “Overrun” notifies``."""
    names_by_scope: dict[str, dict[str, None]] = {}
    for snapshot in snapshots:
        names_by_scope.setdefault(snapshot.scope, {})[f"\u201c{snapshot.rule_name}\u201d"] = None
    rules = _join(
        [f"the {scope} rule{'s' * (len(names) > 1)} {_join(list(names))}" for scope, names in names_by_scope.items()]
    )
    verb = "notifies" if sum(map(len, names_by_scope.values())) == 1 else "notify"
    return f"{rules[0].upper()}{rules[1:]} {verb}"


def _join(words: Sequence[str]) -> str:
    """Such as ``A``, ``A and B``, ``A, B and C``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
