"""The bodies for chats: by the products' published shapes and limits, and with names that are only text."""

import html
import json
import re
from html.parser import HTMLParser

import jsonschema
import pytest
from chat_schemas import SCHEMAS
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tidemark_notifier.delivery.chat_formats import ChatMessage, build_chat_body

FORMATS = sorted(SCHEMAS)
VALIDATORS = {name: jsonschema.Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
MAX_BYTES = {"teams": 28 * 1024, "google_chat": 32_000}
ZERO_WIDTH_SPACE = "\u200b"
LINK = "https://tidemark.example.com/contracts/ACME-SUP"
HOSTILE = (
    "<!channel>", "<!everyone>", "<@U123>", "<users/all>", "<at>everyone</at>", "<@&1>", "<#1>", "@here", "@channel",
    "<https://evil.example|ACME>", "[ACME](https://evil.example)", "https://evil.example", "www.evil.example",
    "<a href='https://evil.example'>ACME</a>", "ann@acme.example", "*b* _i_ ~s~ `c` **b** ||x||", "# big", "- list",
    "> quote", ":tada:", "{{DATE(2026-01-01T00:00:00Z,SHORT)}}", "&lt;!channel&gt;", "\\", "\\[a](b)", "1. list",
    "![x](https://e.example)", "@all",
    "~town-square", "#random", "<t:1>", "a\n# b", "|a|b|\n|-|-|",
)  # fmt: skip
names = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50))


def make_message(name="Help desk", count=2):
    return ChatMessage(
        title="80 % used",
        lines=(f"{name} (ACME-SUP), Acme", "[################----]", "32 h of 40 h used in March 2026 (80 % reached)."),
        facts=(("Period", "March 2026"), *((name, "21 h of 25 h") for _ in range(count))),
        footer=f"The global rule \u201c{name}\u201d notifies this channel.",
        link=LINK,
        link_label="View the contract",
        colour="#d97706",
    )


def build(chat_format, message):
    return json.loads(build_chat_body(chat_format, message))


def texts(value):
    """Every text of a body, except the link."""
    if isinstance(value, str):
        return [] if value in (LINK, "http://adaptivecards.io/schemas/adaptive-card.json") else [value]
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for member in members for text in texts(member)]


@pytest.mark.parametrize("chat_format", FORMATS)
@given(name=names, count=st.integers(0, 40))
@example(name="&" * 300, count=40)
@example(name="*" * 300, count=40)
@example(name="\U0001f6a8" * 300, count=40)
def test_body_has_the_published_shape_within_its_limits(chat_format, name, count):
    body = build_chat_body(chat_format, make_message(name, count))
    VALIDATORS[chat_format].validate(json.loads(body))
    assert len(body) <= MAX_BYTES.get(chat_format, 100_000)
    if chat_format == "discord":
        [embed] = json.loads(body)["embeds"]
        assert len(embed["title"]) + len(embed["description"]) + len(embed["footer"]["text"]) <= 6000


@pytest.mark.parametrize("chat_format", FORMATS)
def test_message_has_its_title_figures_and_link(chat_format):
    body = build(chat_format, make_message())
    shown = re.sub(r"\\(.)", r"\1", html.unescape(" ".join(texts(body))))
    for text in ("80 % used", "32 h of 40 h used in March 2026", "Help desk", "21 h of 25 h", "(ACME-SUP), Acme"):
        assert text in shown
    assert LINK in json.dumps(body)


@pytest.mark.parametrize("chat_format", FORMATS)
@given(name=names)
def test_name_mentions_nobody_and_is_no_link(chat_format, name):
    for text in texts(build(chat_format, make_message(name))):
        plain = html.unescape(re.sub("</?(b|i|br)>", " ", text) if chat_format == "google_chat" else text)
        assert not re.search(r"@(?!\u200b)|<(?=[!@#:/\w])|://|www\.\w|\{\{|:[\w+-]+:", plain, re.IGNORECASE)


@given(name=names)
def test_slack_shows_names_as_plain_text(name):
    body = build("slack", make_message(name))
    for text in texts(body):
        assert not set("<>") & set(text)
        assert "&" not in re.sub("&(amp|lt|gt);", "", text)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add((tag, *attrs))


@given(name=names)
def test_google_chat_has_only_its_own_tags(name):
    for text in texts(build("google_chat", make_message(name))):
        assert Tags(text).tags <= {("b",), ("i",), ("br",)}


@given(name=names)
def test_mattermost_and_discord_show_names_without_markup(name):
    parser = MarkdownIt("commonmark").enable(["strikethrough", "table"])
    [attachment] = build("mattermost", make_message(name))["attachments"]
    [embed] = build("discord", make_message(name))["embeds"]
    values = [field["value"] for field in attachment["fields"]]
    for text, own in (
        (attachment["text"], set()),
        *((value, set()) for value in values),
        (embed["description"], {"strong_open", "strong_close"}),
    ):
        tokens = parser.parse(text)
        assert {token.type for token in tokens} <= {"paragraph_open", "paragraph_close", "inline"}
        inline = {child.type for token in tokens for child in token.children or ()}
        assert inline <= {"text", "softbreak", "text_special"} | own


@given(name=st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=80))
@example(name="R&D <Ops> *1* @home :x: #1")
def test_nothing_of_a_name_is_lost(name):
    def undo(text):
        return html.unescape(re.sub(r"\\([\\`*_\[\]()~|<>#+.!-])", r"\1", text)).replace(ZERO_WIDTH_SPACE, "")

    name = name.replace(ZERO_WIDTH_SPACE, "").replace("\\", "/").replace("&", "+") or "x"
    [attachment] = build("mattermost", make_message(name))["attachments"]
    assert undo(attachment["fields"][1]["title"]) == name
    assert f"{name} (ACME-SUP), Acme" in undo(attachment["text"])
    assert f"{name} (ACME-SUP), Acme" in undo(build("slack", make_message(name))["text"])
    runs = texts(build("teams", make_message(name)))
    assert f"{name}: " in [run.replace(ZERO_WIDTH_SPACE, "") for run in runs]
