import pytest
from notices import rule, uid
from pydantic import ValidationError

from tidemark_notifier.rules import PLACEHOLDERS, Rule, fill


def problems(body):
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate(body)
    return [("/".join(map(str, error["loc"])), error["type"], error["msg"]) for error in caught.value.errors()]


def test_a_rule_is_answered_as_it_was_sent():
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
        tell_resolved=False,
        existing="tell",
        subject=None,
        opening=None,
        enabled=True,
    )
    assert Rule.model_validate(body).model_dump(mode="json") == {
        **body,
        "trigger": {**body["trigger"], "at": ["80", "100"]},
    }
    assert Rule.model_validate_json(Rule.model_validate(body).model_dump_json()) == Rule.model_validate(body)


def test_a_missing_key_is_null_and_null_is_the_default():
    nulls = dict.fromkeys(("remind_every_days", "tell_resolved", "existing", "subject", "opening", "enabled"))
    assert Rule.model_validate(rule() | nulls) == Rule.model_validate(rule())


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"receivers": [{"kind": "webhook", "url": "https://x.example.com", "secret": "s"}]}, "receivers/0"),
        ({"channels": ["email", "webhook"]}, "channels/1"),
    ],
)
def test_what_is_not_supported_yet_says_so_at_its_place(change, path):
    [(found, code, message)] = problems(rule() | change)
    assert (found, code) == (path, "invalid")
    assert "not supported yet" in message


def test_every_violation_is_told_at_once():
    body = rule("Warn", "80", "80.0", receivers=[{"kind": "contacts"}], scope={"kind": "contract"}, channels=[])
    body["existing"] = "maybe"
    assert {path for path, _, _ in problems(body)} == {"scope", "trigger/at", "receivers/0", "channels", "existing"}


@pytest.mark.parametrize("at", ["0", "0.0", "-1", "80%", "1e3", "80.00001", "٨٠", "", 80])
def test_a_percentage_is_a_decimal_string_above_zero(at):
    body = rule()
    body["trigger"]["at"] = [at]
    assert problems(body)


def test_two_forms_of_one_percentage_are_one():
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
def test_a_receiver_has_what_its_kind_needs(receiver):
    assert problems(rule(receivers=[receiver]))


def test_a_subject_stands_on_one_line():
    assert problems(rule(subject="Hello\r\nBcc: x@y.example.com"))[0][0] == "subject"


def test_an_unknown_placeholder_is_named():
    [(path, _, message)] = problems(rule(subject="{contract_code} {secret}"))
    assert path == "subject"
    assert "{secret}" in message
    assert problems(rule(opening="{contract_code.__class__}"))


def test_placeholders_are_replaced_once_and_mean_nothing_else():
    values = dict.fromkeys(PLACEHOLDERS, "{percent}")
    assert fill("{contract_code}: {{percent}} }{", values | {"percent": "80 %"}) == "{percent}: {80 %} }{"
