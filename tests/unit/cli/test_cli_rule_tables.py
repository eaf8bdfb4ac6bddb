"""Rules and explanations as text for people."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tidemark.cli.body_file import parse_body, replace_names
from tidemark.cli.rule_tables import describe_receiver, describe_trigger, list_explained
from tidemark_notifier.rules.rule import Rule


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        (
            {"kind": "consumed_percent", "of": "contract", "over": "period", "at": ["80", "100"]},
            "80, 100 % used, contract, each period",
        ),
        (
            {"kind": "remaining_hours", "of": "account", "over": "whole", "at": ["8"]},
            "8 h or less left, account, all periods",
        ),
        (
            {"kind": "remaining_amount", "of": "contract", "over": "whole", "at": [50000], "currency": "EUR"},
            "500.00 EUR or less left, contract, all periods",
        ),
        (
            {"kind": "remaining_amount", "of": "contract", "over": "whole", "at": [50000]},
            "50000 minor units or less left, contract, all periods",
        ),
        ({"kind": "overrun", "of": "slice", "over": "period"}, "more than 100 % used, slice, each period"),
        ({"kind": "expires_in_days", "at": [30, 7]}, "30, 7 days before the end"),
        ({"kind": "expired"}, "expired"),
        ({"kind": "status_changed", "to": "INACTIVE"}, "becomes INACTIVE"),
        ({"kind": "unaccounted_work", "at": ["8"]}, "8 h or more not counted"),
        ({"kind": "forecast_exhausts", "within_days": 14}, "will be used up within 14 days"),
        ({"kind": "forecast_exhausts", "before_end": True}, "will be used up before the period ends"),
        # One that this version does not know.
        ({"kind": "period_closed"}, "period closed"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_trigger_in_words(trigger: dict[str, Any], text: str) -> None:
    assert describe_trigger(trigger) == text


@pytest.mark.parametrize(
    ("receiver", "text"),
    [
        ({"kind": "owner"}, "owner"),
        ({"kind": "contacts", "role": "billing"}, "contacts with role billing"),
        ({"kind": "team", "id": "1"}, "team Support"),
        ({"kind": "address", "email": "x@y.example"}, "x@y.example"),
        ({"kind": "webhook", "url": "https://y.example", "secret": "whsec_********"}, "https://y.example"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_receiver_in_words(receiver: dict[str, Any], text: str) -> None:
    assert describe_receiver(receiver, "Support") == text


def test_example_file_is_a_valid_rule() -> None:
    text = (Path(__file__).parents[3] / "examples" / "rule.yaml").read_text()
    rule = Rule.model_validate(replace_names(parse_body(text), lambda *_: str(uuid4())))
    assert rule.trigger.at == ("80", "100")


def explained(*thresholds: dict[str, Any]) -> dict[str, Any]:
    scope = {"kind": "global"}
    return {"rule_name": "Warn", "scope": scope, "state": "fired", "text": "Done.", "thresholds": thresholds}


def threshold(text: str, **changes: Any) -> dict[str, Any]:
    return {"name": None, "period_start": None, "state": "not_reached", "text": text, **changes}


def test_thresholds_are_listed_where_there_are_several() -> None:
    rule = {"state": "fired", "text": "Warn (global)\nDone."}
    assert list(list_explained([explained(threshold("32 h to go."))])) == [rule]
    several = explained(threshold("A."), threshold("B.", name="Help desk", period_start="2026-03-01"))
    assert list(list_explained([several])) == [
        rule,
        {"state": "  not_reached", "text": "A."},
        {"state": "  not_reached", "text": "Help desk 2026-03-01\nB."},
    ]
    # What the rule's own row says already.
    several = explained(threshold("A."), threshold("Done.", state="fired"))
    assert list(list_explained([several])) == [rule, {"state": "  not_reached", "text": "A."}]
