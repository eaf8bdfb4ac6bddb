"""Pure: the JSON that the incoming webhooks of chats take, as their makers publish it.

Names come from outside. None may mention anybody, become a link or change how the text looks. So every text is escaped
by the rules of its product, and parts that know no markup are preferred. Every body obeys its product's limits.
"""

import html
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tidemark_notifier.rules.receivers import ChatFormat

_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"
# A name of spaces; the products refuse empty texts.
_EMPTY = "\N{EN DASH}"
_MAX_TEXT_LENGTH = 200
_MAX_FACTS = 20
# Where a reader of plain text would begin a mention, a link or an emoji. Broken by a space without a width.
_BREAKS = re.compile(r"@|(?<=:)(?=//)|(?<=www\.)|:(?=[\w+-])|<|#(?=\w)|~(?=\w)|\{(?=\{)|&(?=[#\w]+;)", re.IGNORECASE)
_MARKDOWN = re.compile(r"[\\`*_\[\]()~|<>#+.!-]")


class ChatMessage(NamedTuple):
    """What a message says, as plain text. ``facts`` are names and values, ``colour`` is ``#rrggbb``."""

    title: str
    lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    footer: str
    link: str
    link_label: str
    colour: str


def build_chat_body(chat_format: ChatFormat, message: ChatMessage) -> bytes:
    """The body of the request."""
    safe = message._replace(
        title=_defuse(message.title),
        lines=tuple(map(_defuse, message.lines)),
        facts=tuple((_defuse(name), _defuse(value)) for name, value in message.facts[:_MAX_FACTS]),
        footer=_defuse(message.footer),
        link_label=_defuse(message.link_label),
    )
    return json.dumps(_BUILDERS[chat_format](safe), ensure_ascii=False).encode()


def _defuse(text: str) -> str:
    cut = text if len(text) <= _MAX_TEXT_LENGTH else text[: _MAX_TEXT_LENGTH - 1] + _ELLIPSIS
    return _BREAKS.sub(lambda match: match[0] + _ZERO_WIDTH_SPACE, cut) or _EMPTY


def _fit(lines: Iterable[str], limit: int) -> str:
    """As many lines as have ``limit`` characters together. None is cut: that could leave half of an escape."""
    text = ""
    for line in lines:
        longer = f"{text}\n{line}" if text else line
        if len(longer) + len(_ELLIPSIS) > limit:
            return text + _ELLIPSIS
        text = longer
    return text


def _escape_entities(text: str) -> str:
    return html.escape(text, quote=False)


def _escape_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", text)


def _list_facts(message: ChatMessage) -> list[str]:
    return [f"{name}: {value}" for name, value in message.facts]


def _build_slack(message: ChatMessage) -> dict[str, Any]:
    """Block Kit: docs.slack.dev/reference/block-kit. ``plain_text`` has no markup and no links, ``text`` has."""

    def plain(lines: Iterable[str], limit: int) -> dict[str, Any]:
        return {"type": "plain_text", "text": _fit(map(_escape_entities, lines), limit), "emoji": False}

    button = {"type": "button", "text": plain([message.link_label], 75), "url": message.link}
    return {
        "text": _fit(map(_escape_entities, [message.title, *message.lines]), 3000),
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "header", "text": plain([message.title], 150)},
            {"type": "section", "text": plain(message.lines, 3000)},
            {"type": "section", "text": plain(_list_facts(message), 3000)},
            {"type": "actions", "elements": [button]},
            {"type": "context", "elements": [plain([message.footer], 2000)]},
        ],
    }


def _build_teams(message: ChatMessage) -> dict[str, Any]:
    """An Adaptive Card: adaptivecards.io/explorer. A ``TextRun`` has no Markdown, a ``TextBlock`` has."""

    def block(*runs: dict[str, Any], **options: Any) -> dict[str, Any]:
        return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", **run} for run in runs], **options}

    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            block({"text": message.title, "size": "large", "weight": "bolder"}),
            *(block({"text": line}) for line in message.lines),
            *(
                block({"text": f"{name}: ", "weight": "bolder"}, {"text": value}, spacing="small")
                for name, value in message.facts
            ),
            block({"text": message.footer, "isSubtle": True, "size": "small"}),
        ],
        "actions": [{"type": "Action.OpenUrl", "title": message.link_label, "url": message.link}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _build_google_chat(message: ChatMessage) -> dict[str, Any]:
    """A card: developers.google.com/workspace/chat/api/reference/rest/v1/cards. Paragraphs have a subset of HTML."""

    def paragraph(text: str) -> dict[str, Any]:
        return {"textParagraph": {"text": text}}

    facts = (f"<b>{_escape_entities(name)}:</b> {_escape_entities(value)}" for name, value in message.facts)
    button = {"text": message.link_label, "onClick": {"openLink": {"url": message.link}}}
    widgets = [
        paragraph("<br>".join(map(_escape_entities, message.lines))),
        paragraph("<br>".join(facts)),
        {"buttonList": {"buttons": [button]}},
        paragraph(f"<i>{_escape_entities(message.footer)}</i>"),
    ]
    card = {"header": {"title": message.title}, "sections": [{"widgets": widgets}]}
    return {"fallbackText": message.title, "cardsV2": [{"cardId": "tidemark", "card": card}]}


def _build_mattermost(message: ChatMessage) -> dict[str, Any]:
    """An attachment: developers.mattermost.com/integrate/reference/message-attachments. Values are Markdown."""
    return {
        "attachments": [
            {
                "fallback": message.title,
                "color": message.colour,
                "title": message.title,
                "title_link": message.link,
                "text": _fit(map(_escape_markdown, message.lines), 4000),
                "fields": [
                    {"title": name, "value": _escape_markdown(value), "short": True} for name, value in message.facts
                ],
                "footer": message.footer,
            }
        ]
    }


def _build_discord(message: ChatMessage) -> dict[str, Any]:
    """An embed: discord.com/developers/docs/resources/webhook. At most 25 fields and 6000 characters."""
    facts = (f"**{_escape_markdown(name)}:** {_escape_markdown(value)}" for name, value in message.facts)
    return {
        "allowed_mentions": {"parse": []},
        "embeds": [
            {
                "title": _fit([_escape_markdown(message.title)], 256),
                "url": message.link,
                "description": _fit([*map(_escape_markdown, message.lines), "", *facts], 4096),
                "color": int(message.colour.removeprefix("#"), 16),
                "footer": {"text": _fit([message.footer], 1000)},
            }
        ],
    }


_BUILDERS: Mapping[ChatFormat, Callable[[ChatMessage], dict[str, Any]]] = {
    "slack": _build_slack,
    "teams": _build_teams,
    "google_chat": _build_google_chat,
    "mattermost": _build_mattermost,
    "discord": _build_discord,
}
