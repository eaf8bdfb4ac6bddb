"""Every trigger of SPEC 5 at its edges; once, again after a resolution, and reminders."""

from datetime import date, timedelta

import pytest
from notices import HOUR, account, balance, figures, known, limit, rule, stored, terms, uid

from tidemark_notifier.evaluate import Changed, Telling, evaluate, next_day
from tidemark_notifier.snapshot import addressees, freeze

CONTRACT = uid("contract")
DAY = date(2026, 3, 15)
EURO = {"type": "fixed_price", "currency": "EUR"}


class Judged:
    """One rule and all that it told, day after day."""

    def __init__(self, trigger=None, **more):
        self.rule, self.told = stored(rule(trigger=trigger, **more)), []

    def __call__(self, found, today=DAY):
        """The thresholds told today, each with its occasion where it is not a crossing."""
        notices = evaluate([self.rule], found, self.told, today)
        self.told += [telling for notice in notices for telling in notice.tellings(today)]
        return [
            notice.threshold if notice.occasion == "crossing" else (notice.occasion, notice.threshold)
            for notice in notices
        ]

    def next_day(self, found, today=DAY):
        return next_day([self.rule], found, self.told, today)


def used(hours, **more):
    return known(balance(CONTRACT, consumed=int(hours * HOUR)), **more)


def sliced(consumed):
    body = balance(CONTRACT)
    [desk] = body["accounts"]
    for team, done in (("North", consumed), (None, 99 * HOUR)):
        part = figures(25 * HOUR if team else None, done)
        desk["slices"].append(
            {"team_id": team and uid(team), "whole": part,
             "periods": [{**part, "start": "2026-03-01", "end": "2026-03-31"}]}
        )  # fmt: skip
    return known(body)


@pytest.mark.parametrize(
    ("trigger", "below", "reached"),
    [
        (limit("consumed_percent", "80"), 32 * HOUR - 1, 32 * HOUR),
        (limit("remaining_hours", "8"), 32 * HOUR - 1, 32 * HOUR),
        (limit("remaining_hours", "0"), 40 * HOUR - 1, 40 * HOUR),
        (limit("overrun"), 40 * HOUR, 40 * HOUR + 1),
    ],
)
@pytest.mark.parametrize("of", ["contract", "account", "slice"])
@pytest.mark.parametrize("over", ["period", "whole"])
def test_a_limit_fires_at_its_second_of_whatever_it_is(trigger, below, reached, of, over):
    body = trigger | {"of": of, "over": over}
    judged = Judged(body)

    def at(consumed):
        if of == "contract":
            return known(balance(CONTRACT, consumed=consumed))
        if of == "account":
            period = ("2026-03-01", "2026-03-31")
            return known(balance(CONTRACT, accounts=[account("Help desk", 40 * HOUR, consumed, period=period)]))
        return sliced(
            25 * HOUR - (40 * HOUR - consumed) if trigger["kind"] != "consumed_percent" else consumed * 5 // 8
        )

    assert judged(at(below)) == []
    assert judged(at(reached)) == [(trigger.get("at") or [None])[0]]
    assert judged(at(reached)) == []


def test_a_jump_over_several_names_the_fewest_hours_left():
    judged = Judged(limit("remaining_hours", "1", "20", "8"))
    assert judged(used(33)) == ["8"]
    assert judged(used(10)) == []
    assert judged(used(39)) == ["1"]


def test_an_amount_is_of_fixed_prices_and_of_its_currency():
    def left(minor, **trigger):
        body = balance(CONTRACT, planned=1000_00, consumed=1000_00 - minor, unit="minor", currency="EUR")
        return Judged(limit("remaining_amount", 500_00, **trigger))(known(body, terms_body=terms(**EURO)))

    assert (left(500_01), left(500_00)) == ([], ["50000"])
    assert left(500_00, currency="EUR") == ["50000"]
    assert left(500_00, currency="USD") == []
    assert Judged(limit("remaining_amount", 500_00))(used(40)) == []
    fixed = known(balance(CONTRACT, consumed=40 * HOUR, unit="minor"), terms_body=terms(**EURO))
    assert Judged(limit("remaining_hours", "8"))(fixed) == []


