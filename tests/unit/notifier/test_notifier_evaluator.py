from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notifier_bodies import HOUR, MID_MARCH, account, balance, evaluation_input, figures, rule, stored_rule, terms, uid

from tidemark_notifier.evaluation.evaluation_input import StatusChange
from tidemark_notifier.evaluation.evaluator import evaluate
from tidemark_notifier.evaluation.notification_history import NotificationKey
from tidemark_notifier.rules.rule import effective_rules

CONTRACT = uid("contract")


def evaluate_all(rules, contract, keys=(), today=MID_MARCH):
    stored_rules = [stored_rule(body) if isinstance(body, dict) else body for body in rules]
    return evaluate(stored_rules, contract, [NotificationKey(key, today, notified=True) for key in keys], today)


def thresholds(notifications):
    return [notification.threshold for notification in notifications]


@pytest.mark.parametrize(
    ("consumed", "expected"), [(32 * HOUR - 1, []), (32 * HOUR, ["80"]), (32 * HOUR + 1, ["80"]), (0, [])]
)
def test_percentage_fires_at_the_exact_second(consumed, expected):
    assert (
        thresholds(evaluate_all([rule("Warn", "80")], evaluation_input(balance(CONTRACT, consumed=consumed))))
        == expected
    )


def test_fraction_of_a_percent_is_exact_where_a_float_is_not():
    planned = 3 * 10**12  # 33.3333 % of it is 999_999_000_000 exactly
    at = [rule("Warn", "33.3333")]
    assert evaluate_all(at, evaluation_input(balance(CONTRACT, planned=planned, consumed=999_998_999_999))) == []
    assert thresholds(
        evaluate_all(at, evaluation_input(balance(CONTRACT, planned=planned, consumed=999_999_000_000)))
    ) == ["33.3333"]


def test_several_thresholds_at_once_make_one_notification_of_the_furthest():
    percent_rule = stored_rule(rule("Warn", "100", "9", "80.5", "50"))
    [notification] = evaluate_all([percent_rule], evaluation_input(balance(CONTRACT, consumed=40 * HOUR)))
    assert notification.threshold == "100"
    assert [key.threshold for key in notification.keys] == ["9", "50", "80.5", "100"]
    assert (
        evaluate_all([percent_rule], evaluation_input(balance(CONTRACT, consumed=50 * HOUR)), notification.keys) == []
    )


def test_threshold_notifies_once_and_the_next_one_notifies_again():
    both = stored_rule(rule("Warn", "80", "100"))
    [first] = evaluate_all([both], evaluation_input(balance(CONTRACT, consumed=33 * HOUR)))
    [second] = evaluate_all([both], evaluation_input(balance(CONTRACT, consumed=40 * HOUR)), first.keys)
    assert (first.threshold, second.threshold) == ("80", "100")
    assert evaluate_all([both], evaluation_input(balance(CONTRACT, consumed=20 * HOUR)), first.keys + second.keys) == []


def test_new_plan_and_new_period_start_a_new_episode():
    warn = stored_rule(rule("Warn", "80"))
    [first] = evaluate_all([warn], evaluation_input(balance(CONTRACT, consumed=40 * HOUR)))
    assert thresholds(
        evaluate_all([warn], evaluation_input(balance(CONTRACT, planned=50 * HOUR, consumed=40 * HOUR)), first.keys)
    ) == ["80"]
    april = evaluation_input(balance(CONTRACT, consumed=40 * HOUR, period=("2026-04-01", "2026-04-30")))
    assert thresholds(evaluate_all([warn], april, first.keys, date(2026, 4, 2))) == ["80"]


def test_rules_of_the_same_name_notify_once():
    [first] = evaluate_all([rule("Warn", "80")], evaluation_input(balance(CONTRACT, consumed=40 * HOUR)))
    other = stored_rule(rule("Warn", "80.0"), version=7)
    assert evaluate_all([other], evaluation_input(balance(CONTRACT, consumed=40 * HOUR)), first.keys) == []


def test_period_is_compared_with_its_available_amount():
    warn = [rule("Warn", "80")]
    assert evaluate_all(warn, evaluation_input(balance(CONTRACT, consumed=39 * HOUR, carried=10 * HOUR))) == []
    [notification] = evaluate_all(warn, evaluation_input(balance(CONTRACT, consumed=40 * HOUR, carried=10 * HOUR)))
    assert (notification.evaluation.subject.available, notification.keys[0].episode) == (50 * HOUR, str(40 * HOUR))


