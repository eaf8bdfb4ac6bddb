from bisect import bisect
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from notifier_bodies import HOUR, balance, evaluation_input, figures, limit_trigger, rule, stored_rule, terms, uid

from tidemark_consumption.api import responses as consumption
from tidemark_notifier.evaluation.evaluator import evaluate
from tidemark_notifier.evaluation.explain import FiredNotification, ReceiverStatus, explain_rules
from tidemark_notifier.evaluation.notification_history import NotificationKey
from tidemark_notifier.evaluation.preview import CurveKey, CurvePoint, list_required_curves, preview_rule
from tidemark_notifier.rules.rule import find_rules_in_scope

CONTRACT = uid("contract")
DAY = date(2026, 3, 15)
NOTIFICATION = UUID(uid("notification"))


def with_hours(hours, **more):
    return evaluation_input(balance(CONTRACT, consumed=int(hours * HOUR)), **more)


def explain(contract, *rules, keys=(), today=DAY):
    rules = [stored_rule(body) if isinstance(body, dict) else body for body in rules]
    raised = {
        NOTIFICATION: FiredNotification(
            notification_id=NOTIFICATION,
            raised_at=datetime(2026, 3, 14, 12, tzinfo=UTC),
            receivers=(ReceiverStatus(receiver="olga@provider.example.com", status="delivered"),),
        )
    }
    rules = find_rules_in_scope(rules, contract.contract_id, contract.terms.organization_id)
    return explain_rules(rules, contract, keys, raised, today)


def notified_keys(fired_rule, contract):
    return [
        NotificationKey(
            key, DAY - timedelta(days=1), notification.notify, NOTIFICATION if notification.notify else None
        )
        for notification in evaluate([fired_rule], contract, [], DAY)
        for key in notification.keys
    ]


@pytest.mark.parametrize(
    ("trigger", "contract", "text"),
    [
        (limit_trigger("consumed_percent", "80"), with_hours(31.5),
         "31 h 30 min of 40 h used in March 2026. 80 % is reached at 32 h (30 min to go)."),
        (limit_trigger("remaining_hours", "8"), with_hours(31),
         "31 h of 40 h used in March 2026. 8 h left is reached at 32 h (1 h to go)."),
        (limit_trigger("overrun"), with_hours(40),
         "40 h of 40 h used in March 2026. More than 100 % is reached at 40 h 1 s (1 s to go)."),
        ({"kind": "expires_in_days", "at": [30]}, with_hours(0),
         "The threshold is reached on 1 December 2026 (in 261 days)."),
        ({"kind": "expired"}, with_hours(0), "The contract is ACTIVE and ends on 31 December 2026."),
        ({"kind": "status_changed", "to": "CLOSED"}, with_hours(0),
         "The contract is ACTIVE and ends on 31 December 2026."),
        ({"kind": "unaccounted_work", "at": ["8"]}, with_hours(0),
         "0 h of logged work is not being counted. The alert is at 8 h (8 h to go)."),
        ({"kind": "forecast_exhausts", "within_days": 5}, with_hours(0), "No forecast is available."),
        ({"kind": "forecast_exhausts", "within_days": 5},
         evaluation_input(balance(CONTRACT) | {"forecast": {"exhausts_on": "2026-03-24", "low": None, "high": None}}),
         "At the current pace, the budget runs out on 24 March 2026 (in 9 days)."),
    ],
)  # fmt: skip
def test_text_states_what_is_missing(trigger, contract, text):
    [explained] = explain(contract, rule(trigger=trigger))
    assert (explained.state, explained.text) == ("not_reached", text)
    assert [threshold.text for threshold in explained.thresholds] == [text]


def fires(percent_rule, planned, consumed):
    return bool(
        evaluate([percent_rule], evaluation_input(balance(CONTRACT, planned=planned, consumed=consumed)), [], DAY)
    )


@pytest.mark.parametrize("percentage", ["33.3333", "0.0001", "66.6667", "99.9999"])
@pytest.mark.parametrize("planned", [1, 7, 144_000, 144_001])
def test_missing_amount_is_exactly_what_fires(percentage, planned):
    percent_rule = stored_rule(rule("Warn", percentage))
    at = bisect(range(planned), x=False, key=lambda consumed: fires(percent_rule, planned, consumed))
    [explained] = explain(evaluation_input(balance(CONTRACT, planned=planned, consumed=at - 1)), percent_rule)
    assert explained.state == "not_reached"
    assert explained.text.endswith(" (1 s to go).")


def test_fired_rule_states_when_and_to_whom_even_if_no_longer_reached():
    warn = stored_rule(rule("Warn", "80", "100"))
    keys = notified_keys(warn, with_hours(33))
    [explained] = explain(with_hours(33), warn, keys=keys)
    assert (explained.state, explained.text) == (
        "fired",
        "Notified on 14 March 2026. 33 h of 40 h used in March 2026 (80 % reached).",
    )
    eighty, hundred = explained.thresholds
    assert (eighty.state, hundred.state) == ("fired", "not_reached")
    assert eighty.fired.receivers[0].receiver == "olga@provider.example.com"
    assert hundred.fired is None
    [later] = explain(with_hours(10), warn, keys=keys)
    assert (later.state, later.thresholds[0].state) == ("fired", "fired")


def test_states_of_skipped_and_due_crossings():
    skipping = stored_rule(rule(existing="skip"))
    keys = notified_keys(skipping, with_hours(33))
    assert explain(with_hours(33), skipping, keys=keys)[0].state == "skipped"
    assert explain(with_hours(33), skipping)[0].state == "due"


