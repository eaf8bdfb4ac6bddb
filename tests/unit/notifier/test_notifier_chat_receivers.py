"""Chats as receivers: their URL is a secret; and the message that they get."""

import json
import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notifier_bodies import MID_MARCH, balance, evaluation_input, rule, stored_rule, uid
from pydantic import ValidationError
from snapshots import account_line, make_snapshot

from tidemark_notifier.delivery.chat import build_chat_message
from tidemark_notifier.delivery.mail_content import MailNotification
from tidemark_notifier.delivery.webhook import redact
from tidemark_notifier.evaluation.addressees import Addressee, resolve_addressees
from tidemark_notifier.rules.receivers import MASKED_SECRET, WITH_SECRETS, is_masked, mask_url
from tidemark_notifier.rules.rule import Rule, restore_secrets

SLACK = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"  # pragma: allowlist secret
OTHER = "https://hooks.slack.com/services/T00000000/B00000000/YYYYYYYYYYYYYYYYYYYYYYYY"  # pragma: allowlist secret
TEAMS = (
    "https://prod-1.westeurope.logic.azure.com:443/workflows/abc/triggers/manual/invoke?sp=%2Ftriggers&sig=s3cr3t-s1g"
)
CHANNEL = Addressee(kind="webhook", url=mask_url(SLACK), chat_format="slack", chat_url=SLACK)


def chat(url=SLACK, chat_format="slack", **more):
    return {"kind": "webhook", "url": url, "format": chat_format, **more}


def chat_rule(*receivers):
    return rule(receivers=receivers) | {"channels": ["webhook"]}


def message(snapshot, addressee=CHANNEL):
    notification = MailNotification(UUID(uid("notification")), snapshot, addressee)
    return build_chat_message([notification], public_url="https://tidemark.example.com", locale="en")


def test_url_of_a_chat_is_shown_as_its_host_and_a_checksum():
    shown = mask_url(SLACK)
    assert re.fullmatch(r"https://hooks\.slack\.com/\*{8}[0-9a-f]{8}", shown)
    assert is_masked(shown)
    assert mask_url(TEAMS).startswith("https://prod-1.westeurope.logic.azure.com/********")
    assert mask_url("http://[fd00::1]:8065/hooks/abcdef").startswith("http://[fd00::1]:8065/********")
    assert (mask_url(shown), mask_url(OTHER) != shown) == (shown, True)


def test_url_of_a_chat_is_stored_and_never_shown():
    stored = stored_rule(chat_rule(chat(), chat(OTHER, "mattermost")))
    assert all(url in stored.to_stored_json() for url in (SLACK, OTHER))
    for shown in (stored.model_dump_json(), repr(stored), str(stored), str(stored.model_dump())):
        assert "/services/" not in shown
    assert json.loads(stored.model_dump_json())["receivers"][0] == chat(mask_url(SLACK))

    [addressee, _] = resolve_addressees(stored, evaluation_input(balance(uid("contract"))), MID_MARCH, None)
    assert (addressee.receiver, addressee.chat_url, addressee.secret) == (mask_url(SLACK), SLACK, None)
    for shown in (repr(addressee), addressee.model_dump_json(), str(addressee)):
        assert "/services/" not in shown
    assert Addressee.model_validate_json(addressee.model_dump_json(context=WITH_SECRETS)) == addressee


def test_masked_url_is_restored_from_the_same_channel_only():
    previous = stored_rule(chat_rule(chat(), chat(OTHER)))
    masked = chat_rule(chat(mask_url(OTHER)), chat(mask_url(SLACK), "mattermost"))
    restored = restore_secrets(Rule.model_validate(masked), previous)
    assert [receiver.url for receiver in restored.receivers] == [OTHER, SLACK]
    assert restore_secrets(previous, previous) == previous
    unknown = Rule.model_validate(chat_rule(chat("https://hooks.slack.com/********00000000")))
    assert is_masked(restore_secrets(unknown, previous).receivers[0].url)
    assert is_masked(restore_secrets(unknown).receivers[0].url)


@pytest.mark.parametrize("secret", [{}, {"secret": MASKED_SECRET}])
def test_url_of_a_chat_never_becomes_one_that_is_shown(secret):
    previous = stored_rule(chat_rule(chat()))
    standard = {"kind": "webhook", "url": mask_url(SLACK), **secret}
    [receiver] = restore_secrets(Rule.model_validate(chat_rule(standard)), previous).receivers
    assert is_masked(receiver.url)
    assert receiver.secret is None