def test_carried_time_starts_no_new_episode():
    warn = stored_rule(rule("Warn", "80"))
    [first] = evaluate_all([warn], evaluation_input(balance(CONTRACT, consumed=40 * HOUR, carried=10 * HOUR)))
    assert evaluate_all([warn], evaluation_input(balance(CONTRACT, consumed=40 * HOUR, carried=0)), first.keys) == []


@pytest.mark.parametrize(("consumed", "expected"), [(1, ["100"]), (0, [])])
def test_any_consumption_fires_if_nothing_is_available(consumed, expected):
    overdrawn = evaluation_input(balance(CONTRACT, consumed=consumed, carried=-40 * HOUR))
    assert thresholds(evaluate_all([rule("Warn", "50", "100")], overdrawn)) == expected


@pytest.mark.parametrize("planned", [None, 0])
@pytest.mark.parametrize("over", ["period", "whole"])
def test_subject_without_a_plan_is_not_evaluated(planned, over):
    unplanned = balance(CONTRACT)
    unplanned["accounts"] = [account("Extras", planned, 99 * HOUR, period=("2026-03-01", "2026-03-31"))]
    assert evaluate_all([rule("Warn", "1", of="account", over=over)], evaluation_input(unplanned)) == []


def test_each_account_is_evaluated_separately():
    period = ("2026-03-01", "2026-03-31")
    accounts = [
        account("Help desk", 30 * HOUR, 24 * HOUR, period=period),
        account("Projects", 10 * HOUR, 7 * HOUR, period=period),
        account("Meetings", 5 * HOUR, 5 * HOUR, period=period, billable=False),
    ]
    notifications = evaluate_all(
        [rule("Warn", "80", of="account")], evaluation_input(balance(CONTRACT, accounts=accounts))
    )
    assert [notification.keys[0].subject_id for notification in notifications] == [uid("Help desk"), uid("Meetings")]


def test_whole_contract_has_no_period():
    body = balance(CONTRACT, consumed=40 * HOUR) | {"whole": figures(480 * HOUR, 384 * HOUR)}
    [notification] = evaluate_all([rule("Warn", "80", over="whole")], evaluation_input(body))
    assert (notification.evaluation.subject.period, notification.evaluation.subject.available) == (None, 480 * HOUR)


def test_only_the_previous_and_the_current_period_are_evaluated():
    body = balance(CONTRACT)
    body["periods"] = [
        balance(CONTRACT, consumed=40 * HOUR, period=period)["periods"][0]
        for period in (("2026-02-01", "2026-02-28"), ("2026-03-01", "2026-03-31"), ("2026-04-01", "2026-04-30"))
    ]
    notifications = evaluate_all([rule()], evaluation_input(body), today=date(2026, 4, 1))
    assert [notification.keys[0].period_start for notification in notifications] == [date(2026, 3, 1), date(2026, 4, 1)]
    assert [
        notification.keys[0].period_start
        for notification in evaluate_all([rule()], evaluation_input(body), today=MID_MARCH)
    ] == [
        date(2026, 2, 1),
        date(2026, 3, 1),
    ]


@pytest.mark.parametrize(
    ("status", "days_after_the_end", "fires"),
    [
        ("ACTIVE", -300, True),
        ("ACTIVE", 0, True),
        ("EXPIRED", 1, True),
        ("EXPIRED", 30, True),
        ("EXPIRED", 31, False),
        ("INACTIVE", -300, False),
        ("DRAFT", -300, False),
        ("CLOSED", 1, False),
        (None, -300, False),
    ],
)
def test_limits_notify_while_active_and_for_thirty_days_after_the_end(status, days_after_the_end, fires):
    body = balance(CONTRACT, consumed=40 * HOUR, period=("2026-01-01", "2026-12-31"))
    contract = evaluation_input(body, terms_body=terms(recurrence="none"), status=status)
    notifications = evaluate_all(
        [rule("Warn", "80")], contract, today=date(2026, 12, 31) + timedelta(days=days_after_the_end)
    )
    assert bool(notifications) is fires


