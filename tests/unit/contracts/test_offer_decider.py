"""Offers: the events so far, a command, and the events or the rejection that follow."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from contract_builders import NOON, build_command, parse_contract
from offer_builders import ANN, BO, Offers, active_contract, proposal

from tidemark_contracts.offer.decider import Answer, Confirm, Expire, Make, Withdraw
from tidemark_contracts.offer.history import describe_offer, explain_offer
from tidemark_contracts.offer.proposal import Price, default_valid_until, rule_proposal
from tidemark_shared.domain.bodies import RuleOffer

ACCEPT, DECLINE = Answer("accepted", ANN, "Order 4711"), Answer("declined", ANN, "Too dear")
CONFIRM, PRICED = Confirm(Price()), Confirm(Price(price_minor=9, price_currency="EUR"))
COMMANDS = {"confirm": CONFIRM, "priced": PRICED, "accept": ACCEPT, "decline": DECLINE, "withdraw": Withdraw("r"),
            "expire": Expire()}  # fmt: skip
# The status that follows each command, by the status before. An empty cell means that the command is rejected, a dot
# that nothing changes.
TABLE = """
           | confirm  | priced | accept   | decline  | withdraw  | expire
 requested | accepted | open   |          | declined | withdrawn | .
 open      |          |        | accepted | declined | withdrawn | .
 accepted  |          |        | .        |          |           | .
 declined  |          |        |          | .        |           | .
 withdrawn |          |        |          |          |           | .
 expired   |          |        |          |          |           | .
