"""Digests: on their day once for each receiver, whatever restarts, and only if there is something to say."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from built_mails import NOTIFICATION, mail_of, parse
from hypothesis import given
from hypothesis import strategies as st
from notifier_bodies import HOUR, account, balance, evaluation_input, organization, rule, stored_rule, terms, uid
from pydantic import ValidationError

from tidemark_notifier.delivery.mail_content import MailNotification
from tidemark_notifier.evaluation.digest_schedule import (
    find_digest_day,
    find_due_day,
    find_next_check,
    find_next_digest_day,
)
from tidemark_notifier.evaluation.digests import DigestCase, build_digests
from tidemark_notifier.evaluation.evaluator import evaluate
from tidemark_notifier.evaluation.explain import explain_rules
from tidemark_notifier.evaluation.notification_history import NotificationKey
from tidemark_notifier.evaluation.snapshot import DigestFigures
from tidemark_notifier.rules.rule import Rule
from tidemark_notifier.rules.triggers import Trigger
from tidemark_shared.domain.calendar import start_of_day

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = {"kind": "digest", "every": "week", "on": "monday"}
START = datetime(2026, 3, 15, 23, tzinfo=UTC)  # Monday in Berlin
CONTACTS = {"kind": "contacts", "role": "billing"}


def digest_rule(*receivers, trigger=MONDAY):
    return stored_rule(rule("Digest", trigger=trigger, receivers=receivers or [{"kind": "owner"}]), id_=uid("rule"))


def case(code="ACME-SUP", consumed=30 * HOUR, previous=None, keys=(), status="ACTIVE", **changes):
    """A contract with the figures of March; ``previous`` is what the last digest showed of each receiver."""
    body = terms(code, **{name: value for name, value in changes.items() if name in ("end", "timezone", "owner")})
    accounts = changes.get("accounts")
    figures = balance(uid(code), consumed=consumed, code=code, accounts=accounts)
    figures |= {"unaccounted_seconds": changes.get("unaccounted", 0), "forecast": changes.get("forecast")}
    contract = evaluation_input(figures, terms_body=body, status=status, organization_body=organization())
    return DigestCase(contract, keys, previous or {})


def seen(consumed=30 * HOUR, status="ACTIVE", end="2026-12-31", planned=40 * HOUR, *receivers):
    figures = DigestFigures(day=date(2026, 3, 9), status=status, contract_end=end, planned=planned, consumed=consumed)
    return dict.fromkeys(receivers or ["olga@provider.example.com", "ann@acme.example.com"], figures)


def digests(*cases, rule_=None, since=START, now=START + timedelta(minutes=1)):
    """The contracts in each receiver's digest; a receiver without news has none."""
    return {
        digest.keys[0][1].kind.removeprefix("digest "): [entry.snapshot for entry in digest.entries]
        for digest in build_digests(rule_ or digest_rule(), cases, since, now)
    }


# The day


@pytest.mark.parametrize(
    ("trigger", "day"),
    [
        ({"every": "week", "on": "monday"}, "2026-03-09"), ({"every": "week", "on": "sunday"}, "2026-03-15"),
        ({"every": "month", "on": "monday"}, "2026-03-02"), ({"every": "month", "on": 1}, "2026-03-01"),
        ({"every": "month", "on": 31}, "2026-02-28"), ({"every": "month", "on": 15}, "2026-03-15"),
    ],
)  # fmt: skip
def test_last_day_of_a_digest(trigger, day):
    trigger = Trigger.model_validate({"kind": "digest", **trigger})
    assert str(find_digest_day(trigger, date(2026, 3, 15))) == day


@given(
    st.dates(date(2020, 1, 1), date(2060, 1, 1)),
    st.sampled_from([("week", "friday"), ("month", "sunday"), ("month", 29), ("month", 31), ("month", 1)]),
)
def test_next_day_follows_the_last(today, schedule):
    trigger = Trigger(kind="digest", every=schedule[0], on=schedule[1])
    last, following = find_digest_day(trigger, today), find_next_digest_day(trigger, today)
    assert last <= today < following
    assert find_digest_day(trigger, following - timedelta(days=1)) == last


MOMENTS = st.integers(0, 730 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))
ZONES = [*map(ZoneInfo, ("Europe/Berlin", "America/Havana", "Pacific/Kiritimati", "Asia/Kathmandu", "Etc/GMT+12"))]


