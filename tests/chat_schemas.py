"""What the makers of chats publish of the bodies that their incoming webhooks take: members, types and limits.

Slack: docs.slack.dev/reference/block-kit. Teams: adaptivecards.io/schemas, learn.microsoft.com/microsoftteams (28 KB a
message). Google Chat: developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages (32,000 bytes).
Mattermost: developers.mattermost.com/integrate/reference/message-attachments. Discord: discord.com/developers/docs, at
resources/webhook and resources/message (6000 characters in all embeds).
"""


def _object(required, **optional):
    return {
        "type": "object", "properties": required | optional, "required": list(required), "additionalProperties": False
    }  # fmt: skip


def _array(items, most, least=1):
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _text(most, least=1):
    return {"type": "string", "minLength": least, "maxLength": most}


def _plain(most):
    return _object({"type": {"const": "plain_text"}, "text": _text(most)}, emoji={"type": "boolean"})


_URL = _text(2048) | {"pattern": "^https?://[^\\s<>]+$"}
_BLOCKS = [
    {"type": {"const": "header"}, "text": _plain(150)},
    {"type": {"const": "section"}, "text": _plain(3000)},
    {
        "type": {"const": "actions"},
        "elements": _array(_object({"type": {"const": "button"}, "text": _plain(75), "url": _URL}), 25),
    },
    {"type": {"const": "context"}, "elements": _array(_plain(2000), 10)},
]
_RUN = _object(
    {"type": {"const": "TextRun"}, "text": _text(10_000)},
    size={"enum": ["default", "small", "medium", "large", "extraLarge"]},
    weight={"enum": ["default", "lighter", "bolder"]},
    isSubtle={"type": "boolean"},
)
_CARD = _object(
    {
        "$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"},
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.2", "1.3", "1.4", "1.5"]},
        "body": _array(
            _object(
                {"type": {"const": "RichTextBlock"}, "inlines": _array(_RUN, 10)},
                spacing={"enum": ["default", "none", "small", "medium", "large", "extraLarge", "padding"]},
            ),
            100,
        ),
        "actions": _array(_object({"type": {"const": "Action.OpenUrl"}, "title": _text(200), "url": _URL}), 6),
    },
    msteams=_object({"width": {"const": "Full"}}),
)
_WIDGETS = [
    {"textParagraph": _object({"text": _text(20_000)})},
    {
        "buttonList": _object(
            {
                "buttons": _array(
                    _object({"text": _text(200), "onClick": _object({"openLink": _object({"url": _URL})})}), 6
                )
            }
        )
    },
]
_GOOGLE_CARD = _object(
    {
        "header": _object({"title": _text(200)}),
        "sections": _array(_object({"widgets": _array({"oneOf": [_object(widget) for widget in _WIDGETS]}, 100)}), 100),
    }
)

SCHEMAS = {
    "slack": _object(
        {"text": _text(40_000), "blocks": _array({"oneOf": [_object(block) for block in _BLOCKS]}, 50)},
        unfurl_links={"type": "boolean"},
        unfurl_media={"type": "boolean"},
    ),
    "teams": _object(
        {
            "type": {"const": "message"},
            "attachments": _array(
                _object(
                    {
                        "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                        "contentUrl": {"type": "null"},
                        "content": _CARD,
                    }
                ),
                1,
            ),
        }
    ),
    "google_chat": _object(
        {"fallbackText": _text(4096), "cardsV2": _array(_object({"cardId": _text(64), "card": _GOOGLE_CARD}), 1)}
    ),
    "mattermost": _object(
        {
            "attachments": _array(
                _object(
                    {"fallback": _text(4000)},
                    color={"type": "string", "pattern": "^#[0-9a-f]{6}$"},
                    title=_text(400),
                    title_link=_URL,
                    text=_text(16_383),
                    fields=_array(
                        _object({"title": _text(1000), "value": _text(2000), "short": {"type": "boolean"}}), 25, 0
                    ),
                    footer=_text(300),
                ),
                1,
            )
        }
    ),
    "discord": _object(
        {
            "allowed_mentions": {"const": {"parse": []}},
            "embeds": _array(
                _object(
                    {"title": _text(256), "description": _text(4096)},
                    url=_URL,
                    color={"type": "integer", "minimum": 0, "maximum": 0xFFFFFF},
                    footer=_object({"text": _text(2048)}),
                ),
                10,
            ),
        }
    ),
}