"""
LATER = NOON + timedelta(days=15)


def rows():
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").splitlines()]
    for status, *cells in lines:
        for name, after in zip(head[1:], cells, strict=True):
            yield pytest.param(status, name, after, id=f"{status} {name}")


def offers_in_status(status):
    offers = Offers()
    offer_id = offers.make(requested_by=ANN if status == "requested" else None)
    if status in ("accepted", "declined", "withdrawn"):
        offers.do({"accepted": ACCEPT, "declined": DECLINE, "withdrawn": Withdraw("r")}[status], offer_id)
    elif status == "expired":
        offers.do(Expire(), offer_id, LATER)
    assert offers.state(offer_id).offer.status == status
    return offers, offer_id


@pytest.mark.parametrize(("status", "name", "after"), list(rows()))
def test_each_command_leads_to_the_status_of_the_table(status, name, after):
    offers, offer_id = offers_in_status(status)
    before = offers.state(offer_id)
    _, decision = offers.do(COMMANDS[name], offer_id)
    if after in ("", "."):
        assert (decision.rejection is None) == (after == ".")
        assert offers.state(offer_id) == before
    else:
        assert offers.state(offer_id).offer.status == after
        assert bool(decision.contract_events) == (after == "accepted")


def test_acceptance_amends_the_contract_in_the_name_of_the_customer():
    offers = Offers()
    offer_id = offers.make(hours="-7.5")
    _, decision = offers.do(ACCEPT, offer_id, actor="Ann <ann@acme.example>")
    (amended,) = decision.contract_events
    assert (amended.type, amended.actor, amended.reason) == (
        "amended", "Ann <ann@acme.example>", "Offer accepted: Extra package",
    )  # fmt: skip
    (adjustment,) = offers.contract.state.terms.adjustments
    assert (str(adjustment.hours), adjustment.reason) == ("-7.5", "Extra package")
    offer = offers.state(offer_id).offer
    assert (offer.answered_by, offer.remark, offer.stream_version) == (ANN, "Order 4711", 3)
    _, decision = offers.do(Answer("accepted", BO), offers.make(), actor="olga")
    assert decision.contract_events[0].actor == "Bo, by olga"


def test_offer_can_be_accepted_until_its_last_second():
    offers = Offers()
    offer_id = offers.make(valid_until="2026-03-10T12:00:00Z")
    last = datetime(2026, 3, 10, 12, tzinfo=UTC)
    for command in (ACCEPT, DECLINE):
        _, decision = offers.do(command, offer_id, last + timedelta(microseconds=1))
        assert decision.rejection.reason == "The offer could be answered until 2026-03-10 12:00 UTC."
    assert not offers.do(Expire(), offer_id, last)[1].events
    assert offers.do(ACCEPT, offer_id, last)[1].events


@pytest.mark.parametrize("event_type", ["suspended", "closed"])
def test_contract_that_is_not_active_refuses_and_keeps_the_offer_open(event_type):
    offers = Offers()
    offer_id, asked = offers.make(), offers.make(requested_by=ANN)
    offers.contract.do(build_command(event_type))
    _, first = offers.do(ACCEPT, offer_id)
    _, second = offers.do(ACCEPT, offer_id)
    assert [event.type for event in first.events] == ["refused"]
    assert first.events[0].offer.refusal == first.rejection.reason
    assert (second.rejection, second.events) == (first.rejection, ())
    assert offers.state(offer_id).offer.status == "open"
    for _, decision in (offers.do(CONFIRM, asked), offers.do(Make(proposal()))):
        assert decision.rejection
        assert not decision.events


def test_contract_whose_end_has_passed_takes_no_offer_although_nobody_expired_it():
    offers = Offers()
    offer_id = offers.make(valid_until="2030-01-01T00:00:00Z")
    _, decision = offers.do(ACCEPT, offer_id, datetime(2027, 1, 1, tzinfo=UTC))
    assert decision.rejection.reason.startswith("The contract ACME-SUP is EXPIRED.")


def test_account_that_is_gone_refuses_with_the_violation_of_the_amendment():
    offers = Offers()
    offer_id = offers.make()
    terms = offers.contract.state.terms
    body = terms.model_dump(mode="json") | {"accounts": [{"name": "Another", "planned_hours": "40"}]}
    amended = parse_contract(body).with_account_ids(None, lambda: UUID(int=7))
    offers.contract.do(type(build_command("amended"))("amended", amended, "r"))
    _, decision = offers.do(ACCEPT, offer_id)
    assert [(item.code, item.path) for item in decision.rejection.violations] == [("unknown_reference", "/account_id")]


def test_rule_makes_one_offer_for_a_notification_and_none_while_one_waits():
    offers, first, second = Offers(), UUID(int=1), UUID(int=2)
    offer_id, decision = offers.do(Make(proposal(), notification_id=first), actor="rule Warn")
    assert decision.events[0].offer.made_by == "rule Warn"
    for notification_id in (first, second):
        assert offers.do(Make(proposal(), notification_id=notification_id))[1] == type(decision)()
    assert offers.do(Make(proposal(period_start="2026-04-01"), notification_id=second))[1].events
    offers.do(DECLINE, offer_id)
    assert not offers.do(Make(proposal(), notification_id=first))[1].events
    assert offers.do(Make(proposal(), notification_id=UUID(int=3)))[1].events
    # People may offer what they like.
    assert offers.do(Make(proposal()))[1].events


def test_confirmation_at_a_price_needs_an_answer_and_one_without_needs_none():
    offers = Offers()
    offer_id = offers.make(requested_by=ANN)
    _, decision = offers.do(Confirm(Price(valid_until="2026-03-10T12:00:00Z")), offer_id)
    assert [item.path for item in decision.rejection.violations] == ["/valid_until"]
    offers.do(PRICED, offer_id)
    offer = offers.state(offer_id).offer
    assert (offer.status, offer.made_by, offer.requested_by, offer.answered_by) == ("open", "olga", ANN, None)
    offers.do(Answer("accepted", BO), offer_id)
    assert offers.state(offer_id).offer.answered_by == BO


@pytest.mark.parametrize(
    ("now", "period_start", "valid_until"),
    [
        # 14 days, whole seconds.
        (datetime(2026, 3, 2, 11, 0, 0, 5, tzinfo=UTC), "2026-03-01", datetime(2026, 3, 16, 11, tzinfo=UTC)),
        # Until the period ends in Berlin, where summer time has begun.
        (datetime(2026, 3, 20, tzinfo=UTC), "2026-03-01", datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC)),
        # A period that is over, and one to come.
        (datetime(2026, 3, 20, tzinfo=UTC), "2026-02-01", datetime(2026, 4, 3, tzinfo=UTC)),
        (datetime(2026, 3, 20, tzinfo=UTC), "2026-06-01", datetime(2026, 4, 3, tzinfo=UTC)),
    ],
)
def test_offer_is_open_for_14_days_or_until_its_period_ends(now, period_start, valid_until):
    terms = active_contract().state.terms
    assert default_valid_until(terms, datetime.fromisoformat(period_start).date(), now) == valid_until


def test_rule_offers_for_the_period_of_its_notification_or_the_current_one():
    terms, offer = active_contract().state.terms, RuleOffer(account="Help desk", hours="20", valid_days=3)
    for period_start, expected in (("2026-02-01", 2), (None, 3)):
        made = rule_proposal(offer, terms, period_start, rule_name="Warn", now=NOON)
        assert (made.period_start.month, made.reason, made.valid_until) == (expected, "Warn", NOON + timedelta(days=3))


def test_history_says_what_is_offered_and_who_answered():
    offers = Offers()
    offer_id = offers.make(price_minor=180000, price_currency="EUR")
    offers.contract.do(build_command("suspended"))
    offers.do(ACCEPT, offer_id)
    offers.contract.do(build_command("resumed"))
    offers.do(DECLINE, offer_id)
    what = "Offer: +20 h for Help desk, March 2026 (Extra package)"
    assert [(describe_offer(event), explain_offer(event)) for event in offers.events[offer_id]] == [
        ([what, "Price 1800.00 EUR", "Valid until 2026-03-16 11:00 UTC"], None),
        ([what], "The contract ACME-SUP is INACTIVE. Only an ACTIVE contract takes an offer."),
        ([what, "Declined by Ann <ann@acme.example>"], "Too dear"),
    ]
