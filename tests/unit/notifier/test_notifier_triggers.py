"""Every trigger of SPEC 5 at its limits; deduplication, resolutions and reminders."""

from datetime import date, timedelta

import pytest
from notifier_bodies import (
    HOUR,
    account,
    balance,
    evaluation_input,
    figures,
    limit_trigger,
    rule,
    stored_rule,
    terms,
    uid,
)

from tidemark_notifier.evaluation.addressees import resolve_addressees
from tidemark_notifier.evaluation.evaluation_input import StatusChange
from tidemark_notifier.evaluation.evaluator import evaluate, find_next_evaluation_day
from tidemark_notifier.evaluation.notification_history import NotificationKey
from tidemark_notifier.evaluation.snapshot import freeze_notification

CONTRACT = uid("contract")
DAY = date(2026, 3, 15)
EURO = {"type": "fixed_price", "currency": "EUR"}


class RuleRun:
    """One rule, and the keys of all its notifications."""

    def __init__(self, trigger=None, **more):
        self.rule, self.keys = stored_rule(rule(trigger=trigger, **more)), []

    def __call__(self, contract, today=DAY):
        """The thresholds of today's notifications, each with its kind if it is not a crossing."""
        notifications = evaluate([self.rule], contract, self.keys, today)
        self.keys += [key for notification in notifications for key in notification.notification_keys(today)]
        return [
            notification.threshold if notification.kind == "crossing" else (notification.kind, notification.threshold)
            for notification in notifications
        ]

    def next_day(self, contract, today=DAY):
        return find_next_evaluation_day([self.rule], contract, self.keys, today)


def with_hours(hours, **more):
    return evaluation_input(balance(CONTRACT, consumed=int(hours * HOUR)), **more)


def with_slices(consumed):
    body = balance(CONTRACT)
    [desk] = body["accounts"]
    for team, seconds in (("North", consumed), (None, 99 * HOUR)):
        part = figures(25 * HOUR if team else None, seconds)
        desk["slices"].append(
            {"team_id": team and uid(team), "whole": part,
             "periods": [{**part, "start": "2026-03-01", "end": "2026-03-31"}]}
        )  # fmt: skip
    return evaluation_input(body)


@pytest.mark.parametrize(
    ("trigger", "below", "reached"),
    [
        (limit_trigger("consumed_percent", "80"), 32 * HOUR - 1, 32 * HOUR),
        (limit_trigger("remaining_hours", "8"), 32 * HOUR - 1, 32 * HOUR),
        (limit_trigger("remaining_hours", "0"), 40 * HOUR - 1, 40 * HOUR),
        (limit_trigger("overrun"), 40 * HOUR, 40 * HOUR + 1),
    ],
)
@pytest.mark.parametrize("of", ["contract", "account", "slice"])
@pytest.mark.parametrize("over", ["period", "whole"])
def test_limit_fires_at_the_exact_second_for_every_subject(trigger, below, reached, of, over):
    body = trigger | {"of": of, "over": over}
    run = RuleRun(body)

    def at(consumed):
        if of == "contract":
            return evaluation_input(balance(CONTRACT, consumed=consumed))
        if of == "account":
            period = ("2026-03-01", "2026-03-31")
            return evaluation_input(
                balance(CONTRACT, accounts=[account("Help desk", 40 * HOUR, consumed, period=period)])
            )
        return with_slices(
            25 * HOUR - (40 * HOUR - consumed) if trigger["kind"] != "consumed_percent" else consumed * 5 // 8
        )

    assert run(at(below)) == []
    assert run(at(reached)) == [(trigger.get("at") or [None])[0]]
    assert run(at(reached)) == []


def test_jump_over_several_thresholds_names_the_fewest_hours_left():
    run = RuleRun(limit_trigger("remaining_hours", "1", "20", "8"))
    assert run(with_hours(33)) == ["8"]
    assert run(with_hours(10)) == []
    assert run(with_hours(39)) == ["1"]


def test_remaining_amount_applies_to_fixed_price_in_its_currency():
    def notify_at(minor, **trigger):
        body = balance(CONTRACT, planned=1000_00, consumed=1000_00 - minor, unit="minor", currency="EUR")
        return RuleRun(limit_trigger("remaining_amount", 500_00, **trigger))(
            evaluation_input(body, terms_body=terms(**EURO))
        )

    assert (notify_at(500_01), notify_at(500_00)) == ([], ["50000"])
    assert notify_at(500_00, currency="EUR") == ["50000"]
    assert notify_at(500_00, currency="USD") == []
    assert RuleRun(limit_trigger("remaining_amount", 500_00))(with_hours(40)) == []
    fixed = evaluation_input(balance(CONTRACT, consumed=40 * HOUR, unit="minor"), terms_body=terms(**EURO))
    assert RuleRun(limit_trigger("remaining_hours", "8"))(fixed) == []