@pytest.mark.parametrize("carried", [-40, -50])
def test_where_nothing_is_available_any_second_is_an_overrun(carried):
    def overdrawn(consumed):
        return known(balance(CONTRACT, consumed=consumed, carried=carried * HOUR))

    judged = Judged(limit("overrun"))
    assert (judged(overdrawn(0)), judged(overdrawn(1))) == ([], [None])


def test_days_left_are_told_from_the_day_on_and_only_the_fewest():
    judged = Judged({"kind": "expires_in_days", "at": [7, 30]})
    end = date(2026, 12, 31)
    assert judged(used(0), end - timedelta(days=31)) == []
    assert judged.next_day(used(0), end - timedelta(days=31)) == end - timedelta(days=30)
    assert judged(used(0), end - timedelta(days=30)) == ["30"]
    assert judged.next_day(used(0), end - timedelta(days=30)) == end - timedelta(days=7)
    assert judged(used(0), end) == ["7"]
    assert judged.next_day(used(0), end) is None
    late = Judged({"kind": "expires_in_days", "at": [7, 30]})
    assert late(used(0), end - timedelta(days=3)) == ["7"]


@pytest.mark.parametrize("status", ["DRAFT", "INACTIVE", "EXPIRED", "CLOSED"])
def test_days_left_are_told_late_where_a_contract_becomes_active_late(status):
    judged = Judged({"kind": "expires_in_days", "at": ["30"]})
    day = date(2026, 12, 20)
    assert judged(used(0, status=status), day) == []
    assert judged(used(0), day) == ["30"]


def test_past_the_end_no_days_are_left_and_nothing_is_resolved():
    assert Judged({"kind": "expires_in_days", "at": [30]})(used(0), date(2027, 1, 1)) == []
    judged = Judged({"kind": "expires_in_days", "at": [30]}, tell_resolved=True)
    assert judged(used(0), date(2026, 12, 31)) == ["30"]
    assert judged(used(0), date(2027, 1, 1)) == []
    assert judged(used(0, terms_body=terms(end="2027-06-30")), date(2027, 1, 1)) == [("resolved", "30")]


def test_another_end_is_another_episode_of_a_date():
    judged = Judged({"kind": "expires_in_days", "at": [30]})
    assert judged(used(0), date(2026, 12, 20)) == ["30"]
    longer = used(0, terms_body=terms(end="2027-06-30"))
    assert judged(longer, date(2026, 12, 21)) == []
    assert judged(longer, date(2027, 6, 1)) == ["30"]


def test_expired_is_told_once_expired_and_again_after_another_end():
    judged = Judged({"kind": "expired"})
    assert judged(used(0), date(2027, 1, 1)) == []
    assert judged(used(0, status="EXPIRED"), date(2027, 1, 1)) == [None]
    assert judged(used(0, status="CLOSED"), date(2027, 1, 2)) == []
    assert judged(used(0, status="EXPIRED"), date(2027, 1, 3)) == []
    longer = terms(end="2027-06-30")
    assert judged(used(0, status="EXPIRED", terms_body=longer), date(2027, 7, 1)) == [None]


def test_each_change_to_a_status_is_told_also_one_that_has_passed():
    judged = Judged({"kind": "status_changed", "to": "INACTIVE"})
    assert judged(used(0)) == []
    paused = used(0, status="INACTIVE", version=2)
    assert (judged(paused), judged(paused)) == (["INACTIVE"], [])
    back = paused._replace(
        changes=(*paused.changes, Changed(3, "ACTIVE"), Changed(4, "INACTIVE"), Changed(5, "ACTIVE"))
    )
    assert (judged(back), judged(back)) == (["INACTIVE"], [])


