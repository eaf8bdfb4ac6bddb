"""Notifications as a message to a channel of a chat, from their snapshots alone. SPEC 5.

A chat, like the owner, belongs to the provider: the message names the rule, and accounts that are not billable.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from tidemark_notifier.delivery.chat_formats import ChatMessage
from tidemark_notifier.delivery.mail_content import MailNotification, build_view, sort_by_urgency
from tidemark_notifier.delivery.snapshot_text import make_safe
from tidemark_notifier.evaluation.snapshot import Snapshot
from tidemark_notifier.language import Language, get_language

_MAX_ACCOUNTS = _MAX_OTHERS = 10
_WARNING, _OVERRUN, _RESOLVED, _TEST = "#d97706", "#dc2626", "#16a34a", "#64748b"


def build_chat_message(notifications: Sequence[MailNotification], *, public_url: str, locale: str) -> ChatMessage:
    """The message of notifications that were raised together for one contract and channel, in the provider's locale."""
    notifications, language = sort_by_urgency(notifications), get_language(locale)
    view = make_safe(build_view(notifications, public_url, language))
    return ChatMessage(
        title=f"{view['kind']}: {view['headline']}" if view["kind"] else view["headline"],
        lines=tuple(_build_lines(view, language)),
        facts=tuple(_build_facts(view, language)),
        footer=view["recipient_reason"],
        link=view["link"],
        link_label=view["link_label"],
        colour=_find_colour(notifications[0].snapshot),
    )


def _find_colour(snapshot: Snapshot) -> str:
    colours = {"resolved": _RESOLVED, "test": _TEST}
    return colours.get(snapshot.kind, _OVERRUN if (snapshot.remaining or 0) < 0 else _WARNING)


def _build_lines(view: dict[str, Any], language: Language) -> Iterator[str]:
    yield f"{view['contract_name']} ({view['contract_code']}), {view['organization']}"
    if consumption := view["consumption"]:
        yield f"{consumption['bar']} {consumption['figure']}, {consumption['detail']}"
    yield view["reason"]
    others = view["others"]
    for other in others[:_MAX_OTHERS]:
        yield "\N{BULLET} " + ": ".join(filter(None, (other["kind"], other["name"], other["reason"])))
    if more := len(others[_MAX_OTHERS:]):
        yield language.ngettext(" (and %(count)s more)", " (and %(count)s more)", more).strip()


def _build_facts(view: dict[str, Any], language: Language) -> Iterator[tuple[str, str]]:
    yield from view["facts"]
    accounts = view["accounts"]
    yield from ((account["name"], account["figure"]) for account in accounts[:_MAX_ACCOUNTS])
    if len(accounts) > _MAX_ACCOUNTS:
        yield language.gettext("Other accounts"), language.format_number(len(accounts) - _MAX_ACCOUNTS)