def test_rule_that_skips_existing_crossings_records_and_does_not_notify():
    skip = stored_rule(rule("Warn", "80", "100", existing="skip"))
    crossed = evaluation_input(balance(CONTRACT, consumed=33 * HOUR))
    [notification] = evaluate_all([skip], crossed)
    assert (notification.notify, [key.threshold for key in notification.keys]) == (False, ["80"])
    later = evaluation_input(balance(CONTRACT, consumed=40 * HOUR), skipped_rule_versions={skip.id: 1})
    [notification] = evaluate_all([skip], later, notification.keys)
    assert (notification.notify, notification.threshold) == (True, "100")


def test_rule_that_skips_notifies_at_the_first_evaluation_of_a_contract():
    skip = stored_rule(rule("Warn", "80", existing="skip"))
    new_contract = evaluation_input(balance(CONTRACT, consumed=33 * HOUR))._replace(skipped_rule_versions=None)
    [notification] = evaluate_all([skip], new_contract)
    assert notification.notify


def test_contract_without_a_balance_is_not_evaluated():
    assert evaluate_all([rule()], evaluation_input(balance(CONTRACT))._replace(balance=None)) == []


def test_narrowest_rule_of_a_name_applies_alone_even_if_disabled():
    contract, organization = uid("contract"), uid("Acme")
    global_rule = stored_rule(rule("Warn", "80"))
    other = stored_rule(rule("Other", "80"))
    acme_rule = stored_rule(rule("Warn", "70", scope={"kind": "organization", "id": organization}))
    contract_rule = stored_rule(rule("Warn", "60", scope={"kind": "contract", "id": contract}, enabled=False))
    rules = [other, global_rule, acme_rule, contract_rule]
    evaluated = evaluation_input(balance(contract))
    ids = (evaluated.contract_id, evaluated.terms.organization_id)

    assert effective_rules(rules, *ids) == [other]
    assert {applied.id for applied in effective_rules([other, global_rule, acme_rule], *ids)} == {
        other.id,
        acme_rule.id,
    }
    assert effective_rules([global_rule], *ids) == [global_rule]
    other_contract_rule = stored_rule(rule("Warn", scope={"kind": "contract", "id": uid("another")}, enabled=False))
    assert effective_rules([global_rule, other_contract_rule], *ids) == [global_rule]


percents = st.decimals("0.0001", "400", places=4).map(str)


@settings(deadline=None)
@given(
    at=st.lists(percents, min_size=1, max_size=5),
    planned=st.integers(1, 10**12),
    path=st.lists(st.integers(0, 2 * 10**12), max_size=30),
)
def test_each_threshold_notifies_once_when_first_reached_on_any_path(at, planned, path):
    warn = stored_rule(rule("Warn", *{str(Fraction(text)): text for text in at}.values()))
    keys, reached = set(), set()
    for consumed in path:
        notifications = evaluate_all(
            [warn], evaluation_input(balance(CONTRACT, planned=planned, consumed=consumed)), keys
        )
        share = Fraction(consumed * 100, planned)
        reached_now = {text for text in warn.trigger.at if consumed > 0 and share >= Fraction(text)}
        newly_reached = sorted(reached_now - reached, key=Fraction)
        assert thresholds(notifications) == newly_reached[-1:]
        assert [key.threshold for notification in notifications for key in notification.keys] == newly_reached
        reached |= reached_now
        keys.update(key for notification in notifications for key in notification.keys)
    assert {key.threshold for key in keys} == reached
    assert all(Fraction(a) != Fraction(b) for a, b in pairwise(sorted(warn.trigger.at, key=Fraction)))


def test_status_that_began_and_ended_since_the_last_evaluation_is_crossed_and_resolved():
    resumed = evaluation_input(balance(CONTRACT))._replace(
        status_changes=(StatusChange(2, "ACTIVE"), StatusChange(3, "INACTIVE"), StatusChange(4, "ACTIVE"))
    )
    paused = rule("Paused", trigger={"kind": "status_changed", "to": "INACTIVE"}, notify_resolved=True)
    first = evaluate_all([paused], resumed)
    assert [notification.kind for notification in first] == ["crossing", "resolved"]
    later = resumed._replace(status_changes=resumed.status_changes[-1:])
    assert evaluate_all([paused], later, [key for notification in first for key in notification.keys]) == []