def test_a_rule_made_after_a_status_has_passed_does_not_tell_of_it():
    past = used(0)._replace(changes=(Changed(2, "INACTIVE"), Changed(3, "ACTIVE")))
    assert Judged({"kind": "status_changed", "to": "INACTIVE"})(past) == []
    assert Judged({"kind": "status_changed", "to": "INACTIVE"})(past._replace(skipped=None)) == ["INACTIVE"]


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "EXPIRED", "CLOSED"])
def test_work_that_does_not_count_is_told_in_every_status_but_draft(status):
    def lost(seconds, status):
        return known(balance(CONTRACT) | {"unaccounted_seconds": seconds}, status=status)

    judged = Judged({"kind": "unaccounted_work", "at": ["8", "1"]})
    assert judged(lost(HOUR - 1, status)) == []
    assert judged(lost(8 * HOUR, "DRAFT")) == []
    assert judged(lost(HOUR, status)) == ["1"]
    assert judged(lost(9 * HOUR, status)) == ["8"]
    none = Judged({"kind": "unaccounted_work", "at": ["0"]})
    assert (none(lost(0, status)), none(lost(1, status))) == ([], ["0"])


def foreseen(day, **more):
    forecast = {"exhausts_on": day, "low": day, "high": day}
    return known(balance(CONTRACT) | {"forecast": forecast}, **more)


def test_a_forecast_is_told_when_its_day_comes_near():
    judged = Judged({"kind": "forecast_exhausts", "within_days": 10})
    assert judged(foreseen("2026-03-26")) == []
    assert judged.next_day(foreseen("2026-03-26")) == date(2026, 3, 16)
    assert judged(foreseen("2026-03-25")) == ["10"]
    assert judged(foreseen("2026-03-10")) == []
    for nothing in (used(0), foreseen(None), foreseen("2026-03-16", status="EXPIRED")):
        assert Judged({"kind": "forecast_exhausts", "within_days": 10})(nothing) == []


def test_a_forecast_before_the_end_is_before_the_last_day_of_what_it_is_about():
    before = {"kind": "forecast_exhausts", "before_end": True}
    assert Judged(before)(foreseen("2026-03-31")) == []
    assert Judged(before)(foreseen("2026-03-30")) == [None]


def test_what_a_resolution_that_was_told_is_followed_by_is_new():
    judged = Judged(limit("consumed_percent", "50", "80", "100"), tell_resolved=True)
    assert judged(used(41)) == ["100"]
    assert judged(used(35)) == [("resolved", "100")]
    assert judged(used(36)) == []
    assert judged(used(41)) == ["100"]
    assert judged(used(10)) == [("resolved", "50")]
    assert judged(used(10)) == []
    assert judged(used(33)) == ["80"]


def test_a_resolution_is_told_of_another_plan_too_and_not_without_being_asked_for():
    judged, silent = Judged(tell_resolved=True), Judged()
    more = known(balance(CONTRACT, consumed=33 * HOUR, planned=60 * HOUR))
    assert (judged(used(33)), judged(more), judged(more)) == (["80"], [("resolved", "80")], [])
    assert (silent(used(33)), silent(more)) == (["80"], [])
    assert judged(known(balance(CONTRACT, consumed=50 * HOUR, planned=60 * HOUR))) == ["80"]


def test_a_crossing_that_was_skipped_is_neither_resolved_nor_reminded_of():
    judged = Judged(existing="skip", tell_resolved=True, remind_every_days=1)
    fresh = used(33)
    assert judged(fresh) == ["80"]
    assert not judged.told[0].told
    seen = {judged.rule.id: 1}
    assert judged(used(33, skipped=seen), DAY + timedelta(days=1)) == []
    assert judged(used(1, skipped=seen)) == []


def test_a_reminder_comes_every_so_many_days_of_the_furthest_that_lasts():
    judged = Judged(limit("consumed_percent", "80", "100"), remind_every_days=3)
    days = [DAY + timedelta(days=number) for number in range(20)]
    assert judged(used(33), days[0]) == ["80"]
    assert judged.next_day(used(33), days[0]) == days[3]
    assert judged(used(33), days[2]) == []
    assert judged(used(33), days[3]) == [("reminder", "80")]
    assert judged(used(33), days[3]) == []
    assert judged(used(10), days[6]) == []
    assert judged(used(33), days[8]) == [("reminder", "80")]  # late
    assert judged(used(33), days[9]) == [("reminder", "80")]
    assert judged(used(41), days[10]) == ["100"]
    assert judged(used(41), days[12]) == []
    assert judged(used(41), days[13]) == [("reminder", "100")]
    assert judged(used(41, status="EXPIRED"), days[16]) == []
    assert judged(used(41), date(2026, 4, 1)) == []  # the period has ended