def test_trigger_of_the_other_contract_type_is_not_applicable():
    fixed = with_hours(0, terms_body=terms(type="fixed_price", currency="EUR"))
    for trigger, contract in (
        (limit_trigger("remaining_hours", "8"), fixed),
        (limit_trigger("remaining_amount", 8), with_hours(0)),
        (limit_trigger("remaining_amount", 8, currency="USD"), fixed),
        (limit_trigger("overrun", of="slice"), fixed),
    ):
        assert explain(contract, rule(trigger=trigger))[0].state == "not_applicable"


def test_disabled_and_replaced_rules_name_the_rule_that_applies():
    global_rule = stored_rule(rule("Warn"))
    acme_rule = stored_rule(rule("Warn", scope={"kind": "organization", "id": uid("Acme")}))
    contract_rule = stored_rule(rule("Warn", scope={"kind": "contract", "id": CONTRACT}, enabled=False))
    other_rule = stored_rule(rule("Warn", scope={"kind": "contract", "id": uid("another")}))
    explained = explain(with_hours(33), global_rule, acme_rule, contract_rule, other_rule)
    assert [(entry.rule_id, entry.state) for entry in explained] == [
        (contract_rule.id, "disabled"), (acme_rule.id, "replaced"), (global_rule.id, "replaced"),
    ]  # fmt: skip
    replaced = explained[2].text
    assert replaced == f"The contract rule with this name ({contract_rule.id}) turns it off for this contract."
    assert not explained[2].thresholds


def test_rule_states_why_it_is_not_evaluated():
    waiting = with_hours(33)._replace(balance=None, awaited="a balance for version 3 of the contract")
    assert explain(waiting, rule())[0].text == "Waiting for a balance for version 3 of the contract."
    [inactive] = explain(with_hours(33, status="INACTIVE"), rule())
    assert (inactive.state, inactive.text) == (
        "inactive",
        "The contract is INACTIVE. Limits are evaluated while the contract is ACTIVE, and for 30 days after its end.",
    )
    unplanned = evaluation_input(balance(CONTRACT, planned=0, consumed=HOUR))
    assert explain(unplanned, rule())[0].state == "no_plan"


# Preview


def curve(*hours, start=date(2026, 3, 1), planned=40):
    """One point a day: the consumption at its end, in March and of the whole."""
    return [
        CurvePoint.model_validate(
            {
                "day": start + timedelta(days=number),
                "whole": figures(planned * HOUR, int(consumed * HOUR)),
                "period": {**figures(planned * HOUR, int(consumed * HOUR)), "start": "2026-03-01", "end": "2026-03-31",
                           "carried": 0, "available": planned * HOUR},
            }
        )
        for number, consumed in enumerate(hours)
    ]  # fmt: skip


def preview_all(body, contract, curves):
    previews = preview_rule(stored_rule(body), contract, curves)
    return [(preview.day, preview.kind, preview.threshold) for preview in previews]


def test_preview_lists_days_thresholds_and_receivers():
    contract = with_hours(0, terms_body=terms(start="2026-03-01", end="2026-03-31"))
    warn = rule("Warn", "50", "80", "100")
    curves = {CurveKey(): curve(8, 16, 33, 33, 40)}
    assert preview_all(warn, contract, curves) == [
        (date(2026, 3, 3), "crossing", "80"), (date(2026, 3, 5), "crossing", "100"),
    ]  # fmt: skip
    first = next(preview_rule(stored_rule(warn), contract, curves))
    assert first.receivers == ("olga@provider.example.com",)
    assert first.text == "33 h of 40 h used in March 2026 (80 % reached)."


def test_preview_uses_the_curve_of_the_rules_subject():
    desk = {"id": uid("Help desk"), "name": "Help desk", "billable": True, "slices": [{"team_id": uid("North")}]}
    contract = with_hours(0, terms_body=terms(start="2026-03-01", end="2026-03-31", accounts=[desk]))
    account, share = CurveKey(UUID(uid("Help desk"))), CurveKey(UUID(uid("Help desk")), UUID(uid("North")))
    for of, key in (("account", account), ("slice", share)):
        body = rule(of=of)
        assert list_required_curves(stored_rule(body), contract) == [key]
        assert preview_all(body, contract, {key: curve(8, 33)}) == [(date(2026, 3, 2), "crossing", "80")]
    assert list_required_curves(stored_rule(rule()), contract) == [CurveKey()]


def test_preview_of_dates_needs_no_curve():
    contract = with_hours(0, terms_body=terms(start="2026-03-01", end="2026-03-31"))
    dates = rule(trigger={"kind": "expires_in_days", "at": [7, 30]}, remind_every_days=3)
    assert preview_all(dates, contract, {}) == [
        (date(2026, 3, 1), "crossing", "30"),
        *((date(2026, 3, day), "reminder", "30") for day in range(4, 24, 3)),
        (date(2026, 3, 24), "crossing", "7"),
        (date(2026, 3, 27), "reminder", "7"),
        (date(2026, 3, 30), "reminder", "7"),
    ]
    assert preview_all(rule(trigger={"kind": "expired"}), contract, {}) == [(date(2026, 4, 1), "crossing", None)]


def test_curve_point_matches_the_answer_of_consumption():
    answer = consumption.CurveDay.model_json_schema()
    assert CurvePoint.model_fields.keys() == consumption.CurveDay.model_fields.keys()
    assert answer["$defs"] == CurvePoint.model_json_schema()["$defs"]