@pytest.mark.parametrize("carried", [-40, -50])
def test_any_consumption_is_an_overrun_if_nothing_is_available(carried):
    def with_deficit(consumed):
        return evaluation_input(balance(CONTRACT, consumed=consumed, carried=carried * HOUR))

    run = RuleRun(limit_trigger("overrun"))
    assert (run(with_deficit(0)), run(with_deficit(1))) == ([], [None])


def test_days_left_notifies_from_the_day_on_and_names_the_fewest():
    run = RuleRun({"kind": "expires_in_days", "at": [7, 30]})
    end = date(2026, 12, 31)
    assert run(with_hours(0), end - timedelta(days=31)) == []
    assert run.next_day(with_hours(0), end - timedelta(days=31)) == end - timedelta(days=30)
    assert run(with_hours(0), end - timedelta(days=30)) == ["30"]
    assert run.next_day(with_hours(0), end - timedelta(days=30)) == end - timedelta(days=7)
    assert run(with_hours(0), end) == ["7"]
    assert run.next_day(with_hours(0), end) is None
    late_run = RuleRun({"kind": "expires_in_days", "at": [7, 30]})
    assert late_run(with_hours(0), end - timedelta(days=3)) == ["7"]


@pytest.mark.parametrize("status", ["DRAFT", "INACTIVE", "EXPIRED", "CLOSED"])
def test_days_left_notifies_late_if_the_contract_becomes_active_late(status):
    run = RuleRun({"kind": "expires_in_days", "at": ["30"]})
    day = date(2026, 12, 20)
    assert run(with_hours(0, status=status), day) == []
    assert run(with_hours(0), day) == ["30"]


def test_days_left_neither_fires_nor_resolves_after_the_end():
    assert RuleRun({"kind": "expires_in_days", "at": [30]})(with_hours(0), date(2027, 1, 1)) == []
    run = RuleRun({"kind": "expires_in_days", "at": [30]}, notify_resolved=True)
    assert run(with_hours(0), date(2026, 12, 31)) == ["30"]
    assert run(with_hours(0), date(2027, 1, 1)) == []
    assert run(with_hours(0, terms_body=terms(end="2027-06-30")), date(2027, 1, 1)) == [("resolved", "30")]


def test_new_end_date_starts_a_new_episode():
    run = RuleRun({"kind": "expires_in_days", "at": [30]})
    assert run(with_hours(0), date(2026, 12, 20)) == ["30"]
    longer = with_hours(0, terms_body=terms(end="2027-06-30"))
    assert run(longer, date(2026, 12, 21)) == []
    assert run(longer, date(2027, 6, 1)) == ["30"]


def test_expired_notifies_once_per_end_date():
    run = RuleRun({"kind": "expired"})
    assert run(with_hours(0), date(2027, 1, 1)) == []
    assert run(with_hours(0, status="EXPIRED"), date(2027, 1, 1)) == [None]
    assert run(with_hours(0, status="CLOSED"), date(2027, 1, 2)) == []
    assert run(with_hours(0, status="EXPIRED"), date(2027, 1, 3)) == []
    longer = terms(end="2027-06-30")
    assert run(with_hours(0, status="EXPIRED", terms_body=longer), date(2027, 7, 1)) == [None]


def test_every_change_to_the_status_notifies_even_if_it_has_passed():
    run = RuleRun({"kind": "status_changed", "to": "INACTIVE"})
    assert run(with_hours(0)) == []
    paused = with_hours(0, status="INACTIVE", version=2)
    assert (run(paused), run(paused)) == (["INACTIVE"], [])
    back = paused._replace(
        status_changes=(
            *paused.status_changes,
            StatusChange(3, "ACTIVE"),
            StatusChange(4, "INACTIVE"),
            StatusChange(5, "ACTIVE"),
        )
    )
    assert (run(back), run(back)) == (["INACTIVE"], [])