@given(
    begin=MOMENTS,
    pauses=st.lists(st.integers(0, 20 * 24 * 60), max_size=4),
    zones=st.sets(st.sampled_from(ZONES), min_size=1),
    schedule=st.sampled_from([("week", "monday"), ("week", "sunday"), ("month", "sunday"), ("month", 31)]),
)
def test_digest_is_due_once_a_day_over_restarts_and_clock_changes(begin, pauses, zones, schedule):
    """The notifier looks when it should, except while it is down: a day is due once, and of missed days the last."""
    trigger = Trigger(kind="digest", every=schedule[0], on=schedule[1])
    since = now = begin
    due = []
    for minutes in [*pauses, 40 * 24 * 60]:
        # Down until then, and up for hours.
        now = max(now, since) + timedelta(minutes=minutes)
        until = now + timedelta(hours=20)
        while now <= until:
            if day := find_due_day(trigger, zones, since, now):
                due.append((day, now))
            last = find_digest_day(trigger, min(now.astimezone(zone).date() for zone in zones))
            begins_at = max(start_of_day(last, zone) for zone in zones)
            assert (last in [day for day, _ in due]) == (begin <= begins_at)
            since = find_next_check(trigger, now)
            assert since > now
            now = since
        now = until
    days = [day for day, _ in due]
    assert days == sorted(set(days))
    for day, moment in due:
        assert all(moment >= start_of_day(day, zone) for zone in zones)
        assert find_digest_day(trigger, max(moment.astimezone(zone).date() for zone in zones)) - day < timedelta(
            days=40
        )
    # The last pause is longer than any interval.
    assert due


@given(st.sampled_from(ZONES), st.integers(0, 51))
def test_digest_that_runs_all_the_time_is_due_when_the_day_begins(zone, week):
    trigger = Trigger(kind="digest", every="week", on="monday")
    monday = date(2026, 1, 5) + timedelta(weeks=week)
    since = now = start_of_day(monday, zone) - timedelta(days=2)
    while (day := find_due_day(trigger, [zone], since, now)) is None:
        since = now = find_next_check(trigger, now)
    assert (day, now) == (monday, start_of_day(monday, zone))


# What it says


def test_digest_has_all_contracts_of_its_receiver():
    cases = [case("B"), case("A", owner="piet@provider.example.com"), case("C", consumed=41 * HOUR)]
    result = digests(*cases, rule_=digest_rule({"kind": "owner"}, CONTACTS))
    codes = {receiver.partition("@")[0]: [item.contract_code for item in items] for receiver, items in result.items()}
    # What needs attention comes first.
    assert codes == {"olga": ["C", "B"], "piet": ["A"], "ann": ["C", "A", "B"]}


def test_nothing_is_sent_when_there_is_nothing_to_say():
    assert digests(case(previous=seen())) == {"olga@provider.example.com": []}
    assert (
        len(digests(case("A", previous=seen()), case("B", previous=seen(29 * HOUR)))["olga@provider.example.com"]) == 2
    )


@pytest.mark.parametrize(
    ("changes", "attention"),
    [
        ({}, ()),
        ({"consumed": 40 * HOUR}, ()),
        ({"consumed": 40 * HOUR + 1}, ("over", "account_over")),
        ({"end": "2026-04-15"}, ("ends_soon",)),
        ({"end": "2026-04-16"}, ()),
        ({"end": "2026-02-20", "status": "EXPIRED"}, ("ended",)),
        ({"status": "INACTIVE", "consumed": 50 * HOUR}, ()),
        ({"unaccounted": 3600}, ("not_counted",)),
        ({"forecast": {"exhausts_on": "2026-03-24", "low": None, "high": None}}, ("runs_out",)),
        ({"forecast": {"exhausts_on": "2026-03-31", "low": None, "high": None}}, ()),
    ],
)
def test_what_needs_a_word(changes, attention):
    given_ = {"consumed": 30 * HOUR, "end": "2026-12-31", "status": "ACTIVE"} | changes
    previous = seen(given_["consumed"], given_["status"], given_["end"])
    items = digests(case(previous=previous, **given_))["olga@provider.example.com"]
    assert [item.digest.attention for item in items] == ([attention] if attention else [])


def test_contract_that_ended_is_shown_with_its_last_change_and_a_draft_never():
    ended = {"status": "CLOSED", "end": "2026-01-31"}
    [item] = digests(case(previous=seen(end="2026-01-31"), **ended))["olga@provider.example.com"]
    assert item.digest.previous.status == "ACTIVE"
    assert digests(case(previous=seen(status="CLOSED", end="2026-01-31"), **ended))["olga@provider.example.com"] == []
    assert digests(case(**ended))["olga@provider.example.com"] == []
    assert digests(case(status="DRAFT"))["olga@provider.example.com"] == []


