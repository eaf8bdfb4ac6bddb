import pytest
from notifier_bodies import limit_trigger, rule, uid
from pydantic import ValidationError

from tidemark_notifier.rules.placeholders import PLACEHOLDERS, fill_placeholders
from tidemark_notifier.rules.rule import Rule


def problems(body):
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate(body)
    return [("/".join(map(str, error["loc"])), error["type"], error["msg"]) for error in caught.value.errors()]


def test_rule_is_returned_as_it_was_sent():
    body = rule(
        "Warn at 80 %",
        "80",
        "100",
        scope={"kind": "organization", "id": uid("Acme")},
        receivers=[
            {"kind": "owner"},
            {"kind": "contacts", "role": "billing"},
            {"kind": "address", "email": "x@y.example.com"},
        ],
        remind_every_days=None,
        notify_resolved=False,
        existing="notify",
        subject=None,
        opening=None,
        offer={
            "account": "Help desk", "hours": "20", "value_minor": None, "price_minor": 180000, "price_currency": "EUR",
            "valid_days": 14,
        },
        enabled=True,
    )  # fmt: skip
    assert Rule.model_validate(body).model_dump(mode="json") == {
        **body,
        "trigger": {**body["trigger"], "at": ["80", "100"]},
    }
    assert Rule.model_validate_json(Rule.model_validate(body).model_dump_json()) == Rule.model_validate(body)


def test_missing_member_equals_null_and_the_default():
    nulls = dict.fromkeys(("remind_every_days", "notify_resolved", "existing", "subject", "opening", "enabled"))
    assert Rule.model_validate(rule() | nulls) == Rule.model_validate(rule())


def test_all_violations_are_reported_at_once():
    body = rule("Warn", "80", "80.0", receivers=[{"kind": "contacts"}], scope={"kind": "contract"}, channels=[])
    body["existing"] = "maybe"
    assert {path for path, _, _ in problems(body)} == {"scope", "trigger/at", "receivers/0", "channels", "existing"}


@pytest.mark.parametrize("at", ["0", "0.0", "-1", "80%", "1e3", "80.00001", "٨٠", "", 80])
def test_percentage_must_be_a_decimal_string_above_zero(at):
    body = rule()
    body["trigger"]["at"] = [at]
    assert problems(body)


def test_percentage_is_normalized():
    body = rule("Warn", "080.50")
    assert Rule.model_validate(body).trigger.at == ("80.5",)


@pytest.mark.parametrize(
    "receiver",
    [
        {"kind": "contacts"},
        {"kind": "address"},
        {"kind": "address", "email": "a@b.example.com\r\nBcc: c@d.example.com"},
        {"kind": "owner", "email": "x@y.example.com"},
        {"kind": "address", "email": "x@y.example.com", "role": "billing"},
        {"kind": "everybody"},
    ],
)
def test_receiver_must_have_the_members_of_its_kind(receiver):
    assert problems(rule(receivers=[receiver]))


def test_subject_must_be_one_line():
    assert problems(rule(subject="Hello\r\nBcc: x@y.example.com"))[0][0] == "subject"


def test_unknown_placeholder_is_named():
    [(path, _, message)] = problems(rule(subject="{contract_code} {secret}"))
    assert path == "subject"
    assert "{secret}" in message
    assert problems(rule(opening="{contract_code.__class__}"))


def test_placeholders_are_replaced_once():
    values = dict.fromkeys(PLACEHOLDERS, "{percent}")
    assert fill_placeholders("{contract_code}: {{percent}} }{", values | {"percent": "80 %"}) == "{percent}: {80 %} }{"


@pytest.mark.parametrize(
    "trigger",
    [
        limit_trigger("consumed_percent", "80", "100"),
        limit_trigger("remaining_hours", "8", "2.5", of="account", over="whole"),
        limit_trigger("remaining_amount", 50000, 0),
        limit_trigger("remaining_amount", 50000, currency="EUR"),
        limit_trigger("overrun", of="slice"),
        {"kind": "expires_in_days", "at": [30, 7, 0]},
        {"kind": "expired"},
        {"kind": "status_changed", "to": "CLOSED"},
        {"kind": "unaccounted_work", "at": ["8", "0"]},
        {"kind": "forecast_exhausts", "within_days": 14},
        {"kind": "forecast_exhausts", "before_end": True},
    ],
)
def test_each_trigger_is_returned_as_it_was_sent(trigger):
    assert Rule.model_validate(rule(trigger=trigger)).model_dump(mode="json")["trigger"] == trigger


@pytest.mark.parametrize(
    ("trigger", "path"),
    [
        (limit_trigger("consumed_percent"), "trigger"),
        (limit_trigger("remaining_hours", "8.333"), "trigger/at/0"),
        (limit_trigger("remaining_hours", "-8"), "trigger/at/0"),
        (limit_trigger("remaining_hours", 8), "trigger/at/0"),
        (limit_trigger("remaining_amount", "500.00"), "trigger/at/0"),
        (limit_trigger("remaining_amount", -1), "trigger/at/0"),
        (limit_trigger("remaining_amount", 5, currency="EURO"), "trigger/currency"),
        (limit_trigger("remaining_hours", "8", currency="EUR"), "trigger"),
        (limit_trigger("overrun", "100"), "trigger"),
        ({"kind": "overrun", "of": "contract"}, "trigger"),
        ({"kind": "overrun", "of": "team", "over": "whole"}, "trigger/of"),
        ({"kind": "expires_in_days", "at": []}, "trigger/at"),
        ({"kind": "expires_in_days", "at": [7, "7"]}, "trigger/at"),
        ({"kind": "expires_in_days", "at": [True]}, "trigger/at/0"),
        ({"kind": "expires_in_days", "at": [1.5]}, "trigger/at/0"),
        ({"kind": "expires_in_days", "at": [7], "of": "contract"}, "trigger"),
        ({"kind": "expired", "at": [7]}, "trigger"),
        ({"kind": "status_changed"}, "trigger"),
        ({"kind": "status_changed", "to": "GONE"}, "trigger/to"),
        ({"kind": "unaccounted_work"}, "trigger"),
        ({"kind": "forecast_exhausts"}, "trigger"),
        ({"kind": "forecast_exhausts", "before_end": False}, "trigger"),
        ({"kind": "forecast_exhausts", "within_days": 7, "before_end": True}, "trigger"),
        ({"kind": "forecast_exhausts", "within_days": -1}, "trigger/within_days"),
        ({"kind": "full_moon"}, "trigger/kind"),
    ],
)
def test_trigger_must_have_exactly_the_members_of_its_kind(trigger, path):
    assert [location for location, _, _ in problems(rule(trigger=trigger))] == [path]


OFFER = {"account": "Help desk", "hours": "20"}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"hours": None}, "offer"),
        ({"hours": "0"}, "offer"),
        ({"value_minor": 50000}, "offer"),
        ({"price_minor": 180000}, "offer"),
        ({"price_currency": "EUR"}, "offer"),
        ({"hours": 20}, "offer/hours"),
        ({"account": ""}, "offer/account"),
        ({"valid_days": 0}, "offer/valid_days"),
    ],
)
def test_offer_of_a_rule_is_an_amount_for_an_account(changes, path):
    assert Rule.model_validate(rule(offer=OFFER)).offer
    assert [problem[0] for problem in problems(rule(offer=OFFER | changes))] == [path]


@pytest.mark.parametrize("days", [0, -1, 367, "3", 1.0, True])
def test_reminder_interval_must_be_whole_days(days):
    assert problems(rule(remind_every_days=days))[0][0] == "remind_every_days"