def test_rule_created_after_a_past_status_does_not_notify_of_it():
    past = with_hours(0)._replace(status_changes=(StatusChange(2, "INACTIVE"), StatusChange(3, "ACTIVE")))
    assert RuleRun({"kind": "status_changed", "to": "INACTIVE"})(past) == []
    assert RuleRun({"kind": "status_changed", "to": "INACTIVE"})(past._replace(skipped_rule_versions=None)) == [
        "INACTIVE"
    ]


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "EXPIRED", "CLOSED"])
def test_unaccounted_work_notifies_in_every_status_but_draft(status):
    def with_unaccounted(seconds, status):
        return evaluation_input(balance(CONTRACT) | {"unaccounted_seconds": seconds}, status=status)

    run = RuleRun({"kind": "unaccounted_work", "at": ["8", "1"]})
    assert run(with_unaccounted(HOUR - 1, status)) == []
    assert run(with_unaccounted(8 * HOUR, "DRAFT")) == []
    assert run(with_unaccounted(HOUR, status)) == ["1"]
    assert run(with_unaccounted(9 * HOUR, status)) == ["8"]
    any_work = RuleRun({"kind": "unaccounted_work", "at": ["0"]})
    assert (any_work(with_unaccounted(0, status)), any_work(with_unaccounted(1, status))) == ([], ["0"])


def with_forecast(day, **more):
    forecast = {"exhausts_on": day, "low": day, "high": day}
    return evaluation_input(balance(CONTRACT) | {"forecast": forecast}, **more)


def test_forecast_notifies_within_the_given_days():
    run = RuleRun({"kind": "forecast_exhausts", "within_days": 10})
    assert run(with_forecast("2026-03-26")) == []
    assert run.next_day(with_forecast("2026-03-26")) == date(2026, 3, 16)
    assert run(with_forecast("2026-03-25")) == ["10"]
    assert run(with_forecast("2026-03-10")) == []
    for contract in (with_hours(0), with_forecast(None), with_forecast("2026-03-16", status="EXPIRED")):
        assert RuleRun({"kind": "forecast_exhausts", "within_days": 10})(contract) == []


def test_forecast_before_end_means_before_the_last_day_of_the_period():
    before = {"kind": "forecast_exhausts", "before_end": True}
    assert RuleRun(before)(with_forecast("2026-03-31")) == []
    assert RuleRun(before)(with_forecast("2026-03-30")) == [None]


def test_resolution_notification_starts_a_new_episode():
    run = RuleRun(limit_trigger("consumed_percent", "50", "80", "100"), notify_resolved=True)
    assert run(with_hours(41)) == ["100"]
    assert run(with_hours(35)) == [("resolved", "100")]
    assert run(with_hours(36)) == []
    assert run(with_hours(41)) == ["100"]
    assert run(with_hours(10)) == [("resolved", "50")]
    assert run(with_hours(10)) == []
    assert run(with_hours(33)) == ["80"]


def test_resolution_notifies_after_a_new_plan_and_only_on_request():
    run, silent = RuleRun(notify_resolved=True), RuleRun()
    more = evaluation_input(balance(CONTRACT, consumed=33 * HOUR, planned=60 * HOUR))
    assert (run(with_hours(33)), run(more), run(more)) == (["80"], [("resolved", "80")], [])
    assert (silent(with_hours(33)), silent(more)) == (["80"], [])
    assert run(evaluation_input(balance(CONTRACT, consumed=50 * HOUR, planned=60 * HOUR))) == ["80"]


def test_skipped_crossing_is_neither_resolved_nor_reminded():
    run = RuleRun(existing="skip", notify_resolved=True, remind_every_days=1)
    assert run(with_hours(33)) == ["80"]
    assert not run.keys[0].notified
    skipped = {run.rule.id: 1}
    assert run(with_hours(33, skipped_rule_versions=skipped), DAY + timedelta(days=1)) == []
    assert run(with_hours(1, skipped_rule_versions=skipped)) == []


def test_reminders_repeat_for_the_furthest_reached_threshold():
    run = RuleRun(limit_trigger("consumed_percent", "80", "100"), remind_every_days=3)
    days = [DAY + timedelta(days=number) for number in range(20)]
    assert run(with_hours(33), days[0]) == ["80"]
    assert run.next_day(with_hours(33), days[0]) == days[3]
    assert run(with_hours(33), days[2]) == []
    assert run(with_hours(33), days[3]) == [("reminder", "80")]
    assert run(with_hours(33), days[3]) == []
    assert run(with_hours(10), days[6]) == []
    assert run(with_hours(33), days[8]) == [("reminder", "80")]  # late
    assert run(with_hours(33), days[9]) == [("reminder", "80")]
    assert run(with_hours(41), days[10]) == ["100"]
    assert run(with_hours(41), days[12]) == []
    assert run(with_hours(41), days[13]) == [("reminder", "100")]
    assert run(with_hours(41, status="EXPIRED"), days[16]) == []
    assert run(with_hours(41), date(2026, 4, 1)) == []  # the period has ended