def test_digest_of_a_day_is_sent_once():
    [digest] = build_digests(digest_rule(), [case("A"), case("B")], START, START)
    [(_, key), _] = digest.keys
    keys = [NotificationKey(key, date(2026, 3, 16), notified=True)]
    assert digests(case("A", keys=keys), case("B")) == {}
    assert digests(case("A", keys=keys), now=START + timedelta(days=7), since=START + timedelta(days=6, hours=23))


def test_digest_waits_until_its_day_has_begun_for_all_contracts():
    cases = [case("A"), case("B", timezone="America/New_York")]
    assert digests(*cases) == {}
    late = START + timedelta(hours=5)
    assert len(digests(*cases, since=late, now=late)["olga@provider.example.com"]) == 2


def mail(*cases, receiver="olga@provider.example.com", receivers=({"kind": "owner"}, CONTACTS)):
    [digest] = [
        digest
        for digest in build_digests(digest_rule(*receivers), cases, START, START)
        if digest.keys[0][1].kind == f"digest {receiver}"
    ]
    return parse(
        mail_of(*(MailNotification(NOTIFICATION, entry.snapshot, entry.addressee) for entry in digest.entries))
    )


def test_mail_says_what_changed_and_what_needs_a_word():
    changed = case("A", consumed=36 * HOUR, previous=seen(planned=60 * HOUR))
    over = case("B", consumed=42 * HOUR, unaccounted=7200, previous=seen(42 * HOUR))
    parsed, text, html = mail(changed, over)
    assert parsed["Subject"] == "Digest: 1 contract needs attention, 16 March 2026"
    assert (
        "Contracts:\n"
        "- Over: Support 2026 (B), Acme: 42 h of 40 h used in March 2026 (2 h over). Unchanged since 9 March 2026. "
        "Over their plan: Help desk. 2 h not counted.\n"
        "  [###################!]\n"
        "  https://tidemark.example.com/contracts/B\n"
        "- Support 2026 (A), Acme: 36 h of 40 h used in March 2026 (4 h left). 6 h more than on 9 March 2026. "
        "Planned in all: 40 h instead of 60 h.\n"
    ) in text
    assert "You own these contracts. The global rule “Digest” sends their owner a digest." in text
    assert 'href="https://tidemark.example.com/contracts/B"' in html
    assert html.count('role="img"') == 2


def test_customer_reads_nothing_internal():
    period = ("2026-03-01", "2026-03-31")
    accounts = [
        account("Help desk", 40 * HOUR, 41 * HOUR, period=period),
        account("Coordination", 5 * HOUR, 9 * HOUR, period=period, billable=False),
    ]
    _, text, html = mail(case(accounts=accounts, unaccounted=7200), receiver="ann@acme.example.com")
    assert "Over their plan: Help desk." in text
    assert "View all contracts: https://tidemark.example.com/customer#" in text
    for word in ("Coordination", "not counted", "rule “", "/contracts/"):
        assert word not in text + html.partition("<body")[2]


# The rule


@pytest.mark.parametrize(
    "trigger",
    [
        {"every": "week"}, {"on": "monday"}, {"every": "week", "on": "Monday"}, {"every": "week", "on": 1},
        {"every": "month", "on": 0}, {"every": "month", "on": 32}, {"every": "month", "on": True},
        {"every": "year", "on": "monday"}, {"every": "week", "on": "monday", "at": [1]},
    ],
)  # fmt: skip
def test_trigger_needs_its_day(trigger):
    with pytest.raises(ValidationError):
        Trigger.model_validate({"kind": "digest", **trigger})


@pytest.mark.parametrize(
    "changes",
    [
        {"remind_every_days": 1}, {"notify_resolved": True}, {"subject": "x"}, {"opening": "x"},
        {"offer": {"account": "A", "hours": "1"}},
        {"receivers": [{"kind": "webhook", "url": "https://x.example.com/"}], "channels": ["webhook"]},
    ],
)  # fmt: skip
def test_digest_has_no_other_options(changes):
    with pytest.raises(ValidationError, match="A digest is one mail"):
        Rule.model_validate(rule(trigger=MONDAY) | changes)


def test_digest_is_no_notification_of_an_evaluation_and_explain_names_its_next_day():
    contract, today = case().contract, date(2026, 3, 16)
    assert evaluate([digest_rule()], contract, [], today) == []
    [explained] = explain_rules([digest_rule()], contract, [], {}, today)
    assert (explained.state, explained.text) == ("not_reached", "The next digest is due on 23 March 2026.")
