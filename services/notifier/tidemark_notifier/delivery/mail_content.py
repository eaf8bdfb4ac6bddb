"""What a mail says, in words: of one notification, and of several that were raised together. SPEC N5."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_notifier.delivery.digest_content import build_digest, format_digest_headline
from tidemark_notifier.delivery.offer_content import (
    OFFER_NAMES,
    build_offer_link,
    describe_offer_deadline,
    list_offer_facts,
)
from tidemark_notifier.delivery.snapshot_text import (
    build_bar,
    build_placeholder_values,
    build_statements_link,
    format_headline,
    format_link_label,
    format_percent,
    format_remaining,
    format_subject_period,
    list_facts,
)
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.formatting import format_consumption
from tidemark_notifier.evaluation.reasons import describe_reason, format_threshold
from tidemark_notifier.evaluation.snapshot import AccountLine, Snapshot
from tidemark_notifier.language import N_, Language, get_language
from tidemark_notifier.rules.placeholders import fill_placeholders
from tidemark_notifier.rules.triggers import CALENDAR_TRIGGERS

_KIND_NAMES = {
    "crossing": "",
    "reminder": N_("Reminder"),
    "resolved": N_("Resolved"),
    "test": N_("Test"),
    "digest": N_("Digest"),
}
_KINDS_BY_URGENCY = ("test", "crossing", "reminder", "resolved", "offer", "digest")
_TRIGGERS_BY_URGENCY = (
    "overrun", "expired", "consumed_percent", "remaining_hours", "remaining_amount", "forecast_exhausts",
    "expires_in_days", "status_changed", "unaccounted_work", "period_closed", "offer", "digest",
)  # fmt: skip
_PROVIDER = frozenset({"owner", "team", "webhook"})
"""Kinds of addressees that belong to the provider."""
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


def choose_language(notifications: Sequence[MailNotification], provider_locale: str) -> Language:
    """The language of a message: the provider's for its own people and chats, else the organization's."""
    is_internal = any(addressee.kind in _PROVIDER for _, _, addressee in notifications)
    return get_language(provider_locale if is_internal else notifications[0].snapshot.locale)


def is_for_customer(notifications: Sequence[MailNotification]) -> bool:
    """Whether a contact of the organization receives the mail, and nobody of the provider at the same address."""
    kinds = {notification.addressee.kind for notification in notifications}
    return "contacts" in kinds and not kinds & _PROVIDER


def build_view(
    notifications: Sequence[MailNotification], public_url: str, language: Language, secret: str = ""
) -> dict[str, Any]:
    """The values for the templates, from notifications :func:`sort_by_urgency`. Texts may still be unsafe to show.

    Only the owner and chats, which belong to the provider, see accounts that are not billable. The link is to the page
    of the contract, which is for the provider's people, or to an open offer, which ``secret`` signs; others get none
    here.
    """
    first, *others = (notification.snapshot for notification in notifications)
    kinds = {notification.addressee.kind for notification in notifications}
    internal, has_page = bool(kinds & {"owner", "webhook"}), bool(kinds & _PROVIDER)
    return {
        **_build_part(first, language),
        "kind_note": _describe_kind(first, language),
        "headline": format_headline(first, language),
        "consumption": _build_consumption(first, language),
        "others": list(_build_others(first, others, language)),
        "others_title": language.gettext("Also"),
        "contract_name": first.contract_name,
        "contract_code": first.contract_code,
        "organization": first.organization_name,
        "facts": list(
            list_offer_facts(first.offer, first, language)
            if first.offer
            else list_facts(first, language, internal=internal, has_page=has_page)
        ),
        "accounts": [
            {
                "name": _format_account_name(account, language),
                "figure": _format_account(account, first.currency, language),
                "bar": build_bar(account.consumed, account.planned) if account.planned else None,
            }
            for account in _merge_accounts(first, others)
            if (internal or account.billable or account.evaluated) and not first.corrections
        ]
        + list(_build_corrections(first, language, internal=internal)),
        "recipient_reason": _describe_recipient(notifications, language),
        "contact": _describe_contact(notifications, language),
        "link": build_statements_link([first, *others], public_url) if has_page else "",
        "link_label": format_link_label([first, *others], language),
        "link_note": "",
        "notification_id": notifications[0].id,
        **build_offer_link(first, notifications[0].addressee, public_url, language, secret),
        **build_digest([first, *others] if first.digest else [], public_url, language, has_page=has_page),
    }


def _build_part(snapshot: Snapshot, language: Language) -> dict[str, Any]:
    """What each notification of a mail has."""
    opening = fill_placeholders(snapshot.opening or "", build_placeholder_values(snapshot, language))
    return {
        "kind": _format_kind(snapshot, language),
        "opening": opening.strip().splitlines(),
        "reason": describe_reason(snapshot, language),
    }


def _format_kind(snapshot: Snapshot, language: Language) -> str:
    name = (
        OFFER_NAMES[snapshot.offer.event] if snapshot.kind == "offer" and snapshot.offer else _KIND_NAMES[snapshot.kind]
    )
    return language.gettext(name) if name else ""  # the translation of an empty text is the head of the catalogue


def _describe_kind(snapshot: Snapshot, language: Language) -> str:
    """The note beside the name of the kind."""
    _ = language.gettext
    if snapshot.offer:
        return describe_offer_deadline(snapshot.offer, snapshot, language)
    if snapshot.kind == "reminder":
        return _("this still applies.")
    if snapshot.kind == "test":
        return _("this is a test message; nothing has happened, and the figures may be made up.")
    if snapshot.kind == "crossing":
        return ""
    threshold = format_threshold(snapshot.trigger, snapshot.threshold, snapshot.currency, language)
    if not threshold or snapshot.trigger in ("status_changed", "forecast_exhausts"):
        return _("this no longer applies.")
    return _("the alert at %(threshold)s no longer applies.", threshold=threshold)


def _build_others(first: Snapshot, others: Sequence[Snapshot], language: Language) -> Iterator[dict[str, Any]]:
    """The further notifications of a mail, each with a bar if its figures are not shown yet."""
    shown = {_identify_figures(first)}
    for snapshot in others:
        key, consumed, available = _identify_figures(snapshot), snapshot.consumed, snapshot.available
        bar = None
        if snapshot.trigger not in CALENDAR_TRIGGERS and key not in shown and consumed is not None and available:
            shown.add(key)
            bar = build_bar(consumed, available)
        yield {
            **_build_part(snapshot, language),
            "name": ", ".join(filter(None, (snapshot.account_name, snapshot.team_name))),
            "bar": bar,
            "link": "",
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


def format_subject(notifications: Sequence[MailNotification], language: Language) -> str:
    """The subject of a mail: that of its first notification, and how many more there are."""
    snapshot, more = notifications[0].snapshot, len(notifications) - 1
    kind = _format_kind(snapshot, language)
    count = language.ngettext(" (and %(count)s more)", " (and %(count)s more)", more) if more else ""
    prefix = f"{kind}: " if kind else ""
    if snapshot.digest:
        headline = format_digest_headline([notification.snapshot for notification in notifications], language)
        return f"{prefix}{headline}, {language.format_day(snapshot.digest.day)}"
    if snapshot.subject:
        return prefix + fill_placeholders(snapshot.subject, build_placeholder_values(snapshot, language)) + count
    names = [snapshot.contract_name, snapshot.account_name, snapshot.team_name]
    if snapshot.period_start:
        names.append(format_subject_period(snapshot, language))
    headline = format_headline(snapshot, language)
    return f"{prefix}{headline}{count}: {', '.join(filter(None, names))} [{snapshot.contract_code}]"


def _build_consumption(snapshot: Snapshot, language: Language) -> dict[str, Any] | None:
    """The figure with its bar; None without a plan."""
    consumed, available, currency = snapshot.consumed, snapshot.available, snapshot.currency
    if consumed is None or available is None:
        return None
    headline, remaining = format_headline(snapshot, language), format_remaining(snapshot, language)
    percent = format_percent(snapshot, language)
    figure = format_consumption(consumed, available, currency, language)
    # The headline is not repeated.
    is_percent = headline == language.gettext("%(percent)s used", percent=percent)
    return {
        "figure": figure if is_percent and available > 0 else language.gettext("%(figure)s used", figure=figure),
        "detail": percent[0].lower() + percent[1:] if remaining == headline else remaining,
        "bar": build_bar(consumed, available),
    }


def _build_corrections(snapshot: Snapshot, language: Language, *, internal: bool) -> Iterator[dict[str, Any]]:
    """The accounts that were corrected, with what they came to and come to."""
    for line in snapshot.corrections:
        if internal or line.billable:
            before, after = (language.format_quantity(value, snapshot.currency) for value in (line.before, line.after))
            name = line.name or ""
            yield {
                "name": name if line.billable else language.gettext("%(account)s (not billable)", account=name),
                "figure": language.gettext("%(before)s → %(after)s", before=before, after=after),
                "bar": None,
            }


def _format_account_name(account: AccountLine, language: Language) -> str:
    return account.name if account.billable else language.gettext("%(account)s (not billable)", account=account.name)


def _format_account(account: AccountLine, currency: str | None, language: Language) -> str:
    if not account.planned or account.planned < 0:
        figure = language.format_quantity(account.consumed, currency)
        return language.gettext("%(figure)s, no plan", figure=figure)
    return format_consumption(account.consumed, account.planned, currency, language)


def _describe_recipient(notifications: Sequence[MailNotification], language: Language) -> str:
    """Why this person or channel receives the message. Only those of the provider name the rules."""
    if notifications[0].addressee.kind == "webhook":
        rules, count = _format_rules([snapshot for _, snapshot, _ in notifications], language)
        return language.ngettext(
            "%(rules)s notifies this channel.", "%(rules)s notify this channel.", count, rules=rules
        )
    own = [snapshot for _, snapshot, addressee in notifications if addressee.kind == "owner"]
    if own and own[0].offer:
        return language.gettext("You own this contract.")
    if own:
        rules, count = _format_rules(own, language)
        if own[0].digest:
            return language.gettext("You own these contracts. %(rules)s sends their owner a digest.", rules=rules)
        return language.ngettext(
            "You own this contract. %(rules)s notifies its owner.",
            "You own this contract. %(rules)s notify its owner.",
            count,
            rules=rules,
        )
    sentences = (_describe_addressee(snapshot, addressee, language) for _, snapshot, addressee in notifications)
    return " ".join(dict.fromkeys(sentences))


def _describe_addressee(snapshot: Snapshot, addressee: Addressee, language: Language) -> str:
    _, organization = language.gettext, snapshot.organization_name
    if addressee.kind == "contacts":
        return _("You are a contact of %(organization)s (%(role)s).", organization=organization, role=addressee.role)
    if addressee.kind == "team":
        return _("You are a member of the team %(team)s.", team=addressee.team)
    return _("This address receives alerts for this contract.")


def _describe_contact(notifications: Sequence[MailNotification], language: Language) -> str:
    """Whom to ask, and how to stop the mails."""
    _, owner, snapshot = language.gettext, find_owner_email(notifications), notifications[0].snapshot
    if snapshot.offer and notifications[0].addressee.kind == "owner":
        return ""
    if any(addressee.kind == "owner" for _, _, addressee in notifications):
        return _("To stop such mails, change the rule or switch it off.")
    if not owner:
        return ""
    return _(
        "%(name)s (%(email)s) is responsible for this contract. To ask something, or to no longer receive such mails, "
        "reply to this mail.",
        name=snapshot.owner_name,
        email=owner,
    )


def find_owner_email(notifications: Sequence[MailNotification]) -> str:
    """The address of the contract's owner; empty in notifications of earlier versions."""
    return notifications[0].snapshot.owner_email or ""


def _format_rules(snapshots: Sequence[Snapshot], language: Language) -> tuple[str, int]:
    """Such as ``The global rule “Overrun”``, and how many rules that is."""
    names_by_scope: dict[str, dict[str, None]] = {}
    for snapshot in snapshots:
        name = language.gettext("\u201c%(name)s\u201d", name=snapshot.rule_name)
        names_by_scope.setdefault(snapshot.scope or "", {})[name] = None
    rules = language.join([_format_scope(scope, list(names), language) for scope, names in names_by_scope.items()])
    return rules[0].upper() + rules[1:], sum(map(len, names_by_scope.values()))


def _format_scope(scope: str, names: Sequence[str], language: Language) -> str:
    count, text = len(names), language.join(names)
    if scope == "global":
        return language.ngettext("the global rule %(names)s", "the global rules %(names)s", count, names=text)
    if scope == "organization":
        return language.ngettext(
            "the organization rule %(names)s", "the organization rules %(names)s", count, names=text
        )
    return language.ngettext("the contract rule %(names)s", "the contract rules %(names)s", count, names=text)