def test_next_day_is_none_if_time_alone_changes_nothing():
    whole = RuleRun(limit_trigger("consumed_percent", "80", over="whole"))
    assert whole.next_day(with_hours(0)) is None
    assert RuleRun().next_day(with_hours(0)) == date(2026, 4, 1)  # the next period is run from its first day
    assert RuleRun().next_day(with_hours(0), date(2026, 12, 1)) is None


def test_team_resolves_to_members_of_that_day_with_an_address():
    team = {"id": uid("North"), "name": "North", "members": [
        {"person_id": "1", "name": None, "email": "early@x.example.com", "from": "2026-01-01", "until": "2026-03-14"},
        {"person_id": "2", "name": "Now", "email": "now@x.example.com", "from": "2026-03-15", "until": None},
        {"person_id": "3", "name": "Silent", "email": None, "from": "2026-01-01", "until": None},
        {"person_id": "4", "name": "Later", "email": "later@x.example.com", "from": "2026-03-16", "until": None},
    ]}  # fmt: skip
    contract = with_hours(33, teams=[team])
    team_rule = stored_rule(
        rule(receivers=[{"kind": "team", "id": uid("North")}, {"kind": "team", "id": uid("unknown")}])
    )
    assert [(addressee.email, addressee.team) for addressee in resolve_addressees(team_rule, contract, DAY, None)] == [
        ("now@x.example.com", "North")
    ]
    assert [
        addressee.email for addressee in resolve_addressees(team_rule, contract, DAY - timedelta(days=1), None)
    ] == ["early@x.example.com"]


@pytest.mark.parametrize(
    ("trigger", "contract", "today", "threshold_text", "reason"),
    [
        (limit_trigger("consumed_percent", "80"), with_hours(33), DAY, "80 %",
         "33 h of 40 h used in March 2026 (80 % reached)."),
        (limit_trigger("remaining_hours", "7.5"), with_hours(33), DAY, "7 h 30 min",
         "33 h of 40 h used in March 2026 (7 h 30 min or less left)."),
        (limit_trigger("overrun"), with_hours(41), DAY, "100 %", "41 h of 40 h used in March 2026 (over 100 %)."),
        (limit_trigger("overrun", over="whole"), with_hours(41), DAY, "100 %",
         "41 h of 40 h used from 1 January to 31 December 2026 (over 100 %)."),
        ({"kind": "expires_in_days", "at": [30]}, with_hours(0), date(2026, 12, 1), "30 days",
         "The contract ends on 31 December 2026 (30 days left)."),
        ({"kind": "expired"}, with_hours(0, status="EXPIRED"), date(2027, 1, 1), "",
         "The contract ended on 31 December 2026."),
        ({"kind": "status_changed", "to": "CLOSED"}, with_hours(0, status="CLOSED"), DAY, "CLOSED",
         "The contract is now closed."),
        ({"kind": "unaccounted_work", "at": ["1"]},
         evaluation_input(balance(CONTRACT) | {"unaccounted_seconds": 5400}), DAY,
         "1 h", "1 h 30 min of logged work is not being counted (alert at 1 h)."),
        ({"kind": "forecast_exhausts", "within_days": 1}, with_forecast("2026-03-16"), DAY, "1 day",
         "At the current pace, the budget runs out on 16 March 2026."),
    ],
)  # fmt: skip
def test_snapshot_states_the_reason(trigger, contract, today, threshold_text, reason):
    [notification] = evaluate([stored_rule(rule(trigger=trigger))], contract, [], today)
    snapshot = freeze_notification(notification, contract, today)
    assert (snapshot.threshold_text, snapshot.reason, snapshot.kind) == (threshold_text, reason, "crossing")
    assert snapshot.subject_kind == "contract"
    assert snapshot.days_left == (date(2026, 12, 31) - today).days


def test_resolution_states_the_reason():
    resolving = stored_rule(rule(notify_resolved=True))
    [crossing] = evaluate([resolving], with_hours(33), [], DAY)
    [resolution] = evaluate([resolving], with_hours(31), [*crossing.notification_keys(DAY)], DAY)
    reason = freeze_notification(resolution, with_hours(31), DAY).reason
    assert reason == "31 h of 40 h used in March 2026 (back below 80 %)."


def test_changed_threshold_notifies_again():
    [first] = evaluate([stored_rule(rule("Warn", "80"))], with_hours(36), [], DAY)
    keys = [NotificationKey(key, DAY, notified=True) for key in first.keys]
    [notification] = evaluate([stored_rule(rule("Warn", "90"))], with_hours(36), keys, DAY)
    assert notification.threshold == "90"
