from bisect import bisect
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from notices import HOUR, balance, figures, known, limit, rule, stored, terms, uid

from tidemark_consumption import answers as consumption
from tidemark_notifier.evaluate import Telling, evaluate, in_reach
from tidemark_notifier.explain import Fired, Receiver, explain
from tidemark_notifier.preview import CurveDay, Place, places, preview

CONTRACT = uid("contract")
DAY = date(2026, 3, 15)
NOTIFICATION = UUID(uid("notification"))


def used(hours, **more):
    return known(balance(CONTRACT, consumed=int(hours * HOUR)), **more)


def explained(found, *bodies, told=(), today=DAY):
    rules = [one if not isinstance(one, dict) else stored(one) for one in bodies]
    raised = {
        NOTIFICATION: Fired(
            notification_id=NOTIFICATION,
            raised_at=datetime(2026, 3, 14, 12, tzinfo=UTC),
            receivers=(Receiver(receiver="olga@provider.example.com", status="delivered"),),
        )
    }
    return explain(in_reach(rules, found.id, found.terms.organization_id), found, told, raised, today)


def told_of(made, found):
    return [
        Telling(key, DAY - timedelta(days=1), notice.tell, NOTIFICATION if notice.tell else None)
        for notice in evaluate([made], found, [], DAY)
        for key in notice.keys
    ]