def test_where_nothing_can_come_by_itself_no_day_is_waited_for():
    whole = Judged(limit("consumed_percent", "80", over="whole"))
    assert whole.next_day(used(0)) is None
    assert Judged().next_day(used(0)) == date(2026, 4, 1)  # the next period is judged from its first day
    assert Judged().next_day(used(0), date(2026, 12, 1)) is None


def test_a_team_is_who_is_in_it_on_that_day_and_has_an_address():
    team = {"id": uid("North"), "name": "North", "members": [
        {"person_id": "1", "name": None, "email": "early@x.example.com", "from": "2026-01-01", "until": "2026-03-14"},
        {"person_id": "2", "name": "Now", "email": "now@x.example.com", "from": "2026-03-15", "until": None},
        {"person_id": "3", "name": "Silent", "email": None, "from": "2026-01-01", "until": None},
        {"person_id": "4", "name": "Later", "email": "later@x.example.com", "from": "2026-03-16", "until": None},
    ]}  # fmt: skip
    found = used(33, teams=[team])
    made = stored(rule(receivers=[{"kind": "team", "id": uid("North")}, {"kind": "team", "id": uid("unknown")}]))
    assert [(one.email, one.team) for one in addressees(made, found, DAY, None)] == [("now@x.example.com", "North")]
    assert [one.email for one in addressees(made, found, DAY - timedelta(days=1), None)] == ["early@x.example.com"]


@pytest.mark.parametrize(
    ("trigger", "found", "today", "said", "sentence"),
    [
        (limit("consumed_percent", "80"), used(33), DAY, "80 %",
         "33 h of 40 h are used in March 2026: 80 % is reached."),
        (limit("remaining_hours", "7.5"), used(33), DAY, "7 h 30 min",
         "33 h of 40 h are used in March 2026: 7 h 30 min or less are left."),
        (limit("overrun"), used(41), DAY, "100 %", "41 h of 40 h are used in March 2026: more than 100 %."),
        (limit("overrun", over="whole"), used(41), DAY, "100 %",
         "41 h of 40 h are used from 1 January to 31 December 2026: more than 100 %."),
        ({"kind": "expires_in_days", "at": [30]}, used(0), date(2026, 12, 1), "30 days",
         "The contract ends on 31 December 2026: 30 days left."),
        ({"kind": "expired"}, used(0, status="EXPIRED"), date(2027, 1, 1), "",
         "The contract ended on 31 December 2026."),
        ({"kind": "status_changed", "to": "CLOSED"}, used(0, status="CLOSED"), DAY, "CLOSED",
         "The contract is CLOSED."),
        ({"kind": "unaccounted_work", "at": ["1"]}, known(balance(CONTRACT) | {"unaccounted_seconds": 5400}), DAY,
         "1 h", "1 h 30 min of work do not count, at least 1 h."),
        ({"kind": "forecast_exhausts", "within_days": 1}, foreseen("2026-03-16"), DAY, "1 day",
         "At its present pace it runs out on 16 March 2026."),
    ],
)  # fmt: skip
def test_a_snapshot_says_why(trigger, found, today, said, sentence):
    [notice] = evaluate([stored(rule(trigger=trigger))], found, [], today)
    seen = freeze(notice, found, today)
    assert (seen.threshold_text, seen.reason, seen.occasion) == (said, sentence, "crossing")
    assert seen.subject_kind == "contract"
    assert seen.days_left == (date(2026, 12, 31) - today).days


def test_a_resolution_says_that_it_is_over():
    made = stored(rule(tell_resolved=True))
    [first] = evaluate([made], used(33), [], DAY)
    [over] = evaluate([made], used(31), [*first.tellings(DAY)], DAY)
    assert freeze(over, used(31), DAY).reason == "31 h of 40 h are used in March 2026: 80 % is no longer reached."


def test_what_was_told_is_told_again_where_the_threshold_has_changed():
    told = [Telling(key, DAY, told=True) for notice in evaluate([stored(rule("Warn", "80"))], used(36), [], DAY)
            for key in notice.keys]  # fmt: skip
    [again] = evaluate([stored(rule("Warn", "90"))], used(36), told, DAY)
    assert again.threshold == "90"
