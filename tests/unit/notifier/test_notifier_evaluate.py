from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notices import HOUR, MARCH, account, balance, figures, known, rule, stored, terms, uid

from tidemark_notifier.evaluate import Telling, applying, evaluate

CONTRACT = uid("contract")


def judge(rules, found, told=(), today=MARCH):
    past = [Telling(key, today, told=True) for key in told]
    return evaluate([stored(one) if isinstance(one, dict) else one for one in rules], found, past, today)


def thresholds(notices):
    return [notice.threshold for notice in notices]


@pytest.mark.parametrize(
    ("consumed", "expected"), [(32 * HOUR - 1, []), (32 * HOUR, ["80"]), (32 * HOUR + 1, ["80"]), (0, [])]
)
def test_fires_at_the_second_that_reaches_the_threshold(consumed, expected):
    assert thresholds(judge([rule("Warn", "80")], known(balance(CONTRACT, consumed=consumed)))) == expected


def test_a_fraction_of_a_percent_is_exact_where_a_float_is_not():
    planned = 3 * 10**12  # 33.3333 % of it is 999_999_000_000 exactly
    at = [rule("Warn", "33.3333")]
    assert judge(at, known(balance(CONTRACT, planned=planned, consumed=999_998_999_999))) == []
    assert thresholds(judge(at, known(balance(CONTRACT, planned=planned, consumed=999_999_000_000)))) == ["33.3333"]


def test_several_thresholds_at_once_make_one_notice_of_the_furthest_and_all_count_as_told():
    given_rule = stored(rule("Warn", "100", "9", "80.5", "50"))
    [notice] = judge([given_rule], known(balance(CONTRACT, consumed=40 * HOUR)))
    assert notice.threshold == "100"
    assert [key.threshold for key in notice.keys] == ["9", "50", "80.5", "100"]
    assert judge([given_rule], known(balance(CONTRACT, consumed=50 * HOUR)), notice.keys) == []


def test_what_was_told_is_not_told_again_and_the_next_threshold_is():
    both = stored(rule("Warn", "80", "100"))
    [first] = judge([both], known(balance(CONTRACT, consumed=33 * HOUR)))
    [second] = judge([both], known(balance(CONTRACT, consumed=40 * HOUR)), first.keys)
    assert (first.threshold, second.threshold) == ("80", "100")
    assert judge([both], known(balance(CONTRACT, consumed=20 * HOUR)), first.keys + second.keys) == []


def test_another_plan_is_another_episode_and_another_period_too():
    warn = stored(rule("Warn", "80"))
    [told] = judge([warn], known(balance(CONTRACT, consumed=40 * HOUR)))
    assert thresholds(judge([warn], known(balance(CONTRACT, planned=50 * HOUR, consumed=40 * HOUR)), told.keys)) == [
        "80"
    ]
    april = known(balance(CONTRACT, consumed=40 * HOUR, period=("2026-04-01", "2026-04-30")))
    assert thresholds(judge([warn], april, told.keys, date(2026, 4, 2))) == ["80"]


def test_the_same_name_is_told_once_whichever_rule_has_it():
    [told] = judge([rule("Warn", "80")], known(balance(CONTRACT, consumed=40 * HOUR)))
    other = stored(rule("Warn", "80.0"), version=7)
    assert judge([other], known(balance(CONTRACT, consumed=40 * HOUR)), told.keys) == []


def test_a_period_is_measured_by_what_it_has_available():
    warn = [rule("Warn", "80")]
    assert judge(warn, known(balance(CONTRACT, consumed=39 * HOUR, carried=10 * HOUR))) == []
    [notice] = judge(warn, known(balance(CONTRACT, consumed=40 * HOUR, carried=10 * HOUR)))
    assert (notice.sight.subject.available, notice.keys[0].episode) == (50 * HOUR, str(40 * HOUR))


def test_carried_time_is_no_new_episode():
    warn = stored(rule("Warn", "80"))
    [told] = judge([warn], known(balance(CONTRACT, consumed=40 * HOUR, carried=10 * HOUR)))
    assert judge([warn], known(balance(CONTRACT, consumed=40 * HOUR, carried=0)), told.keys) == []


@pytest.mark.parametrize(("consumed", "expected"), [(1, ["100"]), (0, [])])
def test_where_nothing_is_left_of_a_plan_any_consumption_fires(consumed, expected):
    overdrawn = known(balance(CONTRACT, consumed=consumed, carried=-40 * HOUR))
    assert thresholds(judge([rule("Warn", "50", "100")], overdrawn)) == expected


@pytest.mark.parametrize("planned", [None, 0])
@pytest.mark.parametrize("over", ["period", "whole"])
def test_what_has_no_plan_is_not_judged(planned, over):
    unplanned = balance(CONTRACT)
    unplanned["accounts"] = [account("Extras", planned, 99 * HOUR, period=("2026-03-01", "2026-03-31"))]
    assert judge([rule("Warn", "1", of="account", over=over)], known(unplanned)) == []