@pytest.mark.parametrize(
    ("trigger", "found", "sentence"),
    [
        (limit("consumed_percent", "80"), used(31.5),
         "31 h 30 min of 40 h are used in March 2026. 80 % is reached at 32 h: 30 min missing."),
        (limit("remaining_hours", "8"), used(31),
         "31 h of 40 h are used in March 2026. 8 h left is reached at 32 h: 1 h missing."),
        (limit("overrun"), used(40),
         "40 h of 40 h are used in March 2026. More than 100 % is reached at 40 h 1 s: 1 s missing."),
        ({"kind": "expires_in_days", "at": [30]}, used(0), "It is reached on 1 December 2026, in 261 days."),
        ({"kind": "expired"}, used(0), "The contract is ACTIVE and ends on 31 December 2026."),
        ({"kind": "status_changed", "to": "CLOSED"}, used(0), "The contract is ACTIVE and ends on 31 December 2026."),
        ({"kind": "unaccounted_work", "at": ["8"]}, used(0), "0 h of work do not count. 8 h are told: 8 h missing."),
        ({"kind": "forecast_exhausts", "within_days": 5}, used(0), "There is no forecast."),
        ({"kind": "forecast_exhausts", "within_days": 5},
         known(balance(CONTRACT) | {"forecast": {"exhausts_on": "2026-03-24", "low": None, "high": None}}),
         "At its present pace it runs out on 24 March 2026, in 9 days."),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(trigger, found, sentence):
    [one] = explained(found, rule(trigger=trigger))
    assert (one.state, one.sentence) == ("not_reached", sentence)
    assert [part.sentence for part in one.thresholds] == [sentence]


def fires(made, planned, consumed):
    return bool(evaluate([made], known(balance(CONTRACT, planned=planned, consumed=consumed)), [], DAY))


@pytest.mark.parametrize("percentage", ["33.3333", "0.0001", "66.6667", "99.9999"])
@pytest.mark.parametrize("planned", [1, 7, 144_000, 144_001])
def test_what_is_said_to_be_missing_is_just_what_fires(percentage, planned):
    made = stored(rule("Warn", percentage))
    at = bisect(range(planned), x=False, key=lambda consumed: fires(made, planned, consumed))
    [one] = explained(known(balance(CONTRACT, planned=planned, consumed=at - 1)), made)
    assert one.state == "not_reached"
    assert one.sentence.endswith(": 1 s missing.")


def test_what_was_told_says_when_and_to_whom_also_where_it_has_passed():
    made = stored(rule("Warn", "80", "100"))
    told = told_of(made, used(33))
    [one] = explained(used(33), made, told=told)
    assert (one.state, one.sentence) == (
        "fired",
        "Told on 14 March 2026. 33 h of 40 h are used in March 2026: 80 % is reached.",
    )
    eighty, hundred = one.thresholds
    assert (eighty.state, hundred.state) == ("fired", "not_reached")
    assert eighty.fired.receivers[0].receiver == "olga@provider.example.com"
    assert hundred.fired is None
    [again] = explained(used(10), made, told=told)
    assert (again.state, again.thresholds[0].state) == ("fired", "fired")


def test_what_was_skipped_and_what_is_due_say_so():
    made = stored(rule(existing="skip"))
    told = told_of(made, used(33))
    assert explained(used(33), made, told=told)[0].state == "skipped"
    assert explained(used(33), made)[0].state == "due"


def test_a_rule_of_the_other_type_is_not_applicable():
    fixed = used(0, terms_body=terms(type="fixed_price", currency="EUR"))
    for trigger, found in (
        (limit("remaining_hours", "8"), fixed),
        (limit("remaining_amount", 8), used(0)),
        (limit("remaining_amount", 8, currency="USD"), fixed),
        (limit("overrun", of="slice"), fixed),
    ):
        assert explained(found, rule(trigger=trigger))[0].state == "not_applicable"


def test_rules_that_are_off_or_replaced_are_listed_with_what_holds_instead():
    everywhere = stored(rule("Warn"))
    for_acme = stored(rule("Warn", scope={"kind": "organization", "id": uid("Acme")}))
    here = stored(rule("Warn", scope={"kind": "contract", "id": CONTRACT}, enabled=False))
    elsewhere = stored(rule("Warn", scope={"kind": "contract", "id": uid("another")}))
    found = explained(used(33), everywhere, for_acme, here, elsewhere)
    assert [(one.rule_id, one.state) for one in found] == [
        (here.id, "off"), (for_acme.id, "replaced"), (everywhere.id, "replaced"),
    ]  # fmt: skip
    assert found[2].sentence == f"The contract rule of this name ({here.id}) switches it off here."
    assert not found[2].thresholds


def test_a_rule_that_waits_or_sleeps_says_for_what():
    waiting = used(33)._replace(balance=None, waits="version 3 of the contract, which its balance knows already")
    assert explained(waiting, rule())[0].sentence == (
        "It waits for version 3 of the contract, which its balance knows already."
    )
    [asleep] = explained(used(33, status="INACTIVE"), rule())
    assert (asleep.state, asleep.sentence) == (
        "asleep",
        "The contract is INACTIVE, and limits are judged while it is ACTIVE, and for 30 days after its end.",
    )
    unplanned = known(balance(CONTRACT, planned=0, consumed=HOUR))
    assert explained(unplanned, rule())[0].state == "no_plan"


# Preview


def curve(*hours, start=date(2026, 3, 1), planned=40):
    """A day each: what was consumed by its end, in the period of March and of the whole."""
    return [
        CurveDay.model_validate(
            {
                "day": start + timedelta(days=number),
                "whole": figures(planned * HOUR, int(one * HOUR)),
                "period": {**figures(planned * HOUR, int(one * HOUR)), "start": "2026-03-01", "end": "2026-03-31",
                           "carried": 0, "available": planned * HOUR},
            }
        )
        for number, one in enumerate(hours)
    ]  # fmt: skip


def foretold(body, found, curves):
    return [(one.day, one.occasion, one.threshold) for one in preview(stored(body), found, curves)]


def test_a_preview_tells_on_the_days_that_reach_and_to_whom():
    found = used(0, terms_body=terms(start="2026-03-01", end="2026-03-31"))
    warn = rule("Warn", "50", "80", "100")
    curves = {Place(): curve(8, 16, 33, 33, 40)}
    assert foretold(warn, found, curves) == [
        (date(2026, 3, 3), "crossing", "80"), (date(2026, 3, 5), "crossing", "100"),
    ]  # fmt: skip
    first = next(preview(stored(warn), found, curves))
    assert first.receivers == ("olga@provider.example.com",)
    assert first.sentence == "33 h of 40 h are used in March 2026: 80 % is reached."


def test_a_preview_is_of_the_account_and_the_slice_that_the_rule_looks_at():
    desk = {"id": uid("Help desk"), "name": "Help desk", "billable": True, "slices": [{"team_id": uid("North")}]}
    found = used(0, terms_body=terms(start="2026-03-01", end="2026-03-31", accounts=[desk]))
    account, share = Place(UUID(uid("Help desk"))), Place(UUID(uid("Help desk")), UUID(uid("North")))
    for of, place in (("account", account), ("slice", share)):
        body = rule(of=of)
        assert places(stored(body), found) == [place]
        assert foretold(body, found, {place: curve(8, 33)}) == [(date(2026, 3, 2), "crossing", "80")]
    assert places(stored(rule()), found) == [Place()]


def test_a_preview_knows_the_dates_of_the_contract_without_any_curve():
    found = used(0, terms_body=terms(start="2026-03-01", end="2026-03-31"))
    dates = rule(trigger={"kind": "expires_in_days", "at": [7, 30]}, remind_every_days=3)
    assert foretold(dates, found, {}) == [
        (date(2026, 3, 1), "crossing", "30"),
        *((date(2026, 3, day), "reminder", "30") for day in range(4, 24, 3)),
        (date(2026, 3, 24), "crossing", "7"),
        (date(2026, 3, 27), "reminder", "7"),
        (date(2026, 3, 30), "reminder", "7"),
    ]
    assert foretold(rule(trigger={"kind": "expired"}), found, {}) == [(date(2026, 4, 1), "crossing", None)]


def test_a_day_of_the_curve_is_what_consumption_answers():
    theirs = consumption.CurveDay.model_json_schema()
    assert CurveDay.model_fields.keys() == consumption.CurveDay.model_fields.keys()
    assert theirs["$defs"] == CurveDay.model_json_schema()["$defs"]