@pytest.mark.parametrize(
    ("receiver", "message"),
    [
        (chat(secret=MASKED_SECRET), "A webhook with format slack must not have a secret: its URL is the secret."),
        ({"kind": "owner", "format": "slack"}, "Only a receiver of kind webhook has a format."),
        (chat(chat_format="irc"), "'slack', 'teams', 'google_chat', 'mattermost' or 'discord'"),
        ({"kind": "webhook", "format": "slack"}, "A receiver of kind webhook needs url."),
    ],
)
def test_invalid_chat_is_rejected(receiver, message):
    with pytest.raises(ValidationError) as raised:
        Rule.model_validate(chat_rule(receiver))
    assert any(message in error["msg"] for error in raised.value.errors())


def test_message_has_the_figures_the_rule_and_all_accounts():
    accounts = [account_line("Help desk", 90_000, 75_600), account_line("Coordination", 1, 1, billable=False)]
    sent = message(make_snapshot(accounts=accounts))
    assert (sent.title, sent.link) == ("80 % used", "https://tidemark.example.com/contracts/ACME-SUP")
    assert sent.lines[0] == "Support 2026 (ACME-SUP), Acme"
    assert "32 h of 40 h" in sent.lines[1]
    assert sent.lines[2] == "32 h of 40 h used in March 2026 (80 % reached)."
    assert ("Help desk", "21 h of 25 h") in sent.facts
    assert "Coordination (not billable)" in dict(sent.facts)
    assert sent.footer == "The global rule \u201cWarn <b>\u201d notifies this channel."


def test_link_is_named_after_its_page():
    assert message(make_snapshot()).link_label == "View the contract"
    settled = message(make_snapshot(trigger="period_closed"))
    assert (settled.link.rpartition("/")[2], settled.link_label) == ("2026-03-01", "View the statement")


def test_message_of_many_accounts_says_how_many_more_there_are():
    sent = message(make_snapshot(accounts=[account_line(f"Account {number}", 1, 1) for number in range(14)]))
    assert sent.facts[-1] == ("Other accounts", "4")


def test_message_of_many_notifications_lists_the_most_urgent_ten():
    snapshots = [make_snapshot(), *(make_snapshot(kind="resolved", account_name=f"A{number}") for number in range(12))]
    notifications = [MailNotification(UUID(int=number), snapshot, CHANNEL) for number, snapshot in enumerate(snapshots)]
    sent = build_chat_message(notifications, public_url="https://tidemark.example.com", locale="de")
    assert sent.title == "80 % verbraucht"
    assert len(sent.lines) == 14
    assert sent.lines[3].startswith("\N{BULLET} Erledigt: A0: 32 Std. von 40 Std. im März 2026 verbraucht")
    assert sent.lines[-1] == "(und 2 weitere)"


@pytest.mark.parametrize(
    ("changes", "title", "colour"),
    [
        ({}, "80 % used", "#d97706"),
        ({"trigger": "overrun", "remaining": -1}, "1 s over", "#dc2626"),
        ({"kind": "reminder"}, "Reminder: 80 % used", "#d97706"),
        ({"kind": "resolved"}, "Resolved: 80 % used", "#16a34a"),
        ({"kind": "test"}, "Test: 80 % used", "#64748b"),
    ],
)
def test_title_and_colour_follow_the_kind(changes, title, colour):
    sent = message(make_snapshot(**changes))
    assert (sent.title, sent.colour) == (title, colour)


@given(before=st.binary(max_size=250), after=st.binary(max_size=250), part=st.sampled_from([SLACK, TEAMS]))
def test_answer_that_quotes_the_url_is_shown_without_it(before, after, part):
    _, _, path = part.partition("//")[2].partition("/")
    secret = b"/" + path.encode()
    excerpt = (before + secret + after)[: 200 + len(secret)]
    shown = redact(excerpt, secret)
    assert len(shown) <= 200
    for quoted in (b"XXXXXX", b"s3cr3t", b"B000000"):
        assert quoted not in shown
    assert redact(before[:200], b"") == before[:200]


@pytest.mark.parametrize("padding", range(60))
def test_answer_that_is_cut_within_the_url_shows_no_part_of_it(padding):
    secret = SLACK.removeprefix("https://hooks.slack.com").encode()
    excerpt = (b"." * padding + secret * 9)[: 200 + len(secret)]
    assert b"XX" not in redact(excerpt, secret)