def test_accounts_are_judged_each_by_itself():
    period = ("2026-03-01", "2026-03-31")
    accounts = [
        account("Help desk", 30 * HOUR, 24 * HOUR, period=period),
        account("Projects", 10 * HOUR, 7 * HOUR, period=period),
        account("Meetings", 5 * HOUR, 5 * HOUR, period=period, billable=False),
    ]
    notices = judge([rule("Warn", "80", of="account")], known(balance(CONTRACT, accounts=accounts)))
    assert [notice.keys[0].subject_id for notice in notices] == [uid("Help desk"), uid("Meetings")]


def test_over_the_whole_knows_no_period():
    body = balance(CONTRACT, consumed=40 * HOUR) | {"whole": figures(480 * HOUR, 384 * HOUR)}
    [notice] = judge([rule("Warn", "80", over="whole")], known(body))
    assert (notice.sight.subject.period, notice.sight.subject.available) == (None, 480 * HOUR)


def test_the_previous_and_the_current_period_are_judged_and_no_other():
    body = balance(CONTRACT)
    body["periods"] = [
        balance(CONTRACT, consumed=40 * HOUR, period=period)["periods"][0]
        for period in (("2026-02-01", "2026-02-28"), ("2026-03-01", "2026-03-31"), ("2026-04-01", "2026-04-30"))
    ]
    notices = judge([rule()], known(body), today=date(2026, 4, 1))
    assert [notice.keys[0].period_start for notice in notices] == [date(2026, 3, 1), date(2026, 4, 1)]
    assert [n.keys[0].period_start for n in judge([rule()], known(body), today=MARCH)] == [
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
def test_limits_are_told_while_active_and_thirty_days_after_the_end(status, days_after_the_end, fires):
    body = balance(CONTRACT, consumed=40 * HOUR, period=("2026-01-01", "2026-12-31"))
    once = known(body, terms_body=terms(recurrence="none"), status=status)
    found = judge([rule("Warn", "80")], once, today=date(2026, 12, 31) + timedelta(days=days_after_the_end))
    assert bool(found) is fires


def test_an_existing_crossing_is_counted_and_not_told_where_the_rule_skips_it():
    skip = stored(rule("Warn", "80", "100", existing="skip"))
    crossed = known(balance(CONTRACT, consumed=33 * HOUR))
    [notice] = judge([skip], crossed)
    assert (notice.tell, [key.threshold for key in notice.keys]) == (False, ["80"])
    later = known(balance(CONTRACT, consumed=40 * HOUR), skipped={skip.id: 1})
    [notice] = judge([skip], later, notice.keys)
    assert (notice.tell, notice.threshold) == (True, "100")


def test_a_rule_that_skips_was_there_before_a_contract_that_was_never_judged():
    skip = stored(rule("Warn", "80", existing="skip"))
    fresh = known(balance(CONTRACT, consumed=33 * HOUR))._replace(skipped=None)
    [notice] = judge([skip], fresh)
    assert notice.tell


def test_a_contract_without_a_balance_waits():
    assert judge([rule()], known(balance(CONTRACT))._replace(balance=None)) == []


def test_the_narrowest_rule_of_a_name_holds_alone_even_where_it_is_off():
    contract, organization = uid("contract"), uid("Acme")
    everywhere = stored(rule("Warn", "80"))
    other = stored(rule("Other", "80"))
    for_acme = stored(rule("Warn", "70", scope={"kind": "organization", "id": organization}))
    for_contract = stored(rule("Warn", "60", scope={"kind": "contract", "id": contract}, enabled=False))
    rules = [other, everywhere, for_acme, for_contract]
    found = known(balance(contract))
    ids = (found.id, found.terms.organization_id)

    assert applying(rules, *ids) == [other]
    assert {one.id for one in applying([other, everywhere, for_acme], *ids)} == {other.id, for_acme.id}
    assert applying([everywhere], *ids) == [everywhere]
    elsewhere = stored(rule("Warn", scope={"kind": "contract", "id": uid("another")}, enabled=False))
    assert applying([everywhere, elsewhere], *ids) == [everywhere]


percents = st.decimals("0.0001", "400", places=4).map(str)


@settings(deadline=None)
@given(
    at=st.lists(percents, min_size=1, max_size=5),
    planned=st.integers(1, 10**12),
    path=st.lists(st.integers(0, 2 * 10**12), max_size=30),
)
def test_whatever_the_path_each_threshold_is_told_once_when_it_is_first_reached(at, planned, path):
    warn = stored(rule("Warn", *{str(Fraction(one)): one for one in at}.values()))
    told, reached = set(), set()
    for consumed in path:
        notices = judge([warn], known(balance(CONTRACT, planned=planned, consumed=consumed)), told)
        now = {one for one in warn.trigger.at if consumed > 0 and Fraction(consumed * 100, planned) >= Fraction(one)}
        fresh = sorted(now - reached, key=Fraction)
        assert thresholds(notices) == fresh[-1:]
        assert [key.threshold for notice in notices for key in notice.keys] == fresh
        reached |= now
        told.update(key for notice in notices for key in notice.keys)
    assert {key.threshold for key in told} == reached
    assert all(Fraction(a) != Fraction(b) for a, b in pairwise(sorted(warn.trigger.at, key=Fraction)))
